"""While the table is believed, a foreign edit of its file is merged record by record, or blocks and loses nothing."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from inside import SHELF, command

from mediaos_migrate import Site
from mediaos_migrate.errors import NeedsPerson, NotOurs

KEYS = [f"k{n:02d}" for n in range(12)]
EXTRA = ["x1", "x2"]  # keys that only come to be


def film(key: str, title: str) -> dict[str, str]:
    return {"id": key, "kind": "movie", "title": f"{title} {key}"}


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("merge") / "data"
    folder.mkdir()
    items = [film(key, "base") for key in KEYS]
    (folder / "library.json").write_text(json.dumps({"items": items}, indent=2), encoding="utf-8")
    assert command("migrate", "--data", folder).code == 0
    words = ["--to", "live", "--policy", "ci", "--host-reads-database"]
    assert command("stage", "advance", "library", *words, "--data", folder).code == 0
    return folder


edits = st.dictionaries(
    st.sampled_from(KEYS + EXTRA), st.sampled_from(["ours", "theirs", None]), min_size=1, max_size=4
)


def edited(edits: dict[str, str | None]) -> dict[str, str | None]:
    """Return every key with its title (None: not there) after edits of the base."""
    return dict.fromkeys(KEYS, "base") | dict.fromkeys(EXTRA) | edits


def edit_file(folder: Path, wanted: dict[str, str | None]) -> None:
    path = folder / "library.json"
    items = {item["id"]: item for item in json.loads(path.read_text(encoding="utf-8"))["items"]}
    for key, title in wanted.items():
        items.pop(key, None) if title is None else items.update({key: film(key, title)})
    path.write_text(json.dumps({"items": list(items.values())}, indent=4), encoding="utf-8")


def edit_table(site: Site, wanted: dict[str, str | None]) -> None:
    library = site.repository("library")
    for key, title in wanted.items():
        if title is not None:
            library.put(film(key, title))
        elif library.exists(key):
            library.remove(key)


def in_file(folder: Path) -> dict[str, str]:
    items = json.loads((folder / "library.json").read_text(encoding="utf-8"))["items"]
    return {item["id"]: item["title"] for item in items}


def titles(state: dict[str, str | None]) -> dict[str, str]:
    return {key: f"{title} {key}" for key, title in state.items() if title is not None}


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(ours=edits, theirs=edits)
def test_a_merge_is_what_a_three_way_merge_of_each_record_gives(template, tmp_path_factory, ours, theirs):
    folder = Path(shutil.copytree(template, tmp_path_factory.mktemp("case") / "data"))
    base, mine, other = edited({}), edited(ours), edited(theirs)
    torn = [key for key in base if mine[key] != base[key] != other[key] != mine[key]]
    with Site.open(folder) as site:
        edit_table(site, ours)
        edit_file(folder, theirs)
        foreign, order = (folder / "library.json").read_bytes(), list(in_file(folder))
        if torn:
            with pytest.raises(NeedsPerson):
                site.flush()
        else:
            site.flush()
        found = {item["id"]: item["title"] for item in site.repository("library").list()}
    if torn:
        assert found == titles(mine)
        assert (folder / "library.json").read_bytes() == foreign
        assert command("repair", "--believe", "table", "--yes", "--data", folder).code == 0
        assert in_file(folder) == titles(mine)
    else:
        merged = {key: mine[key] if mine[key] != base[key] else other[key] for key in base}
        assert found == in_file(folder) == titles(merged)
        order += [key for key in ours if key not in order]  # ours come last
        assert list(found) == list(in_file(folder)) == [key for key in order if key in found]
    assert command("validate", "--data", folder).code == 0


@pytest.fixture(scope="module")
def tags(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("merge") / "tags"
    folder.mkdir()
    (folder / "tags.json").write_text(json.dumps(LISTS))
    options = ["--data", folder, "--app", SHELF]
    assert command("migrate", *options).code == 0
    words = ["--to", "live", "--policy", "ci", "--host-reads-database"]
    assert command("stage", "advance", "tags", *words, *options).code == 0
    return folder


LISTS = {"a": ["1", "2", "3"], "b": ["1"], "c": [], "d": ["1", "2"]}
places = st.tuples(st.sampled_from("abcde"), st.sampled_from("123"))
inserts = st.lists(st.tuples(st.sampled_from("abcdf"), st.integers(0, 3)), max_size=3)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(ours=st.lists(places, min_size=1, max_size=5, unique=True), theirs=inserts, gone=places)
def test_what_both_sides_add_to_a_list_stands_where_the_file_has_it_and_ours_behind(
    tags, tmp_path_factory, ours, theirs, gone
):
    folder = Path(shutil.copytree(tags, tmp_path_factory.mktemp("case") / "data"))
    removed = [(name, tag) for name, tag in ours if tag in LISTS.get(name, [])]
    added = [(name, f"our {tag}") for name, tag in ours if (name, tag) not in removed]
    file = {name: [tag for tag in items if (name, tag) != gone] for name, items in LISTS.items()}
    for number, (name, at) in enumerate(theirs):
        file.setdefault(name, []).insert(at, f"their {number}")
    with Site.open(folder, app=SHELF) as site:
        site.wake = lambda _: None
        for key in removed:
            site.repository("tags").remove(key)
        for key in added:
            site.repository("tags").add(key[1], key=key)
        (folder / "tags.json").write_text(json.dumps(file))
        site.flush()
        keys = [key for key, _ in site.repository("tags").items()]
    wanted = {name: [tag for tag in items if (name, tag) not in removed] for name, items in file.items()}
    for name, tag in added:
        wanted.setdefault(name, []).append(tag)
    found = json.loads((folder / "tags.json").read_text())
    assert found == wanted
    assert [(name, tag) for name, items in found.items() for tag in items] == keys
    assert command("validate", "--data", folder, "--app", SHELF).code == 0


def test_a_foreign_edit_keeps_a_copy_and_begins_a_new_epoch(template, tmp_path):
    folder = Path(shutil.copytree(template, tmp_path / "data"))
    before = command("evidence", "list", "library", "--data", folder, "--json").json["evidence"][-1]["epoch"]
    edit_file(folder, {"k01": "theirs"})
    foreign = (folder / "library.json").read_bytes()
    with Site.open(folder) as site:
        site.repository("library").put(film("k02", "ours"))
        site.flush()
    [copy] = (folder / ".mediaos-migrate" / "conflicts").iterdir()
    assert copy.read_bytes() == foreign
    assert command("validate", "--record", "--data", folder).code == 0
    assert command("evidence", "list", "library", "--data", folder, "--json").json["evidence"][-1]["epoch"] > before


def test_status_names_what_settles_a_document_that_is_blocked(template, tmp_path):
    folder = Path(shutil.copytree(template, tmp_path / "data"))
    with Site.open(folder) as site:
        site.repository("library").put(film("k01", "ours"))
        edit_file(folder, {"k01": "theirs"})
        with pytest.raises(NeedsPerson):
            site.flush()
    step = command("status", "--data", folder, "--json").json["next"]
    assert "validate library" in step
    assert "repair --believe table library" in step
    assert command("repair", "--believe", "table", "library", "--yes", "--data", folder).code == 0
    assert "repair" not in command("status", "--data", folder, "--json").json["next"]


@pytest.mark.parametrize("words", [["mirror", "flush"], ["search", "build"], ["repair", "--believe", "file", "--yes"]])
def test_a_lost_database_is_no_reason_to_migrate_again(template, tmp_path, words):
    folder = Path(shutil.copytree(template, tmp_path / "data"))
    for path in folder.glob("mediaos.db*"):
        path.unlink()
    before = sorted(folder.rglob("*"))
    said = command(*words, "--data", folder)
    assert said.code == 7
    assert "recover" in said.err
    assert sorted(folder.rglob("*")) == before


def test_an_app_changes_no_byte_of_somebody_else_s_database(template, tmp_path):
    folder = Path(shutil.copytree(template, tmp_path / "data", ignore=shutil.ignore_patterns("mediaos.db*")))
    foreign = folder / "mediaos.db"
    with closing(sqlite3.connect(foreign)) as connection:
        connection.execute("CREATE TABLE theirs (a)")
    before = foreign.read_bytes(), sorted(folder.iterdir())
    with Site.open(folder) as site, pytest.raises(NotOurs):
        site.repository("library").count()
    assert (foreign.read_bytes(), sorted(folder.iterdir())) == before
