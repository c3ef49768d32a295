"""Files on disk: digests, settled reads and replacements that survive a power cut.

Nothing else in the toolkit opens a file for writing.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from . import crash

CHUNK: Final = 1 << 20
_LARGE: Final = 1 << 22
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
TEMPORARY: Final = ".mediaos-migrate-tmp"
RACY: Final = 2.0  # seconds after a change in which another one may bear the same time (git calls such entries so)
# File systems of one machine that note the time of each change by their own clock, whoever sets the other times.
_NOTING: Final = {"ext2", "ext3", "ext4", "xfs", "btrfs", "bcachefs", "f2fs", "jfs", "zfs", "tmpfs", "overlay"}


Stamp = tuple[int, int, int, int, int]


class Readable(Protocol):
    """What can be read."""

    def read(self, size: int = -1, /) -> bytes:
        """Read some bytes."""


class Hashing:
    """A binary stream that digests what is read from it (SHA-256)."""

    def __init__(self, stream: Readable) -> None:
        self._stream, self._digest, self.size = stream, hashlib.sha256(), 0

    def read(self, size: int = -1) -> bytes:
        """Read like the stream beneath."""
        data = self._stream.read(size)
        self._digest.update(data)
        self.size += len(data)
        return data

    def drain(self) -> None:
        """Read to the end, so that the digest covers the whole file."""
        while self.read(CHUNK):
            pass

    @property
    def digest(self) -> str:
        """Return the SHA-256 of what was read so far, in hex."""
        return self._digest.hexdigest()


def digest(path: Path) -> str:
    """Return the SHA-256 of a file in hex, read in chunks."""
    found, buffer = hashlib.sha256(), bytearray(_LARGE)  # a thread waits for its turn after each part
    with path.open("rb", buffering=0) as stream:
        while size := stream.readinto(buffer):
            found.update(memoryview(buffer)[:size])
    return found.hexdigest()


@contextmanager
def plain(path: Path) -> Iterator[BinaryIO]:
    """Lend out a file to be read, following no link and waiting for no device."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as stream:
        yield stream


def settled_digest(path: Path, *, pause: float = 0.05, looks: int = 20) -> str | None:
    """Return a digest that two looks apart in time agree on, or None when they never do.

    Neither size nor mtime tells a half-written file: 6 of 14 torn reads had both unchanged.
    """
    before = digest(path)
    for look in range(looks):
        time.sleep(pause * (1 + look / 4))
        after = digest(path)
        if before == after:
            return after
        before = after
    return None


def owner_of(folder: Path) -> tuple[int, int]:
    """Return user and group of a folder."""
    status = folder.stat()
    return status.st_uid, status.st_gid


def give(path: Path, owner: tuple[int, int]) -> None:
    """Hand a file of ours to the owner of the data, as far as we may."""
    if owner != (os.geteuid(), os.getegid()):
        with contextlib.suppress(PermissionError):
            os.chown(path, *owner, follow_symlinks=False)


def notes_changes(path: Path) -> bool:
    """Tell whether a file's `stamp` is to be trusted where it lies."""
    return file_system(path) in _NOTING


def stamp(path: Path) -> Stamp | None:
    """Return what is another after each change of a file; None while one more could go unnoticed, or without a file."""
    try:
        now = path.stat()
    except OSError:
        return None
    if time.time() - now.st_ctime < RACY:
        return None
    return now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns


def file_system(path: Path) -> str | None:
    """Return the kind of file system that a path lies on (its name in /proc/mounts), or None off Linux."""
    try:
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    place = str(path.resolve())
    best, kind = "", None
    for line in mounts:
        _, escaped, found, *_ = line.split(" ")
        folder = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), escaped)  # a blank is \\040
        inside = place == folder or place.startswith(folder.rstrip("/") + "/")
        if inside and len(folder) >= len(best):
            best, kind = folder, found
    return kind


def make_folder(path: Path, owner: tuple[int, int] | None = None) -> None:
    """Make a folder 0700 that belongs to the owner of the data; an existing one stays as it is."""
    if path.is_dir():
        return
    make_folder(path.parent, owner)
    path.mkdir(mode=0o700, exist_ok=True)
    if owner:
        give(path, owner)
    sync_folder(path.parent)


def create(path: Path, owner: tuple[int, int] | None = None) -> None:
    """Make an empty file 0600 that nobody had made before us, following no link."""
    os.close(os.open(path, _NEW, 0o600))
    if owner:
        give(path, owner)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Replacement:
    """A new version of a file: written beside it and synced, then put in its place, or dropped.

    A symlinked file stays a symlink, an existing one keeps its owner and mode, a new one is 0600.
    """

    def __init__(self, path: Path, owner: tuple[int, int] | None = None) -> None:
        self._target = path.resolve() if path.is_symlink() else path
        self._temporary = self._target.with_name(f".{self._target.name}{TEMPORARY}")
        self._owner = owner

    @contextmanager
    def writing(self) -> Iterator[BinaryIO]:
        """Lend out the stream to write to; what was written is durable afterwards, under another name."""
        self.drop()
        descriptor = os.open(self._temporary, _NEW, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                yield stream
                stream.flush()
                _inherit(stream.fileno(), self._target, self._owner)
                os.fsync(stream.fileno())
        except BaseException:
            self.drop()
            raise
        crash.point("file.written")

    @property
    def written(self) -> Path:
        """Where the new version is until it is put in its place."""
        return self._temporary

    def drop(self) -> None:
        """Forget the new version, durably: no power cut brings it back."""
        with contextlib.suppress(FileNotFoundError):
            self._temporary.unlink()
            sync_folder(self._temporary.parent)

    def put(self, *, keep: bool = False) -> None:
        """Put the new version in the file's place, durably; one that cannot be is dropped, or kept for another try."""
        try:
            self._temporary.replace(self._target)
        except BaseException:
            if not keep:
                self.drop()
            raise
        crash.point("file.renamed")
        sync_folder(self._target.parent)


@contextmanager
def replacing(path: Path, owner: tuple[int, int] | None = None) -> Iterator[BinaryIO]:
    """Write a file as a whole or not at all."""
    replacement = Replacement(path, owner)
    with replacement.writing() as stream:
        yield stream
    replacement.put()


def _inherit(descriptor: int, target: Path, owner: tuple[int, int] | None) -> None:
    try:
        old = target.stat()
    except FileNotFoundError:
        if owner and owner != (os.geteuid(), os.getegid()):
            with contextlib.suppress(PermissionError):
                os.fchown(descriptor, *owner)
        return
    with contextlib.suppress(PermissionError):
        os.fchown(descriptor, old.st_uid, old.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(old.st_mode))


def copy(source: Path, target: Path, owner: tuple[int, int] | None = None) -> str:
    """Copy a file's bytes durably into a new file; return the digest of what was copied."""
    with source.open("rb") as stream, replacing(target, owner) as out:
        reader = Hashing(stream)
        while data := reader.read(CHUNK):
            out.write(data)
    return reader.digest


def shred(path: Path) -> None:
    """Write zeros over a file and remove it; what a disk or snapshot keeps elsewhere is beyond our reach."""
    descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "wb") as stream:
        left = os.fstat(stream.fileno()).st_size
        while left > 0:
            left -= stream.write(bytes(min(left, CHUNK)))
        stream.flush()
        os.fsync(stream.fileno())
    crash.point("file.zeroed")
    path.unlink()
    sync_folder(path.parent)


def leftovers(folder: Path) -> Iterator[Path]:
    """Find temporary files of ours that an interrupted run left in a folder."""
    yield from folder.glob(f".*{TEMPORARY}")
