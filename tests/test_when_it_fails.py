"""Ten bad days, at every stage: each is survived with nothing lost, or refused with the choice explained.

A database that is lost, damaged or an old copy: test_recover. Faults of the disk in the middle of a write: the matrix.
"""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest
from conftest import clean_environment
from fault_moves import POLICY, files_alone, must
from inside import SHELF, command

from mediaos_migrate import Site, ledger
from mediaos_migrate.library import mirror
from mediaos_migrate.stages import Stage


class Usage(NamedTuple):
    """What a disk says of itself."""

    total: int
    used: int
    free: int


EVERYBODY = ["ann", "bob", "cid", "new"]
FULL = (["migrate"], ["backup", "create"], ["recover"])


@pytest.fixture(scope="module")
def templates(tmp_path_factory):
    made = {}

    def template(stage: Stage) -> Path:
        if stage not in made:
            folder = made[stage] = tmp_path_factory.mktemp("fails") / "data"
            files_alone(folder)
            must(folder, "migrate")
            if stage is not Stage.OFF:
                must(folder, "stage", "advance", "authors", "ratings", "--to", stage, *POLICY)
            with library(folder) as site:
                site.repository("authors").put({"id": "new", "name": "New"})
            must(folder, "backup", "create")
        return made[stage]

    return template


@pytest.fixture
def at(templates, tmp_path):
    return lambda stage: Path(shutil.copytree(templates(stage), tmp_path / "data"))


def library(folder: Path) -> Site:
    return Site.open(folder, app=SHELF)


def told(folder: Path, *words: object):
    return command(*words, "--data", folder, "--app", SHELF)


def keys(folder: Path) -> list[str]:
    with library(folder) as site:
        return [key for key, _ in site.repository("authors").items()]


def last_backup(folder: Path) -> str:
    return max(path.name for path in (folder / ".mediaos-migrate" / "backups").iterdir())


def sql(folder: Path, statement: str) -> None:
    with closing(sqlite3.connect(folder / "mediaos.db", isolation_level=None)) as connection:
        connection.execute(statement)


@pytest.mark.parametrize("stage", [Stage.DUALWRITE, Stage.LIVE, Stage.COMPLETE], ids=str)
def test_a_database_without_its_log_is_refused(at, stage):
    folder = at(stage)
    with library(folder) as site:
        site.repository("authors").put({"id": "later", "name": "Later"})
        site.flush()
        alone = (folder / "mediaos.db").read_bytes()  # its log is beside it
    (folder / "mediaos.db").write_bytes(alone)
    found = told(folder, "status")
    assert (found.code, "its -wal is gone" in found.err) == (7, True)
    way = told(folder, "recover", "--json").json["recommended"]
    assert told(folder, "recover", "--from", way, "--yes").code == 0
    assert keys(folder) == EVERYBODY + ([] if stage is Stage.COMPLETE else ["later"])


@pytest.mark.parametrize("stage", Stage, ids=str)
def test_a_file_that_is_lost_is_never_taken_for_empty(at, stage):
    folder = at(stage)
    (folder / "authors.json").unlink()
    if stage.writes_both or stage is Stage.OFF:
        refused = told(folder, "validate", "authors")
        assert (refused.code, "is gone, and had" in refused.err) == (4, True)
    assert told(folder, "mirror", "flush").code == (4 if stage in (Stage.DUALWRITE, Stage.SHADOW) else 0)
    assert (folder / "authors.json").exists() == stage.mirrors
    if not stage.believes_table:
        home = ["repair", "authors", "--believe", "table", "--yes"]
        back = ["backup", "restore", last_backup(folder), "--document", "authors", "--yes"]
        assert told(folder, *(back if stage is Stage.OFF else home)).code == 0
    assert keys(folder) == EVERYBODY


def test_a_file_that_is_lost_keeps_none_of_the_others_waiting(at, monkeypatch):
    monkeypatch.setattr(mirror, "QUIET", 3600.0)
    folder = at(Stage.SHADOW)
    assert told(folder, "stage", "advance", "ratings", "--to", "live", *POLICY).code == 0
    with library(folder) as site:
        site.repository("ratings").put(4, "owed")
        site._mirror.stop = lambda: None
    (folder / "authors.json").unlink()
    refused = told(folder, "mirror", "flush")
    assert (refused.code, "authors.json is gone" in refused.err) == (4, True)
    assert json.loads((folder / "ratings.json").read_bytes())["owed"] == 4


