"""Digests that tell records apart, and a small memory for what occurred twice."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Hashable, Iterable
from hashlib import blake2b
from itertools import pairwise
from typing import Final
from zlib import crc32

from .values import canonical

MODULUS: Final = 2**128
BUCKETS: Final = 1024
PARTS: Final = 64


def of_key(key: tuple[str, ...]) -> bytes:
    """Spell a key as bytes."""
    return (key[0] if len(key) == 1 else "\x00".join(key)).encode("utf-8", "surrogatepass")


def of_record(key: bytes, value: object) -> bytes:
    """Digest one record: 128 bits over its spelled key and its canonical value."""
    return blake2b(b"%b\x00%b" % (key, canonical(value).encode()), digest_size=16).digest()


def bucket(key: bytes) -> int:
    """Return the bucket of a spelled key, the same in every process."""
    return crc32(key) % BUCKETS


class Hashes:
    """Hashes of many things at eight bytes each, in parts, so that sorting them needs little more.

    Those that `meet` takes also keep where they were met, at eight bytes more.
    """

    def __init__(self) -> None:
        self._parts = [array("q") for _ in range(PARTS)]
        self._places = [array("q") for _ in range(PARTS)]

    def add(self, item: Hashable) -> None:
        """Take note of one more item."""
        number = hash(item)
        self._parts[number % PARTS].append(number)

    def meet(self, item: Hashable, place: int) -> None:
        """Take note of one more item, and of the place where it was met."""
        number = hash(item)
        self._parts[number % PARTS].append(number)
        self._places[number % PARTS].append(place)

    def places(self, numbers: frozenset[int]) -> list[int]:
        """Return where the items with these hashes were met, in order."""
        found = []
        for part, places in zip(self._parts, self._places, strict=True):
            found += [place for number, place in zip(part, places, strict=True) if number in numbers]
        return sorted(found)

    def twins(self) -> frozenset[int]:
        """Return the hashes that were added twice or more (very rarely of two different things)."""
        return frozenset(number for part in self._parts for number in _repeated(sorted(part)))

    def sort(self) -> None:
        """Make it possible to look things up."""
        self._parts = [array("q", sorted(part)) for part in self._parts]

    def __contains__(self, item: Hashable) -> bool:
        number = hash(item)
        part = self._parts[number % PARTS]
        place = bisect_left(part, number)
        return place < len(part) and part[place] == number


def _repeated(ordered: Iterable[int]) -> Iterable[int]:
    return (one for one, other in pairwise(ordered) if one == other)
