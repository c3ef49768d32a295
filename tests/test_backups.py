"""A backup is a pair that belongs together, whoever writes meanwhile; and going back to it loses nothing."""

import contextlib
import io
import json
import os
import random
import shutil
import sqlite3
import stat
import threading
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from conftest import FIXTURES, KEY
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from inside import SHELF, command

from mediaos_migrate import Site, backups
from mediaos_migrate.backups import Wish, keeping, taking
from mediaos_migrate.backups.keeping import Keep
from mediaos_migrate.backups.sealing import CHUNK, HEADER, Opened, Sealer
from mediaos_migrate.engines import sqlite
from mediaos_migrate.errors import Damaged, MigrateError, NotSettled
from mediaos_migrate.moves import backing_up, restoring
from mediaos_migrate.moves.restoring import Wanted
from mediaos_migrate.pack import built_in
from mediaos_migrate.secrets import Vault
from mediaos_migrate.stages import Stage

OLD, NEW = "The Ninth Ferry", "The Tenth Ferry"
BEFORE_RESTORE = "before-restore"


@pytest.fixture(scope="module")
def migrated(tmp_path_factory) -> Path:
    folder = Path(shutil.copytree(FIXTURES / "mediaos", tmp_path_factory.mktemp("backups") / "config"))
    assert command("migrate", "--data", folder, key=KEY).code == 0
    return folder


@pytest.fixture
def data(migrated, tmp_path) -> Path:
    return Path(shutil.copytree(migrated, tmp_path / "config"))


def place(data: Path) -> Path:
    return data / ".mediaos-migrate" / "backups"


def run(data: Path, *words: object, code: int = 0):
    told = command("backup", *words, "--json", "--data", data, key=KEY)
    assert told.code == code, told.out
    return told.json


def create(data: Path, *words: object) -> str:
    return run(data, "create", *words)["backup"]["name"]


def advance(data: Path, stage: Stage, document: str = "library") -> None:
    words = ["stage", "advance", document, "--to", stage, "--policy", "ci", "--host-reads-database"]
    assert command(*words, "--data", data, key=KEY).code == 0


def files(data: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in data.glob("*.json")}


def everything(folder: Path) -> dict[str, tuple[int, int, str]]:
    return {
        str(path): (path.stat().st_mtime_ns, path.stat().st_mode, sha256(path.read_bytes()).hexdigest())
        for path in folder.rglob("*")
        if path.is_file()
    }


def titles(data: Path) -> list[str]:
    with Site.open(data=data) as site:
        return [item["title"] for item in site.repository("library").list()]


def edit(data: Path, old: str = OLD, new: str = NEW) -> None:
    path = data / "library.json"
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")


# --- making one


def test_a_backup_holds_the_files_and_the_database_of_one_moment(data):
    told = run(data, "create", "--reason", "by-hand")["backup"]
    folder = place(data) / told["name"]
    assert {path.name: path.read_bytes() for path in folder.glob("*.json") if path.name != "manifest.json"} == files(
        data
    )
    version = len([*(built_in() / "mediaos" / "sqlite").glob("*.up.sql")])
    assert (told["schema_version"], told["reason"]) == (version, "by-hand")
    assert (told["automatic"], told["sealed"]) == (False, False)
    digests = {held["name"]: held["sha256"] for held in [*told["files"], told["database"]]}
    assert digests == {name: sha256((folder / name).read_bytes()).hexdigest() for name in digests}
    named = (folder / "manifest.sha256").read_text()
    assert named == f"{sha256((folder / 'manifest.json').read_bytes()).hexdigest()}  manifest.json\n"


