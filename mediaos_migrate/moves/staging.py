"""Moving documents from stage to stage: forward on evidence, backward on a proof, each move written down."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from .. import backups, crash, marker
from ..backups import Wish
from ..engines.sqlite import Connection, transaction
from ..errors import CouldNotCheck, Incomplete, MigrateError, Refused
from ..evidence import Evidence
from ..ledger import Ledger
from ..pack import Document
from ..report import SILENT, Progress
from ..site import Site
from ..stages import Stage
from ..stores import search
from . import completing, mirroring
from .looks import look_once
from .proving import keep
from .standing import Asked, chosen, missing
from .surveyed import Survey

ORDER: Final = list(Stage)


@dataclass(frozen=True, slots=True)
class Step:
    """One move of one document, done."""

    document: str
    before: Stage
    after: Stage


def advance(
    site: Site,
    names: Sequence[str] = (),
    to: Stage | None = None,
    asked: Asked | None = None,
    progress: Progress = SILENT,
) -> list[Step]:
    """Move documents forward, one step or step by step to a stage, each in the order of its needs.

    Raises Refused with what is missing, Incomplete when others were moved before. Writers wait meanwhile.
    """
    asked = asked or Asked()
    done: list[Step] = []
    with opened(site) as connection, _told(done):
        for document in _free(Ledger(connection), chosen(site, names), asked, named=bool(names)):
            while _goes_on(
                Ledger(connection).stage(document.name), to, already=any(s.document == document.name for s in done)
            ):
                progress.step("advance", document.file)
                done.append(_forward(site, connection, document, asked, first=not done))
            _hold(Ledger(connection), document, asked.hold, asked.why)
    return done


def _free(ledger: Ledger, documents: list[Document], asked: Asked, *, named: bool) -> list[Document]:
    """Leave out documents that are on hold, unless they are named: then `missing` says who holds them."""
    held = ledger.on_hold()
    return [d for d in documents if d.name not in held or named or asked.hold is False]


def _hold(ledger: Ledger, document: Document, hold: bool | None, why: str) -> None:  # noqa: FBT001  yes, no or as it was
    if hold:
        ledger.hold(document.name, why)
    elif hold is False:
        ledger.let_go(document.name)


def _goes_on(stage: Stage, to: Stage | None, *, already: bool) -> bool:
    if stage.next is None:
        return False
    return stage.before(to) if to else not already


def _check(site: Site, connection: Connection) -> None:
    if not Ledger.is_in(connection):
        raise CouldNotCheck(f"There is no database at {site.db}.", "Run `mediaos-migrate migrate` first.")
    ledger = Ledger(connection)
    ledger.check(site.pack.app)
    marker.check(site.state, ledger)
    marker.settle(site.state, ledger, site.owner)
    mirroring.complete(site, connection)


def _forward(site: Site, connection: Connection, document: Document, asked: Asked, *, first: bool) -> Step:
    ledger = Ledger(connection)
    stage = ledger.stage(document.name)
    after = stage.next or stage
    if lacking := missing(site, connection, document, asked):
        raise Refused(
            f"{document.name} cannot go from `{stage}` to `{after}`: {'; '.join(lacking)}.",
            f"See `mediaos-migrate stage why-not {document.name}`.",
            document=document.name,
        )
    if first:
        backups.take(site, connection, Wish("stage-advance"))
    if stage.mirrors:
        completing.bring_back(site, connection, document)
        mirroring.mirror(site, connection, document)
    with site.holding(document.name):
        if not stage.believes_table:
            mirroring.in_step(site, connection, document)
        with transaction(connection):
            for part in document.parts:
                search.build(connection, part)
        verdict = _verified(site, connection, document)
        if after.believes_table:
            _prove_way_back(site, connection, document)
        if after is Stage.COMPLETE:
            ledger.archive(completing.archive(site, document, asked.files))
        crash.point("stage.proved")
        _flip(site, connection, document, after, Why(asked.why or "on evidence", verdict))
    return Step(document.name, stage, after)


def _verified(site: Site, connection: Connection, document: Document) -> int:
    """Compare both homes deeply, keep the verdict and return its number; raises Refused when they differ."""
    seen = _survey(site, connection, document)
    look = look_once(site, connection, seen)
    keep(site, connection, look)
    if look.report.differs or look.report.unverifiable:
        raise Refused(
            f"{document.name} is not the same in file and table.",
            f"See `mediaos-migrate validate {document.name}`.",
            document=document.name,
        )
    return Evidence(connection).last_number(document.name)


def _survey(site: Site, connection: Connection, document: Document) -> Survey:
    seen = mirroring.look_at(site, connection, document)
    if seen.error:
        raise seen.error
    return seen


def _prove_way_back(site: Site, connection: Connection, document: Document) -> None:
    report = completing.way_back(site, connection, document)
    if report and (report.differs or report.unverifiable):
        raise Refused(
            f"The way back of {document.name} is not proved: the file made from the table says something else.",
            "Please report this; nothing was changed.",
            document=document.name,
        )


@dataclass(frozen=True, slots=True)
class Why:
    """Why a document moves: in words, and by the number of a verdict."""

    words: str
    evidence: int | None = None


def _flip(site: Site, connection: Connection, document: Document, stage: Stage, why: Why) -> None:
    """Move a document in one transaction; the marker beside the files says so before and after."""
    ledger = Ledger(connection)
    marker.write(site.state, ledger, site.owner, {document.name: stage})
    crash.point("stage.announced")
    with transaction(connection):
        ledger.set_stage(document.name, stage, why.words, why.evidence)
    crash.point("stage.flipped")
    marker.write(site.state, ledger, site.owner)
    crash.point("stage.marked")


def retreat(
    site: Site,
    names: Sequence[str] = (),
    to: Stage | None = None,
    asked: Asked | None = None,
    progress: Progress = SILENT,
) -> list[Step]:
    """Move documents back, one step or to a stage, in the reverse order of their needs.

    Where the table was believed, the file is written from it and proved equal first.
    """
    with opened(site) as connection:
        if any(stage is not Stage.OFF for stage in Ledger(connection).stages().values()):
            backups.take(site, connection, Wish("stage-retreat"))
        return retreat_in(site, connection, (chosen(site, names), to), asked or Asked(), progress)


@contextmanager
def opened(site: Site) -> Iterator[Connection]:
    """Lend out the site's database, alone; raises CouldNotCheck when there is none."""
    if not site.db.exists():
        marker.check_lost(site.state, site.db)
        raise CouldNotCheck(f"There is no database at {site.db}.", "Run `mediaos-migrate migrate` first.")
    with site.locked(wait=10), site.writing() as connection:
        _check(site, connection)
        yield connection


