"""What once lost an acknowledged write, or left a site stuck, when an app used the library."""

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
from conftest import KEY, clean_environment
from inside import SHELF, command

from mediaos_migrate import MigrateError, Site, files
from mediaos_migrate.engines.sqlite import transaction
from mediaos_migrate.errors import Conflict, NeedsPerson, NoRecord, UsageError
from mediaos_migrate.journal import Journal
from mediaos_migrate.library import aside, view
from mediaos_migrate.moves import importing, mirroring
from mediaos_migrate.stages import Stage


@pytest.fixture(scope="module")
def templates(tmp_path_factory):
    made = {}

    def template(stage: Stage) -> Path:
        if stage not in made:
            folder = made[stage] = tmp_path_factory.mktemp("library") / "data"
            folder.mkdir()
            items = [{"id": f"f{n:02d}", "kind": "movie", "title": f"Film {n}"} for n in range(30)]
            (folder / "library.json").write_text(json.dumps({"items": items}, indent=2), encoding="utf-8")
            assert command("migrate", "--data", folder).code == 0
            words = ["--to", stage, "--policy", "ci", "--host-reads-database", "--data", folder]
            assert command("stage", "advance", "library", *words).code == 0
        return made[stage]

    return template


def at(templates, stage: Stage, target: Path) -> Path:
    return Path(shutil.copytree(templates(stage), target))


@pytest.mark.parametrize("emptied", [True, False])
@pytest.mark.parametrize("stage", [Stage.LIVE, Stage.COMPLETE], ids=str)
def test_a_database_that_is_lost_is_refused_and_nothing_is_written(templates, tmp_path, stage, emptied):
    folder = at(templates, stage, tmp_path / "data")
    (folder / "mediaos.db").unlink()
    if emptied:
        (folder / "mediaos.db").touch()
    before = (folder / "library.json").read_bytes()
    with Site.open(folder) as site:
        for ask in (lambda: site.repository("library").get("f01"), lambda: site.repository("library").remove("f01")):
            with pytest.raises(NeedsPerson):
                ask()
    assert (folder / "library.json").read_bytes() == before


def test_another_site_s_database_is_refused(templates, tmp_path):
    folder = at(templates, Stage.COMPLETE, tmp_path / "data")
    shutil.copy(templates(Stage.LIVE) / "mediaos.db", folder / "mediaos.db")
    with Site.open(folder) as site, pytest.raises(NeedsPerson):
        site.repository("library").put({"id": "new", "kind": "movie", "title": "New"})


