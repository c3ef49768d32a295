"""SQLite as we use it: opened for writing in one way, and looked at without leaving a trace."""

import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from conftest import FIXTURES, KEY, clean_environment
from inside import command

from mediaos_migrate import Site
from mediaos_migrate.budget import LEAST, Budget, granting
from mediaos_migrate.engines import sqlite
from mediaos_migrate.errors import CouldNotCheck, MigrateError, NotOurs
from mediaos_migrate.moves import migrating
from mediaos_migrate.moves.surveyed import Options
from mediaos_migrate.report import Progress

# ── a site in every state that a database can be left in ──

PROLOGUE = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
"""
EPILOGUE = """
print("ready", flush=True)
sys.stdin.read()
"""
WRITES = {
    "a log": """
connection.execute("PRAGMA journal_mode = wal").fetchone()
connection.execute("INSERT INTO sessions (id) VALUES ('foreign')")
""",
    "a log and an open transaction": """
connection.execute("PRAGMA journal_mode = wal").fetchone()
connection.execute("INSERT INTO sessions (id) VALUES ('foreign')")
connection.execute("BEGIN IMMEDIATE")
connection.execute("DELETE FROM library_items")
""",
    "a hot journal": """
connection.execute("PRAGMA journal_mode = delete").fetchone()
connection.execute("PRAGMA cache_size = 1")
connection.execute("BEGIN IMMEDIATE")
connection.execute("UPDATE library_items SET title = hex(randomblob(2000))")
connection.execute("DELETE FROM grabs")
""",
}


def writer(database, how):
    """Start another process that writes as it is told, and then waits with its connection open."""
    words = [sys.executable, "-c", PROLOGUE + WRITES[how] + EPILOGUE, str(database)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    process = subprocess.Popen(words, env=clean_environment(), **pipes)
    assert process.stdout.readline() == "ready\n"
    return process


def stop(process):
    process.kill()
    process.communicate()


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A migrated site, with something in quarantine."""
    folder = tmp_path_factory.mktemp("base") / "config"
    shutil.copytree(FIXTURES / "mediaos", folder)
    indexers = folder / "indexers.json"
    indexers.write_text(indexers.read_text().replace('"indexers": [', '"indexers": [{"name": "no id"},', 1))
    assert command("migrate", "--data", folder, key=KEY).code == 0
    return folder


STATES = ["no database", "migrated", "live log", "live transaction", "left log", "left log alone", "hot journal"]


def make(base, folder, state):
    """Copy the site and bring its database into a state; return the process that must live meanwhile."""
    shutil.copytree(base, folder)
    database = folder / "mediaos.db"
    if state == "no database":
        database.unlink()
        shutil.rmtree(folder / ".mediaos-migrate")
    if state in ("no database", "migrated"):
        return None
    names = {"live transaction": "a log and an open transaction", "hot journal": "a hot journal"}
    process = writer(database, names.get(state, "a log"))
    if state.startswith("live"):
        return process
    stop(process)
    if state == "left log alone":
        database.with_name("mediaos.db-shm").unlink()
    return None


@pytest.fixture(params=STATES)
def site(request, base, tmp_path):
    """A site in one of the states, as (folder, state)."""
    process = make(base, tmp_path / "config", request.param)
    yield tmp_path / "config", request.param
    if process:
        stop(process)


def everything(folder):
    """Return every byte of a folder, with the times and modes that tell of a touch."""
    return {
        str(path.relative_to(folder)): (
            path.read_bytes() if path.is_file() else b"",
            path.lstat().st_mtime_ns,
            path.lstat().st_mode,
            path.lstat().st_ino,
        )
        for path in [folder, *folder.rglob("*")]
    }


LOOKS = {
    "status": (0, 0),
    "validate": (5, 0),
    "doctor": (0, 0),
    "health": (5, 0),
    "schema status": (0, 0),
    "schema verify": (5, 0),
    "schema dump": (0, 0),
    "schema up --dry-run": (0, 0),
    "schema down --dry-run --accept-loss": (5, 0),
    "rehearse": (0, 0),
    "show library mgb696g1xq41z8": (3, 0),
    "show library nowhere": (2, 2),
    "quarantine list": (5, 0),
    "quarantine show 1": (5, 0),
    "export": (5, 0),
}


