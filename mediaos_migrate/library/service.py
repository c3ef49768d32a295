"""What jobs and sessions have in common: a table that no file feeds, a clock, and one way to write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Final

from ..codecs import comparable
from ..engines.sqlite import Connection, columns_of, quoted, transaction
from ..errors import CouldNotCheck, UsageError
from .host import Host

Clock = Callable[[], datetime]
LONGEST: Final = 10**9  # seconds that a lease may last


def now() -> datetime:
    """Tell the time."""
    return datetime.now(UTC)


def text(value: object, what: str) -> str:
    """Return a text as it is. Raises UsageError for anything else, which would be looked for and never found."""
    if not isinstance(value, str):
        raise UsageError(f"{what} is a text, not {type(value).__name__}.", "Pass it as a string.")
    return value


def kept(value: object, what: str) -> str:
    """Return a text that a row can keep. Raises UsageError for any other, half a character among them."""
    found = text(value, what)
    if not comparable(found):
        raise UsageError(f"{what} holds what no database can: half a character.", "Pass a text that is UTF-8.")
    return found


def lasting(seconds: object) -> timedelta:
    """Return how long something lasts. Raises UsageError for no time at all, and for more than anybody waits."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= LONGEST:
        raise UsageError(f"{seconds!r} is no time to hold a job.", f"Give seconds, at most {LONGEST:,}.")
    return timedelta(seconds=seconds)


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
