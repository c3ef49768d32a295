"""Named steps at which tests and drills kill a run, to prove that the next one completes it."""

from __future__ import annotations

import os
import signal
import sys
from typing import Final

VARIABLE: Final = "MEDIAOS_MIGRATE_CRASH_AT"
_WANTED: Final = os.environ.get(VARIABLE, "")  # NAME or NAME:NTH; "?" lists the steps
_passed: dict[str, int] = {}


def point(name: str) -> None:
    """Name a step of a run; costs one comparison unless somebody asks to die here."""
    if not _WANTED:
        return
    _passed[name] = _passed.get(name, 0) + 1
    if _WANTED == "?":
        print(f"step {name}:{_passed[name]}", file=sys.stderr, flush=True)
    elif _WANTED in (name, f"{name}:{_passed[name]}"):
        os.kill(os.getpid(), signal.SIGKILL)