def test_what_is_only_in_the_write_ahead_log_is_in_the_backup(data):
    with contextlib.closing(sqlite3.connect(data / "mediaos.db", isolation_level=None)) as connection:
        connection.execute("UPDATE library_items SET title = 'In the log' WHERE title = ?", (OLD,))
        assert (data / "mediaos.db-wal").stat().st_size
        folder = place(data) / create(data)
    with contextlib.closing(sqlite3.connect(f"file:{folder}/mediaos.db?immutable=1", uri=True)) as connection:
        assert connection.execute("SELECT count(*) FROM library_items WHERE title = 'In the log'").fetchone() == (1,)


@pytest.mark.parametrize("words", [[], ["--archive"], ["--encrypt"], ["--archive", "--encrypt"]], ids=str)
def test_nobody_else_can_read_a_backup(data, words):
    before = os.umask(0)
    try:
        create(data, *words)
    finally:
        os.umask(before)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in place(data).rglob("*") if path.is_file()}
    folders = {stat.S_IMODE(path.stat().st_mode) for path in [place(data), *place(data).iterdir()] if path.is_dir()}
    assert (modes, folders) == ({0o600}, {0o700})


def test_the_same_again_is_not_kept_twice_if_that_is_wished(data):
    first = create(data, "--if-changed")
    assert run(data, "create", "--if-changed") | {"backup": first} == run(data, "create", "--if-changed") | {
        "backup": first
    }
    assert create(data, "--if-changed") == first
    sealed = create(data, "--encrypt", "--if-changed")
    assert create(data, "--encrypt", "--if-changed") == sealed != first
    edit(data)
    assert create(data, "--if-changed") not in (first, sealed)


def test_a_last_backup_that_has_rotted_is_no_reason_to_make_none(data):
    first = create(data)
    path = place(data) / first / "library.json"
    path.write_bytes(path.read_bytes().replace(b"a", b"b", 1))
    assert create(data, "--if-changed") != first


def test_a_site_without_a_database_has_backups_too(site_folder):
    told = run(site_folder, "create")["backup"]
    assert (told["database"], len(told["files"]), told["schema_version"]) == (None, 15, None)
    assert not (site_folder / "mediaos.db").exists()


@pytest.mark.parametrize("reason", ["../x", "a b", "", "A", "x" * 61])
def test_a_reason_is_one_small_word(data, reason):
    assert command("backup", "create", "--reason", reason, "--data", data).code == 2


def test_without_a_key_nothing_is_sealed_and_nothing_is_made(data):
    before = sorted(place(data).iterdir())
    assert command("backup", "create", "--encrypt", "--data", data).code == 4
    assert [path for path in place(data).glob("[!.]*") if path not in before] == []


class Busy:
    """An app that writes a file each time that somebody has copied the database."""

    def __init__(self, data: Path, times: int) -> None:
        self.data, self.left, self.copy = data, times, sqlite.copy_database

    def __call__(self, *arguments: object) -> None:
        self.copy(*arguments)
        if self.left:
            self.left -= 1
            edit(self.data, "Ferry", "Ferry!")


def test_a_pair_is_taken_again_as_long_as_the_app_writes(data, monkeypatch):
    monkeypatch.setattr(taking, "PAUSE", 0)
    busy = Busy(data, 3)
    monkeypatch.setattr(sqlite, "copy_database", busy)
    folder = place(data) / create(data)
    assert (busy.left, (folder / "library.json").read_bytes()) == (0, (data / "library.json").read_bytes())


def test_an_app_that_never_stops_writing_gets_no_backup(data, monkeypatch):
    monkeypatch.setattr(taking, "PAUSE", 0)
    monkeypatch.setattr(sqlite, "copy_database", Busy(data, 1000))
    with pytest.raises(NotSettled, match=r"^library\.json changed while it was backed up\. Stop MediaOS"):
        backing_up.create(Site.open(data), Wish("x"))
    assert len(list(place(data).glob("[!.]*"))) == 1


def test_a_disk_that_is_too_small_is_noticed_first(data, monkeypatch):
    usage = shutil.disk_usage(data)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    told = command("backup", "create", "--json", "--data", data)
    assert (told.code, told.json["error"]["kind"]) == (4, "disk")


