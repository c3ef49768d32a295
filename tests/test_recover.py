"""A database that is lost, damaged or old is made anew from what keeps most, after the price was named."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from fault_moves import POLICY, files_alone, must
from inside import SHELF, command

from mediaos_migrate import Site
from mediaos_migrate.engines import salvage
from mediaos_migrate.errors import CouldNotCheck
from mediaos_migrate.ledger import OURS
from mediaos_migrate.library import mirror
from mediaos_migrate.stages import Stage

STAGES = list(Stage)[1:]
EVERYBODY = ["ann", "bob", "cid", "new", "later"]


def library(folder: Path) -> Site:
    return Site.open(folder, app=SHELF)


def keys(folder: Path) -> list[str]:
    with library(folder) as site:
        return [key for key, _ in site.repository("authors").items()]


def say(folder: Path, *words: object) -> dict:
    """Ask for JSON."""
    return command(*words, "--json", "--data", folder, "--app", SHELF).json


def ways(told: dict) -> dict:
    return {option["from"]: option for option in told["options"]}


def share(option: dict, name: str = "authors") -> tuple:
    found = next(each for each in option["documents"] if each["document"] == name)
    return found["home"], found["lost"]


@pytest.fixture(scope="module")
def templates(tmp_path_factory):
    """Sites at each stage, written before and after a backup; `old.db` is the database in between."""
    made = {}

    def template(stage: Stage) -> Path:
        if stage not in made:
            folder = made[stage] = tmp_path_factory.mktemp("recover") / "data"
            files_alone(folder)
            must(folder, "migrate")
            must(folder, "stage", "advance", "authors", "ratings", "--to", stage, *POLICY)
            write(folder, "new")
            with closing(sqlite3.connect(folder / "mediaos.db", isolation_level=None)) as connection:
                connection.execute("CREATE TABLE own (x)")
                connection.execute("INSERT INTO own VALUES (1)")
            must(folder, "backup", "create")
            shutil.copy(folder / "mediaos.db", folder / "old.db")
            write(folder, "later")
        return made[stage]

    return template


def write(folder: Path, name: str) -> None:
    with library(folder) as site:
        site.repository("authors").put({"id": name, "name": name.title()})


@pytest.fixture
def at(templates, tmp_path):
    return lambda stage: Path(shutil.copytree(templates(stage), tmp_path / "data"))


def lose(folder: Path) -> None:
    (folder / "mediaos.db").unlink()


def cut(folder: Path) -> None:
    path = folder / "mediaos.db"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def overwrite(folder: Path) -> None:
    (folder / "mediaos.db").write_bytes(b"no database" * 500)


def empty(folder: Path) -> None:
    (folder / "mediaos.db").write_bytes(b"")


def age(folder: Path) -> None:
    shutil.copy(folder / "old.db", folder / "mediaos.db")


DAMAGES = [lose, cut, overwrite, empty, age]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("stage", STAGES, ids=str)
def test_nothing_is_changed_before_a_person_has_chosen(at, stage, damage):
    folder = at(stage)
    damage(folder)
    before = {path: path.read_bytes() for path in folder.glob("*.*") if path.is_file()}
    told = say(folder, "recover")
    assert (told["exit_code"], told["chosen"], told["recommended"] is None) == (7, None, False)
    assert set(ways(told)) == {"files", "backup", "salvage"}
    assert {path: path.read_bytes() for path in folder.glob("*.*") if path.is_file()} == before


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("stage", STAGES[:-1], ids=str)
def test_what_has_a_file_is_never_lost(at, stage, damage):
    folder = at(stage)
    damage(folder)
    way = say(folder, "recover")["recommended"]
    done = say(folder, "recover", "--from", way, "--yes")
    assert (done["exit_code"], done["chosen"]) == (0, way)
    assert keys(folder) == EVERYBODY
    assert say(folder, "validate")["exit_code"] == 0
    assert {s["stage"] for s in say(folder, "stage", "show", "authors", "ratings")["stages"]} == {stage}
    assert say(folder, "recover")["condition"] is None


@pytest.mark.parametrize("way", ["files", "backup", "salvage"])
def test_the_price_of_each_way_is_what_it_loses(at, way):
    folder = at(Stage.COMPLETE)
    cut(folder)
    option = ways(say(folder, "recover"))[way]
    assert share(option) == {"files": ("file", 2), "backup": ("table", None), "salvage": ("table", 0)}[way]
    assert option["only_in_database"] == ({} if way == "backup" else {"own": 1})  # it stood where the file was cut
    assert command("recover", "--from", way, "--yes", "--data", folder, "--app", SHELF).code == 0
    assert keys(folder) == {"files": EVERYBODY[:3], "backup": EVERYBODY[:4], "salvage": EVERYBODY}[way]


def test_an_old_copy_of_the_database_is_refused_by_every_command(at):
    folder = at(Stage.COMPLETE)
    age(folder)
    for words in (["status"], ["validate"], ["migrate"], ["mirror", "flush"], ["rollback", "--yes"]):
        told = command(*words, "--data", folder, "--app", SHELF)
        assert (told.code, "older than these files" in told.err, "mediaos-migrate recover" in told.err) == (
            7,
            True,
            True,
        )


def test_the_bytes_of_what_was_there_are_kept(at):
    folder = at(Stage.LIVE)
    cut(folder)
    before = (folder / "mediaos.db").read_bytes()
    done = say(folder, "recover", "--from", "salvage", "--yes")
    assert (folder / ".mediaos-migrate" / done["kept"]).read_bytes() == before


def test_what_the_files_lack_is_salvaged_and_written_to_them(at, monkeypatch):
    monkeypatch.setattr(mirror, "QUIET", 3600.0)
    folder = at(Stage.LIVE)
    with library(folder) as site:
        site.repository("authors").put({"id": "owed", "name": "Owed"})
        site._mirror.stop = lambda: None
    with closing(sqlite3.connect(folder / "mediaos.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    cut(folder)
    told = ways(say(folder, "recover"))
    assert (share(told["salvage"]), share(told["files"])) == (("table", 0), ("file", 1))
    assert say(folder, "recover", "--from", "salvage", "--yes")["exit_code"] == 0
    assert "owed" in json.loads((folder / "authors.json").read_bytes())


def test_a_way_that_is_none_is_refused(at):
    folder = at(Stage.LIVE)
    overwrite(folder)
    told = command("recover", "--from", "salvage", "--yes", "--data", folder, "--app", SHELF)
    assert (told.code, "no way by salvage" in told.err) == (4, True)
    assert (folder / "mediaos.db").read_bytes().startswith(b"no database")


def test_a_database_that_is_put_back_later_is_noticed(at):
    folder = at(Stage.LIVE)
    whole = (folder / "mediaos.db").read_bytes()
    lose(folder)
    assert say(folder, "recover", "--from", "files", "--yes")["exit_code"] == 0
    (folder / "mediaos.db").write_bytes(whole)
    assert say(folder, "recover")["condition"] == "The database is of another site than these files"


@pytest.mark.parametrize("damage", [lose, cut])
def test_the_copy_of_a_believed_file_is_taken_rather_than_an_older_table(tmp_path, damage):
    folder = tmp_path / "data"
    files_alone(folder)
    must(folder, "migrate")
    write(folder, "new")  # into the file alone
    must(folder, "backup", "create")
    damage(folder)
    (folder / "authors.json").unlink()
    told = say(folder, "recover")
    for way in ("files", "backup", *(["salvage"] if damage is cut else [])):
        assert share(ways(told)[way])[0] == "copy"
    must(folder, "recover", "--from", told["recommended"], "--yes")
    assert keys(folder) == EVERYBODY[:4]


def test_nothing_is_recovered_where_nothing_was(tmp_path):
    files_alone(tmp_path / "data")
    assert say(tmp_path / "data", "recover")["error"]["type"] == "CouldNotCheck"


@pytest.mark.parametrize("seed", range(4))
def test_salvage_reads_around_pages_that_are_broken(tmp_path, seed):
    path, count = tmp_path / "torn.db", 4000
    with closing(sqlite3.connect(path, isolation_level=None)) as made:
        made.executescript("CREATE TABLE t (id TEXT PRIMARY KEY, x TEXT); CREATE INDEX i ON t (x); BEGIN;")
        made.executemany("INSERT INTO t VALUES (?, ?)", [(f"k{n}", "x" * 60) for n in range(count)])
        made.execute("COMMIT")
        leaves = [
            row[0]
            for row in made.execute("SELECT pageno FROM dbstat WHERE name = 't' AND pagetype = 'leaf' ORDER BY 1")
        ]
    broken = leaves[seed :: len(leaves) // 2][:2]
    data = bytearray(path.read_bytes())
    for page in broken:
        data[(page - 1) * 4096 : page * 4096] = bytes([seed * 80]) * 4096
    path.write_bytes(data)
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(":memory:", isolation_level=None)) as target:
        lost = salvage.rebuild(source, target)
        kept = target.execute("SELECT count(*) FROM t").fetchone()[0]
        assert lost == {"t": count - kept}
        assert count - 200 <= kept < count
        assert target.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


# ── our own tables are gone ──

ASKING = [
    ["status"],
    ["health"],
    ["validate"],
    ["validate", "--record"],
    ["stage", "show"],
    ["stage", "advance", *POLICY],
    ["mirror", "flush"],
    ["quarantine", "list"],
    ["backup", "create"],
    ["schema", "up"],
    ["migrate"],
]


@pytest.mark.parametrize("table", [name for name in OURS if name != "_mm_site"])
def test_a_database_that_lost_a_table_of_ours_is_refused_and_can_be_recovered(at, table):
    folder = at(Stage.LIVE)
    with library(folder) as site:
        site.flush()
    held = [each["pointer"] for each in say(folder, "quarantine", "list")["quarantine"]]
    before = {path.name: path.read_bytes() for path in folder.glob("*.json")}
    with closing(sqlite3.connect(folder / "mediaos.db", isolation_level=None)) as connection:
        connection.execute(f"DROP TABLE {table}")
    for words in ASKING if table in ("_mm_evidence", "_mm_quarantine") else ASKING[:3]:
        told = command(*words, "--data", folder, "--app", SHELF)
        assert (told.code, f"lost what we noted in it: {table}" in told.err, "recover" in told.err) == (5, True, True)
    with pytest.raises(CouldNotCheck, match=table), library(folder) as site:
        site.repository("authors").list()
    must(folder, "recover", "--from", "files" if table == "_mm_migrations" else "salvage", "--yes")
    assert {path.name: path.read_bytes() for path in folder.glob("*.json")} == before
    assert command("validate", "--data", folder, "--app", SHELF).code == 0
    assert [each["pointer"] for each in say(folder, "quarantine", "list")["quarantine"]] == held
