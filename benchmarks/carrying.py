"""Who carries a library from its file into a database and looks after it there: ours, and the others."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from . import library
from .contest import COMMAND, PYTHON, Contestant, Place, inside
from .running import Outcome

LIBRARY: Final = "library.json"
ITEMS: Final = "items.json"
DATABASE: Final = "mediaos.db"
STEPS: Final = ("preflight", "backup", "schema", "import", "validate")
SMALL: Final = 10_000


def make_ready(ready: Path, size: int) -> None:
    """Make the data of one size."""
    ready.mkdir(parents=True)
    library.write(ready / LIBRARY, size)
    library.write_array(ready / ITEMS, size)


def _site(place: Place) -> None:
    place.data.mkdir()
    shutil.copyfile(place.ready / LIBRARY, place.data / LIBRARY)


def _copy(place: Place) -> None:
    shutil.copyfile(place.ready / LIBRARY, place.here / LIBRARY)


def _ours(name: str, *command: str) -> Contestant:
    return Contestant(name, lambda place: [COMMAND, *command, "--data", place.data, "--json"])


def _steps(outcome: Outcome) -> dict[str, float]:
    return {"": outcome.seconds} | {step: outcome.said["timings"][step] for step in STEPS}


def _peer(name: str, *files: str, most: int | None = None) -> Contestant:
    def command(place: Place) -> list[str | Path]:
        places = {"database": place.data / DATABASE, "target": place.here / f"{name}.db", "file": place.ready / LIBRARY}
        return [PYTHON, "-m", "benchmarks.peers", name, *(places[file] for file in files)]

    return Contestant(name, command, figures=inside, most=most)


# In this order: the first one makes the site that the others look after, and the rows that the floor inserts.
CARRYING: Final = (
    Contestant("migrate", lambda place: [COMMAND, "migrate", "--data", place.data, "--json"], _site, _steps),
    _peer("floor", "database", "target"),
    _ours("validate", "validate"),
    _ours("migrate again", "migrate"),
    _ours("validate --quick", "validate", "--quick"),
    _ours("export", "export", "--to", "exported"),
    _ours("status", "status"),
    Contestant(
        "sqlite-utils",
        lambda place: ["sqlite-utils", "insert", "inserted.db", "library", place.ready / ITEMS, "--pk", "id"],
    ),
    _peer("by-hand", "file", "database", "target"),
    _peer("floor-late", "database", "target"),
    Contestant(
        "node",
        lambda _: ["node", Path(__file__).with_name("rewrite.mjs"), LIBRARY],
        _copy,
        inside,
        program="node",
    ),
    _peer("deepdiff", "file", "file", most=SMALL),
)