def test_a_site_that_is_closed_holds_no_file_open(templates, tmp_path):
    folder = at(templates, Stage.LIVE, tmp_path / "data")
    with Site.open(folder) as site:
        site.shadow.rate = 1.0
        site.repository("library").update("f01", {"title": "Changed"})
        thread = threading.Thread(target=site.repository("library").get, args=("f01",))
        thread.start()
        thread.join()
    links = [str(path.readlink()) for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
    assert [link for link in links if link.startswith(str(folder))] == []


def test_a_forked_child_does_not_keep_the_parent_from_writing(templates, tmp_path):
    folder = at(templates, Stage.DUALWRITE, tmp_path / "data")
    script = """
import os, sys
from mediaos_migrate import Site
with Site.open(sys.argv[1]) as site:
    with site.holding("library"):
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.read(reading, 1)
            os._exit(0)
    with site.holding("library", wait=0):
        print("in turn")
    os.write(writing, b".")
    os.waitpid(child, 0)
"""
    words = [sys.executable, "-c", script, folder]
    done = subprocess.run(words, env=clean_environment(), capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "in turn\n"), done.stderr


FORKED = """
import os, signal, sys, threading
from mediaos_migrate import Site
site = Site.open(sys.argv[1])
library = site.repository("library")
ready, done = threading.Event(), threading.Event()

def child(act):
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)
        act()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
"""
IN_A_VIEW = """
def read():
    with site.view(site.pack.document("library")).current() as made, site._lock:
        ready.set()
        done.wait()

threading.Thread(target=read).start()
ready.wait()
print(child(lambda: library.update("f01", {"title": "Changed"})), flush=True)
done.set()
print(library.get("f01")["title"])
"""
AT_WORK = """
inside = False

def flush():
    global inside
    inside = True
    ready.set()
    for _ in range(300):
        site.connection().execute("SELECT count(*) FROM library_items").fetchall()
    inside = False

site.flush = flush
library.update("f01", {"title": "Changed"})
site._mirror.wake(1000)
ready.wait()
print(child(lambda: os._exit(inside)))
print(library.get("f01")["title"])
"""


@pytest.mark.parametrize(
    ("stage", "way"), [(Stage.OFF, IN_A_VIEW), (Stage.DUALWRITE, IN_A_VIEW), (Stage.LIVE, AT_WORK)]
)
def test_a_forked_child_waits_for_no_thread_that_it_does_not_have(templates, tmp_path, stage, way):
    folder = at(templates, stage, tmp_path / "data")
    words = [sys.executable, "-c", FORKED + way, folder]
    done = subprocess.run(words, env=clean_environment(), capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "0\nChanged\n"), done.stderr


def foreign(folder: Path) -> None:
    path = folder / "library.json"
    value = json.loads(path.read_text(encoding="utf-8"))
    value["items"].append({"id": "theirs", "kind": "movie", "title": "Theirs"})
    path.write_text(json.dumps(value), encoding="utf-8")


def test_a_foreign_edit_while_a_write_waits_is_not_written_over(templates, tmp_path, monkeypatch):
    folder = at(templates, Stage.DUALWRITE, tmp_path / "data")
    from mediaos_migrate.library.unit import Commit

    real = Commit._write_tables

    def waiting(self, *arguments):
        foreign(folder)
        return real(self, *arguments)

    with Site.open(folder) as site:
        monkeypatch.setattr(Commit, "_write_tables", waiting)
        with pytest.raises(MigrateError):
            site.repository("library").update("f01", {"title": "Ours"})
        monkeypatch.undo()
        assert site.repository("library").get("theirs") is not None
        site.repository("library").update("f01", {"title": "Ours"})
    assert command("validate", "library", "--data", folder).code == 0


def test_a_foreign_edit_while_a_mirror_is_written_is_not_written_over(templates, tmp_path, monkeypatch):
    folder = at(templates, Stage.LIVE, tmp_path / "data")
    with Site.open(folder) as site:
        site.repository("library").update("f01", {"title": "Ours"})
        real = mirroring.Export.check_key

        def checking(self):
            foreign(folder)
            return real(self)

        monkeypatch.setattr(mirroring.Export, "check_key", checking)
        with pytest.raises(MigrateError):
            site.flush()
        monkeypatch.undo()
        site.flush()
        assert site.repository("library").get("theirs") is not None
        assert site.repository("library").get("f01")["title"] == "Ours"
    assert command("validate", "library", "--data", folder).code == 0


@pytest.mark.parametrize("step", ["stage.proved", "stage.announced"])
def test_a_kill_after_the_fence_and_before_the_step_is_mended(templates, tmp_path, step):
    folder = at(templates, Stage.RAMPDOWN, tmp_path / "data")
    words = ["stage", "advance", "library", "--fence", "--policy", "ci", "--host-reads-database", "--data", str(folder)]
    env = clean_environment(ENCRYPTION_KEY=KEY, MEDIAOS_MIGRATE_CRASH_AT=step)
    done = subprocess.run([sys.executable, "-m", "mediaos_migrate", *words], env=env, capture_output=True)
    assert done.returncode == -signal.SIGKILL
    with Site.open(folder) as site:
        site.repository("library").update("f01", {"title": "Later"})
        site.flush()
    assert command("validate", "library", "--data", folder).code == 0
    assert command(*words).code == 0
    assert (folder / "library.json").is_dir()


# ── a large file is written by another process ──


@pytest.fixture
def large(monkeypatch):
    """Let every file count as large, and the site itself write none."""
    monkeypatch.setattr(aside, "LARGE", 0)


def unreachable(*_):
    raise AssertionError("written by this process")


@pytest.mark.usefixtures("large")
def test_a_large_file_follows_its_table_in_another_process(templates, tmp_path, monkeypatch):
    folder = at(templates, Stage.LIVE, tmp_path / "data")
    with Site.open(folder) as site:
        site.repository("library").update("f01", {"title": "Changed"})
        with monkeypatch.context() as patched:
            patched.setattr(Site, "flush", unreachable)
            site.follow()
        assert json.loads((folder / "library.json").read_bytes())["items"][1]["title"] == "Changed"
        assert not Journal(site.connection()).debts()


@pytest.mark.usefixtures("large")
def test_what_the_other_process_found_out_makes_the_next_change_little_work(templates, tmp_path, monkeypatch):
    folder = at(templates, Stage.LIVE, tmp_path / "data")
    with Site.open(folder) as site:
        for title in ("Once", "Twice"):
            site.repository("library").update("f01", {"title": title})
            site.follow()
            monkeypatch.setattr(aside.subprocess, "Popen", unreachable)
        assert json.loads((folder / "library.json").read_bytes())["items"][1]["title"] == "Twice"
    assert command("validate", "library", "--data", folder).code == 0


@pytest.mark.usefixtures("large")
def test_the_other_process_has_the_site_s_key(tmp_path, monkeypatch):
    folder, key_file = tmp_path / "data", tmp_path / "key"
    folder.mkdir()
    key_file.write_text(KEY, encoding="utf-8")
    (folder / "downloaders.json").write_text('{"deluge": {"enabled": true, "password": "geheim"}}', encoding="utf-8")
    words = ["--data", folder, "--key-file", key_file]
    assert command("migrate", *words).code == 0
    ways = ["--to", "live", "--policy", "ci", "--host-reads-database"]
    assert command("stage", "advance", "downloaders", *ways, *words).code == 0
    with Site.open(folder, key_file=key_file) as site:
        site.repository("downloaders").update("deluge", {"enabled": False})
        with monkeypatch.context() as patched:
            patched.setattr(Site, "flush", unreachable)
            site.follow()
        written = json.loads((folder / "downloaders.json").read_bytes())["deluge"]
        assert (written["enabled"], site.repository("downloaders").get("deluge")) == (False, written)


@pytest.mark.parametrize("program", ["", "/usr/sbin/uwsgi", "/nowhere/python3", "python-that-fails"])
@pytest.mark.usefixtures("large")
def test_where_no_other_process_can_be_the_site_writes_by_itself(templates, tmp_path, monkeypatch, program):
    folder = at(templates, Stage.LIVE, tmp_path / "data")
    if program == "python-that-fails":
        program = str(tmp_path / program)
        Path(program).write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
        Path(program).chmod(0o700)
    monkeypatch.setattr(sys, "executable", program)
    with Site.open(folder) as site:
        site.repository("library").update("f01", {"title": "Changed"})
        site.follow()
        assert json.loads((folder / "library.json").read_bytes())["items"][1]["title"] == "Changed"


# ── what was written here is not read again ──


@pytest.mark.parametrize("stage", [Stage.OFF, Stage.DUALWRITE], ids=str)
def test_a_believed_file_is_read_once_however_often_it_is_written(templates, tmp_path, monkeypatch, stage):
    folder = at(templates, stage, tmp_path / "data")
    twin = {"id": "f03", "kind": "movie", "title": "Twin of Film 3"}
    items = json.loads((folder / "library.json").read_bytes())["items"]
    (folder / "library.json").write_text(json.dumps({"items": [*items, twin]}, indent=2), encoding="utf-8")
    reads = []
    real = view.import_document
    monkeypatch.setattr(view, "import_document", lambda *given: (reads.append(1), real(*given)))
    with Site.open(folder) as site:
        library = site.repository("library")
        library.add({"id": "new", "kind": "movie", "title": "New"})
        library.update("f05", {"title": "Changed", "more": [1.5, None]})
        library.remove("f01")
        library.remove("f03")
        library.put({"id": "f07", "kind": "book", "title": "Put"})
        library.search("film")
        library.put({"id": "f08", "kind": "book", "title": "Found"})
        found = (library.list(), library.search("found"), library.list(order_by="-title", limit=3))
    assert len(reads) == 1
    with Site.open(folder) as site:
        library = site.repository("library")
        assert (library.list(), library.search("found"), library.list(order_by="-title", limit=3)) == found
    assert found[0] == json.loads((folder / "library.json").read_bytes())["items"]
    assert library.get("f03") == twin


def test_a_write_that_fails_leaves_the_tables_of_the_file_as_it_is(templates, tmp_path, monkeypatch):
    folder = at(templates, Stage.OFF, tmp_path / "data")
    with Site.open(folder) as site:
        library = site.repository("library")
        before = library.list()
        with monkeypatch.context() as patched:
            patched.setattr(files.Replacement, "put", full)
            with pytest.raises(MigrateError, match="The disk is full"):
                library.update("f05", {"title": "Changed"})
        assert library.list() == before
        library.update("f05", {"title": "Changed again"})
        assert library.get("f05")["title"] == "Changed again"


def full(*_, **__):
    raise OSError(28, "disk full")


# ── what cannot be asked, or kept, is a mistake that says so ──

ODD = {
    "a filter that is a list": lambda library: library.list([("year", 1990)]),
    "a filter that is a text": lambda library: library.count("year"),
    "an order that is no text": lambda library: library.list(order_by=5),
    "a limit beyond all numbers": lambda library: library.list(limit=10**30),
    "a number that no column holds": lambda library: library.list({"year": 10**30}),
    "a number that is none": lambda library: library.count({"year": float("nan")}),
    "half a character": lambda library: library.list({"title": "\ud800"}),
    "a member that is no text": lambda library: library.list({5: 5}),
    "one value of several": lambda library: library.list({"year": ("in", 1990)}),
    "a text for several": lambda library: library.list({"kind": ("in", "movie")}),
    "too many values": lambda library: library.list({"year": ("in", range(40_000))}),
    "words that are none": lambda library: library.search(None),
    "a search without an end": lambda library: library.search("film", limit=-1),
    "a key of two parts": lambda library: library.get(("f01", "f02")),
    "a key of none": lambda library: library.exists(()),
    "a page after what cannot be": lambda library: library.list(after="\ud800"),
    "a number that no JSON spells": lambda library: library.update("f01", {"rating": [float("inf")]}),
    "a set": lambda library: library.put({"id": "odd", "title": {1, 2}}),
    "a change to a set": lambda library: library.update("f01", {"title": {1, 2}}),
    "a change that is a list": lambda library: library.update("f01", []),
}


@pytest.mark.parametrize("stage", [Stage.OFF, Stage.LIVE], ids=str)
def test_what_cannot_be_asked_is_bad_usage_and_changes_nothing(templates, tmp_path, stage):
    folder = at(templates, stage, tmp_path / "data")
    with Site.open(folder) as site:
        library = site.repository("library")
        before = library.list()
        for ask in ODD.values():
            with pytest.raises(UsageError):
                ask(library)
        with pytest.raises(UsageError):
            site.repository("users", "siblings")
        assert (library.get("\ud800"), library.exists("a\x00"), library.list()) == (None, False, before)


@pytest.mark.parametrize("stage", [Stage.OFF, Stage.LIVE], ids=str)
def test_one_of_several_may_be_the_one_that_is_not_there(templates, tmp_path, stage):
    folder = at(templates, stage, tmp_path / "data")
    with Site.open(folder) as site:
        library = site.repository("library")
        library.update("f03", {"year": 1990})
        library.update("f04", {"year": 2001})
        found = [record["id"] for record in library.list({"year": ("in", [1990, None])}, limit=4)]
        assert found == ["f00", "f01", "f02", "f03"]
        assert library.count({"year": ("in", range(1990, 2002))}) == 2


@pytest.mark.parametrize("stage", [Stage.OFF, Stage.LIVE], ids=str)
def test_what_has_to_be_unique_may_be_what_no_column_holds(templates, tmp_path, stage):
    folder = at(templates, stage, tmp_path / "data")
    with Site.open(folder) as site:
        library = site.repository("library")
        for number, title in enumerate(["\ud800", "a\x00b", [1], {"a": 1}, 10**30]):
            key = library.add({"id": f"odd{number}", "kind": "movie", "title": title})
            assert library.get(key)["title"] == title


UNIQUE = """
[[documents.books.records.rules]]
code = "twice-{0}"
unique = ["{0}"]
means = "Two books have one {0}."
remedy = "Change one."
"""


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    """Make a pack in which more has to be unique: what is sealed, what is JSON, what does not fit its column."""
    pack = Path(shutil.copytree(SHELF, tmp_path_factory.mktemp("strict") / "shelf"))
    mapping = pack / "mapping.toml"
    head, tail = mapping.read_text(encoding="utf-8").split("[documents.books.siblings]", 1)
    rules = "".join(UNIQUE.format(member) for member in ("token", "state", "pages"))
    mapping.write_text(f"{head}{rules}\n[documents.books.siblings]{tail}", encoding="utf-8")
    return pack


@pytest.mark.parametrize("stage", [Stage.OFF, Stage.DUALWRITE, Stage.LIVE], ids=str)
def test_what_is_unique_is_found_wherever_it_is_kept(strict, tmp_path, stage, monkeypatch):
    monkeypatch.setenv("ENCRYPTION_KEY", KEY)
    first = {"title": "5", "pages": 1, "state": {"a": 1, "b": 2}, "token": "hunter2hunter2"}
    second = {"title": 9, "pages": "many"}
    books = [{"shelf": "s", "id": f"{number}", **book} for number, book in enumerate([first, second])]
    (tmp_path / "books.json").write_text(json.dumps({"books": books}), encoding="utf-8")
    options = ["--data", tmp_path, "--app", strict]
    move = ["stage", "advance", "authors", "books", "--to", stage, "--policy", "ci", "--host-reads-database"]
    assert [command(*words, *options, key=KEY).code for words in (["migrate"], move)] == [0, 0]
    with Site.open(tmp_path, app=str(strict)) as site:
        mine = site.repository("books")
        for member, value in (*first.items(), *second.items()):
            with pytest.raises(Conflict, match=f"with this {member} already: s / "):
                mine.add({"shelf": "t", "id": member, member: value})
        for number, other in enumerate([{"title": 5}, {"title": "9"}, {"pages": True}, {"pages": "1"}, {"state": [1]}]):
            mine.add({"shelf": "u", "id": f"{number}", **other})


@pytest.mark.parametrize("stage", [Stage.OFF, Stage.LIVE], ids=str)
def test_nobody_asks_for_what_the_table_may_hold_sealed(tmp_path, stage, monkeypatch):
    monkeypatch.setenv("ENCRYPTION_KEY", KEY)
    books = [
        {"shelf": "s", "id": "1", "token": "hunter2hunter2", "notes": [{"pin": "1234"}]},
        {"shelf": "s", "id": "2"},
    ]
    (tmp_path / "books.json").write_text(json.dumps({"books": books}), encoding="utf-8")
    options = ["--data", tmp_path, "--app", SHELF]
    move = ["stage", "advance", "authors", "books", "--to", stage, "--policy", "ci", "--host-reads-database"]
    assert [command(*words, *options, key=KEY).code for words in (["migrate"], move)] == [0, 0]
    with Site.open(tmp_path, app=SHELF) as site:
        mine = site.repository("books")
        for where in ({"token": "hunter2hunter2"}, {"notes": (">", "[")}, {"token": ("in", [None, "x"])}):
            with pytest.raises(UsageError, match="holds a secret"):
                mine.list(where)
        for order in ("token", "-token"):
            with pytest.raises(UsageError, match="cannot be ordered"):
                mine.list(order_by=order)
        assert mine.list({"token": None}) == mine.list({"notes": None}) == [books[1]]
        assert mine.count({"token": ("!=", None)}) == 1


@pytest.fixture(scope="module")
def numbered(tmp_path_factory):
    """Make a pack whose keys, and those of a child table, are numbers in the database."""
    pack = Path(shutil.copytree(SHELF, tmp_path_factory.mktemp("numbered") / "shelf"))
    step = pack / "sqlite" / "0001_shelf.up.sql"
    text = step.read_text(encoding="utf-8")
    for column in ("day       TEXT NOT NULL PRIMARY", "day       TEXT NOT NULL REFERENCES"):
        assert text.count(column) == 1
        text = text.replace(column, column.replace("TEXT", "INTEGER"))
    step.write_text(text, encoding="utf-8")
    assert command("schema", "lint", "--write", "--app", pack).code == 0
    return pack


@pytest.mark.parametrize("stage", [Stage.OFF, Stage.LIVE], ids=str)
def test_a_record_with_a_number_for_a_key_keeps_what_its_child_table_holds(numbered, tmp_path, stage):
    pages = [diary_page(day, f"of {day}") for day in (7, 12, 3)]
    file = tmp_path / "diary.json"
    file.write_text(json.dumps({"pages": pages}), encoding="utf-8")
    move = ["stage", "advance", "diary", "--to", stage, "--policy", "ci", "--host-reads-database"]
    options = ["--data", tmp_path, "--app", numbered]
    assert [command(*words, *options).code for words in (["migrate"], move)] == [0, 0]
    with Site.open(tmp_path, app=str(numbered)) as site:
        diary = site.repository("diary")
        diary.add(diary_page(5, "new", "newer"))
        diary.update("12", {"mood": "good"})
        found = diary.list()
    assert found == [pages[0], {**pages[1], "mood": "good"}, pages[2], diary_page(5, "new", "newer")]
    assert json.loads(file.read_text(encoding="utf-8")) == {"pages": found}


def diary_page(day: int, *lines: str) -> dict[str, object]:
    return {"day": day, "lines": [{"text": line} for line in lines]}


def tags_at(stage: Stage, text: str, folder: Path, *names: str) -> tuple[Path, list[object]]:
    """Migrate a document (the last of some) and take it to a stage; return its file, and what commands need to hear."""
    names = names or ("tags",)
    folder.mkdir(exist_ok=True)
    file = folder / f"{names[-1]}.json"
    file.write_text(text)
    options = ["--data", folder, "--app", SHELF]
    move = ["stage", "advance", *names, "--to", stage, "--policy", "ci", "--host-reads-database"]
    assert all(command(*words, *options).code == 0 for words in (["migrate"], move))
    return file, options


def put_in_plainly(file: Path) -> None:
    """Add an element as a client does that knows nothing of us."""
    with closing(sqlite3.connect(file.with_name("mediaos.db"), isolation_level=None)) as database:
        database.execute("INSERT INTO tags (book, tag) VALUES ('b', '#plain')")


def tagged(site: Site) -> list[tuple[str, ...]]:
    """Add to lists that there are, that are empty and that are new, and take one's only element away."""
    tags = site.repository("tags")
    tags.add("#wet", key=("b", "#wet"))
    tags.add("#new", key=("empty", "#new"))
    with site.unit_of_work() as unit:
        for key in [("n", "#1"), ("m", "#1"), ("n", "#2"), ("b", "#last"), ("m", "#2")]:
            unit.repository("tags").add(key[1], key=key)
    tags.remove(("gone", "#x"))
    return [key for key, _ in tags.items()]


@pytest.mark.parametrize("stage", [Stage.OFF, Stage.DUALWRITE, Stage.LIVE, Stage.COMPLETE], ids=str)
def test_an_element_that_is_added_to_a_list_stands_in_that_list(tmp_path, stage):
    file, options = tags_at(
        stage, '{"b": ["#red"], "empty": [], "gone": ["#x"], "still": [], "c": ["#thin"]}', tmp_path / "data"
    )
    with Site.open(file.parent, app=SHELF) as site:
        keys = tagged(site)
    assert command("rollback", "--yes", *options).code == 0
    found = json.loads(file.read_text(), object_pairs_hook=list)
    assert [name for name, tags in found if tags] == ["b", "c", "empty", "n", "m"]
    assert [(name, tag) for name, tags in found for tag in tags] == keys
    assert dict(found)["b"] == ["#red", "#wet", "#last"]
    assert [name for name, tags in found if not tags] == ["gone", "still"]


@pytest.mark.parametrize("stage", [Stage.OFF, Stage.DUALWRITE, Stage.LIVE, Stage.COMPLETE], ids=str)
def test_a_list_that_loses_its_last_element_stays_where_it_is_as_an_empty_one(tmp_path, stage):
    text = '{\n  "ann": ["x"],\n  "bob": ["y", "z"],\n  "cid": [],\n  "dan": ["x"]\n}\n'
    file, options = tags_at(stage, text, tmp_path / "data")
    with Site.open(file.parent, app=SHELF) as site:
        for key in (("dan", "x"), ("ann", "x")):
            site.repository("tags").remove(key)
            site.flush()
    assert command("validate", *options).code == (3 if stage is Stage.OFF else 0)
    assert command("rollback", "--yes", *options).code == 0
    assert file.read_text() == text.replace('["x"]', "[]")


def test_a_list_that_loses_its_last_element_has_its_name_in_a_file_that_is_made_from_nothing(tmp_path):
    text = '{"ann": ["x"], "bob": ["y"], "cid": []}'
    file, _ = tags_at(Stage.COMPLETE, text, tmp_path / "data")
    with Site.open(file.parent, app=SHELF) as site:
        for key in (("ann", "x"), ("bob", "y")):
            site.repository("tags").remove(key)
        site.repository("tags").add("z", key=("bob", "z"))
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(file.with_name("mediaos.db"), alone)  # neither file nor backup
    assert command("export", "--to", tmp_path / "out", "--data", alone, "--app", SHELF).code == 0
    assert json.loads((tmp_path / "out" / "tags.json").read_text()) == {"ann": [], "bob": ["z"], "cid": []}


def test_an_element_that_a_foreign_hand_gave_no_place_is_exported_into_its_list(tmp_path):
    file, options = tags_at(Stage.OFF, '{"b": ["#red"], "c": ["#thin"]}', tmp_path / "data")
    put_in_plainly(file)
    assert command("export", "--to", tmp_path / "out", *options).code == 0
    assert (tmp_path / "out" / "tags.json").read_text() == '{"b": ["#red","#plain"], "c": ["#thin"]}'


@pytest.mark.parametrize("stage", [Stage.OFF, Stage.LIVE], ids=str)
def test_an_element_is_added_to_a_list_whose_others_are_in_quarantine(tmp_path, stage):
    file, _ = tags_at(stage, '{"q": [{"held": 1}], "none": "no list", "c": ["#thin"]}', tmp_path / "data")
    with Site.open(file.parent, app=SHELF) as site:
        site.repository("tags").add("#new", key=("q", "#new"))
        with pytest.raises(UsageError, match="is no list"):
            site.repository("tags").add("#new", key=("none", "#new"))
    found = json.loads(file.read_text(), object_pairs_hook=list)
    assert [name for name, _ in found] == ["q", "none", "c"]
    assert "#new" in dict(found)["q"]
    assert len(dict(found)["q"]) == 2


@pytest.mark.parametrize(
    ("document", "text", "changed"),
    [
        ("tags", '{"q": [[1]], "c": ["#thin"]}', '{"q": [[1],"#new"], "c": ["#thin"]}'),
        ("tags", '{"q": ["#new", [1], [2]]}', '{"q": [[1],[2]]}'),
        ("diary", '{"pages":[{"day":"new"},5,{"day":"tue"},6]}', '{"pages":[5,{"day":"tue"},6]}'),
    ],
)
def test_a_record_that_comes_or_goes_before_one_in_quarantine_is_no_difference(tmp_path, document, text, changed):
    file, options = tags_at(Stage.COMPLETE, text, tmp_path / "data", document)
    with Site.open(file.parent, app=SHELF) as site:
        records = site.repository(document)
        key = ("q", "#new") if document == "tags" else "new"
        records.remove(key) if records.exists(key) else records.add("#new", key=key)
    assert command("validate", *options).code == 0
    assert command("rollback", "--yes", *options).code == 0
    assert file.read_text() == changed
    assert command("validate", *options).code == 0


@pytest.mark.parametrize("stage", [Stage.DUALWRITE, Stage.LIVE, Stage.COMPLETE], ids=str)
def test_a_record_that_goes_and_comes_again_in_one_unit_is_put_in_the_place_of_its_twin(tmp_path, stage):
    twins = '{"pages":[{"day":"a","mood":"1"},{"day":"a","mood":"2"},{"day":"b"}]}'
    file, options = tags_at(stage, twins, tmp_path / "data", "diary")
    with Site.open(file.parent, app=SHELF) as site, site.unit_of_work() as unit:
        unit.repository("diary").remove("a")
        unit.repository("diary").put({"day": "a", "mood": "3"})
    assert command("mirror", "flush", *options).code == 0
    assert command("validate", *options).code == 0
    assert command("rollback", "--yes", *options).code == 0
    assert file.read_text() == '{"pages":[{"day":"a","mood":"3"},{"day":"b"}]}'


@pytest.mark.parametrize("stage", [Stage.DUALWRITE, Stage.LIVE], ids=str)
def test_a_sibling_that_is_removed_before_the_container_leaves_the_others_where_they_are(tmp_path, stage):
    text = '{"bonn": {"city": "B"}, "ulm": {"city": "U"}, "books": [], "trier": {"city": "T"}}'
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "authors.json").write_text("{}")
    file, options = tags_at(stage, text, tmp_path / "data", "authors", "books")
    with Site.open(file.parent, app=SHELF) as site:
        site.repository("books", "siblings").remove("bonn")
        site.flush()
        site.repository("books", "siblings").put({"city": "V"}, key="ulm")
    assert command("validate", *options).code == 0
    assert command("rollback", "--yes", *options).code == 0
    assert file.read_text() == '{"ulm": {"city": "V"}, "books": [], "trier": {"city": "T"}}'


