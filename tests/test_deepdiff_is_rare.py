"""DeepDiff is slow: it looks only at lists that differ, and only as long as what it finds is kept."""

import json
import sqlite3
from contextlib import closing

import deepdiff
import pytest
from inside import command

from mediaos_migrate.compare import Home, Lens, compare
from mediaos_migrate.record import Record
from mediaos_migrate.report import CAP
from mediaos_migrate.shapes import Element

FILMS, PLANTED = 20_000, 15


@pytest.fixture
def calls(monkeypatch):
    """Every call of the real DeepDiff."""
    found, real = [], deepdiff.DeepDiff

    def spy(*pair, **options):
        found.append(pair)
        return real(*pair, **options)

    monkeypatch.setattr(deepdiff, "DeepDiff", spy)
    return found


def test_fifteen_differences_in_many_records_take_fifteen_calls(tmp_path, calls):
    folder = tmp_path / "data"
    folder.mkdir()
    films = [
        {"id": f"f{n:05d}", "kind": "movie", "title": f"Film {n}", "metadata": {"cast": ["Ann", "Bob", n]}}
        for n in range(FILMS)
    ]
    (folder / "library.json").write_text(json.dumps({"items": films}), encoding="utf-8")
    assert command("migrate", "--data", folder).code == 0
    keys = [film["id"] for film in films[7 :: FILMS // PLANTED]][:PLANTED]
    with closing(sqlite3.connect(folder / "mediaos.db", isolation_level=None)) as connection:
        sql = "UPDATE library_items SET metadata = json_set(metadata, '$.cast[1]', 'Zoe') WHERE id = ?"
        connection.executemany(sql, [(key,) for key in keys])
    calls.clear()
    told = command("validate", "--data", folder, "--json")
    found = told.document("library")
    assert (told.code, found["changed"], found["compared"]) == (3, keys, FILMS)
    assert {m["path"] for each in found["differences"] for m in each["members"]} == {"metadata.cast.1"}
    assert len(calls) <= PLANTED


def test_what_is_counted_and_not_kept_is_not_looked_at_closely(calls):
    def home(item: int) -> Home:
        return Home(lambda: [Record((f"k{n}",), [1, item, 3], Element(None, None, ""), n) for n in range(3_000)])

    found = compare("t", home(2), home(4), Lens(certain=True))
    assert (found.counts, len(found.discrepancies), len(calls)) == ({"changed": 3_000}, CAP, CAP)
