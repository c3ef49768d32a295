"""What breaks a rule of the app is named in memory that does not grow with the file."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from mediaos_migrate.anomalies import Inspector
from mediaos_migrate.pack.loading import load
from mediaos_migrate.record import Record
from mediaos_migrate.report import CAP, Anomaly
from mediaos_migrate.secrets import Vault
from mediaos_migrate.shapes import Element

RECORDS = 3 * CAP


class Film(dict[str, Any]):
    """A value that can be watched."""


def films(each: int) -> Iterator[Record]:
    """Make records of which so many in a row share a title."""
    for number in range(RECORDS):
        film = Film(id=f"m{number}", kind="movie", title=f"Film {number // each}")
        yield Record(
            (film["id"],), film, Element(None, film, ("items", number)), number, 100 * number, 100 * number + 99
        )


def inspected(each: int, second: Iterator[Record]) -> Inspector:
    """Look at records twice."""
    found = Inspector(load("mediaos").document("library").parts[0], Vault(), {})
    for record in films(each):
        found.first(record)
    assert found.needs_second
    found.second(second)
    return found


@pytest.mark.parametrize("each", [2, 3, 7, CAP + 1, RECORDS])
def test_all_that_share_a_title_are_counted_and_the_first_are_named_with_three_others(each: int) -> None:
    found = inspected(each, films(each))
    assert (found.count, len(found.kept)) == (
        RECORDS // each * each + (RECORDS % each if RECORDS % each > 1 else 0),
        CAP,
    )
    for number, anomaly in enumerate(found.kept):
        first = number // each * each
        others = [f"m{other}" for other in range(first, first + each) if other != number][:3]
        assert anomaly == Anomaly("duplicate-title", (f"m{number}",), f"with {', '.join(others)}", 100 * number)


@pytest.mark.parametrize("each", [2, RECORDS])
def test_no_record_is_held_until_its_twin_comes(each: int) -> None:
    alive, most = weakref.WeakValueDictionary[int, Film](), 0

    def watched() -> Iterator[Record]:
        nonlocal most
        for record in films(each):
            alive[record.start] = record.value
            most = max(most, len(alive))
            yield record

    gc.collect()
    inspected(each, watched())
    assert most <= 3
