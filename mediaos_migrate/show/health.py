"""How a site does, as lines of text and as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from .words import Lines, many, size, table

if TYPE_CHECKING:
    from ..moves.health import Health

FEW = 5


def told(result: Health) -> Lines:
    """Tell how a site does."""
    rows = [(each.table, each.rows, None if each.size is None else size(each.size)) for each in result.tables]
    rows = [row for row in rows if not row[0].startswith(("_mm_", "sqlite_"))]
    if rows:
        yield from table([("table", "rows", "size"), *rows])
        yield ""
    yield f"Database: {size(result.size)}, {size(result.unused)} of it unused; its log: {size(result.wal)}."
    yield f"Disk: {size(result.disk_free)} are free."
    since = f", the oldest of {result.oldest_debt}" if result.oldest_debt else ""
    yield f"Debts: {many(result.debts, 'change')} not in both homes yet{since}."
    if result.verdicts:
        last = max(result.verdicts, key=lambda each: each.at)
        bad = [f"{each.document} ({each.verdict})" for each in result.verdicts if each.verdict != "clean"]
        yield f"Last compared: {last.at}; " + (f"not clean: {', '.join(bad)}." if bad else "clean.")
    for slow in result.slow[-FEW:]:
        yield f"Slow: {slow.seconds:.1f} s at {slow.at}: {slow.sql}"
        yield from (f"    {step}" for step in slow.plan)
    yield ""
    yield from (f"problem: {problem}" for problem in result.problems)
    yield f"{many(len(result.problems), 'problem')}." if result.problems else "All is well."


def payload(result: Health) -> dict[str, Any]:
    """Describe how a site does."""
    return asdict(result)
