"""The README and the playbooks, executed; the command reference, compared; links, followed."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import FIXTURES, clean_environment
from pages import PAGES, REFERENCE, ROOT, commands, execute, fits, help_of, reference, settled, steps

import mediaos_migrate.library.jobs  # noqa: F401  it has an error of its own
from mediaos_migrate.cli.answers import Interrupted
from mediaos_migrate.errors import MigrateError

README = ROOT / "README.md"
WRITTEN = [*PAGES, REFERENCE]
INSIDE = {"Contradiction"}  # it is always answered by another one


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_page_shows_what_really_happens(page: Path, tmp_path: Path) -> None:
    known = steps(page.read_text(encoding="utf-8"))
    outputs = execute([step.command for step in known], tmp_path, clean_environment())
    for step, found in zip(known, outputs, strict=True):
        if not fits(step.lines, found):
            assert settled(found) == settled(step.lines), f"$ {step.command}"
    assert known


def test_the_command_reference_says_what_help_says() -> None:
    assert REFERENCE.read_text(encoding="utf-8") == reference(), "run `python tests/pages.py`"


@pytest.mark.parametrize("path", commands(), ids=" ".join)
def test_every_command_explains_itself_with_an_example(path: list[str]) -> None:
    text = help_of(path)
    group = any(other[:-1] == path for other in commands() if other)
    assert group or "\n  Example" in text
    assert "--help" in text
    assert not re.search(r"^  -.*\S {2}$|^  --\S+( [A-Z]+)?$", text, re.MULTILINE), "an option without a help text"


def test_every_example_of_a_help_text_is_a_command_that_exists() -> None:
    texts = [help_of(path) for path in commands()]
    examples = [
        line.split() for text in texts for line in re.findall(r"^    mediaos-migrate (.*)$", text, re.MULTILINE)
    ]
    known = [path for path in commands() if path]
    assert examples
    assert all(any(example[: len(path)] == path for path in known) for example in examples)


@pytest.mark.parametrize("page", WRITTEN, ids=name)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", WRITTEN, ids=name)
def test_every_command_that_a_page_names_exists(page: Path) -> None:
    named = re.findall(r"`mediaos-migrate ([a-z]+(?: (?:list|show|up|down|status))?)", page.read_text(encoding="utf-8"))
    known = [" ".join(path) for path in commands()]
    assert [command for command in named if command not in known and command.split()[0] not in known] == []


def test_the_readme_begins_with_the_demo_and_the_tests() -> None:
    first = re.search(r"^```sh\n(.*?)^```$", README.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert first
    assert [line.split("#")[0].strip() for line in first[1].splitlines()] == ["make demo", "make test"]


def errors(root: type[MigrateError] = MigrateError) -> Iterator[type[MigrateError]]:
    yield root
    for error in root.__subclasses__():
        yield from errors(error)


def test_the_readme_names_every_exit_code_of_every_error() -> None:
    table = {int(code) for code in re.findall(r"^\| (\d+) \|", README.read_text(encoding="utf-8"), re.MULTILINE)}
    assert {error.exit_code for error in errors()} <= table
    assert {0, 3, 6, Interrupted.exit_code} <= table


def test_every_error_has_its_paragraph() -> None:
    page = (ROOT / "playbooks" / "when-it-fails.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^### (\w+)\n\S", page, re.MULTILINE)) == {error.__name__ for error in errors()} - INSIDE


def test_the_demo_tells_its_story_to_the_end(tmp_path: Path) -> None:
    environment = clean_environment(TMPDIR=str(tmp_path))
    demo = ["sh", str(ROOT / "playbooks" / "demo.sh")]
    done = subprocess.run(demo, cwd=tmp_path, env=environment, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "diff has nothing to say: every file came back byte for byte."
    assert list(tmp_path.iterdir()) == [], "the demo cleans up after itself"


def test_the_fixtures_that_the_pages_are_executed_on_are_there() -> None:
    assert len(list((FIXTURES / "mediaos").glob("*.json"))) == 15
