"""The schema's ladder: where it stands, up, down, proof against drift, and adopting what is there."""

from __future__ import annotations

import re
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from .. import backups, migrations
from ..backups import Wish
from ..backups.manifest import DATABASE
from ..engines import sqlite
from ..engines.sqlite import Connection, looking, quoted, tables, transaction
from ..errors import CouldNotCheck, MigrateError, NotOurs, Refused, UsageError
from ..ledger import Ledger
from ..migrations import Applied, History, Ladder, Loss, Migration, runner
from ..migrations.drift import Drift, drift, objects
from ..migrations.runner import replayed
from ..site import Site, parts

Ask = Callable[[Sequence[Applied], Sequence[Loss]], None]


@dataclass(frozen=True, slots=True)
class Schema:
    """Where both ladders stand."""

    expand: History
    contract: History

    @property
    def healthy(self) -> bool:
        """No step was changed after it was applied, and none is unknown."""
        return not (self.expand.changed or self.expand.missing or self.contract.changed or self.contract.missing)


@dataclass(frozen=True, slots=True)
class Moved:
    """Steps that were taken or taken back: their SQL, what was lost, the backup made before."""

    steps: list[Migration] | list[Applied]
    losses: list[Loss] = field(default_factory=list)
    backup: str | None = None
    sql: str | None = None  # of a dry run only


@dataclass(frozen=True, slots=True)
class Verified:
    """What holding the live schema against its history found."""

    checked: int  # steps with queries of verification
    findings: list[str]
    drift: list[Drift]

    @property
    def exit_code(self) -> int:
        """3 when anything is not as it should be."""
        return 3 if self.findings or self.drift else 0

    @property
    def repair(self) -> str:
        """A script, as text, that would make the schema what its history says; nobody runs it but you."""
        return "\n".join(item.repair for item in self.drift)


@dataclass(frozen=True, slots=True)
class Way:
    """How far down to go: to a number, or so many steps (one, if neither is said); on which ladder."""

    to: int | None = None
    steps: int | None = None
    contract: bool = False

    @property
    def ladder(self) -> Ladder:
        """The ladder to go down on."""
        return Ladder.CONTRACT if self.contract else Ladder.EXPAND

    def target(self, taken: int) -> int:
        """Return the number to end at; raises UsageError when both a number and steps are given."""
        if self.to is not None and self.steps is not None:
            raise UsageError("--to and --steps contradict each other.", "Pass one of them.")
        return self.to if self.to is not None else max(taken - (self.steps or 1), 0)


def ladder_of(site: Site, ladder: Ladder) -> list[Migration]:
    """Return a pack's migrations on one ladder."""
    return migrations.read(site.engine_folder, ladder)


def status(site: Site) -> Schema:
    """Say where the schema stands, without touching it; an absent database has everything pending."""
    wanted = {ladder: ladder_of(site, ladder) for ladder in Ladder}
    if not site.db.exists() or not site.db.stat().st_size:
        return Schema(*(History([], wanted[ladder], [], []) for ladder in Ladder))
    with site.looking() as connection:
        return Schema(*(migrations.history(connection, wanted[ladder], ladder) for ladder in Ladder))


def up(site: Site, to: int | None = None, *, contract: bool = False, wait: float = 0) -> Moved:
    """Take the pending steps of a ladder, after a backup if the database holds rows.

    Raises Locked, Refused, NeedsPerson, or MigrateError when a step fails; then the steps before it stay.
    """
    with site.locked(wait), site.writing() as connection:
        Ledger(connection).found(site.pack.app)
        return take_pending(site, connection, to, Ladder.CONTRACT if contract else Ladder.EXPAND)


def take_pending(site: Site, connection: Connection, to: int | None = None, ladder: Ladder = Ladder.EXPAND) -> Moved:
    """Take the pending steps of a ladder on an open database, whose lock the caller holds; see `up`."""
    wanted = ladder_of(site, ladder)
    pending = migrations.pending(connection, wanted, ladder)
    with _guarded(site, connection, "schema-up", needed=bool(pending)) as saved:
        return Moved(migrations.up(connection, wanted, to, ladder), backup=saved)


