"""The schema: its steps up and down, its triggers, and every case where real data does not fit the plan (C-1 … C-35)."""

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from conftest import FIXTURES, clean_environment
from inside import command

from mediaos_migrate import migrations, pack
from mediaos_migrate.engines import sqlite
from mediaos_migrate.errors import BadPack, MigrateError
from mediaos_migrate.ledger import Ledger
from mediaos_migrate.migrations import checksum, read, statements

STEPS = pack.load("mediaos").folder / "sqlite"


@pytest.fixture
def connection(tmp_path):
    """An empty database with our own tables."""
    with closing(sqlite.open_database(tmp_path / "mediaos.db")) as opened:
        Ledger(opened).found("mediaos")
        yield opened


@pytest.fixture
def schema(connection):
    """A database with the whole schema and no rows."""
    migrations.up(connection, read(STEPS))
    return connection


@pytest.fixture(scope="module")
def migrated(tmp_path_factory):
    """The database of the folder with every awkward record."""
    folder = tmp_path_factory.mktemp("migrated") / "config"
    shutil.copytree(FIXTURES / "mediaos", folder)
    assert command("migrate", "--data", folder).code == 0
    return folder / "mediaos.db"


@pytest.fixture
def copy(migrated):
    """A copy of that database, in memory."""
    with closing(sqlite3.connect(migrated)) as source, closing(sqlite3.connect(":memory:")) as copied:
        source.backup(copied)
        copied.execute("PRAGMA foreign_keys = ON")
        yield copied


def folder_of(path, **files):
    path.mkdir(exist_ok=True)
    for name, text in files.items():
        (path / f"{name.replace('__', '.')}.sql").write_text(text, encoding="utf-8")
    return path


def own_pack(path, *steps):
    """A pack of one's own with one document, and these further steps."""
    folder = path / "own"
    shutil.copytree(FIXTURES / "packs" / "shelf", folder, dirs_exist_ok=True)
    shutil.rmtree(folder / "sqlite")
    text = (folder / "mapping.toml").read_text()
    start, stop = text.index("# ── ratings.json"), text.index("# ── tags.json")
    (folder / "mapping.toml").write_text('app = "shelf"\nname = "Shelf"\n\n' + text[start:stop])
    (folder / "sqlite").mkdir()
    first = "CREATE TABLE ratings (book TEXT NOT NULL PRIMARY KEY, stars INTEGER, position INTEGER, extra TEXT, members TEXT);"
    for number, (up, down) in enumerate([(first, "DROP TABLE ratings;"), *steps], 1):
        (folder / "sqlite" / f"{number:04d}_step.up.sql").write_text(up)
        (folder / "sqlite" / f"{number:04d}_step.down.sql").write_text(down)
    return folder


# ── up and down ──


def test_up_down_up_gives_the_same_schema(schema):
    before = sqlite.schema(schema)
    migrations.down(schema, 0)
    assert sqlite.schema(schema) == []
    migrations.up(schema, read(STEPS))
    assert sqlite.schema(schema) == before


def test_every_step_down_gives_the_schema_before_it(connection):
    steps = read(STEPS)
    before = []
    for step in steps:
        before.append(sqlite.schema(connection))
        migrations.up(connection, steps, step.number)
    for number in range(len(steps) - 1, -1, -1):
        migrations.down(connection, number)
        assert sqlite.schema(connection) == before[number]


def test_going_up_twice_takes_nothing(schema):
    assert migrations.up(schema, read(STEPS)) == []


def test_a_failing_step_leaves_nothing_and_those_before_it_stay(tmp_path, connection):
    folder = folder_of(
        tmp_path / "steps",
        **{
            "0001_good__up": "CREATE TABLE good (x);",
            "0001_good__down": "DROP TABLE good;",
            "0002_bad__up": "CREATE TABLE half (x); INSERT INTO good VALUES (1); INSERT INTO nowhere VALUES (1);",
            "0002_bad__down": "DROP TABLE half;",
        },
    )
    with pytest.raises(MigrateError, match="0002_bad failed: no such table: nowhere"):
        migrations.up(connection, read(folder))
    assert sqlite.schema(connection) == ["CREATE TABLE good (x)"]
    assert connection.execute("SELECT count(*) FROM good").fetchone()[0] == 0
    assert [step.number for step in migrations.applied(connection)] == [1]


def test_a_failing_step_down_leaves_all_as_it_was(tmp_path, connection):
    folder = folder_of(
        tmp_path / "steps",
        **{
            "0001_good__up": "CREATE TABLE good (x); CREATE TABLE other (x);",
            "0001_good__down": "DROP TABLE good; DROP TABLE nowhere;",
        },
    )
    migrations.up(connection, read(folder))
    before = sqlite.schema(connection)
    with pytest.raises(MigrateError, match="no such table: nowhere"):
        migrations.down(connection, 0)
    assert sqlite.schema(connection) == before
    assert [step.number for step in migrations.applied(connection)] == [1]


def test_the_database_keeps_the_way_down_when_the_pack_has_lost_it(tmp_path, connection):
    folder = folder_of(tmp_path / "steps", **{"0001_a__up": "CREATE TABLE a (x);", "0001_a__down": "DROP TABLE a;"})
    migrations.up(connection, read(folder))
    shutil.rmtree(folder)
    migrations.down(connection, 0)
    assert sqlite.schema(connection) == []


