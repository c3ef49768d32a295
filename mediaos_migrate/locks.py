"""Locks between processes: alone, together with others, or in turn; a dead holder's lock is free.

A run that waits to be alone is let in before those that come later to be together with others.
"""

from __future__ import annotations

import fcntl
import os
import random
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TextIO

from . import files
from .errors import Locked

PAUSE: Final = 0.01
TURNS: Final = 20  # so many times the wait for one holder is waited for all of them
SHORT: Final = 10.0  # seconds that holders who leave no name are waited for: they only write a record
GATE: Final = ".gate"

Owner = tuple[int, int]


@contextmanager
def alone(path: Path, owner: Owner, wait: float) -> Iterator[None]:
    """Hold a lock alone. Raises Locked, naming who holds it since when."""
    before = _taken(path.with_name(path.name + GATE), owner, max(wait, SHORT), fcntl.LOCK_EX)
    with before as gate, _taken(path, owner, wait, fcntl.LOCK_EX) as stream:
        fcntl.flock(gate, fcntl.LOCK_UN)
        with _signed(stream):
            yield


@contextmanager
def together(path: Path, owner: Owner, wait: float) -> Iterator[None]:
    """Hold a lock together with others, but not while somebody holds it alone, or waits to."""
    before = _taken(path.with_name(path.name + GATE), owner, wait, fcntl.LOCK_SH)
    with before as gate, _taken(path, owner, wait, fcntl.LOCK_SH):
        fcntl.flock(gate, fcntl.LOCK_UN)
        yield


@contextmanager
def turn(path: Path, owner: Owner, wait: float) -> Iterator[None]:
    """Hold a lock that many want for a short time, each in turn."""
    with _taken(path, owner, wait, fcntl.LOCK_EX) as stream, _signed(stream):
        yield


@contextmanager
def _taken(path: Path, owner: Owner, wait: float, kind: int) -> Iterator[TextIO]:
    with suppress(FileExistsError):
        files.create(path, owner)
    with path.open("r+", encoding="utf-8") as stream:
        _take(stream, wait, kind)
        try:
            yield stream
        finally:
            fcntl.flock(stream, fcntl.LOCK_UN)  # a forked child may hold the same file open


@contextmanager
def _signed(stream: TextIO) -> Iterator[None]:
    """Say in the lock file who holds it."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    stream.seek(0)
    stream.truncate()
    stream.write(f"process {os.getpid()} on {socket.gethostname()} since {now}")
    stream.flush()
    try:
        yield
    finally:
        stream.seek(0)
        stream.truncate()


def _take(stream: TextIO, wait: float, kind: int) -> None:
    """Wait so many seconds for one holder; where many take turns, each turn is a new one."""
    began, last = time.monotonic(), ""
    deadline = began + max(wait, 0)
    while True:
        try:
            fcntl.flock(stream, kind | fcntl.LOCK_NB)
        except OSError:
            stream.seek(0)
            holder, now = stream.read(), time.monotonic()
            if holder and holder != last:
                deadline, last = min(now + max(wait, 0), began + max(wait, 0) * TURNS), holder
            if now >= (deadline if holder else max(deadline, began + SHORT)):
                raise Locked(
                    f"The site is in use by {holder or 'another run'}.", "Wait until that run has ended."
                ) from None
            time.sleep(random.uniform(0, 2 * PAUSE))  # noqa: S311  so that waiting ones do not keep step
        else:
            return
