"""A migration that is killed anywhere is completed by the next run."""

import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from crash_driver import state
from inside import command

from mediaos_migrate import crash
from mediaos_migrate.backups import taking

HERE = Path(__file__).parent
FIXTURES = HERE.parent / "fixtures"
SHELF = str(FIXTURES / "packs" / "shelf")


def environment() -> dict[str, str]:
    ours = ("MEDIAOS_MIGRATE_", "ENCRYPTION_KEY")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


@pytest.mark.parametrize(("app", "fixture"), [("mediaos", "mediaos"), (SHELF, "shelf")], ids=["mediaos", "shelf"])
def test_a_kill_at_any_named_step_is_survived(app, fixture, tmp_path):
    words = [sys.executable, HERE / "crash_driver.py", app, FIXTURES / fixture, tmp_path / "scratch"]
    (tmp_path / "scratch").mkdir()
    done = subprocess.run(words, capture_output=True, text=True, env=environment())
    assert done.stderr == ""
    result = json.loads(done.stdout)
    named = {name.split(":")[0] for name in result["steps"]}
    assert named >= {
        "locked",
        "file.written",
        "file.renamed",
        "backup.copied",
        "backup.made",
        "database.made",
        "ledger.made",
        "schema.step",
        "import.batch",
        "import.written",
        "import.committed",
        "done",
    }
    assert result["wrong"] == {}


def many_films(folder: Path, count: int) -> None:
    folder.mkdir()
    items = [
        {"id": f"f{n:06d}", "kind": "movie", "title": f"Film Nº {n}", "year": 1900 + n % 120} for n in range(count)
    ]
    (folder / "library.json").write_text(json.dumps({"items": items}, indent=2, ensure_ascii=False), encoding="utf-8")
    shutil.copy(FIXTURES / "mediaos" / "wanted.json", folder)


def start(folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "mediaos_migrate", "migrate", "--data", str(folder), "--json"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment())


def test_a_kill_at_any_moment_is_survived(tmp_path):
    many_films(tmp_path / "whole", 3000)
    started = time.monotonic()
    assert start(tmp_path / "whole").wait() == 0
    lasted = time.monotonic() - started
    wanted = state(tmp_path / "whole")
    moments = random.Random(7)
    for number in range(8):
        folder = tmp_path / f"killed-{number}"
        many_films(folder, 3000)
        process = start(folder)
        try:
            process.wait(moments.uniform(0.3, 1.0) * lasted)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
        assert start(folder).wait() == 0
        assert state(folder) == wanted


def test_a_migration_that_fails_at_any_step_leaves_the_files_alone_and_is_completed_or_dropped(tmp_path, monkeypatch):
    """Scenario 1: an error, in the place of every named step; `tests/test_schema_moves.py` has every statement."""
    monkeypatch.setattr(taking, "PAUSE", 0)
    passed: list[str] = []
    monkeypatch.setattr(crash, "point", passed.append)
    files = fresh(tmp_path / "whole")
    assert command("migrate", "--data", files, "--app", SHELF).code == 0
    steps = list(dict.fromkeys(passed))
    assert {"backup.made", "schema.step", "import.written", "import.committed", "done"} <= set(steps)
    for step in steps:
        folder = fresh(tmp_path / step)
        before = said(folder)
        monkeypatch.setattr(crash, "point", partial(fail, step))
        told = command("migrate", "--data", folder, "--app", SHELF)
        assert (told.code, "Traceback" in told.err, said(folder)) == (1, False, before), step
        monkeypatch.setattr(crash, "point", passed.append)
        dropped = Path(shutil.copytree(folder, tmp_path / f"{step}-dropped"))
        assert command("migrate", "--data", folder, "--app", SHELF).code == 0, step
        code = command("rollback", "--discard-database", "--yes", "--data", dropped, "--app", SHELF).code
        assert (code in (0, 5), said(dropped)) == (True, before), step
        assert not (dropped / "mediaos.db").exists(), step


def fail(step: str, name: str) -> None:
    if name == step:
        raise OSError(errno.EIO, "Input/output error")


def fresh(folder: Path) -> Path:
    return Path(shutil.copytree(FIXTURES / "shelf", folder))


def said(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.json")}
