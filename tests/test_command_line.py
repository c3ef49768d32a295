"""How the command behaves on a terminal, in a pipe, and when something goes wrong."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import COMMAND, FIXTURES, Run, clean_environment
from pages import PROGRESS

import mediaos_migrate
from mediaos_migrate.cli import main as command_line
from mediaos_migrate.errors import MigrateError, UsageError
from mediaos_migrate.moves import status
from mediaos_migrate.show.progress import Narrator


def test_without_a_command_it_shows_the_help(run: Run) -> None:
    done = run()
    assert (done.returncode, done.stdout, done.stderr) == (2, run("--help").stdout, "")


def test_it_tells_its_version(run: Run) -> None:
    assert run("--version").stdout == f"mediaos-migrate {mediaos_migrate.__version__}\n"


def test_it_runs_as_a_module(tmp_path: Path) -> None:
    call = [sys.executable, "-m", "mediaos_migrate", "status", "--bogus"]
    done = subprocess.run(call, cwd=tmp_path, env=clean_environment(), capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("\nSee `mediaos-migrate status --help`.\n")


def test_bad_usage_is_told_with_the_way_out(run: Run) -> None:
    done = run("schema", "sideways")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "No such command 'sideways'.\nSee `mediaos-migrate schema --help`.\n"


def test_results_go_to_standard_output_and_progress_to_standard_error(run: Run, site_folder: Path) -> None:
    done = run("migrate")
    assert done.stdout.splitlines()[-1] == "Files and database are equal: 90 records compared."
    assert done.stderr.splitlines() == [
        f"{step} … {PROGRESS}"
        for step in (
            "look at every file",
            "back up the files",
            "bring the schema up",
            "import every document",
            "compare every document",
        )
    ]


def test_a_script_hears_no_progress(run: Run, site_folder: Path) -> None:
    assert run("migrate", "--json").stderr == ""


def test_a_long_step_tells_how_far_it_is(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    clock = iter(range(0, 100, 4))
    monkeypatch.setattr("mediaos_migrate.show.progress.time.monotonic", lambda: next(clock))
    with Narrator() as narrator:
        narrator.step("import", "library.json")
        narrator.at(10, 100)
        narrator.at(50, 100)
        narrator.at(51, 100)
    told = capsys.readouterr().err.splitlines()
    assert told[0] == f"import every document … {PROGRESS}"
    assert re.fullmatch(rf"import library.json: 50 %, about \d+ s left {re.escape(PROGRESS)}", told[1])


def test_a_terminal_gets_a_bar_that_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    with Narrator() as narrator:
        narrator.step("import", "library.json")
        narrator.step("import", "wanted.json")
        narrator.at(10, 100)
        assert [task.description for task in narrator._bar.tasks] == ["import wanted.json"]  # type: ignore[union-attr]
        assert [task.percentage for task in narrator._bar.tasks] == [10]  # type: ignore[union-attr]


def test_a_title_cannot_steer_the_terminal(run: Run, site_folder: Path) -> None:
    (site_folder / "library.json").write_text('{"items": [{"id": "a\\u001b[2Jb", "kind": "movie"}]}', encoding="utf-8")
    assert run("migrate", "--accept-source", "library").returncode == 0
    done = run("show", "library", "a\x1b[2Jb")
    assert done.returncode == 0
    assert "\x1b" not in done.stdout + run("show", "library", "nope\x1b").stderr


def test_a_terminal_without_unicode_is_enough(run: Run, site_folder: Path) -> None:
    done = run("doctor", PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert "movies / \\u96ea" in done.stdout


def test_a_reader_that_leaves_early_is_no_failure_of_ours(site_folder: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    call = [str(COMMAND), "status", "--data", str(site_folder)]
    done = subprocess.run(call, env=clean_environment(), stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is always full")
def test_a_full_disk_behind_the_output_is_told(site_folder: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        call = [str(COMMAND), "status", "--data", str(site_folder)]
        done = subprocess.run(call, env=clean_environment(), stdout=full, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (1, b"The output could not be written: No space left on device.\n")


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (KeyboardInterrupt(), 130, "Interrupted.\nNothing is half done; run the command again to complete it.\n"),
        (MigrateError("It did not work.", "Do this."), 1, "It did not work.\nDo this.\n"),
        (
            UsageError("First.", "All of them.", errors=[{"message": "A is wrong.", "remedy": "Mend A."}]),
            2,
            "A is wrong.\n    Mend A.\nAll of them.\n",
        ),
    ],
    ids=["interrupted", "failed", "several"],
)
def test_what_went_wrong_is_told_with_the_way_out(
    error: BaseException,
    code: int,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(status, "status", raising(error))
    assert call(monkeypatch, "status", "--data", str(FIXTURES)) == code
    assert capsys.readouterr() == ("", told)


def test_a_mistake_of_ours_shows_no_data(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(status, "status", raising(ValueError("hunter2")))
    assert call(monkeypatch, "status", "--data", str(FIXTURES)) == 1
    out, err = capsys.readouterr()
    assert err.startswith("A mistake of ours: ValueError in test_command_line.py, line ")
    assert "hunter2" not in out + err


def test_a_mistake_of_ours_shows_everything_to_who_looks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "status", raising(ValueError("everything")))
    monkeypatch.setenv("MEDIAOS_MIGRATE_DEBUG", "1")
    with pytest.raises(ValueError, match="everything"):
        call(monkeypatch, "status", "--data", str(FIXTURES))


@pytest.mark.parametrize(("yes", "code"), [(True, 0), (False, 1)])
def test_taking_the_schema_back_asks_first(
    yes: bool, code: int, run: Run, site_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("schema", "up", "--to", "2")
    monkeypatch.setattr("sys.stdin", Terminal())
    asked: list[str] = []

    def confirm(question: str, **_: object) -> bool:
        asked.append(question)
        return yes

    monkeypatch.setattr("typer.confirm", confirm)
    assert call(monkeypatch, "schema", "down", "--data", str(site_folder)) == code
    assert asked == ["Take back 0002_sessions?"]
    assert run("schema", "status").stdout.count("applied") == (1 if yes else 2)


class Terminal:
    """Stands for somebody at the keyboard."""

    def isatty(self) -> bool:
        return True


def raising(error: BaseException) -> Callable[..., None]:
    def raise_it(*_: object, **__: object) -> None:
        raise error

    return raise_it


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run the command line in this process; return its exit code."""
    monkeypatch.setattr(sys, "argv", ["mediaos-migrate", *arguments])
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    return int(ended.value.code or 0)