def test_what_a_foreign_hand_puts_into_a_list_at_live_comes_back_with_the_files_once_it_is_settled(tmp_path):
    file, options = tags_at(Stage.LIVE, '{"b": ["#red"], "c": ["#thin"]}', tmp_path / "data")
    put_in_plainly(file)
    assert command("rollback", "--yes", *options).code == 4
    assert command("repair", "tags", "--believe", "table", "--yes", *options).code == 0
    assert command("rollback", "--yes", *options).code == 0
    assert json.loads(file.read_text()) == {"b": ["#red", "#plain"], "c": ["#thin"]}
    assert command("validate", *options).code == 0


def one_at(stage: Stage, folder: Path) -> tuple[Path, list[object]]:
    """Take a document that is one value to a stage."""
    return tags_at(stage, '{"a": 1}', folder, "prefs")


@pytest.mark.parametrize("stage", [Stage.OFF, Stage.DUALWRITE, Stage.LIVE, Stage.COMPLETE], ids=str)
def test_the_one_value_of_a_file_is_replaced_and_never_removed(tmp_path, stage):
    file, _ = one_at(stage, tmp_path / "data")
    with Site.open(file.parent, app=SHELF) as site:
        prefs = site.repository("prefs")
        with pytest.raises(UsageError, match="is one value"):
            prefs.remove("prefs")
        with pytest.raises(NoRecord):
            prefs.remove("other")
        assert prefs.get("prefs") == {"a": 1}
        prefs.put({"b": 2})
        assert prefs.get("prefs") == {"b": 2}
    assert json.loads(file.read_text()) == ({"a": 1} if stage is Stage.COMPLETE else {"b": 2})


