"""A backup or a restore that is killed anywhere leaves a site that the next run completes, and no other writer harms."""

import contextlib
import json
import shutil
import signal
import sqlite3
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest
from conftest import FIXTURES, KEY, clean_environment
from inside import command

from mediaos_migrate import Site
from mediaos_migrate.errors import Refused

OLD, NEW = "The Ninth Ferry", "The Tenth Ferry"


def restored(folder: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "mediaos_migrate", "backup", "restore", *more, "--yes", "--data", str(folder)]


def killed(words: list[str], at: str) -> subprocess.CompletedProcess[str]:
    env = clean_environment(ENCRYPTION_KEY=KEY, MEDIAOS_MIGRATE_CRASH_AT=at)
    return subprocess.run(words, env=env, capture_output=True, text=True)


def backups(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / ".mediaos-migrate" / "backups").glob("[!.]*"))


def state(folder: Path) -> dict[str, object]:
    """What a site says: its files, every row but those of evidence and epochs, and that nothing was left lying about."""
    told: dict[str, object] = {path.name: sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.json")}
    with contextlib.closing(sqlite3.connect(folder / "mediaos.db")) as connection:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        for table in sorted(set(tables) - {"_mm_site", "_mm_changes", "_mm_stage_log"}):
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info([{table}])")]
            kept = ", ".join(f"[{name}]" for name in columns if name not in ("at", "imported_at"))
            told[table] = sorted(map(repr, connection.execute(f"SELECT {kept} FROM [{table}]").fetchall()))
    told["hidden"] = sorted(path.name for path in folder.glob(".*") if path.name != ".mediaos-migrate")
    told["state"] = sorted(
        path.name for path in (folder / ".mediaos-migrate").iterdir() if path.suffix != ".lock" and path.name != "lock"
    )
    told["partial"] = sorted(path.name for path in (folder / ".mediaos-migrate" / "backups").glob(".*"))
    return told


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Path, str]:
    """A site at `live` with a backup, that has gone on since: another title, a file less, a file more."""
    folder = Path(shutil.copytree(FIXTURES / "mediaos", tmp_path_factory.mktemp("restored") / "config"))
    (folder / "verify.json").unlink()
    assert command("migrate", "--data", folder, key=KEY).code == 0
    words = ["stage", "advance", "library", "--to", "live", "--policy", "ci", "--host-reads-database"]
    assert command(*words, "--data", folder, key=KEY).code == 0
    name = command("backup", "create", "--json", "--data", folder, key=KEY).json["backup"]["name"]
    with Site.open(data=folder) as site:
        repository = site.repository("library")
        [film] = [item for item in repository.list() if item["title"] == OLD]
        repository.update(film["id"], {"title": NEW})
    (folder / "users.json").unlink()
    shutil.copy(FIXTURES / "mediaos" / "verify.json", folder)
    return folder, name


STEPS = [
    "backup.copied:1",
    "backup.made:1",
    "restore.intended",
    "restore.database",
    "file.written:2",
    "file.renamed:5",
    "restore.file:1",
    "restore.file:7",
    "restore.file:15",
    "restore.files",
    "restore.marked",
    "restore.proved",
    "restore.done",
]


@pytest.fixture(scope="module")
def undisturbed(made, tmp_path_factory) -> dict[str, object]:
    folder = Path(shutil.copytree(made[0], tmp_path_factory.mktemp("whole") / "config"))
    done = subprocess.run(restored(folder, made[1]), env=clean_environment(ENCRYPTION_KEY=KEY), capture_output=True)
    assert done.returncode == 0, done.stderr
    assert not (folder / "verify.json").exists()
    assert OLD in (folder / "library.json").read_text(encoding="utf-8")
    assert (folder / "users.json").exists()
    return state(folder)


