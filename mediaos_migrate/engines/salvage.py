"""What can still be read of a damaged database, by plain SELECTs around the pages that are broken."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from .sqlite import Connection, quoted, transaction

_LAST: Final = 1 << 62  # no search for the next row that can be read goes farther
_SEQUENCE: Final = "sqlite_sequence"
_HEADER: Final = 100  # bytes

Row = tuple[Any, ...]


def fill(path: Path) -> None:
    """Give a copy of a database that was cut off its length again: SQLite opens none that is too short."""
    with path.open("rb") as stream:
        header = stream.read(_HEADER)
    size, pages = int.from_bytes(header[16:18]), int.from_bytes(header[28:32])
    length = pages * (65536 if size == 1 else size)  # two bytes cannot say it otherwise
    if header.startswith(b"SQLite format 3") and path.stat().st_size < length:
        os.truncate(path, length)


def rebuild(source: Connection, target: Connection) -> dict[str, int]:
    """Copy the schema and every row that can be read into an empty database; count by table the rows that are lost.

    Full text is left out: it is made of the other tables. Raises DatabaseError when the schema cannot be read.
    """
    objects = source.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE sql IS NOT NULL").fetchall()
    full_text = [row[1] for row in objects if row[3].upper().startswith("CREATE VIRTUAL")]
    kept = [row for row in objects if not any(name in f"{row[1]} {row[3]}" for name in full_text)]
    kept = [row for row in kept if row[1] != _SEQUENCE]
    target.execute("PRAGMA foreign_keys = OFF")
    with transaction(target):
        lost = _rebuild(source, target, kept)
    target.execute("PRAGMA foreign_keys = ON")
    return lost


def _rebuild(source: Connection, target: Connection, kept: list[Row]) -> dict[str, int]:
    lost: dict[str, int] = {}
    for kind, *_, sql in sorted(kept, key=lambda row: row[0] == "index"):
        if kind in ("table", "index"):
            target.execute(sql)
    for name in [row[1] for row in kept if row[0] == "table"]:
        if missing := _copy(source, target, name):
            lost[name] = missing
    _copy_sequence(source, target)
    for kind, *_, sql in kept:
        if kind in ("trigger", "view"):
            target.execute(sql)
    for table, gone in _tie_loose_ends(target).items():
        lost[table] = lost.get(table, 0) + gone
    return lost


def _copy(source: Connection, target: Connection, table: str) -> int:
    """Copy the rows of a table; return how many are known to be lost, at least 1 when some could not be read."""
    columns = [row[0] for row in target.execute("SELECT name FROM pragma_table_info(?)", (table,))]
    names = ", ".join(map(quoted, columns))
    reader = _Reader(source, table, names)
    put = f"INSERT OR IGNORE INTO {quoted(table)} (rowid, {names}) VALUES (?, {', '.join('?' * len(columns))})"
    if not reader.has_rowid:
        put = f"INSERT OR IGNORE INTO {quoted(table)} ({names}) VALUES ({', '.join('?' * len(columns))})"
    target.executemany(put, reader.rows())
    count = int(target.execute(f"SELECT count(*) FROM {quoted(table)}").fetchone()[0])
    return max(_indexed(source, table) - count, int(reader.torn))


def _indexed(source: Connection, table: str) -> int:
    """Return how many rows a table has by the word of its indexes; 0 when none of them can be read."""
    counts = [0]
    with suppress(sqlite3.DatabaseError):
        for name, partial in source.execute("SELECT name, partial FROM pragma_index_list(?)", (table,)).fetchall():
            with suppress(sqlite3.DatabaseError):
                sql = f"SELECT count(*) FROM {quoted(table)} INDEXED BY {quoted(name)}"
                counts += [] if partial else [int(source.execute(sql).fetchone()[0])]
    return max(counts)


class _Reader:
    """Reads the rows of one table, each with its rowid; `torn`: some could not be read."""

    def __init__(self, source: Connection, table: str, columns: str) -> None:
        self._source, self.torn = source, False
        self.has_rowid = _works(source, f"SELECT rowid FROM {quoted(table)} LIMIT 0")
        self._select = f"SELECT {'rowid, ' if self.has_rowid else ''}{columns} FROM {quoted(table)}"

    def rows(self) -> Iterator[Row]:
        """Walk up to a gap, find the next row beyond it that can be read, walk down to the gap, and go on."""
        if not self.has_rowid:
            yield from self._walk("")
            return
        yield from self._walk("WHERE rowid < 0 ORDER BY rowid DESC")
        here: int | None = -1
        while here is not None:
            self._broke, last = False, here
            for row in self._walk("WHERE rowid > ? ORDER BY rowid", here):
                if row[0] <= last:  # a broken page may say anything
                    self.torn = self._broke = True
                    break
                last = row[0]
                yield row
            # Python asks for a row ahead, and so a row beside the gap is seen only when it is asked for alone.
            if not self._broke:
                return
            found = self._beyond(last)
            here, end = (found[0], found[0]) if found else (None, _LAST)
            down = self._walk("WHERE rowid > ? AND rowid < ? ORDER BY rowid DESC", last, end)
            yield from (row for row in down if last < row[0] < end)
            yield from [found] if found else []

    def _walk(self, where: str, *values: int) -> Iterator[Row]:
        """Walk as far as it goes."""
        try:
            yield from map(tuple, self._source.execute(f"{self._select} {where}", values))
        except sqlite3.DatabaseError:
            self.torn = self._broke = True

    def _beyond(self, last: int) -> Row | None:
        """Return the first row that can be read beyond a gap, looked for in steps that grow."""
        step = 1
        while last + step < _LAST:
            with suppress(sqlite3.DatabaseError):
                sql = f"{self._select} WHERE rowid >= ? ORDER BY rowid LIMIT 1"
                row = self._source.execute(sql, (last + step,)).fetchone()
                if row is None or row[0] >= last + step:
                    return row and tuple(row)
            step *= 2
        return None


def _works(connection: Connection, sql: str) -> bool:
    try:
        connection.execute(sql).fetchall()
    except sqlite3.OperationalError:
        return False
    return True


def _copy_sequence(source: Connection, target: Connection) -> None:
    """Let no number be given twice."""
    with suppress(sqlite3.DatabaseError):
        counted = source.execute(f"SELECT name, seq FROM {_SEQUENCE}").fetchall()
        target.execute(f"DELETE FROM {_SEQUENCE}")
        target.executemany(f"INSERT INTO {_SEQUENCE} VALUES (?, ?)", map(tuple, counted))


def _tie_loose_ends(connection: Connection) -> dict[str, int]:
    """Let nothing point at rows that are lost: a pointer that may be empty is, a row that needs its parent goes."""
    gone: dict[str, int] = {}
    for table, rowid, _, number in map(tuple, connection.execute("PRAGMA foreign_key_check").fetchall()):
        sql = 'SELECT "from" FROM pragma_foreign_key_list(?) WHERE id = ?'
        pointers = ", ".join(f"{quoted(row[0])} = NULL" for row in connection.execute(sql, (table, number)))
        try:
            connection.execute(f"UPDATE {quoted(table)} SET {pointers} WHERE rowid = ?", (rowid,))
        except sqlite3.IntegrityError:
            connection.execute(f"DELETE FROM {quoted(table)} WHERE rowid = ?", (rowid,))
            gone[table] = gone.get(table, 0) + 1
    return gone