def test_no_file_is_written_of_a_value_that_a_foreign_hand_removed(tmp_path):
    file, options = one_at(Stage.LIVE, tmp_path / "data")
    with closing(sqlite3.connect(file.with_name("mediaos.db"), isolation_level=None)) as database:
        database.execute("DELETE FROM prefs")
    done = command("repair", "--believe", "table", "prefs", "--yes", *options)
    assert done.code == 7
    assert "The value of prefs.json is gone" in done.err
    assert json.loads(file.read_text()) == {"a": 1}
    assert command("repair", "--believe", "file", "prefs", "--yes", *options).code == 0
    with Site.open(file.parent, app=SHELF) as site:
        assert site.repository("prefs").get("prefs") == {"a": 1}


@pytest.mark.parametrize("stage", [Stage.DUALWRITE, Stage.LIVE], ids=str)
def test_what_names_a_record_is_linked_to_it_whichever_came_first(templates, tmp_path, stage):
    folder = at(templates, stage, tmp_path / "data")
    film = {"id": "mlate0001", "kind": "movie", "title": "Late"}

    def link(site):
        sql = "SELECT library_item_id FROM wanted_items WHERE id = 'mlate0001'"
        return site.connection().execute(sql).fetchone()[0]

    (folder / "wanted.json").write_text(json.dumps({"items": [{"id": "mlate0001", "kind": "movie", "title": "Late"}]}))
    assert command("migrate", "--data", folder).code == 0
    with Site.open(folder) as site:
        assert link(site) is None
        site.repository("library").add(film)
        assert link(site) == "mlate0001"
        with site.unit_of_work() as unit:
            unit.repository("library").remove("mlate0001")
            unit.repository("library").add(film)
        assert link(site) == "mlate0001"
        site.repository("library").remove("mlate0001")
        assert link(site) is None


