"""A thousand requests at once lose nothing: every acknowledged write is in both homes, the last one of each key."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import clean_environment
from inside import command

CROWD = Path(__file__).with_name("crowd.py")


@pytest.mark.parametrize(
    ("stage", "kind", "workers", "requests"),
    [
        ("dualwrite", "processes", 50, 4),
        ("dualwrite", "threads", 200, 2),
        ("live", "processes", 50, 20),
        ("live", "threads", 200, 6),
    ],
)
def test_every_acknowledged_write_is_in_both_homes(tmp_path, stage, kind, workers, requests):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "library.json").write_text(json.dumps({"items": [{"id": "first", "kind": "movie", "title": "First"}]}))
    assert command("migrate", "--data", folder).code == 0
    words = ["--to", stage, "--policy", "ci", "--host-reads-database", "--data", folder]
    assert command("stage", "advance", "library", *words).code == 0
    crowd = [sys.executable, CROWD, folder, kind, str(workers), str(requests)]
    done = subprocess.run(crowd, env=clean_environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["kept"] == told["acknowledged"] == workers
    assert command("validate", "library", "--data", folder).code == 0
