"""Verdicts that were kept, and what became of the quarantine, as lines of text and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .payload import key_of
from .words import Lines, many, spelled, table

if TYPE_CHECKING:
    from ..moves.proving import Kept
    from ..moves.requeueing import Requeued


def evidence(result: Sequence[Kept]) -> dict[str, Any]:
    """Describe verdicts."""
    return {"evidence": [_verdict(item) for item in result]}


def one(result: Kept) -> dict[str, Any]:
    """Describe one verdict, with what it found."""
    found = [{**item, "key": key_of(tuple(item["key"]))} for item in result.verdict.found]
    return {"evidence": [{**_verdict(result), "note": result.note, "found": found}]}


def _verdict(item: Kept) -> dict[str, Any]:
    verdict = item.verdict
    return {
        "number": verdict.id,
        "document": verdict.document,
        "verdict": verdict.verdict,
        "stands": item.stands,
        "epoch": verdict.epoch,
        "at": verdict.at,
        "seconds": verdict.seconds,
        "tool_version": verdict.tool_version,
        "digest": verdict.digest,
        "journal": verdict.journal,
        "fingerprint": verdict.fingerprint,
        "changes": verdict.changes,
        **verdict.report,
    }


def listed(result: Sequence[Kept]) -> Lines:
    """List verdicts, the oldest first."""
    if not result:
        yield "There is no verdict yet: `mediaos-migrate validate --record` keeps one."
        return
    rows = [
        (
            item.verdict.id,
            item.verdict.document,
            item.verdict.verdict,
            "yes" if item.stands else None,
            item.verdict.epoch,
            item.verdict.at,
            f"{item.verdict.seconds:.1f} s",
            item.verdict.report.get("compared"),
            item.verdict.report.get("unexplained") or None,
        )
        for item in result
    ]
    heading = ("number", "document", "verdict", "stands", "epoch", "at", "took", "compared", "unexplained")
    yield from table([heading, *rows])
    yield ""
    yield "See one with `mediaos-migrate evidence show NUMBER`."


def told(result: Kept) -> Lines:
    """Tell all that is kept of one verdict."""
    verdict = result.verdict
    yield f"Verdict {verdict.id} on {verdict.document}: {verdict.verdict}, {verdict.at}, {result.note}."
    facts = {
        "took": f"{verdict.seconds:.3f} s, by mediaos-migrate {verdict.tool_version}",
        "epoch": verdict.epoch,
        "file": verdict.digest or "missing",
        "schema and mapping": verdict.fingerprint,
        "journal": f"up to {verdict.journal}",
        "tables": ", ".join(f"{name} {count}" for name, count in (verdict.changes or {}).items()),
        **verdict.report,
    }
    yield from table([(f"  {name}", str(fact)) for name, fact in facts.items()])
    for item in verdict.found:
        ways = ", ".join(f"{member['path']} ({member['way']})" for member in item["members"])
        yield f"  {spelled(tuple(item['key']))}: {item['kind']}" + (f" in {ways}" if ways else "")


def requeued(result: Sequence[Requeued]) -> dict[str, Any]:
    """Describe what became of the quarantine."""
    return {"requeued": [{"document": r.document, "before": r.before, "after": r.after} for r in result]}


def tried(result: Sequence[Requeued]) -> Lines:
    """Tell what became of the quarantine."""
    if not result:
        yield "Nothing is in quarantine."
    for item in result:
        left = f"{many(item.after, 'record')} left in quarantine" if item.after else "nothing is left in quarantine"
        yield f"{item.document}: {many(item.before, 'record')} tried, {left}."
