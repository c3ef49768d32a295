"""The page docs/performance.md, made from what was measured; nobody writes a number by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from . import goals, rows, tables
from .contest import Results
from .goals import Goal
from .measured import KEPT, PLOT, Measured

PAGE: Final = KEPT.with_suffix(".md")

_BEGINNING: Final = """\
# How fast it is, and how small

What a migration, a check and a write cost, beside what others take for the same work in the same run on the same
machine. This page was made by `make bench-docs`; the figures behind it are in [performance.json](performance.json).
"""

_HOW: Final = """\
## Repeat it

```sh
make bench                      # some minutes: 10,000 records, three rounds
make bench SIZE=1000000         # the whole table; an hour or more, 12 GB of disk, 4 GB of memory for peers
make bench ONLY=live ROUNDS=5   # one part: carry, live or growth
make bench-docs SIZE=100000     # and write this page and its plot; ONLY=live renews a part of what today's runs say
```

The data is made on the spot, the same bytes everywhere: a `library.json` as MediaOS writes it after its scans, about
420 bytes a record in the mean, titles in several scripts, one remake in a hundred. Everyone works in a process of its
own, in turns, round after round, so that a busy minute of the machine hits all of them. A figure is the median of its
rounds, a ratio that of two medians (below 1: faster than what it is held against). Processor time is that of the
whole process; it is the steadier figure on a machine with other work. Memory is the greatest resident set of the
process, as the system counted it.

What everyone counts: a command of ours and `sqlite-utils` count from the start of the process to its end. The
**floor** counts only `executemany` and the commit: the rows that our import makes, ready in memory beforehand, into
the same table with its indexes and trigger, as durably (`WAL`, `synchronous=FULL`). No importer can be faster than
what it inserts with, unless it builds the indexes after the load. The steps of `migrate` are those that `migrate
--json` reports. `sqlite-utils insert` gets the records as the plain array that it wants, and keeps no indexes. The
script by hand does without books, digests, backup and proof, and drops the members that have no column. "The app's
way" is what MediaOS does for each change: read the whole file, change it, write the whole file. DeepDiff compares two
whole documents of which one lacks a record near its beginning. Nothing empties the page cache: files and programs are
warm for everyone.
"""


def page(measured: Measured) -> str:
    """Return the page."""
    return "\n".join([_BEGINNING, *_machine(measured), *_plot(), *_parts(measured), _HOW.rstrip("\n")]) + "\n"


def _machine(measured: Measured) -> Iterator[str]:
    here, (least, most) = measured.machine, measured.load()
    yield (
        f"Measured on {here['date']}: {here['system']}, {here['processor']}, {here['cores']} cores, "
        f"{here['memory'] / 1e9:.0f} GB of memory, {here['disk']} disk; mediaos-migrate {here['mediaos-migrate']}, "
        f"Python {here['python']}, SQLite {here['sqlite']}, sqlite-utils {here['sqlite-utils']}, "
        f"DeepDiff {here['deepdiff']}, Node {here['node'] or 'not there'}."
    )
    yield f"The load average was {least:.1f} to {most:.1f} on {here['cores']} cores while it ran" + (
        ": **others worked on the machine**. Times are longer than on a quiet one, and their ratios are coarse: "
        "waiting hits long work and short work differently; trust memory and the ratios of processor time."
        if most > here["cores"] + 1
        else "."
    )
    yield ""


def _plot() -> Iterator[str]:
    if PLOT.exists():
        yield "![Time, memory and the cost of one write against the number of records](performance.png)\n"


def _parts(measured: Measured) -> Iterator[str]:
    if measured.carrying:
        yield from _carrying(measured)
    if measured.living:
        yield from _living(measured.living[0])


def _carrying(measured: Measured) -> Iterator[str]:
    largest = measured.carrying[-1]
    yield f"## Carry: {largest.size:,} records\n"
    yield from tables.rows(largest, rows.CARRYING)
    yield ""
    yield from _notes(largest)
    yield from _goals(largest, goals.CARRYING, 1_000_000)
    yield "### How the cost grows\n"
    yield from tables.growth([*measured.carrying, *measured.growing, *measured.living])
    yield "\nThe number of records is above each column. What reads all of them grows with them; one write must not.\n"


def _living(results: Results) -> Iterator[str]:
    yield f"## Live with it: {results.size:,} records\n"
    yield from tables.rows(results, rows.LIVING)
    yield ""
    yield from _notes(results)
    yield from _goals(results, goals.LIVING, 100_000)


def _notes(results: Results) -> Iterator[str]:
    plural = "s" if results.rounds > 1 else ""
    yield " ".join([f"{results.rounds} round{plural}.", *tables.absent(results)]) + "\n"


def _goals(results: Results, wanted: Sequence[Goal], size: int) -> Iterator[str]:
    yield "### Where we stand\n"
    yield from tables.goals(results, wanted)
    found = [(goal, value) for goal in wanted if (value := goal.measured(results)) is not None]
    missed = [(goal, value) for goal, value in found if not goals.reached(goal, value)]
    if results.size != size:
        yield f"\nThe goals are set for {size:,} records; this is {results.size:,}."
    yield f"\n{len(found) - len(missed)} of {len(found)} goals were reached."
    if missed:
        yield "Missed: " + "; ".join(f"{goal.what} ({goal.spelled(value)})" for goal, value in missed) + "."
    yield ""


def main() -> None:
    """Make the page of the figures that were kept."""
    PAGE.write_text(page(Measured.read(KEPT)), encoding="utf-8")


if __name__ == "__main__":
    main()
