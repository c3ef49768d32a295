"""Small pieces of text."""

from __future__ import annotations

import pytest

from mediaos_migrate.show.words import many, size, some, table


def test_a_table_sets_numbers_to_the_right_and_leaves_blank_what_is_not_there() -> None:
    assert list(table([("name", "count", "note"), ("a", 5, None), ("long name", 1000, "yes"), ("b", None, None)])) == [
        "name       count  note",
        "a              5",
        "long name   1000  yes",
        "b",
    ]


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 KB"), (417_000_000, "417.0 MB"), (2 * 10**12, "2000.0 GB")],
)
def test_a_size_is_short(number: int, text: str) -> None:
    assert size(number) == text


def test_one_is_not_many() -> None:
    assert [many(1, "row"), many(0, "row"), many(1000, "row")] == ["1 row", "0 rows", "1,000 rows"]


def test_of_many_names_the_first_few_are_enough() -> None:
    assert [some(["a"]), some(["a", "b", "c"]), some(["a", "b", "c", "d"])] == ["a", "a, b, c", "a, b, c and 1 more"]
