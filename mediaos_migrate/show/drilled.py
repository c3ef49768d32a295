"""A drill for people and scripts: act by act, what happened and what was lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .words import Lines, many, table

if TYPE_CHECKING:
    from ..drill import Act, Drill


def payload(result: Drill) -> dict[str, Any]:
    """Describe a drill."""
    return {
        "drill": {
            "documents": result.documents,
            "records": result.records,
            "quick": result.quick,
            "seed": result.seed,
            "disk": result.disk or None,
            "writes": result.writes,
            "kills": result.kills,
            "checked": result.checked,
            "seconds": round(result.seconds, 3),
            "lost": result.lost,
            "failed": result.failed,
            "left_out": result.left_out,
            "unwritten": result.unwritten,
            "acts": [_act(act) for act in result.acts],
        }
    }


def _act(act: Act) -> dict[str, Any]:
    return {
        "act": act.name,
        "stage": act.stage,
        "outcome": act.word,
        "told": act.told,
        "kills": act.kills,
        "checked": act.checked,
        "seconds": round(act.seconds, 3),
        "lost": act.lost,
        "failed": act.failed,
    }


def text(result: Drill, name: str) -> Lines:
    """Tell a drill on one page."""
    yield f"{name}, the worst day on a copy: {counted(result)}."
    yield ""
    rows = [(a.stage, a.name, f"{a.seconds:.1f} s", a.word, "; ".join(a.told)) for a in result.acts]
    yield from table([("at", "act", "took", "outcome", "what happened"), *rows])
    yield ""
    yield from notes(result)
    yield from (f"LOST: {each}" for each in result.lost)
    yield from (f"FAILED: {each}" for each in result.failed)
    yield f"It took {result.seconds:.1f} s. {verdict(result)}"


def counted(result: Drill) -> str:
    """Count what a drill was played with."""
    return f"{many(result.records, 'record')} in {many(result.documents, 'file')}"


def notes(result: Drill) -> Lines:
    """Say how it was done, and what was not."""
    found = f"{many(result.checked, 'time')} a record was looked for in a home"
    yield f"{many(result.kills, 'kill')}, {many(result.writes, 'acknowledged write')}; {found}."
    if result.disk:
        yield f"The full disk was {result.disk}."
    if result.unwritten:
        yield f"Nothing was written into {', '.join(result.unwritten)}: the app's rules did not allow it."
    if result.left_out:
        steps = sum(map(len, result.left_out.values()))
        yield f"Left out by --quick: {many(steps, 'step')} at which nobody was killed; --json names them."


def verdict(result: Drill) -> str:
    """Say how it ended, in a sentence."""
    if result.lost:
        return f"Something was LOST on the copy ({len(result.lost):,} times); nothing of yours was touched."
    if result.failed:
        return "Nothing was lost, but not all could be played; nothing of yours was touched."
    return "Nothing was lost, and nothing of yours was touched."