@pytest.mark.parametrize("stage", Stage, ids=str)
def test_all_files_are_lost_and_come_back(at, stage):
    folder = at(stage)
    for path in folder.glob("*.json"):
        path.unlink()
    assert told(folder, "migrate").code == (0 if stage is Stage.COMPLETE else 4)
    if not stage.believes_table:
        assert told(folder, "backup", "restore", last_backup(folder), "--yes").code == 0
    assert told(folder, "rollback", "--yes").code == 0
    assert sorted(json.loads((folder / "authors.json").read_bytes())) == EVERYBODY


@pytest.mark.parametrize("stage", Stage, ids=str)
def test_a_lost_state_folder_loses_nothing_that_is_believed(at, stage):
    folder = at(stage)
    shutil.rmtree(folder / ".mediaos-migrate")
    assert told(folder, "status").code == 0
    assert keys(folder) == EVERYBODY
    assert told(folder, "backup", "create").code == 0
    assert told(folder, "rollback", "--yes").code == 0
    assert sorted(json.loads((folder / "authors.json").read_bytes())) == EVERYBODY


@pytest.mark.parametrize("words", FULL, ids=" ".join)
def test_a_full_disk_is_told_before_anything_is_written(at, words, monkeypatch):
    folder = at(Stage.LIVE)
    if words == ["recover"]:
        (folder / "mediaos.db").write_bytes(b"no database" * 500)
    else:
        (folder / "tags.json").write_text("{}")
    before = {path: path.read_bytes() for path in folder.rglob("*.json")}
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(100, 100, 0))
    found = told(folder, *words, "--json").json["error"]
    assert (found["type"], found["free"], "bytes free" in found["message"]) == ("Refused", 0, True)
    assert {path: path.read_bytes() for path in folder.rglob("*.json")} == before


def test_backups_keep_their_order_when_the_clock_jumps_back(at):
    folder = at(Stage.LIVE)
    backups = folder / ".mediaos-migrate" / "backups"
    (backups / last_backup(folder)).rename(backups / "20990101T000000.000Z-future")
    for reason in ("first", "second"):
        made = told(folder, "backup", "create", "--reason", reason, "--json").json["backup"]
        assert made["name"].startswith("20990101T000000.00")
        assert made["created_at"] < "2099"
    assert told(folder, "backup", "prune", "--keep-last", "1").code == 0
    assert last_backup(folder).endswith("-second")


def test_debts_keep_their_order_when_the_clock_jumps_back(at):
    folder = at(Stage.LIVE)
    with library(folder) as site:
        site.repository("authors").update("new", {"name": "Before"})
        sql(folder, "UPDATE _mm_journal SET at = '2099-01-01T00:00:00.000Z'")
        site.repository("authors").update("new", {"name": "After"})
    assert json.loads((folder / "authors.json").read_bytes())["new"]["name"] == "After"
    assert told(folder, "validate").code == 0


@pytest.mark.parametrize("words", [["status"], ["migrate"], ["rollback", "--yes"], ["recover"]], ids=" ".join)
def test_a_database_of_a_newer_version_names_that_version(at, words):
    folder = at(Stage.LIVE)
    sql(folder, f"UPDATE _mm_site SET format = {ledger.FORMAT + 1}, tool_version = '9.1.0'")
    before = (folder / "mediaos.db").read_bytes()
    found = told(folder, *words)
    assert (found.code, "last used by mediaos-migrate 9.1.0" in found.err) == (4, True)
    assert (folder / "mediaos.db").read_bytes() == before


HOLD = "import sys; from mediaos_migrate import Site\nwith Site.open(sys.argv[1], app=sys.argv[2]).locked():\n  print('held', flush=True); sys.stdin.read()"


def test_two_at_once_are_told_of_each_other_and_a_dead_one_is_forgotten(at):
    folder = at(Stage.LIVE)
    words = [sys.executable, "-c", HOLD, folder, SHELF]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, env=clean_environment(), stdin=pipe, stdout=pipe, text=True) as other:
        assert other.stdout.readline() == "held\n"
        found = told(folder, "migrate")
        assert (found.code, f"in use by process {other.pid} on " in found.err) == (4, True)
        other.send_signal(signal.SIGKILL)  # it cannot tidy up; its name stays in the file
    assert told(folder, "migrate").code == 0


def test_the_name_in_a_lock_of_another_container_means_nothing(at):
    folder = at(Stage.LIVE)
    (folder / ".mediaos-migrate" / "lock").write_text("process 1 on another-container since 2020-01-01T00:00:00.000Z")
    assert told(folder, "migrate").code == 0
