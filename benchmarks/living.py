"""Who lives with a library day by day: repositories at the stages `live` and `dualwrite`, and the app's own way."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from . import running
from .carrying import DATABASE, LIBRARY
from .contest import COMMAND, PYTHON, Contestant, Place, inside
from .running import Outcome

WRITES: Final = 2000  # so that 20 are above the 99 of 100, and the mirror has reason to write
READS: Final = 100
UNITS: Final = 20  # of a thousand writes
FEW: Final = 3  # of what reads or writes the whole file each time
ONE: Final = 1  # of what takes longest


def make_ready(ready: Path) -> None:
    """Bring a copy of the site to `dualwrite`, and another one to `live`."""
    first, last = ready / "dualwrite", ready / "live"
    first.mkdir()
    shutil.copyfile(ready / LIBRARY, first / LIBRARY)
    running.run([COMMAND, "migrate", "--data", first], ready)
    _advance(first, "dualwrite")
    shutil.copytree(first, last)
    _advance(last, "live", "--host-reads-database")


def _advance(data: Path, stage: str, *more: str) -> None:
    running.run(
        [COMMAND, "stage", "advance", "library", "--to", stage, "--policy", "ci", *more, "--data", data], data.parent
    )


def _said(outcome: Outcome) -> dict[str, float]:
    return outcome.said


def _ours(name: str, stage: str, count: int) -> Contestant:
    def command(place: Place) -> list[str | Path]:
        times = str(max(1, min(count, place.size // 10)))
        return [PYTHON, "-m", "benchmarks.ours", name, place.data, times, str(place.size)]

    return Contestant(f"{stage} {name}", command, _prepare(stage), _said)


def _prepare(stage: str) -> Callable[[Place], None]:
    def prepare(place: Place) -> None:
        shutil.rmtree(place.data, ignore_errors=True)
        shutil.copytree(place.ready / stage, place.data)
        os.sync()  # what a commit waits for is its own, not this copy

    return prepare


def _copy(place: Place) -> None:
    shutil.copyfile(place.ready / LIBRARY, place.here / LIBRARY)
    os.sync()


def _peer(name: str) -> Contestant:
    return Contestant(
        name,
        lambda place: [PYTHON, "-m", "benchmarks.peers", name, place.here / LIBRARY, str(FEW)],
        _copy,
        inside,
    )


def _commits(place: Place) -> list[str | Path]:
    return [PYTHON, "-m", "benchmarks.peers", "commit", place.data / DATABASE, str(min(WRITES, place.size // 10))]


LIVING: Final = (
    _ours("put", "live", WRITES),
    Contestant("commit", _commits, _prepare("live"), _said),
    _peer("rewrite"),
    _ours("put-alone", "live", WRITES),
    _ours("mirror", "live", FEW),
    _peer("dump"),
    _ours("batches", "live", UNITS),
    _ours("read", "live", READS),
    _peer("load"),
    _ours("read", "dualwrite", READS),
    _ours("put-file-first", "dualwrite", ONE),
    Contestant(
        "app",
        lambda _: ["node", Path(__file__).with_name("rewrite.mjs"), LIBRARY, str(FEW)],
        _copy,
        inside,
        program="node",
    ),
)

# What one write costs must not depend on how many records there are.
GROWING: Final = (_ours("put-alone", "live", WRITES), _peer("rewrite"))