def test_the_rows_of_a_table_go_with_its_step_and_come_back_with_the_next_migration(site_folder):
    command("migrate", "--data", site_folder)
    assert command("schema", "down", "--to", "0", "--accept-loss", "--yes", "--data", site_folder).code == 0
    told = command("migrate", "--data", site_folder, "--json")
    assert (told.code, told.document("library")["inserted"]) == (0, 27)


# ── a kill between two steps ──


def test_a_run_that_is_killed_between_two_steps_is_completed_by_the_next(site_folder, run):
    killed = run("schema", "up", MEDIAOS_MIGRATE_CRASH_AT="schema.step:3")
    assert killed.returncode == -signal.SIGKILL
    told = json.loads(run("schema", "up", "--json").stdout)
    assert [step["number"] for step in told["steps"]] == list(range(4, 17))


def test_a_run_down_that_is_killed_between_two_steps_is_completed_by_the_next(site_folder, run):
    run("schema", "up")
    killed = run("schema", "down", "--to", "0", "--yes", MEDIAOS_MIGRATE_CRASH_AT="schema.step:3")
    assert killed.returncode == -signal.SIGKILL
    told = json.loads(run("schema", "down", "--to", "0", "--yes", "--json").stdout)
    assert [step["number"] for step in told["steps"]] == list(range(13, 0, -1))


# ── two at once ──


HOLDER = """
import sys
from mediaos_migrate.site import Site
with Site.open("config").locked():
    print("locked", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(site_folder):
    """Another process that holds the site's lock until its input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER],
        cwd=site_folder.parent,
        env=clean_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "locked\n"
        yield process


@pytest.mark.parametrize("words", [("schema", "up"), ("migrate",)], ids=" ".join)
def test_the_second_run_is_told_who_holds_the_lock(site_folder, holder, words):
    told = command(*words, "--data", site_folder)
    assert (told.code, told.err.splitlines()[-2].split(" on ")[0]) == (
        4,
        f"The site is in use by process {holder.pid}",
    )
    assert not (site_folder / "mediaos.db").exists()


@pytest.mark.parametrize("words", [("schema", "status"), ("status",), ("doctor",)], ids=" ".join)
def test_looking_needs_no_lock(site_folder, holder, words):
    assert command(*words, "--data", site_folder).code == 0


def test_the_lock_of_a_killed_run_is_free(site_folder, holder):
    holder.kill()
    holder.wait()
    assert command("schema", "up", "--data", site_folder).code == 0


def test_of_two_runs_at_once_one_works_and_the_other_is_refused_or_finds_nothing_to_do(site_folder):
    words = [sys.executable, "-m", "mediaos_migrate", "migrate", "--data", str(site_folder)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": clean_environment()}
    both = [subprocess.Popen(words, **quiet) for _ in range(2)]
    codes = sorted(process.wait() for process in both)
    assert codes in ([0, 0], [0, 4])
    assert command("validate", "--data", site_folder).code == 0


# ── what a folder of steps must be ──


GOOD = {"0001_a__up": "CREATE TABLE a (x);", "0001_a__down": "DROP TABLE a;"}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"0003_b__up": "SELECT 1;", "0003_b__down": "SELECT 1;"}, "The migrations in {} are not numbered 1, 2, 3 …"),
        ({"0001_b__up": "SELECT 1;"}, "{}/0001_b.up.sql has the number of another migration."),
        ({"0001_b__down": "SELECT 1;"}, "{}/0001_b.down.sql has the number of another migration."),
        ({"0002_b__up": "SELECT 1;"}, "Migration 0002 in {} has no matching up and down."),
        ({"0002_b__down": "SELECT 1;"}, "Migration 0002 in {} has no matching up and down."),
        (
            {"0002_b__up": "SELECT 1;", "0002_c__down": "SELECT 1;"},
            "Migration 0002 in {} has no matching up and down.",
        ),
        ({"2_b__up": "SELECT 1;"}, "{}/2_b.up.sql is not named NNNN_name.up.sql or NNNN_name.down.sql."),
        ({"0002_B__up": "SELECT 1;"}, "{}/0002_B.up.sql is not named NNNN_name.up.sql or NNNN_name.down.sql."),
        ({"0000_b__up": "SELECT 1;", "0000_b__down": "SELECT 1;"}, "The migrations in {} are not numbered 1, 2, 3 …"),
        ({"0002_b__up": "SELECT 1", "0002_b__down": "SELECT 1;"}, "A statement is not finished: 'SELECT 1'."),
    ],
    ids=["gap", "twin up", "twin down", "no down", "no up", "two names", "short", "capital", "zero", "no semicolon"],
)
def test_a_folder_of_steps_with_a_mistake_is_refused(tmp_path, files, message):
    folder = folder_of(tmp_path / "steps", **GOOD, **files)
    with pytest.raises(BadPack) as error:
        read(folder)
    assert error.value.message == message.format(folder)


def test_no_steps_are_no_mistake(tmp_path):
    assert read(folder_of(tmp_path / "steps")) == []


FORBIDDEN = ["BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT x", "RELEASE x", "VACUUM", "PRAGMA foreign_keys = 0"]
FORBIDDEN += ["ATTACH 'x' AS y", "DETACH y", "END TRANSACTION"]


@pytest.mark.parametrize(
    "disguise", ["{};", "{} ;", "-- why\n{};", "/* why */ {};", "SELECT 1; {};", ";{};", "\n\t{}/**/;"]
)
@pytest.mark.parametrize("statement", [*FORBIDDEN, *map(str.lower, FORBIDDEN)])
def test_what_would_end_the_transaction_is_refused(statement, disguise):
    with pytest.raises(BadPack, match="cannot stand in a migration"):
        list(statements(disguise.format(statement)))


