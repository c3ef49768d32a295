"""Disks as they may be after a power cut: what was synced is there, of the rest anything may be or not.

Strict, as POSIX allows it: a file's bytes are durable when it is synced, its name when its folder is. Names of one
folder become durable in the order in which they were changed; folders and files know nothing of each other.
"""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final

WRITE, SYNC, RENAME, TRUNCATE, CREATE, UNLINK, MKDIR, RMDIR, ACK = (1 << n for n in range(9))
NAMES: Final = dict(
    zip(
        (WRITE, SYNC, RENAME, TRUNCATE, CREATE, UNLINK, MKDIR, RMDIR, ACK),
        ("write", "sync", "rename", "truncate", "create", "unlink", "mkdir", "rmdir", "ack"),
        strict=True,
    )
)
HEAD: Final = struct.Struct("=HHHHIIq")
SECTOR: Final = 512

Image = dict[str, bytes | None]  # None: a folder


@dataclass(frozen=True)
class Operation:
    """One call that changed the disk; paths are relative to the site."""

    call: int
    path: str
    other: str
    data: bytes
    offset: int


def read(log: bytes, folder: Path) -> Iterator[Operation]:
    """Read what the shim noted."""
    at = 0
    while at < len(log):
        call, path, other, _, size, _, offset = HEAD.unpack_from(log, at)
        at += HEAD.size
        parts = []
        for length in (path, other, size):
            parts.append(log[at : at + length])
            at += length
        names = [os.path.relpath(os.fsdecode(part), folder) if part else "" for part in parts[:2]]
        yield Operation(call, names[0], names[1], parts[2], offset)


@dataclass
class File:
    """A file: the bytes that are durable, and what was done to it since."""

    durable: bytes = b""
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)  # None: cut to a length


@dataclass
class Folder:
    """A folder: the names that are durable, and what was done to them since."""

    now: dict[str, File | Folder] = field(default_factory=dict)
    durable: dict[str, File | Folder] = field(default_factory=dict)
    pending: list[dict[str, File | Folder | None]] = field(default_factory=list)  # names set or (None) gone

    def change(self, names: dict[str, File | Folder | None]) -> None:
        self.pending.append(names)
        _apply(self.now, names)


def _apply(names: dict[str, File | Folder], change: dict[str, File | Folder | None]) -> None:
    for name, node in change.items():
        if node is None:
            names.pop(name, None)
        else:
            names[name] = node


class Disk:
    """A folder's files while a program is at work, and what of that is durable."""

    def __init__(self, begin: Path) -> None:
        self.root = self._load(begin)

    def _load(self, path: Path) -> Folder:
        folder = Folder()
        for each in path.iterdir():
            node = self._load(each) if each.is_dir() else File(each.read_bytes())
            folder.now[each.name] = folder.durable[each.name] = node
        return folder

    def _find(self, path: str) -> File | Folder | None:
        node: File | Folder | None = self.root
        for name in [] if path == "." else path.split("/"):
            node = node.now.get(name) if isinstance(node, Folder) else None
        return node

    def _within(self, path: str) -> tuple[Folder, str]:
        parent, _, name = path.rpartition("/")
        folder = self._find(parent or ".")
        assert isinstance(folder, Folder), path
        return folder, name

    def do(self, operation: Operation) -> None:
        """Do one operation."""
        call, path = operation.call, operation.path
        if call in (CREATE, MKDIR):
            folder, name = self._within(path)
            folder.change({name: File() if call == CREATE else Folder()})
        elif call in (UNLINK, RMDIR):
            folder, name = self._within(path)
            folder.change({name: None})
        elif call == RENAME:
            self._rename(path, operation.other)
        elif call == SYNC:
            self._sync(self._find(path))
        elif call in (WRITE, TRUNCATE):
            node = self._find(path)
            assert isinstance(node, File), path
            node.pending.append((operation.offset, operation.data if call == WRITE else None))

    def _rename(self, path: str, other: str) -> None:
        (source, old), (target, new) = self._within(path), self._within(other)
        node = source.now[old]
        if source is target:
            source.change({old: None, new: node})
        else:  # the new name may be there before the old one is gone
            target.change({new: node})
            source.change({old: None})

    def _sync(self, node: File | Folder | None) -> None:
        if isinstance(node, Folder):
            node.durable, node.pending = dict(node.now), []
        elif node is not None:
            node.durable, node.pending = written(node.durable, node.pending), []

    def image(self, chooser: Chooser) -> Image:
        """Return what may be on the disk now."""
        found: Image = {}
        self._show(self.root, "", chooser, found)
        return found

    def _show(self, folder: Folder, prefix: str, chooser: Chooser, found: Image) -> None:
        names = dict(folder.durable)
        for change in folder.pending[: chooser.names(len(folder.pending))]:
            _apply(names, change)
        for name, node in names.items():
            if isinstance(node, Folder):
                found[prefix + name] = None
                self._show(node, f"{prefix}{name}/", chooser, found)
            else:
                found[prefix + name] = written(node.durable, chooser.writes(node.pending))


