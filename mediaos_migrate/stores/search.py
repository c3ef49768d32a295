"""Full text over the searched columns of a part: FTS5 kept in step by plain SQL triggers; a query is never SQL."""

from __future__ import annotations

import re
from typing import Final

from ..engines.sqlite import Connection, quoted
from ..errors import CouldNotCheck, UsageError
from ..pack import Part

PLACE: Final = "coalesce(t.position, 4611686018427387904)"
TOKENS: Final = "unicode61 remove_diacritics 2"
_WORD: Final = re.compile(r"\w+")


def build(connection: Connection, part: Part) -> None:
    """Make the full-text table of a part and fill it; inside a transaction. What is there already stays."""
    if not part.search or is_built(connection, part):
        return
    table, index = quoted(part.table), quoted(_name(part))
    columns = ", ".join(map(quoted, part.search))
    new, old = (", ".join(f"{row}.{quoted(name)}" for name in part.search) for row in ("NEW", "OLD"))
    gone = f"INSERT INTO {index} ({index}, rowid, {columns}) VALUES ('delete', OLD.rowid, {old});"
    come = f"INSERT INTO {index} (rowid, {columns}) VALUES (NEW.rowid, {new});"
    connection.execute(
        f"CREATE VIRTUAL TABLE {index} USING fts5({columns}, content={table}, content_rowid=rowid, "
        f"tokenize='{TOKENS}', prefix='2 3 4')"
    )
    changed = f"WHEN (NEW.rowid, {new}) IS NOT (OLD.rowid, {old})"  # a page of full text costs more than the row
    for event, body in (
        ("insert", f"BEGIN {come}"),
        ("delete", f"BEGIN {gone}"),
        ("update", f"{changed} BEGIN {gone} {come}"),
    ):
        connection.execute(f"CREATE TRIGGER {quoted(f'{_name(part)}_{event}')} AFTER {event} ON {table} {body} END")
    connection.execute(f"INSERT INTO {index} ({index}) VALUES ('rebuild')")


def drop(connection: Connection, part: Part) -> None:
    """Remove the full-text table of a part."""
    for event in ("insert", "delete", "update"):
        connection.execute(f"DROP TRIGGER IF EXISTS {quoted(f'{_name(part)}_{event}')}")
    connection.execute(f"DROP TABLE IF EXISTS {quoted(_name(part))}")


def is_built(connection: Connection, part: Part) -> bool:
    """Tell whether the full-text table of a part is there."""
    return bool(connection.execute("SELECT 1 FROM sqlite_schema WHERE name = ?", (_name(part),)).fetchone())


def find(connection: Connection, part: Part, words: str, limit: int) -> list[int]:
    """Return the rowids in which all words occur, the shortest text first: the words make up most of that.

    BM25 takes three times as long for nearly the same order: it weighs each word by how rare it is, and here each text
    has all of them. Raises UsageError where nothing is searched.
    """
    if not part.search:
        raise UsageError("The pack names no columns to search here.", "Use a filter.")
    if not is_built(connection, part):
        raise CouldNotCheck(f"{part.table} has no full text yet.", "Run `mediaos-migrate search build`.")
    query = " ".join(f'"{word}"' for word in _WORD.findall(words))
    if not query:
        return []
    index = quoted(_name(part))
    length = " + ".join(f"length(coalesce(t.{quoted(column)}, ''))" for column in part.search)
    rows = connection.execute(
        f"SELECT t.rowid FROM {index} AS i JOIN {quoted(part.table)} AS t ON t.rowid = i.rowid "
        f"WHERE {index} MATCH ? ORDER BY {length}, {PLACE}, t.rowid LIMIT ?",
        (f"{query}*", limit),
    )
    return [row[0] for row in rows]


def _name(part: Part) -> str:
    return f"_mm_search_{part.table}"
