"""Settling differences: one home is said to be right, and the other is made to say the same; a plan comes first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from .. import backups, crash
from ..backups import Wish
from ..engines.sqlite import Connection, transaction
from ..errors import CouldNotCheck, FileChanged, MigrateError
from ..evidence import Evidence
from ..journal import Journal
from ..ledger import Ledger, Place
from ..pack import Document
from ..report import SILENT, DocumentReport, Progress
from ..site import Site
from ..stages import Home, Stage
from . import completing, mirroring, preflight
from .comparing import compare_document
from .importing import import_document
from .looks import Look, look_once
from .proving import keep
from .standing import chosen
from .surveyed import Options, Survey
from .surveying import survey


@dataclass(slots=True)
class Repair:
    """What was to be settled, document by document, and how it is now."""

    planned: list[DocumentReport] = field(default_factory=list)
    settled: list[DocumentReport] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0 both homes say the same, 5 something could not be compared."""
        return 5 if any(report.unverifiable for report in self.settled) else 0


Ask = Callable[[Sequence[DocumentReport]], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to settle: which home is right, of which documents (all), and which shrunken files are to be believed."""

    believe: Home
    documents: tuple[str, ...] = ()
    accept_source: frozenset[str] = frozenset()


def repair(site: Site, wanted: Wanted, ask: Ask, progress: Progress = SILENT) -> Repair:
    """Make the other home say what the believed one says; `ask` hears the plan, and may refuse.

    Raises Damaged or Suspect when the file is believed and is not to be. Both homes are backed up before.
    """
    result = Repair()
    with site.locked(wait=10), site.writing() as connection:
        if not Ledger.is_in(connection):
            raise CouldNotCheck(f"There is no database at {site.db}.", "Run `mediaos-migrate migrate` first.")
        for name in wanted.accept_source:
            site.pack.document(name)
        known = Ledger(connection).documents()
        documents = [document for document in chosen(site, wanted.documents) if document.name in known]
        for document in documents:
            with site.holding(document.name):
                mirroring.recover(site, connection, document)
        looks = [(document, *_look(site, connection, document, wanted.accept_source)) for document in documents]
        due = [(document, seen, found) for document, seen, found in looks if found]
        result.planned = [found for _, _, found in due]
        if wanted.believe is Home.FILE:
            preflight.refuse([seen for _, seen, _ in due])
        ask(result.planned)
        if due:
            backups.take(site, connection, Wish("repair"))
        for document, seen, _ in due:
            progress.step("repair", document.file)
            with site.holding(document.name):
                _settle(site, connection, document, seen, wanted.believe)
                result.settled.append(_verify(site, connection, document))
            crash.point("repaired")
    return result


def _look(
    site: Site, connection: Connection, document: Document, accepted: frozenset[str]
) -> tuple[Survey, DocumentReport | None]:
    """Survey one document and compare it; no report when there is nothing to settle."""
    others = frozenset(name for name in site.pack.documents if name != document.name)
    options = Options(skip=others, accept_source=accepted & {document.name})
    known = {name: replace(entry, stage=Stage.OFF) for name, entry in Ledger(connection).documents().items()}
    surveys = survey(site, options, known)
    seen = next(each for each in surveys if each.document.name == document.name)
    if seen.error:
        return seen, DocumentReport(document.name, document.file, seen.state, note=seen.error.message)
    complete = Ledger(connection).stage(document.name) is Stage.COMPLETE
    if complete and not completing.look(site, connection, document).report.differs:
        return seen, None
    report = compare_document(site, connection, seen)
    behind = document.name in Ledger(connection).blocked() or document.name in Journal(connection).debts()
    return seen, report if report.differs or report.unverifiable or behind else None


def _settle(site: Site, connection: Connection, document: Document, seen: Survey, believe: Home) -> None:
    if believe is Home.TABLE:
        mirroring.rewrite(site, connection, document)
    else:
        import_document(site, connection, seen)
        with transaction(connection):
            journal = Journal(connection)
            journal.pay(document.name, journal.upto(document.name))
            journal.close(document.name)
            if Ledger(connection).stage(document.name).believes_table:
                Evidence(connection).new_epoch()  # a foreign edit was accepted
    ledger = Ledger(connection)
    if ledger.stage(document.name) is Stage.COMPLETE:
        kept = ledger.archived(document.name)
        ledger.archive(completing.archive(site, document, kept.place if kept else Place.KEPT))
    with transaction(connection):
        ledger.unblock(document.name)


def _look_again(site: Site, connection: Connection, document: Document) -> Look:
    if Ledger(connection).stage(document.name) is Stage.COMPLETE:
        return completing.look(site, connection, document)
    seen = mirroring.look_at(site, connection, document)
    if seen.error:
        raise seen.error
    return look_once(site, connection, seen)


def _verify(site: Site, connection: Connection, document: Document) -> DocumentReport:
    """Compare once more and keep the verdict."""
    look = _look_again(site, connection, document)
    keep(site, connection, look)
    if look.report.differs and mirroring.digest_of(site, document) != look.digest:
        raise FileChanged(document.file)
    if look.report.differs:
        raise MigrateError(
            f"{document.name} still differs after the repair.", "Please report this; both homes are backed up."
        )
    return look.report