def down(site: Site, way: Way, ask: Ask, *, wait: float = 0) -> Moved:
    """Take steps back, the last one first; `ask` hears which, and what would be lost, and may refuse.

    Raises Refused while a document believes a table that a step touches.
    """
    ladder = way.ladder
    if not site.db.exists() or not site.db.stat().st_size:
        raise CouldNotCheck(f"There is no database at {site.db}.", "There is nothing to take back.")
    with site.locked(wait), site.writing() as connection:
        Ledger(connection).found(site.pack.app)
        if ladder is Ladder.EXPAND and migrations.applied(connection, Ladder.CONTRACT):
            raise Refused(
                "Contract migrations stand on top of these.", "Take them back first: schema down --contract --to 0."
            )
        target = way.target(len(migrations.applied(connection, ladder)))
        planned = runner.above(connection, target, ladder)
        _refuse_believed(site, connection, planned)
        losses = migrations.losses(connection, planned) if planned else []
        ask(planned, losses)
        with _guarded(site, connection, "schema-down", needed=bool(planned)) as saved:
            done = migrations.down(connection, target, ladder)
        _forget(site, connection)
        return Moved(done, losses, saved)


def _forget(site: Site, connection: Connection) -> None:
    """Forget that documents were imported whose tables are gone: the next migration reads them again."""
    there = tables(connection)
    with transaction(connection):
        for document in site.pack.documents.values():
            if any(part.table not in there for part in parts(document).values()):
                Ledger(connection).forget(document.name)


def _refuse_believed(site: Site, connection: Connection, planned: Sequence[Applied]) -> None:
    """Raise Refused while a document at `live` or beyond believes a table that these steps touch."""
    touched = _touched(connection, planned)
    for name, stage in Ledger(connection).stages().items():
        known = {part.table for part in parts(site.pack.document(name)).values()}
        known |= {child for part in parts(site.pack.document(name)).values() for child in part.children}
        if stage.believes_table and (both := sorted(known & touched)):
            raise Refused(
                f"{name} is at `{stage}` and believes {', '.join(both)}, which this would change.",
                f"First go back with `mediaos-migrate stage retreat {name}`.",
                document=name,
            )


def _touched(connection: Connection, planned: Sequence[Applied]) -> set[str]:
    """Return the tables that taking steps back changes, found out on an empty copy of the schema."""
    with closing(replayed(step for ladder in Ladder for step in migrations.applied(connection, ladder))) as empty:
        before = _by_table(empty)
        for step in planned:
            for statement in migrations.statements(step.down):
                empty.execute(statement)
        after = _by_table(empty)
    changed = {table for table in before | after if before.get(table) != after.get(table)}
    written = " ".join(migrations.normalized(step.down) for step in planned)
    return changed | {table for table in before if re.search(rf"\b{re.escape(table)}\b", written, re.IGNORECASE)}


def _by_table(connection: Connection) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in connection.execute("SELECT tbl_name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name"):
        found.setdefault(row[0], []).append(row[1])
    return found


@contextmanager
def _guarded(site: Site, connection: Connection, reason: str, *, needed: bool) -> Iterator[str | None]:
    """Back the database up if it holds rows, and bring it back should a failure leave it changed."""
    if not needed or not _holds_rows(connection):
        yield None
        return
    saved = backups.take(site, connection, Wish(reason))
    before = _drift_names(connection)
    try:
        yield saved.name
    except MigrateError as error:
        if _drift_names(connection) <= before:  # a good step may have removed what was made by hand
            raise
        with closing(sqlite3.connect(saved.path / DATABASE)) as source:
            source.backup(connection)
        told = f"{error.message} The database was brought back from the backup {saved.name}."
        raise MigrateError(told, error.remedy, **error.facts) from None


def _holds_rows(connection: Connection) -> bool:
    names = (name for name in tables(connection) if not name.startswith(("_mm_", "sqlite_")))
    return any(connection.execute(f"SELECT 1 FROM {quoted(name)} LIMIT 1").fetchone() for name in names)


