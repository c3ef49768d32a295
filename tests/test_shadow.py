"""Reads are compared with the other home off the caller's path: counted by how they differ, never raised."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from conftest import FIXTURES
from inside import command

from mediaos_migrate import Site
from mediaos_migrate.stages import Stage

COMPARED = [stage for stage in Stage if stage.compares]


@pytest.fixture(scope="module")
def templates(tmp_path_factory):
    made = {}

    def template(stage: Stage) -> Path:
        if stage not in made:
            folder = made[stage] = tmp_path_factory.mktemp("shadow") / "data"
            folder.mkdir()
            items = [{"id": f"f{n:02d}", "kind": "movie", "title": f"Film {n:02d}"} for n in range(30)]
            (folder / "library.json").write_text(json.dumps({"items": items}), encoding="utf-8")
            assert command("migrate", "--data", folder).code == 0
            words = ["--to", str(stage), "--policy", "ci", "--host-reads-database"]
            assert command("stage", "advance", "library", *words, "--data", folder).code == 0
        return made[stage]

    return template


@pytest.fixture(params=COMPARED, ids=str)
def data(request, templates, tmp_path) -> Path:
    return Path(shutil.copytree(templates(request.param), tmp_path / "data"))


def spoil(folder: Path, statement: str) -> None:
    with closing(sqlite3.connect(folder / "mediaos.db", isolation_level=None)) as connection:
        connection.execute(statement)


def reads(folder: Path) -> dict[str, int]:
    return command("stage", "show", "library", "--data", folder, "--json").json["stages"][0]["reads"]


def read(folder: Path, *keys: str, rate: float = 1.0) -> None:
    with Site.open(folder) as site:
        site.shadow.rate = rate
        for key in keys:
            site.repository("library").get(key)


def test_equal_reads_are_counted(data):
    read(data, "f01", "f02", "f03", "nobody")
    assert reads(data) == {"equal": 4}


@pytest.mark.parametrize(
    ("statement", "ways"),
    [
        ("UPDATE library_items SET title = 'Another' WHERE id = 'f01'", {"text"}),
        ("DELETE FROM library_items WHERE id = 'f01'", {"missing"}),
    ],
)
def test_a_read_that_differs_is_counted_by_its_way_and_never_raised(data, statement, ways):
    spoil(data, statement)
    read(data, "f01", "f02")
    assert set(reads(data)) == {"equal", *ways}


def test_a_list_is_compared_as_a_list_while_the_file_is_believed(templates, tmp_path):
    folder = Path(shutil.copytree(templates(Stage.SHADOW), tmp_path / "data"))
    spoil(folder, "UPDATE library_items SET position = 99 WHERE id = 'f03'")
    with Site.open(folder) as site:
        site.shadow.rate = 1.0
        assert site.repository("library").list(limit=30)[3]["id"] == "f03"
    assert reads(folder) == {"order": 1}


def test_a_change_that_the_file_does_not_have_yet_is_no_difference(templates, tmp_path):
    folder = Path(shutil.copytree(templates(Stage.LIVE), tmp_path / "data"))
    with Site.open(folder) as site:
        site.shadow.rate = 1.0
        site.repository("library").update("f01", {"title": "Newer"})
        site.repository("library").get("f01")
        site.repository("library").get("f02")
        site.shadow.stop()
        assert set(reads(folder)) <= {"equal"}


def test_nothing_is_compared_unless_it_is_asked_for(data):
    read(data, "f01", "f02", rate=0.0)
    assert reads(data) == {}


def test_a_comparison_that_fails_disturbs_nobody(data, monkeypatch):
    monkeypatch.setattr("mediaos_migrate.library.reads.differences", None)
    spoil(data, "UPDATE library_items SET title = 'Another' WHERE id = 'f01'")
    read(data, "f01")
    assert reads(data) == {}


def test_reads_that_differed_stand_in_the_way_until_a_whole_look_finds_nothing(data):
    spoil(data, "UPDATE library_items SET title = 'Another' WHERE id = 'f01'")
    read(data, "f01", "f02")
    spoil(data, "UPDATE library_items SET title = 'Film 01' WHERE id = 'f01'")
    asks = ["stage", "why-not", "library", "--policy", "ci", "--host-reads-database", "--data", data]
    assert "reads differed between the homes (1 by text)" in command(*asks).out
    assert command("validate", "library", "--record", "--data", data).code == 0
    assert "may be done" in command(*asks).out


def test_a_policy_can_ask_for_reads_and_looks(data, tmp_path):
    stage = command("stage", "show", "library", "--data", data, "--json").json["stages"][0]["stage"]
    policy = tmp_path / "mine.toml"
    policy.write_text(f"[reads]\n{stage} = 3\n[looks]\n{stage} = 2\n")
    asks = ["stage", "why-not", "library", "--policy", policy, "--host-reads-database", "--data", data]
    told = command(*asks).out
    assert "asks for 3 compared reads" in told
    assert "asks for 2 clean verdicts" in told
    read(data, "f01", "f02", "f03")
    for _ in range(2):
        assert command("validate", "library", "--record", "--data", data).code == 0
    assert "may be done" in command(*asks).out


ODD_POLICIES = {
    "[days]\nlive = 3\n": "it has no `days`",
    "[hours]\nliv = 3\n": "`liv` is no stage",
    "hours = 3\n": "`hours` is a table",
    "debts = inf\n": "`debts` must be a whole number from 0 on, not inf",
    "debts = -1\n": "`debts` must be",
    "debts = true\n": "`debts` must be",
    "[hours]\nlive = nan\n": "`hours.live` must be a number from 0 on, not nan",
    "[hours]\nlive = inf\n": "`hours.live` must be",
    "[hours]\nlive = -24\n": "`hours.live` must be",
    "[looks]\nlive = inf\n": "`looks.live` must be a whole number",
    "[looks]\nlive = 1.5\n": "`looks.live` must be a whole number",
    "[reads]\nlive = '9'\n": "`reads.live` must be a whole number",
}


@pytest.mark.parametrize(("text", "reason"), ODD_POLICIES.items())
def test_a_policy_that_asks_for_nothing_we_know_is_refused(tmp_path, text, reason):
    policy = tmp_path / "mine.toml"
    policy.write_text(text)
    told = command("health", "--policy", policy, "--data", FIXTURES / "mediaos")
    assert (told.code, reason in told.err) == (2, True), told.err
