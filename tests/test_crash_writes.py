"""A process that is killed at any named step of a write, a mirror or a stage move leaves nothing that is not mended."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import FIXTURES, KEY, clean_environment
from inside import command

from mediaos_migrate import Site
from mediaos_migrate.stages import Stage

WRITES = """
import sys
from mediaos_migrate import Site
with Site.open(data=sys.argv[1]) as site:
    library = site.repository("library")
    for number in range(3):
        library.add({"id": f"new-{number}", "kind": "movie", "title": f"New {number}"})
        print(number, flush=True)
    site.flush()
"""
FILE_FIRST = ["file.written:2", "write.intended:2", "file.renamed:2", "write.followed:2"]
TABLE_FIRST = [
    "write.intended:2",
    "file.written:1",
    "mirror.intended:1",
    "file.renamed:1",
    "mirror.put:1",
    "mirror.settled:1",
]
CASES = [(stage, at) for stage in (Stage.OFF, Stage.DUALWRITE, Stage.SHADOW) for at in FILE_FIRST]
CASES += [(stage, at) for stage in (Stage.LIVE, Stage.RAMPDOWN) for at in TABLE_FIRST]


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    made = {}

    def template(stage: Stage) -> Path:
        if stage not in made:
            made[stage] = Path(shutil.copytree(FIXTURES / "mediaos", tmp_path_factory.mktemp("crash") / "config"))
            assert command("migrate", "--data", made[stage], key=KEY).code == 0
            advance(made[stage], stage)
        return made[stage]

    return template


def advance(folder: Path, stage: Stage) -> int:
    words = ["stage", "advance", "library", "--to", stage, "--policy", "ci", "--host-reads-database"]
    return command(*words, "--data", folder, key=KEY).code


def killed(words: list[str], at: str) -> str:
    """Run something that is killed at a step; return what it had acknowledged."""
    env = clean_environment(ENCRYPTION_KEY=KEY, MEDIAOS_MIGRATE_CRASH_AT=at)
    done = subprocess.run([sys.executable, *words], env=env, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    return done.stdout


def titles(folder: Path) -> list[str]:
    return [item["title"] for item in json.loads((folder / "library.json").read_text(encoding="utf-8"))["items"]]


@pytest.mark.parametrize(("stage", "at"), CASES, ids=str)
def test_no_acknowledged_write_is_lost_and_both_homes_agree(prepared, tmp_path, stage, at):
    folder = Path(shutil.copytree(prepared(stage), tmp_path / "config"))
    acknowledged = [f"New {number}" for number in killed(["-c", WRITES, str(folder)], at).split()]
    if stage is not Stage.OFF:
        assert command("mirror", "flush", "--data", folder, key=KEY).code == 0
    with Site.open(data=folder) as site:
        answered = [item["title"] for item in site.repository("library").list()]
        site.repository("library").add({"kind": "movie", "title": "Afterwards"})
    assert set(acknowledged) <= set(answered)
    assert titles(folder) == [*answered, "Afterwards"]
    if stage is not Stage.OFF:
        assert command("validate", "library", "--data", folder, key=KEY).code == 0
    assert [path.name for path in folder.iterdir() if path.name.startswith(".library")] == []


MOVES = [
    (stage, at)
    for stage in list(Stage)[:5]
    for at in ("stage.proved", "stage.announced", "stage.flipped", "stage.marked")
]


@pytest.mark.parametrize(("stage", "at"), MOVES, ids=str)
def test_a_move_forward_that_was_killed_is_done_or_was_never_begun(prepared, tmp_path, stage, at):
    folder = Path(shutil.copytree(prepared(stage), tmp_path / "config"))
    words = ["-m", "mediaos_migrate", "stage", "advance", "library", "--policy", "ci", "--host-reads-database"]
    killed([*words, "--data", str(folder)], at)
    there = command("stage", "show", "library", "--json", "--data", folder).json["stages"][0]["stage"]
    assert there == (stage if at in ("stage.proved", "stage.announced") else stage.next)
    assert command("validate", "library", "--data", folder, key=KEY).code == 0


@pytest.mark.parametrize("moved", [Stage.LIVE, Stage.COMPLETE], ids=str)
@pytest.mark.parametrize("verb", ["migrate", "validate", "status", "rehearse", "export"])
def test_a_lost_database_that_was_believed_is_never_made_anew(prepared, tmp_path, verb, moved):
    folder = Path(shutil.copytree(prepared(moved), tmp_path / "config"))
    for path in folder.glob("mediaos.db*"):
        path.unlink()
    to = ["--to", tmp_path / "out"] if verb == "export" else []
    told = command(verb, *to, "--data", folder, key=KEY)
    assert (told.code, (folder / "mediaos.db").exists()) == (7, False)


def test_another_sites_database_is_never_taken_for_this_ones(prepared, tmp_path):
    folder = Path(shutil.copytree(prepared(Stage.LIVE), tmp_path / "config"))
    other = Path(shutil.copytree(FIXTURES / "mediaos", tmp_path / "other"))
    assert command("migrate", "--data", other, key=KEY).code == 0
    assert command("validate", "--data", folder, "--db", other / "mediaos.db", key=KEY).code == 7
    (folder / "mediaos.db").rename(tmp_path / "moved.db")
    assert command("validate", "--data", folder, "--db", tmp_path / "moved.db", key=KEY).code == 0


# ── a unit of work that spans documents ──

UNIT = """
import sys
from mediaos_migrate import Site
with Site.open(data=sys.argv[1]) as site:
    first = site.repository("library").list(limit=1)[0]["id"]
    user = site.repository("users").items()[0][0]
    with site.unit_of_work() as unit:
        unit.repository("library").update(first, {"title": "Both"})
        unit.repository("users").update(user, {"name": "Both"})
    print("acknowledged", flush=True)