def _drift_names(connection: Connection) -> set[str]:
    """Name what is not as the steps in the ledger make it."""
    return {
        str(item)
        for item in drift(connection, [s for ladder in Ladder for s in migrations.applied(connection, ladder)])
    }


def verify(site: Site) -> Verified:
    """Hold the live schema against its history, and run every step's queries of verification."""
    with site.looking() as connection:
        steps = [step for ladder in Ladder for step in migrations.applied(connection, ladder)]
        findings = [f"{step}: its way back was changed in the ledger" for step in steps if step.tampered]
        findings += [f"{step}: {found}" for step in steps for found in _findings(connection, step)]
        return Verified(sum(bool(step.verify) for step in steps), findings, drift(connection, steps))


def _findings(connection: Connection, step: Applied) -> Iterator[str]:
    try:
        yield from runner.verify(connection, step)
    except sqlite3.Error as error:
        yield str(error)


def dump(site: Site) -> list[str]:
    """Return the schema as sorted SQL: the database's, or what the pack would make where there is none."""
    if site.db.exists() and site.db.stat().st_size:
        with site.looking() as connection:
            return _sorted(connection)
    with closing(replayed(ladder_of(site, Ladder.EXPAND))) as connection:
        return _sorted(connection)


def _sorted(connection: Connection) -> list[str]:
    order = {"table": 0, "index": 1, "trigger": 2, "view": 3}
    found = objects(connection)
    return [f"{found[kind, name]};" for kind, name in sorted(found, key=lambda item: (order[item[0]], item[1]))]


def baseline(site: Site, number: int, *, wait: float = 0) -> Moved:
    """Adopt a database that somebody else made, after proving that its schema equals that of step `number`.

    Raises Refused with every difference when it does not.
    """
    wanted = ladder_of(site, Ladder.EXPAND)
    if not 1 <= number <= len(wanted):
        raise UsageError(f"There is no migration {number}.", f"Choose a number from 1 to {len(wanted)}.")
    if not site.db.exists():
        raise CouldNotCheck(f"There is no database at {site.db}.", "Run `mediaos-migrate migrate` to make one.")
    with site.locked(wait, adopting=True), site.writing(adopting=True) as connection:
        ours = "_mm_site" in tables(connection)  # that alone may be of a run that was interrupted
        if ours and migrations.applied(connection, Ladder.EXPAND):
            raise NotOurs(f"{site.db} was adopted before.", "See `mediaos-migrate schema status`.")
        if differences := drift(connection, wanted[:number]):
            raise Refused(
                f"The schema of {site.db.name} is not that of {wanted[number - 1]}:\n"
                + "\n".join(f"  {item}" for item in differences),
                "Name another number, or mend the schema first.",
                differences=[str(item) for item in differences],
            )
        if ours:
            Ledger(connection).found(site.pack.app)
        else:
            Ledger(connection).make(site.pack.app)
        with transaction(connection):
            for migration in wanted[:number]:
                runner.note(connection, migration, 0)
        return Moved(list(wanted[:number]))


def rehearse_up(site: Site, to: int | None = None, *, contract: bool = False) -> Moved:
    """Take the pending steps on a copy of the database; the real one stays as it is."""
    with copied(site) as copy:
        moved = up(copy, to, contract=contract)
        return Moved(moved.steps, sql="\n".join(step.up for step in moved.steps))


def rehearse_down(site: Site, way: Way, ask: Ask) -> Moved:
    """Take steps back on a copy of the database; the real one stays as it is."""
    with copied(site) as copy:
        moved = down(copy, way, ask)
        return Moved(moved.steps, moved.losses, sql="\n".join(step.down for step in moved.steps))


@contextmanager
def copied(site: Site) -> Iterator[Site]:
    """Lend out a site whose database is a copy, in the temporary folder."""
    with tempfile.TemporaryDirectory(prefix="mediaos-migrate-schema-") as name:
        copy = Site(Path(name), Path(name) / site.db.name, site.pack, site.vault)
        if site.db.exists() and site.db.stat().st_size:
            with looking(site.db) as connection:
                sqlite.copy_database(connection, copy.db)
        yield copy
