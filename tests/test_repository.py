"""A repository answers and writes alike at every stage, and both homes hold what it was told."""

import json
import multiprocessing
import shutil
import sqlite3
import threading
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

import pytest
from conftest import FIXTURES, KEY
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from inside import SHELF, command

from mediaos_migrate import MigrateError, Site
from mediaos_migrate.codecs import CODECS
from mediaos_migrate.errors import Conflict, NeedsPerson, NoRecord, Suspect, UsageError
from mediaos_migrate.library.changes import base36, new_key
from mediaos_migrate.moves.policy import Policy
from mediaos_migrate.pack import load
from mediaos_migrate.shapes import Shape
from mediaos_migrate.stages import Stage

STAGES = list(Stage)


def at_stage(folder: Path, stage: Stage, name: str = "library") -> None:
    """Put a document at a stage, by the front door."""
    words = ["stage", "advance", name, "--to", str(stage), "--policy", "ci", "--host-reads-database"]
    assert command(*words, "--data", folder, key=KEY).code == 0


@pytest.fixture(params=STAGES, ids=str)
def stage(request):
    return request.param


@pytest.fixture(scope="session")
def templates(tmp_path_factory):
    """Make a migrated site with its library at a stage, once for each stage."""
    made = {}

    def template(stage: Stage) -> Path:
        if stage not in made:
            made[stage] = Path(shutil.copytree(FIXTURES / "mediaos", tmp_path_factory.mktemp("template") / "config"))
            assert command("migrate", "--data", made[stage], key=KEY).code == 0
            at_stage(made[stage], stage)
        return made[stage]

    return template


@pytest.fixture
def folder(templates, tmp_path):
    return Path(shutil.copytree(templates(Stage.OFF), tmp_path / "config"))


@pytest.fixture
def staged(templates, tmp_path, stage):
    return Path(shutil.copytree(templates(stage), tmp_path / "config"))


def opened(folder) -> Site:
    return Site.open(data=folder)


def in_file(folder, name="library") -> list:
    return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))["items"]


def validated(folder, name="library", expected=0) -> None:
    assert command("validate", name, "--data", folder, key=KEY).code == expected


# ── words ──


def test_a_record_is_read_in_the_words_of_the_app(staged):
    items = in_file(staged)
    with opened(staged) as site:
        library = site.repository("library")
        assert library.list() == items
        assert [library.get(item["id"]) for item in items] == items
        assert (library.count(), library.get("nobody"), library.exists("nobody")) == (len(items), None, False)


def test_what_is_added_is_in_both_homes_and_the_file_looks_native(staged, stage):
    with opened(staged) as site:
        library = site.repository("library")
        key = library.add({"kind": "movie", "title": "Ünfinished", "year": 2020, "rating": 5.5, "watched": None})
        assert library.get(key) == {
            "id": key,
            "kind": "movie",
            "title": "Ünfinished",
            "year": 2020,
            "rating": 5.5,
            "watched": None,
        }
    if stage is not Stage.COMPLETE:
        assert in_file(staged)[-1]["id"] == key
        text = (staged / "library.json").read_text(encoding="utf-8")
        at = text.index(f'    {{\n      "id": "{key}",')
        assert (
            text[at:]
            == """    {
      "id": "KEY",
      "kind": "movie",
      "title": "Ünfinished",
      "year": 2020,
      "rating": 5.5,
      "watched": null
    }
  ]
}""".replace("KEY", key)
        )
    validated(staged, expected=3 if stage is Stage.OFF else 0)


def test_a_change_keeps_what_it_does_not_name(staged, stage):
    before = in_file(staged)
    with opened(staged) as site:
        site.repository("library").update(before[3]["id"], {"title": "Renamed", "new": [1, 2.0]})
        found = site.repository("library").get(before[3]["id"])
    assert found == {**before[3], "title": "Renamed", "new": [1, 2]}
    if stage is not Stage.COMPLETE:
        after = in_file(staged)
        assert [item for item in after if item["id"] != found["id"]] == [i for i in before if i["id"] != found["id"]]
        assert after[3] == found


