"""A connection that notes the statements that took long, with their plans; fast ones cost two looks at a clock."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from time import perf_counter
from typing import Any, Final

LONG: Final = 0.2  # seconds
_CHUNK: Final = 100  # rows that are fetched at once
SHOWN: Final = 1000  # characters of a statement
_PLANNED: Final = ("SELECT", "WITH", "INSERT", "UPDATE", "DELETE")


@dataclass(slots=True)
class Slow:
    """A statement that took long: when it began, how many seconds SQLite was busy with it, and its plan.

    Values are bound and are no part of it.
    """

    at: str
    seconds: float
    sql: str
    plan: tuple[str, ...] = ()


class Connection(sqlite3.Connection):
    """A connection whose slow statements are told to `heard`."""

    heard: Callable[[Slow], None] | None = None
    long: float = LONG

    def cursor(self, factory: Any = None) -> Any:
        """Return a cursor that looks at the clock."""
        return super().cursor(factory or Cursor)

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        """Execute a statement."""
        found: sqlite3.Cursor = self.cursor().execute(sql, parameters)
        return found

    def executemany(self, sql: str, parameters: Any, /) -> sqlite3.Cursor:
        """Execute a statement many times."""
        found: sqlite3.Cursor = self.cursor().executemany(sql, parameters)
        return found


class Cursor(sqlite3.Cursor):
    """Adds up the time of one statement, until its last row."""

    _sql: str = ""
    _parameters: Any = None
    _spent = 0.0
    _noted: Slow | None = None

    def execute(self, sql: str, parameters: Any = (), /) -> Cursor:
        """Execute a statement."""
        self._sql, self._parameters, self._spent, self._noted = sql, parameters, 0.0, None
        began = perf_counter()
        super().execute(sql, parameters)
        self._took(began)
        return self

    def executemany(self, sql: str, parameters: Any, /) -> Cursor:
        """Execute a statement many times."""
        self._sql, self._parameters, self._spent, self._noted = sql, None, 0.0, None
        began = perf_counter()
        super().executemany(sql, parameters)
        self._took(began)
        return self

    def fetchall(self) -> list[Any]:
        """Fetch all rows that are left."""
        began = perf_counter()
        rows = super().fetchall()
        self._took(began)
        return rows

    def fetchmany(self, size: int | None = _CHUNK) -> list[Any]:
        """Fetch some rows."""
        began = perf_counter()
        rows = super().fetchmany(_CHUNK if size is None else size)
        self._took(began)
        return rows

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]  # a row at a time would cost a look at the clock each
        while rows := self.fetchmany():
            yield from rows

    def _took(self, began: float) -> None:
        self._spent += perf_counter() - began
        if self._spent >= self.connection.long:  # type: ignore[attr-defined]  # made by such a connection only
            self._note(self._sql, self._parameters)

    def _note(self, sql: str, parameters: Any) -> None:
        heard = self.connection.heard  # type: ignore[attr-defined]
        if self._noted is not None:
            self._noted.seconds = self._spent
        elif heard is not None:
            at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            self._noted = Slow(at, self._spent, " ".join(sql.split())[:SHOWN], self._plan(sql, parameters))
            heard(self._noted)

    def _plan(self, sql: str, parameters: Any) -> tuple[str, ...]:
        """Ask SQLite how it went about a statement; what it cannot say is no plan."""
        if parameters is None or not sql.lstrip().upper().startswith(_PLANNED):
            return ()
        with suppress(sqlite3.Error):
            steps = sqlite3.Cursor(self.connection).execute(f"EXPLAIN QUERY PLAN {sql}", parameters)
            return tuple(step[3] for step in steps)
        return ()