def look(words, folder):
    more = ["--to", folder.parent / "exported"] if words == "export" else []
    return command(*words.split(), *more, "--data", folder, key=KEY)


@pytest.mark.parametrize("words", LOOKS)
def test_looking_never_touches(site, words):
    folder, state = site
    before = everything(folder)
    told = look(words, folder)
    assert everything(folder) == before
    assert (told.code, told.err if told.code == 1 else "") == (LOOKS[words][state != "no database"], "")


def test_the_states_are_what_they_are_called(base, tmp_path):
    beside = {}
    for state in STATES:
        process = make(base, tmp_path / state, state)
        beside[state] = sorted(path.name for path in (tmp_path / state).iterdir() if path.name.startswith("mediaos.db"))
        if process:
            stop(process)
    wal, shm, journal = "mediaos.db-wal", "mediaos.db-shm", "mediaos.db-journal"
    assert beside == {
        "no database": [],
        "migrated": ["mediaos.db"],
        "live log": ["mediaos.db", shm, wal],
        "live transaction": ["mediaos.db", shm, wal],
        "left log": ["mediaos.db", shm, wal],
        "left log alone": ["mediaos.db", wal],
        "hot journal": ["mediaos.db", journal],
    }
    assert (tmp_path / "hot journal" / "mediaos.db").read_bytes() != (base / "mediaos.db").read_bytes()


def question(folder, sql):
    with sqlite.looking(folder / "mediaos.db") as connection:
        return connection.execute(sql).fetchone()[0]


@pytest.mark.parametrize("state", ["live log", "live transaction", "left log", "left log alone"])
def test_what_is_committed_in_the_log_is_seen_and_the_rest_is_not(base, tmp_path, state):
    process = make(base, tmp_path / "config", state)
    try:
        assert question(tmp_path / "config", "SELECT count(*) FROM sessions") == 1
        assert question(tmp_path / "config", "SELECT count(*) FROM library_items") == 27
    finally:
        if process:
            stop(process)


def test_what_an_interrupted_transaction_wrote_is_not_seen(base, tmp_path):
    make(base, tmp_path / "config", "hot journal")
    assert question(tmp_path / "config", "SELECT count(*) FROM grabs") == 8
    assert question(tmp_path / "config", "SELECT title FROM library_items WHERE id = 'mgb696g1xq41z8'") == (
        "Harbour of Glass"
    )


@pytest.mark.parametrize("state", STATES)
def test_a_migration_goes_on_from_every_state(base, tmp_path, state):
    process = make(base, tmp_path / "config", state)
    if process:
        stop(process)
    assert command("migrate", "--data", tmp_path / "config", key=KEY).code == 0
    assert command("validate", "--data", tmp_path / "config", key=KEY).code == 0


def test_a_migration_works_beside_a_reader_and_writer(base, tmp_path):
    process = make(base, tmp_path / "config", "live log")
    try:
        (tmp_path / "config" / "quality.json").write_text("{}")
        words = ["--data", tmp_path / "config", "--accept-source", "quality"]
        assert command("migrate", *words, key=KEY).code == 0
        assert question(tmp_path / "config", "SELECT count(*) FROM legacy_quality") == 0
    finally:
        stop(process)


# ── on a mount that nobody can write to ──


@pytest.fixture
def read_only(tmp_path):
    """A function that shows a folder through a read-only mount."""
    mounted = []

    def show(folder):
        place = tmp_path / "mount" / "config"
        place.mkdir(parents=True)
        steps = (["mount", "--bind", folder, place], ["mount", "-o", "remount,ro,bind", place])
        if os.geteuid() or shutil.which("mount") is None:
            pytest.skip("only root can mount")
        for words in steps:
            if subprocess.run(words, capture_output=True).returncode:
                pytest.skip("mounting is not allowed here")
            mounted[:] = [place]
        return place

    yield show
    for place in mounted:
        subprocess.run(["umount", place], check=True)


