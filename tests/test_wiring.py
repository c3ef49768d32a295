"""What users copy, run as it will be run: the GitHub Action, the pre-commit hooks, the systemd units, the crontab."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shlex
import shutil
import socket
import sqlite3
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Callable
from configparser import ConfigParser
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as ET

import pytest
import yaml
from conftest import COMMAND, FIXTURES, KEY, clean_environment
from inside import command
from pages import ROOT
from test_documents_do_not_lie import errors

ACTION: Final = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
MANIFEST: Final = ROOT / ".pre-commit-hooks.yaml"
HOOKS: Final = {hook["id"]: hook for hook in yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))}
UNITS: Final = ROOT / "playbooks" / "systemd"
PAGE: Final = (ROOT / "playbooks" / "watch.md").read_text(encoding="utf-8")
FILM: Final = "mgln17v4c7p0ka"
HOMES: Final = "/srv/mediaos", "/opt/mediaos-migrate/bin"  # where the page and the units have MediaOS, and us


def blocks(language: str) -> list[str]:
    """Return what the page shows to be copied."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


# ── sites in every state that a look can find ──


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site that was migrated, to be copied."""
    folder = tmp_path_factory.mktemp("migrated") / "config"
    shutil.copytree(FIXTURES / "mediaos", folder)
    assert command("migrate", "--data", folder, key=KEY).code == 0
    return folder


def change(folder: Path) -> None:
    with sqlite3.connect(folder / "mediaos.db") as db:
        db.execute("UPDATE library_items SET title = 'Another' WHERE id = ?", (FILM,))
    db.close()


def damage(folder: Path) -> None:
    text = (folder / "library.json").read_bytes()
    (folder / "library.json").write_bytes(text[:5000])


STATES: Final[dict[int, Callable[[Path], object]]] = {  # by the exit code that a look at them ends with
    0: lambda folder: None,
    3: change,
    4: damage,
    5: lambda folder: (folder / "mediaos.db").unlink(),
}


@pytest.fixture
def make(migrated: Path, tmp_path: Path) -> Callable[..., Path]:
    """A function that makes a site in the state for an exit code."""

    def make(code: int, name: str = "config") -> Path:
        folder = Path(shutil.copytree(migrated, tmp_path / name))
        STATES[code](folder)
        return folder

    return make


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# ── the GitHub Action ──

STEPS: Final = [step for step in ACTION["runs"]["steps"] if "run" in step]
BASH: Final = ["bash", "--noprofile", "--norc", "-eo", "pipefail"]  # what GitHub means by `shell: bash`
BUILD: Final = ("hatchling", "packaging", "pathspec", "pluggy", "trove-classifiers")


@dataclass(frozen=True)
class Job:
    """How the action ended, and all that it left."""

    code: int
    log: str
    outputs: dict[str, str]
    summary: str


def evaluated(text: str, known: dict[str, str]) -> str:
    """Put in what GitHub would; fails for what is not declared."""
    return re.sub(r"\$\{\{ ([\w.-]+) \}\}", lambda match: known[match[1]], text)


def outputs_of(file: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in file.read_text(encoding="utf-8").splitlines())


def step(step: dict[str, Any], known: dict[str, str], folder: Path, runner: Path, **environment: str) -> Job:
    """Run a step of the action as GitHub does, in a folder."""
    files = {name: runner / name for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    for file in files.values():
        file.write_text("", encoding="utf-8")
    script = runner / "script.sh"
    script.write_text(step["run"], encoding="utf-8")
    ours = {name: value for name, value in clean_environment().items() if not name.startswith(("PYTHON", "COV"))}
    github = {"GITHUB_ACTION_PATH": ROOT, "RUNNER_TEMP": runner, "PATH": os.defpath, **files}
    given = {name: evaluated(value, known) for name, value in step.get("env", {}).items()}
    done = subprocess.run(
        [*BASH, script],
        cwd=folder,
        env={**ours, **{name: str(value) for name, value in github.items()}, **environment, **given},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )
    summary = files["GITHUB_STEP_SUMMARY"].read_text(encoding="utf-8")
    return Job(done.returncode, done.stdout, outputs_of(files["GITHUB_OUTPUT"]), summary)


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A runner on which the first steps of the action have run, without the network."""
    folder = tmp_path_factory.mktemp("runner")
    tools = folder / "tools"
    tools.mkdir()
    for name in BUILD:
        for place in {Path(str(file)).parts[0] for file in importlib.metadata.files(name) or ()} - {
            "..",
            "__pycache__",
        }:
            (tools / place).symlink_to(Path(sysconfig.get_path("purelib"), place))
    offline = {"PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0", "PYTHONPATH": str(tools)}
    done = step(STEPS[0], {"steps.python.outputs.python-path": sys.executable}, folder, folder, **offline)
    assert done.code == 0, done.log
    (packages,) = (folder / "mediaos-migrate").glob("lib/python*/site-packages")
    assert (packages / "mediaos_migrate").is_dir(), "the action installs itself"
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return folder


