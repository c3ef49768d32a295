"""The last statements that took long, in a small table: what one process noted, another can show."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final

from .engines.sqlite import Connection, columns_of
from .engines.timing import Slow

KEPT: Final = 100
_TABLE: Final = "_mm_slow"


def keep(connection: Connection, noted: Iterable[Slow]) -> None:
    """Write down slow statements, inside the caller's transaction; only the last hundred stay."""
    if columns_of(connection, _TABLE):
        connection.executemany(
            f"INSERT INTO {_TABLE} (at, seconds, sql, plan) VALUES (?, ?, ?, ?)",
            [(slow.at, slow.seconds, slow.sql, json.dumps(slow.plan)) for slow in noted],
        )
        connection.execute(f"DELETE FROM {_TABLE} WHERE id <= (SELECT max(id) FROM {_TABLE}) - ?", (KEPT,))


def kept(connection: Connection) -> list[Slow]:
    """Return the slow statements that were written down, the latest last."""
    if not columns_of(connection, _TABLE):
        return []
    rows = connection.execute(f"SELECT at, seconds, sql, plan FROM {_TABLE} ORDER BY id")
    return [Slow(row["at"], row["seconds"], row["sql"], tuple(json.loads(row["plan"]))) for row in rows]