@pytest.mark.parametrize("words", LOOKS)
def test_looking_works_on_a_read_only_mount(site, read_only, words):
    folder, state = site
    place = read_only(folder)
    with pytest.raises(OSError, match="Read-only file system"):
        (place / "x").touch()
    before = everything(folder)
    assert look(words, place).code == LOOKS[words][state != "no database"]
    assert everything(folder) == before


def test_a_migration_on_a_read_only_mount_says_so(site_folder, read_only):
    told = command("migrate", "--data", read_only(site_folder))
    assert told.code in (1, 4)
    assert "Read-only file system" in told.err


def test_looking_works_where_modes_forbid_to_write(base, tmp_path):
    """As root this proves little, and for anybody else much."""
    folder = tmp_path / "config"
    make(base, folder, "left log alone")
    for path in [*folder.rglob("*"), folder]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = everything(folder)
    try:
        assert look("validate", folder).code == 0
        assert everything(folder) == before
    finally:
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)


# ── what is no database of ours ──


def test_a_file_that_is_no_database_is_left_alone(site_folder):
    (site_folder / "mediaos.db").write_text("my diary\n" * 200)
    before = everything(site_folder)
    for words in ("status", "validate", "doctor", "migrate", "rehearse", "schema up", "schema status", "export"):
        told = look(words, site_folder)
        assert (words, told.code) == (words, 4)
        assert "mediaos.db is not a SQLite database." in told.err + told.out
    before.pop(".")
    after = everything(site_folder)
    assert {name: after[name] for name in before} == before


def test_somebody_else_s_database_is_left_alone(site_folder):
    with closing(sqlite3.connect(site_folder / "mediaos.db")) as connection:
        connection.execute("CREATE TABLE recipes (name)")
    before = (site_folder / "mediaos.db").read_bytes()
    for words in ("status", "validate", "doctor", "migrate", "rehearse", "schema up", "schema status", "export"):
        told = look(words, site_folder)
        assert (words, told.code) == (words, 4)
        assert "was not made by this tool: it holds recipes." in told.err + told.out
    assert (site_folder / "mediaos.db").read_bytes() == before


def test_a_folder_at_the_database_s_place_is_left_alone(site_folder):
    (site_folder / "mediaos.db").mkdir()
    for words in ("status", "validate", "doctor", "migrate", "rehearse", "schema up", "schema status", "export"):
        told = look(words, site_folder)
        assert (words, told.code) == (words, 4)


def test_an_empty_file_is_as_good_as_none(site_folder):
    (site_folder / "mediaos.db").touch()
    assert command("status", "--data", site_folder).code == 0
    assert command("migrate", "--data", site_folder).code == 0


def test_a_link_that_leads_nowhere_is_not_followed(site_folder, tmp_path):
    (site_folder / "mediaos.db").symlink_to(tmp_path / "elsewhere.db")
    assert command("migrate", "--data", site_folder).code in (1, 4)
    assert not (tmp_path / "elsewhere.db").exists()


def test_another_app_s_database_is_refused(site_folder):
    command("migrate", "--data", site_folder)
    (site_folder / "ratings.json").write_text('{"a": 1}')
    told = command("migrate", "--data", site_folder, "--app", FIXTURES / "packs" / "shelf")
    assert (told.code, told.err.splitlines()[-2:]) == (
        4,
        ["The database belongs to the app `mediaos`.", "Pass --app mediaos."],
    )


def test_a_newer_tool_s_database_is_refused(site_folder):
    command("migrate", "--data", site_folder)
    with closing(sqlite3.connect(site_folder / "mediaos.db")) as connection:
        connection.execute("UPDATE _mm_site SET format = 99, tool_version = '9.9'")
        connection.commit()
    told = command("status", "--data", site_folder)
    assert (told.code, told.err) == (
        4,
        "The database was last used by mediaos-migrate 9.9.\nUse that version.\n",
    )


# ── opened for writing ──


@pytest.fixture
def opened(tmp_path):
    with closing(sqlite.open_database(tmp_path / "new.db")) as connection:
        yield connection


