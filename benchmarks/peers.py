"""What others do with the same bytes; each of these is a process: `python -m benchmarks.peers NAME ARGUMENT...`.

The seconds that they print are those of the work itself: without the start of Python, and without what the name says
was made ready beforehand.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median
from typing import Any, Final

OURS: Final = "_mm_"
PRAGMAS: Final = ("journal_mode = WAL", "synchronous = FULL", "cache_size = -16384")  # as our own connections

Seconds = dict[str, float]


@contextmanager
def timed(into: Seconds, name: str = "seconds") -> Iterator[None]:
    """Measure a block."""
    started = time.perf_counter()
    yield
    into[name] = time.perf_counter() - started


def floor(migrated: str, target: str) -> Seconds:
    """Insert ready rows into the same table, with its indexes, in one transaction."""
    return _floor(migrated, target, late=False)


def floor_late(migrated: str, target: str) -> Seconds:
    """Do the same, but build the indexes after the load."""
    return _floor(migrated, target, late=True)


def _floor(migrated: str, target: str, *, late: bool) -> Seconds:
    with closing(sqlite3.connect(migrated)) as source:
        schema = _schema(source)
        rows = source.execute("SELECT * FROM library_items ORDER BY position").fetchall()
    first, last = (schema[:1], schema[1:]) if late else (schema, [])
    took: Seconds = {}
    with closing(_database(target, first)) as made, timed(took):
        made.execute("BEGIN IMMEDIATE")
        made.executemany(f"INSERT INTO library_items VALUES ({', '.join('?' * len(rows[0]))})", rows)
        for statement in last:
            made.execute(statement)
        made.execute("COMMIT")
    return took


def by_hand(library: str, migrated: str, target: str) -> Seconds:
    """Do what a script of twenty lines does: json.load, one executemany; no books, no proof, no backup, no way back."""
    with closing(sqlite3.connect(migrated)) as source:
        schema = _schema(source)
    took: Seconds = {}
    with closing(_database(target, schema)) as made, timed(took):
        with Path(library).open(encoding="utf-8") as stream:
            items = json.load(stream)["items"]
        made.execute("BEGIN IMMEDIATE")
        made.executemany(
            f"INSERT INTO library_items ({', '.join(_COLUMNS)}, position) "
            f"VALUES ({', '.join('?' * (len(_COLUMNS) + 1))})",
            ((*map(_bound, map(item.get, _COLUMNS.values())), place) for place, item in enumerate(items)),
        )
        made.execute("COMMIT")
    return took


_COLUMNS: Final = {
    "id": "id",
    "kind": "kind",
    "title": "title",
    "poster_url": "posterUrl",
    "background_url": "backgroundUrl",
    "year": "year",
    "quality": "quality",
    "source": "source",
    "file_path": "filePath",
    "file_size": "fileSize",
    "metadata": "metadata",
}


def _bound(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value


def _schema(source: sqlite3.Connection) -> list[str]:
    """Return the table and its indexes and triggers, as the migration has made them; the table comes first."""
    found = source.execute(
        "SELECT sql FROM sqlite_schema WHERE tbl_name = 'library_items' AND sql IS NOT NULL "
        f"AND name NOT LIKE '{OURS}%' ORDER BY type != 'table'"
    )
    return [row[0] for row in found]


def _database(path: str, schema: Sequence[str]) -> sqlite3.Connection:
    """Open a new database as safely as ours is opened, and with the same cache."""
    made = sqlite3.connect(path, isolation_level=None)
    for pragma in PRAGMAS:
        made.execute(f"PRAGMA {pragma}").fetchone()
    for statement in schema:
        made.execute(statement)
    return made


def commit(database: str, times: str) -> Seconds:
    """Change one row and commit, as durably as ours, again and again: less than this no acknowledged write can take."""
    took: Seconds = {}
    with closing(sqlite3.connect(database, isolation_level=None)) as open_:
        for pragma in PRAGMAS:
            open_.execute(f"PRAGMA {pragma}").fetchone()
        keys = [row[0] for row in open_.execute(f"SELECT id FROM library_items ORDER BY random() LIMIT {times}")]
        for key in keys:
            with timed(took, key):
                open_.execute("BEGIN IMMEDIATE")
                open_.execute("UPDATE library_items SET year = coalesce(year, 2000) + 1 WHERE id = ?", (key,))
                open_.execute("COMMIT")
    return spread(took.values())


def spread(took: Iterable[float], name: str = "") -> Seconds:
    """Sum many times up: what half of them, 95 and 99 of 100 stay below."""
    found = sorted(took)
    at = {"p50": 0.50, "p95": 0.95, "p99": 0.99, "max": 1.0}
    return {f"{name} {what}".strip(): found[min(len(found) - 1, int(len(found) * share))] for what, share in at.items()}


def deepdiff(one: str, other: str) -> Seconds:
    """Compare two whole documents, of which the other has one record less near its beginning."""
    from deepdiff import DeepDiff

    took: Seconds = {}
    with timed(took):
        left, right = (json.loads(Path(path).read_text(encoding="utf-8")) for path in (one, other))
        del right["items"][10]
        DeepDiff(left, right)
    return took


def rewrite(library: str, times: str = "1") -> Seconds:
    """Change one record as the app does, but in Python: read the whole file, change it, write the whole file."""
    took: Seconds = {}
    for number in range(int(times)):
        with timed(took, str(number)):
            document = json.loads(Path(library).read_text(encoding="utf-8"))
            document["items"][len(document["items"]) // 2]["year"] = 1900 + number
            Path(library).write_text(json.dumps(document, indent=2, ensure_ascii=False), encoding="utf-8")
    return {"seconds": median(took.values())}


def dump(library: str, times: str = "1") -> Seconds:
    """Write the whole file anew from what is in memory: json.dumps, and a write that reaches the disk."""
    document = json.loads(Path(library).read_text(encoding="utf-8"))
    took: Seconds = {}
    for number in range(int(times)):
        with timed(took, str(number)), Path(library).open("w", encoding="utf-8") as stream:
            stream.write(json.dumps(document, indent=2, ensure_ascii=False))
            stream.flush()
            os.fsync(stream.fileno())
    return {"seconds": median(took.values())}


def load(library: str, times: str = "1") -> Seconds:
    """Answer for one page as the app does, but in Python: read the whole file, sort it, take a hundred."""
    took: Seconds = {}
    for number in range(int(times)):
        with timed(took, str(number)):
            items = json.loads(Path(library).read_text(encoding="utf-8"))["items"]
            sorted(items, key=lambda item: item["title"])[:100]
    return {"seconds": median(took.values())}


PEERS: Final[dict[str, Callable[..., Seconds]]] = {
    "floor": floor,
    "floor-late": floor_late,
    "by-hand": by_hand,
    "deepdiff": deepdiff,
    "rewrite": rewrite,
    "dump": dump,
    "load": load,
    "commit": commit,
}


def main() -> None:
    """Be one of the peers."""
    _, name, *arguments = sys.argv
    print(json.dumps(PEERS[name](*arguments)))


if __name__ == "__main__":
    main()