@pytest.mark.parametrize("at", STEPS)
def test_a_restore_that_is_killed_is_completed_by_the_next_one(made, undisturbed, tmp_path, at):
    folder = Path(shutil.copytree(made[0], tmp_path / "config"))
    assert killed(restored(folder, made[1]), at).returncode == -signal.SIGKILL
    assert command("backup", "restore", made[1], "--yes", "--data", folder, key=KEY).code == 0
    assert state(folder) == undisturbed
    assert command("validate", "library", "--data", folder, key=KEY).code == 0


UNDER_WAY = ["restore.intended", "restore.database", "restore.file:7", "restore.marked", "restore.proved"]


@pytest.mark.parametrize("at", UNDER_WAY)
def test_nobody_writes_before_an_interrupted_restore_is_completed(made, undisturbed, tmp_path, at):
    folder = Path(shutil.copytree(made[0], tmp_path / "config"))
    killed(restored(folder, made[1]), at)
    assert command("migrate", "--data", folder, key=KEY).code == 4
    told = command("backup", "create", "--json", "--data", folder, key=KEY)
    assert told.json["error"]["remedy"] == "Complete it with `mediaos-migrate backup restore --resume`."
    with Site.open(data=folder) as site, pytest.raises(Refused, match="interrupted"):
        site.repository("users").add({"id": "x", "username": "x"})
    assert command("backup", "restore", "--resume", "--data", folder, key=KEY).code == 0
    assert state(folder) == undisturbed


def test_an_interrupted_restore_may_be_given_up_for_the_backup_of_what_was_there(made, tmp_path):
    folder = Path(shutil.copytree(made[0], tmp_path / "config"))
    before = {path.name: path.read_bytes() for path in folder.glob("*.json")}
    killed(restored(folder, made[1]), "restore.file:7")
    safety = json.loads((folder / ".mediaos-migrate" / "restore.json").read_bytes())["safety"]
    shutil.rmtree(folder / ".mediaos-migrate" / "backups" / made[1])
    assert command("backup", "restore", "--resume", "--data", folder, key=KEY).code != 0
    assert command("backup", "restore", safety, "--yes", "--data", folder, key=KEY).code == 0
    assert {path.name: path.read_bytes() for path in folder.glob("*.json")} == before
    with Site.open(data=folder) as site:
        assert NEW in [item["title"] for item in site.repository("library").list()]


@pytest.mark.parametrize("at", ["backup.copied", "backup.archived", "file.renamed:3", "backup.made", "backup.unnamed"])
def test_a_backup_that_is_killed_is_none_or_whole(made, tmp_path, at):
    folder = Path(shutil.copytree(made[0], tmp_path / "config"))
    before = backups(folder)
    words = ["prune", "--keep-last", "1"] if at == "backup.unnamed" else ["create", "--archive", "--encrypt"]
    words = [sys.executable, "-m", "mediaos_migrate", "backup", *words, "--data", str(folder)]
    assert killed(words, at).returncode == -signal.SIGKILL
    assert command("backup", "verify", "--data", folder, key=KEY).code == 0
    assert len(backups(folder)) - len(before) == {"backup.made": 1, "backup.unnamed": -1}.get(at, 0)
    assert command("backup", "create", "--data", folder, key=KEY).code == 0
    assert state(folder)["partial"] == []


@pytest.mark.parametrize("at", ["restore.aside", "restore.database"])
def test_a_broken_database_is_replaced_however_often_that_is_interrupted(made, undisturbed, tmp_path, at):
    folder = Path(shutil.copytree(made[0], tmp_path / "config"))
    (folder / "mediaos.db").write_bytes(b"no database" * 100)
    assert killed(restored(folder, made[1]), at).returncode == -signal.SIGKILL
    assert command("backup", "restore", "--resume", "--data", folder, key=KEY).code == 0
    [kept] = (folder / ".mediaos-migrate" / "conflicts").glob("mediaos.db-????????????????")
    assert kept.read_bytes() == b"no database" * 100
    assert {name: value for name, value in state(folder).items() if name != "state"} == {
        name: value for name, value in undisturbed.items() if name != "state"
    }
