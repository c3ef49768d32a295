"""Runs one contestant in a process of its own, and says what it took: time, processor, memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

BIN: Final = Path(sys.executable).parent
ROOT: Final = Path(__file__).parents[1]


class Broken(Exception):
    """A contestant did not do its work, so nothing can be said of its speed."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one process took, and what it said."""

    seconds: float
    processor: float  # user and system, of the process and its children
    memory: int  # peak RSS in bytes, of the process or of its largest child
    said: dict[str, Any] = field(default_factory=dict)


def run(command: Sequence[str | Path], folder: Path) -> Outcome:
    """Run a command in a folder and wait for it; raises Broken unless it ends with 0."""
    os.sync()  # what the one before has left to write is not this one's burden
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as error:
        started = time.perf_counter()
        # The RSS of a process counts from the fork: this one has to stay small, or it measures itself.
        child = subprocess.Popen(
            list(map(str, command)),
            cwd=folder,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=error,
        )
        _, status, used = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise Broken(f"{Path(command[0]).name} ended with {child.returncode}:\n{_text(error)[-2000:]}")
        memory = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        return Outcome(seconds, used.ru_utime + used.ru_stime, memory, _object(_text(out)))


def _environment() -> dict[str, str]:
    """Return the environment of all contestants: nothing in it steers ours, and our modules are found."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("MEDIAOS_", "ENCRYPTION_KEY"))}
    ours.pop("CONFIG_DIR", None)
    return ours | {"PYTHONPATH": str(ROOT), "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}"}


def _text(stream: Any) -> str:
    stream.seek(0)
    return str(stream.read().decode(errors="replace"))


def _object(text: str) -> dict[str, Any]:
    """Return the JSON object that a contestant printed, empty when it printed something else."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
