"""Taking steps and taking them back: each one with its ledger row in a single transaction, or not at all."""

from __future__ import annotations

import difflib
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass

from .. import __version__, crash
from ..engines.sqlite import NOW, Connection, quoted, tables, transaction
from ..errors import MigrateError, NeedsPerson, Refused, UsageError
from .folder import Ladder, Migration
from .sql import checksum, statements


@dataclass(frozen=True, slots=True)
class Applied:
    """A step as the database remembers it, down SQL included: an older release can still take it back."""

    number: int
    name: str
    checksum: str
    up: str
    down: str
    down_checksum: str
    verify: str
    ladder: Ladder
    applied_at: str

    @property
    def tampered(self) -> bool:
        """Whether the way back is not the one that was kept."""
        return checksum(self.down) != self.down_checksum

    def __str__(self) -> str:
        prefix = "contract/" if self.ladder is Ladder.CONTRACT else ""
        return f"{prefix}{self.number:04d}_{self.name}"


@dataclass(frozen=True, slots=True)
class History:
    """What a database has taken, held against what the pack has."""

    applied: list[Applied]
    pending: list[Migration]
    changed: list[tuple[Applied, Migration]]  # the same number says something else now
    missing: list[Applied]  # taken, and not in the pack: a newer release made them


@dataclass(frozen=True, slots=True)
class Loss:
    """What taking a step back would lose: rows of a table, or values of a column."""

    step: str
    table: str
    column: str | None
    count: int

    def __str__(self) -> str:
        if not self.table:
            return f"{_many(self.count, 'row')} that it changes or deletes itself"
        if self.column is None:
            return f"{_many(self.count, 'row')} of {self.table}"
        return f"{_many(self.count, 'value')} of {self.table}.{self.column}"


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def applied(connection: Connection, ladder: Ladder = Ladder.EXPAND) -> list[Applied]:
    """Return the steps that the database has taken on a ladder, in order; raises NeedsPerson when one is gone."""
    rows = connection.execute(
        "SELECT number, name, checksum, up, down, down_checksum, verify, ladder, applied_at FROM _mm_migrations "
        "WHERE ladder = ? ORDER BY number",
        (ladder,),
    )
    taken = [Applied(**{**dict(row), "ladder": Ladder(row["ladder"])}) for row in rows]
    if [step.number for step in taken] != list(range(1, len(taken) + 1)):
        numbers = ", ".join(f"{step.number:04d}" for step in taken)
        raise NeedsPerson(f"The ledger has a gap: it holds {numbers}.", "Restore a backup of the database.")
    return taken


def history(connection: Connection, migrations: Sequence[Migration], ladder: Ladder = Ladder.EXPAND) -> History:
    """Hold what a database has taken against a pack's migrations."""
    taken = applied(connection, ladder)
    pairs = list(zip(taken, migrations, strict=False))
    changed = [(old, new) for old, new in pairs if old.checksum != new.checksum or old.name != new.name]
    return History(taken, list(migrations[len(taken) :]), changed, taken[len(migrations) :])


def pending(connection: Connection, migrations: Sequence[Migration], ladder: Ladder = Ladder.EXPAND) -> list[Migration]:
    """Return the steps still to take.

    Raises NeedsPerson when a step that was taken says something else now, Refused when the database has
    steps that this pack does not know.
    """
    found = history(connection, migrations, ladder)
    for old, new in found.changed:
        raise _contradiction(old, new, migrations)
    if found.missing:
        names = ", ".join(map(str, found.missing))
        raise Refused(
            f"The database has taken {names}, which this version does not know.",
            f"Use the version that did, or go back with `mediaos-migrate schema down --to {len(migrations)}`.",
            unknown=[str(step) for step in found.missing],
        )
    return found.pending