def written(data: bytes, changes: list[tuple[int, bytes | None]]) -> bytes:
    """Return a file's bytes after some writes; what lies between is zero."""
    if not changes:
        return data
    out = bytearray(data)
    for offset, more in changes:
        size = offset if more is None else offset + len(more)
        if len(out) < size:
            out.extend(bytes(size - len(out)))
        if more is None:
            del out[offset:]
        else:
            out[offset : offset + len(more)] = more
    return bytes(out)


@dataclass(frozen=True)
class Chooser:
    """Decides what of the work that was not synced has reached the disk."""

    keep_writes: bool | None  # None: as it falls
    keep_names: bool | None
    chance: random.Random

    def names(self, count: int) -> int:
        if self.keep_names is None:
            return self.chance.randint(0, count)
        return count if self.keep_names else 0

    def writes(self, pending: list[tuple[int, bytes | None]]) -> list[tuple[int, bytes | None]]:
        if self.keep_writes is not None:
            return pending if self.keep_writes else []
        return [self._torn(*each) for each in pending if self.chance.random() < 0.5]

    def _torn(self, offset: int, data: bytes | None) -> tuple[int, bytes | None]:
        """Let a part of the sectors of a write be lost at its end."""
        if data is None or len(data) <= SECTOR or self.chance.random() < 0.5:
            return offset, data
        return offset, data[: SECTOR * self.chance.randint(1, len(data) // SECTOR)]


MORE: Final = 4  # so many disks are made for each one that is tried: many are the same
WAYS: Final = [(False, False), (False, True), (True, False), (True, True), (None, False), (None, True), (None, None)]


def images(begin: Path, operations: list[Operation], chance: random.Random, count: int) -> Iterator[tuple[int, Image]]:
    """Give distinct images of a trace, at most so many, from all over it."""
    cuts = [(at, way) for at in range(1, len(operations) + 1) for way in WAYS]
    wanted: dict[int, list[tuple[bool | None, bool | None]]] = {}
    for at, way in chance.sample(cuts, min(MORE * count, len(cuts))):
        wanted.setdefault(at, []).append(way)
    disk, seen, known = Disk(begin), {}, Digests()
    for at, operation in enumerate(operations, 1):
        disk.do(operation)
        for writes, names in wanted.get(at, []):
            image = disk.image(Chooser(writes, names, chance))
            acks = sum(each.call == ACK for each in operations[:at])
            seen.setdefault((acks, known.of(image)), (at, image))
    found = list(seen.values())
    yield from chance.sample(found, min(count, len(found)))


class Digests:
    """Digests images; most of their files are the very same bytes as in the image before."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[bytes, bytes]] = {}  # by identity, with the bytes, so that it stays theirs

    def of(self, image: Image) -> bytes:
        """Return what tells an image from all others."""
        whole = sha256()
        for path in sorted(image):
            data = image[path]
            whole.update(path.encode() + b"\x00" + (b"/" if data is None else self._file(data)))
        return whole.digest()

    def _file(self, data: bytes) -> bytes:
        if id(data) not in self._known:
            self._known[id(data)] = data, sha256(data).digest()
        return self._known[id(data)][1]


def lay_out(image: Image, folder: Path) -> None:
    """Write an image to a folder."""
    folder.mkdir()
    for path in sorted(image):
        data = image[path]
        if data is None:
            (folder / path).mkdir()
        else:
            (folder / path).write_bytes(data)
