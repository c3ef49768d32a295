"""The validator finds every difference, names its way, judges only what stands still, and believes no implausible file."""

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
from hypothesis import given, settings
from hypothesis import strategies as st
from inside import SHELF, command

from mediaos_migrate.codecs import CODECS
from mediaos_migrate.compare import Home, Lens, Summary, compare
from mediaos_migrate.differences import differences
from mediaos_migrate.fields import Fields
from mediaos_migrate.moves import looks
from mediaos_migrate.pack import Explanation
from mediaos_migrate.record import Record
from mediaos_migrate.secrets import Vault
from mediaos_migrate.shapes import Element
from mediaos_migrate.stores.table import TableStore
from mediaos_migrate.values import Number, Secret, canonical, loads


def films(folder: Path, count: int = 30, **more: object) -> Path:
    folder.mkdir(exist_ok=True)
    items = [{"id": f"f{n:03d}", "kind": "movie", "title": f"Film {n}", "year": 1950 + n, **more} for n in range(count)]
    (folder / "library.json").write_text(json.dumps({"items": items}, indent=2), encoding="utf-8")
    return folder


@pytest.fixture
def library(tmp_path):
    """A library of thirty films that was migrated."""
    folder = films(tmp_path / "data")
    assert command("migrate", "--data", folder).code == 0
    return folder


@pytest.fixture
def site(site_folder):
    """The folder with every awkward record, migrated with its key."""
    assert command("migrate", "--data", site_folder, key=KEY).code == 0
    return site_folder


