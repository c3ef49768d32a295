"""What breaks a rule of the app is named in memory that does not grow with the file."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediaos_migrate.anomalies import Inspector, folded, rough
from mediaos_migrate.pack.loading import load
from mediaos_migrate.record import Record
from mediaos_migrate.report import CAP, Anomaly
from mediaos_migrate.secrets import Vault
from mediaos_migrate.shapes import Element
from mediaos_migrate.values import Number, Secret

RECORDS = 3 * CAP
TEXTS = st.sampled_from(["a", "A", "b", "1", ""])
PARTS = st.one_of(TEXTS, TEXTS.map(Secret), st.sampled_from([None, 1, True, Number("1.0"), Number("1e0"), ["a"]]))


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


@pytest.mark.parametrize("hidden", ["Heat", "HEAT", "heat"])
def test_a_title_that_is_hidden_is_compared_like_one_that_is_not(hidden):
    rule = next(rule for rule in load("mediaos").document("library").parts[0].rules if rule.unique)
    plain = {"kind": "movie", "title": "Heat"}
    assert rough(rule, {"kind": "movie", "title": Secret(hidden)}) == rough(rule, plain)
    assert rough(rule, {"kind": Secret("series"), "title": Secret(hidden)}) != rough(rule, plain)


@given(*(st.fixed_dictionaries({"kind": PARTS, "title": PARTS}) for _ in range(2)))
def test_what_is_quickly_found_to_be_alike_is_alike(one, other):
    rule = next(rule for rule in load("mediaos").document("library").parts[0].rules if rule.unique)
    assert (rough(rule, one) == rough(rule, other)) == (folded(rule, one) == folded(rule, other))
