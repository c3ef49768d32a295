"""What a moving schema must never do again: each of these was once in doubt, and is tried here through the commands."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from conftest import FIXTURES
from inside import SHELF, command

from mediaos_migrate import files, pack
from mediaos_migrate.migrations import checksum

MEDIAOS = pack.load("mediaos").folder


@pytest.fixture
def shelf(tmp_path):
    """A data folder of the invented app, migrated, and beside it a pack of its own to be changed at will."""
    shutil.copytree(SHELF, tmp_path / "pack")
    shutil.copytree(FIXTURES / "shelf", tmp_path / "data")
    assert on(tmp_path / "data", "migrate").code == 0
    return tmp_path / "data"


@pytest.fixture
def clean(tmp_path):
    """A migrated folder of MediaOS that breaks no rule of the app."""
    data = Path(shutil.copytree(FIXTURES / "mediaos-clean", tmp_path / "config"))
    assert command("migrate", "--data", data).code == 0
    return data


def on(data, *words):
    """Run a command on a data folder of the invented app."""
    return command(*words, "--data", data, "--app", data.parent / "pack")


def add(data, up, down, number=3):
    """Add a step to the pack beside a data folder."""
    folder = data.parent / "pack" / "sqlite"
    (folder / "history.sum").unlink(missing_ok=True)
    (folder / f"{number:04d}_more.up.sql").write_text(up)
    (folder / f"{number:04d}_more.down.sql").write_text(down)


def sql(data, script):
    """Do what a person does who has the database open."""
    with closing(sqlite3.connect(data / "mediaos.db")) as connection:
        connection.executescript(script)


def rows(data, query):
    with closing(sqlite3.connect(data / "mediaos.db")) as connection:
        return connection.execute(query).fetchall()


def dump(data):
    """Everything that a database says, our own tables included."""
    with closing(sqlite3.connect(data / "mediaos.db")) as connection:
        return list(connection.iterdump())


def contents(folder):
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


# ── adopting what somebody else made ──


def made_by_hand(tmp_path, filled):
    """A data folder whose database somebody else made and filled, adopted by baseline."""
    data = Path(shutil.copytree(FIXTURES / "mediaos-clean", tmp_path / "config"))
    steps = sorted((MEDIAOS / "sqlite").glob("*.up.sql"))
    for path in steps:
        sql(data, path.read_text())
    sql(data, filled)
    assert command("schema", "baseline", len(steps), "--data", data).code == 0
    return data


@pytest.fixture
def adopted(tmp_path):
    """A database with a user that the app's file does not have."""
    return made_by_hand(tmp_path, "INSERT INTO users (id, email) VALUES ('theirs', 'theirs@example.org');")


THEIRS = "SELECT email FROM users WHERE id = 'theirs'"


def test_rows_that_were_there_before_us_are_not_deleted_by_the_first_import(adopted):
    told = command("migrate", "--data", adopted, "--json")
    assert (told.code, told.json["error"]["message"]) == (
        4,
        "The table users holds records that users.json does not, and were never imported from it, such as theirs. "
        "Nothing was changed.",
    )
    assert "--accept-source users" in told.json["error"]["remedy"]
    assert rows(adopted, THEIRS) == [("theirs@example.org",)]


def test_rows_that_were_there_before_us_go_when_a_person_says_so(adopted):
    assert command("migrate", "--accept-source", "users", "--data", adopted).code == 0
    assert rows(adopted, THEIRS) == []


def test_accepting_another_document_does_not_let_them_go(adopted):
    assert command("migrate", "--accept-source", "library", "--data", adopted).code == 4
    assert rows(adopted, THEIRS) == [("theirs@example.org",)]


def test_a_first_import_that_is_refused_fills_no_other_table(tmp_path):
    data = made_by_hand(tmp_path, "INSERT INTO wanted_items (kind, id) VALUES ('movie', 'theirs');")
    assert command("migrate", "--data", data).code == 4
    assert rows(data, "SELECT count(*) FROM users") == [(0,)]


# ── contract steps ──


@pytest.fixture
def strict(clean):
    """A site that has taken the contract steps too."""
    assert command("schema", "up", "--contract", "--data", clean).code == 0
    return clean


def test_a_site_with_contract_steps_can_be_rehearsed(strict):
    told = command("rehearse", "--data", strict)
    assert (told.code, "Verdict: ready to migrate." in told.out) == (0, True)


def test_no_step_is_taken_back_from_below_a_contract_step(strict):
    before = dump(strict)
    told = command("schema", "down", "--accept-loss", "--yes", "--data", strict)
    assert (told.code, told.err) == (
        4,
        "Contract migrations stand on top of these.\nTake them back first: schema down --contract --to 0.\n",
    )
    assert dump(strict) == before


