"""A migration that is killed anywhere is completed by the next run."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from crash_driver import state

HERE = Path(__file__).parent
FIXTURES = HERE.parent / "fixtures"
SHELF = str(FIXTURES / "packs" / "shelf")


def environment() -> dict[str, str]:
    ours = ("MEDIAOS_MIGRATE_", "ENCRYPTION_KEY")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


@pytest.mark.parametrize(("app", "fixture"), [("mediaos", "mediaos"), (SHELF, "shelf")], ids=["mediaos", "shelf"])
def test_a_kill_at_any_named_step_is_survived(app, fixture, tmp_path):
    command = [sys.executable, HERE / "crash_driver.py", app, FIXTURES / fixture, tmp_path / "scratch"]
    (tmp_path / "scratch").mkdir()
    done = subprocess.run(command, capture_output=True, text=True, env=environment())
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
