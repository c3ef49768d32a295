"""A doctor who is asked names what was slow, with its plan, and the index that SQLite would use."""

import sqlite3
from contextlib import closing

import pytest
from fault_moves import files_alone, must
from inside import SHELF, command

from mediaos_migrate import Site, slow
from mediaos_migrate.engines import sqlite
from mediaos_migrate.engines.timing import Slow
from mediaos_migrate.moves.slowness import slow_queries

TABLE = "CREATE TABLE films (id TEXT PRIMARY KEY, kind TEXT, year INTEGER, title TEXT)"
ASKED = {
    "SELECT id FROM films WHERE year = ?": "CREATE INDEX idx_films_year ON films (year)",
    "SELECT * FROM films WHERE kind = ? ORDER BY title LIMIT 10": "CREATE INDEX idx_films_kind_title ON films (kind, title)",
    "SELECT * FROM films AS f WHERE f.year > :year AND f.kind = :kind": "CREATE INDEX idx_films_kind_year ON films (kind, year)",
    "SELECT * FROM films ORDER BY title LIMIT 10": "CREATE INDEX idx_films_title ON films (title)",
    "SELECT * FROM films WHERE [year] BETWEEN ? AND ?": "CREATE INDEX idx_films_year ON films (year)",
    "UPDATE films SET title = ? WHERE year = 1": "CREATE INDEX idx_films_year ON films (year)",
}
USELESS = [
    "SELECT * FROM films WHERE id = ?",
    "SELECT count(*) FROM films",
    "SELECT * FROM films WHERE title || '' = ?",
    "SELECT * FROM gone WHERE year = ?",
    "SELECT * FROM films WHERE year = ? " + "x" * 1000,
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("slow") / "data"
    files_alone(made)
    must(made, "migrate")
    with closing(sqlite.open_database(made / "mediaos.db")) as connection:
        connection.execute(TABLE)
    return made


def note(folder, *statements, seconds=1.0):
    with closing(sqlite3.connect(folder / "mediaos.db", isolation_level=None)) as connection:
        connection.execute("DELETE FROM _mm_slow")
        slow.keep(
            connection, [Slow("2026-01-01T00:00:00.000Z", seconds, sql[:1000], ("SCAN films",)) for sql in statements]
        )


def found(folder):
    return slow_queries(Site.open(folder, app=SHELF))


@pytest.mark.parametrize("sql", ASKED)
def test_the_index_that_is_proposed_is_the_one_that_is_lacking(folder, sql):
    note(folder, sql)
    assert [(query.sql, query.index) for query in found(folder)] == [(sql, ASKED[sql])]


@pytest.mark.parametrize("sql", USELESS)
def test_no_index_is_proposed_that_would_not_be_used(folder, sql):
    note(folder, sql)
    assert [query.index for query in found(folder)] == [None]


def test_the_same_question_is_told_once_and_the_slowest_first(folder):
    one, other = list(ASKED)[:2]
    note(folder, one, other, one)
    assert sorted((query.sql, query.count) for query in found(folder)) == sorted([(one, 2), (other, 1)])


def test_the_doctor_names_question_plan_and_migration(folder):
    note(folder, next(iter(ASKED)))
    before = (folder / "mediaos.db").read_bytes()
    told = command("doctor", "--slow", "--json", "--data", folder, "--app", SHELF).json["findings"]
    [finding] = [each for each in told if each["code"] == "slow"]
    assert "SELECT id FROM films WHERE year = ?. Its plan: SCAN films." in finding["message"]
    assert "CREATE INDEX idx_films_year ON films (year)" in finding["remedy"]
    assert "schema new idx_films_year" in finding["remedy"]
    assert (folder / "mediaos.db").read_bytes() == before
    assert "slow" not in command("doctor", "--data", folder, "--app", SHELF).out