def test_what_is_removed_is_gone_from_both_homes(staged, stage):
    gone = in_file(staged)[0]["id"]
    with opened(staged) as site:
        library = site.repository("library")
        library.remove(gone)
        assert (library.get(gone), library.count()) == (None, 26)
        with pytest.raises(NoRecord):
            library.remove(gone)
    if stage is not Stage.COMPLETE:
        assert gone not in [item["id"] for item in in_file(staged)]


def test_the_rules_of_the_app_hold_for_new_writes_only(staged):
    with opened(staged) as site:
        library = site.repository("library")
        twins = [item for item in library.list() if item["title"].lower() == "harbour of glass"]
        with pytest.raises(Conflict):
            library.add({"kind": "movie", "title": "HARBOUR of Glass"})
        with pytest.raises(Conflict):
            library.add({"id": twins[0]["id"], "kind": "movie", "title": "Another"})
        library.update(twins[0]["id"], {"year": 1})  # came in by import as one of two, and stays
        library.add({"kind": "audiobook", "title": "Harbour of Glass"})


@pytest.mark.parametrize("stage", [Stage.OFF, Stage.LIVE], ids=str)
def test_a_rule_without_case_needs_no_column_in_small_letters(tmp_path, stage):
    pack = Path(shutil.copytree(SHELF, tmp_path / "pack"))
    mapping = (pack / "mapping.toml").read_text(encoding="utf-8")
    lowered = 'title_key = { by = "lower", of = "title" }\n'
    assert lowered in mapping
    (pack / "mapping.toml").write_text(mapping.replace(lowered, ""), encoding="utf-8")
    data = shutil.copytree(FIXTURES / "shelf", tmp_path / "data")
    assert command("migrate", "--data", data, "--app", pack).code == 0
    words = ["stage", "advance", "authors", "books", "--to", str(stage), "--policy", "ci", "--host-reads-database"]
    assert command(*words, "--data", data, "--app", pack).code == 0
    with Site.open(data=data, app=str(pack)) as site:
        site.repository("books").add({"shelf": "Z", "id": "1", "title": "Élan"})
        with pytest.raises(Conflict):
            site.repository("books").add({"shelf": "Z", "id": "2", "title": "éLAN"})


@pytest.mark.parametrize("name", ["library", "users"])
def test_a_record_that_is_called_otherwise_is_another_one(folder, name):
    with opened(folder) as site:
        records = site.repository(name)
        key = records.items()[0][0]
        before = records.get(key)
        records.update(key, {"id": before["id"]})
        with pytest.raises(UsageError, match="`id` is what this record of"):
            records.update(key, {"id": "other", "title": "Other"})
        assert records.get(key) == before


def test_a_map_is_written_by_its_names(folder, stage):
    at_stage(folder, stage, "users")
    with opened(folder) as site:
        users = site.repository("users")
        key = users.add({"email": "new@example.org", "passwordHash": "00:11", "role": "user"})
        assert (key[:5], users.get(key)["id"]) == ("user_", key)
        with pytest.raises(Conflict):
            users.add({"email": "NEW@example.org", "role": "user"})
    if stage is not Stage.COMPLETE:
        assert json.loads((folder / "users.json").read_text())[key]["email"] == "new@example.org"


def test_a_map_without_ids_takes_the_key_beside_the_record(folder, stage):
    at_stage(folder, stage, "downloaders")
    with Site.open(data=folder) as site:
        site.repository("downloaders").put({"enabled": False, "timeoutMs": 0}, key="deluge")
        assert site.repository("downloaders").get("deluge") == {"enabled": False, "timeoutMs": 0}
        with pytest.raises(UsageError):
            site.repository("downloaders").put({"enabled": False})


@pytest.mark.parametrize(
    "value", [{"id": "x", "n": float("nan")}, {"id": "x", "n": {1, 2}}, {"id": ["x"]}, {"id": None}]
)
def test_what_cannot_be_kept_is_bad_usage_or_made_right(folder, value):
    with opened(folder) as site:
        try:
            key = site.repository("library").put({**value, "kind": "movie", "title": "T"})
        except UsageError:
            assert site.repository("library").count() == 27
        else:
            assert site.repository("library").get(key)["title"] == "T"


