"""How far a run is: a bar on a terminal, a line per step elsewhere, and always whether it may be interrupted."""

from __future__ import annotations

import sys
import time
from typing import Final, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from .. import report

SAFE: Final = "safe to interrupt"
_EVERY: Final = 5.0  # seconds between two lines about one step
# Steps that come once per document; elsewhere than on a terminal, one line stands for all of them.
_EACH: Final = {
    "look": "look at every file",
    "import": "import every document",
    "validate": "compare every document",
    "export": "write every file",
    "mirror": "write every file that is behind",
}


class Narrator(report.Progress):
    """Writes progress to standard error."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._verb, self._text, self._said = "", "", 0.0
        self._began = 0.0

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(), TextColumn(SAFE))
            self._bar = Progress(*columns, console=self._console, transient=True)
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar:
            self._bar.stop()

    def step(self, verb: str, what: str = "") -> None:
        """Say that a step begins."""
        before, self._verb = self._verb, verb
        self._text, self._began = f"{verb} {what}".strip(), time.monotonic()
        if not self._bar:
            if verb != before:
                self._say(f"{_EACH.get(verb, self._text)} …")
            return
        if self._task is not None:
            self._bar.remove_task(self._task)
        self._task = self._bar.add_task(self._text, total=None)

    def at(self, done: int, total: int) -> None:
        """Say how far the step is."""
        if self._bar and self._task is not None:
            self._bar.update(self._task, completed=done, total=total)
        elif time.monotonic() - self._said > _EVERY:
            left = (time.monotonic() - self._began) * (total - done) / max(done, 1)
            self._say(f"{self._text}: {done * 100 // max(total, 1)} %, about {left:.0f} s left")

    def _say(self, text: str) -> None:
        print(f"{text} ({SAFE})", file=sys.stderr)
        self._said = time.monotonic()
