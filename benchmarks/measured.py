"""Everything that one run has measured, as an object and as a file."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from . import running
from .contest import Results

KEPT: Final = running.ROOT / "docs" / "performance.json"
PLOT: Final = KEPT.with_suffix(".png")


@dataclass(slots=True)
class Measured:
    """One run: where, and what came out for the sizes of each part."""

    machine: dict[str, Any]
    carrying: list[Results] = field(default_factory=list)  # by size, the largest last
    growing: list[Results] = field(default_factory=list)
    living: list[Results] = field(default_factory=list)  # of one size

    def all(self) -> list[Results]:
        """Return the results of all parts."""
        return [*self.carrying, *self.growing, *self.living]

    def load(self) -> tuple[float, float]:
        """Return the least and the greatest load average that was seen."""
        seen = [load for results in self.all() for load in results.load]
        return min(seen), max(seen)

    def write(self, path: Path) -> None:
        """Keep it, for the page to be made from; what it lacks stays, if measured on this day and machine."""
        earlier = Measured.read(path) if path.is_file() else Measured({})
        for name in _PARTS if earlier.machine == self.machine else ():
            found = {results.size: results for results in (*getattr(earlier, name), *getattr(self, name))}
            setattr(self, name, [found[size] for size in sorted(found)])
        parts = {name: [results.to_json() for results in getattr(self, name)] for name in _PARTS}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"machine": self.machine, **parts}, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what was kept."""
        found = json.loads(path.read_text(encoding="utf-8"))
        return cls(found["machine"], *(_results(found[name]) for name in _PARTS))


_PARTS = ("carrying", "growing", "living")


def _results(found: Iterable[dict[str, Any]]) -> list[Results]:
    return [Results(**one) for one in found]
