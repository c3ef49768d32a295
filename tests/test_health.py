"""A look at a site's health tells what is wrong, touches nothing, and shows no value."""

import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest
from conftest import FIXTURES
from inside import command

from mediaos_migrate import MigrateError, Site, slow
from mediaos_migrate.engines import sqlite, timing
from mediaos_migrate.errors import CouldNotCheck, NeedsPerson
from mediaos_migrate.journal import Debt, Journal
from mediaos_migrate.moves import health as moves
from mediaos_migrate.moves.policy import Policy


@pytest.fixture(scope="module")
def migrated(tmp_path_factory):
    folder = Path(shutil.copytree(FIXTURES / "mediaos", tmp_path_factory.mktemp("health") / "config"))
    assert command("migrate", "--data", folder).code == 0
    return folder


@pytest.fixture
def folder(migrated, tmp_path):
    return Path(shutil.copytree(migrated, tmp_path / "config"))


def sql(folder: Path, *statements: str) -> None:
    with closing(sqlite3.connect(folder / "mediaos.db", isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def owe(folder: Path, count: int) -> None:
    with closing(sqlite3.connect(folder / "mediaos.db")) as connection:
        Journal(connection).owe("library", "records", [Debt((str(n),), "put") for n in range(count)])
        connection.commit()


def test_a_site_that_is_well_says_so(folder):
    told = command("health", "--json", "--data", folder)
    assert (told.code, told.json["problems"], told.json["debts"], told.json["slow"]) == (0, [], 0, [])
    sizes = {each["table"]: each for each in told.json["tables"]}
    assert sizes["library_items"]["rows"] == 27
    assert told.json["size"] == (folder / "mediaos.db").stat().st_size
    assert {each["verdict"] for each in told.json["verdicts"]} == {"clean"}
    assert command("health", "--data", folder).out.endswith("All is well.\n")


def test_where_sqlite_knows_no_sizes_the_rest_is_told(folder, monkeypatch):
    monkeypatch.setattr(moves, "_SIZES", "SELECT * FROM dbstat_is_not_there")
    found = moves.health(Site.open(data=folder))
    assert (found.problems, {each.size for each in found.tables}, found.size > 0) == ([], {None}, True)


@pytest.mark.parametrize("live", [False, True], ids=["alone", "beside a writer"])
def test_looking_touches_nothing(folder, live):
    def everything() -> list[object]:
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        return [(path, path.read_bytes(), path.stat().st_mtime_ns) for path in files if path.name != "mediaos.db-shm"]

    writer = sqlite3.connect(folder / "mediaos.db", isolation_level=None)
    with closing(writer):
        if live:
            writer.execute("BEGIN IMMEDIATE")
            writer.execute("INSERT INTO sessions (id) VALUES ('uncommitted')")
        before = everything()
        found = moves.health(Site.open(data=folder))
        assert (found.problems, everything()) == ([], before)
        assert next(each.rows for each in found.tables if each.table == "sessions") == 0


def test_an_open_site_can_be_asked_between_its_writes(folder):
    with Site.open(data=folder) as site:
        for number in range(3):
            site.sessions.revoke(f"token {number}", 0)
            found = site.health()
            assert (found.problems, found.wal > 0, found.journal) == ([], True, "wal")
            assert next(each.rows for each in found.tables if each.table == "sessions") == number + 1


# ── what is wrong ──


def test_too_many_debts_are_a_problem_and_fewer_are_told(folder, tmp_path):
    owe(folder, 10)
    told = command("health", "--json", "--data", folder)
    assert (told.code, told.json["debts"], told.json["oldest_debt"][:2]) == (0, 10, "20")
    (tmp_path / "strict.toml").write_text("debts = 9\n")
    told = command("health", "--json", "--policy", tmp_path / "strict.toml", "--data", folder)
    assert told.code == 3
    assert told.json["problems"] == [
        "10 changes are not in both homes of library: run `mediaos-migrate mirror flush`",
    ]
    assert "1 problem." in command("health", "--policy", tmp_path / "strict.toml", "--data", folder).out


def test_a_blocked_document_is_a_problem(folder):
    sql(folder, "INSERT INTO _mm_blocked VALUES ('library', 'changed by another program', '2026-01-01')")
    told = command("health", "--json", "--data", folder)
    assert (told.code, told.json["problems"]) == (3, ["library is blocked: changed by another program"])


def test_a_full_disk_is_a_problem(folder, monkeypatch):
    full = shutil.disk_usage(folder)._replace(free=100)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: full)
    assert moves.health(Site.open(data=folder)).problems == ["the disk is nearly full: 100 bytes are free"]


PAGE = 4096


def root_of(folder: Path, table: str) -> int:
    with closing(sqlite3.connect(folder / "mediaos.db")) as connection:
        return connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)).fetchone()[0]


@pytest.mark.parametrize("table", ["library_items", "idx_library_kind", "_mm_journal", "_mm_site", "sqlite_schema"])
def test_a_damaged_database_is_a_problem_wherever_the_damage_is(folder, table):
    page = 1 if table == "sqlite_schema" else root_of(folder, table)
    with (folder / "mediaos.db").open("r+b") as stream:
        stream.seek((page - 1) * PAGE + (100 if page == 1 else 0))
        stream.write(b"\xff" * 64)
    told = command("health", "--json", "--data", folder)
    assert told.code == 3, told.out
    assert "the database is damaged" in told.json["problems"][0]


@pytest.mark.parametrize("row", [b"\xff" * 3])
def test_text_that_is_none_is_no_traceback(folder, row):
    sql(folder, f"UPDATE library_items SET title = CAST(x'{row.hex()}' AS TEXT) WHERE rowid = 1")
    assert command("health", "--json", "--data", folder).code == 0


