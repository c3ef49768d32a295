"""Asks the driver of the crash matrix; one driver for each process that tests."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from conftest import clean_environment

HERE: Final = Path(__file__).parent
ALL: Final = os.environ.get("MEDIAOS_FAULTS") == "all"  # every place of every fault, thousands of disks: an hour
SEED: Final = int(os.environ.get("MEDIAOS_FAULTS_SEED", "1"))
EVERY: Final = 1 << 30
MEMORY: Final = Path("/dev/shm")  # noqa: S108  where there is one, no disk is worn out


def scratch() -> Path:
    return Path(tempfile.mkdtemp(prefix="mediaos-faults-", dir=MEMORY if os.access(MEMORY, os.W_OK) else None))


def built(folder: Path) -> Path:
    """Compile the shim; skips where that cannot be done."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if not sys.platform.startswith("linux") or compiler is None:
        pytest.skip("faults are made by a shim before libc: that takes Linux and a C compiler")
    shim = folder / "shim.so"
    words = [compiler, "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", shim, HERE / "faults" / "shim.c"]
    subprocess.run([*words, "-ldl", "-lpthread"], check=True)
    return shim


class Driver:
    """The process that disturbs moves."""

    def __init__(self, folder: Path, package: Path = HERE.parent) -> None:
        env = clean_environment(LD_PRELOAD=str(built(folder)), PYTHONPATH=f"{package}{os.pathsep}{HERE}")
        env.pop("COVERAGE_PROCESS_START", None)
        self._process = subprocess.Popen(
            [sys.executable, HERE / "fault_driver.py", folder],
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, move: str, fault: str, count: int = 0, *, looks: int = 0, first: bool = False) -> dict[str, Any]:
        """Ask one thing; `looks`: at so many disks, that need not be recovered from."""
        assert self._process.stdin
        assert self._process.stdout
        asked = {"move": move, "fault": fault, "count": count, "looks": looks, "seed": SEED, "first": first}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        told = json.loads(self._process.stdout.readline())
        assert "failed" not in told, told["failed"]
        return told

    def close(self) -> None:
        """Let it end."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


@contextmanager
def driving(package: Path = HERE.parent) -> Iterator[Driver]:
    """Lend out a driver that imports a package (ours, or one with a mistake in it)."""
    folder = scratch()
    try:
        driver = Driver(folder, package)
        try:
            yield driver
        finally:
            driver.close()
    finally:
        shutil.rmtree(folder)


def reproduced(move: str, fault: str) -> str:
    """Say how to see it again."""
    return f"{move} × {fault}: MEDIAOS_FAULTS_SEED={SEED} pytest -k '{move}'"
