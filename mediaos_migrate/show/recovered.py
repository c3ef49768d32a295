"""A recovery, as lines of text and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .words import Lines, many, table

if TYPE_CHECKING:
    from ..moves.recovering import Recovery
    from ..moves.weighing import Option

_WAYS = {
    "files": "the files become the database again",
    "backup": "the last good backup of the database, and each file that is later",
    "salvage": "what can still be read of the database, and each file that has more",
}


def weighed(result: Recovery) -> Lines:
    """Tell what is wrong, which ways there are, and what each would lose."""
    yield f"{result.condition}."
    for option in result.options:
        backup = f" ({option.backup})" if option.backup else ""
        yield ""
        yield f"--from {option.source}: {_WAYS[option.source]}{backup}."
        yield from (f"    {line}" for line in _priced(option))
    if result.recommended:
        yield ""
        yield f"Recommended: `mediaos-migrate recover --from {result.recommended}`."


def _priced(option: Option) -> Lines:
    if option.refusal:
        yield f"This is no way: {option.refusal}"
        return
    if option.loses_nothing:
        yield "Nothing is lost, as far as anything can tell."
    lost = [share for share in option.shares if share.lost != 0]
    for share in lost:
        count = "nobody knows how much" if share.lost is None else many(share.lost, "record")
        yield f"{share.document} (`{share.stage}`), from its {share.home}: {count} is lost" + _since(share.since)
    for name, rows in option.rows.items():
        yield f"{name}: " + ("rows that were made since then" if rows is None else many(rows, "row")) + " are lost."


def _since(since: str | None) -> str:
    return f", of what was written since {since}." if since else "."


def recovered(result: Recovery) -> Lines:
    """Tell what was done."""
    if result.condition is None and not result.resumed:
        yield "Nothing to recover: the database is whole, and the one that belongs here."
    elif result.resumed:
        yield f"What was interrupted is complete: {result.backup} is in place, and proved."
    elif result.chosen is None:
        yield from weighed(result)
        yield "Nothing was changed: a person must choose."
    else:
        option = next(each for each in result.options if each.source is result.chosen)
        yield from table([("document", "stage", "from"), *((s.document, s.stage, s.home) for s in option.shares)])
        yield from _priced(option)
        yield "Recovered, and proved. No verdict counts any more: `mediaos-migrate validate --record`."
    if result.kept:
        yield f"The bytes of the database that was there are in .mediaos-migrate/{result.kept}."
    if result.safety:
        yield f"What was here before: `mediaos-migrate backup restore {result.safety}` brings it back."


def payload(result: Recovery) -> dict[str, Any]:
    """Describe a recovery."""
    return {
        "condition": result.condition,
        "options": [_described(option) for option in result.options],
        "recommended": None if result.recommended is None else str(result.recommended),
        "chosen": None if result.chosen is None else str(result.chosen),
        "kept": result.kept,
        "backup": {"name": result.backup} if result.backup else None,
        "safety": {"name": result.safety} if result.safety else None,
        "resumed": result.resumed,
    }


def _described(option: Option) -> dict[str, Any]:
    return {
        "from": str(option.source),
        "refusal": option.refusal or None,
        "loses_nothing": option.loses_nothing,
        "documents": [
            {"document": s.document, "stage": str(s.stage), "home": s.home, "lost": s.lost, "since": s.since}
            for s in option.shares
        ],
        "only_in_database": option.rows,
        "backup": {"name": option.backup} if option.backup else None,
    }
