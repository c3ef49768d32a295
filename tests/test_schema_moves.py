"""What operators rely on when a schema moves: nothing half done, nothing lost unannounced, nothing out of step."""

import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from conftest import clean_environment

from mediaos_migrate import migrations
from mediaos_migrate.engines.sqlite import schema
from mediaos_migrate.errors import BadPack, MigrateError, NeedsPerson, NotOurs, Refused, UsageError
from mediaos_migrate.migrations import Ladder, runner
from mediaos_migrate.migrations.drift import objects
from mediaos_migrate.moves import migrating
from mediaos_migrate.moves import schema as moves
from mediaos_migrate.moves.schema import Way
from mediaos_migrate.moves.surveyed import Options
from mediaos_migrate.site import Site

ROOT = Path(__file__).parents[1]
SHELF = ROOT / "fixtures" / "packs" / "shelf"
PACKS = {"mediaos": ("mediaos", "mediaos"), "shelf": (str(SHELF), "shelf")}
STEPS = [
    (name, migration.number)
    for name, engine in (("mediaos", ROOT / "schema" / "mediaos" / "sqlite"), ("shelf", SHELF / "sqlite"))
    for migration in migrations.read(engine)
]


def agree(*_):
    """Say yes to everything."""


@pytest.fixture(autouse=True)
def _no_key(monkeypatch):
    monkeypatch.delenv("ENCRYPTION_KEY", raising=False)


def empty(tmp_path, pack="mediaos"):
    (tmp_path / "data").mkdir()
    return Site.open(tmp_path / "data", app=PACKS[pack][0])


def filled(tmp_path, pack="mediaos"):
    app, fixture = PACKS[pack]
    shutil.copytree(ROOT / "fixtures" / fixture, tmp_path / "data")
    site = Site.open(tmp_path / "data", app=app)
    migrating.migrate(site, Options())
    return site


@pytest.fixture
def shelf(tmp_path):
    """A site with a pack of its own, to be changed at will."""
    shutil.copytree(SHELF, tmp_path / "pack")
    (tmp_path / "data").mkdir()
    return Site.open(tmp_path / "data", app=str(tmp_path / "pack"))


def add(site, number, name, up, down):
    folder = site.engine_folder
    (folder / "history.sum").unlink(missing_ok=True)
    (folder / f"{number:04d}_{name}.up.sql").write_text(up)
    (folder / f"{number:04d}_{name}.down.sql").write_text(down)


def dump(site):
    with closing(sqlite3.connect(site.db)) as connection:
        return sorted(line for line in connection.iterdump() if "_mm_migrations" not in line)


def ledger(site):
    with closing(sqlite3.connect(site.db)) as connection:
        return connection.execute("SELECT ladder, number, name FROM _mm_migrations ORDER BY 1, 2").fetchall()


@pytest.mark.parametrize(("pack", "number"), STEPS)
def test_up_down_and_up_again_gives_the_same_schema(pack, number, tmp_path):
    site = empty(tmp_path, pack)
    moves.up(site, number)
    with site.looking() as connection:
        first = schema(connection)
    moves.down(site, Way(to=0), agree)
    with site.looking() as connection:
        assert schema(connection) == []
    moves.up(site, number)
    with site.looking() as connection:
        assert schema(connection) == first


@pytest.mark.parametrize("pack", PACKS)
def test_each_step_down_loses_exactly_what_it_announced(pack, tmp_path):
    site = filled(tmp_path, pack)
    for number in range(len(site.migrations), 0, -1):
        with closing(sqlite3.connect(site.db)) as connection:
            before = runner._counts(connection)
        moved = moves.down(site, Way(to=number - 1), agree)
        moves.up(site, number)
        with closing(sqlite3.connect(site.db)) as connection:
            after = runner._counts(connection)
        lost = {loss.table: loss.count for loss in moved.losses}
        left = {table: count - after.get(table, 0) for table, count in before.items()}
        assert {table: count for table, count in left.items() if count} == lost


