"""The command line: how each run ends, where it prints, and that no file whatever brings it down."""

import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from conftest import FIXTURES, KEY, clean_environment
from inside import SHELF, command

import mediaos_migrate
from mediaos_migrate.moves import migrating, status
from mediaos_migrate.stores.table import TableStore

BROKEN = FIXTURES / "broken"
COMMANDS = ["status", "doctor", "rehearse", "migrate", "validate", "schema status", "schema up", "quarantine list"]
ALL = [*COMMANDS, "export", "show", "schema down", "quarantine show"]


def damage(folder, *names):
    for name in names:
        shutil.copy(BROKEN / f"{name}.json", folder / f"{name.split('.')[0]}.json")


def error_of(told):
    return (told.code, told.json["error"]["type"])


# ── exit codes ──


def test_0_is_done(site_folder):
    for words in ("rehearse", "migrate", "validate", "status", "doctor", "schema status", "quarantine list"):
        assert (words, command(*words.split(), "--data", site_folder).code) == (words, 0)


def test_0_although_records_break_a_rule_or_are_in_quarantine(site_folder):
    (site_folder / "wanted.json").write_text('{"items": [{"title": "no id"}]}')
    told = command("migrate", "--data", site_folder, "--json")
    assert (told.code, told.document("wanted")["quarantined"]) == (0, 1)


def test_1_is_failed_and_the_state_is_safe(site_folder, monkeypatch):
    command("migrate", "--data", site_folder)
    (site_folder / "quality.json").write_text('{"series": {"allowed": ["2160p"]}}')

    def fails(*_):
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(TableStore, "update", fails)
    told = command("migrate", "--data", site_folder, "--accept-source", "quality")
    assert (told.code, told.err.splitlines()[-2]) == (1, "The database could not do it: disk I/O error.")
    monkeypatch.undo()
    assert command("validate", "quality", "--data", site_folder).code == 3


@pytest.mark.parametrize(
    "words",
    [
        "nonsense",
        "schema nonsense",
        "migrate --nonsense",
        "migrate library",
        "export",
        "show library",
        "show",
        "migrate --skip nonsense",
        "migrate --accept-source nonsense",
        "validate nonsense",
        "validate library nonsense",
        "quarantine list nonsense",
        "quarantine show 99",
        "quarantine show one",
        "show nonsense x",
        "show library nonsense",
        "show wanted movie",
        "status --app nonsense",
        "schema up --to 99",
        "schema up --to x",
        "rehearse --work",
    ],
)
def test_2_is_bad_usage(site_folder, words):
    command("migrate", "--data", site_folder)
    assert command(*words.split(), *(["--data", site_folder] if words != "nonsense" else [])).code == 2


@pytest.mark.parametrize(
    "words", ["validate nonsense", "show nonsense x", "quarantine list nonsense", "migrate --skip nonsense"]
)
def test_an_unknown_document_is_told_with_all_that_are_known(site_folder, words):
    command("migrate", "--data", site_folder)
    told = command(*words.split(), "--data", site_folder, "--json")
    assert told.json["error"] == {
        "type": "UsageError",
        "message": "MediaOS has no document `nonsense`.",
        "remedy": "Its documents are: users, library, downloaders, indexers, wanted, quality, quality-profiles, "
        "verify-results, grabs, settings, metadata, organizer, monitor, verify, subtitle-automation.",
    }


def test_3_is_a_difference(site_folder):
    command("migrate", "--data", site_folder)
    with closing(sqlite3.connect(site_folder / "mediaos.db")) as connection:
        connection.execute("UPDATE library_items SET title = 'Changed' WHERE id = 'mgln17v6b8d3wy'")
        connection.commit()
    told = command("validate", "--data", site_folder, "--json")
    assert (told.code, told.document("library")["changed"]) == (3, ["mgln17v6b8d3wy"])