def test_a_byte_order_mark_hides_no_statement(tmp_path):
    folder = folder_of(tmp_path / "steps", **{**GOOD, "0001_a__up": "\ufeffCOMMIT;"})
    with pytest.raises(BadPack, match="COMMIT cannot stand in a migration"):
        read(folder)


TRIGGER = """CREATE TRIGGER t AFTER UPDATE ON a FOR EACH ROW WHEN NEW.x IS OLD.x
BEGIN
  UPDATE a SET x = 'a;b' WHERE id = NEW.id; -- a comment; with END;
  SELECT CASE WHEN 1 THEN 2 END;
END;"""


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("SELECT 1; SELECT 2;", ["SELECT 1;", "SELECT 2;"]),
        ("SELECT ';'; SELECT 2;", ["SELECT ';';", "SELECT 2;"]),
        ('SELECT ";" AS [;]; SELECT 2;', ['SELECT ";" AS [;];', "SELECT 2;"]),
        ("SELECT 1 -- ;\n; SELECT 2;", ["SELECT 1 -- ;\n;", "SELECT 2;"]),
        ("SELECT /* ; */ 1; SELECT 2;", ["SELECT /* ; */ 1;", "SELECT 2;"]),
        (f"SELECT 1; {TRIGGER} SELECT 2;", ["SELECT 1;", TRIGGER, "SELECT 2;"]),
        (f"{TRIGGER}\n{TRIGGER}", [TRIGGER, TRIGGER]),
        ("SELECT 1;\n-- the end\n", ["SELECT 1;"]),
        ("-- nothing\n", []),
        ("", []),
    ],
)
def test_a_script_is_split_into_whole_statements(sql, found):
    assert list(statements(sql)) == found


SQL = "CREATE TABLE a (x TEXT DEFAULT 'a  b'); -- why\n"


@pytest.mark.parametrize(
    "other",
    [
        "CREATE TABLE a (x TEXT DEFAULT 'a  b');",
        "CREATE TABLE a(x TEXT DEFAULT 'a  b') ;",
        "/* why */ CREATE\n\tTABLE  a ( x TEXT DEFAULT 'a  b' );",
        SQL.replace("\n", "\r\n"),
        "-- don't\n" + SQL,
    ],
)
def test_comments_and_white_space_do_not_change_a_checksum(other):
    assert checksum(other) == checksum(SQL)


@pytest.mark.parametrize(
    "other",
    [
        "CREATE TABLE a (x TEXT DEFAULT 'a b');",
        "CREATE TABLE a (x TEXT DEFAULT 'a -- b');",
        "CREATE TABLE a (x TEXT DEFAULT 'a  c');",
        "CREATE TABLE a (y TEXT DEFAULT 'a  b');",
        "CREATE TABLE a (xTEXT DEFAULT 'a  b');",
        "CREATE TABLE a (x TEXT DEFAULT ' a  b');",
        "CREATE TABLE a (x TEXT DEFAULT 'a  b'); SELECT 1;",
        "-- CREATE TABLE a (x TEXT DEFAULT 'a  b');",
    ],
)
def test_anything_else_changes_a_checksum(other):
    assert checksum(other) != checksum(SQL)


# ── an applied step is history ──


def test_a_changed_step_is_refused_after_it_was_applied(site_folder, tmp_path):
    own = own_pack(tmp_path)
    (site_folder / "ratings.json").write_text('{"a": 5}')
    command("migrate", "--data", site_folder, "--app", own)
    step = own / "sqlite" / "0001_step.up.sql"
    step.write_text(step.read_text().replace("stars INTEGER", "stars REAL"))
    for words in (("schema", "up"), ("migrate",), ("status",)):
        told = command(*words, "--data", site_folder, "--app", own)
        assert told.code == 7, words


def test_a_comment_in_an_applied_step_is_no_change(site_folder, tmp_path):
    own = own_pack(tmp_path)
    (site_folder / "ratings.json").write_text('{"a": 5}')
    command("migrate", "--data", site_folder, "--app", own)
    step = own / "sqlite" / "0001_step.up.sql"
    step.write_text("-- why\n" + step.read_text().replace(", ", ",\n  "))
    assert command("migrate", "--data", site_folder, "--app", own).code == 0


def test_a_new_step_is_pending_and_then_taken(site_folder, tmp_path):
    own = own_pack(tmp_path)
    (site_folder / "ratings.json").write_text('{"a": 5}')
    command("migrate", "--data", site_folder, "--app", own)
    own_pack(tmp_path, ("CREATE INDEX stars ON ratings(stars);", "DROP INDEX stars;"))
    assert command("schema", "status", "--check", "--data", site_folder, "--app", own).code == 6
    assert command("migrate", "--data", site_folder, "--app", own).code == 0
    assert command("schema", "status", "--check", "--data", site_folder, "--app", own).code == 0


def test_a_new_step_may_bring_a_column_that_the_mapping_needs(site_folder, tmp_path):
    own = own_pack(tmp_path)
    (site_folder / "ratings.json").write_text('{"a": 5}')
    command("migrate", "--data", site_folder, "--app", own)
    own_pack(tmp_path, ("ALTER TABLE ratings ADD COLUMN token TEXT;", "ALTER TABLE ratings DROP COLUMN token;"))
    mapping = (own / "mapping.toml").read_text()
    columns = '[documents.ratings.records.derived]\ntoken = { by = "copy", of = "book" }\n'
    (own / "mapping.toml").write_text(mapping + columns)
    (site_folder / "ratings.json").write_text('{"a": 4}')
    assert command("migrate", "--data", site_folder, "--app", own).code == 0
    with closing(sqlite3.connect(site_folder / "mediaos.db")) as connection:
        assert connection.execute("SELECT book, stars, token FROM ratings").fetchall() == [("a", 4, "a")]