def test_below_contract_steps_that_were_taken_back_the_way_down_is_free(strict):
    told = command("schema", "down", "--contract", "--to", "0", "--yes", "--data", strict, "--json")
    assert [step["name"] for step in told.json["steps"]] == ["unique_titles", "unique_emails"]
    assert command("schema", "down", "--accept-loss", "--yes", "--data", strict).code == 0


# ── what a step back does to rows ──


def test_a_step_back_that_only_deletes_rows_is_refused_while_the_table_is_believed(shelf):
    add(shelf, "UPDATE books SET opinion = 'new';", "DELETE FROM books;")
    on(shelf, "schema", "up")
    sql(shelf, "INSERT INTO _mm_stages VALUES ('books', 'live');")
    before = dump(shelf)
    told = on(shelf, "schema", "down", "--accept-loss", "--yes")
    assert (told.code, told.err) == (
        4,
        "books is at `live` and believes books, which this would change.\n"
        "First go back with `mediaos-migrate stage retreat books`.\n",
    )
    assert dump(shelf) == before


def test_rows_that_a_step_back_overwrites_are_announced_as_a_loss(shelf):
    sql(shelf, "UPDATE books SET opinion = 'mine';")
    held = len(rows(shelf, "SELECT 1 FROM books"))
    add(shelf, "CREATE TABLE later (x);", "UPDATE books SET opinion = NULL; DROP TABLE later;")
    on(shelf, "schema", "up")
    told = on(shelf, "schema", "down", "--yes")
    assert (told.code, told.err) == (
        4,
        f"Taking this back would lose:\n  0003_more: {held} rows that it changes or deletes itself\n"
        "Pass --accept-loss if that is what you want.\n",
    )
    assert rows(shelf, "SELECT DISTINCT opinion FROM books") == [("mine",)]


def test_rows_that_a_step_back_overwrites_can_be_let_go(shelf):
    sql(shelf, "UPDATE books SET opinion = 'mine';")
    add(shelf, "CREATE TABLE later (x);", "UPDATE books SET opinion = NULL; DROP TABLE later;")
    on(shelf, "schema", "up")
    assert on(shelf, "schema", "down", "--accept-loss", "--yes").code == 0
    assert rows(shelf, "SELECT DISTINCT opinion FROM books") == [(None,)]


# ── what the ledger says ──


@pytest.mark.parametrize(("one", "other"), [('"x , y"', '"x,y"'), ("[x , y]", "[x,y]"), ("'x , y'", "'x,y'")])
def test_white_space_inside_of_quotes_changes_a_checksum(one, other):
    assert checksum(f"CREATE TABLE a ({one});") != checksum(f"CREATE TABLE a ({other});")


def test_white_space_outside_of_quotes_changes_no_checksum():
    assert checksum('CREATE  TABLE a\n( "x , y" ,\tz ) ;') == checksum('CREATE TABLE a("x , y",z);')


TAMPERED = [
    "DROP TABLE prefs;",
    "DELETE FROM books;",
    "DROP TABLE nowhere;",
    "DROP TABLE",
    "VACUUM;",
]


def tamper(data, way_back):
    sql(data, f"UPDATE _mm_migrations SET down = '{way_back}' WHERE number = 2;")


def test_a_way_back_that_was_changed_in_the_ledger_is_found(shelf):
    tamper(shelf, "DELETE FROM books;")
    told = on(shelf, "schema", "verify", "--json")
    assert (told.code, told.json["findings"]) == (3, ["0002_values: its way back was changed in the ledger"])


@pytest.mark.parametrize("way_back", TAMPERED)
def test_a_way_back_that_was_changed_in_the_ledger_is_never_taken(way_back, shelf):
    tamper(shelf, way_back)
    before = dump(shelf)
    told = on(shelf, "schema", "down", "--accept-loss", "--yes")
    assert (told.code, told.err) == (
        7,
        "The way back of 0002_values was changed in the ledger.\nRestore a backup of the database.\n",
    )
    assert dump(shelf) == before


MOVES = [
    "status",
    "migrate",
    "rehearse",
    "schema status",
    "schema up",
    "schema down --accept-loss --yes",
    "schema verify",
]


@pytest.mark.parametrize("words", MOVES)
def test_a_gap_in_the_ledger_is_named_and_needs_a_person(words, shelf):
    sql(shelf, "DELETE FROM _mm_migrations WHERE number = 1;")
    before = dump(shelf)
    told = on(shelf, *words.split())
    assert (told.code, told.err.splitlines()[-2:]) == (
        7,
        ["The ledger has a gap: it holds 0002.", "Restore a backup of the database."],
    )
    assert dump(shelf) == before


# ── writing where nobody asked for it ──


