"""Two sets of digests too large for memory, held against each other in a private table that vanishes by itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Final, Literal, Self

from .budget import granted

Side = Literal["left", "right"]
_OTHER: Final[dict[Side, Side]] = {"left": "right", "right": "left"}


class Spill:
    """Holds (key, digest) pairs of two sides, as bytes; SQLite moves them to a nameless file when they are many."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.execute(f"PRAGMA cache_size = -{granted().spill // 1024}")
        self._db.execute("PRAGMA journal_mode = OFF")  # a private file is never synced, its journal never needed
        for side in _OTHER:
            self._db.execute(f'CREATE TABLE "{side}" (n INTEGER PRIMARY KEY, key BLOB UNIQUE, digest BLOB)')

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def fill(self, side: Side, pairs: Iterable[tuple[bytes, bytes]]) -> int:
        """Take in all pairs of a side; return how many had a key that was there already."""
        given = 0

        def counted() -> Iterator[tuple[bytes, bytes]]:
            nonlocal given
            for pair in pairs:
                given += 1
                yield pair

        self._db.execute("BEGIN")
        self._db.executemany(f'INSERT OR IGNORE INTO "{side}" (key, digest) VALUES (?, ?)', counted())
        self._db.execute("COMMIT")
        kept: int = self._db.execute(f'SELECT count(*) FROM "{side}"').fetchone()[0]
        return given - kept

    def only(self, side: Side) -> Iterator[bytes]:
        """Walk through the keys that only one side has, in the order in which it gave them."""
        there = f'SELECT 1 FROM "{_OTHER[side]}" AS other WHERE other.key = one.key'
        sql = f'SELECT key FROM "{side}" AS one WHERE NOT EXISTS ({there})'
        yield from (key for (key,) in self._db.execute(f"{sql} ORDER BY one.n"))

    def changed(self) -> Iterator[bytes]:
        """Walk through the keys that both sides have with different digests."""
        sql = 'SELECT l.key FROM "left" AS l JOIN "right" AS r USING (key) WHERE l.digest <> r.digest'
        yield from (key for (key,) in self._db.execute(sql))

    def digests(self, key: bytes) -> tuple[bytes | None, bytes | None]:
        """Return both sides' digests of a key."""
        found = [self._db.execute(f'SELECT digest FROM "{side}" WHERE key = ?', (key,)).fetchone() for side in _OTHER]
        left, right = (row[0] if row else None for row in found)
        return left, right
