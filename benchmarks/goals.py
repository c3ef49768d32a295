"""The numbers to reach, and whether they were."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from .contest import Results
from .rows import FLOOR, IMPORT, TOOL

MB: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Goal:
    """One number to reach, at a size. `form` spells it: in times, seconds, milliseconds, or megabytes."""

    what: str
    figure: str
    most: float
    against: str | None = None
    form: str = "{:.2f} ×"
    memory: bool = False

    def measured(self, results: Results) -> float | None:
        """Return what was measured, None when it was not."""
        if self.memory:
            return results.memory_of(self.figure)
        mine = results.of(self.figure)
        other = results.of(self.against) if self.against else 1.0
        return None if mine is None or other is None else mine / other

    def by_processor(self, results: Results) -> float | None:
        """Return the ratio of processor times, which other work on the machine stretches least; None for parts."""
        mine, other = results.processor_of(self.figure), results.processor_of(self.against)
        return None if self.memory or mine is None or other is None else mine / other

    def spelled(self, value: float) -> str:
        """Spell a value in the goal's own unit."""
        scale = {"ms": 1000, "MB": 1 / MB}.get(self.form[-2:], 1)
        return self.form.format(value * scale)


@dataclass(frozen=True, slots=True)
class AtLeast(Goal):
    """A number that has to be large: how often something happens in a second, or shares something."""

    inverse: bool = False

    def measured(self, results: Results) -> float | None:
        """Return what was measured, None when it was not."""
        value = Goal.measured(self, results)
        return 1 / value if value and self.inverse else value


CARRYING: Final = (
    Goal("import, against the floor", IMPORT, 1.2, FLOOR),
    Goal("import, against `sqlite-utils insert`", IMPORT, 0.2, TOOL),
    Goal("whole `migrate`, against `sqlite-utils insert` alone", "migrate", 0.4, TOOL),
    Goal("validation, against the import", "migrate: validate", 1.0, IMPORT),
    Goal("`migrate` when nothing changed, against the import", "migrate again", 0.1, IMPORT),
    Goal("`validate --quick`, against the import", "validate --quick", 0.1, IMPORT),
    Goal("`status`, from the start of the process", "status", 0.4, form="{:.2f} s"),
    *(
        Goal(f"memory of `{name}`", name, 128 * MB, form="{:.0f} MB", memory=True)
        for name in ("migrate", "validate", "migrate again", "validate --quick", "export")
    ),
)

LIVING: Final = (
    Goal("one write at live, p99", "live put: p99", 0.005, form="{:.1f} ms"),
    Goal("mirror, against `json.dumps` and write", "live mirror", 0.2, "dump"),
    AtLeast("writes that share a rewrite under load", "live put: writes per rewrite", 100, form="{:.0f}"),
    *(
        Goal(f"{what}, p95 at live", f"live read: {name} p95", 0.005, form="{:.1f} ms")
        for name, what in {
            "page": "page in the file's order",
            "page by title": "page by title",
            "page by year": "page, newest first",
            "filter": "page of one kind",
            "filter by year": "page since 1990",
            "search": "full text",
        }.items()
    ),
    AtLeast("writes a second in units of work", "live batches: a write", 5000, form="{:,.0f}", inverse=True),
)


def reached(goal: Goal, value: float) -> bool:
    """Tell whether a value reaches its goal."""
    return value >= goal.most if isinstance(goal, AtLeast) else value <= goal.most
