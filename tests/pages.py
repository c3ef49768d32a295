"""Pages that cannot lie: their console blocks are executed, and the command reference is made from --help.

A Python block is saved under the name that its first line gives it, for the commands below it.

`python tests/pages.py` puts into the pages what really comes out, and writes the reference anew.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import typer
from typer.testing import CliRunner

from mediaos_migrate.cli.main import _needed, command_line

ROOT: Final = Path(__file__).parents[1]
PAGES: Final = [
    ROOT / "README.md",
    *sorted({*(ROOT / "playbooks").glob("*.md")} - {ROOT / "playbooks" / "commands.md"}),
    *sorted((ROOT / "examples").glob("*/README.md")),
]
REFERENCE: Final = ROOT / "playbooks" / "commands.md"

HOME: Final = "/srv/mediaos"  # what the pages call the folder they are executed in
ELLIPSIS: Final = "..."  # in a page: lines that are left out
PROGRESS: Final = "(safe to interrupt)"  # on a terminal a bar that leaves nothing behind
# What differs from run to run or from machine to machine, and what stands for it while comparing.
VOLATILE: Final = {
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z": "<time>",
    r"\d{8}T\d{6}\.\d{3}Z": "<moment>",
    r"\d+(\.\d+)? (bytes|KB|MB|GB)\b": "<size>",
    r"\b\d+\.\d s\b": "<seconds>",
    r"\b\d+ notes?\b": "<notes>",  # on the SQLite that is there, and on file modes
}
_BLOCK: Final = re.compile(r"^```(console|python)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_END: Final = "=== end of a file ==="
_MARK: Final = "=== end of a step ==="
# Not every machine has SQLite's own shell; what the pages do with it, Python can do too.
_SHELL: Final = """\
command -v sqlite3 >/dev/null || sqlite3() {
    python -c 'import sqlite3, sys; sqlite3.connect(sys.argv[1], isolation_level=None).execute(sys.argv[2])' "$@"
}
"""


@dataclass(frozen=True)
class Step:
    """A command in a page, and what the page says that it prints."""

    command: str
    lines: list[str]


def steps(page: str) -> list[Step]:
    """Return the commands of a page in order."""
    return [step for kind, block in _BLOCK.findall(page) for step in _steps(kind, block)]


def _steps(kind: str, block: str) -> Iterator[Step]:
    if kind == "python":  # its first line says what the file is called: `# app.py`
        name = re.match(r"# (\S+\.py)$", block, re.MULTILINE)
        yield Step(f"cat > {name[1] if name else '/dev/null'} <<'{_END}'\n{block}{_END}", [])
        return
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, *lines = part.splitlines()
        yield Step(command, lines)


def execute(commands: list[str], folder: Path, environment: dict[str, str]) -> list[list[str]]:
    """Run commands in one shell, beside the fixtures and examples; return the lines that each of them prints."""
    for name in ("fixtures", "examples"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    inside = [command.replace(HOME, str(folder)) for command in commands]
    script = "".join(f"{command}\ncode=$?\nprintf '\\n%s\\n' '{_MARK}'\n(exit $code)\n" for command in inside)
    done = subprocess.run(
        ["sh"],
        input=f"{_SHELL}{script}exit 0\n".encode(),
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=True,
    )
    outputs = done.stdout.decode().replace(str(folder), HOME).split(f"\n{_MARK}\n")[:-1]
    return [[line for line in output.splitlines() if not line.endswith(PROGRESS)] for output in outputs]


def settled(lines: list[str]) -> list[str]:
    """Return lines with what is volatile replaced."""
    text = "\n".join(lines)
    for pattern, name in VOLATILE.items():
        text = re.sub(pattern, name, text)
    return text.split("\n") if lines else []


def fits(expected: list[str], found: list[str]) -> bool:
    """Tell whether a page shows what comes out, but for lines it leaves out and what is volatile."""
    pattern = "".join(
        r"(?:.*\n)*?" if line == ELLIPSIS else re.escape(line) + "\n"  # the dots stand for any lines
        for line in settled(expected)
    )
    return re.fullmatch(pattern, "".join(line + "\n" for line in settled(found))) is not None


def reference() -> str:
    """Return the command reference as the help texts make it."""
    intro = "# Commands\n\nMade from `--help` by `python tests/pages.py`; a test compares.\n"
    return intro + "".join(
        f"\n## {' '.join(['mediaos-migrate', *path])}\n\n```text\n{help_of(path)}```\n" for path in commands()
    )


def commands() -> list[list[str]]:
    """Return every command and group, as one would type them."""
    return list(_commands(typer.main.get_command(command_line()), []))


def _commands(command: Any, path: list[str]) -> Iterator[list[str]]:
    yield path
    for name, inner in getattr(command, "commands", {}).items():
        yield from _commands(inner, [*path, name])


def help_of(path: list[str]) -> str:
    """Return the help of a command on a terminal of 80 columns."""
    app = command_line(_needed(path))
    return CliRunner(env={"COLUMNS": "80"}).invoke(app, [*path, "--help"], prog_name="mediaos-migrate").output


def _rewrite(page: Path) -> None:
    from conftest import clean_environment

    text = page.read_text(encoding="utf-8")
    known = steps(text)
    with tempfile.TemporaryDirectory() as folder:
        outputs = execute([step.command for step in known], Path(folder), clean_environment())
    told = iter(zip(known, outputs, strict=True))

    def block(match: re.Match[str]) -> str:
        lines = []
        if match[1] == "python":
            next(told)
            return match[0]
        for _ in _steps(*match.groups()):
            step, found = next(told)
            lines += [f"$ {step.command}", *(step.lines if fits(step.lines, found) else found)]
        return "\n".join(["```console", *lines, "```"])

    page.write_text(_BLOCK.sub(block, text), encoding="utf-8")


if __name__ == "__main__":
    for page in PAGES:
        _rewrite(page)
    REFERENCE.write_text(reference(), encoding="utf-8")
    sys.stdout.write(f"{len(PAGES) + 1} pages are as things are.\n")
