"""Results as Markdown tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median
from typing import Final

from .contest import Results
from .goals import MB, AtLeast, Goal, reached
from .rows import GROWING, Row

NOTHING: Final = "–"


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    """Return a Markdown table; its first column is text, the others are numbers."""
    return [_line(head), _line(["---", *["---:"] * (len(head) - 1)]), *map(_line, lines)]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def rows(results: Results, wanted: Sequence[Row]) -> list[str]:
    """Return a contest as a table: medians, ratios, the rounds' spread, and what the processes took."""
    names = {row.figure: row.title for row in wanted}
    lines = [
        [
            row.title,
            _spelled(median(values), row.unit),
            _ratio(results, row),
            names[row.against].removeprefix("– ").split(":")[0].split(",")[0] if row.against else NOTHING,
            f"{_spelled(min(values), row.unit)} … {_spelled(max(values), row.unit)}",
            *_process(results, row),
        ]
        for row in wanted
        if (values := results.figures.get(row.figure))
    ]
    return table(["what", "median", "ratio", "to", "least … most", "processor", "memory"], lines)


def _ratio(results: Results, row: Row) -> str:
    if row.against is None:
        return "1" if row.unit != "writes" else f"{results.of(row.figure):.0f}"
    mine, other = results.of(row.figure), results.of(row.against)
    return NOTHING if mine is None or not other else number(mine / other)


def number(value: float) -> str:
    """Spell a number with three digits that count."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _spelled(value: float, unit: str) -> str:
    return f"{number(value * 1000)} ms" if unit == "ms" else f"{number(value)} {unit}" if unit == "s" else number(value)


def _process(results: Results, row: Row) -> list[str]:
    if row.process is None or row.process not in results.memory:
        return [NOTHING, NOTHING]
    used = median(results.processor[row.process])
    return [f"{number(used)} s", f"{median(results.memory[row.process]) / MB:,.0f} MB"]


def absent(results: Results) -> Iterator[str]:
    """Say who did not take part, and why."""
    for name, why in results.absent.items():
        yield f"Not measured: {name} ({why})."


def goals(results: Results, wanted: Sequence[Goal]) -> list[str]:
    """Return what was to be reached, and what was."""
    lines = [
        [
            goal.what,
            f"{'≥' if isinstance(goal, AtLeast) else '≤'} {goal.spelled(goal.most)}",
            goal.spelled(value),
            NOTHING if (processor := goal.by_processor(results)) is None else goal.spelled(processor),
            "yes" if reached(goal, value) else "**no**",
        ]
        for goal in wanted
        if (value := goal.measured(results)) is not None
    ]
    return table(["what", "goal", "measured", "by processor time", "reached"], lines)


def growth(found: Sequence[Results]) -> list[str]:
    """Return how each figure grows with the size."""
    sizes = sorted({results.size for results in found})
    by_size = {size: [results for results in found if results.size == size] for size in sizes}
    lines = []
    for figure, title in GROWING.items():
        values = [next((v for r in by_size[size] if (v := r.of(figure)) is not None), None) for size in sizes]
        if any(value is not None for value in values):
            lines.append([title, *(NOTHING if value is None else _time(value) for value in values)])
    return table(["what", *(f"{size:,}" for size in sizes)], lines)


def _time(seconds: float) -> str:
    return _spelled(seconds, "ms" if seconds < 0.1 else "s")