def test_a_first_record_makes_a_missing_file(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "settings.json").write_text("{}")
    with opened(tmp_path / "data") as site:
        site.repository("library").add({"id": "one", "kind": "movie", "title": "One"})
    assert json.loads((tmp_path / "data" / "library.json").read_text()) == {
        "items": [{"id": "one", "kind": "movie", "title": "One"}]
    }


def test_ids_are_made_as_the_app_makes_them():
    assert base36(1_759_276_800_000) == "mg6qqcjk" or len(base36(1_759_276_800_000)) == 8
    assert int(base36(1_759_276_800_000), 36) == 1_759_276_800_000
    assert len(new_key("{ms36}{random:6}")) == 14
    assert new_key("user_{ms}_{random:9}").count("_") == 2


# ── asking ──

QUESTIONS = [
    {},
    {"where": {"kind": "movie"}},
    {"where": {"kind": "movie"}, "order_by": "title"},
    {"order_by": "-year"},
    {"order_by": "year", "limit": 5},
    {"where": {"year": (">=", 2000)}, "order_by": "-title", "limit": 3},
    {"where": {"kind": ("in", ["movie", "book"])}},
    {"where": {"year": None}},
    {"where": {"year": ("!=", None)}},
    {"where": {"year": ("in", [None, "soon", 2018])}},
    {"where": {"watched": True}},
    {"where": {"kind": ("!=", "movie")}, "order_by": "kind"},
    {"limit": 0},
]


@pytest.fixture(scope="module")
def answers(templates):
    """The same questions, asked at every stage."""
    found = {}
    for stage in STAGES:
        with opened(templates(stage)) as site:
            library = site.repository("library")
            found[stage] = [library.list(**question) for question in QUESTIONS]
            found[stage] += [library.search(words) for words in ("glass", "GLASS", "iskele", "ninth fer", "", '" OR 1')]
            found[stage] += [[library.count(q["where"])] for q in QUESTIONS if "where" in q]
    return found


@pytest.mark.parametrize("other", STAGES[1:], ids=str)
def test_every_stage_gives_the_same_answers(answers, other):
    assert answers[other] == answers[Stage.OFF]
    assert sum(map(len, answers[other])) > 100


def test_a_question_is_answered_as_it_was_meant(answers):
    everything = answers[Stage.OFF][0]
    assert answers[Stage.OFF][1] == [item for item in everything if item["kind"] == "movie"]
    searched = [[item["title"] for item in found] for found in answers[Stage.OFF][len(QUESTIONS) : len(QUESTIONS) + 5]]
    assert set(searched[0]) == set(searched[1]) == {"Harbour of Glass", "harbour of glass"}
    assert (set(searched[2]), searched[3], searched[4]) == ({"İskele", "i̇skele"}, ["The Ninth Ferry"], [])


YEARS = [1990, 2018, None, "soon", "1990", 2018.5, ..., True]  # ... is none at all


@pytest.fixture(scope="module", params=[Stage.OFF, Stage.LIVE], ids=str)
def of_many_years(request, templates, tmp_path_factory):
    folder = Path(shutil.copytree(templates(request.param), tmp_path_factory.mktemp("years") / "config"))
    with opened(folder) as site:
        library = site.repository("library")
        for number, year in enumerate(YEARS):
            library.put(
                {"id": f"y{number}", "kind": "y", "title": f"Y {number}"} | ({} if year is ... else {"year": year})
            )
        yield library


def _alike(one, other):
    return one == other and isinstance(one, str) == isinstance(other, str)


