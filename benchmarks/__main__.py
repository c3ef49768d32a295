"""Measures us and the others side by side: `python -m benchmarks --size 100000 --rounds 3 --only carry`."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from . import carrying, goals, living, machine, rows, tables
from .contest import Contestant, Place, Results, contest
from .measured import Measured

PARTS: Final = ("carry", "growth", "live")
LIVED: Final = 100_000  # the goals of daily life are set for this size, so no larger one is lived with


def main() -> None:
    """Measure, print the tables, and keep the figures when asked."""
    asked = _arguments()
    with tempfile.TemporaryDirectory(prefix="mediaos-migrate-bench-", dir=asked.work) as folder:
        measured = Run(Path(folder), asked.rounds, asked.only).run(asked.size)
    print("\n".join(printed(measured)))
    if asked.keep:
        measured.write(asked.keep)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--size", type=int, default=10_000, help="records of the largest library [10000]")
    parser.add_argument("--rounds", type=int, default=3, help="how often everyone takes a turn [3]")
    parser.add_argument("--only", type=_parts, default=PARTS, help="parts, by commas: carry, growth, live [all]")
    parser.add_argument("--work", type=Path, help="where to work; it ends up empty [the temporary folder]")
    parser.add_argument("--keep", type=Path, metavar="FILE", help="keep all figures in a JSON file")
    return parser.parse_args()


def _parts(text: str) -> tuple[str, ...]:
    chosen = tuple(part for part in text.split(",") if part)
    if unknown := set(chosen) - set(PARTS):
        raise argparse.ArgumentTypeError(f"there is no {', '.join(sorted(unknown))}; choose of {', '.join(PARTS)}")
    return chosen or PARTS


def sizes(size: int) -> list[int]:
    """Return the sizes at which growth is measured: powers of ten from 1,000 on, and the size itself."""
    return sorted({*(step for step in (1_000, 10_000, 100_000, 1_000_000) if step < size), size})


class Run:
    """One run over all sizes; what was made ready for a size goes when the size is done."""

    def __init__(self, folder: Path, rounds: int, parts: Sequence[str]) -> None:
        self._folder, self._rounds, self._parts = folder, rounds, parts
        self._measured = Measured(machine.describe(folder))

    def run(self, size: int) -> Measured:
        """Measure every size, small ones first."""
        lived = min(size, LIVED)
        for step in sizes(size):
            carried = "growth" in self._parts or (step == size and "carry" in self._parts)
            self._measure(step, carried=carried, lived=step == lived and "live" in self._parts)
        return self._measured

    def _measure(self, size: int, *, carried: bool, lived: bool) -> None:
        grown = "growth" in self._parts
        contests = [
            (carried, carrying.CARRYING, self._measured.carrying),
            (grown, living.GROWING, self._measured.growing),
            (lived, living.LIVING, self._measured.living),
        ]
        if not any(wanted for wanted, *_ in contests):
            return
        place = Place(self._folder / "ready", self._folder / "round", size)
        carrying.make_ready(place.ready, size)
        if grown or lived:
            living.make_ready(place.ready)
        for wanted, contestants, into in contests:
            if wanted:
                self._contest(place, contestants, into)
        shutil.rmtree(place.ready)

    def _contest(self, place: Place, contestants: Sequence[Contestant], into: list[Results]) -> None:
        results = Results(place.size, self._rounds)
        contest(place, contestants, results, _say)
        into.append(results)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def printed(measured: Measured) -> list[str]:
    """Return all tables as text, which happens to be Markdown."""
    here, (least, most) = measured.machine, measured.load()
    lines = [", ".join(f"{name} {value}" for name, value in here.items()), f"load average {least} … {most}", ""]
    parts: list[tuple[list[Results], Sequence[rows.Row], Sequence[goals.Goal]]] = [
        (measured.carrying[-1:], rows.CARRYING, goals.CARRYING),
        (measured.living, rows.LIVING, goals.LIVING),
    ]
    for found, wanted, reached in parts:
        for results in found:
            lines += [f"{results.size:,} records, rounds: {results.rounds}", "", *tables.rows(results, wanted), ""]
            lines += [*tables.absent(results), "", *tables.goals(results, reached), ""]
    if len({results.size for results in measured.all()}) > 1:
        lines += tables.growth(measured.all())
    return lines


if __name__ == "__main__":
    main()
