"""Where each record lies in one version of a file, so that a few can be changed without decoding the others."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from hashlib import blake2b, sha256
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

Key = tuple[str, ...]
CHUNK: Final = 1 << 22  # large, for a thread waits for its turn after each


class Edit(NamedTuple):
    """Bytes [start, stop) that become others: those of the record in a place, or behind the last one.

    `inside` tells where the record begins in the new bytes; None: it is gone.
    """

    start: int
    stop: int
    new: bytes
    place: int
    key: Key
    inside: int | None = 0


class Layout:
    """The bytes of every record of a map or list in one version of a file, known by its digest; 24 bytes for each."""

    def __init__(self, digest: str = "") -> None:
        self.digest = digest
        self.starts, self.stops, self._keys = array("q"), array("q"), array("q")

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, key: Key, start: int, stop: int) -> None:
        """Take in the next record."""
        self._keys.append(_hashed(key))
        self.starts.append(start)
        self.stops.append(stop)

    def places(self, keys: Iterable[Key]) -> dict[Key, int]:
        """Return where records stand, as far as they are there; by 64 bits of a hash of their keys."""
        wanted = {_hashed(key): key for key in keys}
        return {wanted[number]: place for place, number in enumerate(self._keys) if number in wanted}

    def after(self, edits: Sequence[Edit], digest: str) -> Layout:
        """Return the layout of the version that edits (in their order) make of this one."""
        made, shift, done = Layout(digest), 0, 0
        for edit in edits:
            made._copy(self, done, edit.place, shift)
            if edit.inside is not None:
                made.add(edit.key, edit.start + shift + edit.inside, edit.start + shift + len(edit.new))
            shift += len(edit.new) - (edit.stop - edit.start)
            done = min(edit.place + 1, len(self))
        made._copy(self, done, len(self), shift)
        return made

    def _copy(self, other: Layout, start: int, stop: int, shift: int) -> None:
        self._keys += other._keys[start:stop]
        for mine, others in ((self.starts, other.starts[start:stop]), (self.stops, other.stops[start:stop])):
            mine.extend(array("q", [at + shift for at in others]) if shift else others)


def _hashed(key: Key) -> int:
    """Return 64 bits of a hash of a key, the same in every process."""
    text = "\x00".join(key).encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(text, digest_size=8).digest(), signed=True)


def splice(base: Path, out: BinaryIO, edits: Iterable[Edit]) -> tuple[str, str]:
    """Copy a file with edits made in it; return the SHA-256 of what was read and of what was written.

    Up to the first edit both are digested at once.
    """
    read, wrote, at = sha256(), None, 0
    with base.open("rb") as stream:
        for start, stop, new in chain(((e.start, e.stop, e.new) for e in edits), [(None, None, b"")]):
            while data := stream.read(CHUNK if start is None else min(CHUNK, start - at)):
                read.update(data)
                if wrote is not None:
                    wrote.update(data)
                out.write(data)
                at += len(data)
            if stop is not None:
                wrote = wrote or read.copy()
                read.update(stream.read(stop - at))
                at = stop
                wrote.update(new)
                out.write(new)
    return read.hexdigest(), (wrote or read).hexdigest()
