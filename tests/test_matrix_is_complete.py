"""A new persistence step without a row in the crash matrix fails the build."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from fault_moves import MOVES

import mediaos_migrate
from mediaos_migrate.cli.main import command_line

PACKAGE = Path(mediaos_migrate.__file__).parent
# What makes something durable, or takes it away.
STEPS = {"transaction", "replacing", "Replacement", "create", "make_folder", "sync_folder", "unlink", "rename", "rmdir"}
STEPS |= {"copy", "restore", "backup", "point"}
ELSEWHERE = {
    "cli/pages.py:write": "writes a report where the operator wants it",
    "library/service.py:Service._writing": "jobs and sessions: one transaction, no file (test_jobs, test_sessions)",
    "library/shadow.py:Shadow._note": "how many reads were compared: nobody is told that it is counted",
    "migrations/folder.py:new": "makes files of a pack",
    "migrations/folder.py:write_integrity": "makes files of a pack",
    "moves/exporting.py:export_from": "writes files where the operator wants them",
    "moves/forecasting.py:_Run.__init__": "in scratch",
    "moves/forecasting.py:_begin": "in scratch",
    "moves/looks.py:_snapshot": "in scratch",
    "moves/rehearsing.py:copy_site": "in scratch",
    "moves/restoring.py:rehearse": "in scratch",
    "moves/scheduling.py:install": "writes units of systemd",
}
SCRATCH = "drill/"  # all of it works on copies
LOOKING = {
    "drill",
    "rehearse",
    "validate",
    "status",
    "doctor",
    "show",
    "health",
    "export",
    "stage show",
    "stage why-not",
    "stage price",
    "schema status",
    "schema verify",
    "schema lint",
    "schema dump",
    "quarantine list",
    "quarantine show",
    "evidence list",
    "evidence show",
    "backup list",
    "backup show",
    "backup verify",
    "keys check",
    "schema new",  # makes files of a pack, not of a site
    "backup schedule",  # writes units of systemd, not of a site
}


def commands() -> set[str]:
    root = typer.main.get_command(command_line())
    found = set()
    for name, command in root.commands.items():
        below = getattr(command, "commands", None)
        found |= {f"{name} {each}" for each in below} if below else {name}
    return found


def steps() -> Iterator[tuple[str, str]]:
    """Name each function that has a persistence step, and its crash points."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.is_relative_to(PACKAGE / SCRATCH):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        yield from _within(tree, path.relative_to(PACKAGE).as_posix(), ())


def _within(node: ast.AST, file: str, names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield from _within(child, file, (*names, child.name))
            continue
        if isinstance(child, ast.Call):
            called = child.func.attr if isinstance(child.func, ast.Attribute) else getattr(child.func, "id", "")
            if called in STEPS and names:
                first = child.args[0] if child.args else None
                named = called == "point" and isinstance(first, ast.Constant)
                yield f"{file}:{'.'.join(names)}", str(first.value) if named else ""
        yield from _within(child, file, names)


@pytest.fixture(scope="module")
def told(driver):
    """What every row does when nothing goes wrong."""
    return {move: driver.ask(move, "look") for move in MOVES}


def test_every_command_that_changes_a_site_has_a_row():
    rows = {" ".join(move.words) for move in MOVES.values()}
    missing = {name for name in commands() - LOOKING if not any(row.startswith(name) for row in rows)}
    assert missing == set()


def test_every_named_step_is_passed_by_a_row(told):
    named = {name for _, name in steps() if name}
    passed = {point.partition(":")[0] for each in told.values() for point in each["points"]}
    assert passed == named


def test_every_function_with_a_persistence_step_is_run_by_a_row(told):
    run = {name.replace(".<locals>", "") for each in told.values() for name in each["functions"]}
    assert {function for function, _ in steps()} - run == ELSEWHERE.keys()