def _contradiction(old: Applied, new: Migration, migrations: Sequence[Migration]) -> NeedsPerson:
    if late := next((m for m in migrations if m.name == old.name and m.checksum == old.checksum), None):
        return NeedsPerson(
            f"{new} comes late: the database took {old} as number {old.number:04d}, which the pack now calls {late}.",
            f"Give {new} the next free number, and {late} its old one.",
        )
    if old.checksum == new.checksum:
        return NeedsPerson(f"The database took {old}, which the pack now calls {new}.", "Give it back its name.")
    lines = difflib.unified_diff(old.up.splitlines(), new.up.splitlines(), "applied", "now", lineterm="", n=1)
    return NeedsPerson(
        f"{new} was changed after it was applied:\n" + "\n".join(lines),
        "Restore the file as it was, and put the change into a new migration.",
        migration=str(new),
    )


def up(
    connection: Connection, migrations: Sequence[Migration], to: int | None = None, ladder: Ladder = Ladder.EXPAND
) -> list[Migration]:
    """Take the steps that are still to take, up to a number.

    Raises UsageError for a number that does not exist, and MigrateError when a step fails: then nothing of
    it is left, and those before it stay.
    """
    if to is not None and not 0 <= to <= len(migrations):
        raise UsageError(f"There is no migration {to}.", f"Choose a number from 0 to {len(migrations)}.")
    wanted = [m for m in pending(connection, migrations, ladder) if to is None or m.number <= to]
    for migration in wanted:
        take(connection, migration)
        crash.point("schema.step")
    return wanted


def take(connection: Connection, migration: Migration) -> None:
    """Take one step, whose queries of verification must then find nothing."""
    started = time.monotonic()
    with _step(connection, f"Migration {migration} failed"):
        if migration.ladder is Ladder.CONTRACT:
            refuse_offenders(connection, migration)
        _run(connection, migration.up)
        if findings := list(verify(connection, migration)):
            raise MigrateError(f"{migration} does not hold: {findings[0]}.", "Mend the migration or the data.")
        note(connection, migration, round((time.monotonic() - started) * 1000))


def note(connection: Connection, migration: Migration, milliseconds: int) -> None:
    """Write down that a step was taken, with all that is needed to take it back."""
    connection.execute(
        "INSERT INTO _mm_migrations (ladder, number, name, checksum, up, down, down_checksum, verify, "
        f"applied_at, duration_ms, tool_version) VALUES (?, ?, ?, ?, ?, ?, ?, ?, {NOW}, ?, ?)",
        (
            migration.ladder,
            migration.number,
            migration.name,
            migration.checksum,
            migration.up,
            migration.down,
            checksum(migration.down),
            migration.verify,
            milliseconds,
            __version__,
        ),
    )


def refuse_offenders(connection: Connection, migration: Migration) -> None:
    """Raise Refused, with the rows, when the data does not satisfy a contract step."""
    offenders = list(verify(connection, migration))
    if offenders:
        some = "\n".join(f"  {row}" for row in offenders[:20])
        rest = f"\n  and {len(offenders) - 20} more" if len(offenders) > 20 else ""  # noqa: PLR2004
        raise Refused(
            f"{migration} cannot be applied, {_many(len(offenders), 'row')} in its way:\n{some}{rest}",
            "Change them in the app, migrate again, and try once more.",
            offenders=offenders[:200],
        )


def verify(connection: Connection, step: Migration | Applied) -> Iterator[str]:
    """Run a step's queries of verification; each row they give is a finding."""
    for statement in statements(step.verify):
        for row in connection.execute(statement):
            yield ", ".join(f"{name}={value!a}" for name, value in zip(row.keys(), row, strict=True))


def down(connection: Connection, to: int, ladder: Ladder = Ladder.EXPAND) -> list[Applied]:
    """Take back the steps above a number, the last one first, by the down SQL that the database kept."""
    steps = above(connection, to, ladder)
    for step in steps:
        with _step(connection, f"{step} could not be taken back"):
            _take_back(connection, step)
        crash.point("schema.step")
    return steps


def above(connection: Connection, to: int, ladder: Ladder = Ladder.EXPAND) -> list[Applied]:
    """Return the steps above a number, the last one first.

    Raises UsageError for an impossible one, NeedsPerson when a way back is not the one that was written down.
    """
    taken = applied(connection, ladder)
    if not 0 <= to <= len(taken):
        raise UsageError(f"The schema cannot go down to {to}.", f"It is at {len(taken)}.")
    steps = taken[to:][::-1]
    for step in steps:
        if step.tampered:
            raise NeedsPerson(f"The way back of {step} was changed in the ledger.", "Restore a backup of the database.")
    return steps


