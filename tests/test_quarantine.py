"""What is in quarantine stays where it stands in the file, and becomes a record when its key is free."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from inside import command

from mediaos_migrate import Site
from mediaos_migrate.stages import Stage

FOLLOWED = [stage for stage in Stage if stage not in (Stage.OFF, Stage.COMPLETE)]


def film(number: int, **more: object) -> dict[str, object]:
    return {"id": f"film{number:03d}", "kind": "movie", "title": f"Film {number}", **more}


@pytest.fixture(params=FOLLOWED, ids=str)
def data(tmp_path, request) -> Path:
    """Make a library with a record without a key, and one whose key another has, at each stage that has both homes."""
    folder = tmp_path / "data"
    folder.mkdir()
    items = [film(n) for n in range(30)]
    items.insert(10, {"kind": "movie", "title": "nameless"})
    items.insert(20, film(3, title="The twin"))
    (folder / "library.json").write_text(json.dumps({"items": items}, indent=2), encoding="utf-8")
    assert command("migrate", "--data", folder).code == 0
    stage = ["--to", str(request.param), "--policy", "ci", "--host-reads-database"]
    assert command("stage", "advance", "library", *stage, "--data", folder).code == 0
    return folder


def change(folder: Path, *removed: str, add: bool = False) -> None:
    with Site.open(folder) as site:
        library = site.repository("library")
        for key in removed:
            library.remove(key)
        if add:
            library.add(film(99))
        site.flush()


def equal(folder: Path) -> dict:
    """Return what the file says of itself, after both homes were found equal and the debts paid."""
    found = command("validate", "library", "--data", folder, "--json")
    assert found.code == 0, found.json
    return json.loads((folder / "library.json").read_text(encoding="utf-8"))


def held(folder: Path) -> list[dict]:
    return command("quarantine", "list", "library", "--data", folder, "--json").json["quarantine"]


def test_quarantined_records_keep_their_places_when_others_come_and_go(data):
    change(data, "film001", "film015", add=True)
    items = equal(data)["items"]
    assert len(items) == 31
    assert items[-1]["id"] == "film099"
    assert [item["pointer"] for item in held(data)] == ["/items/9", "/items/18"]
    raw = (data / "library.json").read_bytes()
    for item in held(data):
        assert raw[item["offset"] :].startswith(b"{")
        assert json.JSONDecoder().raw_decode(raw[item["offset"] :].decode())[0] == items[int(item["pointer"][7:])]


def test_a_twin_takes_the_key_that_became_free(data):
    change(data, "film003")
    with Site.open(data) as site:
        assert site.repository("library").get("film003")["title"] == "The twin"
    assert [item["pointer"] for item in held(data)] == ["/items/9"]
    assert [item.get("id") for item in equal(data)["items"]].count("film003") == 1


def test_both_twins_can_be_removed(data):
    change(data, "film003", "film003")
    assert "film003" not in [item.get("id") for item in equal(data)["items"]]


def test_a_new_record_comes_after_a_quarantined_last_one(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "library.json").write_text(json.dumps({"items": [film(1), {"title": "nameless"}]}), encoding="utf-8")
    assert command("migrate", "--data", folder).code == 0
    assert command("stage", "advance", "library", "--data", folder, "--policy", "ci").code == 0
    change(folder, add=True)
    assert [item.get("id") for item in equal(folder)["items"]] == ["film001", None, "film099"]


def test_requeue_leaves_what_still_has_no_key(data):
    found = command("quarantine", "requeue", "--data", data, "--json")
    assert found.json["requeued"] == [{"document": "library", "before": 2, "after": 2}]
    equal(data)


def test_requeue_makes_a_row_of_a_record_whose_key_another_client_freed(data):
    """A client that knows nothing of us deletes the row; where the table is believed, the twin may take its place."""
    with closing(sqlite3.connect(data / "mediaos.db", isolation_level=None)) as connection:
        connection.execute("DELETE FROM library_items WHERE id = 'film003'")
    believed = command("stage", "show", "library", "--data", data, "--json").json["stages"][0]["stage"]
    found = command("quarantine", "requeue", "library", "--data", data, "--json")
    assert found.code == 0
    if believed in ("live", "rampdown"):
        assert found.json["requeued"][0]["after"] == 1
        assert command("mirror", "flush", "--data", data).code == 0
    equal(data)


def test_an_empty_quarantine_is_nothing_to_requeue(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "library.json").write_text(json.dumps({"items": [film(1)]}), encoding="utf-8")
    assert command("migrate", "--data", folder).code == 0
    assert command("quarantine", "requeue", "--data", folder, "--json").json["requeued"] == []
