"""Memory does not grow with the file: whatever carries data does so under a limit that the kernel keeps."""

from __future__ import annotations

import json
import os
import resource
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest
from conftest import ALL, COMMAND, clean_environment
from inside import command

from mediaos_migrate import Site, budget, marker
from mediaos_migrate.budget import LEAST, MB, Budget
from mediaos_migrate.engines import sqlite
from mediaos_migrate.errors import UsageError
from mediaos_migrate.ledger import Ledger
from mediaos_migrate.stages import Stage

# `make test` carries fewer and longer records, in the least memory that can be granted: there is no room for them.
RECORDS, TEXT, MEMORY = (200_000, 100, Budget().memory) if os.environ.get(ALL) else (10_000, 2_900, LEAST)
# What a process has mapped before it reads a record, and how much of that is resident, in kilobytes. Without a limit
# one of the libraries sets a gigabyte of addresses aside, and uses none of it.
IDLE: Final = """
import mediaos_migrate.cli.main, mediaos_migrate.moves.migrating, mediaos_migrate.moves.rolling_back, sqlite_utils, deepdiff
lines = dict(line.split(":") for line in open("/proc/self/status"))
print(*(int(lines[name].split()[0]) for name in ("VmSize", "VmRSS")))
"""


def films(path: Path, count: int, text: int) -> None:
    """Write a library record by record."""
    with path.open("w") as stream:
        stream.write('{"items": [')
        for number in range(count):
            film = {"id": f"m{number:06}", "kind": "movie", "title": f"Film {number}", "overview": f"{number} " * 7}
            film["overview"] = film["overview"].ljust(text, "x")
            stream.write(f"{',' if number else ''}\n  {json.dumps(film)}")
        stream.write("\n]}")


