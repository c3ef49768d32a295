"""A drill plays the worst day on a copy, finds everything again, and would say so if it did not."""

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest
from conftest import FIXTURES, clean_environment
from inside import SHELF, command
from jsonschema import Draft202012Validator

from mediaos_migrate import Site, scratch
from mediaos_migrate.budget import Budget, granting
from mediaos_migrate.cli.main import SCHEMA
from mediaos_migrate.drill.children import SERVER, Children
from mediaos_migrate.drill.disasters import edit, lose
from mediaos_migrate.drill.model import Model, Said, Write
from mediaos_migrate.drill.play import Copy, Play
from mediaos_migrate.drill.result import Act, Drill
from mediaos_migrate.report import SILENT
from mediaos_migrate.show import worst_day
from mediaos_migrate.stages import Stage

VALIDATOR = Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
CANARY = "c4n4ry"
ACTS = {
    "Write",
    "Migrate",
    "Advance to complete",
    "Full disk: migrate",
    "Full disk: write",
    "Foreign edit",
    "Torn file",
    "Locked database",
    "Lost database",
    "Restore",
    "Rollback",
    "Kill -9: migrate",
    "Kill -9: write",
    "Kill -9: advance to live",
    "Kill -9: restore",
    "Kill -9: rollback",
}


def whole(folder: Path) -> dict[str, tuple[int, str]]:
    """Return all that can be told of a folder from outside: times and bytes."""
    return {
        str(path.relative_to(folder)): (
            path.stat().st_mtime_ns,
            sha256(path.read_bytes() if path.is_file() else b"").hexdigest(),
        )
        for path in [folder, *folder.rglob("*")]
    }


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """Play a quick drill on a site that is half on its way, once."""
    folder = tmp_path_factory.mktemp("drill")
    config = Path(shutil.copytree(FIXTURES / "shelf", folder / "config"))
    books = json.loads((config / "books.json").read_bytes())
    books["books"][0]["token"] = CANARY
    (config / "books.json").write_text(json.dumps(books), encoding="utf-8")
    for words in (["migrate"], ["stage", "advance", "authors", "--to", "live", "--policy", "ci"]):
        more = ["--host-reads-database"] if "stage" in words else []
        assert command(*words, *more, "--data", config, "--app", SHELF).code == 0
    before = whole(config)
    told = command("drill", "--quick", "--json", "--work", folder / "work", "--data", config, "--app", SHELF)
    return told, before, whole(config), list((folder / "work").iterdir())


def test_nothing_is_lost_on_the_worst_day(played):
    told = played[0].json["drill"]
    assert (played[0].code, told["lost"], told["failed"]) == (0, [], [])
    assert {act["act"] for act in told["acts"]} >= ACTS
    assert {act["stage"] for act in told["acts"]} == {str(stage) for stage in Stage}
    assert told["kills"] == sum(act["kills"] for act in told["acts"]) > 10
    assert told["writes"] > 20


def test_a_drill_fits_the_schema(played):
    assert [error.message for error in VALIDATOR.iter_errors(played[0].json)] == []


def test_a_drill_leaves_the_site_exactly_as_it_was(played):
    assert played[1] == played[2]


def test_a_drill_leaves_no_copy_behind(played):
    assert played[3] == []


def test_a_drill_shows_no_secret(played):
    assert CANARY not in played[0].out + played[0].err


def test_a_quick_drill_names_the_steps_that_it_left_out(played):
    left = played[0].json["drill"]["left_out"]
    assert {"migrate", "rollback", "write at live"} <= left.keys()
    assert all(left.values())


@pytest.mark.parametrize("name", sorted(path.name for path in (FIXTURES / "broken").glob("*.json"))[:3])
def test_a_damaged_site_is_refused_as_a_migration_refuses_it(name, tmp_path):
    (tmp_path / "config").mkdir()
    shutil.copy(FIXTURES / "broken" / name, tmp_path / "config" / f"{name.partition('.')[0]}.json")
    here = ["--data", tmp_path / "config", "--json"]
    told, migrated = command("drill", "--work", tmp_path / "work", *here), command("migrate", *here)
    assert told.code == 4
    assert told.json["error"] == migrated.json["error"]


def test_a_folder_within_the_data_is_no_place_for_a_drill(site_folder):
    told = command("drill", "--work", site_folder / "work", "--data", site_folder)
    assert (told.code, told.err.splitlines()[0]) == (
        4,
        f"{site_folder / 'work'} lies in the data folder, which a drill leaves alone.",
    )
    assert not (site_folder / "work").exists()


def test_a_drill_begins_only_where_there_is_room_for_it(site_folder, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**6, 10**6 - 10, 10))
    told = command("drill", "--data", site_folder, "--json")
    assert (told.code, told.json["error"]["free"]) == (4, 10)


# ── a drill that finds something ──


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    data = Path(shutil.copytree(FIXTURES / "shelf", tmp_path_factory.mktemp("shelf") / "data"))
    assert command("migrate", "--data", data, "--app", SHELF).code == 0
    return data


@pytest.fixture
def play(shelf, tmp_path):
    """Set the stage: a shelf whose two homes are equal. Nobody is there yet to run anything."""
    with scratch.folder("drill", tmp_path) as folder:
        site = Site.open(shutil.copytree(shelf, folder / "data"), app=SHELF)
        files = Said.of(site.data, site.pack, {})
        model = Model(site.pack, {name: files.value(name) for name in files.files})
        yield Play(folder, Copy(site, model, Stage.OFF, in_step=True), None, Drill(0, 0, 1, quick=True), SILENT)


def lost(play: Play, *others: Model) -> list[str]:
    act = Act("Look", "off")
    play.check(act, play.main, *others)
    return act.lost


