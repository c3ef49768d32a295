"""What a fresh pair of eyes found once, and must never find again."""

import json
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from conftest import KEY, clean_environment
from inside import command

from mediaos_migrate import backups, files, scratch
from mediaos_migrate.moves import exporting, migrating
from mediaos_migrate.site import Site


def sql(folder, *statements):
    with closing(sqlite3.connect(folder / "mediaos.db", isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


@pytest.fixture
def data(tmp_path):
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def films(folder, count=50, title="Film"):
    items = [{"id": f"f{n:03d}", "kind": "movie", "title": f"{title} {n}"} for n in range(count)]
    (folder / "library.json").write_text(json.dumps({"items": items}, indent=2))


# ── export ──


def test_an_export_never_takes_bytes_of_a_file_that_changes_meanwhile(data, tmp_path, monkeypatch):
    films(data)
    wanted = (data / "library.json").read_bytes()
    assert command("migrate", "--data", data).code == 0
    content = exporting.Export._content

    def written_meanwhile(self):
        films(data, title="Mist")  # as long as before
        return content(self)

    for name in ("with backups", "without"):
        monkeypatch.setattr(exporting.Export, "_content", written_meanwhile)
        (data / "library.json").write_bytes(wanted)
        assert command("export", "--to", tmp_path / name, "--data", data).code == 0
        assert (tmp_path / name / "library.json").read_bytes() == wanted
        monkeypatch.undo()
        monkeypatch.setattr(backups, "all_of", lambda site: [])


def test_a_file_that_changes_while_it_is_copied_is_no_base(data, tmp_path, monkeypatch):
    films(data)
    assert command("migrate", "--data", data).code == 0
    monkeypatch.setattr(backups, "all_of", lambda site: [])
    copy = files.copy

    def written_meanwhile(source, target, owner=None):
        films(data, title="Mist")
        return copy(source, target, owner)

    monkeypatch.setattr(files, "copy", written_meanwhile)
    assert command("export", "--to", tmp_path / "out", "--data", data).code == 0
    found = json.loads((tmp_path / "out" / "library.json").read_text())
    assert {item["title"][:4] for item in found["items"]} == {"Film"}


@pytest.mark.parametrize("alone", [False, True])
def test_a_document_whose_one_row_is_gone_is_not_written(data, tmp_path, alone):
    (data / "monitor.json").write_text('{"monitor": 1}')
    (data / "verify.json").write_text("true")
    assert command("migrate", "--data", data).code == 0
    sql(data, "DELETE FROM config_documents WHERE name = 'monitor'")
    if alone:
        (tmp_path / "alone").mkdir()
        (data / "mediaos.db").rename(tmp_path / "alone" / "mediaos.db")
    told = command("export", "--to", tmp_path / "out", "--data", tmp_path / "alone" if alone else data, "--json")
    states = {
        item["document"]: item["state"] for item in told.json["files"] if item["document"] in ("monitor", "verify")
    }
    assert (told.code, states) == (0, {"monitor": "gone", "verify": "present"})
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["verify.json"]


# ── what a foreign hand leaves in the database ──


def test_children_of_a_row_that_was_deleted_by_hand_are_no_obstacle(site_folder):
    assert command("migrate", "--data", site_folder).code == 0
    sql(site_folder, "DELETE FROM quality_profiles WHERE id = (SELECT min(profile_id) FROM quality_profile_items)")
    assert command("migrate", "--data", site_folder).code == 0
    assert command("validate", "--data", site_folder).code == 0


def test_children_of_nobody_are_found_and_removed(site_folder):
    assert command("migrate", "--data", site_folder).code == 0
    sql(site_folder, "INSERT INTO quality_profile_items (profile_id, position, quality) VALUES ('nobody', 0, 'x')")
    told = command("validate", "--data", site_folder, "--json")
    assert (told.code, told.document("quality-profiles")["extra"]) == (3, [["nobody", "0"]])
    assert command("migrate", "--data", site_folder).code == 0
    assert command("rehearse", "--data", site_folder).code == 0


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE library_items SET id = x'00ff' WHERE id = 'f003'",
        "UPDATE library_items SET title = x'00ff' WHERE id = 'f003'",
        "UPDATE library_items SET year = x'00ff', metadata = x'ff', extra = x'00' WHERE id = 'f003'",
    ],
)
def test_binary_where_text_belongs_is_a_difference_and_no_mistake(data, tmp_path, statement):
    films(data)
    assert command("migrate", "--data", data).code == 0
    sql(data, statement)
    assert command("validate", "--data", data).code == 3
    assert command("export", "--to", tmp_path / "out", "--data", data).code == 0
    assert command("migrate", "--data", data).code == 0
    assert command("validate", "--data", data).code == 0


@pytest.mark.parametrize(
    ("statement", "verb", "code"),
    [
        ("DELETE FROM _mm_site", "migrate", 7),
        ("DELETE FROM _mm_site", "validate", 7),
        ("DELETE FROM _mm_site", "status", 7),
        ("UPDATE _mm_documents SET envelope = 'x'", "export", 7),
    ],
)
def test_damage_to_our_own_tables_needs_a_person(data, tmp_path, statement, verb, code):
    films(data)
    assert command("migrate", "--data", data).code == 0
    sql(data, statement)
    to = ["--to", tmp_path / "out"] if verb == "export" else []
    told = command(verb, "--data", data, *to)
    assert (told.code, "mistake" in told.out + told.err) == (code, False)