@pytest.fixture
def act(runner: Path, tmp_path: Path) -> Callable[..., Job]:
    """A function that uses the action with some inputs, in the folder that holds `config`."""

    def act(**inputs: str) -> Job:
        given = {name.replace("_", "-"): value for name, value in inputs.items()}
        assert given.keys() <= ACTION["inputs"].keys()
        known = {f"inputs.{name}": given.get(name, each["default"]) for name, each in ACTION["inputs"].items()}
        job = step(STEPS[1], known, tmp_path, runner, ENCRYPTION_KEY=KEY)
        found = {f"steps.validate.outputs.{name}": value for name, value in job.outputs.items()}
        told = {name: each["value"].strip("${} ") for name, each in ACTION["outputs"].items()}
        outputs = {name: found[value] for name, value in told.items() if value in found}
        return Job(job.code, job.log, outputs, job.summary)

    return act


@pytest.mark.parametrize("code", STATES)
def test_the_action_ends_as_validate_does(act, make, code):
    folder = make(code)
    before = contents(folder)
    job = act(formats="")
    assert (job.code, job.outputs) == (code, {"exit-code": str(code)}), job.log
    assert ("::error" in job.log) == bool(code)
    assert contents(folder) == before


def test_the_action_puts_a_difference_beside_its_line(act, make):
    text = (make(3) / "library.json").read_text(encoding="utf-8")
    line = text[: text.index(FILM)].count("\n")  # where the record's brace opens, one line above its id
    (found,) = [each for each in act(formats="").log.splitlines() if each.startswith("::error")]
    place = f"file=config/library.json,line={line},title=changed in library"
    assert found == f"::error {place}::library: {FILM} differs in title (text)."


def test_the_action_puts_damage_beside_its_line(act, make):
    make(4)
    job = act(formats="")
    assert "\n::error file=config/library.json,line=205,title=Damaged::library.json is cut short: " in job.log


def test_the_action_writes_every_report_and_no_secret(act, make):
    make(3)
    job = act(formats="junit sarif html json")
    assert job.code == 3
    reports = {name: Path(place).read_text(encoding="utf-8") for name, place in job.outputs.items() if "/" in place}
    assert reports.keys() == ACTION["outputs"].keys() - {"exit-code"}
    assert len(ET.fromstring(reports["junit"]).findall(".//failure")) == 1  # noqa: S314  our own output
    assert json.loads(reports["sarif"])["runs"][0]["invocations"][0]["exitCode"] == 3
    assert json.loads(reports["json"])["exit_code"] == 3
    assert reports["html"].startswith("<!DOCTYPE html>")
    assert not [text for text in [job.log, job.summary, *reports.values()] if KEY in text]


def test_the_action_sums_up_in_a_block_that_nothing_breaks_out_of(act, make):
    make(3)
    summary = act(formats="").summary
    assert "    Files and database differ.\n" in summary
    assert all(line.startswith("    ") for line in summary.splitlines())