@pytest.mark.parametrize("wanted", [year for year in YEARS if year is not ...] + [2001])
def test_a_filter_finds_what_a_dictionary_says_whether_a_column_holds_it_or_not(of_many_years, wanted):
    said = {f"y{number}": None if year is ... else year for number, year in enumerate(YEARS)}
    for question, meant in (
        (wanted, [key for key, year in said.items() if _alike(year, wanted)]),
        (("!=", wanted), [key for key, year in said.items() if not _alike(year, wanted)]),
        (("in", [wanted, 1990]), [key for key, year in said.items() if _alike(year, wanted) or _alike(year, 1990)]),
    ):
        assert [item["id"] for item in of_many_years.list({"kind": "y", "year": question})] == meant


@pytest.mark.parametrize("order", [None, "title", "-title", "year", "-year", "kind"])
def test_pages_together_are_the_whole(staged, order):
    with opened(staged) as site:
        library = site.repository("library")
        whole = library.list(order_by=order)
        for size in (1, 4, 7):
            pages, after = [], None
            while page := library.list(order_by=order, limit=size, after=after):
                pages += page
                after = page[-1]["id"]
            assert pages == whole


@pytest.mark.parametrize(
    "question", [{"order_by": "nothing"}, {"where": {"kind": ("~", 1)}}, {"after": "nobody"}, {"where": {'a"b': 1}}]
)
def test_what_cannot_be_asked_is_bad_usage(folder, question):
    with opened(folder) as site, pytest.raises(UsageError):
        site.repository("library").list(**question)


@given(st.text(max_size=20))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_search_is_sql(answers_site, words):
    assert isinstance(answers_site.repository("library").search(words), list)


def test_a_search_gives_the_shortest_text_first(folder):
    titles = ["Zebra", "Zebras", "The Zebra", "Zebra Crossing at Night", "Crossing with a Zebra at Night"]
    with opened(folder) as site:
        library = site.repository("library")
        for title in (titles[3], titles[0], titles[4], titles[2], titles[1]):
            library.add({"kind": "movie", "title": title})
        assert [found["title"] for found in library.search("zebra")] == titles


@pytest.fixture(scope="module")
def answers_site(templates):
    with opened(templates(Stage.LIVE)) as site:
        yield site


# ── units of work ──


def test_a_unit_of_work_is_written_as_a_whole(staged):
    with opened(staged) as site:
        with site.unit_of_work() as unit:
            for number in range(5):
                unit.repository("library").add({"kind": "movie", "title": f"Unit {number}"})
            unit.repository("wanted").add({"id": "unit", "kind": "movie", "title": "Unit"})
        assert (site.repository("library").count(), site.repository("wanted").count()) == (32, 12)


def test_a_unit_of_work_that_fails_leaves_nothing(staged):
    before = (staged / "library.json").read_bytes()
    with opened(staged) as site:
        unit = site.unit_of_work()
        unit.repository("library").add({"kind": "movie", "title": "First"})
        unit.repository("library").add({"kind": "movie", "title": "harbour of glass"})
        with pytest.raises(Conflict):
            unit.commit()
        with suppress(ZeroDivisionError), site.unit_of_work() as unit:
            unit.repository("library").add({"kind": "movie", "title": "Second"})
            raise ZeroDivisionError
        assert site.repository("library").count() == 27
    assert (staged / "library.json").read_bytes() == before


def test_changes_of_a_unit_follow_on_each_other(staged, stage):
    items = in_file(staged)
    with opened(staged) as site:
        with site.unit_of_work() as unit:
            library = unit.repository("library")
            new = library.add({"kind": "movie", "title": "Draft"})
            library.update(new, {"title": "Final"})
            library.update(new, {"year": 2001})
            library.remove(items[0]["id"])
            library.add({**items[0], "title": "Came back"})
            library.remove(library.add({"kind": "movie", "title": "Never there"}))
        found = site.repository("library").list()
    assert found == [
        *items[1:],
        {"id": new, "kind": "movie", "title": "Final", "year": 2001},
        {**items[0], "title": "Came back"},
    ]
    validated(staged, expected=3 if stage is Stage.OFF else 0)