"""
PAIRS = [
    (Stage.DUALWRITE, Stage.DUALWRITE),
    (Stage.DUALWRITE, Stage.LIVE),
    (Stage.LIVE, Stage.SHADOW),
]
UNIT_STEPS = ["file.written:1", "write.intended:1", "file.renamed:1", "write.followed:1"]


def said(folder: Path) -> tuple[bool, bool]:
    with Site.open(data=folder) as site:
        film = site.repository("library").list(limit=1)[0]["title"]
        user = site.repository("users").items()[0][1].get("name")
    return film == "Both", user == "Both"


@pytest.mark.parametrize("at", [*UNIT_STEPS, "file.written:2", "file.renamed:2"])
@pytest.mark.parametrize("stages", PAIRS, ids=str)
def test_a_unit_of_work_that_is_killed_is_done_in_all_its_documents_or_in_none(prepared, tmp_path, stages, at):
    folder = Path(shutil.copytree(prepared(Stage.OFF), tmp_path / "config"))
    for name, stage in zip(("users", "library"), reversed(stages), strict=True):
        words = ["stage", "advance", name, "--to", stage, "--policy", "ci", "--host-reads-database", "--data", folder]
        assert command(*words, key=KEY).code == 0
    if at in ("file.written:2", "file.renamed:2") and Stage.LIVE in stages:
        at = at.replace("2", "1")
    killed(["-c", UNIT, str(folder)], at)
    if at == "file.renamed:1" and Stage.LIVE not in stages:  # the recovery is killed too
        killed(["-m", "mediaos_migrate", "mirror", "flush", "--data", str(folder)], "unit.put:1")
    assert command("mirror", "flush", "--data", folder, key=KEY).code == 0
    assert said(folder) in ((True, True), (False, False))
    if at.startswith(("file.renamed", "write.followed")):
        assert said(folder) == (True, True)
    assert command("validate", "--data", folder, key=KEY).code == 0