def retreat_in(
    site: Site, connection: Connection, way: tuple[list[Document], Stage | None], asked: Asked, progress: Progress
) -> list[Step]:
    """Do the same in a database that is open."""
    done: list[Step] = []
    documents, to = way
    with _told(done):
        for document in reversed(documents):
            stage = Ledger(connection).stage(document.name)
            target = to or ORDER[max(0, ORDER.index(stage) - 1)]
            if target.before(stage):
                progress.step("retreat", document.file)
                _backward(site, connection, document, target, asked)
                done.append(Step(document.name, stage, target))
    for document in documents:
        _hold(Ledger(connection), document, asked.hold, asked.why)
    return done


def _backward(site: Site, connection: Connection, document: Document, target: Stage, asked: Asked) -> None:
    stage = Ledger(connection).stage(document.name)
    _refuse_late(site, Ledger(connection), document, target)
    if stage.believes_table:
        _back_to_files(site, connection, document, stage)
    else:
        with site.holding(document.name):
            mirroring.recover(site, connection, document)
    crash.point("stage.proved")
    _flip(site, connection, document, target, Why(asked.why or "taken back"))


@contextmanager
def _told(done: list[Step]) -> Iterator[None]:
    """Say with an error what was moved before it; Refused would say that nothing was changed."""
    try:
        yield
    except MigrateError as error:
        if not done:
            raise
        moved = ", ".join(f"{step.document} to `{step.after}`" for step in done)
        steps = [{"document": s.document, "from": str(s.before), "to": str(s.after)} for s in done]
        raise Incomplete(f"{error.message} Moved before that: {moved}.", error.remedy, steps=steps) from None


def _refuse_late(site: Site, ledger: Ledger, document: Document, target: Stage) -> None:
    """Raise Refused when another document needs this one, and would be ahead of it."""
    needing = (d.name for d in site.pack.documents.values() if document.name in d.after)
    if late := [name for name in needing if target.before(ledger.stage(name))]:
        raise Refused(f"{', '.join(late)} needs {document.name} and would be ahead of it.", "Take that back first.")


def _back_to_files(site: Site, connection: Connection, document: Document, stage: Stage) -> None:
    """Make the file say what the table says, and prove it."""
    completing.bring_back(site, connection, document)
    if stage is Stage.COMPLETE:
        mirroring.rebuild(site, connection, document)
    else:
        mirroring.mirror(site, connection, document)
    with site.holding(document.name):
        _verified(site, connection, document)