def test_a_database_that_is_ahead_of_the_pack_is_left_alone(site_folder, tmp_path):
    own = own_pack(tmp_path, ("CREATE INDEX stars ON ratings(stars);", "DROP INDEX stars;"))
    (site_folder / "ratings.json").write_text('{"a": 5}')
    command("migrate", "--data", site_folder, "--app", own)
    own_pack(tmp_path)
    before = (site_folder / "mediaos.db").read_bytes()
    assert command("migrate", "--data", site_folder, "--app", own).code in (4, 7)
    assert (site_folder / "mediaos.db").read_bytes() == before


# ── the commands ──


def steps_of(result):
    return [step["number"] for step in result.json["steps"]]


def test_status_without_a_database_says_that_all_is_pending(site_folder):
    told = command("schema", "status", "--json", "--data", site_folder)
    assert (told.code, told.json["applied"], len(told.json["pending"])) == (0, [], 16)


def test_checking_without_a_database_is_6(site_folder):
    assert command("schema", "status", "--check", "--data", site_folder).code == 6


def test_checking_a_schema_that_is_up_to_date_is_0(site_folder):
    command("schema", "up", "--data", site_folder)
    assert command("schema", "status", "--check", "--data", site_folder).code == 0


def test_going_up_can_stop_at_a_number(site_folder):
    assert steps_of(command("schema", "up", "--to", "5", "--json", "--data", site_folder)) == [1, 2, 3, 4, 5]
    assert command("schema", "status", "--check", "--data", site_folder).code == 6


def test_going_up_to_a_number_that_is_reached_takes_nothing(site_folder):
    command("schema", "up", "--to", "5", "--data", site_folder)
    assert steps_of(command("schema", "up", "--to", "5", "--json", "--data", site_folder)) == []


@pytest.mark.parametrize("number", ["99", "-1", "many"])
def test_going_up_to_a_number_that_does_not_exist_is_bad_usage(site_folder, number):
    assert command("schema", "up", "--to", number, "--data", site_folder).code == 2


def test_going_down_takes_one_step_back(site_folder):
    command("schema", "up", "--data", site_folder)
    assert steps_of(command("schema", "down", "--yes", "--json", "--data", site_folder)) == [16]


def test_going_down_takes_so_many_steps_back(site_folder):
    command("schema", "up", "--data", site_folder)
    assert steps_of(command("schema", "down", "--steps", "3", "--yes", "--json", "--data", site_folder)) == [16, 15, 14]


def test_going_down_can_stop_at_a_number(site_folder):
    command("schema", "up", "--data", site_folder)
    told = command("schema", "down", "--to", "13", "--yes", "--json", "--data", site_folder)
    assert steps_of(told) == [16, 15, 14]


def test_more_steps_than_there_are_go_down_to_nothing(site_folder):
    command("schema", "up", "--to", "2", "--data", site_folder)
    assert steps_of(command("schema", "down", "--steps", "9", "--yes", "--json", "--data", site_folder)) == [2, 1]


@pytest.mark.parametrize("number", ["17", "-1", "many"])
def test_going_down_to_a_number_that_is_not_there_is_bad_usage(site_folder, number):
    command("schema", "up", "--data", site_folder)
    assert command("schema", "down", "--to", number, "--yes", "--data", site_folder).code == 2


def test_going_down_with_rows_is_refused_and_they_are_named(site_folder):
    command("migrate", "--data", site_folder)
    told = command("schema", "down", "--steps", "3", "--yes", "--data", site_folder)
    assert (told.code, "0014_config_documents: 6 rows of config_documents" in told.err) == (4, True)
    assert command("schema", "status", "--check", "--data", site_folder).code == 0


def test_going_down_asks_first_and_nobody_is_there_to_answer(site_folder, run):
    command("migrate", "--data", site_folder)
    told = run("schema", "down", "--accept-loss")
    assert (told.returncode, "--yes" in told.stderr) == (2, True)
    assert command("schema", "status", "--check", "--data", site_folder).code == 0


def test_going_down_without_a_database_could_not_be_done(site_folder):
    assert command("schema", "down", "--yes", "--data", site_folder).code == 5
    assert not (site_folder / "mediaos.db").exists()


# ── triggers ──

STAMPED = {
    "users": ("id", "role", "last_login_at"),
    "library_items": ("id", "title", "position"),
    "downloaders": ("client_type", "username", "position"),
    "indexers": ("id", "name", "position"),
    "quality_profiles": ("id", "name", "position"),
}
LONG_AGO = "2020-01-01T00:00:00.000Z"
INSTANT = "[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9]Z"


@pytest.fixture(params=STAMPED)
def stamped(request, schema):
    """A table that tells when a row was changed, with one row of long ago."""
    key, _, _ = STAMPED[request.param]
    schema.execute(f"INSERT INTO {request.param} ({key}, updated_at) VALUES ('k', '{LONG_AGO}')")
    return request.param


def stamp(connection, table):
    return connection.execute(f"SELECT updated_at, updated_at GLOB '{INSTANT}' FROM {table}").fetchone()