def test_a_pack_of_one_s_own_may_be_named_as_any_folder_is(tmp_path, monkeypatch):
    shutil.copytree(SHELF, tmp_path / "pack")
    monkeypatch.chdir(tmp_path)
    assert command("schema", "lint", "--write", "--app", "pack").code == 0
    assert command("schema", "new", "add_rating", "--app", "pack").code == 0


@pytest.mark.parametrize("words", [("new", "add_rating"), ("lint", "--write")], ids=" ".join)
def test_nothing_is_written_into_the_pack_that_came_with_us(words, monkeypatch):
    monkeypatch.delattr(files, "replacing")  # should it try, it must not succeed on the real one
    before = contents(MEDIAOS)
    told = command("schema", *words)
    assert (told.code, told.err) == (
        2,
        "This writes into a pack's folder.\nName it with --app, as in `--app ./schema/mediaos`.\n",
    )
    assert contents(MEDIAOS) == before


def test_an_export_leaves_a_file_alone_that_the_database_does_not_have(clean, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "monitor.json").write_text('{"old": true}')
    before = contents(tmp_path / "out")
    told = command("export", "--to", tmp_path / "out", "--data", clean)
    assert (told.code, told.err.splitlines()[-2:]) == (
        4,
        [
            f"{tmp_path}/out holds monitor.json, which the database does not.",
            "Name an empty folder with --to.",
        ],
    )
    assert contents(tmp_path / "out") == before


# ── salvage of what was whole before ──


@pytest.fixture
def cut(clean):
    """A site whose library lost its last record in an accident after it was migrated."""
    library = clean / "library.json"
    had = len(json.loads(library.read_text())["items"])
    library.write_bytes(library.read_bytes().rstrip()[:-12])
    return clean, had


COUNT = "SELECT count(*) FROM library_items"


def test_salvage_that_keeps_fewer_records_than_the_table_has_is_refused(cut):
    data, had = cut
    before = dump(data)
    told = command("migrate", "--salvage", "--data", data)
    assert (told.code, told.err.splitlines()[-2:]) == (
        4,
        [
            f"library.json has {had - 1} of the {had} records last accepted.",
            "Restore it from .mediaos-migrate/backups, or pass --accept-source library.",
        ],
    )
    assert dump(data) == before


def test_salvage_that_keeps_fewer_records_can_be_accepted(cut):
    data, had = cut
    assert command("migrate", "--salvage", "--accept-source", "library", "--data", data).code == 0
    assert rows(data, COUNT) == [(had - 1,)]


# ── a failure beside an earlier change by hand ──


BY_HAND = "CREATE INDEX by_hand ON tags(tag);"


def test_a_failing_step_up_does_not_blame_what_was_changed_by_hand_before(shelf):
    add(shelf, "CREATE TABLE half (x); CREATE INDEX by_hand ON books(title);", "DROP INDEX by_hand; DROP TABLE half;")
    sql(shelf, BY_HAND)
    before = dump(shelf)
    told = on(shelf, "schema", "up")
    assert (told.code, told.err) == (
        1,
        "Migration 0003_more failed: index by_hand already exists. It left nothing behind.\nMend it and run it again.\n",
    )
    assert dump(shelf) == before


def test_a_failing_step_down_does_not_blame_what_was_changed_by_hand_before(shelf):
    add(shelf, "CREATE TABLE later (x);", "DROP TABLE later; DELETE FROM authors WHERE id = 'ann';")
    on(shelf, "schema", "up")
    sql(shelf, f"UPDATE books SET author_id = 'ann'; {BY_HAND}")
    before = dump(shelf)
    told = on(shelf, "schema", "down", "--accept-loss", "--yes")
    assert (told.code, told.err) == (
        1,
        "0003_more could not be taken back: a row of books would point to a missing row of authors. "
        "It left nothing behind.\nMend it and run it again.\n",
    )
    assert dump(shelf) == before


REBUILT = """
CREATE TABLE new_tags (
  book TEXT NOT NULL, tag TEXT NOT NULL, position INTEGER, extra TEXT, members TEXT, PRIMARY KEY (book, tag));
INSERT INTO new_tags (rowid, book, tag, position, extra, members)
  SELECT rowid, book, tag, position, extra, members FROM tags;
DROP TABLE tags;
ALTER TABLE new_tags RENAME TO tags;
"""


def test_steps_before_a_failing_one_stay_though_they_removed_what_was_made_by_hand(shelf):
    add(shelf, REBUILT, "SELECT 1;")
    add(shelf, "INSERT INTO nowhere VALUES (1);", "SELECT 1;", number=4)
    sql(shelf, BY_HAND)
    told = on(shelf, "schema", "up")
    assert (told.code, "brought back" in told.err) == (1, False)
    assert rows(shelf, "SELECT max(number) FROM _mm_migrations") == [(3,)]