@pytest.mark.parametrize(
    ("pragma", "value"),
    [
        ("journal_mode", "wal"),
        ("synchronous", 2),
        ("foreign_keys", 1),
        ("trusted_schema", 1),
        ("secure_delete", 1),
        ("recursive_triggers", 0),
    ],
)
def test_a_database_is_opened_in_one_way(opened, pragma, value):
    assert opened.execute(f"PRAGMA {pragma}").fetchone()[0] == value


def test_a_database_on_a_network_is_opened_without_a_log(tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite, "network_file_system", lambda path: "nfs4")
    with closing(sqlite.open_database(tmp_path / "new.db")) as connection:
        found = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
    assert found == ["truncate", 3]


def test_an_empty_journal_on_a_network_is_nothing_to_mend(tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite, "network_file_system", lambda path: "nfs4")
    with closing(sqlite.open_database(tmp_path / "new.db")) as connection:
        connection.execute("CREATE TABLE a (x)")
    assert (tmp_path / "new.db-journal").stat().st_size == 0
    monkeypatch.setattr(sqlite.shutil, "copyfile", None)
    with sqlite.looking(tmp_path / "new.db") as connection:
        assert sqlite.tables(connection) == ["a"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.db", "new.db-journal"]


def test_a_database_that_is_written_while_its_journal_is_copied_could_not_be_checked(tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite, "network_file_system", lambda path: "nfs4")
    with closing(sqlite.open_database(tmp_path / "new.db")) as connection:
        connection.execute("CREATE TABLE a (x)")
        connection.execute("PRAGMA cache_size = 10")
        connection.execute("BEGIN IMMEDIATE")
        copy = shutil.copyfile

        def meanwhile(source, target):
            connection.executemany("INSERT INTO a VALUES (?)", [(bytes(1000),)] * 100)  # spills over into the file
            return copy(source, target)

        connection.execute("INSERT INTO a VALUES (1)")
        monkeypatch.setattr(sqlite.shutil, "copyfile", meanwhile)
        with pytest.raises(CouldNotCheck, match="changed while it was looked at"), sqlite.looking(tmp_path / "new.db"):
            pass
        connection.execute("ROLLBACK")


# ── the log ──


def size_of_log(folder):
    return (folder / "new.db-wal").stat().st_size


def test_a_log_that_grew_while_somebody_looked_gives_its_room_back(opened, tmp_path):
    opened.execute("CREATE TABLE a (x)")
    with closing(sqlite3.connect(tmp_path / "new.db", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM a").fetchall()
        for _ in range(45):
            opened.execute("INSERT INTO a VALUES (zeroblob(400000))")
        assert size_of_log(tmp_path) > sqlite.LOG
    for _ in range(3):
        opened.execute("INSERT INTO a VALUES (1)")
    assert size_of_log(tmp_path) <= sqlite.LOG


def test_a_log_is_checkpointed_while_much_is_written(opened, tmp_path):
    opened.execute("CREATE TABLE a (x)")
    sizes = []
    for _ in range(100):
        opened.execute("INSERT INTO a VALUES (zeroblob(400000))")
        sizes.append(size_of_log(tmp_path))
    assert max(sizes) < sqlite.LOG < (tmp_path / "new.db").stat().st_size


def test_the_log_of_an_import_is_no_larger_than_what_it_brings_in(tmp_path):
    folder, sizes = tmp_path / "config", []
    folder.mkdir()
    items = [{"id": f"f{n}", "kind": "movie", "title": f"Film {n}", "overview": "x" * 4000} for n in range(4000)]
    (folder / "library.json").write_text(json.dumps({"items": items}))

    class Watching(Progress):
        def at(self, done, total):
            log = sqlite.wal_of(folder / "mediaos.db")
            sizes.append(log.stat().st_size if log.exists() else 0)

    site = Site.open(folder)
    with granting(Budget(LEAST)):
        migrating.migrate(site, Options(), Watching())
    assert sqlite.LOG < max(sizes) <= 1.1 * site.db.stat().st_size
    assert sizes[-1] <= sqlite.LOG, "and the validation after it finds it small again"


def test_nobody_is_made_to_wait_for_a_vacuum(site_folder, monkeypatch, tmp_path):
    heard = []
    connect = sqlite3.connect

    def listening(*words, **named):
        connection = connect(*words, **named)
        connection.set_trace_callback(heard.append)
        return connection

    monkeypatch.setattr(sqlite3, "connect", listening)
    for words in (["migrate"], ["validate", "--record"], ["export", "--to", tmp_path / "out"], ["rollback", "--yes"]):
        assert command(*words, "--data", site_folder).code == 0
    assert len(heard) > 100
    assert [sql for sql in heard if "VACUUM" in sql.upper()] == []


def test_a_journal_that_cannot_be_set_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite, "network_file_system", lambda path: None)
    with closing(sqlite3.connect(tmp_path / "new.db")) as reader:
        reader.execute("PRAGMA journal_mode = delete").fetchone()
        reader.execute("CREATE TABLE a (x)")
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM a").fetchall()
        monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0)
        with pytest.raises(MigrateError, match="Another program holds the database"):
            sqlite.open_database(tmp_path / "new.db")


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_a_new_database_is_for_its_owner_only(tmp_path, mask):
    before = os.umask(mask)
    try:
        sqlite.open_database(tmp_path / "new.db").close()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new.db").stat().st_mode) == 0o600


def test_nothing_is_left_beside_a_closed_database(tmp_path):
    sqlite.open_database(tmp_path / "new.db").close()
    assert [path.name for path in tmp_path.iterdir()] == ["new.db"]


def test_a_database_that_another_program_holds_is_named_so(site_folder, monkeypatch):
    command("migrate", "--data", site_folder)
    (site_folder / "quality.json").write_text("{}")
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0)
    process = writer(site_folder / "mediaos.db", "a log and an open transaction")
    try:
        told = command("migrate", "--data", site_folder, "--accept-source", "quality")
    finally:
        stop(process)
    assert (told.code, told.err.splitlines()[-2:]) == (
        1,
        ["Another program holds the database.", "Stop it and run the command again."],
    )