# --- looking


@pytest.mark.parametrize("words", [["list"], ["show"], ["verify"], ["prune", "--keep-last", "1", "--dry-run"]], ids=str)
def test_looking_at_backups_touches_nothing(data, words):
    name = create(data)
    create(data, "--archive", "--encrypt")
    before = everything(data)
    run(data, *words, *([name] if words == ["show"] else []))
    assert everything(data) == before


def test_a_damaged_backup_is_listed_and_the_others_are_good(data):
    name = create(data)
    (place(data) / name / "users.json").unlink()
    found = {item["name"]: item["error"] for item in run(data, "list")["backups"]}
    assert found[name] == "The backup is not to be believed: users.json is missing."
    assert list(found.values()).count(None) == 1
    told = {item["name"]: item["findings"] for item in run(data, "verify", code=3)["backups"]}
    assert [bool(findings) for name, findings in sorted(told.items())] == [False, True]


def test_the_backups_of_earlier_releases_stay_good(data):
    [made] = place(data).iterdir()
    old = json.loads((made / "manifest.json").read_bytes())
    kept = ("created_at", "reason", "app", "tool_version", "files")
    (made / "manifest.json").write_text(json.dumps({name: old[name] for name in kept}))
    (made / "manifest.sha256").unlink()
    assert run(data, "verify")["backups"][0]["findings"] == []
    before = files(data)
    edit(data)
    run(data, "restore", made.name, "--yes")
    assert files(data) == before
    assert command("validate", "--data", data, key=KEY).code == 0


# --- going back


@pytest.mark.parametrize("words", [[], ["--archive"], ["--encrypt"], ["--archive", "--encrypt"]], ids=str)
def test_a_restore_brings_everything_back(data, words):
    (data / "verify.json").unlink()
    name, before = create(data, *words), files(data)
    edit(data)
    (data / "users.json").unlink()
    shutil.copy(FIXTURES / "mediaos" / "verify.json", data)
    assert command("migrate", "--accept-source", "users", "--data", data, key=KEY).code == 0
    changed = files(data)
    told = run(data, "restore", name, "--yes")
    assert (files(data), told["restored"]["removed"]) == (before, ["verify.json"])
    assert command("validate", "--quick", "--data", data, key=KEY).code in (0, 3, 5)
    run(data, "restore", told["safety"]["name"], "--yes")
    assert files(data) == changed
    assert command("validate", "--data", data, key=KEY).code == 0


def test_a_dry_run_touches_nothing_and_tells_the_same(data):
    name = create(data)
    edit(data)
    before = everything(data)
    dry = run(data, "restore", name, "--dry-run")
    assert everything(data) == before
    real = run(data, "restore", name, "--yes")
    assert (dry["restored"], dry["dry_run"], dry["safety"]) == (real["restored"], True, None)


@pytest.mark.parametrize("stage", list(Stage), ids=str)
def test_a_restore_brings_the_stages_back_and_what_their_tables_said(data, stage):
    advance(data, stage)
    name = create(data)
    with Site.open(data=data) as site:
        library = site.repository("library")
        library.update(next(item["id"] for item in library.list() if item["title"] == OLD), {"title": NEW})
    assert NEW in titles(data)
    command("stage", "retreat", "--to", "off", "--data", data, key=KEY)
    run(data, "restore", name, "--yes")
    told = command("stage", "show", "library", "--json", "--data", data).json["stages"][0]["stage"]
    assert (told, OLD in titles(data), NEW in titles(data)) == (stage, True, False)
    assert command("validate", "library", "--data", data, key=KEY).code == (3 if stage is Stage.COMPLETE else 0) or (
        stage is Stage.COMPLETE
    )


