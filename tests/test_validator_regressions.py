"""What once made a validation say clean, or a repair say settled, although it was not."""

import json
import shutil
import sqlite3
from contextlib import closing
from io import StringIO
from pathlib import Path

import pytest
from conftest import FIXTURES, KEY
from hypothesis import given
from hypothesis import strategies as st
from inside import command

from mediaos_migrate.differences import differences
from mediaos_migrate.moves import looks
from mediaos_migrate.report import CAP
from mediaos_migrate.values import canonical

leaves = st.none() | st.booleans() | st.integers(-1, 2) | st.sampled_from(["", "a", "__v"])
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "__v", "_"]), inner, max_size=2),
    max_leaves=6,
)


@given(values, values)
def test_values_that_differ_have_a_difference(left, right):
    assert bool(differences(left, right)) == (canonical(left) != canonical(right))


@pytest.mark.parametrize(("one", "other"), [([1, "a"], [True, "a"]), ([{"__v": 1}], [{"__v": 99}]), ([0], [False])])
def test_flags_and_private_names_in_lists_are_told_apart(one, other):
    assert differences(one, other)


@pytest.fixture
def data(tmp_path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    items = [{"id": f"f{n:02d}", "kind": "movie", "title": f"Film {n}", "tags": [True, 2]} for n in range(30)]
    (folder / "library.json").write_text(json.dumps({"items": items}), encoding="utf-8")
    assert command("migrate", "--data", folder).code == 0
    return folder


def test_a_flag_that_became_a_number_is_a_difference(data):
    text = (data / "library.json").read_text(encoding="utf-8")
    (data / "library.json").write_text(text.replace("true", "1", 1), encoding="utf-8")
    told = command("validate", "library", "--data", data, "--json")
    assert (told.code, told.document("library")["changed"]) == (3, ["f00"])


def test_what_only_the_second_look_sees_is_not_clean(data, monkeypatch):
    """Between two looks the app takes one change back and makes another, beside the records."""
    path = data / "library.json"
    good = path.read_text(encoding="utf-8")
    real, seen = looks.look_once, []

    def look_once(*arguments, **named):
        found = real(*arguments, **named)
        seen.append(found)
        if len(seen) == 1:
            path.write_text(good.replace('{"items"', '{"schemaVersion": 2, "items"', 1), encoding="utf-8")
        return found

    path.write_text(good.replace("Film 7", "Film seven", 1), encoding="utf-8")
    monkeypatch.setattr(looks, "look_once", look_once)
    assert command("validate", "library", "--data", data).code in (3, 5)


def test_a_repair_that_could_not_compare_does_not_say_settled(tmp_path):
    folder = Path(shutil.copytree(FIXTURES / "mediaos", tmp_path / "data"))
    assert command("migrate", "--data", folder, key=KEY).code == 0
    path = folder / "indexers.json"
    value = json.loads(path.read_text(encoding="utf-8"))
    value["indexers"][0]["apiKey"] = "another-plain-key"
    path.write_text(json.dumps(value), encoding="utf-8")
    told = command("repair", "indexers", "--believe", "file", "--yes", "--data", folder)
    assert (told.code, "both homes say the same" in told.out) == (5, False)


def test_a_repair_refuses_all_before_it_settles_one(data):
    (data / "users.json").write_text("{", encoding="utf-8")
    with closing(sqlite3.connect(data / "mediaos.db", isolation_level=None)) as connection:
        connection.execute("UPDATE library_items SET title = 'spoilt' WHERE id = 'f01'")
    assert command("repair", "--believe", "file", "--yes", "--data", data).code == 4
    assert command("validate", "library", "--data", data).code == 3


@pytest.mark.parametrize("narrow", [["wanted"], ["--since-last"], ["wanted", "--record"]])
def test_a_rule_that_counts_is_held_against_the_document_it_refers_to(data, narrow):
    (data / "wanted.json").write_text(
        json.dumps({"items": [{"id": "nobody", "kind": "movie", "title": "Gone"}]}), encoding="utf-8"
    )
    assert command("migrate", "--data", data).code == 0
    full = command("validate", "--fail-on", "not-in-library", "--data", data).code
    assert command("validate", *narrow, "--fail-on", "not-in-library", "--data", data).code == full == 3


def test_half_of_twenty_records_is_too_much_to_lose(data):
    path = data / "library.json"
    items = json.loads(path.read_text(encoding="utf-8"))["items"]
    path.write_text(json.dumps({"items": items[:15]}), encoding="utf-8")
    assert command("validate", "library", "--data", data).code == 4


def test_the_plan_of_a_repair_names_the_keys_and_the_way(data):
    with closing(sqlite3.connect(data / "mediaos.db", isolation_level=None)) as connection:
        connection.execute("DELETE FROM library_items WHERE id = 'f03'")
    told = command("repair", "--believe", "table", "--yes", "--data", data)
    assert "1 record out of the file: f03" in told.out


@pytest.fixture
def breaking(tmp_path) -> Path:
    """A library whose first rule is broken more often than anomalies of a rule are kept."""
    items = [{"id": f"m{n:03d}", "kind": "movie", "title": f"Film {n}", "year": "?"} for n in range(CAP + 5)]
    items += [{"id": "twin-a", "kind": "movie", "title": "Same"}, {"id": "twin-b", "kind": "movie", "title": "SAME"}]
    folder = tmp_path / "breaking"
    folder.mkdir()
    (folder / "library.json").write_text(json.dumps({"items": items}, indent=1), encoding="utf-8")
    assert command("migrate", "--data", folder).code == 0
    return folder


def test_a_rule_that_is_broken_often_hides_no_other_one(breaking):
    told = command("validate", "library", "--fail-on", "duplicate-title", "--data", breaking, "--json")
    assert (told.code, told.json["broken"]) == (3, ["duplicate-title"])
    assert told.document("library")["anomalies_count"] == CAP + 7


def test_what_breaks_a_rule_has_its_line(breaking):
    lines = (breaking / "library.json").read_text(encoding="utf-8").splitlines()
    place = next(n for n, line in enumerate(lines) if '"twin-b"' in line)  # the record begins on the line before
    told = command("validate", "library", "--data", breaking, "--json")
    found = next(item for item in told.document("library")["anomalies"] if item["key"] == "twin-b")
    assert found["line"] == place
    told = command("validate", "library", "--data", breaking, "--format", "github")
    assert f"library.json,line={place},title=duplicate-title in library::library: twin-b" in told.out


SPOILED = [
    "UPDATE _mm_evidence SET report = '{bad'",
    "UPDATE _mm_evidence SET changes = '[1]', found = '7'",
    "UPDATE _mm_changes SET count = 'many'",
    "UPDATE _mm_admitted SET survey = '{}'",
]


@pytest.mark.parametrize("sql", SPOILED)
def test_spoiled_notes_are_no_notes(data, sql):
    with closing(sqlite3.connect(data / "mediaos.db", isolation_level=None)) as connection:
        connection.execute(sql)
    assert command("validate", "--data", data).code == 0
    assert command("validate", "--quick", "--data", data, "--format", "html").code in (0, 5)


@pytest.mark.parametrize("sql", ["name = 'no JSON'", "name = '\"other\"'", "name = NULL", "position = 'nowhere'"])
def test_a_spoiled_quarantine_differs(tmp_path, sql):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "downloaders.json").write_text('{"a": {}, "bad\\u0000": {"enabled": true}, "b": {}}', encoding="utf-8")
    assert command("migrate", "--data", folder).code == 0
    with closing(sqlite3.connect(folder / "mediaos.db", isolation_level=None)) as connection:
        assert connection.execute(f"UPDATE _mm_quarantine SET {sql}").rowcount == 1
    assert command("validate", "--data", folder).code == 3
    assert command("quarantine", "list", "--data", folder).code == 0