def limited(words: list[Any], folder: Path, limit: int) -> subprocess.CompletedProcess[str]:
    """Run a command that may not have more than so many bytes of addresses."""
    return subprocess.run(
        [str(word) for word in words],
        cwd=folder,
        env=clean_environment(MEDIAOS_MIGRATE_MAX_MEMORY=str(MEMORY)),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def limit() -> int:
    """Return the bytes of addresses that let a process have as much resident memory as it was granted."""
    if not Path("/proc/self/status").exists():
        pytest.skip("this system does not tell how much a process has mapped")
    told = limited([sys.executable, "-c", IDLE], Path.cwd(), 1024 * MB)
    mapped, resident = (int(number) * 1024 for number in told.stdout.split())
    return mapped - resident + MEMORY


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with a large library."""
    folder = tmp_path_factory.mktemp("large")
    (folder / "config").mkdir()
    films(folder / "config" / "library.json", RECORDS, TEXT)
    return folder


def lead(folder: Path) -> None:
    """Let the table lead, and write one record that the file lacks."""
    with Site.open(folder / "config") as site, site.locked(), site.writing() as connection:
        ledger = Ledger(connection)
        ledger.set_stage("library", Stage.LIVE, "for a test")
        marker.settle(site.state, ledger, site.owner)
    with Site.open(folder / "config") as site:
        site.wake = lambda _: None  # the flush is not its own
        site._mirror.stop = lambda: None
        site.repository("library").update(f"m{RECORDS - 1:06}", {"title": "Another"})


def test_a_large_library_is_carried_in_the_memory_that_was_granted(here: Path, limit: int) -> None:
    ways = [
        ["migrate"],
        ["validate", "--record"],
        ["export", "--to", "exported"],
        lead,
        ["mirror", "flush"],
        ["rollback", "--yes"],
    ]
    for way in ways:
        if callable(way):
            way(here)
            continue
        told = limited([COMMAND, *way], here, limit)
        assert (told.returncode, told.stderr.count("memory")) == (0, 0), (way, told.stderr)
    assert (here / "exported" / "library.json").stat().st_size > RECORDS * TEXT
    with (here / "config" / "library.json").open() as stream:
        assert sum('"title": "Another"' in line for line in stream) == 1


def test_the_limit_would_tell(here: Path, limit: int) -> None:
    """Whoever holds all records at once, beside what every command has loaded, does not come through."""
    holds_all = f"{IDLE}\nimport json; json.load(open('config/library.json'))"
    told = limited([sys.executable, "-c", holds_all], here, limit)
    assert "MemoryError" in told.stderr


def test_a_record_that_is_too_large_for_the_system_is_told_so_and_nothing_is_half_done(
    tmp_path: Path, limit: int
) -> None:
    (tmp_path / "config").mkdir()
    films(tmp_path / "config" / "library.json", 1, 12 * MB)
    told = limited([COMMAND, "migrate", "--json"], tmp_path, limit)
    error = json.loads(told.stdout)["error"]
    assert (told.returncode, error["type"], "Traceback" in told.stderr) == (1, "NoMemory", False)
    assert command("migrate", "--data", tmp_path / "config").code == 0


# ── what is granted ──


@pytest.mark.parametrize(
    ("text", "memory"), [("96M", 96 * MB), ("1G", 1000 * MB), ("80mb", 80 * MB), ("134217728", 2**27)]
)
def test_a_size_is_written_as_people_do(text: str, memory: int) -> None:
    assert Budget.of(text).memory == memory


@pytest.mark.parametrize("text", ["79M", "0", "1K"])
def test_too_little_to_work_with_is_refused_with_the_least(text: str) -> None:
    with pytest.raises(UsageError) as told:
        Budget.of(text)
    assert told.value.remedy == "The least is 80M."


def test_the_command_says_so_and_does_nothing(site_folder: Path) -> None:
    told = command("migrate", "--data", site_folder, "--max-memory", "10M")
    assert (told.code, told.err) == (
        2,
        "Invalid value for '--max-memory': 10M of memory is too little to work with. The least is 80M.\n"
        "See `mediaos-migrate migrate --help`.\n",
    )
    assert not (site_folder / "mediaos.db").exists()


def test_the_variable_counts_as_the_option_does(site_folder: Path) -> None:
    assert command("migrate", "--data", site_folder, MEDIAOS_MIGRATE_MAX_MEMORY="much").code == 2


@pytest.mark.parametrize("memory", [LEAST, 128 * MB, 4000 * MB])
def test_what_is_handed_out_is_no_more_than_there_is(memory: int) -> None:
    granted = Budget(memory)
    assert granted.cache + granted.spill + 8 * granted.piece <= granted.free


def test_the_database_caches_what_was_granted(tmp_path: Path) -> None:
    found = []
    for memory in (LEAST, 1000 * MB):
        with budget.granting(Budget(memory)), closing(sqlite.open_database(tmp_path / "new.db")) as connection:
            found.append(connection.execute("PRAGMA cache_size").fetchone()[0] * -1024)
    assert found == [pytest.approx(Budget(memory).cache, abs=1024) for memory in (LEAST, 1000 * MB)]


def test_what_was_granted_ends_with_the_command(site_folder: Path) -> None:
    before = budget.granted()
    command("migrate", "--data", site_folder, "--max-memory", "1G")
    assert budget.granted() == before


def test_heavy_records_are_held_one_by_one_and_light_ones_by_the_hundred() -> None:
    piece, records = Budget().piece, Budget().records
    heavy = list(budget.batches([piece + 1] * 3, lambda weight: weight))
    light = list(budget.batches([1] * (2 * records + 1), lambda weight: weight))
    assert [len(some) for some in heavy] == [1, 1, 1]
    assert [len(some) for some in light] == [records, records, 1]


def test_rows_are_fetched_by_what_they_weigh() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE a (x)")
        connection.executemany(
            "INSERT INTO a VALUES (zeroblob(?))", [(size,) for size in (100,) * 600 + (10**6,) * 100]
        )
        found = [len(some) for some in sqlite.pieces(connection.execute("SELECT x FROM a"))]
    assert (sum(found), max(found) <= Budget().records, found[-3:]) == (700, True, [2, 2, 1])


def test_of_rows_that_are_heavy_from_the_first_on_no_more_are_fetched_than_may_be_held() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE a (x)")
        connection.executemany("INSERT INTO a VALUES (zeroblob(?))", [(Budget().piece // 2,)] * 40)
        found = [len(some) for some in sqlite.pieces(connection.execute("SELECT x FROM a"))]
    assert (sum(found), max(found)) == (40, 2)


# ── and who goes first ──


def test_nice_lets_others_go_first(site_folder: Path) -> None:
    script = f"""
import os, sys
from mediaos_migrate.cli.main import main
sys.argv = ["mediaos-migrate", "validate", "--data", {str(site_folder)!r}, "--nice"]
try:
    main()
finally:
    print(os.nice(0))
"""
    told = subprocess.run([sys.executable, "-c", script], env=clean_environment(), capture_output=True, text=True)
    assert told.stdout.splitlines()[-1] == "19"


def test_a_recovery_takes_no_more_memory_than_was_granted(site_folder: Path) -> None:
    command("migrate", "--data", site_folder)
    (site_folder / "mediaos.db").write_bytes(b"no database" * 1000)
    told = command("recover", "--data", site_folder, "--from", "files", "--yes", "--max-memory", "79M")
    assert (told.code, "The least is 80M." in told.err) == (2, True)
    assert command("recover", "--data", site_folder, "--from", "files", "--yes", "--max-memory", "80M").code == 0