def test_titles_can_be_exchanged_within_a_unit(staged):
    first, second = in_file(staged)[1:3]
    with opened(staged) as site:
        with site.unit_of_work() as unit:
            unit.repository("library").update(first["id"], {"title": second["title"], "kind": second["kind"]})
            unit.repository("library").update(second["id"], {"title": first["title"], "kind": first["kind"]})
        assert site.repository("library").get(first["id"])["title"] == second["title"]


@pytest.mark.parametrize(
    "change",
    [
        lambda library, key: library.add({"kind": "movie", "title": "TWIN"}),
        lambda library, key: library.add({"id": key, "kind": "book", "title": "Other"}),
        lambda library, key: library.update("nobody", {"title": "Other"}),
        lambda library, key: (library.remove(key), library.update(key, {"title": "Other"})),
    ],
    ids=["the same title", "the same key", "a change of nothing", "a change of what was removed"],
)
def test_what_a_unit_may_not_do_to_itself_is_refused_as_a_whole(staged, change):
    with opened(staged) as site:
        unit = site.unit_of_work()
        library = unit.repository("library")
        change(library, library.add({"kind": "movie", "title": "Twin"}))
        with pytest.raises((Conflict, NoRecord)):
            unit.commit()
        assert site.repository("library").count() == 27


# ── foreign hands ──


def edit(folder: Path, title: str = "By the app") -> None:
    value = json.loads((folder / "library.json").read_text(encoding="utf-8"))
    value["items"][0]["title"] = title
    (folder / "library.json").write_text(json.dumps(value, indent=2), encoding="utf-8")


@pytest.mark.parametrize("stage", STAGES[:3], ids=str)
def test_what_the_app_writes_meanwhile_is_read_and_kept(folder, stage):
    at_stage(folder, stage)
    with opened(folder) as site:
        library = site.repository("library")
        assert library.count() == 27
        edit(folder)
        assert library.list()[0]["title"] == "By the app"
        library.add({"kind": "movie", "title": "Ours"})
        assert [library.list()[n]["title"] for n in (0, -1)] == ["By the app", "Ours"]
    if stage is not Stage.OFF:
        validated(folder)


@pytest.mark.parametrize("stage", STAGES[3:5], ids=str)
def test_a_foreign_edit_of_a_record_that_the_table_has_changed_is_never_written_over(folder, stage):
    at_stage(folder, stage)
    edit(folder)
    foreign = (folder / "library.json").read_bytes()
    with opened(folder) as site:
        first = site.repository("library").list()[0]["id"]
        site.repository("library").update(first, {"title": "Ours"})  # never blocks a caller
        with pytest.raises(NeedsPerson):
            site.flush()
        assert site.repository("library").get(first)["title"] == "Ours"
    assert (folder / "library.json").read_bytes() == foreign
    [copy] = (folder / ".mediaos-migrate" / "conflicts").iterdir()
    assert copy.read_bytes() == foreign
    told = command("stage", "show", "library", "--json", "--data", folder)
    assert "changed by another program" in told.json["stages"][0]["blocked"]


@pytest.mark.parametrize("text", ["", "{", '{"items": []}', None])
@pytest.mark.parametrize("stage", STAGES[3:5], ids=str)
def test_a_mirror_that_was_emptied_or_torn_is_rebuilt(folder, stage, text):
    at_stage(folder, stage)
    if text is None:
        (folder / "library.json").unlink()
    else:
        (folder / "library.json").write_text(text)
    with opened(folder) as site:
        site.repository("library").add({"kind": "movie", "title": "Ours"})
        site.flush()
    assert len(in_file(folder)) == 28
    validated(folder)


@pytest.mark.parametrize("text", ["", "{", '{"items": []}'])
@pytest.mark.parametrize("stage", STAGES[1:3], ids=str)
def test_a_believed_file_that_was_emptied_or_torn_is_never_taken_over(folder, stage, text):
    at_stage(folder, stage)
    (folder / "library.json").write_text(text)
    with opened(folder) as site, pytest.raises(MigrateError) as refused:
        site.repository("library").add({"kind": "movie", "title": "Ours"})
    assert refused.value.exit_code == 4
    assert isinstance(refused.value, Suspect) == (text == '{"items": []}')
    with closing(sqlite3.connect(folder / "mediaos.db")) as connection:
        assert connection.execute("SELECT count(*) FROM library_items").fetchone() == (27,)