def test_3_is_a_record_that_both_homes_show_differently(site_folder):
    command("migrate", "--data", site_folder)
    with closing(sqlite3.connect(site_folder / "mediaos.db")) as connection:
        connection.execute("UPDATE library_items SET title = 'Changed' WHERE id = 'mgln17v6b8d3wy'")
        connection.commit()
    assert command("show", "library", "mgln17v6b8d3wy", "--data", site_folder).code == 3


@pytest.mark.parametrize("words", ["migrate", "rehearse", "validate", "doctor", "show library b1"])
def test_4_is_a_damaged_source_in_every_command(site_folder, words):
    command("migrate", "--data", site_folder)
    damage(site_folder, "library.truncated")
    assert command(*words.split(), "--data", site_folder).code == 4


def test_4_changes_nothing(site_folder):
    damage(site_folder, "library.truncated")
    before = sorted(site_folder.rglob("*"))
    assert command("migrate", "--data", site_folder).code == 4
    assert sorted(site_folder.rglob("*")) == before


def test_4_is_an_export_into_the_app_s_own_folder(site_folder):
    command("migrate", "--data", site_folder)
    for place in (site_folder, site_folder / ".mediaos-migrate", site_folder / ".." / "config"):
        assert command("export", "--to", place, "--data", site_folder).code == 4


@pytest.mark.parametrize("words", ["validate", "export", "quarantine list", "quarantine show 1", "schema down --yes"])
def test_5_is_a_question_that_needs_a_database(site_folder, words):
    more = ["--to", site_folder.parent / "out"] if words == "export" else []
    assert command(*words.split(), *more, "--data", site_folder).code == 5


def test_5_is_a_document_that_was_never_imported(site_folder):
    command("migrate", "--skip", "library", "--data", site_folder)
    command("schema", "up", "--data", site_folder)
    told = command("validate", "--data", site_folder, "--json")
    assert (told.code, told.document("library")["state"]) in ((0, "skipped"), (5, "skipped"), (5, "unchecked"))


def test_6_is_a_pending_migration_when_it_is_asked_for(site_folder):
    assert command("schema", "status", "--check", "--data", site_folder).code == 6
    assert command("schema", "status", "--data", site_folder).code == 0


def test_7_is_a_contradiction_that_needs_a_person(site_folder):
    command("migrate", "--data", site_folder)
    with closing(sqlite3.connect(site_folder / "mediaos.db")) as connection:
        connection.execute("UPDATE _mm_migrations SET checksum = 'another' WHERE number = 3")
        connection.commit()
    for words in ("status", "migrate", "schema up"):
        assert (words, command(*words.split(), "--data", site_folder).code) == (words, 7)


