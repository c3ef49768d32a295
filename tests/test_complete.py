"""At the last stage the table alone is believed: the files stay as they were, or go, and the way back stays proved."""

import json
import shutil
from pathlib import Path

import pytest
from conftest import FIXTURES, KEY
from inside import command

from mediaos_migrate import Site
from mediaos_migrate.files import TEMPORARY
from mediaos_migrate.moves import fences


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Path:
    folder = Path(shutil.copytree(FIXTURES / "mediaos", tmp_path_factory.mktemp("complete") / "data"))
    assert command("migrate", "--data", folder, key=KEY).code == 0
    words = ["--to", "rampdown", "--policy", "ci", "--host-reads-database"]
    assert command("stage", "advance", "--data", folder, *words, key=KEY).code == 0
    return folder


@pytest.fixture(params=[(), ("--retire-files",), ("--fence",)], ids=["kept", "retired", "fenced"])
def data(request, template, tmp_path) -> Path:
    folder = Path(shutil.copytree(template, tmp_path / "data"))
    complete(folder, *request.param)
    return folder


def complete(folder: Path, *how: str) -> None:
    words = ["--policy", "ci", "--host-reads-database", "--data", folder]
    assert command("stage", "advance", "library", *how, *words, key=KEY).code == 0


def validate(folder: Path, *words: str):
    return command("validate", "--data", folder, "--json", *words, key=KEY)


def write(folder: Path) -> None:
    with Site.open(folder) as site:
        site.repository("library").add({"id": "new", "kind": "movie", "title": "New"})


def test_what_is_written_later_is_no_difference(data):
    write(data)
    found = validate(data)
    assert found.code == 0
    assert found.document("library")["state"] == "complete"
    assert found.document("library")["compared"] > 20


def test_every_command_still_works(data):
    write(data)
    for words in (["status"], ["doctor"], ["rehearse"], ["migrate"], ["validate", "--record"], ["stage", "price"]):
        assert command(*words, "--data", data, key=KEY).code == 0, words


def test_going_back_gives_the_files_with_everything_written_since(data):
    write(data)
    assert command("stage", "retreat", "--to", "off", "--data", data, key=KEY).code == 0
    items = json.loads((data / "library.json").read_text(encoding="utf-8"))["items"]
    assert items[-1]["id"] == "new"
    assert validate(data).code == 0


def test_files_stay_in_place_unless_they_are_retired(template, tmp_path):
    for how, there in ((), "file"), (("--retire-files",), None), (("--fence",), "folder"):
        folder = Path(shutil.copytree(template, tmp_path / f"case{there}"))
        before = (folder / "library.json").read_bytes()
        complete(folder, *how)
        path = folder / "library.json"
        assert ("file" if path.is_file() else "folder" if path.is_dir() else None) == there
        assert any(
            copy.read_bytes() == before for copy in (folder / ".mediaos-migrate" / "backups").rglob("library.json")
        )


def test_a_fence_stops_a_writer_even_if_it_is_root(template, tmp_path):
    folder = Path(shutil.copytree(template, tmp_path / "data"))
    complete(folder, "--fence")
    with pytest.raises(IsADirectoryError):
        (folder / "library.json").write_text("{}")
    (tmp_path / "other").write_text("{}")
    with pytest.raises(IsADirectoryError):
        (tmp_path / "other").rename(folder / "library.json")


def test_a_fence_that_was_torn_down_is_found_and_set_up_again(template, tmp_path):
    folder = Path(shutil.copytree(template, tmp_path / "data"))
    complete(folder, "--fence")
    shutil.rmtree(folder / "library.json")
    found = validate(folder, "library")
    assert (found.code, found.document("library")["changed"]) == (3, ["$fence"])
    words = ["repair", "library", "--yes", "--data", folder]
    assert command(*words, "--believe", "file", key=KEY).code == 4  # there is none
    assert command(*words, "--believe", "table", key=KEY).code == 0
    assert (folder / "library.json").is_dir()
    assert validate(folder, "library").code == 0


def test_a_fence_whose_sign_was_being_written_in_a_crash_is_ours(template, tmp_path):
    folder = Path(shutil.copytree(template, tmp_path / "data"))
    complete(folder, "--fence")
    sign = folder / "library.json" / fences.SIGN
    sign.rename(sign.with_name(f".{sign.name}{TEMPORARY}"))
    assert command("rollback", "--yes", "--data", folder, key=KEY).code == 0
    assert (folder / "library.json").is_file()


def test_a_file_that_somebody_wrote_meanwhile_is_found_and_settled_either_way(template, tmp_path):
    for believe, title in ("file", "By an old program"), ("table", None):
        folder = Path(shutil.copytree(template, tmp_path / believe))
        complete(folder)
        value = json.loads((folder / "library.json").read_text(encoding="utf-8"))
        first, before = value["items"][0]["id"], value["items"][0]["title"]
        value["items"][0]["title"] = "By an old program"
        (folder / "library.json").write_text(json.dumps(value), encoding="utf-8")
        found = validate(folder, "library")
        assert (found.code, found.document("library")["changed"]) == (3, ["$file"])
        assert command("repair", "library", "--believe", believe, "--yes", "--data", folder, key=KEY).code == 0
        with Site.open(folder) as site:
            assert site.repository("library").get(first)["title"] == (title or before)
        assert validate(folder, "library").code == 0


def test_a_document_on_hold_moves_only_when_it_is_let_go(template, tmp_path):
    folder = Path(shutil.copytree(template, tmp_path / "data"))
    words = ["--policy", "ci", "--host-reads-database", "--data", folder]
    assert command("stage", "retreat", "wanted", "--hold", "--why", "it was slow", "--data", folder, key=KEY).code == 0
    assert "it was slow" in command("stage", "why-not", "wanted", *words).out
    assert command("stage", "advance", "wanted", *words, key=KEY).code == 4
    assert command("stage", "advance", *words, key=KEY).code in (0, 4)  # all but that one
    stages = {s["document"]: s for s in command("stage", "show", "--json", "--data", folder).json["stages"]}
    assert stages["wanted"]["stage"] == "live"
    assert "it was slow" in stages["wanted"]["held"]
    assert command("stage", "advance", "wanted", "--no-hold", *words, key=KEY).code == 0
    assert command("stage", "show", "wanted", "--json", "--data", folder).json["stages"][0]["held"] is None
