"""A contest: everyone does the work in turn, several rounds of it, each in a process and a folder of its own."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final

from . import running
from .running import Outcome

PYTHON: Final = sys.executable
COMMAND: Final = running.BIN / "mediaos-migrate"


@dataclass(frozen=True, slots=True)
class Place:
    """Where one round happens: what was made ready for all rounds, and a folder that ends with this one."""

    ready: Path
    here: Path
    size: int

    @property
    def data(self) -> Path:
        """The data folder of this round."""
        return self.here / "config"


def whole(outcome: Outcome) -> dict[str, float]:
    """Count the whole process, from its start to its end."""
    return {"": outcome.seconds}


def inside(outcome: Outcome) -> dict[str, float]:
    """Count what the process itself has timed."""
    return {"": outcome.said["seconds"]}


@dataclass(frozen=True, slots=True)
class Contestant:
    """One who takes part. A figure is named `contestant`, or `contestant: figure` when it has several."""

    name: str
    command: Callable[[Place], Sequence[str | Path]]
    prepare: Callable[[Place], object] = lambda _: None
    figures: Callable[[Outcome], dict[str, float]] = whole
    most: int | None = None  # larger sizes would take it hours
    program: str | None = None  # that may not be on this machine

    def absent(self, size: int) -> str | None:
        """Say why it does not take part, None when it does."""
        if self.program and not shutil.which(self.program):
            return f"there is no {self.program} on this machine"
        return f"only up to {self.most:,} records" if self.most and size > self.most else None


@dataclass(slots=True)
class Results:
    """What a contest of one size has shown: for each figure and each process a number per round."""

    size: int
    rounds: int
    figures: dict[str, list[float]] = field(default_factory=dict)
    memory: dict[str, list[int]] = field(default_factory=dict)
    processor: dict[str, list[float]] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    load: list[float] = field(default_factory=list)  # processes that wanted to run when each one began

    def add(self, contestant: Contestant, outcome: Outcome) -> None:
        """Take in one more round of one contestant."""
        for name, value in contestant.figures(outcome).items():
            self.figures.setdefault(f"{contestant.name}: {name}" if name else contestant.name, []).append(value)
        self.memory.setdefault(contestant.name, []).append(outcome.memory)
        self.processor.setdefault(contestant.name, []).append(outcome.processor)

    def of(self, figure: str) -> float | None:
        """Return the median of a figure, None when nobody measured it."""
        return median(self.figures[figure]) if figure in self.figures else None

    def memory_of(self, name: str) -> float | None:
        """Return the median of the peak memory of a process, None when it did not take part."""
        return median(self.memory[name]) if name in self.memory else None

    def processor_of(self, name: str | None) -> float | None:
        """Return the median of a process's processor time, None when it did not take part or is only a part of one."""
        return median(self.processor[name]) if name in self.processor else None

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain data; rounded, because the digits behind it are noise."""
        found = asdict(self)
        for name in ("figures", "processor"):
            found[name] = {key: [float(f"{value:.4g}") for value in values] for key, values in found[name].items()}
        return found


def contest(place: Place, contestants: Sequence[Contestant], results: Results, say: Callable[[str], None]) -> None:
    """Let everyone take a turn, as often as there are rounds; what one round has made ends with it."""
    results.absent |= {c.name: why for c in contestants if (why := c.absent(place.size))}
    for number in range(results.rounds):
        place.here.mkdir(parents=True)
        for contestant in contestants:
            if contestant.name in results.absent:
                continue
            contestant.prepare(place)
            results.load.append(round(os.getloadavg()[0], 2))
            outcome = running.run(contestant.command(place), place.here)
            results.add(contestant, outcome)
            say(f"{place.size:>9,} records, round {number + 1}: {contestant.name:16} {outcome.seconds:8.2f} s")
        shutil.rmtree(place.here)