def test_the_action_compares_json_alone_with_a_database_of_its_own(act, make):
    folder = make(0)
    shutil.rmtree(folder / ".mediaos-migrate")
    (folder / "mediaos.db").unlink()
    before = contents(folder.parent)
    job = act(migrate_first="true", formats="")
    assert (job.code, "Files and database are equal" in job.log) == (0, True)
    assert contents(folder.parent) == before
    damage(folder)
    job = act(migrate_first="true", formats="")
    assert (job.code, "::error file=config/library.json,line=205," in job.log) == (4, True)
    shutil.rmtree(folder)
    job = act(migrate_first="true", formats="")
    assert (job.code, "::error title=NoData::There is no folder config." in job.log) == (4, True)


def test_the_action_counts_anomalies_that_are_said_to_count(act, make):
    make(0)
    assert act(formats="", fail_on="duplicate-email not-in-library").code == 3
    job = act(formats="", fail_on="no-such-rule")
    assert (job.code, "::error title=UsageError::There is no rule" in job.log) == (2, True)


def test_the_action_never_ends_well_with_a_report_that_it_could_not_write(act, make):
    make(0)
    assert act(formats="sarif jnuit").code == 2


def test_what_the_action_is_given_is_never_run(act, make):
    folder = make(0, "$(touch pwned) `touch pwned` *;touch pwned")
    job = act(data=folder.name, formats="")
    assert job.code == 0, job.log
    assert not (folder.parent / "pwned").exists()
    assert not [each["run"] for each in STEPS if "${{" in each["run"]], "GitHub would paste it into the script"


def test_the_action_is_written_as_github_wants_it():
    assert ACTION["runs"]["using"] == "composite"
    assert [each for each in STEPS if each["shell"] != "bash"] == []
    text = json.dumps(ACTION)
    assert [name for name in ACTION["inputs"] if f"${{{{ inputs.{name} }}}}" not in text] == []
    assert all(isinstance(each["default"], str) and each["description"] for each in ACTION["inputs"].values())


# ── pre-commit ──


