"""A unit of work: changes to any documents, all or nothing in the tables, one rewrite for each file."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from contextlib import ExitStack
from functools import partial
from typing import Any, Self

from .. import crash, files
from ..engines.sqlite import Connection, transaction
from ..errors import MigrateError
from ..journal import Intent, Journal
from ..ledger import MISSING, PRESENT, Entry, Ledger
from ..moves import mirroring, placing, splicing
from ..moves.exporting import Export
from ..pack import Document
from ..quarantine import Quarantine
from ..stages import Stage
from ..stores.file import RECORDS
from ..stores.table import TableStore
from . import emptied
from .changes import Change, owed
from .host import Host
from .plan import Plan, apply, plans
from .second import bring, in_words, noting

NO_FILE = ""  # the digest of a document that came to be in the table: there is no file of it yet


class StageMoved(Exception):
    """The stage of a document changed between looking and writing: begin again."""


class UnitOfWork:
    """Collects changes; leaving the `with` block without an error commits them.

    Raises at the commit what any write may raise: Conflict, Damaged, Suspect, NeedsPerson.
    """

    def __init__(self, site: Host) -> None:
        self._site = site
        self._changes: dict[str, list[Change]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.commit()

    def repository(self, document: str, part: str = RECORDS) -> Any:
        """Return a document's `Repository` whose writes belong to this unit."""
        return self._site.repository(document, part, self)

    def add(self, change: Change) -> None:
        """Take in one change."""
        self._changes.setdefault(change.document.name, []).append(change)

    def commit(self) -> None:
        """Write everything, or nothing."""
        changes, self._changes = self._changes, {}
        if changes:
            with in_words(), self._site.shared():
                Commit(self._site, changes).run()
            self._site.wake(sum(map(len, changes.values())))


class Commit:
    """One commit: file first where files are believed, table first where tables are."""

    def __init__(self, site: Host, changes: dict[str, list[Change]]) -> None:
        self._site, self._changes = site, changes
        self._documents = {name: site.pack.document(name) for name in sorted(changes)}

    def run(self) -> None:
        """Commit, by the stages that hold when it happens."""
        connection = self._site.connection()
        if connection is not None:
            bring(self._site, partial(mirroring.complete_units, self._site, connection))
        while True:
            stages = {name: self._stage(connection, name) for name in self._documents}
            try:
                self._run(connection, stages)
            except StageMoved:
                continue
            return

    @staticmethod
    def _stage(connection: Connection | None, name: str) -> Stage:
        return Stage.OFF if connection is None else Ledger(connection).stage(name)

    def _run(self, connection: Connection | None, stages: dict[str, Stage]) -> None:
        first = [self._documents[name] for name, stage in stages.items() if not stage.believes_table]
        behind = set[str]()
        with ExitStack() as held:
            for document in first:
                held.enter_context(self._site.holding(document.name))
                if connection is not None and stages[document.name].writes_both:
                    came = bring(self._site, partial(mirroring.in_step, self._site, connection, document))
                    behind |= set() if came else {document.name}  # it is not given what comes next either
            rewrites = [held.enter_context(Rewrite(self._site, d, self._changes[d.name])) for d in first]
            if connection is not None:
                with noting(self._site, self._counts(), alone=len(stages) == len(first) == 1):
                    self._write_tables(connection, stages, rewrites)
            _put(rewrites)
            both = [r for r in rewrites if stages[r.document.name].writes_both and r.document.name not in behind]
            if connection is not None and both:
                self._follow(connection, both)
            crash.point("write.followed")

    def _counts(self) -> dict[str, int]:
        return {name: len(changes) for name, changes in self._changes.items()}

    def _write_tables(self, connection: Connection, stages: dict[str, Stage], rewrites: list[Rewrite]) -> None:
        """Write the believed tables with their debts, and the intents of the files, in one transaction."""
        with transaction(connection):
            if any(self._stage(connection, name) is not stage for name, stage in stages.items()):
                raise StageMoved
            for name, stage in stages.items():
                if not stage.believes_table:
                    continue
                stores = self._site.stores(connection, self._documents[name])
                planned = _checked(stores, self._changes[name])
                for part, plan in planned.items() if stage.mirrors else ():
                    Journal(connection).owe(name, part, plan.debts())
                apply(self._site.pack, stores, planned)
                make_present(connection, self._documents[name])
                emptied.note(connection, stores[RECORDS], self._changes[name])
            both = [rewrite for rewrite in rewrites if stages[rewrite.document.name].writes_both]
            unit = uuid.uuid4().hex if both and len(stages) > 1 else None
            for rewrite in both:
                name = rewrite.document.name
                count = len(self._changes[name])
                intent = Intent(name, "file", rewrite.before, rewrite.after, count, unit)
                Journal(connection).intend(intent)
            if unit:
                files.sync_folder(self._site.data)  # what is noted must be found again
        crash.point("write.intended")

    def _follow(self, connection: Connection, rewrites: list[Rewrite]) -> None:
        """Bring the tables in step with files that were just replaced; a failure is a debt, never an error."""
        try:
            with transaction(connection):
                for rewrite in rewrites:
                    document = rewrite.document
                    stores = self._site.stores(connection, document)
                    apply(self._site.pack, stores, plans(stores, self._changes[document.name]))
                    held = list(Quarantine(connection).items(document.name))
                    placing.relocate(connection, placing.moved(self._site, document, held))
                    mirroring.note_file(self._site, connection, document, rewrite.after)
                    Journal(connection).close(document.name)
            for rewrite in rewrites:
                self._site.in_step(rewrite.document)
        except Exception as error:  # noqa: BLE001  the believed store has answered; the open intent is the debt
            self._site.failed(error)


