"""A backup as one file: a plain ustar archive, written and read one header at a time.

Nothing is ever extracted by an archive's own word: a header is looked at by the standard library, and whatever is no
plain file with a plain name is refused. Nothing is compressed, so nothing can swell.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from .. import files
from .manifest import damaged, is_plain

SUFFIX: Final = ".tar"
MOST: Final = 100  # members: a pack has a few dozen files
_BLOCK: Final = tarfile.BLOCKSIZE
_END: Final = bytes(2 * _BLOCK)


@dataclass(frozen=True, slots=True)
class Member:
    """Something in an archive: where its bytes are."""

    name: str
    offset: int
    size: int


def write(target: BinaryIO, members: Iterable[Path]) -> None:
    """Write files into an archive, in the order given."""
    for path in members:
        info = tarfile.TarInfo(path.name)
        info.size, info.mode = path.stat().st_size, 0o600
        target.write(info.tobuf(tarfile.GNU_FORMAT))
        with path.open("rb") as source:
            while data := source.read(files.CHUNK):
                target.write(data)
        target.write(bytes(-info.size % _BLOCK))
    target.write(_END)


def read(source: BinaryIO) -> dict[str, Member]:
    """Return where each member lies. Raises Damaged for whatever we would not have written."""
    found: dict[str, Member] = {}
    source.seek(0, 2)
    end = source.tell()
    for member in _members(source, end):
        if member.name.casefold() in {name.casefold() for name in found}:
            raise damaged(f"it holds {member.name!r} twice")
        if len(found) >= MOST:
            raise damaged(f"it holds more than {MOST} members")
        found[member.name] = member
    return found


def _members(source: BinaryIO, end: int) -> Iterator[Member]:
    place = 0
    while (block := _at(source, place, _BLOCK)) != bytes(_BLOCK):
        info = _header(block)
        member = Member(info.name, place + _BLOCK, info.size)
        if not 0 <= info.size <= end - member.offset:
            raise damaged(f"it says that {info.name!r} has {info.size:,} bytes, and has not so many itself")
        yield member
        place = member.offset + info.size + -info.size % _BLOCK
    if _at(source, place, 20 * _BLOCK).strip(b"\0") or end - place > 20 * _BLOCK:
        raise damaged("something stands behind its end")


def _at(source: BinaryIO, place: int, size: int) -> bytes:
    source.seek(place)
    return source.read(size)


def _header(block: bytes) -> tarfile.TarInfo:
    try:
        # `frombuf` looks at one block; it follows no link, extension or sparse map, and neither do we.
        info = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
    except (tarfile.HeaderError, UnicodeDecodeError):
        raise damaged("it is no archive of ours, or it was cut short") from None
    if info.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
        raise damaged(f"{info.name!r} in it is no plain file")
    if not is_plain(info.name) and info.name.count("/"):
        raise damaged(f"{info.name!r} leads out of it")
    return info


class Slice:
    """A piece of an open file, read from its beginning."""

    def __init__(self, stream: BinaryIO, member: Member) -> None:
        self._stream, self._left = stream, member.size
        stream.seek(member.offset)

    def read(self, size: int = -1) -> bytes:
        """Read at most so many bytes, never beyond the piece."""
        data = self._stream.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(data)
        return data