# ── secrets ──


@pytest.mark.parametrize(
    "change",
    [{"password": None}, {"password": ""}, {"baseUrl": "http://h/"}, {"password": None, "baseUrl": "http://h/"}],
)
def test_a_credential_that_was_cleared_is_a_change_also_without_the_key(data, change):
    block = {"enabled": True, "baseUrl": "http://h/?apikey=SEKRIT", "password": "hunter2"}
    (data / "downloaders.json").write_text(json.dumps({"qbittorrent": block}))
    assert command("migrate", "--data", data, key=KEY).code == 0
    (data / "downloaders.json").write_text(json.dumps({"qbittorrent": block | change}))
    told = command("validate", "--data", data, "--json").document("downloaders")["differences"]
    assert [{member["path"] for member in each["members"]} for each in told] == [set(change)]
    assert command("migrate", "--data", data).code == 0
    assert command("validate", "--data", data).code == 0


def test_what_lies_inside_a_secret_is_not_named(data):
    for word in ("SEKRIT1", "SEKRIT2"):
        (data / "downloaders.json").write_text(json.dumps({"qb": {"password": {word: [1, {word: word}]}}}))
        if word == "SEKRIT1":
            assert command("migrate", "--data", data).code == 0
    for words in (
        ["validate"],
        ["validate", "--json"],
        ["validate", "--format", "html"],
        ["show", "downloaders", "qb"],
    ):
        told = command(*words, "--data", data)
        assert (told.code, "SEKRIT" in told.out + told.err) == (3, False)


def test_a_key_that_does_not_fit_is_called_so(data):
    (data / "downloaders.json").write_text(json.dumps({"qb": {"password": "hunter2"}}))
    assert command("migrate", "--data", data, key=KEY).code == 0
    told = command("migrate", "--data", data, key="another-key-of-more-than-thirty-two-characters")
    assert (told.code, "key" in told.err, "hunter2" in told.err) == (4, True, False)


def test_sealing_what_was_in_quarantine_is_something_to_do(data):
    (data / "indexers.json").write_text('{"indexers": [{"name": "x", "apiKey": "SEKRIT"}]}')
    assert command("migrate", "--data", data).code == 0
    told = command("migrate", "--data", data, key=KEY)
    assert "Nothing to do" not in told.out
    assert "Nothing to do" in command("migrate", "--data", data, key=KEY).out


# ── runs that are cut short ──


def test_a_scratch_folder_that_a_killed_run_left_is_swept(tmp_path):
    script = (
        "import sys, os, signal; from pathlib import Path; from mediaos_migrate import scratch\n"
        "with scratch.folder('look', Path(sys.argv[1])) as f: (f / 'copy').touch(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    ended = subprocess.run([sys.executable, "-c", script, str(tmp_path)], env=clean_environment())
    assert (ended.returncode, len(list(tmp_path.iterdir()))) == (-signal.SIGKILL, 1)
    with scratch.folder("look", tmp_path) as mine:
        assert list(tmp_path.iterdir()) == [mine]
        assert mine.stat().st_mode & 0o777 == 0o700
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("verb", ["import_document", "look_once"])
@pytest.mark.parametrize("text", ["", '{"items": [{"id": "f0', None])
def test_what_the_app_does_to_a_file_meanwhile_is_no_damage(data, monkeypatch, verb, text):
    films(data)
    real = getattr(migrating, verb)

    def written_meanwhile(*arguments, **named):
        (data / "library.json").unlink()
        if text is not None:
            (data / "library.json").write_text(text)
        return real(*arguments, **named)

    monkeypatch.setattr(migrating, verb, written_meanwhile)
    told = command("migrate", "--data", data, "--json")
    if verb == "import_document":
        assert (told.code, told.json["error"]["type"]) == (5, "FileChanged")
    else:
        assert told.code in (0, 5)  # what was summed up before needs no second look
    monkeypatch.undo()
    films(data)
    assert command("migrate", "--data", data).code == 0


def test_a_database_in_a_folder_that_is_not_there_leaves_nothing_behind(data):
    films(data)
    told = command("migrate", "--data", data, "--db", data.parent / "no" / "x.db")
    assert (told.code, [path.name for path in data.iterdir()]) == (2, ["library.json"])


def test_a_long_quarantine_is_listed_from_its_beginning(data):
    (data / "library.json").write_text(json.dumps({"items": [{"title": f"no id {n}"} for n in range(1200)]}))
    assert command("migrate", "--data", data).code == 0
    told = command("quarantine", "list", "--data", data)
    assert "These are the first 1,000; `mediaos-migrate status` counts all of them." in told.out
    assert len(command("quarantine", "list", "--data", data, "--json").json["quarantine"]) == 1000
    assert Site.open(data).pack.app == "mediaos"