def test_130_is_an_interruption(site_folder, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(migrating, "look", interrupted)
    told = command("migrate", "--data", site_folder, "--json")
    assert error_of(told) == (130, "Interrupted")


# A process begun in the background of a shell ignores Ctrl-C, and so would all that it starts.
HEARING = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"


def test_130_is_ctrl_c_while_it_reads(site_folder):
    films = [{"id": f"f{number}", "kind": "movie", "title": f"Film {number}"} for number in range(40_000)]
    (site_folder / "library.json").write_text(json.dumps({"items": films}))
    script = f"{HEARING}; from mediaos_migrate.cli.main import main; main()"
    words = [sys.executable, "-c", script, "migrate", "--data", str(site_folder)]
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    process = subprocess.Popen(words, env=clean_environment(), text=True, **pipes)
    assert process.stderr is not None
    assert process.stderr.readline() == "look at every file … (safe to interrupt)\n"
    process.send_signal(signal.SIGINT)
    told = process.communicate()[1]
    assert (process.returncode, "Traceback" in told) == (130, False)
    assert not (site_folder / "mediaos.db").exists()


# ── what is said at all ──


def test_no_command_is_bad_usage_with_help(run):
    told = run()
    assert (told.returncode, "Usage: mediaos-migrate" in told.stdout + told.stderr) == (2, True)


@pytest.mark.parametrize("words", ["", *ALL])
def test_every_command_has_help(words):
    told = command(*words.split(), "--help")
    usage = told.out.splitlines()[0]
    assert (told.code, usage.startswith("Usage: "), f" {words} ".replace("  ", " ") in usage, told.err) == (
        0,
        True,
        True,
        "",
    )


def test_the_version_is_the_package_s(run):
    assert run("--version").stdout == f"mediaos-migrate {mediaos_migrate.__version__}\n"


def test_the_module_is_the_command_too(site_folder):
    words = [sys.executable, "-m", "mediaos_migrate", "--version"]
    told = subprocess.run(words, capture_output=True, text=True, env=clean_environment())
    assert (told.returncode, told.stdout) == (0, f"mediaos-migrate {mediaos_migrate.__version__}\n")


def test_progress_goes_to_standard_error(site_folder, run):
    told = run("migrate")
    assert "(safe to interrupt)" in told.stderr
    assert "(safe to interrupt)" not in told.stdout


def test_every_line_of_progress_says_whether_it_may_be_interrupted(site_folder, run):
    lines = run("migrate").stderr.splitlines()
    assert lines
    assert [line for line in lines if not line.endswith("(safe to interrupt)")] == []


@pytest.mark.parametrize("words", ["rehearse", "migrate", "validate", "status", "doctor", "schema status"])
def test_as_json_nothing_but_one_object_is_printed(site_folder, words):
    command("migrate", "--data", site_folder)
    told = command(*words.split(), "--data", site_folder, "--json")
    assert (told.err, told.json["command"], told.json["exit_code"]) == ("", words, told.code)


@pytest.mark.parametrize("words", COMMANDS)
def test_a_failure_is_an_object_too(tmp_path, words):
    told = command(*words.split(), "--data", tmp_path / "nowhere", "--json")
    assert (told.code, told.err, told.json["ok"], told.json["error"]["type"]) == (4, "", False, "NoData")


@pytest.mark.parametrize("words", COMMANDS)
def test_an_error_is_two_sentences_on_standard_error(tmp_path, words):
    told = command(*words.split(), "--data", tmp_path / "nowhere")
    message, remedy = told.err.splitlines()[-2:]
    assert (told.out, message, remedy[-1]) == ("", f"There is no folder {tmp_path / 'nowhere'}.", ".")


@pytest.mark.parametrize("variables", [{}, {"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=str)
def test_nothing_is_coloured_where_nobody_looks(site_folder, run, variables):
    for words in ("migrate", "status", "doctor", "--help", "nonsense"):
        told = run(*words.split(), **variables)
        assert "\x1b" not in told.stdout + told.stderr


def on_a_terminal(folder, *words, **variables):
    """Run a command on a terminal of its own; return what stands there."""
    main, other = os.openpty()
    environment = clean_environment(TERM="xterm-256color", **variables)
    line = [sys.executable, "-m", "mediaos_migrate", *words, "--data", str(folder)]
    process = subprocess.Popen(line, env=environment, stdin=other, stdout=other, stderr=other)
    os.close(other)
    shown = b""
    try:
        while data := os.read(main, 65536):
            shown += data
    except OSError:  # the terminal is closed when the process ends
        pass
    os.close(main)
    assert process.wait() == 0
    return shown.decode()


COLOUR = re.compile("\x1b\\[[0-9;]*[1-9][0-9;]*m")


def test_no_color_is_respected_on_a_terminal(site_folder):
    shown = on_a_terminal(site_folder, "migrate", NO_COLOR="1")
    assert "Files and database are equal" in shown
    found = [code for code in COLOUR.findall(shown) if re.search(r"[34][0-9]|9[0-7]", code)]
    assert found == []


def test_a_closed_pipe_is_no_mistake(site_folder):
    line = f"{sys.executable} -m mediaos_migrate doctor --data {site_folder} | head -n 1"
    told = subprocess.run(["bash", "-c", line], capture_output=True, text=True, env=clean_environment())
    assert (len(told.stdout.splitlines()), "Traceback" in told.stderr, "Error" in told.stderr) == (1, False, False)


# ── several reasons ──


def test_all_damaged_files_are_told_at_once(site_folder):
    damage(site_folder, "library.truncated", "users.array")
    (site_folder / "grabs.json").write_text("[]")
    told = command("migrate", "--data", site_folder, "--json")
    assert (told.code, [item["document"] for item in told.json["error"]["errors"]]) == (
        4,
        ["users", "library", "grabs"],
    )


def test_all_damaged_files_are_told_at_once_to_a_person(site_folder):
    damage(site_folder, "library.truncated", "users.array")
    lines = command("migrate", "--data", site_folder).err.splitlines()
    assert [name for name in ("users.json", "library.json") if any(line.startswith(name) for line in lines)] == [
        "users.json",
        "library.json",
    ]
    assert lines[-1] == "Nothing was changed."


def test_one_damaged_file_is_told_by_itself(site_folder):
    damage(site_folder, "library.truncated")
    assert command("migrate", "--data", site_folder, "--json").json["error"]["document"] == "library"


# ── leaving documents out ──


def test_a_document_can_be_left_out(site_folder):
    told = command("migrate", "--skip", "library", "--skip", "users", "--data", site_folder, "--json")
    states = {item["document"]: item["state"] for item in told.json["documents"]}
    assert (told.code, [name for name, state in states.items() if state == "skipped"]) == (0, ["users", "library"])


def test_what_was_left_out_is_named_in_every_later_status(site_folder):
    command("migrate", "--skip", "library", "--data", site_folder)
    told = command("status", "--data", site_folder, "--json")
    assert told.document("library")["state"] == "skipped"
    assert "library" in told.json["next"]


def test_a_damaged_file_that_is_left_out_is_in_nobody_s_way(site_folder):
    damage(site_folder, "library.truncated")
    assert command("migrate", "--skip", "library", "--data", site_folder).code == 0


def test_what_was_left_out_is_taken_by_the_next_migration(site_folder):
    command("migrate", "--skip", "library", "--data", site_folder)
    told = command("migrate", "--data", site_folder, "--json")
    assert (told.code, told.document("library")["inserted"]) == (0, 27)


def test_leaving_out_what_is_there_already_removes_nothing(site_folder):
    command("migrate", "--data", site_folder)
    command("migrate", "--skip", "library", "--data", site_folder)
    with closing(sqlite3.connect(site_folder / "mediaos.db")) as connection:
        assert connection.execute("SELECT count(*) FROM library_items").fetchone() == (27,)


def test_a_document_that_was_left_out_is_not_exported_as_missing(site_folder, tmp_path):
    command("migrate", "--skip", "library", "--data", site_folder)
    told = command("export", "--to", tmp_path / "out", "--data", site_folder, "--json")
    assert next(item["state"] for item in told.json["files"] if item["document"] == "library") == "skipped"
    assert not (tmp_path / "out" / "library.json").exists()


# ── fewer records than before ──


SHRUNKEN = '{"items": [{"id": "x", "kind": "movie", "title": "X"}]}'


@pytest.mark.parametrize("content", [SHRUNKEN, '{"items": []}', None], ids=["one left", "empty", "missing"])
def test_a_file_that_lost_most_of_its_records_is_refused(site_folder, content):
    command("migrate", "--data", site_folder)
    (site_folder / "library.json").unlink()
    if content:
        (site_folder / "library.json").write_text(content)
    for words in ("migrate", "rehearse", "validate"):
        assert error_of(command(words, "--data", site_folder, "--json")) == (4, "Suspect")
    with closing(sqlite3.connect(site_folder / "mediaos.db")) as connection:
        assert connection.execute("SELECT count(*) FROM library_items").fetchone() == (27,)


@pytest.mark.parametrize("content", [SHRUNKEN, '{"items": []}', None], ids=["one left", "empty", "missing"])
def test_a_file_that_lost_most_of_its_records_can_be_accepted(site_folder, content):
    command("migrate", "--data", site_folder)
    (site_folder / "library.json").unlink()
    if content:
        (site_folder / "library.json").write_text(content)
    told = command("migrate", "--accept-source", "library", "--data", site_folder, "--json")
    assert (told.code, told.document("library")["deleted_count"]) == (0, 27)
    assert command("migrate", "--data", site_folder).code == 0


def test_accepting_one_file_accepts_no_other(site_folder):
    command("migrate", "--data", site_folder)
    (site_folder / "library.json").write_text(SHRUNKEN)
    (site_folder / "users.json").unlink()
    told = command("migrate", "--accept-source", "library", "--data", site_folder, "--json")
    assert (told.code, told.json["error"]["document"]) == (4, "users")


def test_a_file_that_lost_a_few_records_is_believed(site_folder):
    command("migrate", "--data", site_folder)
    users = json.loads((site_folder / "users.json").read_text())
    users.popitem()
    (site_folder / "users.json").write_text(json.dumps(users))
    assert command("migrate", "--data", site_folder).code == 0


# ── salvage ──


def test_salvage_is_never_implied(site_folder):
    damage(site_folder, "library.truncated")
    assert command("migrate", "--data", site_folder).code == 4


def test_salvage_takes_what_is_whole_and_keeps_the_rest(site_folder):
    damage(site_folder, "library.truncated")
    told = command("migrate", "--salvage", "--data", site_folder, "--json")
    library = told.document("library")
    assert (told.code, library["state"], library["inserted"], library["quarantined"]) == (0, "damaged", 1, 1)


def test_what_was_salvaged_is_not_salvaged_again(site_folder):
    damage(site_folder, "library.truncated")
    command("migrate", "--salvage", "--data", site_folder)
    told = command("migrate", "--data", site_folder, "--json")
    assert (told.code, told.json["changed"]) == (0, False)


# ── another folder, another app ──


def test_commands_work_from_any_folder(site_folder, monkeypatch):
    monkeypatch.chdir("/")
    for words in ("rehearse", "migrate", "validate", "status"):
        assert command(words, "--data", site_folder).code == 0


def test_commands_work_in_a_folder_that_nobody_can_write_to(site_folder, monkeypatch, tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    monkeypatch.chdir(tmp_path / "locked")
    assert command("migrate", "--data", site_folder).code == 0


@pytest.mark.parametrize("words", ["rehearse", "migrate", "validate", "status", "doctor", "export"])
def test_commands_work_for_another_app(tmp_path, words):
    folder = shutil.copytree(FIXTURES / "shelf", tmp_path / "shelf")
    command("migrate", "--data", folder, "--app", SHELF)
    more = ["--to", tmp_path / "out"] if words == "export" else []
    assert command(words, *more, "--data", folder, "--app", SHELF).code == 0


def test_a_name_that_looks_like_an_option_is_still_a_name(site_folder):
    (site_folder / "quality.json").write_text('{"--json": {"allowed": []}}')
    told = command("show", "--data", site_folder, "--", "quality", "--json")
    assert (told.code, "In the" in told.out or "file" in told.out) == (3, True)


def test_a_rehearsal_is_also_a_migration_s_dry_run(site_folder):
    before = sorted(site_folder.rglob("*"))
    told = command("migrate", "--dry-run", "--data", site_folder, "--json")
    assert (told.code, told.json["command"]) == (0, "rehearse")
    assert sorted(site_folder.rglob("*")) == before


# ── no file whatever brings it down ──

ODD = ["null", "true", "-0", "1e400", "123456789012345678901234567890", '""', '"\\u0000"', '"\\ud800"', "[]", "{}"]
ODD += ["[[]]", '{"":{"":[]}}', '"id"', "0.1e-7", '{"id":{"id":1}}', '[{"id":null}]', '"' + "x" * 5000 + '"', "1.0"]
SOURCES = sorted((FIXTURES / "mediaos").glob("*.json"))


def mutated(data, chance):
    """Spoil some bytes, or replace some values by odd ones, as chance will have it."""
    if chance.random() < 0.5:
        text = data.decode("utf-8")
        values = list(re.finditer(r'(?<=: )("[^"\n]*"|-?[0-9.]+|true|false|null|\[\]|\{\})|(?<=[\[{,])\s*(?=\S)', text))
        for _ in range(chance.randint(1, 4)):
            place = chance.choice(values)
            odd = chance.choice(ODD)
            text = text[: place.start()] + (odd if place.group(1) else odd + ",") + text[place.end() :]
            values = [other for other in values if other.end() < place.start()] or values[:1]
        return text.encode("utf-8", "surrogatepass")
    spoilt = bytearray(data)
    for _ in range(chance.randint(1, 3)):
        start = chance.randrange(len(spoilt) + 1)
        stop = min(start + chance.choice([0, 1, 1, 5, 50, 500]), len(spoilt))
        new = chance.choice(
            [b"", bytes([chance.randrange(256)]), bytes(spoilt[start:stop]) * 2, b"\x00" * 8, b"}", b'"', b","]
        )
        spoilt[start:stop] = new
    return bytes(spoilt)


@pytest.mark.parametrize("seed", range(40))
def test_no_file_whatever_brings_a_migration_down(tmp_path, seed):
    chance = random.Random(seed)
    for number in range(5):
        source = chance.choice(SOURCES)
        folder = tmp_path / f"{number}"
        folder.mkdir()
        (folder / source.name).write_bytes(mutated(source.read_bytes(), chance))
        key = chance.choice([None, KEY]) if source.stem in ("settings", "grabs") else None
        salvage = chance.choice([[], ["--salvage"]])
        told = command("migrate", *salvage, "--data", folder, key=key)
        kept = f"{source.name} of seed {seed}, number {number}: {told.err}"
        assert told.code in (0, 3, 4, 5), kept
        assert "Traceback" not in told.err + told.out, kept
        assert "A mistake of ours" not in told.err + told.out, kept
        if told.code == 0:
            comes_back(folder, source.name, key, salvaged=bool(salvage))


def comes_back(folder: Path, name: str, key: str | None, *, salvaged: bool) -> None:
    """Whatever was taken is equal, is taken once only, and comes back byte for byte."""
    assert command("validate", "--data", folder, key=key).code == 0
    again = command("migrate", "--data", folder, "--json", key=key).json
    assert again["changed"] is False
    told = command("export", "--to", folder / "out", "--data", folder, "--json", key=key)
    state = next(item["state"] for item in told.json["files"] if item["file"] == name)
    assert told.code == 0
    if state == "present":
        assert (folder / "out" / name).read_bytes() == (folder / name).read_bytes()
    else:
        assert salvaged


def test_a_mistake_of_ours_is_no_traceback(site_folder, monkeypatch):
    def fails(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(status, "status", fails)
    told = command("status", "--data", site_folder)
    assert (told.code, told.err.splitlines()) == (
        1,
        [
            told.err.splitlines()[0],
            "Please report it; MEDIAOS_MIGRATE_DEBUG=1 shows all of it.",
        ],
    )
    assert told.err.startswith("A mistake of ours: ZeroDivisionError in test_cli.py, line ")


def test_a_mistake_of_ours_can_be_seen_whole(site_folder, monkeypatch):
    def fails(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(status, "status", fails)
    with pytest.raises(ZeroDivisionError):
        command("status", "--data", site_folder, MEDIAOS_MIGRATE_DEBUG="1")