def test_what_is_equal_in_both_homes_is_found(play):
    assert lost(play) == []


def test_a_record_that_is_gone_from_the_table_is_lost(play):
    with closing(sqlite3.connect(play.main.site.db, isolation_level=None)) as connection:
        connection.execute("DELETE FROM ratings WHERE rowid = (SELECT min(rowid) FROM ratings)")
    [found] = lost(play)
    assert found.startswith("ratings: ")
    assert found.endswith(" in the table")


def test_a_record_that_another_one_took_the_place_of_is_lost(play):
    with closing(sqlite3.connect(play.main.site.db, isolation_level=None)) as connection:
        key = connection.execute("SELECT id FROM authors ORDER BY id LIMIT 1").fetchone()[0]
        connection.execute("UPDATE authors SET name = 'Somebody Else' WHERE id = ?", [key])
    assert lost(play) == [f"authors: {key} in the table", f"authors: {key} (not asked for) in the table"]


def test_a_file_that_lost_a_record_is_found_out(play):
    document = play.main.site.pack.document("authors")
    key = next(iter(play.main.model.documents["authors"]))
    kept = {name: value for name, value in play.main.model.documents["authors"].items() if name != key}
    play.main.site.file(document).write_text(json.dumps(kept), encoding="utf-8")
    assert lost(play) == [f"authors: {key} in the file"]


def test_a_write_that_was_acknowledged_and_is_in_one_home_only_is_lost(play):
    document = play.main.site.pack.document("authors")
    edit(play.main, document, Write("authors", "new", {"id": "new", "name": "New"}))
    assert lost(play) == ["authors: new in the table"]


def test_what_was_on_its_way_may_be_there_or_not_but_not_in_one_home_only(play):
    write = Write("authors", "new", {"id": "new", "name": "New"})
    assert lost(play, play.main.model.having(write)) == []
    before = play.main.model
    edit(play.main, play.main.site.pack.document("authors"), write)
    after, play.main.model = play.main.model, before
    assert lost(play, after) != []


def test_a_database_that_is_gone_is_no_proof(play):
    lose(play.main)
    with play.act("Look", Stage.OFF) as act:
        play.check(act, play.main)
    assert (play.drill.exit_code, act.word) == (5, "FAILED")


def test_only_what_the_writer_said_was_written_counts_as_acknowledged(play):
    before = play.main.model.count
    with Children(play.folder / SERVER, play.main.site) as play.children:
        ended, groups = play.write(play.main)
    assert len(ended.acknowledged(groups)) == play.main.model.count - before == 3


def test_what_a_drill_starts_takes_no_more_memory_than_was_granted_to_the_drill(play):
    site = play.main.site
    with granting(Budget(10**6)), Children(play.folder / SERVER, site) as children:
        ended = children.run(site, "validate")
    assert (ended.code, "1000000 of memory is too little to work with" in ended.said) == (2, True)


def test_a_drill_refuses_a_memory_that_is_too_little_to_work_with(tmp_path):
    told = command("drill", "--max-memory", "1M", "--data", tmp_path)
    assert (told.code, "1M of memory is too little to work with" in told.err) == (2, True)


def test_a_drill_that_lost_something_ends_with_three():
    told = Drill(1, 1, 1, quick=True)
    told.acts += [Act("One", "off", failed=["x"]), Act("Two", "live", lost=["library: y in the file"])]
    assert (told.exit_code, told.lost) == (3, ["Two at live: library: y in the file"])


def test_a_page_names_what_was_lost_and_what_was_left_out(site_folder):
    told = Drill(15, 90, 1, quick=True, left_out={"migrate": ["done"]})
    told.acts += [Act("One", "off", ["fine"]), Act("Two", "live", ["<b>not</b> so"], lost=["library: y in the file"])]
    page = "\n".join(worst_day.drilled(told, Site.open(site_folder)))
    assert '<h1 class="differs">Something was LOST' in page
    assert "LOST: Two at live: library: y in the file" in page
    assert "&lt;b&gt;not&lt;/b&gt; so" in page
    assert "migrate: done" in page


def test_a_page_tells_why_there_was_no_drill(tmp_path):
    told = command("drill", "--format", "html", "--data", tmp_path / "nowhere")
    assert told.code == 4
    assert '<h1 class="unsure">There was no drill</h1>' in told.out


def test_a_page_is_never_written_into_the_data(site_folder):
    told = command("drill", "--report", site_folder / "page.html", "--data", site_folder)
    assert (told.code, (site_folder / "page.html").exists()) == (4, False)


def test_a_copy_that_a_killed_drill_left_is_removed_by_the_next_run(tmp_path):
    words = [sys.executable, "-m", "mediaos_migrate", "drill", "--quick", "--work", tmp_path, "--app", SHELF]
    process = subprocess.Popen(
        [*map(str, words), "--data", FIXTURES / "shelf"],
        env=clean_environment(),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    assert process.stderr
    for line in process.stderr:
        if line.startswith("migrate at off"):
            break
    [left] = tmp_path.iterdir()
    assert left.stat().st_mode & 0o777 == 0o700
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stderr.close()
    while left.exists():  # as soon as the last process of the drill has ended
        with scratch.folder("look", tmp_path):
            pass


def test_two_values_are_one_to_the_app_whatever_their_spelling():
    pack = Site.open(FIXTURES / "shelf", app=SHELF).pack
    said = Said({"ratings": b'{"a": 1.0, "b": 1e2}'}, {})
    assert Model(pack, {"ratings": {"b": 100, "a": 1}}).lost(said) == []
    assert Model(pack, {"ratings": {"b": 100, "a": True}}).lost(said) != []