def test_a_change_is_stamped_with_an_instant(schema, stamped):
    schema.execute(f"UPDATE {stamped} SET {STAMPED[stamped][1]} = 'new'")
    when, fits = stamp(schema, stamped)
    assert (when > LONG_AGO, fits) == (True, 1)


def test_a_stamp_that_is_given_is_kept(schema, stamped):
    given = "2021-06-01T00:00:00.000Z"
    schema.execute(f"UPDATE {stamped} SET {STAMPED[stamped][1]} = 'new', updated_at = ?", (given,))
    assert stamp(schema, stamped)[0] == given


def test_an_update_that_changes_nothing_stamps_nothing(schema, stamped):
    schema.execute(f"UPDATE {stamped} SET {STAMPED[stamped][1]} = {STAMPED[stamped][1]}")
    assert stamp(schema, stamped)[0] == LONG_AGO


def test_what_is_no_change_of_the_record_stamps_nothing(schema, stamped):
    schema.execute(f"UPDATE {stamped} SET {STAMPED[stamped][2]} = 7")
    assert stamp(schema, stamped)[0] == LONG_AGO


def test_an_upsert_with_a_stamp_keeps_it(schema, stamped):
    key, column, _ = STAMPED[stamped]
    schema.execute(
        f"INSERT INTO {stamped} ({key}, {column}, updated_at) VALUES ('k', 'new', '2021-06-01T00:00:00.000Z') "
        f"ON CONFLICT ({key}) DO UPDATE SET {column} = excluded.{column}, updated_at = excluded.updated_at"
    )
    assert stamp(schema, stamped)[0] == "2021-06-01T00:00:00.000Z"


def test_recursive_triggers_do_not_loop(schema, stamped):
    schema.execute("PRAGMA recursive_triggers = ON")
    schema.execute(f"UPDATE {stamped} SET {STAMPED[stamped][1]} = 'new'")
    assert stamp(schema, stamped)[0] > LONG_AGO


def test_a_plain_insert_needs_nothing_but_what_it_says(schema):
    """Any SQLite client can write: no trigger calls a function of ours, no column is demanded but the key."""
    with closing(sqlite3.connect(schema.execute("PRAGMA database_list").fetchone()[2])) as foreign:
        foreign.execute("INSERT INTO library_items (id, kind, title) VALUES ('x', 'movie', 'X')")
        foreign.execute("UPDATE library_items SET title = 'Y' WHERE id = 'x'")
        foreign.execute("INSERT INTO users (email) VALUES ('x@y.example')")
        foreign.execute("INSERT INTO wanted_items (kind, title) VALUES ('movie', 'Z')")
        foreign.execute("INSERT INTO downloaders (client_type) VALUES ('other')")
        foreign.commit()
        assert foreign.execute("SELECT count(*) FROM library_items WHERE updated_at IS NOT NULL").fetchone() == (1,)


# ── the plan's names ──

PLANNED = [
    *("idx_users_email", "idx_users_role", "idx_sessions_token_hash", "idx_sessions_user_id"),
    *("idx_sessions_expires_at", "idx_library_kind", "idx_library_title", "idx_library_created_at"),
    *("idx_indexers_enabled", "idx_indexers_type", "idx_indexers_priority", "idx_wanted_status"),
    *("idx_wanted_added_at", "idx_wanted_library_item_id", "idx_verify_jobs_status"),
    *("idx_verify_jobs_library_item_id", "idx_verify_jobs_created_at"),
]
COLUMNS = {
    "users": "id email password_hash role created_at updated_at last_login_at",
    "sessions": "id user_id token_hash expires_at created_at revoked_at",
    "library_items": "id kind title poster_url background_url metadata created_at updated_at",
    "downloaders": "id client_type enabled base_url username encrypted_password encrypted_api_key category "
    "timeout_ms config created_at updated_at",
    "indexers": "id name type base_url encrypted_api_key enabled priority config created_at updated_at",
    "wanted_items": "id library_item_id title kind status search_query last_search_at added_at metadata",
    "quality_profiles": "id name description min_quality max_quality preferred_qualities config created_at updated_at",
    "verify_jobs": "id library_item_id kind title phase status result started_at completed_at created_at",
}


@pytest.mark.parametrize("index", PLANNED)
def test_the_schema_has_the_index_of_the_plan(schema, index):
    assert schema.execute("SELECT 1 FROM sqlite_schema WHERE type = 'index' AND name = ?", (index,)).fetchone()


@pytest.mark.parametrize("table", COLUMNS)
def test_the_schema_has_the_columns_of_the_plan(schema, table):
    assert set(COLUMNS[table].split()) <= sqlite.columns_of(schema, table)


# ── where real data does not fit the plan: number and sentence -> what is done first, the question, the answer ──