@pytest.mark.parametrize(("pack", "number"), STEPS)
def test_a_step_that_fails_at_any_statement_leaves_everything_as_it_was(pack, number, tmp_path):
    site = empty(tmp_path, pack)
    moves.up(site, number - 1)
    migration = site.migrations[number - 1]
    before, taken = dump(site), ledger(site)
    parts = list(migrations.statements(migration.up))
    for place in range(len(parts) + 1):
        broken = "\n".join([*parts[:place], "INSERT INTO nowhere VALUES (1);", *parts[place:]])
        with site.writing() as connection, pytest.raises(MigrateError) as error:
            runner.take(connection, migrations.Migration(number, migration.name, broken, migration.down))
        assert str(error.value) == (
            f"Migration {migration} failed: no such table: nowhere. It left nothing behind. Mend it and run it again."
        )
        assert (dump(site), ledger(site)) == (before, taken)


def test_twenty_runners_at_once_apply_each_number_once(tmp_path):
    site = empty(tmp_path)
    command = [sys.executable, "-m", "mediaos_migrate", "schema", "up", "--data", str(site.data), "--wait", "60"]
    quiet = {"env": clean_environment(), "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    runners = [subprocess.Popen(command, **quiet) for _ in range(20)]
    ended = [(process.communicate()[1], process.returncode) for process in runners]
    assert ended == [(b"", 0)] * 20
    assert [number for _, number, _ in ledger(site)] == list(range(1, len(site.migrations) + 1))


def test_a_second_runner_is_told_who_holds_the_lock(tmp_path):
    site = empty(tmp_path)
    with site.locked(), pytest.raises(MigrateError, match=r"The site is in use by process \d+ on .+ since 20.+Z\."):
        moves.up(site)


def test_an_applied_step_that_was_changed_is_shown_with_its_difference(shelf):
    moves.up(shelf)
    path = shelf.engine_folder / "0002_values.up.sql"
    (shelf.engine_folder / "history.sum").unlink()
    path.write_text(path.read_text().replace("stars     INTEGER", "stars     REAL"))
    with pytest.raises(NeedsPerson) as error:
        moves.up(shelf)
    assert error.value.message == (
        "0002_values was changed after it was applied:\n--- applied\n+++ now\n@@ -2,3 +2,3 @@\n"
        "   book      TEXT NOT NULL PRIMARY KEY,\n-  stars     INTEGER,\n+  stars     REAL,\n   position  INTEGER,"
    )
    assert error.value.remedy == "Restore the file as it was, and put the change into a new migration."


def test_comments_and_layout_of_an_applied_step_may_change(shelf):
    moves.up(shelf)
    path = shelf.engine_folder / "0002_values.up.sql"
    path.write_text("-- a reason\r\n" + path.read_text().replace("\n", "\r\n").replace("  ", "\t"))
    assert moves.up(shelf).steps == []


def test_a_late_number_is_an_error(shelf):
    moves.up(shelf)
    for kind in ("up", "down"):
        old = shelf.engine_folder / f"0002_values.{kind}.sql"
        old.rename(shelf.engine_folder / f"0003_values.{kind}.sql")
    add(shelf, 2, "late", "CREATE TABLE late (x);", "DROP TABLE late;")
    with pytest.raises(NeedsPerson) as error:
        moves.up(shelf)
    assert str(error.value) == (
        "0002_late comes late: the database took 0002_values as number 0002, which the pack now calls 0003_values. "
        "Give 0002_late the next free number, and 0003_values its old one."
    )


def test_a_number_that_this_release_does_not_know_is_refused(shelf):
    add(shelf, 3, "newer", "CREATE TABLE newer (x);", "DROP TABLE newer;")
    moves.up(shelf)
    for path in shelf.engine_folder.glob("0003_*"):
        path.unlink()
    with pytest.raises(Refused) as error:
        moves.up(shelf)
    assert str(error.value) == (
        "The database has taken 0003_newer, which this version does not know. "
        "Use the version that did, or go back with `mediaos-migrate schema down --to 2`."
    )
    assert [str(step) for step in moves.status(shelf).expand.missing] == ["0003_newer"]


def test_an_older_release_can_take_back_a_step_it_does_not_know(shelf):
    add(shelf, 3, "newer", "CREATE TABLE newer (x);", "DROP TABLE newer;")
    moves.up(shelf)
    for path in shelf.engine_folder.glob("0003_*"):
        path.unlink()
    assert [str(step) for step in moves.down(shelf, Way(steps=1), agree).steps] == ["0003_newer"]
    assert moves.up(shelf).steps == []


def test_a_gap_is_an_error(shelf):
    for path in shelf.engine_folder.glob("0001_*"):
        path.unlink()
    with pytest.raises(BadPack) as error:
        moves.up(shelf)
    assert str(error.value) == f"The migrations in {shelf.engine_folder} are not numbered 1, 2, 3 … Close the gaps."


def test_a_number_that_is_given_twice_is_an_error(shelf):
    add(shelf, 2, "again", "CREATE TABLE again (x);", "DROP TABLE again;")
    with pytest.raises(BadPack) as error:
        moves.up(shelf)
    assert error.value.remedy == "Give it the next free number."


def test_a_healthy_schema_has_no_drift(tmp_path):
    found = moves.verify(filled(tmp_path))
    assert (found.exit_code, found.drift, found.findings) == (0, [], [])


DRIFTS = {
    "DROP INDEX idx_users_role": ["index idx_users_role: missing"],
    "CREATE INDEX mine ON users(role)": ["index mine: extra"],
    "ALTER TABLE users ADD COLUMN nickname TEXT": ["table users: differs: column nickname is extra"],
    "ALTER TABLE users DROP COLUMN last_login_at": ["table users: differs: column last_login_at is missing"],
    "DROP TRIGGER update_users_updated_at": ["trigger update_users_updated_at: missing"],
    "DROP TABLE sessions": [
        "table sessions: missing",
        "index idx_sessions_token_hash: missing",
        "index idx_sessions_user_id: missing",
        "index idx_sessions_expires_at: missing",
    ],
}


@pytest.mark.parametrize("change", DRIFTS)
def test_drift_is_named_object_by_object(change, tmp_path):
    site = empty(tmp_path)
    moves.up(site)
    with closing(sqlite3.connect(site.db)) as connection:
        connection.execute(change)
    found = moves.verify(site)
    assert ([str(item) for item in found.drift], found.exit_code) == (DRIFTS[change], 3)


def test_a_changed_trigger_is_drift_and_its_difference_is_shown(tmp_path):
    site = empty(tmp_path)
    moves.up(site)
    with closing(sqlite3.connect(site.db)) as connection:
        sql = connection.execute("SELECT sql FROM sqlite_schema WHERE name = 'update_users_updated_at'").fetchone()[0]
        connection.execute("DROP TRIGGER update_users_updated_at")
        connection.execute(sql.replace("WHERE id = NEW.id", "WHERE id = OLD.id"))
    found = moves.verify(site)
    assert [str(item) for item in found.drift] == [
        "trigger update_users_updated_at: differs: 'id=OLD.id;END' instead of 'id=NEW.id;END'"
    ]


@pytest.mark.parametrize("change", [sql for sql in DRIFTS if "COLUMN" not in sql])
def test_the_offered_repair_mends_the_drift(change, tmp_path):
    site = empty(tmp_path)
    moves.up(site)
    with closing(sqlite3.connect(site.db)) as connection:
        connection.execute(change)
        connection.executescript(moves.verify(site).repair)
    assert moves.verify(site).exit_code == 0


def test_a_query_of_verification_runs_at_the_step_and_any_time_later(shelf):
    add(shelf, 3, "checked", "CREATE TABLE checked (x);", "DROP TABLE checked;")
    (shelf.engine_folder / "0003_checked.verify.sql").write_text("SELECT x AS wrong FROM checked WHERE x < 0;")
    moves.up(shelf)
    with closing(sqlite3.connect(shelf.db)) as connection:
        connection.execute("INSERT INTO checked VALUES (-1)")
        connection.commit()
    assert moves.verify(shelf).findings == ["0003_checked: wrong=-1"]


def test_a_step_whose_verification_finds_something_is_undone(shelf):
    add(shelf, 3, "checked", "CREATE TABLE checked (x);", "DROP TABLE checked;")
    (shelf.engine_folder / "0003_checked.verify.sql").write_text("SELECT 1 AS wrong;")
    with pytest.raises(MigrateError, match=r"^0003_checked does not hold: wrong=1\."):
        moves.up(shelf)
    assert [name for _, _, name in ledger(shelf)] == ["shelf", "values"]


def test_a_foreign_key_that_would_dangle_undoes_the_step(shelf):
    up = "CREATE TABLE child (x REFERENCES authors(id)); INSERT INTO child VALUES ('nobody');"
    add(shelf, 3, "child", up, "DROP TABLE child;")
    with pytest.raises(MigrateError, match="a row of child would point to a missing row of authors"):
        moves.up(shelf)


def test_rebuilding_a_table_keeps_the_rows_that_refer_to_it(tmp_path):
    shutil.copytree(SHELF, tmp_path / "pack")
    shutil.copytree(ROOT / "fixtures" / "shelf", tmp_path / "data")
    site = Site.open(tmp_path / "data", app=str(tmp_path / "pack"))
    migrating.migrate(site, Options())
    up = (
        "CREATE TABLE new_diary (day TEXT NOT NULL PRIMARY KEY, mood TEXT, position INTEGER, extra TEXT, members TEXT, "
        "stars INTEGER);\nINSERT INTO new_diary (rowid, day, mood, position, extra, members) "
        "SELECT rowid, day, mood, position, extra, members FROM diary;\nDROP TABLE diary;\n"
        "ALTER TABLE new_diary RENAME TO diary;\n"
    )
    add(site, 3, "rebuilt", up, "ALTER TABLE diary DROP COLUMN stars;")
    with closing(sqlite3.connect(site.db)) as connection:
        before = connection.execute("SELECT * FROM diary_lines ORDER BY 1, 2").fetchall()
    assert before
    moves.up(site)
    with closing(sqlite3.connect(site.db)) as connection:
        assert connection.execute("SELECT * FROM diary_lines ORDER BY 1, 2").fetchall() == before


def test_a_backup_is_made_before_a_database_with_rows_is_changed(tmp_path):
    site = filled(tmp_path)
    moved = moves.down(site, Way(steps=1), agree)
    copy = site.state / "backups" / moved.backup / site.db.name
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT count(*) FROM config_documents").fetchone()[0] == 6


def test_a_failure_that_the_transaction_cannot_undo_brings_the_backup_back(tmp_path, monkeypatch):
    site = filled(tmp_path)
    before = dump(site)

    def torn(connection, *_):
        connection.execute("DROP TABLE grabs")
        raise MigrateError("The step failed half way.", "")

    monkeypatch.setattr(migrations, "down", torn)
    with pytest.raises(
        MigrateError, match=r"^The step failed half way\. The database was brought back from the backup"
    ):
        moves.down(site, Way(steps=1), agree)
    assert dump(site) == before


@pytest.mark.parametrize("stage", ["live", "rampdown", "complete"])
def test_a_step_back_is_refused_while_a_document_believes_its_table(stage, tmp_path):
    site = filled(tmp_path)
    with site.writing() as connection:
        connection.execute("INSERT INTO _mm_stages VALUES ('grabs', ?)", (stage,))
    assert moves.down(site, Way(steps=3), agree).steps[-1].name == "config_documents"
    with pytest.raises(Refused) as error:
        moves.down(site, Way(steps=1), agree)
    assert str(error.value) == (
        f"grabs is at `{stage}` and believes grabs, which this would change. "
        "First go back with `mediaos-migrate stage retreat grabs`."
    )


def test_a_step_back_is_allowed_while_the_file_is_believed(tmp_path):
    site = filled(tmp_path)
    with site.writing() as connection:
        connection.execute("INSERT INTO _mm_stages VALUES ('settings', 'shadow')")
    assert moves.down(site, Way(steps=3), agree).steps[-1].name == "config_documents"


def test_a_dry_run_leaves_the_database_as_it_was(tmp_path):
    site = filled(tmp_path)
    before = (site.db.read_bytes(), site.db.stat().st_mtime_ns, sorted(site.data.rglob("*")))
    moved = moves.rehearse_down(site, Way(to=12), agree)
    assert [step.number for step in moved.steps] == [16, 15, 14, 13]
    assert "DROP TABLE grabs" in moved.sql
    assert (site.db.read_bytes(), site.db.stat().st_mtime_ns, sorted(site.data.rglob("*"))) == before


def test_a_dry_run_of_the_way_up_works_without_a_database(tmp_path):
    site = empty(tmp_path)
    moved = moves.rehearse_up(site, 2)
    assert [step.number for step in moved.steps] == [1, 2]
    assert list(site.data.iterdir()) == []


def foreign(tmp_path, number):
    """A database that somebody else made by hand, and that happens to equal a step of ours."""
    site = empty(tmp_path)
    with closing(sqlite3.connect(site.db)) as connection:
        for migration in site.migrations[:number]:
            connection.executescript(migration.up.replace("\n", "\n\n"))
    return site


def test_a_database_with_the_same_schema_can_be_adopted(tmp_path):
    site = foreign(tmp_path, 5)
    moves.baseline(site, 5)
    assert [number for _, number, _ in ledger(site)] == [1, 2, 3, 4, 5]
    assert len(moves.up(site).steps) == len(site.migrations) - 5
    assert moves.verify(site).exit_code == 0


def test_a_database_with_another_schema_is_not_adopted(tmp_path):
    site = foreign(tmp_path, 2)
    with closing(sqlite3.connect(site.db)) as connection:
        connection.execute("ALTER TABLE users ADD COLUMN nickname")
        connection.execute("DROP INDEX idx_users_role")
    with pytest.raises(Refused) as error:
        moves.baseline(site, 2)
    assert error.value.message == (
        "The schema of mediaos.db is not that of 0002_sessions:\n"
        "  index idx_users_role: missing\n"
        "  table users: differs: column nickname is extra"
    )
    with closing(sqlite3.connect(site.db)) as connection:
        assert not [name for _, name in objects(connection) if name.startswith("_mm_")]


def test_a_database_is_adopted_once(tmp_path):
    site = foreign(tmp_path, 1)
    moves.baseline(site, 1)
    with pytest.raises(NotOurs, match="was adopted before"):
        moves.baseline(site, 1)


def test_contract_steps_are_neither_pending_nor_taken_by_up_alone(tmp_path):
    site = empty(tmp_path)
    moves.up(site)
    found = moves.status(site)
    assert (found.expand.pending, [step.name for step in found.contract.pending]) == (
        [],
        ["unique_emails", "unique_titles"],
    )
    assert all(ladder == Ladder.EXPAND for ladder, _, _ in ledger(site))


def test_contract_steps_name_the_rows_that_stand_against_them(tmp_path):
    site = filled(tmp_path)
    with pytest.raises(Refused) as error:
        moves.up(site, contract=True)
    first, *rows = error.value.message.splitlines()
    assert first == f"contract/0001_unique_emails cannot be applied, {len(rows)} rows in its way:"
    assert len(rows) == len(error.value.facts["offenders"]) >= 2
    assert moves.status(site).contract.applied == []


def test_contract_steps_are_taken_when_the_data_satisfies_them(tmp_path):
    shutil.copytree(ROOT / "fixtures" / "mediaos-clean", tmp_path / "data")
    site = Site.open(tmp_path / "data")
    migrating.migrate(site, Options())
    assert len(moves.up(site, contract=True).steps) == 2
    assert moves.verify(site).exit_code == 0
    assert len(moves.down(site, Way(to=0, contract=True), agree).steps) == 2


def test_data_that_breaks_a_contract_is_refused_with_the_way_out(tmp_path):
    shutil.copytree(ROOT / "fixtures" / "mediaos-clean", tmp_path / "data")
    site = Site.open(tmp_path / "data")
    migrating.migrate(site, Options())
    moves.up(site, contract=True)
    before = dump(site)
    films = [{"id": f"f{number}", "kind": "movie", "title": "Twice"} for number in range(40)]
    (site.data / "library.json").write_text(json.dumps({"items": films}))
    with pytest.raises(MigrateError) as error:
        migrating.migrate(site, Options())
    assert str(error.value) == (
        "library.json holds what the database refuses: UNIQUE constraint failed: library_items.kind, "
        "library_items.title_key. Nothing of it was changed. If a contract migration asks for it, mend the data, "
        "or `mediaos-migrate schema down --contract`."
    )
    assert dump(site) == before


def test_a_migration_backs_a_database_with_rows_up_before_it_brings_the_schema_up(shelf):
    (shelf.data / "authors.json").write_text('{"ann": {"id": "ann"}}')
    migrating.migrate(shelf, Options())
    add(shelf, 3, "newer", "CREATE TABLE newer (x);", "DROP TABLE newer;")
    migrating.migrate(shelf, Options())
    assert [path.name.split("-", 1)[1] for path in sorted((shelf.state / "backups").iterdir())] == [
        "migrate",
        "schema-up",
    ]


def test_a_number_that_does_not_exist_is_a_usage_error(tmp_path):
    site = empty(tmp_path)
    with pytest.raises(UsageError, match=r"^There is no migration 99\. Choose a number from 0 to 16\.$"):
        moves.up(site, 99)


def test_a_dump_is_the_schema_as_sorted_sql(tmp_path):
    site = empty(tmp_path)
    planned = moves.dump(site)
    moves.up(site)
    assert moves.dump(site) == planned
    names = [line.split()[2] for line in planned if line.startswith("CREATE TABLE")]
    assert names == sorted(names)