# ── the second home fails ──


@pytest.mark.parametrize("stage", STAGES[1:3], ids=str)
def test_a_table_that_cannot_be_written_is_a_debt_and_no_error(folder, stage, monkeypatch):
    at_stage(folder, stage)
    with opened(folder) as site:
        with monkeypatch.context() as patched:
            patched.setattr("mediaos_migrate.moves.mirroring.note_file", None)
            key = site.repository("library").add({"kind": "movie", "title": "Ours"})
        assert (site.repository("library").get(key)["title"], site.last_failure) == ("Ours", "TypeError")
        assert in_file(folder)[-1]["id"] == key
        site.flush()
    validated(folder)


def fails(folder: Path, sql: str) -> None:
    with closing(sqlite3.connect(folder / "mediaos.db", isolation_level=None)) as connection:
        connection.execute(sql)


def status_of(folder: Path) -> str:
    return command("status", "--data", folder).out


STUCK: Final = "BEGIN SELECT raise(ABORT, 'stuck'); END"


@pytest.mark.parametrize("stage", STAGES[1:3], ids=str)
def test_a_table_that_takes_nothing_for_a_while_keeps_no_write_from_its_file(folder, stage):
    at_stage(folder, stage)
    alarms = []
    fails(folder, f"CREATE TRIGGER stuck BEFORE INSERT ON library_items WHEN new.title = 'New 0' {STUCK}")
    with opened(folder) as site:
        site.policy, site.on_alarm = Policy("strict", debts=2), lambda *told: alarms.append(told)
        library = site.repository("library")
        keys = [library.add({"kind": "movie", "title": f"New {number}"}) for number in range(4)]
        with pytest.raises(Conflict):
            library.add({"kind": "movie", "title": "New 3"})
        assert [library.get(key)["title"] for key in keys] == ["New 0", "New 1", "New 2", "New 3"]
        assert (alarms, site.health().debts) == ([("library", 3), ("library", 4)], 4)
        assert (
            "Write what the other home still lacks of library: `mediaos-migrate mirror flush"
            in command("status", "--data", folder).out
        )
        assert command("validate", "library", "--data", folder).code == 3
        fails(folder, "DROP TRIGGER stuck")
        library.update(keys[0], {"year": 2000})
        assert site.health().debts == 0
    assert [record["id"] for record in in_file(folder)[-4:]] == keys
    validated(folder)


@pytest.mark.parametrize("stage", STAGES[1:3], ids=str)
def test_a_database_that_cannot_even_note_a_write_keeps_it_not_from_its_file(folder, stage):
    at_stage(folder, stage)
    alarms = []
    fails(folder, f"CREATE TRIGGER full BEFORE INSERT ON _mm_intents {STUCK}")
    with opened(folder) as site:
        site.policy, site.on_alarm = Policy("strict", debts=0), lambda *told: alarms.append(told)
        fails(folder, f"CREATE TRIGGER stuck BEFORE INSERT ON library_items {STUCK}")
        site.repository("library").add({"id": "a", "kind": "movie", "title": "Ours"})
        assert alarms == [("library", 1), ("library", 1)]
        assert "Take over what the files of library say: `mediaos-migrate mirror flush" in status_of(folder)
        unit = site.unit_of_work()  # over several files
        unit.repository("library").add({"id": "b", "kind": "movie", "title": "Half"})
        unit.repository("verify-results").put({"title": "Half"}, key="b")
        with pytest.raises(MigrateError, match="could not do it"):
            unit.commit()
        fails(folder, "DROP TRIGGER full")
        fails(folder, "DROP TRIGGER stuck")
    assert [record["id"] for record in in_file(folder)][-1] == "a"
    assert command("mirror", "flush", "--data", folder).code == 0
    assert "Nothing is owed" in command("mirror", "flush", "--data", folder).out
    assert "Check again whenever you like" in status_of(folder)
    validated(folder)


