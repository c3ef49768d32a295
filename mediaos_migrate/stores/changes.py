"""How often tables were changed, by whichever program: counted by plain SQL triggers, in the same transaction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from ..engines.sqlite import Connection, quoted

EVENTS: Final = ("insert", "update", "delete")

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


def counts(connection: Connection, tables: Iterable[str]) -> Counts | None:
    """Return how often each of these tables was changed, or None when one of them is not watched."""
    names = list(tables)
    if not all(_is_watched(connection, table) for table in names):
        return None
    found = dict(connection.execute("SELECT name, count FROM _mm_changes").fetchall())
    return {name: int(found[name]) for name in names if name in found}


def _is_watched(connection: Connection, table: str) -> bool:
    sql = "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ?"
    found = {quoted(name) for (name,) in connection.execute(sql, (table,))}
    return found.issuperset(_name(table, event) for event in EVENTS)


def _name(table: str, event: str) -> str:
    return quoted(f"_mm_changed_{table}_{event}")
