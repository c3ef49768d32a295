"""Folders of ours that vanish after use: at once, or with the next run if this one is killed."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

PREFIX: Final = "mediaos-migrate-"
LOCK: Final = ".lock"
_held: Final[dict[Path, int]] = {}


@contextmanager
def folder(purpose: str, parent: Path | None = None) -> Iterator[Path]:
    """Lend out a folder (0700) in the temporary folder or another one, and sweep what killed runs left there.

    Raises OSError when the parent cannot be used.
    """
    place = parent or Path(tempfile.gettempdir())
    place.mkdir(parents=True, exist_ok=True)
    _sweep(place)
    made = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{purpose}-", dir=place))
    with (made / LOCK).open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _held[made] = lock.fileno()
        try:
            yield made
        finally:
            del _held[made]
            shutil.rmtree(made, ignore_errors=True)


def holder(made: Path) -> int:
    """Return the descriptor that keeps a folder from being swept, for processes that work there and may outlive us."""
    return _held[made]


def _sweep(parent: Path) -> None:
    """Remove the folders that nobody holds any more."""
    for left in parent.glob(f"{PREFIX}*"):
        with suppress(OSError), (left / LOCK).open("r+", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left, ignore_errors=True)
