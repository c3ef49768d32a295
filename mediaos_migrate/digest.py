"""Digests that tell records apart, and a small memory for what occurred twice."""

from __future__ import annotations

from array import array
from collections.abc import Hashable, Iterable
from hashlib import blake2b
from typing import Final

from .values import canonical

MODULUS: Final = 2**128
BUCKETS: Final = 1024


def of_record(key: tuple[str, ...], value: object) -> int:
    """Digest one record: 128 bits over its key and its canonical value."""
    text = "\x00".join((*key, canonical(value)))
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest())


def bucket(key: tuple[str, ...]) -> int:
    """Return the bucket of a key: by Python's hash, even whatever the keys look like, and good for one process."""
    return hash(key) % BUCKETS


class Twins:
    """Finds what was added more than once, at eight bytes an item (hashes, so a rare false twin)."""

    def __init__(self) -> None:
        self._hashes = array("q")

    def add(self, item: Hashable) -> None:
        """Take note of one more item."""
        self._hashes.append(hash(item))

    def found(self) -> frozenset[int]:
        """Return the hashes that were added twice or more."""
        ordered = array("q", sorted(self._hashes))
        return frozenset(_repeated(ordered))


def _repeated(ordered: Iterable[int]) -> Iterable[int]:
    previous: int | None = None
    for item in ordered:
        if item == previous:
            yield item
        previous = item