# ── looked at ──


def test_what_is_looked_at_cannot_be_changed(base):
    with sqlite.looking(base / "mediaos.db") as connection, pytest.raises(sqlite3.OperationalError):
        connection.execute("DELETE FROM library_items")


def test_a_database_that_changes_while_it_is_looked_at_could_not_be_checked(base, tmp_path):
    shutil.copy(base / "mediaos.db", tmp_path)
    with pytest.raises(CouldNotCheck), sqlite.looking(tmp_path / "mediaos.db"):
        os.utime(tmp_path / "mediaos.db", (1, 1))


def test_a_log_that_its_writer_only_began_is_nothing_to_wait_for(base, tmp_path):
    path = tmp_path / "mediaos.db"
    shutil.copy(base / "mediaos.db", path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = wal").fetchone()
        connection.execute("INSERT INTO sessions (id) VALUES ('foreign')")
        began = {name: (tmp_path / f"mediaos.db-{name}").read_bytes() for name in ("wal", "shm")}
    (tmp_path / "mediaos.db-wal").write_bytes(began["wal"][:32])
    (tmp_path / "mediaos.db-shm").write_bytes(began["shm"])
    with sqlite.looking(path) as connection:
        assert connection.execute("SELECT count(*) FROM sessions").fetchone()[0] == 1


def test_looking_at_no_database_is_told_so(tmp_path):
    (tmp_path / "x.db").write_text("no database at all, but long enough to be one" * 50)
    with pytest.raises(NotOurs), sqlite.looking(tmp_path / "x.db"):
        pass


@pytest.mark.parametrize("name", ["with blank.db", "50%.db", "a?b.db", "a#b.db", "ü.db", "'quoted'.db"])
def test_a_path_may_hold_any_character(tmp_path, name):
    with closing(sqlite.open_database(tmp_path / name)) as connection:
        connection.execute("CREATE TABLE a (x)")
    with sqlite.looking(tmp_path / name) as connection:
        assert sqlite.tables(connection) == ["a"]


def test_a_copy_holds_what_is_only_in_the_log(base, tmp_path):
    process = make(base, tmp_path / "config", "live log")
    try:
        with sqlite.looking(tmp_path / "config" / "mediaos.db") as connection:
            sqlite.copy_database(connection, tmp_path / "copy.db")
    finally:
        stop(process)
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        assert copy.execute("SELECT id FROM sessions").fetchall() == [("foreign",)]


# ── transactions ──


@pytest.mark.parametrize("count", [0, 1, 19, 20, 21, 60, 61])
def test_rows_are_inserted_in_their_order_however_many_there_are(opened, count):
    opened.execute("CREATE TABLE many (a, b)")
    rows = [(number, str(number)) for number in range(count)]
    sqlite.insert_many(opened, "INSERT INTO many (a, b) VALUES", rows)
    assert [tuple(row) for row in opened.execute("SELECT a, b FROM many ORDER BY rowid")] == rows


def test_rows_are_inserted_where_a_statement_holds_few_values(opened):
    opened.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 5)
    opened.execute("CREATE TABLE many (a, b)")
    sqlite.insert_many(opened, "INSERT INTO many (a, b) VALUES", [(number, None) for number in range(7)])
    assert [row["a"] for row in opened.execute("SELECT a FROM many ORDER BY rowid")] == list(range(7))


