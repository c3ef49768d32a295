"""What --json prints is one object that fits the published schema, for every command, on success and on failure."""

from __future__ import annotations

import ast
import contextlib
import fcntl
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from conftest import FIXTURES, KEY, Run, clean_environment
from inside import OTHER_KEY
from jsonschema import Draft202012Validator
from pages import commands

import mediaos_migrate
import mediaos_migrate.pack
from mediaos_migrate import errors, migrations
from mediaos_migrate.cli import answers
from mediaos_migrate.cli.answers import Answer, Interrupted, answer
from mediaos_migrate.cli.main import SCHEMA, main
from mediaos_migrate.errors import MigrateError

PUBLISHED: Final = json.loads(SCHEMA.read_text(encoding="utf-8"))
VALIDATOR: Final = Draft202012Validator(PUBLISHED)
FILM: Final = "mgln17v4c7p0ka"
BACKUP: Final = "config/.mediaos-migrate/backups/a"  # the one that the migration made, under a shorter name
STEPS: Final = migrations.read(mediaos_migrate.pack.built_in() / "mediaos" / "sqlite")

# How each command is called where all is well.
CALLS: Final = {
    "rehearse": ["rehearse"],
    "drill": ["drill", "--quick"],
    "migrate": ["migrate"],
    "validate": ["validate"],
    "export": ["export", "--to", "exported"],
    "status": ["status"],
    "health": ["health"],
    "doctor": ["doctor"],
    "show": ["show", "library", FILM],
    "quarantine list": ["quarantine", "list"],
    "quarantine show": ["quarantine", "show", "1"],
    "quarantine requeue": ["quarantine", "requeue"],
    "keys check": ["keys", "check"],
    "keys seal": ["keys", "seal", "--yes"],
    "keys rotate": ["keys", "rotate", "--yes", "--new-key-file", "new.key"],
    "scrub": ["scrub", "--shred", "--backups", "--yes"],
    "evidence list": ["evidence", "list"],
    "evidence show": ["evidence", "show", "1"],
    "stage show": ["stage", "show"],
    "stage why-not": ["stage", "why-not", "library"],
    "stage price": ["stage", "price"],
    "stage advance": ["stage", "advance", "library", "--policy", "ci"],
    "stage retreat": ["stage", "retreat"],
    "rollback": ["rollback", "--yes"],
    "mirror flush": ["mirror", "flush"],
    "search build": ["search", "build"],
    "repair": ["repair", "--believe", "file", "--yes"],
    "backup create": ["backup", "create"],
    "backup list": ["backup", "list"],
    "backup show": ["backup", "show", BACKUP],
    "backup verify": ["backup", "verify"],
    "backup restore": ["backup", "restore", BACKUP, "--as-it-is", "--yes"],
    "backup prune": ["backup", "prune", "--keep-last", "1"],
    "backup schedule": ["backup", "schedule"],
    "recover": ["recover"],
    "schema status": ["schema", "status"],
    "schema up": ["schema", "up"],
    "schema down": ["schema", "down", "--yes", "--accept-loss"],
    "schema baseline": ["schema", "baseline", str(STEPS[-1].number), "--db", "foreign.db"],
    "schema verify": ["schema", "verify"],
    "schema dump": ["schema", "dump"],
    "schema lint": ["schema", "lint"],
    "schema new": ["schema", "new", "more", "--app", "./pack"],
}
WITHOUT_DATA: Final = {"schema lint", "schema new"}  # they look at a pack only