@pytest.mark.parametrize("stage", list(Stage), ids=str)
def test_one_document_comes_back_alone_at_every_stage(data, stage):
    advance(data, stage)
    name = create(data)
    with Site.open(data=data) as site:
        library = site.repository("library")
        library.update(next(item["id"] for item in library.list() if item["title"] == OLD), {"title": NEW})
    wanted = json.loads((data / "wanted.json").read_bytes())
    (data / "wanted.json").write_text(json.dumps(wanted, indent=2))
    others = {name: content for name, content in files(data).items() if name != "library.json"}
    run(data, "restore", name, "--document", "library", "--yes")
    assert (OLD in titles(data), NEW in titles(data)) == (True, False)
    assert {name: content for name, content in files(data).items() if name != "library.json"} == others
    told = command("stage", "show", "library", "--json", "--data", data).json["stages"][0]
    assert (told["stage"], told["blocked"]) == (stage, None)
    if stage is not Stage.COMPLETE:
        assert command("validate", "library", "--data", data, key=KEY).code == 0


def test_a_document_that_was_missing_is_missing_again(data):
    (data / "verify.json").unlink()
    name = create(data)
    shutil.copy(FIXTURES / "mediaos" / "verify.json", data)
    assert command("migrate", "--data", data, key=KEY).code == 0
    run(data, "restore", name, "--document", "verify", "--yes")
    assert not (data / "verify.json").exists()
    assert command("validate", "verify", "--data", data, key=KEY).code == 0


def test_what_was_damaged_then_comes_back_only_if_that_is_said(data):
    (data / "users.json").write_bytes(b"{")
    name = create(data)
    shutil.copy(FIXTURES / "mediaos" / "users.json", data)
    before = files(data)
    told = run(data, "restore", name, "--yes", code=4)
    assert told["error"]["remedy"] == "Restore others with --document, or everything with --as-it-is."
    assert files(data) == before
    assert run(data, "restore", name, "--document", "users", "--yes", code=4)["error"]["document"] == "users"
    run(data, "restore", name, "--document", "library", "--yes")
    run(data, "restore", name, "--as-it-is", "--yes")
    assert (data / "users.json").read_bytes() == b"{"


@pytest.mark.parametrize("words", [["nope", "--yes"], ["--yes"], ["--resume"], ["./nope", "--yes"]], ids=str)
def test_what_is_not_there_is_not_restored(data, words):
    assert command("backup", "restore", *words, "--data", data).code == 2


def test_nobody_is_asked_and_nothing_restored_without_a_terminal(data):
    name, before = create(data), files(data)
    edit(data)
    changed = files(data)
    assert command("backup", "restore", name, "--data", data, key=KEY).code == 2
    assert files(data) == changed != before


def test_a_lost_database_comes_back(data):
    advance(data, Stage.LIVE)
    name = create(data)
    for path in data.glob("mediaos.db*"):
        path.unlink()
    assert command("status", "--data", data).code == 7
    run(data, "restore", name, "--yes")
    assert command("validate", "library", "--data", data, key=KEY).code == 0


def test_somebody_elses_database_is_not_written_over(data):
    name = create(data)
    for path in data.glob("mediaos.db*"):
        path.unlink()
    with contextlib.closing(sqlite3.connect(data / "mediaos.db")) as connection:
        connection.execute("CREATE TABLE theirs (id)")
    before = (data / "mediaos.db").read_bytes()
    assert run(data, "restore", name, "--yes", code=4)["error"]["type"] == "NotOurs"
    assert (data / "mediaos.db").read_bytes() == before


