"""Forks of the app's process: none is made while a thread of ours is inside SQLite, whose locks its copy would keep."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from weakref import WeakSet

LONGEST: Final = 2.0  # seconds that a fork waits for our threads at most
_ours: Final[WeakSet[Work]] = WeakSet()
_mine: Final = threading.local()


class Work:
    """What one of our threads does: a fork waits for the end of it."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        _ours.add(self)

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """Be at work."""
        with self._lock:
            yield

    def pause(self, seconds: float) -> bool:
        """Wait until nothing is under way, and let nothing begin; tell whether it came to that."""
        return self._lock.acquire(timeout=max(0.0, seconds))

    def go_on(self) -> None:
        """Let it begin again."""
        self._lock.release()


def _before() -> None:
    end, _mine.paused = time.monotonic() + LONGEST, []
    _mine.paused = [work for work in list(_ours) if work.pause(end - time.monotonic())]


def _after() -> None:
    for work in _mine.paused:
        work.go_on()


os.register_at_fork(before=_before, after_in_parent=_after, after_in_child=_after)