def test_what_did_not_change_is_not_said_to_be_compared(data):
    told = command("validate", "--since-last", "--data", data)
    assert told.out.endswith("equal: 0 records compared, 30 unchanged since they were.\n")
    assert command("validate", "--since-last", "--data", data, "--json").json["mode"] == "since-last"


def test_a_member_that_a_rule_explains_is_not_named_as_a_difference(data):
    text = (data / "library.json").read_text(encoding="utf-8")
    (data / "library.json").write_text(
        text.replace('"Film 0", "tags": [true, 2]', '"Film", "tags": [true, 2.0]'), encoding="utf-8"
    )
    told = command("validate", "library", "--data", data)
    assert "library: f00: differs in title\n" in told.out
    page = command("validate", "library", "--data", data, "--format", "html").out
    assert "number-spelling, number-spelling" not in page
    sides = command("validate", "library", "--data", data, "--json").document("library")["differences"][0]
    assert repr(sides["file"]["tags"]) == "[True, 2.0]"


def test_a_plan_is_told_even_when_nobody_can_agree_to_it(data, monkeypatch):
    monkeypatch.setattr("sys.stdin", StringIO())
    with closing(sqlite3.connect(data / "mediaos.db", isolation_level=None)) as connection:
        connection.execute("DELETE FROM library_items WHERE id = 'f03'")
    told = command("repair", "--believe", "file", "--data", data)
    assert (told.code, "library: 1 record into the table: f03" in told.err) == (2, True)
    assert command("validate", "--data", data).code == 3


@pytest.mark.parametrize("spoiling", ["DELETE FROM _mm_summaries", "UPDATE _mm_summaries SET file = 'spoiled'"])
def test_a_quick_look_without_what_it_looks_at_is_no_evidence(run, site_folder, spoiling):
    assert run("migrate").returncode == 0
    with closing(sqlite3.connect(site_folder / "mediaos.db")) as connection, connection:
        connection.execute(spoiling)
    done = run("validate", "--quick", "library")
    assert done.returncode == 5, done.stdout
    assert "what was noted of both homes is gone" in done.stdout
    assert run("validate", "--record").returncode == 0
    assert run("validate", "--quick", "library").returncode == 0
