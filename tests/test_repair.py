"""A repair makes the home that is not believed say what the other says, and proves it."""

import json
import sqlite3
from contextlib import closing

import pytest
from inside import command

from mediaos_migrate import Site
from mediaos_migrate.errors import NeedsPerson


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    items = [{"id": f"f{n:03d}", "kind": "movie", "title": f"Film {n}"} for n in range(30)]
    (folder / "library.json").write_text(json.dumps({"items": items}, indent=2))
    assert command("migrate", "--data", folder).code == 0
    with closing(sqlite3.connect(folder / "mediaos.db", isolation_level=None)) as connection:
        connection.execute("UPDATE library_items SET title = 'Another' WHERE id = 'f003'")
        connection.execute("DELETE FROM library_items WHERE id = 'f004'")
    return folder


def titles(folder):
    return [item["title"] for item in json.loads((folder / "library.json").read_text())["items"]]


def test_a_believed_file_mends_the_table(data):
    before = (data / "library.json").read_bytes()
    told = command("repair", "library", "--believe", "file", "--yes", "--data", data, "--json")
    assert (told.code, told.json["planned"][0]["changed"], told.json["planned"][0]["missing"]) == (
        0,
        ["f003"],
        ["f004"],
    )
    assert ((data / "library.json").read_bytes(), command("validate", "--data", data).code) == (before, 0)


def test_a_believed_table_mends_the_file_and_the_old_one_is_kept(data):
    before = (data / "library.json").read_bytes()
    assert command("repair", "--believe", "table", "--yes", "--data", data).code == 0
    assert (titles(data)[3], len(titles(data)), command("validate", "--data", data).code) == ("Another", 29, 0)
    copies = list((data / ".mediaos-migrate" / "backups").glob("*/library.json"))
    assert before in [copy.read_bytes() for copy in copies]


def test_nothing_is_repaired_before_somebody_has_said_yes(data):
    told = command("repair", "--believe", "file", "--data", data)
    assert (told.code, "Pass --yes" in told.err, command("validate", "--data", data).code) == (2, True, 3)


def test_equal_homes_need_no_repair(data):
    command("migrate", "--data", data)
    told = command("repair", "--believe", "table", "--data", data)
    assert (told.code, "Nothing to do" in told.out) == (0, True)


@pytest.mark.parametrize("believe", ["file", "table"])
def test_a_blocked_document_is_settled_either_way(data, believe):
    command("migrate", "--data", data)
    words = ["--to", "live", "--policy", "ci", "--host-reads-database", "--data", data]
    assert command("stage", "advance", "library", *words).code == 0
    value = json.loads((data / "library.json").read_text())
    value["items"][0]["title"] = "By the app"
    (data / "library.json").write_text(json.dumps(value))
    with Site.open(data=data) as site:
        site.repository("library").update("f000", {"title": "Ours"})
        with pytest.raises(NeedsPerson):
            site.flush()
    assert command("repair", "--believe", believe, "--yes", "--data", data).code == 0
    assert titles(data)[:2] == (["By the app" if believe == "file" else "Ours", "Film 1"])
    assert command("validate", "--data", data).code == 0
    told = command("stage", "show", "library", "--data", data, "--json").json["stages"][0]
    assert (told["stage"], told["blocked"], told["debts"]) == ("live", None, 0)


def test_a_file_that_lost_too_much_is_believed_only_when_that_is_said(data):
    (data / "library.json").write_text('{"items": []}')
    assert command("repair", "--believe", "file", "--yes", "--data", data).code == 4
    assert command("repair", "--believe", "table", "--yes", "--data", data).code == 0
    assert len(titles(data)) == 29