def told(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """Return the one object that a command printed, after holding it against the schema."""
    value: dict[str, Any] = json.loads(done.stdout)
    found = [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(value)]
    assert found == []
    assert value["exit_code"] == done.returncode
    assert value["ok"] == (done.returncode == 0)
    return value


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command line in this process, for there are a hundred calls; otherwise as the shared `run` does."""
    monkeypatch.chdir(tmp_path)
    for name in set(os.environ) - set(clean_environment()):
        monkeypatch.delenv(name)

    def run(*arguments: object, key: str | None = None) -> subprocess.CompletedProcess[str]:
        monkeypatch.setattr(sys, "argv", ["mediaos-migrate", *map(str, arguments)])
        if key:
            monkeypatch.setenv("ENCRYPTION_KEY", key)
        else:
            monkeypatch.delenv("ENCRYPTION_KEY", raising=False)
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return subprocess.CompletedProcess([], int(ended.value.code or 0), said.out, said.err)

    return run


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Migrate a torn copy of the fixture once, so that something is in quarantine; each test copies it."""
    folder = tmp_path_factory.mktemp("migrated") / "config"
    shutil.copytree(FIXTURES / "mediaos", folder)
    tear(folder / "grabs.json")
    arguments = ["migrate", "--salvage", "--json", "--data", str(folder)]
    done = subprocess.run(
        ["mediaos-migrate", *arguments], env=clean_environment(ENCRYPTION_KEY=KEY), capture_output=True, text=True
    )
    assert sum(document["quarantined"] for document in told(done)["documents"]) == 1
    [made] = (folder / ".mediaos-migrate" / "backups").iterdir()
    made.rename(made.with_name("a"))
    return folder


@pytest.fixture
def folder(migrated: Path, tmp_path: Path) -> Path:
    """Copy the migrated folder to where the command looks by default."""
    shutil.copytree(FIXTURES / "packs" / "shelf", tmp_path / "pack")
    (tmp_path / "new.key").write_text(OTHER_KEY)
    (tmp_path / "new.key").chmod(0o600)
    with contextlib.closing(sqlite3.connect(tmp_path / "foreign.db")) as connection:
        for migration in STEPS:
            connection.executescript(migration.up)
    return Path(shutil.copytree(migrated, tmp_path / "config"))


def tear(file: Path, size: int = 1000) -> None:
    file.write_bytes(file.read_bytes()[:size])


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(PUBLISHED)


def test_the_command_prints_the_schema(run: Run) -> None:
    assert json.loads(run("--json-schema").stdout) == PUBLISHED


def test_every_command_is_tried_here() -> None:
    known = [" ".join(path) for path in commands()]
    leaves = [name for name in known if name and not any(other.startswith(f"{name} ") for other in known)]
    assert sorted(CALLS) == sorted(leaves)


@pytest.mark.parametrize("command", sorted(CALLS.keys() - {"drill"}))  # too long for one more: see test_drill
def test_success_fits_the_schema(command: str, run: Run, folder: Path) -> None:
    value = told(run(*CALLS[command], "--json", key=KEY))
    assert (value["command"], value["exit_code"], value["error"]) == (command, 0, None)


@pytest.mark.parametrize("command", sorted(CALLS.keys() - WITHOUT_DATA))
def test_a_folder_that_is_not_there_fits_the_schema(command: str, run: Run) -> None:
    value = told(run(*CALLS[command], "--json"))
    assert (value["command"], value["error"]["type"]) == (command, "NoData")


@pytest.mark.parametrize("command", CALLS)
def test_an_unknown_option_fits_the_schema(command: str, run: Run) -> None:
    value = told(run(*CALLS[command], "--bogus", "--json"))
    assert (value["command"], value["exit_code"], value["error"]["type"]) == (command, 2, "UsageError")
    assert value["error"]["remedy"] == f"See `mediaos-migrate {command} --help`."


@pytest.mark.parametrize("command", ["rehearse", "migrate", "status", "doctor", "schema status", "schema up"])
def test_the_first_run_fits_the_schema(command: str, run: Run, site_folder: Path) -> None:
    value = told(run(*CALLS[command], "--json"))
    assert (value["command"], value["exit_code"]) == (command, 0)


def test_a_dry_run_tells_the_same_as_a_rehearsal(run: Run, site_folder: Path) -> None:
    dry, rehearsed = told(run("migrate", "--dry-run", "--json")), told(run("rehearse", "--json"))
    for value in (dry, rehearsed):
        for volatile in ("timings", "seconds", "peak_memory", "disk", "forecast", "forecast_off"):
            assert value.pop(volatile) is not None
    assert dry == rehearsed


@pytest.mark.parametrize("command", ["validate", "export", "quarantine list", "quarantine show", "schema down"])
def test_a_database_that_is_not_there_fits_the_schema(command: str, run: Run, site_folder: Path) -> None:
    value = told(run(*CALLS[command], "--json"))
    assert (value["command"], value["exit_code"], value["error"]["type"]) == (command, 5, "CouldNotCheck")


@pytest.mark.parametrize(
    "call",
    [
        ["validate", "nope"],
        ["show", "nope", "1"],
        ["show", "library", "nope"],
        ["quarantine", "list", "nope"],
        ["quarantine", "show", "99"],
        ["migrate", "--skip", "nope"],
        ["migrate", "--accept-source", "nope"],
        ["migrate", "--app", "nope"],
        ["migrate", "--key-file", "nope"],
        ["migrate", "--work", "elsewhere"],
        ["schema", "up", "--to", "99"],
        ["schema", "down", "--yes", "--to", "99"],
        ["schema", "down", "--yes", "--to", "1", "--steps", "1"],
        ["schema", "down", "--accept-loss"],
        ["schema", "down", "--steps", "none"],
        ["show", "library"],
        ["export"],
    ],
    ids=" ".join,
)
def test_what_does_not_exist_fits_the_schema(call: list[str], run: Run, folder: Path) -> None:
    value = told(run(*call, "--json", key=KEY))
    assert (value["exit_code"], value["error"]["type"]) == (2, "UsageError")
    assert value["command"] in CALLS


@pytest.mark.parametrize("call", [["bogus"], ["schema", "bogus"], ["quarantine", "--bogus"], []], ids=" ".join)
def test_a_command_that_does_not_exist_fits_the_schema(call: list[str], run: Run) -> None:
    value = told(run(*call, "--json"))
    assert (value["exit_code"], value["command"]) == (2, call[0] if len(call) > 1 else "")


def damage_one(folder: Path) -> None:
    tear(folder / "users.json")


def damage_two(folder: Path) -> None:
    damage_one(folder)
    (folder / "wanted.json").write_bytes(b"")


def shrink(folder: Path) -> None:
    (folder / "users.json").write_text("{}")


def add_folder(folder: Path) -> None:
    shutil.copytree(FIXTURES / "mediaos", folder.parent / "packages" / "api" / "config")


def put_another_file(folder: Path) -> None:
    (folder / "mediaos.db").write_bytes(b"This is a text.\n" * 100)


def put_another_database(folder: Path) -> None:
    (folder / "mediaos.db").unlink()
    connection = sqlite3.connect(folder / "mediaos.db")
    connection.execute("CREATE TABLE theirs (id)")
    connection.close()


@pytest.mark.parametrize("command", ["migrate", "rehearse"])
@pytest.mark.parametrize(
    ("harm", "kind"),
    [
        (damage_one, "Damaged"),
        (damage_two, "Refused"),
        (shrink, "Suspect"),
        (add_folder, "SeveralFolders"),
        (put_another_file, "NotOurs"),
        (put_another_database, "NotOurs"),
    ],
)
def test_a_refusal_fits_the_schema(
    command: str, harm: Callable[[Path], None], kind: str, run: Run, folder: Path
) -> None:
    harm(folder)
    value = told(run(command, "--json", key=KEY))
    assert (value["command"], value["exit_code"], value["error"]["type"]) == (command, 4, kind)


@pytest.mark.parametrize("harm", [damage_two, shrink, add_folder, put_another_file])
def test_a_doctor_tells_of_every_harm(harm: Callable[[Path], None], run: Run, folder: Path) -> None:
    harm(folder)
    value = told(run("doctor", "--json", key=KEY))
    assert (value["exit_code"], value["error"]) == (4, None)
    assert "error" in {finding["level"] for finding in value["findings"]}


@pytest.mark.parametrize("command", ["migrate", "schema up", "schema down"])
def test_a_locked_site_fits_the_schema(command: str, run: Run, folder: Path) -> None:
    with (folder / ".mediaos-migrate" / "lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("process 1 on earth")  # one without a name is waited for: it is about to write it
        lock.flush()
        value = told(run(*CALLS[command], "--json", key=KEY))
    assert (value["command"], value["exit_code"], value["error"]["type"]) == (command, 4, "Locked")


def test_a_pack_that_contradicts_itself_fits_the_schema(run: Run, folder: Path) -> None:
    (folder.parent / "mapping.toml").write_text('app = "x"\n')
    value = told(run("migrate", "--app", folder.parent, "--json"))
    assert (value["exit_code"], value["error"]["type"]) == (2, "BadPack")


def test_a_difference_fits_the_schema(run: Run, folder: Path) -> None:
    file = folder / "library.json"
    file.write_text(file.read_text("utf-8").replace("The Ninth Ferry", "The Tenth Ferry"), "utf-8")
    value, shown = (told(run(*call, "--json", key=KEY)) for call in (["validate"], CALLS["show"]))
    library = next(document for document in value["documents"] if document["document"] == "library")
    assert (value["exit_code"], library["changed"], library["fields"][0]["fields"]) == (3, [FILM], ["title"])
    assert (shown["exit_code"], shown["equal"]) == (3, False)


def test_what_cannot_be_checked_without_the_key_fits_the_schema(run: Run, folder: Path) -> None:
    value = told(run("validate", "--json"))
    assert value["exit_code"] == 5
    assert sum(document["unverifiable_count"] for document in value["documents"]) == 3


def test_what_cannot_be_given_back_without_the_key_fits_the_schema(run: Run, folder: Path) -> None:
    value = told(run("export", "--to", "exported", "--json"))
    assert (value["exit_code"], value["error"]["type"]) == (4, "NeedsKey")


def test_pending_migrations_fit_the_schema(run: Run, folder: Path) -> None:
    told(run("schema", "down", "--yes", "--accept-loss", "--json", key=KEY))
    value = told(run("schema", "status", "--check", "--json"))
    assert (value["exit_code"], value["error"], len(value["pending"])) == (6, None, 1)


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (KeyboardInterrupt(), "Interrupted", 130),
        (MemoryError(), "NoMemory", 1),
        (sqlite3.OperationalError("database or disk is full"), "MigrateError", 1),
        (PermissionError(13, "Permission denied"), "MigrateError", 1),
        (errors.NeedsPerson("Two truths.", "Choose."), "NeedsPerson", 7),
        (ValueError("hunter2"), "MigrateError", 1),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_whatever_goes_wrong_fits_the_schema(error: BaseException, kind: str, code: int) -> None:
    def act() -> Answer:
        raise error

    said = answer("migrate", as_json=True, act=act)
    value = told(subprocess.CompletedProcess([], said.exit_code, "\n".join(said.out)))
    assert (value["error"]["type"], value["exit_code"], said.err) == (kind, code, [])
    assert "hunter2" not in "\n".join(said.out)


@pytest.mark.parametrize(
    "change",
    [
        {"surprise": 1},
        {"exit_code": 9},
        {"ok": False},
        {"command": "schema"},
        {"error": {"type": "Refused", "message": "No."}},
        {"next": None},
    ],
    ids=str,
)
def test_the_schema_lets_nothing_else_pass(change: dict[str, Any], run: Run, folder: Path) -> None:
    value = told(run("status", "--json"))
    assert not VALIDATOR.is_valid(value | change)


def tree(root: type[MigrateError] = MigrateError) -> Iterator[type[MigrateError]]:
    yield root
    for error in root.__subclasses__():
        yield from tree(error)


def test_the_schema_names_every_error() -> None:
    ours = {error for error in tree() if error.__module__ in (errors.__name__, answers.__name__)}
    assert Interrupted in ours
    assert {error.__name__ for error in ours} == set(PUBLISHED["$defs"]["error"]["properties"]["type"]["enum"])


def facts() -> Iterator[tuple[str, str]]:
    """Find the facts that an error is raised with anywhere in the package."""
    names = {error.__name__ for error in tree()}
    for path in Path(mediaos_migrate.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
                yield from ((path.name, keyword.arg) for keyword in node.keywords if keyword.arg)


def test_the_schema_names_every_fact_of_an_error() -> None:
    known = PUBLISHED["$defs"]["error"]["properties"]
    assert sorted({fact for fact in facts() if fact[1] not in known}) == []