def test_a_database_that_somebody_holds_is_given_up_after_a_while_and_stays(data, monkeypatch):
    monkeypatch.setattr(restoring, "PATIENCE", 0.2)
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.2)
    name = create(data)
    edit(data)
    before = files(data)
    with contextlib.closing(sqlite3.connect(data / "mediaos.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(MigrateError, match="holds the database"):
            restoring.restore(Site.open(data), Wanted(name), lambda plan: None)
        other.execute("ROLLBACK")
    assert (files(data), (data / ".mediaos-migrate" / "restore.json").exists()) == (before, False)


def test_a_reader_of_the_old_database_sees_the_restored_one(data):
    name = create(data)
    edit(data)
    assert command("migrate", "--data", data, key=KEY).code == 0
    with contextlib.closing(sqlite3.connect(data / "mediaos.db")) as reader:
        count = "SELECT count(*) FROM library_items WHERE title = ?"
        assert reader.execute(count, (NEW,)).fetchone() == (1,)
        run(data, "restore", name, "--yes")
        assert reader.execute(count, (OLD,)).fetchone() == (1,)


def test_files_keep_their_modes_and_links_through_a_restore(data):
    (data / "elsewhere").mkdir()
    (data / "users.json").rename(data / "elsewhere" / "users.json")
    (data / "users.json").symlink_to("elsewhere/users.json")
    (data / "library.json").chmod(0o640)
    name = create(data)
    edit(data)
    (data / "elsewhere" / "users.json").write_text("{}")
    run(data, "restore", name, "--yes")
    assert ((data / "users.json").is_symlink(), stat.S_IMODE((data / "library.json").stat().st_mode)) == (True, 0o640)
    assert (data / "elsewhere" / "users.json").read_bytes() == (FIXTURES / "mediaos" / "users.json").read_bytes()


def test_evidence_from_before_a_restore_counts_no_more(data):
    name = create(data)
    with Site.open(data=data).looking() as connection:
        before = connection.execute("SELECT epoch FROM _mm_site").fetchone()[0]
    run(data, "restore", name, "--yes")
    with Site.open(data=data).looking() as connection:
        assert connection.execute("SELECT epoch FROM _mm_site").fetchone()[0] > before


def test_another_pack_has_backups_too(tmp_path):
    data = Path(shutil.copytree(FIXTURES / "shelf", tmp_path / "shelf"))
    assert command("migrate", "--data", data, "--app", SHELF).code == 0
    told = command("backup", "create", "--json", "--data", data, "--app", SHELF).json
    before = files(data)
    (data / "books.json").unlink()
    words = ["backup", "restore", told["backup"]["name"], "--yes"]
    assert command(*words, "--data", data, "--app", SHELF).code == 0
    assert files(data) == before
    assert command(*words, "--data", data).code == 4


# --- a site that is being written


@contextlib.contextmanager
def being_written(data: Path):
    """An app that writes all the time, through the library."""
    stop = threading.Event()

    def write() -> None:
        number = 0
        with Site.open(data=data, app=SHELF) as mine:
            while not stop.wait(0.05):
                number += 1
                with contextlib.suppress(MigrateError):
                    mine.repository("books").put({"title": f"Written {number}"}, key=f"written-{number % 5}")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield stop.wait
    finally:
        stop.set()
        writer.join()


def act_on(data: Path, acts: list[str], choice: random.Random):
    site, known = Site.open(data=data, app=SHELF), set()
    for act in acts:
        if act == "foreign":
            (data / "prefs.json").write_text(json.dumps({"theme": choice.random()}))
        elif act in ("backup", "archive"):
            known.add(backing_up.create(site, Wish("x", archive=act == "archive")).name)
        elif act in ("restore", "one") and known:
            wanted = Wanted(choice.choice(sorted(known)), ("books",) if act == "one" else ())
            known.add(restoring.restore(site, wanted, lambda plan: None).safety or wanted.name)
        yield act


ACTS = st.lists(st.sampled_from(["write", "foreign", "backup", "archive", "restore", "one"]), min_size=2, max_size=5)


@settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck))
@given(acts=ACTS, stage=st.sampled_from(list(Stage)[:5]), seed=st.integers(0, 1 << 32))
def test_restore_after_restore_of_a_site_that_is_written_gives_a_consistent_pair(tmp_path_factory, acts, stage, seed):
    data = Path(shutil.copytree(FIXTURES / "shelf", tmp_path_factory.mktemp("written") / "config"))
    base = ["--data", data, "--app", SHELF]
    assert command("migrate", *base).code == 0
    words = ["stage", "advance", "--to", stage, "--policy", "ci", "--host-reads-database"]
    assert stage is Stage.OFF or command(*words, *base).code == 0
    with being_written(data) as wait:
        for _ in act_on(data, [*acts, "backup", "restore"], random.Random(seed)):
            wait(0.01)
    told = command("backup", "verify", *base)
    assert told.code == 0, told.out
    assert not stage.writes_both or command("mirror", "flush", *base).code == 0
    assert command("migrate", *base).code == 0
    assert command("validate", *base).code == 0