class Repository:
    """A git repository of a user, with our hooks installed as far as that goes without the network."""

    def __init__(self, folder: Path, **arguments: list[str]) -> None:
        ours = {name: value for name, value in clean_environment().items() if not name.startswith("GIT_")}
        names = {f"GIT_{who}_{what}": "someone" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        self.folder = folder
        self.environment = ours | names | {"HOME": str(folder), "PRE_COMMIT_HOME": str(folder / ".cache")}
        self.environment["ENCRYPTION_KEY"] = KEY
        # pre-commit would make an environment for them and install us there; here we are installed already.
        hooks = [{**HOOKS[name], "language": "system", "args": given} for name, given in arguments.items()]
        config = {"repos": [{"repo": "local", "hooks": hooks}]}
        (folder / ".pre-commit-config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
        self.run("git", "init", "--quiet")
        self.run("pre-commit", "install")

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        given = {"cwd": self.folder, "env": self.environment, "encoding": "utf-8"}
        return subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, **given)

    def commit(self, *files: str) -> tuple[bool, str]:
        """Commit files; tell whether that was let through, and what was said."""
        assert self.run("git", "add", "--force", *files).returncode == 0
        done = self.run("git", "commit", "--message", "x")
        return done.returncode == 0, done.stdout


def test_the_hooks_are_written_as_pre_commit_wants_them():
    subprocess.run([COMMAND.with_name("pre-commit"), "validate-manifest", MANIFEST], check=True)
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    assert {hook["entry"].split()[0] for hook in HOOKS.values()} <= scripts.keys()
    assert {hook["language"] for hook in HOOKS.values()} == {"python"}


def test_a_commit_is_refused_as_long_as_the_homes_differ(make):
    folder = make(3)
    repository = Repository(folder.parent, **{"mediaos-migrate-validate": ["--data", "config"]})
    (folder.parent / "notes.txt").write_text("x", encoding="utf-8")
    assert repository.commit("notes.txt")[0], "what is no data is not held up"
    done, said = repository.commit("config/library.json")
    assert (done, "- exit code: 3" in said, f"{FILM}: differs in title" in said) == (False, True, True)
    assert command("repair", "--data", folder, "--believe", "file", "--yes", key=KEY).code == 0
    assert repository.commit("config/library.json", "config/mediaos.db")[0]


def test_a_commit_is_refused_as_long_as_a_migration_has_no_way_back(tmp_path):
    shutil.copytree(FIXTURES / "packs" / "shelf", tmp_path / "my-app")
    repository = Repository(tmp_path, **{"mediaos-migrate-schema-lint": ["--app", "./my-app"]})
    assert repository.commit("my-app")[0]
    files = ["my-app/sqlite/0003_more.up.sql", "my-app/sqlite/0003_more.down.sql"]
    for file, text in zip(files, ("CREATE TABLE more (id TEXT);\n", ""), strict=True):
        (tmp_path / file).write_text(text, encoding="utf-8")
    done, said = repository.commit(*files)
    assert (done, "- exit code: 3" in said, "not-inverse" in said) == (False, True, True)
    (tmp_path / files[1]).write_text("DROP TABLE more;\n", encoding="utf-8")
    assert command("schema", "lint", "--app", f"{tmp_path}/my-app", "--write").code == 0
    assert repository.commit("my-app")[0]


# ── systemd ──

VALIDATE: Final = UNITS / "mediaos-migrate-validate@.service"
ALERT: Final = UNITS / "mediaos-migrate-alert@.service"
TIMERS: Final = {timer.stem.split("@")[1]: timer for timer in UNITS.glob("*.timer")}


def unit(path: Path) -> ConfigParser:
    found = ConfigParser(interpolation=None, delimiters="=")
    found.optionxform = str
    found.read(path, encoding="utf-8")
    return found


def at_home(text: str, folder: Path) -> str:
    """Put in where MediaOS and we are in this test."""
    for home, here in zip(HOMES, (folder, COMMAND.parent), strict=True):
        text = text.replace(home, str(here))
    return text


def settings(folder: Path) -> Path:
    """Write the file that holds data folder and key, for systemd and cron alike."""
    file = folder / "mediaos-migrate.env"
    file.write_text(f"MEDIAOS_MIGRATE_DATA={folder}/config\nENCRYPTION_KEY={KEY}\n", encoding="utf-8")
    return file


@pytest.mark.parametrize("code", STATES)
@pytest.mark.parametrize("instance", TIMERS)
def test_the_unit_ends_as_validate_does_and_touches_nothing(make, instance, code):
    folder = make(code)
    service = unit(VALIDATE)["Service"]
    file = Path(at_home(service["EnvironmentFile"], folder.parent))
    assert file == settings(folder.parent)
    given = dict(line.split("=", 1) for line in file.read_text(encoding="utf-8").splitlines())
    before = contents(folder)
    words = shlex.split(at_home(service["ExecStart"].replace("%i", instance), folder.parent))
    done = subprocess.run(words, cwd="/", env={"PATH": os.defpath, **given}, capture_output=True)
    assert (done.returncode, contents(folder) == before) == (code, True), done.stdout


def test_only_what_could_not_be_checked_is_looked_at_again_and_only_0_is_success():
    service = unit(VALIDATE)["Service"]
    codes = {*STATES, *(error.exit_code for error in errors())} - {0}
    assert "SuccessExitStatus" not in service
    assert service["Restart"] == "on-failure"
    assert codes - set(map(int, service["RestartPreventExitStatus"].split())) == {5, 130}


def test_a_failure_starts_the_alert_which_names_the_exit_code(tmp_path, monkeypatch):
    assert unit(VALIDATE)["Unit"]["OnFailure"] == ALERT.name.replace("@", "@%i")
    told = unit(ALERT)["Service"]["ExecStart"].replace("%i", "deep").replace("${MONITOR_EXIT_STATUS}", "3")
    logger, *words = shlex.split(told)
    if not Path(logger).exists():
        pytest.skip("there is no logger")
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.bind("log")
        subprocess.run([logger, "--socket", "log", *words], check=True)
        assert log.recv(1000).decode().endswith(": mediaos-migrate validate --deep: exit code 3")


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units as they would be installed, with the command where it is."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd")
    folder = tmp_path / "system"
    folder.mkdir()
    for file in UNITS.iterdir():
        (folder / file.name).write_text(at_home(file.read_text(encoding="utf-8"), tmp_path), encoding="utf-8")
    return folder


