"""How much memory this process may take, and what gets how much of it: page caches and batches."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Self, TypeVar

from .errors import UsageError

MB: Final = 10**6
PYTHON: Final = 64 * MB  # what the interpreter and the libraries take before a record is read
LEAST: Final = 80 * MB
VARIABLE: Final = "MEDIAOS_MIGRATE_MAX_MEMORY"  # the size, for this process and those that it starts
_T = TypeVar("_T")
_UNITS: Final = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


@dataclass(frozen=True, slots=True)
class Budget:
    """The memory of the whole process, in bytes; what it does not say, follows from it."""

    memory: int = 128 * MB

    @classmethod
    def of(cls, text: str) -> Self:
        """Take a size as a person writes it; raises UsageError when nothing could be done in it."""
        found = size(text)
        if found < LEAST:
            raise UsageError(f"{text} of memory is too little to work with.", f"The least is {LEAST // MB}M.")
        return cls(found)

    @property
    def free(self) -> int:
        """What is left for data."""
        return self.memory - PYTHON

    @property
    def cache(self) -> int:
        """The page cache of the database, in bytes; more than this makes nothing faster."""
        return min(self.free // 4, 256 * MB)

    @property
    def spill(self) -> int:
        """The page cache of a private table that is too large for memory, in bytes."""
        return self.cache // 2

    @property
    def records(self) -> int:
        """How many records are held at once; each costs its text several times over while it is a row and an object."""
        return max(100, min(self.free // (160 * 1000), 1000))

    @property
    def piece(self) -> int:
        """How many bytes of records, as they stand in a file or a table, are held at once."""
        return self.free // 32


class _Process:
    """This process; its memory is one, whatever runs in it."""

    budget = Budget()


def granted() -> Budget:
    """Return what this process may take."""
    return _Process.budget


@contextmanager
def granting(budget: Budget) -> Iterator[None]:
    """Let this process take so much while something is done."""
    before, _Process.budget = _Process.budget, budget
    try:
        yield
    finally:
        _Process.budget = before


def batches(stream: Iterable[_T], weight: Callable[[_T], int]) -> Iterator[list[_T]]:
    """Group records, some at a time: as many as may be held at once, and one alone that weighs more."""
    records, piece = granted().records, granted().piece
    some, heavy = list[_T](), 0
    for item in stream:
        some.append(item)
        heavy += weight(item)
        if heavy >= piece or len(some) >= records:
            yield some
            some, heavy = [], 0
    if some:
        yield some


def size(text: str) -> int:
    """Read a size as a person writes it: 500M, 2G, 1048576. Raises UsageError."""
    found = re.fullmatch(r"(\d+)([KMGT]?)B?", text.strip().upper())
    if not found:
        raise UsageError(f"`{text}` is no size.", "Give one as 500M or 2G.")
    return int(found[1]) * _UNITS[found[2]]