@pytest.mark.parametrize("stage", [Stage.LIVE, Stage.COMPLETE], ids=str)
def test_a_rebuilt_file_has_what_no_debt_tells_of(templates, tmp_path, stage):
    folder = at(templates, stage, tmp_path / "data")
    with Site.open(folder) as site:
        site.repository("library").update("f01", {"title": "Ours"})
        site.flush()
        site.connection().execute("UPDATE library_items SET title = 'Theirs' WHERE id = 'f02'")
        mirroring.rebuild(site, site.connection(), site.pack.document("library"))
    items = json.loads((folder / "library.json").read_text(encoding="utf-8"))["items"]
    assert {"Ours", "Theirs"} <= {item["title"] for item in items}


@pytest.mark.parametrize("text", [False, True])
def test_what_is_written_while_a_foreign_edit_is_merged_is_not_lost(templates, tmp_path, monkeypatch, text):
    folder = at(templates, Stage.LIVE, tmp_path / "data")
    file, written = folder / "library.json", list[int]()

    def late(connection):
        if not written:
            written.append(1)
            with Site.open(folder) as other:  # as another process would, after the file was looked at
                library = other.repository("library")
                library.update("f01", {"title": "Ours"})
                library.add({"id": "new", "kind": "movie", "title": "New"})
                library.remove("f02")
        return transaction(connection)

    with Site.open(folder) as site:
        site.wake = lambda _: None
        library = site.repository("library")
        library.update("f05", {"year": 2000})
        file.write_text(file.read_text("utf-8").replace("Film 9", "Theirs"), "utf-8")
        if text:
            with site.writing() as connection:
                connection.execute("UPDATE library_items SET position = 'nowhere' WHERE id = 'f07'")
        monkeypatch.setattr(importing, "transaction", late)
        site.flush()
        site.flush()
        titles = {record["id"]: record["title"] for record in library.list()}
    assert (titles["f01"], titles["new"], titles["f09"], "f02" in titles) == ("Ours", "New", "Theirs", False)
    assert {item["id"]: item["title"] for item in json.loads(file.read_text("utf-8"))["items"]} == titles
    assert command("validate", "library", "--data", folder).code == 0


@pytest.mark.parametrize("place", ["nowhere", b"x", 1.5, None])
def test_a_place_that_is_no_number_keeps_nobody_from_writing(templates, tmp_path, place):
    folder = at(templates, Stage.LIVE, tmp_path / "data")
    with Site.open(folder) as site:
        with site.writing() as connection:
            connection.execute("UPDATE library_items SET position = ? WHERE id IN ('f07', 'f29')", (place,))
        library = site.repository("library")
        library.add({"id": "new", "kind": "movie", "title": "New"})
        library.update("f07", {"year": 2000})
        assert [record["id"] for record in library.list()][-1] in ("new", "f07", "f29")
        assert library.count() == 31
