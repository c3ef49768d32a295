"""Going back gives files that hold everything written since, from any stage, at a price that is named first."""

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from conftest import FIXTURES, KEY, clean_environment
from inside import command

from mediaos_migrate import Site
from mediaos_migrate.stages import Stage

STAGES = [stage for stage in Stage if stage is not Stage.OFF]


@pytest.fixture(scope="module")
def templates(tmp_path_factory):
    made = {}

    def template(stage: Stage) -> Path:
        if stage not in made:
            made[stage] = Path(shutil.copytree(FIXTURES / "mediaos", tmp_path_factory.mktemp("back") / "data"))
            assert command("migrate", "--data", made[stage], key=KEY).code == 0
            words = ["--to", stage, "--policy", "ci", "--host-reads-database", "--data", made[stage]]
            assert command("stage", "advance", *words, key=KEY).code == 0
        return made[stage]

    return template


@pytest.fixture(params=STAGES, ids=str)
def data(request, templates, tmp_path) -> Path:
    return Path(shutil.copytree(templates(request.param), tmp_path / "data"))


def write(folder: Path) -> None:
    """Write into several documents, and leave the mirror no time."""
    with Site.open(folder) as site:
        site.repository("library").add({"id": "new", "kind": "movie", "title": "New"})
        first = site.repository("library").list(limit=1)[0]["id"]
        site.repository("library").update(first, {"title": "Changed"})
        user = site.repository("users").items()[-1][0]
        site.repository("users").remove(user)


def only_in_database(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "mediaos.db", isolation_level=None)) as connection:
        connection.execute("CREATE TABLE own_sessions (token TEXT, data BLOB)")
        connection.execute("INSERT INTO own_sessions VALUES ('abc', x'00ff')")


def items(folder: Path) -> list[dict]:
    return json.loads((folder / "library.json").read_text(encoding="utf-8"))["items"]


def test_the_files_hold_everything_that_was_written(data):
    users = len(json.loads((data / "users.json").read_text(encoding="utf-8")))
    write(data)
    assert command("rollback", "--yes", "--data", data, key=KEY).code == 0
    assert items(data)[-1]["id"] == "new"
    assert items(data)[0]["title"] == "Changed"
    assert len(json.loads((data / "users.json").read_text(encoding="utf-8"))) == users - 1
    stages = command("stage", "show", "--data", data, "--json").json["stages"]
    assert {each["stage"] for each in stages} == {"off"}
    assert command("validate", "--data", data, key=KEY).code == 0


def test_the_price_is_named_and_its_rows_are_saved(data):
    only_in_database(data)
    told = command("rollback", "--yes", "--data", data, "--json", key=KEY).json
    assert told["price"]["only_in_database"]["own_sessions"] == 1
    saved = data / ".mediaos-migrate" / told["saved"]
    assert saved.stat().st_mode & 0o077 == 0
    assert json.loads(saved.read_text())["own_sessions"] == [{"token": "abc", "data": {"base64": "AP8="}}]


def test_values_that_json_has_no_word_for_are_saved_too(data):
    only_in_database(data)
    with closing(sqlite3.connect(data / "mediaos.db", isolation_level=None)) as connection:
        connection.execute("INSERT INTO own_sessions VALUES (cast(x'61ff' AS TEXT), 9e999), ('b', -9e999)")
    told = command("rollback", "--yes", "--data", data, "--json", key=KEY).json
    text = (data / ".mediaos-migrate" / told["saved"]).read_text(encoding="utf-8")
    rows = json.loads(text, parse_constant=pytest.fail)["own_sessions"]
    assert rows[1:] == [
        {"token": {"base64": "Yf8=", "type": "text"}, "data": {"real": "9e999"}},
        {"token": "b", "data": {"real": "-9e999"}},
    ]


def test_rows_that_an_earlier_rollback_saved_are_kept(templates, tmp_path):
    folder = Path(shutil.copytree(templates(Stage.LIVE), tmp_path / "data"))
    for token in ("abc", "def"):
        only_in_database(folder)
        with closing(sqlite3.connect(folder / "mediaos.db", isolation_level=None)) as connection:
            connection.execute("UPDATE own_sessions SET token = ?", (token,))
        assert command("rollback", "--discard-database", "--yes", "--data", folder, key=KEY).code == 0
        assert command("migrate", "--data", folder, key=KEY).code == 0
    saved = list((folder / ".mediaos-migrate").glob("only-in-database*.json"))
    assert {json.loads(path.read_text())["own_sessions"][0]["token"] for path in saved} == {"abc", "def"}
    assert [path.stat().st_mode & 0o077 for path in saved] == [0, 0]


def test_the_database_goes_last_and_its_backup_stays(data):
    write(data)
    told = command("rollback", "--discard-database", "--yes", "--data", data, "--json", key=KEY)
    assert (told.code, told.json["discarded"]) == (0, True)
    assert not list(data.glob("mediaos.db*"))
    assert items(data)[-1]["id"] == "new"
    assert list((data / ".mediaos-migrate" / "backups" / told.json["backup"]["name"]).glob("mediaos.db*"))
    assert command("migrate", "--data", data, key=KEY).code == 0


def test_nobody_goes_back_without_a_yes(data):
    before = command("stage", "show", "--data", data, "--json").json
    told = command("rollback", "--data", data, key=KEY)
    assert (told.code, "--yes" in told.err) == (2, True)
    assert command("stage", "show", "--data", data, "--json").json == before


def test_a_database_that_others_need_stays(templates, tmp_path):
    folder = Path(shutil.copytree(templates(Stage.LIVE), tmp_path / "data"))
    told = command("rollback", "wanted", "--discard-database", "--yes", "--data", folder, key=KEY)
    assert (told.code, "would still need the database" in told.err) == (4, True)
    assert command("rollback", "wanted", "--yes", "--data", folder, key=KEY).code == 0
    stages = {s["document"]: s["stage"] for s in command("stage", "show", "--data", folder, "--json").json["stages"]}
    assert (stages["wanted"], stages["library"]) == ("off", "live")


def test_a_site_that_was_never_moved_has_nothing_to_go_back_from(tmp_path):
    folder = Path(shutil.copytree(FIXTURES / "mediaos", tmp_path / "data"))
    assert command("rollback", "--yes", "--data", folder).code == 5
    assert command("migrate", "--data", folder, key=KEY).code == 0
    told = command("rollback", "--data", folder, "--json", key=KEY)
    assert (told.code, told.json["steps"], told.json["backup"]) == (0, [], None)


@pytest.mark.parametrize(
    "at", ["rollback.saved:1", "stage.proved:3", "stage.announced:2", "stage.flipped:4", "rollback.unmarked:1"]
)
@pytest.mark.parametrize("stage", [Stage.LIVE, Stage.COMPLETE], ids=str)
def test_a_rollback_that_is_killed_is_completed_by_the_next_one(templates, tmp_path, stage, at):
    folder = Path(shutil.copytree(templates(stage), tmp_path / "data"))
    write(folder)
    words = ["rollback", "--discard-database", "--yes", "--data", str(folder)]
    env = clean_environment(ENCRYPTION_KEY=KEY, MEDIAOS_MIGRATE_CRASH_AT=at)
    done = subprocess.run([sys.executable, "-m", "mediaos_migrate", *words], env=env, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert command(*words, key=KEY).code == 0
    assert items(folder)[-1]["id"] == "new"
    assert not list(folder.glob("mediaos.db*"))