def sql(folder: Path, *statements: str) -> None:
    with closing(sqlite3.connect(folder / "mediaos.db", isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def validate(folder, *options, key=None):
    return command("validate", "--data", folder, "--json", *options, key=key)


def rewrite(folder: Path, name: str, change) -> None:
    """Change a file as the app would: all of it, in place."""
    path = folder / f"{name}.json"
    value = json.loads(path.read_text(encoding="utf-8"))
    change(value)
    path.write_text(json.dumps(value, indent=2), encoding="utf-8")


def tree(folder: Path) -> dict[Path, tuple[bytes, int]]:
    return {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in sorted(folder.rglob("*")) if p.is_file()}


# ── every planted mistake of the importer is found ──


def one_too_many(monkeypatch):
    codec = CODECS["integer"]
    monkeypatch.setitem(
        CODECS, "integer", codec._replace(fit=lambda v: None if codec.fit(v) is None else codec.fit(v) + 1)
    )


def cut_titles(monkeypatch):
    rows = TableStore.rows

    def cut(self, record):
        row = rows(self, record)
        if row.columns.get("title"):
            row.columns["title"] = row.columns["title"][:5]
        return row

    monkeypatch.setattr(TableStore, "rows", cut)


def swapped_columns(monkeypatch):
    rows = TableStore.rows

    def swap(self, record):
        row = rows(self, record)
        if "poster_url" in row.columns:
            row.columns["poster_url"], row.columns["background_url"] = (
                row.columns["background_url"],
                row.columns["poster_url"],
            )
        return row

    monkeypatch.setattr(TableStore, "rows", swap)


def lost_extra(monkeypatch):
    apart = Fields.apart
    monkeypatch.setattr(Fields, "apart", lambda self, value, name: apart(self, value, name)._replace(extra=None))


def reversed_order(monkeypatch):
    insert = TableStore.insert
    monkeypatch.setattr(
        TableStore, "insert", lambda self, rs: insert(self, [r._replace(position=-(r.position or 0)) for r in rs])
    )


def lower_case(monkeypatch):
    rows = TableStore.rows

    def lower(self, record):
        row = rows(self, record)
        if isinstance(row.columns.get("kind"), str) and "kind" not in self.part.key:
            row.columns["kind"] = row.columns["kind"].upper()
        return row

    monkeypatch.setattr(TableStore, "rows", lower)


MISTAKES = [one_too_many, cut_titles, swapped_columns, lost_extra, reversed_order, lower_case]


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda each: each.__name__)
def test_a_mistake_in_the_importer_is_found(mistake, tmp_path, monkeypatch):
    folder = films(tmp_path / "data", posterUrl="one", backgroundUrl="two", watched=True)
    mistake(monkeypatch)
    told = command("migrate", "--data", folder, "--json").document("library")
    monkeypatch.undo()
    after = validate(folder)
    if mistake is reversed_order:
        assert (after.code, told["out_of_order"], after.document("library")["out_of_order"]) == (3, ["f000"], ["f000"])
    else:
        assert (after.code, told["changed_count"], after.document("library")["changed_count"]) == (3, 30, 30)


# ── in which way ──


WAYS = [
    ('{"a": "x"}', '{"a": "y"}', [("a", "text", "")]),
    ('{"a": 5}', '{"a": 6}', [("a", "value", "")]),
    ('{"a": true}', '{"a": false}', [("a", "value", "")]),
    ('{"a": 5.0, "b": 1}', '{"a": 5, "b": 2}', [("a", "number-spelling", "number-spelling"), ("b", "value", "")]),
    ('{"a": 1e400}', '{"a": 10e399}', [("a", "number-spelling", "number-spelling")]),
    ('{"a": "1999"}', '{"a": 1999}', [("a", "type", "")]),
    ('{"a": {}}', '{"a": []}', [("a", "type", "")]),
    ('{"a": true}', '{"a": 1}', [("a", "type", "")]),
    ('{"a": null}', "{}", [("a", "absent-null", "")]),
    ('{"a": null}', '{"a": 0}', [("a", "absent-null", "")]),
    ('{"a": [1, 2]}', '{"a": [2, 1]}', [("a", "order", "")]),
    ('{"a": [1, {"b": 2}]}', '{"a": [1, {"b": 3}]}', [("a.1.b", "value", "")]),
    ('{"a": [1, 2, 3]}', '{"a": [1, 3]}', [("a.1", "absent-null", "")]),
    ('{"a": "2026-01-01T00:00:00Z"}', '{"a": "2026-01-01T01:00:00Z"}', [("a", "instant", "")]),
    ('{"a": {"b": {"c": 1}}}', '{"a": {"b": {"c": 2}}}', [("a.b.c", "value", "")]),
    ('"x"', '"y"', [("(the value itself)", "text", "")]),
]


@pytest.mark.parametrize(("left", "right", "expected"), WAYS)
def test_a_difference_is_named_by_its_way(left, right, expected):
    found = differences(loads(left), loads(right))
    assert [(each.path, each.way, each.rule) for each in found] == expected


def test_a_secret_differs_as_a_secret_whatever_it_is():
    pairs = [({"p": Secret("a")}, {"p": Secret("b")}), ({"p": Secret("a")}, {}), ({"p": [Secret("a")]}, {"p": ["b"]})]
    assert [{each.way for each in differences(*pair)} for pair in pairs] == [{"secret"}] * 3


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=3)
    | st.builds(Number, st.sampled_from(["5.0", "1e9"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=12,
)


@given(JSON, JSON)
@settings(deadline=None)
def test_what_differs_is_named_and_what_is_named_differs(left, right):
    found = [each for each in differences(left, right) if each.way != "number-spelling"]
    assert bool(found) == (canonical(left) != canonical(right))


SAME = Explanation(code="same-instant", way="instant", members=("at",), reason="the same moment")


@pytest.mark.parametrize(
    ("left", "right", "rule"),
    [
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000Z", "same-instant"),
        ("2026-01-01T02:00:00+02:00", "2026-01-01T00:00:00.000Z", "same-instant"),
        ("2026-01-01T00:00:01Z", "2026-01-01T00:00:00.000Z", ""),
        ("2026-01-01T00:00:00", "2026-01-01T00:00:00.000Z", ""),
        ("soon", "2026-01-01T00:00:00.000Z", ""),
    ],
)
def test_a_rule_explains_only_what_it_says(left, right, rule):
    assert [each.rule for each in differences({"at": left}, {"at": right}, [SAME])] == [rule]
    assert [each.rule for each in differences({"by": left}, {"by": right}, [SAME])] == [""]


# ── comparing any two homes ──


def records(pairs) -> list[Record]:
    return [Record((key,), value, Element(key, value, ("", key)), n) for n, (key, value) in enumerate(pairs)]


HOMES = st.dictionaries(st.text("abcdef", min_size=1, max_size=2), st.integers(0, 3), max_size=25)


@given(HOMES, HOMES, st.randoms(use_true_random=False))
@settings(deadline=None)
def test_any_two_homes_are_compared_exactly(left, right, random):
    shuffled = list(right.items())
    random.shuffle(shuffled)
    found = compare("t", Home(lambda: records(left.items())), Home(lambda: records(shuffled)))
    changed = {key for key in left if key in right and left[key] != right[key]}
    by_kind = {
        kind: {d.key[0] for d in found.discrepancies if d.kind == kind} for kind in ("missing", "extra", "changed")
    }
    assert by_kind == {"missing": left.keys() - right.keys(), "extra": right.keys() - left.keys(), "changed": changed}
    assert found.equal == len(left) - len(left.keys() - right.keys()) - len(changed)
    same_order = [key for key, _ in shuffled] == list(left)
    assert found.clean == (left == right and same_order)


def test_every_difference_is_counted_though_few_are_kept():
    left, right = {f"k{n}": n for n in range(9000)}, {f"k{n}": n + n % 2 for n in range(100, 9100)}
    found = compare("t", Home(lambda: records(left.items())), Home(lambda: records(right.items())))
    assert (found.counts, len(found.discrepancies)) == ({"missing": 100, "extra": 100, "changed": 4450}, 200)


def test_twins_too_far_apart_to_be_joined_are_unverifiable_and_never_clean():
    left = {f"k{n}": n for n in range(12_000)}
    right = {f"k{n}": -n for n in reversed(range(1, 12_000))} | {"k0": 0}
    found = compare("t", Home(lambda: records(left.items())), Home(lambda: records(right.items())))
    assert found.counts["changed"] + found.counts["unverifiable"] == 11_999
    assert not found.clean


@given(HOMES)
def test_a_summary_can_be_kept_and_read_back(values):
    summary = Summary(records(values.items()))
    assert bytes(Summary.from_bytes(bytes(summary))) == bytes(summary)


def test_the_order_that_javascript_gives_a_map_is_explained():
    left, right = {"b": 1, "10": 2, "2": 3, "a": 4}, {"2": 3, "10": 2, "b": 1, "a": 4}
    homes = [Home(lambda pairs=pairs: records(pairs.items())) for pairs in (left, right)]
    named, listed = compare("t", *homes, Lens(named=True)), compare("t", *homes, Lens(named=False))
    assert (named.clean, named.explained) == (True, {"javascript-order": 1})
    assert (listed.clean, listed.out_of_order) == (False, ("b",))


# ── what is told of a difference ──


def test_a_difference_carries_file_line_way_and_both_sides(library):
    sql(library, "UPDATE library_items SET title = 'Another' WHERE id = 'f003'")
    told = validate(library)
    [found] = told.document("library")["differences"]
    lines = (library / "library.json").read_text().splitlines()
    assert (told.code, found["key"], found["kind"], found["members"]) == (
        3,
        "f003",
        "changed",
        [{"path": "title", "way": "text", "rule": None}],
    )
    assert lines[found["line"]].strip() == '"id": "f003",'  # the line after the one where it begins
    assert (found["file"]["title"], found["table"]["title"]) == ("Film 3", "Another")


def test_what_only_one_home_has_is_shown_with_it(library):
    sql(
        library,
        "DELETE FROM library_items WHERE id = 'f003'",
        "INSERT INTO library_items (id, kind, title) VALUES ('new', 'movie', 'New')",
    )
    by_kind = {each["kind"]: each for each in validate(library).document("library")["differences"]}
    assert (by_kind["missing"]["file"]["title"], by_kind["missing"]["table"]) == ("Film 3", None)
    assert (by_kind["extra"]["table"]["title"], by_kind["extra"]["file"], by_kind["extra"]["line"]) == (
        "New",
        None,
        None,
    )


def test_an_explained_difference_is_clean_and_counted_with_its_reason(site):
    rewrite(site, "wanted", lambda v: v["items"][0].update(addedAt=v["items"][0]["addedAt"].replace("Z", "+00:00")))
    told = validate(site, key=KEY)
    found = told.document("wanted")
    assert (told.code, found["explained_count"], found["explained_by"], found["changed"]) == (
        0,
        1,
        {"same-instant": 1},
        [],
    )
    assert told.json["rules"]["wanted"]["same-instant"]["means"].startswith("Both name the same moment")


# ── a trip through Node is no difference ──


def test_a_trip_through_node_is_no_difference(site):
    try:
        script = "const fs=require('fs');for(const f of process.argv.slice(1))fs.writeFileSync(f,JSON.stringify(JSON.parse(fs.readFileSync(f,'utf8')),null,2))"
        subprocess.run(["node", "-e", script, *map(str, site.glob("*.json"))], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("Node is not here")
    assert validate(site, key=KEY).code == 0


# ── plausibility ──


@pytest.mark.parametrize(
    ("had", "has", "suspect"),
    [(20, 9, True), (20, 10, True), (20, 11, False), (19, 1, False), (19, 0, True), (1, 0, True)],
)
def test_a_file_that_lost_half_of_many_or_all_of_few_is_suspect(tmp_path, had, has, suspect):
    folder = films(tmp_path / "data", had)
    assert command("migrate", "--data", folder).code == 0
    films(folder, has)
    for verb in ("validate", "migrate"):
        told = command(verb, "--data", folder, "--json")
        if suspect:
            assert (told.code, told.json["error"]["type"], told.json["error"]["document"]) == (4, "Suspect", "library")
        elif verb == "validate":
            assert told.code == 3
    assert command("validate", "--data", folder, "--accept-source", "library").code == (3 if suspect else 0)
    assert command("migrate", "--data", folder, "--accept-source", "library").code == 0


def test_an_empty_file_that_others_refer_to_is_suspect_from_the_first(tmp_path):
    folder = films(tmp_path / "data", 0)
    (folder / "wanted.json").write_text(
        json.dumps({"items": [{"id": "mgb696g1xq41z8", "kind": "movie", "title": "A"}]})
    )
    told = command("migrate", "--data", folder, "--json")
    assert (told.code, told.json["error"]["type"], told.json["error"]["references"]) == (4, "Suspect", 1)
    assert not (folder / "mediaos.db").exists()
    assert command("migrate", "--data", folder, "--accept-source", "library").code == 0
    assert validate(folder).code == 0


@pytest.mark.parametrize("identity", ["Dune", "tt1375666", "42"])
def test_titles_and_foreign_ids_make_no_empty_library_suspect(tmp_path, identity):
    folder = films(tmp_path / "data", 0)
    (folder / "wanted.json").write_text(json.dumps({"items": [{"id": identity, "kind": "movie", "title": "A"}]}))
    assert command("migrate", "--data", folder).code == 0


def test_a_lost_database_does_not_hide_a_lost_library(library):
    for path in library.glob("mediaos.db*"):
        path.unlink()
    films(library, 3)
    told = command("migrate", "--data", library, "--json")
    assert (told.code, told.json["error"]["type"], told.json["error"]["document"]) == (4, "Suspect", "library")
    films(library, 30)
    assert command("migrate", "--data", library).code == 0


# ── anomalies ──


def test_an_anomaly_can_be_made_to_fail(site):
    assert validate(site, key=KEY).code == 0
    told = validate(site, "--fail-on", "duplicate-email", "--fail-on", "unknown-role", key=KEY)
    assert (told.code, told.json["ok"], told.json["broken"]) == (3, False, ["duplicate-email"])
    assert told.json["rules"]["users"]["duplicate-email"].keys() == {"means", "remedy"}


def test_an_unknown_rule_is_bad_usage(site):
    assert validate(site, "--fail-on", "no-such-rule").code == 2


def test_the_account_that_came_with_the_source_code_is_an_anomaly(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    user = {"id": "user_1_a", "email": "Admin@MediaOS.local", "passwordHash": "00:11", "role": "admin"}
    (folder / "users.json").write_text(json.dumps({"user_1_a": user}))
    told = command("migrate", "--data", folder, "--json").document("users")["anomalies"]
    assert [(each["rule"], each["key"]) for each in told] == [("default-admin", "user_1_a")]


def test_a_key_that_occurs_twice_is_an_anomaly_of_the_second(tmp_path):
    folder = films(tmp_path / "data", 2)
    rewrite(folder, "library", lambda v: v["items"].append({"id": "f001", "title": "Again"}))
    told = command("migrate", "--data", folder, "--json").document("library")
    assert ([(each["rule"], each["key"], each["detail"]) for each in told["anomalies"]], told["quarantined"]) == (
        [("duplicate-key", "f001", "/items/2")],
        1,
    )


# ── narrower questions ──


def test_a_question_about_one_record_is_answered_for_it_alone(library):
    sql(library, "UPDATE library_items SET title = 'Another' WHERE id = 'f003'")
    assert validate(library, "--document", "library", "--key", "f004").code == 0
    told = validate(library, "library", "--key", "f003", "--key", "f004").document("library")
    assert (told["changed"], told["compared"]) == (["f003"], 2)


def test_a_key_of_two_parts_is_given_as_it_is_shown(site):
    [wanted, *_] = json.loads((site / "wanted.json").read_text(encoding="utf-8"))["items"]
    told = validate(site, "wanted", "--key", f"{wanted['kind']} / {wanted['id']}", key=KEY)
    assert (told.code, told.document("wanted")["compared"]) == (0, 1)


def test_a_key_without_its_document_is_bad_usage(library):
    assert validate(library, "--key", "f003").code == 2


def test_only_what_changed_since_the_last_verdict_is_looked_at(site):
    states = {each["document"]: each["state"] for each in validate(site, "--since-last", key=KEY).json["documents"]}
    assert set(states.values()) == {"unchanged"}
    rewrite(site, "library", lambda v: v["items"][0].update(title="Changed"))
    sql(site, "UPDATE wanted_items SET title = 'Changed'")
    told = validate(site, "--since-last", key=KEY)
    states = {each["document"]: each["state"] for each in told.json["documents"]}
    assert (told.code, {name for name, state in states.items() if state != "unchanged"}) == (3, {"library", "wanted"})


# ── quick ──


def test_a_quick_look_says_that_it_is_quick(site):
    told = validate(site, "--quick")
    assert (told.code, told.json["mode"], told.document("library")["compared"]) == (0, "quick", 27)
    assert "only a deep look is evidence" in command("validate", "--data", site, "--quick").out


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE library_items SET title = title || '!' WHERE id = (SELECT min(id) FROM library_items)",
        "DELETE FROM library_items WHERE id = (SELECT min(id) FROM library_items)",
        "INSERT INTO library_items (id, kind, title) VALUES ('new', 'movie', 'New')",
        "DROP TRIGGER _mm_changed_library_items_update",
    ],
)
def test_a_quick_look_sees_that_another_program_was_at_the_table(site, statement):
    sql(site, statement)
    told = validate(site, "--quick")
    assert (told.code, told.document("library")["state"], told.document("users")["state"]) == (
        5,
        "unchecked",
        "present",
    )


def test_a_quick_look_sees_that_the_file_changed(site):
    rewrite(site, "library", lambda v: v["items"][0].update(title="Changed"))
    told = validate(site, "--quick")
    assert (told.code, told.document("library")["state"]) == (5, "unchecked")


def test_a_quick_look_never_relies_on_a_verdict_that_was_not_clean(library):
    sql(library, "UPDATE library_items SET title = 'Another' WHERE id = 'f003'")
    assert validate(library, "--record").code == 3
    assert validate(library, "--quick").code == 5


def test_a_change_that_was_taken_back_is_a_change_until_somebody_looked(library):
    sql(
        library,
        "UPDATE library_items SET year = 1 WHERE id = 'f003'",
        "UPDATE library_items SET year = 1953 WHERE id = 'f003'",
    )
    assert validate(library, "--quick").code == 5
    assert (validate(library, "--record").code, validate(library, "--quick").code) == (0, 0)


def test_an_unchanged_second_migration_reads_no_record(site, monkeypatch):
    monkeypatch.setattr("mediaos_migrate.stores.table.TableStore.all", None)
    monkeypatch.setattr("mediaos_migrate.moves.surveying._Pass", None)
    sealed = {"downloaders", "indexers", "metadata"}  # a look at sealed values is not remembered
    skip = [word for name in sealed for word in ("--skip", name)]
    told = command("migrate", "--data", site, "--json", *skip)
    assert (told.code, told.json["changed"]) == (0, False)


# ── looking never touches ──


@pytest.mark.parametrize(
    "options", [[], ["--quick"], ["--since-last"], ["library", "--key", "x"], ["--format", "html"]]
)
def test_a_look_leaves_every_byte_as_it_was(site, options):
    before = tree(site)
    command("validate", "--data", site, *options, key=KEY)
    assert tree(site) == before


# ── for the record ──


def evidence(folder: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(folder / "mediaos.db")) as connection:
        return connection.execute("SELECT document, verdict FROM _mm_evidence ORDER BY id").fetchall()


def test_a_recorded_look_keeps_its_verdicts_and_the_trend_tells_them(library):
    before = len(evidence(library))
    sql(library, "UPDATE library_items SET title = 'Another' WHERE id = 'f003'")
    assert validate(library, "--record", "library").code == 3
    assert evidence(library)[before:] == [("library", "differs")]
    trend = validate(library, "library").json["trend"]["library"]
    assert [(each["verdict"], each["unexplained"]) for each in trend] == [("clean", 0), ("differs", 1)]


def killed(folder: Path, at: str) -> None:
    words = [sys.executable, "-m", "mediaos_migrate", "validate", "--record", "--data", str(folder)]
    env = clean_environment(ENCRYPTION_KEY=KEY, MEDIAOS_MIGRATE_CRASH_AT=at)
    assert subprocess.run(words, env=env, capture_output=True).returncode == -signal.SIGKILL


def test_an_interrupted_run_goes_on_where_it_stopped(site):
    killed(site, "validate.recorded:5")
    told = validate(site, "--record", key=KEY)
    states = [each["state"] for each in told.json["documents"]]
    assert (told.code, told.json["resumed"], states.count("unchanged")) == (0, True, 5)
    again = validate(site, "--record", key=KEY)
    assert (again.json["resumed"], [e["state"] for e in again.json["documents"]].count("unchanged")) == (False, 0)


def test_what_changed_after_the_interruption_is_looked_at_again(site):
    killed(site, "validate.recorded:9")
    done = {name for name, _ in evidence(site)[-9:]}
    assert "library" in done
    sql(site, "UPDATE library_items SET title = 'Another' WHERE id = (SELECT min(id) FROM library_items)")
    told = validate(site, "--record", key=KEY)
    assert (told.code, told.document("library")["changed_count"]) == (3, 1)


def test_a_file_that_was_read_before_the_interruption_is_not_read_again(library, monkeypatch):
    killed(library, "validate.admitted")
    monkeypatch.setattr("mediaos_migrate.moves.surveying._Pass", None)
    told = validate(library, "--record")
    assert (told.code, told.document("library")["compared"]) == (0, 30)


@pytest.mark.parametrize("option", ["--quick", "--key"])
def test_only_a_deep_look_at_whole_documents_is_evidence(library, option):
    words = ["--quick"] if option == "--quick" else ["library", "--key", "f001"]
    assert validate(library, "--record", *words).code == 2


# ── while somebody writes ──

WRITER = """
import json, sqlite3, sys, time
path, database, home, rounds = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
value = json.load(open(path))
connection = sqlite3.connect(database, isolation_level=None, timeout=30)
for n in range(rounds):
    if home in ("file", "both"):
        value["items"][7]["year"] = n
        with open(path, "w") as stream:
            json.dump(value, stream, indent=2)
    if home in ("table", "both"):
        connection.execute("UPDATE library_items SET year = ? WHERE id = 'f007'", (n + 100_000,))
    if n == 3:
        print("writing", flush=True)
    time.sleep(0.04)
"""


@pytest.fixture
def writer(library, monkeypatch):
    monkeypatch.setattr(looks, "PAUSE", 0.2)
    started = []

    def start(home: str) -> None:
        words = [sys.executable, "-c", WRITER, library / "library.json", library / "mediaos.db", home, "3000"]
        process = subprocess.Popen(list(map(str, words)), stdout=subprocess.PIPE)
        started.append(process)
        assert process.stdout is not None
        process.stdout.readline()

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("home", ["file", "table", "both"])
def test_a_record_that_moves_is_unverifiable_and_listed(library, writer, home):
    writer(home)
    told = validate(library)
    assert (told.code, told.document("library")["unverifiable"]) == (5, ["f007"])


@pytest.mark.parametrize("home", ["file", "table"])
def test_a_record_that_stands_still_is_judged_beside_one_that_moves(library, writer, home):
    sql(
        library,
        "UPDATE library_items SET title = 'Another' WHERE id = 'f003'",
        "DELETE FROM library_items WHERE id = 'f020'",
    )
    writer(home)
    told = validate(library)
    found = told.document("library")
    assert (told.code, found["changed"], found["missing"], found["unverifiable"]) == (3, ["f003"], ["f020"], ["f007"])


def test_a_file_that_never_stands_still_is_unsettled_and_no_refusal(library, monkeypatch):
    monkeypatch.setattr(looks, "_look", lambda *_: None)
    told = validate(library)
    assert (told.code, told.document("library")["state"], told.document("users")["state"]) == (
        5,
        "unsettled",
        "unsettled",
    )


def test_every_fixture_is_clean_with_and_without_recording(tmp_path):
    for number, name in enumerate(["mediaos", "mediaos-clean", "mediaos-empty", "mediaos-v0.3", "shelf"]):
        app = ["--app", SHELF] if name == "shelf" else []
        folder = Path(shutil.copytree(FIXTURES / name, tmp_path / str(number)))
        assert command("migrate", "--data", folder, *app, key=KEY).code == 0
        for options in ([], ["--record"], ["--quick"], ["--since-last"]):
            assert validate(folder, *app, *options, key=KEY).code == 0, (name, options)


# ── found by fresh eyes ──


def people(folder: Path, names) -> Path:
    folder.mkdir()
    users = {
        n: {
            "id": n,
            "email": f"{n}@x.org",
            "passwordHash": "a1" * 16 + ":" + "b2" * 64,
            "createdAt": "2025-01-01T00:00:00.000Z",
        }
        for n in names
    }
    (folder / "users.json").write_text(json.dumps(users))
    assert command("migrate", "--data", folder, key=KEY).code == 0
    return folder


@pytest.mark.parametrize("key", [KEY, None], ids=["with the key", "without"])
@pytest.mark.parametrize(
    "also", ["", ", created_at = '2025-01-01T00:00:00+00:00'"], ids=["alone", "beside what a rule explains"]
)
def test_a_password_hash_is_compared_as_it_stands(tmp_path, key, also):
    folder = people(tmp_path / "data", ["u0", "u1"])
    sql(folder, f"UPDATE users SET password_hash = replace(password_hash, 'a1', 'c3'){also} WHERE id = 'u1'")
    told = validate(folder, key=key)
    members = {m["path"]: m["way"] for m in told.document("users")["differences"][0]["members"]}
    assert (told.code, told.document("users")["changed"], members["passwordHash"]) == (3, ["u1"], "secret")
    assert command("migrate", "--data", folder, key=key).code == 0
    assert validate(folder, key=key).code == 0


def test_an_unjudgeable_secret_is_never_explained_away(tmp_path):
    envelope = Vault(KEY).seal
    block = {"enabled": True, "password": envelope("one"), "addedAt": "x"}
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "downloaders.json").write_text(json.dumps({"a": block}))
    assert command("migrate", "--data", tmp_path / "data").code == 0
    text = json.dumps({"a": {**block, "password": envelope("two")}})
    (tmp_path / "data" / "downloaders.json").write_text(text)
    assert validate(tmp_path / "data").code == 5
    assert validate(tmp_path / "data", key=KEY).code == 3


def test_an_order_is_looked_at_also_beside_what_a_rule_explains(tmp_path):
    folder = people(tmp_path / "data", ["u0", "u1", "u2", "u3"])
    sql(
        folder,
        "UPDATE users SET created_at = '2025-01-01T00:00:00Z' WHERE id = 'u0'",
        "UPDATE users SET position = 3 - position",
    )
    told = validate(folder, key=KEY).document("users")
    assert (told["explained_count"], told["out_of_order"]) == (1, ["u0"])


def test_an_order_is_looked_at_also_beside_what_only_one_home_has(library):
    sql(library, "DELETE FROM library_items WHERE id = 'f000'")
    assert validate(library).document("library")["out_of_order"] == []
    sql(library, "UPDATE library_items SET position = 99 WHERE id = 'f004'")
    assert validate(library).document("library")["out_of_order"] == ["f004"]


@given(
    st.lists(st.sampled_from(["1", "2", "10", "a", "b", "07"]), unique=True, max_size=6),
    st.randoms(use_true_random=False),
)
@settings(deadline=None)
def test_only_what_javascript_does_is_explained_by_it(names, random):
    other = list(names)
    random.shuffle(other)
    numbers = sorted((n for n in names if n.isdigit() and str(int(n)) == n), key=int)
    rest = [[n for n in each if n not in numbers] for each in (names, other)]
    found = compare(
        "t", *[Home(lambda e=each: records((n, 1) for n in e)) for each in (names, other)], Lens(named=True)
    )
    explained = rest[0] == rest[1] and numbers + rest[0] in (names, other)
    assert found.clean == (names == other or explained)


QUARANTINE = [
    "DELETE FROM _mm_quarantine",
    "UPDATE _mm_quarantine SET raw = '{}'",
    "UPDATE _mm_quarantine SET position = position + 1",
    "UPDATE _mm_quarantine SET raw = '{'",
    "INSERT INTO _mm_quarantine SELECT NULL, document, part, pointer, name, position, offset, reason, raw, raw_state, at "
    "FROM _mm_quarantine",
    "UPDATE _mm_documents SET envelope = replace(envelope, '\"at\":0', '\"at\":1') WHERE document = 'library'",
]


@pytest.mark.parametrize("statement", QUARANTINE)
def test_no_glance_overlooks_what_was_done_to_quarantine_or_envelope(tmp_path, statement):
    folder = films(tmp_path / "data", 3)
    rewrite(folder, "library", lambda v: v["items"].append({"title": "no id"}))
    assert command("migrate", "--data", folder).code == 0
    sql(folder, statement)
    assert validate(folder, "--quick").code == 5
    assert validate(folder, "--since-last").code in (0, 3)
    assert validate(folder, "--since-last").document("library")["state"] == "present"
    assert command("migrate", "--data", folder).code == 0
    assert (validate(folder).code, validate(folder, "--quick").code) == (0, 0)


@pytest.mark.parametrize("spoiled", ["null", "{}", "x", ""])
def test_whatever_is_put_in_place_of_an_envelope_is_a_difference(tmp_path, spoiled):
    folder = films(tmp_path / "data", 3)
    assert command("migrate", "--data", folder).code == 0
    sql(folder, f"UPDATE _mm_documents SET envelope = '{spoiled}' WHERE document = 'library'")
    assert validate(folder).code == 3


def test_no_glance_overlooks_columns_that_were_exchanged(tmp_path):
    folder = films(tmp_path / "data", 3, posterUrl="one", backgroundUrl="two")
    assert command("migrate", "--data", folder).code == 0
    sql(
        folder,
        "ALTER TABLE library_items RENAME COLUMN poster_url TO x",
        "ALTER TABLE library_items RENAME COLUMN background_url TO poster_url",
        "ALTER TABLE library_items RENAME COLUMN x TO background_url",
    )
    assert (validate(folder, "--quick").code, validate(folder).code) == (5, 3)


def test_no_glance_trusts_counters_that_count_nothing(library):
    sql(
        library,
        "DROP TRIGGER _mm_changed_library_items_update",
        "CREATE TRIGGER _mm_changed_library_items_update AFTER UPDATE ON library_items BEGIN SELECT 1; END",
        "UPDATE library_items SET title = 'Another' WHERE id = 'f003'",
    )
    assert (validate(library, "--quick").code, validate(library).code) == (5, 3)


def test_a_rule_to_fail_on_counts_also_where_nothing_is_looked_at(site):
    for options in (["--quick"], ["--since-last"], ["--record"], ["--record", "--since-last"]):
        assert validate(site, *options, "--fail-on", "duplicate-title", key=KEY).code == 3, options


def test_a_run_that_was_refused_is_no_interrupted_run(library):
    films(library, 3)
    assert validate(library, "--record").code == 4
    films(library, 30)
    assert validate(library, "--record").json["resumed"] is False


@pytest.mark.parametrize(
    "words", [["library", "--key", "nope"], ["wanted", "--key", "movie"], ["library", "--key", '["a", "b"]']]
)
def test_a_key_that_is_in_neither_home_is_bad_usage(site, words):
    assert validate(site, *words, key=KEY).code == 2


def test_any_key_can_be_asked_for_in_any_order(tmp_path):
    folder = films(tmp_path / "data", 3)
    rewrite(folder, "library", lambda v: v["items"].insert(0, {"id": "z / a", "kind": "movie", "title": "Z"}))
    assert command("migrate", "--data", folder).code == 0
    told = validate(folder, "library", "--key", "f002", "--key", "z / a", "--key", '["f000"]')
    assert (told.code, told.document("library")["compared"]) == (0, 3)


ODD = [
    "UPDATE library_items SET title = x'1984' WHERE id = 'f001'",
    "INSERT INTO library_items (id, kind, title) VALUES (x'66303031', 'movie', 'T')",
    "UPDATE library_items SET position = 'abc' || position",
    "INSERT INTO config_documents (name, body) VALUES ('nonsense', '{}')",
]


@pytest.mark.parametrize("statement", ODD)
def test_an_odd_row_is_a_difference_and_mended(tmp_path, statement):
    folder = films(tmp_path / "data", 3)
    rewrite(folder, "library", lambda v: v["items"][1].update(title="1984"))
    assert command("migrate", "--data", folder).code == 0
    sql(folder, statement)
    assert validate(folder).code == (0 if "position" in statement else 3)
    assert command("migrate", "--data", folder).code == 0
    assert validate(folder).code == 0


def test_text_that_is_not_utf8_could_not_be_checked_and_is_not_shown(library):
    sql(library, "UPDATE library_items SET title = CAST(x'ff5345435245' AS TEXT) WHERE id = 'f001'")
    told = command("validate", "--data", library)
    assert (told.code, "SECRE" in told.out + told.err, "not UTF-8" in told.err) == (5, False, True)


def test_what_we_noted_and_cannot_read_is_not_relied_on(library):
    sql(library, "UPDATE _mm_admitted SET survey = 'x'", "DELETE FROM _mm_changes")
    assert validate(library).code == 0
    assert command("migrate", "--data", library).code == 0
    assert validate(library, "--quick").code == 0


def test_certain_differences_are_differences_in_any_order():
    left = {f"k{n}": n for n in range(12_000)}
    right = {f"k{n}": -n for n in reversed(range(1, 12_000))} | {"k0": 0}
    homes = [Home(lambda pairs=pairs: records(pairs.items())) for pairs in (left, right)]
    assert compare("t", *homes, Lens(certain=True)).counts == {"changed": 11_999}


def test_a_lost_database_does_not_hide_a_lost_file(library):
    for path in (*library.glob("mediaos.db*"), library / "library.json"):
        path.unlink()
    (library / "settings.json").write_text("{}")
    told = command("migrate", "--data", library, "--json")
    assert (told.code, told.json["error"]["type"], told.json["error"]["document"]) == (4, "Suspect", "library")


def test_an_envelope_that_only_looks_different_is_no_difference(tmp_path):
    folder = films(tmp_path / "data", 3)
    rewrite(folder, "library", lambda v: v.update(beside={"a": 1, "b": [1, 2]}))
    assert command("migrate", "--data", folder).code == 0
    rewrite(folder, "library", lambda v: v.update(beside={"b": [1.0, 2], "a": 1.0}))
    assert validate(folder).code == 0
    rewrite(folder, "library", lambda v: v.update(beside={"b": [2, 1], "a": 1}))
    assert validate(folder).code == 3


def test_what_was_validated_before_is_not_believed_to_be_left_out(library):
    sql(library, "UPDATE _mm_documents SET state = 'skipped' WHERE document = 'library'", "DELETE FROM library_items")
    told = validate(library)
    assert (told.code, told.document("library")["state"]) == (5, "unchecked")
    assert command("migrate", "--data", library).code == 0
    assert validate(library).code == 0