# --- letting go


def test_retention_keeps_the_last_the_days_the_weeks_and_the_months(data, monkeypatch):
    site, now = Site.open(data), datetime.now(UTC)
    [made] = backups.all_of(site)
    ages = [400, 100, 45, 40, 20, 13, 6, 3, 2, 1, 0.1, 0]
    found = []
    for age in ages:
        at = now - timedelta(days=age)
        told = made.manifest.model_copy(update={"created_at": at.isoformat()})
        found.append(backups.Backup(made.path.with_name(f"{1000 - age:08.1f}"), told, {"a": 100}))
    monkeypatch.setattr(keeping, "all_of", lambda site: found)
    monkeypatch.setattr(keeping, "is_whole", lambda backup: True)

    def kept(keep: Keep) -> list[float]:
        names = {backup.name for backup in keeping.plan(site, None, keep).kept}
        return [age for age, backup in zip(ages, found, strict=True) if backup.name in names]

    assert kept(Keep(last=3)) == [1, 0.1, 0]
    assert set(kept(Keep(daily=3))) <= {0, 0.1, 1, 2}
    assert len(kept(Keep(monthly=12))) >= 3
    assert kept(Keep(last=20, max_age=10)) == [6, 3, 2, 1, 0.1, 0]
    assert kept(Keep(max_size=250)) == [0.1, 0]
    assert kept(Keep(max_age=0)) == [0]


def test_the_last_good_one_is_never_removed(data):
    good, bad = create(data), create(data)
    path = place(data) / bad / "library.json"
    path.write_bytes(path.read_bytes().replace(b"a", b"b", 1))
    told = run(data, "prune", "--max-age", "0")
    assert good in told["kept"]
    assert told["needed"][good] == "the last good one"
    assert bad in told["removed"]


def test_what_a_stage_still_needs_is_never_removed(data):
    advance(data, Stage.COMPLETE)
    for _ in range(3):
        create(data)
    run(data, "prune", "--max-age", "0")
    held = {held["name"] for item in run(data, "list")["backups"] for held in item["files"]}
    assert "library.json" in held
    assert command("export", "--to", data.parent / "out", "--data", data, key=KEY).code == 0
    assert (data.parent / "out" / "library.json").read_bytes() == (FIXTURES / "mediaos" / "library.json").read_bytes()


def test_what_is_made_by_itself_goes_by_itself_and_nothing_else_does(data):
    by_hand = create(data)
    for number in range(11):
        edit(data, "Ferry", f"Ferry {number}")
        assert command("migrate", "--data", data, key=KEY).code == 0
    found = run(data, "list")["backups"]
    assert by_hand in [item["name"] for item in found]
    assert sum(item["automatic"] for item in found) <= 12


@pytest.mark.parametrize("words", [[], ["--max-size", "many"], ["--keep-last", "-1"]], ids=str)
def test_nothing_is_pruned_by_a_rule_that_says_nothing(data, words):
    assert command("backup", "prune", *words, "--data", data).code == 2


# --- by the clock