def _take_back(connection: Connection, step: Applied) -> None:
    _run(connection, step.down)
    connection.execute("DELETE FROM _mm_migrations WHERE ladder = ? AND number = ?", (step.ladder, step.number))


def losses(connection: Connection, steps: Sequence[Applied]) -> list[Loss]:
    """Say what taking steps back would lose: they are taken back for real, counted, and undone."""
    found: list[Loss] = []
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.execute("BEGIN IMMEDIATE")
    try:
        _unwatch(connection)
        for step in steps:
            before, changes = _counts(connection), connection.total_changes
            found += _lost_values(connection, step)
            _take_back(connection, step)
            found += _lost_rows(str(step), before, _counts(connection))
            if (written := connection.total_changes - changes - 1) > 0:  # its own ledger row is one
                found.append(Loss(str(step), "", None, written))
    except sqlite3.Error as error:
        raise MigrateError(f"{steps[0]} could not be taken back: {error}.", "Nothing was changed.") from None
    finally:
        connection.execute("ROLLBACK")
        connection.execute("PRAGMA foreign_keys = ON")
    return found


def _unwatch(connection: Connection) -> None:
    """Drop the triggers that count changes, which would count as changes themselves."""
    sql = "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND name LIKE '!_mm!_%' ESCAPE '!'"
    for (name,) in connection.execute(sql).fetchall():
        connection.execute(f"DROP TRIGGER {quoted(name)}")


def replayed(steps: Iterable[Migration | Applied]) -> Connection:
    """Make an empty database in memory and take steps in it; the caller closes it."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    for step in steps:
        _run(connection, step.up)
    return connection


def _counts(connection: Connection) -> dict[str, int]:
    """Count the rows of every table that is not ours."""
    names = [name for name in tables(connection) if not name.startswith(("_mm_", "sqlite_"))]
    return {name: int(connection.execute(f"SELECT count(*) FROM {quoted(name)}").fetchone()[0]) for name in names}


def _lost_rows(step: str, before: dict[str, int], after: dict[str, int]) -> Iterator[Loss]:
    for table, count in before.items():
        if count > after.get(table, 0):
            yield Loss(step, table, None, count - after.get(table, 0))


def _lost_values(connection: Connection, step: Applied) -> Iterator[Loss]:
    """Count what stands in the columns that a step back drops; which ones, an empty copy of the schema tells."""
    taken = [each for ladder in Ladder for each in applied(connection, ladder)]
    with closing(replayed(taken)) as empty:
        before = {table: _columns(empty, table) for table in tables(empty)}
        _run(empty, step.down)
        gone = {table: before[table] - _columns(empty, table) for table in tables(empty) if table in before}
    for table, columns in gone.items():
        for column in sorted(columns):
            sql = f"SELECT count({quoted(column)}) FROM {quoted(table)}"
            if count := int(connection.execute(sql).fetchone()[0]):
                yield Loss(str(step), table, column, count)


def _columns(connection: Connection, table: str) -> frozenset[str]:
    """Return a table's stored columns: generated ones hold nothing of their own."""
    rows = connection.execute("SELECT name FROM pragma_table_info(?)", (table,))
    return frozenset(row[0] for row in rows)


@contextmanager
def _step(connection: Connection, failure: str) -> Iterator[None]:
    """Do all of a step or nothing; foreign keys are off meanwhile and checked at the end (SQLite's procedure)."""
    connection.execute("PRAGMA foreign_keys = OFF")
    try:
        with transaction(connection):
            yield
            broken = connection.execute("PRAGMA foreign_key_check").fetchone()
            if broken:
                raise sqlite3.IntegrityError(f"a row of {broken[0]} would point to a missing row of {broken[2]}")
    except sqlite3.Error as error:
        raise MigrateError(f"{failure}: {error}. It left nothing behind.", "Mend it and run it again.") from None
    finally:
        connection.execute("PRAGMA foreign_keys = ON")


def _run(connection: Connection, sql: str) -> None:
    for statement in statements(sql):
        connection.execute(statement)