CASES = {
    "C-1 a client without an address is a row": (
        "",
        "SELECT enabled, base_url FROM downloaders WHERE client_type = 'nzbget'",
        [(0, None)],
    ),
    "C-1 even a client that is on needs no address": (
        "INSERT INTO downloaders (client_type, enabled) VALUES ('other', 1)",
        "SELECT base_url FROM downloaders WHERE client_type = 'other'",
        [(None,)],
    ),
    "C-2 an unknown client is a row with its members": (
        "",
        "SELECT base_url, config FROM downloaders WHERE client_type = 'deluge'",
        [("http://deluge.pier.example:8112", '{"label":"pier"}')],
    ),
    "C-2 an absent client is no row": (
        "",
        "SELECT client_type FROM downloaders ORDER BY position",
        [("qbittorrent",), ("nzbget",), ("sabnzbd",), ("deluge",)],
    ),
    "C-3 an absent timeout is NULL and 0 is 0": (
        "",
        "SELECT client_type, timeout_ms FROM downloaders ORDER BY position",
        [("qbittorrent", 6000), ("nzbget", None), ("sabnzbd", 0), ("deluge", None)],
    ),
    "C-3 nothing is on by default": (
        "INSERT INTO downloaders (client_type) VALUES ('other')",
        "SELECT enabled, timeout_ms FROM downloaders WHERE client_type = 'other'",
        [(None, None)],
    ),
    "C-4 plain credentials are stored as they are, with their state": (
        "",
        "SELECT encrypted_api_key, encrypted_api_key_state FROM indexers WHERE id = 'p9o6l3k1j8h'",
        [("invented-indexer-key", "plain")],
    ),
    "C-4 envelopes are stored as they are, with their state": (
        "",
        "SELECT length(encrypted_password), encrypted_password_state FROM downloaders WHERE client_type = 'qbittorrent'",
        [(112, "looks-sealed")],
    ),
    "C-5 the type of the plan is the protocol, and the app's type has its own column": (
        "",
        "SELECT type, protocol, source_type FROM indexers WHERE id = 'prowlarr-4'",
        [("usenet", "usenet", "prowlarr")],
    ),
    "C-6 both is a protocol": ("", "SELECT type FROM indexers WHERE id = 'p9o6l3k1j8h'", [("both",)]),
    "C-7 an indexer needs no address": ("", "SELECT count(*) FROM indexers WHERE base_url IS NULL", [(6,)]),
    "C-8 a priority is the number that it is, or NULL": (
        "",
        "SELECT priority FROM indexers ORDER BY position",
        [(None,), (None,), (1.5,), (25.0,), (0.0,), (50.0,), (None,), (None,)],
    ),
    "C-9 the services beside the list have their own table": (
        "",
        "SELECT name, enabled, base_url, length(api_key) > 87, api_key_state, sync_enabled FROM indexer_sources "
        "ORDER BY position",
        [
            ("prowlarr", 1, "http://prowlarr.pier.example:9696", 1, "looks-sealed", 1),
            ("jackett", 0, None, None, None, None),
        ],
    ),
    "C-9 no service is an indexer": ("", "SELECT count(*) FROM indexers WHERE id IN ('prowlarr', 'jackett')", [(0,)]),
    "C-10 an id may be wanted once of each kind": (
        "",
        "SELECT kind FROM wanted_items WHERE id = '17' ORDER BY position",
        [("movie",), ("series",)],
    ),
    "C-11 a wanted item is linked where its item is there": (
        "",
        "SELECT kind, id, library_item_id IS NOT NULL FROM wanted_items ORDER BY position",
        [
            ("series", "mgln17v5m2t6re", 1),
            ("movies", "mgb696g1xq41z8", 1),
            ("movie", "mgb696g1xq41z8", 1),
            ("movie", "17", 0),
            ("series", "17", 0),
            ("books", "urn:isbn:9780000000019", 1),
            ("movies", "雪と灯台", 0),
            ("movie", "sunk", 0),
            ("movie", "Sunk", 0),
            ("music", "mgln17v9k6j2ep", 1),
            ("anime", "z", 0),
        ],
    ),
    "C-11 deleting an item keeps what is wanted": (
        "DELETE FROM library_items WHERE id = 'mgb696g1xq41z8'",
        "SELECT kind, library_item_id FROM wanted_items WHERE id = 'mgb696g1xq41z8' ORDER BY position",
        [("movies", None), ("movie", None)],
    ),
    "C-12 kinds are kept as written, with their singular beside them": (
        "",
        "SELECT DISTINCT kind, kind_norm FROM wanted_items ORDER BY kind",
        [
            ("anime", "anime"),
            ("books", "book"),
            ("movie", "movie"),
            ("movies", "movie"),
            ("music", "music"),
            ("series", "series"),
        ],
    ),
    "C-13 the last scan is metadata, and its time a column": (
        "",
        "SELECT status, search_query, last_search_at, metadata FROM wanted_items WHERE id = 'mgln17v5m2t6re'",
        [("wanted", None, "2025-11-21T03:00:00.000Z", '{"at":"2025-11-21T03:00:00.000Z","found":5,"grabbed":2}')],
    ),
    "C-14 titles that differ in case are both kept": (
        "",
        "SELECT title, title_key FROM library_items WHERE title_key = 'harbour of glass' AND kind = 'movie'",
        [("Harbour of Glass", "harbour of glass"), ("harbour of glass", "harbour of glass")],
    ),
    "C-14 a title is lower-cased as JavaScript does, not as SQLite does": (
        "",
        "SELECT count(*), count(DISTINCT title_key) FROM library_items WHERE kind = 'series' AND title LIKE '%skele'",
        [(2, 1)],
    ),
    "C-15 unknown kinds and empty titles are kept": (
        "",
        "SELECT kind, title FROM library_items WHERE kind = 'podcast' OR title = '' ORDER BY position",
        [("movie", ""), ("podcast", "Signal Hill")],
    ),
    "C-16 members have their own columns, and metadata is the member of that name": (
        "",
        "SELECT year, metadata ->> 'year', metadata ->> 'title', quality, source FROM library_items "
        "WHERE id = 'mi7ymwict0q5ul'",
        [(None, 1997, "Salt and Rope", "1080p", "REMUX")],
    ),
    "C-17 times of the database are written as the app writes them": (
        "INSERT INTO sessions (id) VALUES ('s'); INSERT INTO verify_jobs (id) VALUES ('v')",
        f"SELECT created_at GLOB '{INSTANT}' FROM sessions UNION ALL SELECT created_at GLOB '{INSTANT}' FROM verify_jobs",
        [(1,), (1,)],
    ),
    "C-18 an imported time survives, and a login is no update": (
        "UPDATE users SET last_login_at = '2025-12-01T00:00:00.000Z'",
        "SELECT updated_at FROM users WHERE id = 'user_1759276800001_j2j2j2j2j'",
        [("2025-11-01T08:15:00.000Z",)],
    ),
    "C-19 no time is invented": (
        "",
        "SELECT count(created_at), count(updated_at) FROM library_items UNION ALL "
        "SELECT count(created_at), count(updated_at) FROM downloaders UNION ALL "
        "SELECT count(created_at), count(updated_at) FROM indexers UNION ALL "
        "SELECT count(created_at), count(updated_at) FROM quality_profiles",
        [(0, 0)] * 4,
    ),
    "C-19 the time in an id is a hint in a column of its own": (
        "",
        "SELECT created_hint FROM library_items WHERE id IN ('mgb696g1xq41z8', 'tt9912044') ORDER BY position",
        [("2025-10-03T18:22:41.377Z",), (None,)],
    ),
    "C-20 accounts whose addresses differ in case are both kept, in the order of the file": (
        "",
        "SELECT email, role FROM users WHERE email_key = 'noor@pier.example' ORDER BY position",
        [("noor@pier.example", "user"), ("Noor@Pier.Example", "admin")],
    ),
    "C-20 an address is lower-cased beyond ASCII": (
        "",
        "SELECT email_key FROM users WHERE email LIKE '%RJAN%'",
        [("ørjan@pier.example",)],
    ),
    "C-21 the key is the name in the map, and another id stays": (
        "",
        "SELECT id, extra FROM users WHERE id LIKE '%_original'",
        [("user_1760889600123_original", '{"id":"user_1760889600123_copied"}')],
    ),
    "C-22 profiles may share a name": (
        "",
        "SELECT id FROM quality_profiles WHERE name = 'New Profile' ORDER BY position",
        [("mhhhd40pq7",), ("mhhhd40s2k9d",)],
    ),
    "C-23 the list of a profile keeps its order": (
        "",
        "SELECT quality, allowed, preferred FROM quality_profile_items WHERE profile_id = 'mgln17w0a1' ORDER BY position",
        [("2160p", 1, 1), ("1080p", 1, 0), ("720p", 0, 0)],
    ),
    "C-23 nothing is made up from a profile's list": (
        "",
        "SELECT count(min_quality), count(max_quality), count(preferred_qualities) FROM quality_profiles",
        [(0, 0, 0)],
    ),
    "C-24 the older settings have their own table": (
        "",
        "SELECT kind, allowed, cutoff, extra FROM legacy_quality ORDER BY position",
        [
            ("series", '["720p","1080p"]', "1080p", None),
            ("movies", '["1080p","2160p"]', "2160p", None),
            ("music", '["FLAC"]', "", None),
            ("books", "[]", "PDF", None),
            ("anime", '["1080p"]', "1080p", '{"subtitles":"forced"}'),
        ],
    ),
    "C-26 results of items that are gone are kept": (
        "",
        "SELECT count(*), (SELECT count(*) FROM pragma_foreign_key_list('verify_results')) FROM verify_results",
        [(7, 0)],
    ),
    "C-26 a job may be queued and of no item": (
        "INSERT INTO verify_jobs (status) VALUES ('queued')",
        "SELECT status, library_item_id FROM verify_jobs",
        [("queued", None)],
    ),
    "C-27 a grab without an item has the key of a colon": (
        "",
        "SELECT kind, item_id, title FROM grabs WHERE map_key = ':'",
        [("", "", "Pasted without an item")],
    ),
    "C-27 a status keeps whether it is a number or a text": (
        "",
        "SELECT DISTINCT status, status_type FROM grabs ORDER BY position",
        [("200", "number"), ('"uploaded"', "string"), (None, None), ('"stored"', "string"), ("403", "number")],
    ),
    "C-27 an embedded file is kept whole": (
        "",
        "SELECT nzb_upload ->> 'filename', nzb_upload ->> 'size' FROM grabs WHERE nzb_upload IS NOT NULL",
        [("Seventeen.nzb", 90)],
    ),
    "C-28 files that are one value each are kept whole": (
        "",
        "SELECT name, body ->> 'uiScale' FROM config_documents ORDER BY name",
        [
            ("metadata", None),
            ("monitor", None),
            ("organizer", None),
            ("settings", 1.5),
            ("subtitle-automation", None),
            ("verify", None),
        ],
    ),
    "C-30 the order of lists is kept": (
        "",
        "SELECT id FROM library_items ORDER BY position LIMIT 3",
        [("mgb696g1xq41z8",), ("mgln17v4c7p0ka",), ("mgln17v5m2t6re",)],
    ),
    "C-30 the order of maps is kept": (
        "",
        "SELECT map_key FROM grabs ORDER BY position LIMIT 3",
        [("movies:mgb696g1xq41z8",), ("movie:mgb696g1xq41z8",), ("series:mgln17v5m2t6re",)],
    ),
    "C-31 unknown members are kept": (
        "",
        "SELECT extra FROM wanted_items WHERE id = 'mgln17v9k6j2ep'",
        [('{"note":"vinyl rip only","qualityProfileId":"any"}',)],
    ),
    "C-31 null is kept apart from absent": (
        "",
        "SELECT poster_url, extra -> 'posterUrl', extra -> 'backgroundUrl' FROM library_items WHERE id = 'mhhhd40bii7878'",
        [(None, "null", None)],
    ),
    "C-31 a number keeps its spelling": (
        "",
        "SELECT instr(extra, '\"huge\":12345678901234567000') > 0 FROM library_items WHERE id = 'mhhhd40bii7878'",
        [(1,)],
    ),
    "C-32 what no column can hold is kept outside it, escaped": (
        "",
        "SELECT id, title, extra FROM library_items WHERE id IN ('mhhhd40dkk2323', 'mhhhd40ell4545') ORDER BY position",
        [
            ("mhhhd40dkk2323", None, '{"title":"Half a Star \\ud83c"}'),
            ("mhhhd40ell4545", None, '{"title":"Tape\\u0000Hiss"}'),
        ],
    ),
    "C-35 a row that another program adds gets an id": (
        "INSERT INTO library_items (kind, title) VALUES ('movie', 'Added')",
        "SELECT length(id) FROM library_items WHERE title = 'Added'",
        [(32,)],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_real_data_fits(copy, case):
    script, question, answer = CASES[case]
    copy.executescript(script)
    assert copy.execute(question).fetchall() == answer


def test_c25_a_missing_file_is_known_to_be_missing(tmp_path):
    folder = shutil.copytree(FIXTURES / "mediaos-v0.3", tmp_path / "config")
    command("migrate", "--data", folder)
    with closing(sqlite3.connect(folder / "mediaos.db")) as connection:
        states = dict(connection.execute("SELECT document, state FROM _mm_documents"))
    assert (states["quality-profiles"], states["library"], len(states)) == ("missing", "present", 15)


@pytest.mark.parametrize("text", ["123", "2025", "1e3", "0x10", " 7", "true", "2025-01-01", "007", "1.0", "inf"])
def test_c29_a_text_column_changes_no_text(schema, text):
    schema.execute("PRAGMA foreign_keys = OFF")
    for table in (name for name in sqlite.tables(schema) if not name.startswith("_mm_")):
        rows = schema.execute("SELECT name FROM pragma_table_info(?) WHERE type = 'TEXT'", (table,))
        names = [row[0] for row in rows if row[0] != "status"]
        columns, marks = ", ".join(names), ", ".join("?" * len(names))
        more = (", position", ", 0") if table == "quality_profile_items" else ("", "")
        schema.execute(f"INSERT INTO {table} ({columns}{more[0]}) VALUES ({marks}{more[1]})", [text] * len(names))
        assert tuple(schema.execute(f"SELECT {columns} FROM {table}").fetchone()) == (text,) * len(names)


def test_c29_no_column_has_a_type_that_changes_values(schema):
    types = {
        row[0]
        for table in sqlite.tables(schema)
        for row in schema.execute("SELECT type FROM pragma_table_xinfo(?)", (table,))
        if not table.startswith("_mm_")
    }
    assert types == {"TEXT", "INTEGER", "REAL"}


def test_c29_flags_and_numbers_are_the_only_columns_that_are_no_text(schema):
    found = {
        f"{table}.{row[0]}"
        for table in sqlite.tables(schema)
        for row in schema.execute("SELECT name, type FROM pragma_table_xinfo(?)", (table,))
        if not table.startswith("_mm_") and row[1] != "TEXT" and row[0] != "position"
    }
    assert found == {
        *("library_items.year", "library_items.file_size", "downloaders.enabled", "downloaders.timeout_ms"),
        *("indexers.enabled", "indexers.priority", "indexer_sources.enabled", "indexer_sources.sync_enabled"),
        *("quality_profiles.upgrade_allowed", "quality_profiles.min_size", "quality_profiles.max_size"),
        *("quality_profile_items.allowed", "quality_profile_items.preferred", "grabs.ok"),
        *("verify_jobs.priority", "verify_jobs.attempts"),
    }


def test_c33_a_changed_account_keeps_its_sessions(site_folder):
    command("migrate", "--data", site_folder)
    with closing(sqlite3.connect(site_folder / "mediaos.db")) as connection:
        connection.execute("INSERT INTO sessions (id, user_id) VALUES ('s', 'user_1759276800000_h1h1h1h1h')")
        connection.commit()
    users = (site_folder / "users.json").read_text().replace("noor@pier.example", "noor@quay.example")
    (site_folder / "users.json").write_text(users)
    assert command("migrate", "--data", site_folder).code == 0
    with closing(sqlite3.connect(site_folder / "mediaos.db")) as connection:
        assert connection.execute("SELECT id FROM sessions").fetchall() == [("s",)]


def test_c34_a_record_that_is_gone_from_the_file_is_deleted_and_named(site_folder):
    command("migrate", "--data", site_folder)
    library = (site_folder / "library.json").read_text()
    item = library[library.index('    {\n      "id": "mgln17v6b8d3wy"') :]
    (site_folder / "library.json").write_text(library.replace(item[: item.index("},") + 3], ""))
    told = command("migrate", "--data", site_folder, "--json").document("library")
    assert (told["deleted"], told["deleted_count"], told["unchanged"]) == (["mgln17v6b8d3wy"], 1, 26)


def test_c35_every_id_is_the_app_s_own(copy):
    items = json.loads((FIXTURES / "mediaos" / "library.json").read_text())["items"]
    assert [row[0] for row in copy.execute("SELECT id FROM library_items ORDER BY position")] == [
        item["id"] for item in items
    ]