def test_a_transaction_is_kept_whole(opened):
    with sqlite.transaction(opened):
        opened.execute("CREATE TABLE a (x)")
        opened.execute("INSERT INTO a VALUES (1)")
    assert opened.execute("SELECT x FROM a").fetchone()[0] == 1


def in_one(connection, *statements):
    with sqlite.transaction(connection):
        for statement in statements:
            connection.execute(statement)


def test_a_transaction_that_fails_leaves_nothing_not_even_a_table(opened):
    with pytest.raises(sqlite3.OperationalError):
        in_one(opened, "CREATE TABLE a (x)", "INSERT INTO nowhere VALUES (1)")
    assert (sqlite.tables(opened), opened.in_transaction) == ([], False)


def test_a_transaction_that_sqlite_ended_by_itself_is_no_second_error(opened):
    opened.execute("CREATE TABLE a (x UNIQUE ON CONFLICT ROLLBACK)")
    with pytest.raises(sqlite3.IntegrityError):
        in_one(opened, "INSERT INTO a VALUES (1)", "INSERT INTO a VALUES (1)")
    assert opened.execute("SELECT count(*) FROM a").fetchone()[0] == 0


# ── errors in words ──


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (sqlite3.OperationalError("database or disk is full"), "The disk is full; the step was undone."),
        (OSError(28, "No space left on device"), "The disk is full; the step was undone."),
        (sqlite3.OperationalError("database is locked"), "Another program holds the database."),
        (sqlite3.OperationalError("disk I/O error"), "The database could not do it: disk I/O error."),
    ],
)
def test_an_error_of_the_database_is_a_sentence(error, message):
    assert sqlite.failed(error).message == message


# ── file systems ──

MOUNTS = """\
/dev/sda1 / ext4 rw 0 0
nas:/data /mnt/nas nfs4 rw 0 0
/dev/sdb1 /mnt/nas/local ext4 rw 0 0
//nas/share /mnt/my\\040nas cifs rw 0 0
sshfs /home/me/far fuse.sshfs rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/srv/mediaos.db", None),
        ("/mnt/nas/mediaos.db", "nfs4"),
        ("/mnt/nas", "nfs4"),
        ("/mnt/nasty/mediaos.db", None),
        ("/mnt/nas/local/mediaos.db", None),
        ("/mnt/my nas/mediaos.db", "cifs"),
        ("/home/me/far/away/mediaos.db", "fuse.sshfs"),
    ],
)
def test_a_network_file_system_is_known_by_its_mount(monkeypatch, path, kind):
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: MOUNTS)
    assert sqlite.network_file_system(Path(path)) == kind


def test_a_link_into_a_network_file_system_is_followed(monkeypatch, tmp_path):
    (tmp_path / "config").symlink_to("/mnt/nas")
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: MOUNTS)
    assert sqlite.network_file_system(tmp_path / "config" / "mediaos.db") == "nfs4"


def test_where_no_mounts_are_told_none_is_a_network(monkeypatch):
    def missing(*_, **__):
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", missing)
    assert sqlite.network_file_system(Path("/mnt/nas")) is None
