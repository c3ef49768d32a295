"""Stages, their price and the mirror, as lines of text and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..report import DocumentReport, Kind
from ..stages import Home
from . import payload
from .words import Lines, many, some, spelled, table

if TYPE_CHECKING:
    from ..moves.mirroring import Mirrored
    from ..moves.repairing import Repair
    from ..moves.rolling_back import Rollback
    from ..moves.staging import Step
    from ..moves.standing import Price, Standing


def standing(result: Sequence[Standing]) -> Lines:
    """Tell where documents stand."""
    rows = [
        (
            s.document,
            s.stage,
            s.since,
            s.debts or None,
            sum(s.reads.values()) or None,
            "yes" if s.blocked else None,
            "yes" if s.held else None,
        )
        for s in result
    ]
    heading = ("document", "stage", "since", "debts", "compared reads", "blocked", "on hold")
    shown = [n for n in range(len(heading)) if n < 2 or any(row[n] is not None for row in rows)]  # noqa: PLR2004  name and stage
    yield from table([[row[n] for n in shown] for row in [heading, *rows]])


def missing(result: Sequence[Standing]) -> Lines:
    """Tell what stands between each document and its next stage."""
    for each in result:
        if each.next is None:
            yield f"{each.document}: at `{each.stage}`, the last stage."
        elif each.missing:
            yield f"{each.document}: `{each.stage}` → `{each.next}` not yet:"
            yield from (f"    {reason}" for reason in each.missing)
        else:
            command = f"mediaos-migrate stage advance {each.document}"
            yield f"{each.document}: `{each.stage}` → `{each.next}` may be done: `{command}`."


def stood(result: Sequence[Standing]) -> dict[str, Any]:
    """Describe where documents stand."""
    return {
        "stages": [
            {
                "document": each.document,
                "stage": str(each.stage),
                "next": None if each.next is None else str(each.next),
                "since": each.since,
                "missing": list(each.missing),
                "debts": each.debts,
                "blocked": each.blocked,
                "held": each.held,
                "reads": each.reads,
                "log": list(each.log),
            }
            for each in result
        ]
    }


def stepped(result: Sequence[Step]) -> Lines:
    """Tell which documents moved."""
    yield from (f"{step.document}: `{step.before}` → `{step.after}`" for step in result)
    yield f"{many(len(result), 'step')} done." if result else "Nothing to do."


def steps(result: Sequence[Step]) -> dict[str, Any]:
    """Describe which documents moved."""
    return {"steps": [{"document": s.document, "from": str(s.before), "to": str(s.after)} for s in result]}


def priced(result: Price) -> Lines:
    """Tell what going back now would lose."""
    for document, count in result.debts.items():
        yield f"{document}: {many(count, 'change')} that its file does not have yet; going back writes them first."
    for name, count in result.only_in_database.items():
        yield f"{name}: {many(count, 'row')} that no file can hold; they stay in the database."
    if not result.debts and not result.only_in_database:
        yield "Nothing: every record has its place in a file."


def price(result: Price) -> dict[str, Any]:
    """Describe what going back now would lose."""
    return {"debts": result.debts, "only_in_database": result.only_in_database}


def due(result: Rollback) -> Lines:
    """Tell what would go back, and at what price."""
    yield from (f"{name}: `{stage}` → `off`" for name, stage in result.stages.items())
    yield from priced(result.price)


def rolled_back(result: Rollback) -> Lines:
    """Tell what went back."""
    yield from stepped(result.steps)
    yield from priced(result.price)
    if result.saved:
        yield f"The rows that no file can hold are in .mediaos-migrate/{result.saved}."
    if result.backup:
        yield f"Backup of the database: .mediaos-migrate/backups/{result.backup}"
    yield "The database is removed; the files are all there is." if result.discarded else "The files are believed."


def rollback(result: Rollback) -> dict[str, Any]:
    """Describe what went back, and at what price."""
    return {
        **steps(result.steps),
        "price": price(result.price),
        "saved": result.saved,
        "backup": {"name": result.backup} if result.backup else None,
        "discarded": result.discarded,
    }


def flushed(result: Sequence[Mirrored]) -> Lines:
    """Tell which files were written."""
    rows = [(each.document, each.paid) for each in result if each.paid]
    if rows:
        yield from table([("document", "changes written"), *rows])
    else:
        yield "Nothing is owed: every file is as its table."


def mirrored(result: Sequence[Mirrored]) -> dict[str, Any]:
    """Describe which files were written."""
    return {"mirrored": [{"document": e.document, "paid": e.paid, "digest": e.digest} for e in result]}


def planned(result: Sequence[DocumentReport], believe: Home = Home.FILE) -> Lines:
    """Tell what a repair would settle: how many records come, go and change in the home that is not believed."""
    other = "table" if believe is Home.FILE else "file"
    words: dict[Kind, str] = {"changed": "changed in", "unverifiable": "not judged in"}
    words |= {"missing": "into", "extra": "out of"} if believe is Home.FILE else {"extra": "into", "missing": "out of"}
    for each in result:
        told = [
            f"{many(each.count(kind), 'record')} {verb} the {other}: {some(list(map(spelled, each.keys(kind))))}"
            for kind, verb in words.items()
            if each.count(kind)
        ]
        if any(comparison.out_of_order for comparison in each.comparisons):
            told.append(f"the order in the {other}")
        yield f"{each.document}: {each.note or '; '.join(told) or 'changes that its file does not have yet'}"


def repaired(result: Repair, believe: Home = Home.FILE) -> Lines:
    """Tell what a repair settled."""
    yield from planned(result.planned, believe)
    if result.exit_code:
        unsure = [report.document for report in result.settled if report.unverifiable]
        yield f"{', '.join(unsure)}: not everything could be compared; give the app's key, and validate."
    elif result.settled:
        yield f"{many(len(result.settled), 'document')} settled: both homes say the same."
    else:
        yield "Nothing to do: both homes say the same."


def repair(result: Repair) -> dict[str, Any]:
    """Describe a repair: what was to be settled, and how it is now."""
    return {
        "planned": [payload.document(report) for report in result.planned],
        "documents": [payload.document(report) for report in result.settled],
    }