def test_a_timer_says_where_everything_is_and_never_the_key(data, tmp_path):
    key = tmp_path / "key 100%"
    key.write_text(KEY)
    told = run(data, "schedule", "--key-file", key, "--install", "--into", tmp_path / "units")
    text = "".join(path.read_text() for path in sorted((tmp_path / "units").iterdir()))
    assert sorted(told["files"]) == ["mediaos-migrate-backup.service", "mediaos-migrate-backup.timer"]
    assert f'"{tmp_path}/key 100%%"' in text
    assert str(data.resolve()) in text
    assert KEY not in text + json.dumps(told)


def test_a_timer_names_a_pack_so_that_it_is_found_from_anywhere(tmp_path, monkeypatch):
    folder = Path(shutil.copytree(FIXTURES / "shelf", tmp_path / "data"))
    monkeypatch.chdir(Path(SHELF).parent)
    told = command("backup", "schedule", "--clock", "cron", "--json", "--app", "shelf", "--data", folder).json
    [line] = told["files"].values()
    assert line.count(f" --app {SHELF} ") == 2


def test_a_line_for_cron_is_one_line_and_has_no_place_of_its_own(data, tmp_path):
    [line] = run(data, "schedule", "--clock", "cron", "--every", "week")["files"].values()
    assert line.startswith("17 3 * * 0 ")
    assert line.count("\n") == 1
    run(data, "schedule", "--clock", "cron", "--install", code=2)
    run(data, "schedule", "--clock", "cron", "--every", "week", "--install", "--into", tmp_path / "cron.d")
    assert (tmp_path / "cron.d" / "mediaos-migrate-backup").read_text() == line


# --- sealing

VAULT = Vault(KEY)
SIZES = st.one_of(st.integers(0, 300), st.sampled_from([CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK]))


def sealed(content: bytes, what: str = "id/name") -> bytes:
    out = io.BytesIO()
    Sealer(VAULT).seal(io.BytesIO(content), out, what)
    return out.getvalue()


def opened(data: bytes, what: str = "id/name") -> bytes:
    return Opened(io.BytesIO(data), VAULT, what).read()


@settings(max_examples=20, deadline=None)
@given(size=SIZES, seed=st.integers(0, 1 << 32))
def test_what_was_sealed_opens_and_no_change_to_it_does(size, seed):
    draw = random.Random(seed)
    content = draw.randbytes(size)
    data = sealed(content)
    assert opened(data) == content
    place = draw.randrange(len(data) * 8)
    flipped = bytearray(data)
    flipped[place // 8] ^= 1 << place % 8
    shorter = data[: draw.randrange(len(data))]
    for wrong in (bytes(flipped), shorter, data + b"\0"):
        with pytest.raises(Damaged):
            opened(wrong)
    with pytest.raises(Damaged):
        opened(data, "id/other")


def test_chunks_cannot_be_swapped_dropped_or_repeated():
    step = CHUNK + 16
    data = sealed(bytes(3 * CHUNK))
    head, chunks = data[:HEADER], [data[HEADER + n * step : HEADER + (n + 1) * step] for n in range(3)]
    for order in ([1, 0, 2], [0, 2], [0, 1], [0, 0, 2], [0, 1, 2, 2], []):
        with pytest.raises(Damaged):
            opened(head + b"".join(chunks[n] for n in order))
    assert opened(head + b"".join(chunks)) == bytes(3 * CHUNK)


def test_no_plain_copy_of_a_sealed_database_has_a_name(data, monkeypatch):
    seen: list[list[str]] = []
    seal = Sealer.seal

    def look(self, source, target, what):
        seen.append([path.name for path in place(data).rglob("*") if path.name in ("mediaos.db", "users.json")])
        seal(self, source, target, what)

    shutil.rmtree(place(data))
    monkeypatch.setattr(Sealer, "seal", look)
    create(data, "--encrypt")
    assert seen
    assert {name for names in seen for name in names} == set()
