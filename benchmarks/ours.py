"""What an app does through `Site`; each of these is a process: `python -m benchmarks.ours NAME DATA TIMES`."""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any, Final

from mediaos_migrate import Site
from mediaos_migrate.library import Repository

from . import library
from .peers import spread

BATCH: Final = 1000
PAGE: Final = 100
LIBRARY: Final = "library"

Figures = dict[str, float]


class Watched(Site):
    """A site that notes how often its files were rewritten, and how long that took."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.rewrites: list[float] = []

    def flush(self) -> Any:
        """Write every file that is behind its table now."""
        started = time.perf_counter()
        written = super().flush()
        if written:
            self.rewrites.append(time.perf_counter() - started)
        return written

    def follow(self) -> None:
        """Do the same in the background, maybe in another process."""
        before, started = len(self.rewrites), time.perf_counter()
        super().follow()
        if len(self.rewrites) == before:
            self.rewrites.append(time.perf_counter() - started)


def times(act: Callable[[Any], object], given: Iterator[Any]) -> list[float]:
    """Do something with each of the things given; return the seconds of each time."""
    took = []
    for thing in given:
        started = time.perf_counter()
        act(thing)
        took.append(time.perf_counter() - started)
    return took


def changed(repository: Repository, count: int, size: int) -> Iterator[Any]:
    """Take records from all over the library, each with another year than before."""
    chance = random.Random(library.SEED)
    keys = _keys(size)
    for _ in range(count):
        record = repository.get(chance.choice(keys))
        yield record | {"year": record.get("year", 2000) % 2100 + 1}


def _keys(size: int) -> list[str]:
    return [record["id"] for record in library.records(size)]


def put(site: Watched, count: int, size: int) -> Figures:
    """Write one record at a time, as fast as they go, while the mirror works behind them."""
    records = site.repository(LIBRARY)
    took = times(records.put, changed(records, count, size))
    site.close()
    return spread(took) | {
        "writes per rewrite": count / len(site.rewrites),
        "rewrite under load": median(site.rewrites),
    }


def put_alone(site: Watched, count: int, size: int) -> Figures:
    """Write one record at a time and let nothing else happen: the mirror's thread is never begun."""
    site.wake = lambda _: None  # type: ignore[method-assign]
    records = site.repository(LIBRARY)
    return spread(times(records.put, changed(records, count, size)))


def put_file_first(site: Watched, count: int, size: int) -> Figures:
    """Write one record at a time where the file is believed."""
    records = site.repository(LIBRARY)
    given = list(changed(records, count + 1, size))
    records.put(given.pop())  # the first one also reads the file
    return spread(times(records.put, iter(given)))


def batches(site: Watched, count: int, size: int) -> Figures:
    """Write in units of work of a thousand records: some that are there, and then as many new ones."""
    records = site.repository(LIBRARY)
    given = list(changed(records, count * BATCH, size))
    added = [
        {**record, "id": None, "title": f"{record['title']} {number} again"} for number, record in enumerate(given)
    ]
    return {"a write": _in_units(site, "put", given), "a new record": _in_units(site, "add", added)}


def _in_units(site: Watched, write: str, given: list[Any]) -> float:
    """Write records in units of work; return the seconds that each took."""

    def commit(start: int) -> None:
        with site.unit_of_work() as unit:
            act = getattr(unit.repository(LIBRARY), write)
            for record in given[start : start + BATCH]:
                act(record)

    return sum(times(commit, iter(range(0, len(given), BATCH)))) / len(given)


def mirror(site: Watched, count: int, size: int) -> Figures:
    """Change one record and bring the file in step, again and again."""
    site.wake = lambda _: None  # type: ignore[method-assign]  the flush is ours
    records = site.repository(LIBRARY)
    for record in changed(records, count, size):
        records.put(record)
        site.flush()
    return {"": median(site.rewrites)}


def read(site: Watched, count: int, size: int) -> Figures:
    """Ask for pages from all over the library, in three orders, with a filter, and by words."""
    records = site.repository(LIBRARY)
    chance = random.Random(library.SEED)
    keys = _keys(size)
    found = {"first read": times(records.get, iter(keys[:1]))[0]}
    asked: dict[str, Callable[[Any], object]] = {
        "page": lambda key: records.list(limit=PAGE, after=key),
        "page by title": lambda key: records.list(order_by="title", limit=PAGE, after=key),
        "page by year": lambda key: records.list(order_by="-year", limit=PAGE, after=key),
        "filter": lambda key: records.list(where={"kind": "series"}, limit=PAGE, after=key),
        "filter by year": lambda key: records.list(where={"year": (">=", 1990)}, limit=PAGE, after=key),
    }
    for name, ask in asked.items():
        ask(keys[0])
        found |= spread(times(ask, iter(chance.choices(keys, k=count))), name)
    records.search("silent")  # makes the full text, where there is none yet
    found |= spread(times(records.search, (_words(chance, size) for _ in range(count))), "search")
    return found


def _words(chance: random.Random, size: int) -> str:
    first, second, *_ = library.title(chance.randrange(size)).split()
    return f"{first} {second[:4]}"


OURS: Final = {
    "put": put,
    "put-alone": put_alone,
    "put-file-first": put_file_first,
    "batches": batches,
    "mirror": mirror,
    "read": read,
}


def main() -> None:
    """Be the app."""
    _, name, data, count, size = sys.argv
    with Watched.open(Path(data)) as site:
        print(json.dumps(OURS[name](site, int(count), int(size))))


if __name__ == "__main__":
    main()