# ── what could not be checked ──


def test_without_a_database_it_could_not_be_checked_and_none_is_made(tmp_path):
    folder = Path(shutil.copytree(FIXTURES / "mediaos", tmp_path / "config"))
    assert command("health", "--data", folder).code == 5
    with Site.open(data=folder) as site, pytest.raises(CouldNotCheck):
        site.health()
    assert not (folder / "mediaos.db").exists()


@pytest.mark.parametrize(
    ("said", "raised"),
    [
        (MigrateError("Another program holds the database.", "Stop it."), CouldNotCheck),
        (NeedsPerson("Two truths.", "Choose."), NeedsPerson),
    ],
)
def test_a_database_that_is_not_let_go_could_not_be_checked(folder, monkeypatch, said, raised):
    def looking(site):
        raise said

    monkeypatch.setattr(Site, "looking", looking)
    with pytest.raises(raised):
        moves.health(Site.open(data=folder))


# ── slow statements ──


@pytest.fixture
def heard():
    return []


@pytest.fixture
def timed(heard):
    with closing(sqlite3.connect(":memory:", isolation_level=None, factory=timing.Connection)) as connection:
        connection.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b)")
        connection.executemany("INSERT INTO t VALUES (?, ?)", [(n, "hunter2") for n in range(300)])
        connection.heard, connection.long = heard.append, 0
        yield connection


ASKED = {
    "all at once": lambda connection, sql, values: connection.execute(sql, values).fetchall(),
    "one after the other": lambda connection, sql, values: list(connection.execute(sql, values)),
    "the first": lambda connection, sql, values: [connection.execute(sql, values).fetchone()],
    "some": lambda connection, sql, values: connection.execute(sql, values).fetchmany(2),
}


@pytest.mark.parametrize("how", ASKED)
def test_a_slow_question_is_noted_once_with_its_plan_and_without_its_values(timed, heard, how):
    rows = ASKED[how](timed, "SELECT a\n  FROM t WHERE b = ?", ("hunter2",))
    assert [row[0] for row in rows] == list(range({"the first": 1, "some": 2}.get(how, 300)))
    [noted] = heard
    assert (noted.sql, noted.plan) == ("SELECT a FROM t WHERE b = ?", ("SCAN t",))
    assert noted.seconds > 0
    assert "hunter2" not in repr(noted)


@pytest.mark.parametrize(
    ("statement", "plan"),
    [
        ("UPDATE t SET b = 1 WHERE a = 1", True),
        ("BEGIN", False),
        ("CREATE TABLE u (a)", False),
        ("PRAGMA user_version", False),
    ],
)
def test_only_what_has_a_plan_is_asked_for_one(timed, heard, statement, plan):
    timed.execute(statement)
    assert [bool(noted.plan) for noted in heard] == [plan]


def test_many_at_once_are_one_statement_without_a_plan(timed, heard):
    timed.executemany("INSERT INTO t (b) VALUES (?)", [("x",)] * 3)
    assert [(noted.sql, noted.plan) for noted in heard] == [("INSERT INTO t (b) VALUES (?)", ())]


def test_what_fails_or_is_fast_is_not_noted(timed, heard):
    with suppress(sqlite3.OperationalError):
        timed.execute("SELECT nothing FROM nowhere")
    timed.long = 60
    timed.execute("SELECT * FROM t").fetchall()
    timed.heard, timed.long = None, 0
    timed.execute("SELECT * FROM t").fetchall()
    assert heard == []


def test_the_slow_questions_of_an_app_are_told_by_the_command_too(folder):
    with Site.open(data=folder) as site:
        site.connection().long = 0
        site.jobs.list(status="pending")
        site.connection().long = timing.LONG
        mine = [noted.sql for noted in site.health().slow]
        assert any("verify_jobs" in each for each in mine)
        assert command("health", "--json", "--data", folder).json["slow"] == []
        site.flush()
        told = command("health", "--json", "--data", folder).json["slow"]
        assert [each["sql"] for each in told] == mine == [noted.sql for noted in site.health().slow]
    assert "Slow: " in command("health", "--data", folder).out


def test_an_app_that_ends_leaves_its_slow_questions(folder):
    with Site.open(data=folder) as site:
        site.connection().long = 0
        site.jobs.list()
        site.connection().long = timing.LONG
    assert command("health", "--json", "--data", folder).json["slow"]


def test_an_app_without_slow_questions_writes_nothing(folder):
    before = (folder / "mediaos.db").read_bytes()
    with Site.open(data=folder) as site:
        site.jobs.list()
    assert (folder / "mediaos.db").read_bytes() == before


def test_only_the_last_hundred_are_kept(folder):
    with closing(sqlite.open_database(folder / "mediaos.db")) as connection:
        for start in (0, 60, 120):
            slow.keep(connection, [timing.Slow("", 1.0, str(n)) for n in range(start, start + 60)])
        assert [noted.sql for noted in slow.kept(connection)] == [str(n) for n in range(80, 180)]
        noted = [timing.Slow("", 1.0, str(n)) for n in range(180, 182)]
    assert [each.sql for each in moves.health(Site.open(data=folder), Policy("ci"), noted).slow][-3:] == [
        "179",
        "180",
        "181",
    ]
    assert len(moves.health(Site.open(data=folder), Policy("ci"), noted).slow) == 100


def test_a_database_from_before_keeps_none(folder):
    sql(folder, "DROP TABLE _mm_slow")
    with closing(sqlite.open_database(folder / "mediaos.db")) as connection:
        slow.keep(connection, [timing.Slow("", 1.0, "x")])
        assert slow.kept(connection) == []
    assert command("health", "--data", folder).code == 0