def test_a_file_that_cannot_be_written_is_a_debt_and_no_error(folder, monkeypatch):
    at_stage(folder, Stage.LIVE)
    with opened(folder) as site:
        with monkeypatch.context() as patched:
            patched.setattr(
                "mediaos_migrate.files.Replacement.put", lambda self: (_ for _ in ()).throw(OSError(28, "full"))
            )
            key = site.repository("library").add({"kind": "movie", "title": "Ours"})
            with pytest.raises(MigrateError, match=r"The disk is full.*Free some space"):
                site.flush()
        assert site.repository("library").exists(key)
        told = command("status", "--data", folder)
        assert "mediaos-migrate mirror flush" in told.out
    assert in_file(folder)[-1]["id"] == key


# ── many at once ──


def write_many(folder: Path, worker: int, count: int) -> None:
    with Site.open(data=folder) as site:
        for number in range(count):
            site.repository("library").add(
                {"id": f"w{worker}-{number}", "kind": "movie", "title": f"{worker} {number}"}
            )


@pytest.mark.parametrize(("stage", "workers", "count"), [(Stage.OFF, 4, 5), (Stage.SHADOW, 4, 5), (Stage.LIVE, 8, 25)])
def test_every_write_of_many_processes_is_there_in_both_homes(folder, stage, workers, count):
    at_stage(folder, stage)
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=write_many, args=(folder, n, count)) for n in range(workers)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * workers
    wanted = {f"w{n}-{m}" for n in range(workers) for m in range(count)}
    assert wanted <= {item["id"] for item in in_file(folder)}
    if stage is not Stage.OFF:
        validated(folder)


