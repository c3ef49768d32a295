"""The child tables of a part: what a record holds many of, a row for each, beside the record's own row."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..engines.sqlite import Connection, quoted
from ..mapping import Row, key_of_column
from ..pack import Part

Key = tuple[str, ...]
Found = dict[str, list[Mapping[str, Any]]]  # rows by their parent


class Children:
    """Reads and writes the rows that belong to a record's row."""

    def __init__(self, connection: Connection, part: Part) -> None:
        self._connection, self._tables = connection, part.children
        self._parents, self._key = quoted(part.table), part.key[0]

    def of(self, rows: Sequence[sqlite3.Row]) -> dict[str, Found]:
        """Return the children of some rows in their order, table by table."""
        return {table: self._of(table, [row[self._key] for row in rows]) for table in self._tables}

    def _of(self, table: str, parents: list[Any]) -> Found:
        parent = self._tables[table].parent
        sql = (
            f"SELECT * FROM {quoted(table)} WHERE {quoted(parent)} IN ({', '.join('?' * len(parents))}) "
            f"ORDER BY {quoted(parent)}, position"
        )
        found: Found = {}
        for row in self._connection.execute(sql, parents):
            found.setdefault(key_of_column(row[parent]), []).append(row)
        return found

    def replace(self, rows: Sequence[Row]) -> None:
        """Put the children of mapped records in the place of those that are there."""
        self.remove([row.key for row in rows])
        for table, child in self._tables.items():
            names = [child.parent, "position", *child.columns, "extra", "members"]
            marks = ", ".join("?" * len(names))
            sql = f"INSERT INTO {quoted(table)} ({', '.join(map(quoted, names))}) VALUES ({marks})"
            items = (item for row in rows for item in row.children[table])
            self._connection.executemany(sql, [[item[name] for name in names] for item in items])

    def remove(self, parents: Sequence[Key]) -> None:
        """Remove the children of these records."""
        for table, child in self._tables.items():
            sql = f"DELETE FROM {quoted(table)} WHERE {quoted(child.parent)} = ?"
            self._connection.executemany(sql, [key[:1] for key in parents])

    def strays(self) -> Iterator[tuple[str, Key]]:
        """Walk through the rows whose parent is not there."""
        for table, child in self._tables.items():
            parent, key = quoted(child.parent), quoted(self._key)
            there = f"SELECT 1 FROM {self._parents} AS p WHERE p.{key} = c.{parent}"
            rows = self._connection.execute(
                f"SELECT {parent}, position FROM {quoted(table)} AS c WHERE NOT EXISTS ({there}) ORDER BY 1, 2"
            )
            yield from ((table, (str(row[0]), str(row[1]))) for row in rows)

    def remove_strays(self) -> None:
        """Remove the rows whose parent is not there."""
        for table, child in self._tables.items():
            there = f"SELECT {quoted(self._key)} FROM {self._parents}"
            self._connection.execute(f"DELETE FROM {quoted(table)} WHERE {quoted(child.parent)} NOT IN ({there})")
