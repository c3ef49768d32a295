"""How often tables were changed, by whichever program: counted by plain SQL triggers, in the same transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final
from zlib import crc32

from ..engines.sqlite import Connection, quoted

EVENTS: Final = ("insert", "update", "delete")
QUARANTINE: Final = "_mm_quarantine"

Counts = dict[str, int]


def watch(connection: Connection, tables: Iterable[str]) -> None:
    """Count the changes of these tables from now on; one that was not watched until now counts as changed."""
    for table in tables:
        if _is_watched(connection, table):
            continue
        for event in EVENTS:
            connection.execute(
                f"CREATE TRIGGER IF NOT EXISTS {_name(table, event)} AFTER {event} ON {quoted(table)} "
                f"BEGIN UPDATE _mm_changes SET count = count + 1 WHERE name = '{table}'; END"
            )
        connection.execute(
            "INSERT INTO _mm_changes (name, count) VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET count = count + 1",
            (table,),
        )


def unwatch(connection: Connection, tables: Iterable[str]) -> None:
    """Stop counting."""
    for table in tables:
        for event in EVENTS:
            connection.execute(f"DROP TRIGGER IF EXISTS {_name(table, event)}")


@contextmanager
def unwatched(connection: Connection, tables: Iterable[str]) -> Iterator[None]:
    """Do much at once, which counts as one change; inside a transaction."""
    names = list(tables)
    unwatch(connection, names)
    yield
    watch(connection, names)


def watch_quarantine(connection: Connection) -> None:
    """Count the changes of the quarantine, document by document."""
    for event in EVENTS:
        row = "OLD" if event == "delete" else "NEW"
        connection.execute(
            f"CREATE TRIGGER IF NOT EXISTS {_name(QUARANTINE, event)} AFTER {event} ON {QUARANTINE} BEGIN "
            f"INSERT INTO _mm_changes (name, count) VALUES ('{QUARANTINE} ' || {row}.document, 1) "
            f"ON CONFLICT (name) DO UPDATE SET count = count + 1; END"
        )


def counts(connection: Connection, document: str, tables: Iterable[str]) -> Counts | None:
    """Return how often each of a document's tables and its quarantine were changed, and what else a proof depends on.

    That is the shape of the database, and what is noted of the document's envelope. None when something is not watched.
    """
    names = list(tables)
    if not all(_is_watched(connection, table) for table in (*names, QUARANTINE)):
        return None
    try:
        found = {name: int(count) for name, count in connection.execute("SELECT name, count FROM _mm_changes")}
    except (sqlite3.OperationalError, ValueError, TypeError):  # the table is gone, or spoiled
        return None
    sql = "SELECT state, skipped, envelope FROM _mm_documents WHERE document = ?"
    noted = connection.execute(sql, (document,)).fetchone()
    told = {name: found.get(name, 0) for name in (*names, f"{QUARANTINE} {document}")}
    told["envelope"] = _crc(tuple(noted) if noted else None)
    sql = "SELECT tbl_name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type, name"
    told["schema"] = _crc([text for table, text in connection.execute(sql) if table in (*names, QUARANTINE)])
    return told


def _crc(value: object) -> int:
    return crc32(repr(value).encode("utf-8", "surrogatepass"))


def _is_watched(connection: Connection, table: str) -> bool:
    sql = "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ?"
    found = {quoted(name) for (name,) in connection.execute(sql, (table,))}
    return found.issuperset(_name(table, event) for event in EVENTS)


def _name(table: str, event: str) -> str:
    return quoted(f"_mm_changed_{table}_{event}")