def test_every_write_of_many_threads_is_there_in_both_homes(folder):
    at_stage(folder, Stage.LIVE)
    with opened(folder) as site:

        def write(worker: int) -> None:
            for number in range(10):
                site.repository("library").add(
                    {"id": f"t{worker}-{number}", "kind": "movie", "title": f"{worker} {number}"}
                )

        threads = [threading.Thread(target=write, args=(n,)) for n in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert site.repository("library").count() == 227
    assert len(in_file(folder)) == 227
    validated(folder)


def test_two_updates_of_one_record_at_once_keep_both(folder):
    at_stage(folder, Stage.LIVE)
    with opened(folder) as site:
        key = site.repository("library").add({"kind": "movie", "title": "Both"})
        threads = [
            threading.Thread(target=lambda n=n: site.repository("library").update(key, {f"member{n}": n}))
            for n in range(12)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        found = site.repository("library").get(key)
    assert {name: value for name, value in found.items() if name.startswith("member")} == {
        f"member{n}": n for n in range(12)
    }


@pytest.mark.parametrize("stage", STAGES[1:], ids=str)
def test_a_document_that_was_missing_comes_to_be_with_its_first_record(tmp_path, stage):
    folder = Path(shutil.copytree(FIXTURES / "mediaos-empty", tmp_path / "config"))
    (folder / "library.json").unlink()
    assert command("migrate", "--data", folder, key=KEY).code == 0
    at_stage(folder, stage)
    with opened(folder) as site:
        site.repository("library").add({"id": "first", "kind": "movie", "title": "First"})
        site.flush()
        assert site.repository("library").get("first")["title"] == "First"
    validated(folder)
    assert command("stage", "retreat", "library", "--to", "off", "--data", folder, key=KEY).code == 0
    assert [item["id"] for item in in_file(folder)] == ["first"]


@pytest.mark.parametrize("stage", STAGES[1:], ids=str)
def test_a_document_that_is_missing_stays_missing_on_the_way_there_and_back(tmp_path, stage):
    folder = Path(shutil.copytree(FIXTURES / "mediaos-empty", tmp_path / "config"))
    (folder / "library.json").unlink()
    assert command("migrate", "--data", folder, key=KEY).code == 0
    at_stage(folder, stage)
    assert command("stage", "retreat", "library", "--to", "off", "--data", folder, key=KEY).code == 0
    assert not (folder / "library.json").exists()


@pytest.mark.parametrize(
    "ask",
    [
        lambda library: library.list(where={"title": {"a": 1}}),
        lambda library: library.list(where={"title": ["a"]}),
        lambda library: library.list(where={"title": ("in", 5)}),
        lambda library: library.list(where={"title": ("in", [["a"]])}),
        lambda library: library.list(limit="x"),
        lambda library: library.list(limit=-1),
        lambda library: library.get(5),
        lambda library: library.exists(("a", 5)),
        lambda library: library.remove(None),
    ],
)
def test_what_cannot_be_asked_is_refused_in_words(folder, ask):
    with opened(folder) as site, pytest.raises(UsageError):
        ask(site.repository("library"))


def test_an_app_that_writes_all_the_time_can_advance(folder):
    """Evidence is of the epoch, and the step itself looks again while writers wait."""
    for stage in STAGES[1:]:
        with opened(folder) as site:
            for number in range(3):
                site.repository("library").put({"id": "busy", "kind": "movie", "title": f"{stage} {number}"})
            at_stage(folder, stage)
            assert site.repository("library").get("busy")["title"] == f"{stage} 2"


def test_a_step_that_is_refused_after_others_says_so(folder):
    with closing(sqlite3.connect(folder / "mediaos.db", isolation_level=None)) as connection:
        connection.execute("UPDATE library_items SET title = 'spoilt' WHERE rowid = 1")
    words = ["--policy", "ci", "--data", folder, "--json"]
    told = command("stage", "advance", *words, key=KEY)
    assert (told.code, told.json["error"]["type"]) == (5, "Incomplete")
    assert {step["document"] for step in told.json["error"]["steps"]} >= {"users"}
    assert command("stage", "advance", "library", *words, key=KEY).json["error"]["type"] == "Refused"


@pytest.fixture(scope="module")
def all_live(tmp_path_factory):
    folder = Path(shutil.copytree(FIXTURES / "mediaos", tmp_path_factory.mktemp("live") / "config"))
    assert command("migrate", "--data", folder, key=KEY).code == 0
    words = ["stage", "advance", "--to", "live", "--policy", "ci", "--host-reads-database"]
    assert command(*words, "--data", folder, key=KEY).code == 0
    return folder


def looked_at(site, write):
    """Return the tables of which a write looks at every row."""
    connection, asked = site.connection(), []
    connection.set_trace_callback(asked.append)
    write()
    connection.set_trace_callback(None)
    words = ("SELECT", "WITH", "UPDATE", "DELETE")
    steps = [
        step[3]
        for sql in asked
        if sql.lstrip().startswith(words)
        for step in connection.execute(f"EXPLAIN QUERY PLAN {sql}")
    ]
    assert [step for step in steps if step.startswith("SEARCH")]
    return {step.split()[1] for step in steps if step.startswith("SCAN") and "INDEX" not in step}


MANY = [name for name, d in load("mediaos").documents.items() if not d.records.hidden and d.shape is not Shape.ONE]
MANY.remove("quality-profiles")  # there are few, and no index of their names


@pytest.mark.parametrize("name", MANY)
def test_a_write_looks_at_no_record_but_its_own(all_live, name):
    with Site.open(data=all_live) as site:
        records, tables = site.repository(name), {part.table for part in site.pack.document(name).parts}
        # A title that fits no column is looked for in all records that have something beside their columns.
        fits = CODECS["text"].fit
        key, record = [item for item in records.items() if fits(item[1].get("title", "")) is not None][-1]
        assert looked_at(site, lambda: records.put(record, key)).isdisjoint(tables)
        assert looked_at(site, lambda: records.remove(key)).isdisjoint(tables)
        assert looked_at(site, lambda: records.put(record, key)).isdisjoint(tables)


def test_a_search_for_twins_looks_at_no_other_record(all_live):
    with Site.open(data=all_live) as site:
        film = {"kind": "movie", "title": "A film that nobody has"}
        assert "library_items" not in looked_at(site, lambda: site.repository("library").add(film))
