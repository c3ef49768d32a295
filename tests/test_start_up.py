"""A command starts fast because it imports little; what is heavy waits until somebody needs it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

import pytest
import typer
from conftest import FIXTURES, clean_environment
from inside import command

from mediaos_migrate.cli.main import HOMES, _needed, command_line

# Each takes longer to import than `status` takes to answer, or is of use to a few commands only.
HEAVY = {
    "anyio",
    "asyncio",
    "click",  # typer brings its own; sqlite_utils would load it
    "cryptography",
    "deepdiff",
    "rich",
    "sqlite_utils",
}
TELL = "import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr))"
START = f"{TELL}; from mediaos_migrate.cli.main import main; main()"


def imported(data: Path, *arguments: str) -> Collection[str]:
    """Run a command in a fresh interpreter, and return what it imported."""
    call = [sys.executable, "-c", START, *arguments, "--data", str(data)]
    done = subprocess.run(call, env=clean_environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stderr.split()


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated site that nobody changes."""
    data = Path(shutil.copytree(FIXTURES / "mediaos", tmp_path_factory.mktemp("site") / "config"))
    assert command("migrate", "--data", data).code == 0
    return data


@pytest.mark.parametrize("arguments", [("status",), ("schema", "status"), ("stage", "show")], ids=" ".join)
def test_a_command_that_looks_imports_nothing_heavy(migrated: Path, arguments: tuple[str, ...]) -> None:
    modules = imported(migrated, *arguments)
    assert HEAVY.intersection(modules) == set()
    assert len({name for name in HOMES if f"mediaos_migrate.cli.{name}" in modules}) == 1


def test_nothing_heavy_is_imported_where_there_is_no_database(site_folder: Path) -> None:
    assert HEAVY.intersection(imported(site_folder, "status")) == set()


def test_what_is_heavy_is_imported_where_it_is_needed(migrated: Path) -> None:
    assert "sqlite_utils" in imported(migrated, "health")


@pytest.mark.parametrize("module", HOMES)
def test_every_command_is_found_in_its_module(module: str) -> None:
    group = typer.main.get_command(command_line([module]))
    assert set(group.commands) == set(HOMES[module])  # type: ignore[attr-defined]


@pytest.mark.parametrize("arguments", [[], ["--help"], ["nonsense"]], ids="".join)
def test_what_is_no_command_is_answered_with_all_of_them_at_hand(arguments: list[str]) -> None:
    assert _needed(arguments) == list(HOMES)