def test_systemd_has_nothing_to_say_against_the_units(installed):
    names = [VALIDATE.name.replace("@", f"@{name}") for name in TIMERS] + [timer.name for timer in TIMERS.values()]
    words = ["systemd-analyze", "verify", *names, ALERT.name.replace("@", "@deep")]
    done = subprocess.run(words, cwd=installed, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8")
    against = [line for line in done.stderr.splitlines() if str(installed) in line or "mediaos" in line]
    assert (done.returncode, [line for line in against if "RestartMode" not in line]) == (0, [])


def test_systemd_finds_the_unit_well_fenced_in(installed):
    words = ["systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", f"./{VALIDATE.name}"]
    done = subprocess.run(words, cwd=installed, capture_output=True, encoding="utf-8")
    if "unrecognized option" in done.stderr:
        pytest.skip("systemd before 250 cannot tell")
    assert done.returncode == 0, done.stdout.splitlines()[-1:]


# ── cron ──

CRONTAB: Final = [line for block in blocks("crontab") for line in block.splitlines()]
ENTRIES: Final = [line for line in CRONTAB if line[0].isdigit()]


@pytest.fixture
def cron(tmp_path: Path) -> Callable[[str], subprocess.CompletedProcess[str]]:
    """A function that runs an entry of a crontab as cron does."""

    def cron(entry: str) -> subprocess.CompletedProcess[str]:
        names = dict(line.split("=", 1) for line in CRONTAB if line not in ENTRIES)
        text = entry.split(maxsplit=5)[5]
        assert not re.search(r"(?<!\\)%", text), "cron takes what follows a % for standard input"
        environment = {"HOME": "/", "LOGNAME": "mediaos", "SHELL": "/bin/sh"} | names
        environment = {name: at_home(value, tmp_path) for name, value in environment.items()}
        words = ["/bin/sh", "-c", at_home(text, tmp_path)]
        return subprocess.run(words, cwd="/", env=environment, capture_output=True, encoding="utf-8")

    return cron


@pytest.mark.parametrize("code", STATES)
@pytest.mark.parametrize("entry", ENTRIES)
def test_cron_is_silent_as_long_as_all_is_equal_and_else_names_the_exit_code(make, cron, entry, code):
    settings(make(code).parent)
    done = cron(entry)
    assert (done.returncode, done.stderr) == (code, "")
    assert done.stdout.splitlines()[:1] == ([f"exit code {code}"] if code else [])
    assert len(done.stdout.splitlines()) != 1, "what was said stands below"


def test_cron_is_not_silent_when_nothing_is_set_up(cron):
    assert all(done.returncode and done.stdout + done.stderr for done in map(cron, ENTRIES))


def test_cron_and_the_timers_look_in_the_same_ways():
    assert {re.search(r" validate --(\S+)", entry)[1] for entry in ENTRIES} == TIMERS.keys()
    assert len(ENTRIES) == len(TIMERS)


# ── the page, and all of it together ──


def test_what_the_page_shows_of_action_and_hooks_is_there():
    workflow, config = map(yaml.safe_load, blocks("yaml"))
    (used,) = [each for each in workflow["steps"] if each.get("id") == "homes"]
    assert used["with"].keys() <= ACTION["inputs"].keys()
    assert set(re.findall(r"steps\.homes\.outputs\.([\w-]+)", PAGE)) <= ACTION["outputs"].keys()
    assert [hook["id"] for each in config["repos"] for hook in each["hooks"]] == list(HOOKS)


def test_the_page_names_every_unit_to_be_enabled():
    assert all(timer.name in PAGE for timer in TIMERS.values())


def test_no_key_is_ever_an_argument():
    run = [each["run"] for each in STEPS] + [hook["entry"] for hook in HOOKS.values()]
    run += [unit(path)["Service"]["ExecStart"] for path in UNITS.glob("*.service")] + ENTRIES
    assert [text for text in run if re.search("encryption|--key", text, re.IGNORECASE)] == []
