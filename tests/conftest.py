"""What many tests share: a data folder to work on, and the command as it is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

FIXTURES: Final = Path(__file__).parents[1] / "fixtures"
COMMAND: Final = Path(sys.executable).with_name("mediaos-migrate")
KEY: Final = "mediaos-fixture-key-0123456789abcdef"  # the fixtures were sealed with it

Run = Callable[..., subprocess.CompletedProcess[str]]


def clean_environment(**more: str) -> dict[str, str]:
    """Return an environment in which nothing but `more` steers the command."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("MEDIAOS_", "ENCRYPTION_"))}
    ours.pop("CONFIG_DIR", None)
    path = f"{COMMAND.parent}{os.pathsep}{os.environ['PATH']}"
    return ours | {"PATH": path, "COLUMNS": "80", "LC_ALL": "C.UTF-8", "TZ": "UTC"} | more


@pytest.fixture
def site_folder(tmp_path: Path) -> Path:
    """Copy the folder with every awkward record to where the command looks by default."""
    return Path(shutil.copytree(FIXTURES / "mediaos", tmp_path / "config"))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run the installed command in the folder that holds `config`, without a key unless one is given."""

    def run(*arguments: object, key: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        given = {"ENCRYPTION_KEY": key} if key else {}
        return subprocess.run(
            [COMMAND, *map(str, arguments)],
            cwd=tmp_path,
            env=clean_environment(**given, **environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
        )

    return run
