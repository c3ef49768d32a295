"""Where backups lie: a folder or an archive, read through one interface that never follows a name outside."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

from .. import files
from ..errors import MigrateError, UsageError
from ..files import Readable
from ..secrets import Vault
from ..site import Site
from . import archive, manifest
from .archive import Slice
from .manifest import DIGEST, NAME, SEAL, Held, Manifest, damaged
from .sealing import Opened

FOLDER: Final = "backups"
PARTIAL: Final = ".partial-"
OWN: Final = (NAME, DIGEST, SEAL)


@dataclass(frozen=True, slots=True)
class Backup:
    """A folder, or one file, that holds what its manifest says."""

    path: Path
    manifest: Manifest
    members: dict[str, int] = field(default_factory=dict)  # what lies there, with sizes
    fresh: bool = False  # it was made just now

    @property
    def name(self) -> str:
        """The backup's name: when it was made, and before what."""
        return self.path.name.removesuffix(archive.SUFFIX)

    @property
    def archived(self) -> bool:
        """Whether it is one file."""
        return self.path.suffix == archive.SUFFIX

    @property
    def digests(self) -> dict[str, str]:
        """The files it holds, with their SHA-256; of a sealed one nothing is known from outside."""
        return {} if self.manifest.sealed else {held.name: held.sha256 for held in self.manifest.files}

    @property
    def sizes(self) -> dict[str, int]:
        """The files it holds, with their sizes in bytes."""
        return {held.name: held.size for held in self.manifest.files}

    @property
    def size(self) -> int:
        """How many bytes it takes on the disk."""
        return sum(self.members.values())

    @contextmanager
    def stored(self, held: Held) -> Iterator[Readable]:
        """Lend out what lies there for a file, sealed or not. Raises Damaged."""
        with _opened(self.path, self.manifest.stored(held.name), held.size) as stream:
            yield stream

    @contextmanager
    def content(self, held: Held, vault: Vault) -> Iterator[Readable]:
        """Lend out what a file says, opened where it is sealed. Raises Damaged or NeedsKey."""
        with self.stored(held) as stream:
            yield Opened(stream, vault, self.context(held.name)) if self.manifest.sealed else stream

    def extract(self, held: Held, target: Path, vault: Vault) -> str:
        """Write what a file says into a new file, durably; return its digest. Raises Damaged when it is not whole."""
        with self.stored(held) as raw, files.replacing(target) as out:
            hashing = files.Hashing(raw)
            plain = Opened(hashing, vault, self.context(held.name)) if self.manifest.sealed else hashing
            while data := plain.read(files.CHUNK):
                out.write(data)
            if hashing.digest != held.sha256 or hashing.size != held.size:
                raise damaged(f"{held.name} is not as it was saved")
        return files.digest(target)

    def context(self, name: str) -> str:
        """Return what binds a sealed file to its place."""
        return f"{self.manifest.id}/{name}"

    def check_seal(self, vault: Vault) -> None:
        """Raise Damaged when the manifest of a sealed backup was not written with the key."""
        if not self.manifest.sealed:
            return
        with _opened(self.path, SEAL) as sealed, _opened(self.path, NAME) as plain:
            told = Opened(sealed, vault, self.context(NAME)).read(manifest.LARGEST)
            if told != plain.read(manifest.LARGEST):
                raise damaged("its manifest is not the one that was sealed")


def load(path: Path, site: Site) -> Backup:
    """Look at a backup; nothing of its content is read. Raises Damaged or NotOurs."""
    members = _members(path)
    if NAME not in members:
        raise damaged(f"{NAME} is missing")
    told = manifest.read(_small(path, NAME), _small(path, DIGEST) if DIGEST in members else None)
    told.check(site.pack)
    expected = {told.stored(held.name): held.size for held in told.members}
    for name, size in expected.items():
        if members.get(name) != size:
            raise damaged(f"{name} {'is missing' if name not in members else 'has another size'}", file=name)
    if strange := sorted(members.keys() - expected.keys() - set(OWN)):
        raise damaged(f"it holds {strange[0]!r}, of which its manifest says nothing")
    return Backup(path, told, members)


def _members(path: Path) -> dict[str, int]:
    if path.suffix == archive.SUFFIX:
        with _file(path) as stream:
            return {name: member.size for name, member in archive.read(stream).items()}
    if path.is_symlink() or not path.is_dir():
        raise damaged(f"{path.name} is no folder")
    found: dict[str, int] = {}
    with os.scandir(path) as entries:
        for entry in entries:
            if len(found) >= archive.MOST:
                raise damaged(f"it holds more than {archive.MOST} members")
            found[entry.name] = _plain(entry.stat(follow_symlinks=False), entry.name)
    return found


def _plain(status: os.stat_result, name: str) -> int:
    """Return the size of a plain file; a link could lead anywhere."""
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        raise damaged(f"{name!r} in it is no plain file")
    return status.st_size


@contextmanager
def _file(path: Path) -> Iterator[BinaryIO]:
    with files.plain(path) as stream:
        _plain(os.fstat(stream.fileno()), path.name)
        yield stream


@contextmanager
def _opened(path: Path, name: str, size: int | None = None) -> Iterator[Any]:
    """Lend out a member of a backup, which must have the size that is expected."""
    with _file(path if path.suffix == archive.SUFFIX else path / name) as stream:
        if path.suffix != archive.SUFFIX:
            found, reader = os.fstat(stream.fileno()).st_size, stream
        else:
            member = archive.read(stream)[name]
            found, reader = member.size, Slice(stream, member)  # type: ignore[assignment]
        if size is not None and found != size:
            raise damaged(f"{name} has another size", file=name)
        yield reader


def _small(path: Path, name: str) -> bytes:
    with _opened(path, name) as stream:
        data: bytes = stream.read(manifest.LARGEST + 1)
    if len(data) > manifest.LARGEST:
        raise damaged(f"{name} is too large")
    return data


def paths(site: Site) -> list[Path]:
    """Return where a site's backups are, oldest first; what has no manifest yet is none."""
    folder = site.state / FOLDER
    found = [path.parent for path in folder.glob(f"[!.]*/{NAME}")]
    return sorted([*found, *folder.glob(f"[!.]*{archive.SUFFIX}")])


def all_of(site: Site) -> list[Backup]:
    """Return a site's backups, oldest first; what is damaged is left out."""
    found = []
    for path in paths(site):
        with suppress(MigrateError, OSError):
            found.append(load(path, site))
    return found


def find(site: Site, name: str) -> Backup:
    """Return a backup by its name, or by the path of one that lies elsewhere. Raises UsageError or Damaged."""
    if "/" in name:
        path = Path(name)
        if not path.exists():
            raise UsageError(f"There is nothing at {path}.", "Name a backup's folder or archive.")
        return load(path, site)
    path = next((path for path in paths(site) if name in (path.name, path.name.removesuffix(archive.SUFFIX))), None)  # type: ignore[assignment]
    if path is None:
        raise UsageError(f"There is no backup {name}.", "`mediaos-migrate backup list` names them.")
    return load(path, site)


def holding(site: Site, name: str, digest: str) -> Path | None:
    """Find a copy of a file that has a certain digest; nobody writes to a backup."""
    copies = [
        backup.path / name
        for backup in reversed(all_of(site))
        if not backup.archived and backup.digests.get(name) == digest
    ]
    return next((copy for copy in copies if copy.is_file() and files.digest(copy) == digest), None)
