"""The benchmarks run; what they measure is asserted nowhere, because a time is no fact."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest
from pages import ROOT

from benchmarks import goals, library, page, rows, tables
from benchmarks.contest import Results
from benchmarks.measured import Measured


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], Measured]:
    """Run all contests once, small; return what was printed and what was kept."""
    folder = tmp_path_factory.mktemp("bench")
    options = [
        "--size",
        "200",
        "--rounds",
        "1",
        "--only",
        "carry,live",
        "--work",
        folder,
        "--keep",
        folder / "kept.json",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *options], cwd=ROOT, capture_output=True, text=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr
    assert [path.name for path in folder.iterdir()] == ["kept.json"], "it leaves nothing behind"
    return done.stdout.splitlines(), Measured.read(folder / "kept.json")


@pytest.mark.parametrize("row", [*rows.CARRYING, *rows.LIVING], ids=lambda row: row.figure)
def test_a_run_prints_every_row_with_its_ratio(said, row: rows.Row) -> None:
    if row.figure in ("node", "app") and not shutil.which("node"):
        pytest.skip("there is no node on this machine")
    (line,) = (line for line in said[0] if line.startswith(f"| {row.title} |"))
    _, _, median, ratio, *_ = (cell.strip() for cell in line.split("|"))
    assert re.match(r"[\d.,e-]+", median)
    assert re.fullmatch(r"[\d.,e-]+", ratio)


@pytest.mark.parametrize("goal", [*goals.CARRYING, *goals.LIVING], ids=lambda goal: goal.what)
def test_a_run_says_of_every_goal_whether_it_was_reached(said, goal: goals.Goal) -> None:
    (line,) = (line for line in said[0] if line.startswith(f"| {goal.what} |"))
    assert line.endswith(("| yes |", "| **no** |"))


def test_results_name_the_machine_but_no_folder_and_no_host(said, tmp_path: Path) -> None:
    measured = said[1]
    assert set(measured.machine) >= {"date", "processor", "cores", "memory", "disk", "python", "sqlite", "node"}
    measured.write(tmp_path / "kept.json")
    text = (tmp_path / "kept.json").read_text(encoding="utf-8") + page.page(measured)
    assert not re.search(r"/(tmp|home|root|var|work)\b", text)
    assert not re.search(r"host ?name", text, re.IGNORECASE)


def test_a_part_that_is_measured_again_leaves_the_others_of_the_day(said, tmp_path: Path) -> None:
    said[1].write(tmp_path / "kept.json")
    whole = Measured.read(tmp_path / "kept.json")
    again = Results(whole.living[0].size, 1, {"live put: p99": [0.001]}, load=[1.0])
    larger = Results(10**9, 1, {"status": [0.1]}, load=[1.0])
    Measured(whole.machine, carrying=[larger], living=[again]).write(tmp_path / "kept.json")
    kept = Measured.read(tmp_path / "kept.json")
    assert (kept.carrying, kept.growing, kept.living) == ([*whole.carrying, larger], whole.growing, [again])
    Measured(whole.machine | {"date": "another"}, living=[again]).write(tmp_path / "kept.json")
    assert Measured.read(tmp_path / "kept.json").carrying == []


def test_who_does_not_take_part_is_named_with_the_reason() -> None:
    results = Results(1000, 1, absent={"node": "there is no node on this machine"})
    assert list(tables.absent(results)) == ["Not measured: node (there is no node on this machine)."]


def test_the_data_is_the_same_on_every_machine(tmp_path: Path) -> None:
    library.write(tmp_path / "small.json", 20)
    library.write(tmp_path / "large.json", 300)
    small, large = (json.loads((tmp_path / f"{name}.json").read_bytes())["items"] for name in ("small", "large"))
    assert small == large[:20], "a small library begins every larger one"
    assert sha256((tmp_path / "large.json").read_bytes()).hexdigest().startswith("0431ed1b23cf5e7f")


def test_the_data_is_spelled_as_the_app_spells_it(tmp_path: Path) -> None:
    library.write(tmp_path / "library.json", 300)
    text = (tmp_path / "library.json").read_text(encoding="utf-8")
    assert text == json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    library.write_array(tmp_path / "items.json", 300)
    assert json.loads((tmp_path / "items.json").read_bytes()) == json.loads(text)["items"]


def test_the_data_has_remakes_and_no_two_records_with_one_id() -> None:
    found = list(library.records(2000))
    assert len({record["id"] for record in found}) == 2000
    assert len({record["title"] for record in found}) == 2000 - 2000 // library.REMAKE


@pytest.mark.skipif(not page.KEPT.exists(), reason="nobody has measured yet")
def test_the_page_says_what_was_measured() -> None:
    assert page.PAGE.read_text(encoding="utf-8") == page.page(Measured.read(page.KEPT)), "run `make bench-docs`"