def _put(rewrites: list[Rewrite]) -> None:
    """Put all files in place; once one is, the others stay beside theirs, for whoever completes the unit."""
    try:
        for rewrite in rewrites:
            rewrite.put()
    except BaseException:
        if not all(rewrite.waits for rewrite in rewrites):
            for rewrite in rewrites:
                rewrite.kept = True
        raise


def _checked(stores: dict[str, TableStore], changes: Iterable[Change]) -> dict[str, Plan]:
    """Plan changes that the app's rules allow."""
    planned = plans(stores, changes)
    for plan in planned.values():
        plan.check()
    return planned


def make_present(connection: Connection, document: Document) -> None:
    """Let a document that was missing come to be with its first record."""
    entry = Ledger(connection).document(document.name)
    if entry is None or entry.state == MISSING:
        Ledger(connection).put_document(
            Entry(document.name, document.file, PRESENT, digest=NO_FILE, envelope=mirroring.new_envelope(document))
        )


class Rewrite:
    """A believed file with changes in it: written beside the old one, then put in its place."""

    def __init__(self, site: Host, document: Document, changes: list[Change]) -> None:
        self._site, self.document, self._changes = site, document, changes
        self._view = site.view(document)
        self._replacement = files.Replacement(site.file(document), site.owner)
        self._held = ExitStack()  # the view, which has the changes as well and keeps them if the file does
        self.kept = False  # what is not in place by now stays beside it
        self.before: str | None = None
        self.after = ""

    def __enter__(self) -> Self:
        with ExitStack() as held:
            self._connection = held.enter_context(self._view.current(held=True))
            self.before = self._view.digest
            self._connection.execute("BEGIN")
            held.callback(_roll_back, self._connection)
            self._write(self._connection)
            self._check()
            self._held = held.pop_all()
        return self

    def _write(self, connection: Connection) -> None:
        stores = self._view.stores(connection)
        apply(self._site.pack, stores, _checked(stores, self._changes))
        make_present(connection, self.document)
        export = Export(self._view.site, connection, self.document)
        with self._replacement.writing() as stream:
            after = splicing.write_over(self._view.site, export, stream, self.before, owed(self._changes))
        self.after = after or files.digest(self._replacement.written)

    def _check(self) -> None:
        if mirroring.digest_of(self._site, self.document) != self.before:
            raise MigrateError(f"{self.document.file} changed while it was written.", "Try again.")

    @property
    def waits(self) -> bool:
        """Whether the new file still lies beside the old one."""
        return self._replacement.written.exists()

    def put(self) -> None:
        """Put the new file in the old one's place, if that is still the one it was made from."""
        self._check()
        self._replacement.put(keep=True)
        try:
            self._view.kept(self._connection, self.after)
        except Exception:  # noqa: BLE001  the file has answered, and is read anew
            _roll_back(self._connection)

    def __exit__(self, *_: object) -> None:
        self._held.close()
        if not self.kept:
            self._replacement.drop()


def _roll_back(connection: Connection) -> None:
    if connection.in_transaction:
        connection.execute("ROLLBACK")
