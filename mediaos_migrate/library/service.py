"""What jobs and sessions have in common: a table that no file feeds, a clock, and one way to write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import ClassVar

from ..engines.sqlite import Connection, columns_of, quoted, transaction
from ..errors import CouldNotCheck, UsageError
from .host import Host

Clock = Callable[[], datetime]


def now() -> datetime:
    """Tell the time."""
    return datetime.now(UTC)


def text(value: object, what: str) -> str:
    """Return a text as it is. Raises UsageError for anything else, which would be looked for and never found."""
    if not isinstance(value, str):
        raise UsageError(f"{what} is a text, not {type(value).__name__}.", "Pass it as a string.")
    return value


def instant(moment: datetime | float) -> str:
    """Spell a moment (a number counts seconds since 1970) in the one form in which instants are compared as text.

    Raises UsageError for what is none.
    """
    if not isinstance(moment, datetime):
        try:
            moment = datetime.fromtimestamp(moment, UTC)
        except (TypeError, ValueError, OverflowError, OSError):
            raise UsageError("This is no moment.", "Give a `datetime`, or seconds since 1970.") from None
    if moment.tzinfo is None:
        raise UsageError("This moment has no time zone.", "Give it one, as in `datetime.now(UTC)`.")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Service:
    """A table of the app that only the database holds."""

    _columns: ClassVar[frozenset[str]]

    def __init__(self, site: Host, table: str, clock: Clock = now) -> None:
        self._site, self._clock = site, clock
        self._name, self._table = table, quoted(table)
        self._ready = False

    def _connection(self) -> Connection:
        """Return this thread's connection. Raises CouldNotCheck as long as the table is not there."""
        found = self._site.connection()
        if found is None:
            raise CouldNotCheck(f"There is no database at {self._site.db}.", "Run `mediaos-migrate migrate` first.")
        if not self._ready:
            if not self._columns <= columns_of(found, self._name):
                raise CouldNotCheck(
                    f"The table {self._name} is not as it should be.", "Run `mediaos-migrate schema up`."
                )
            self._ready = True
        return found

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """Do everything inside or nothing, and durably; together with other writers, never beside a `migrate`."""
        connection = self._connection()
        with self._site.shared(), transaction(connection):
            yield connection

    def _now(self) -> str:
        return instant(self._clock())
