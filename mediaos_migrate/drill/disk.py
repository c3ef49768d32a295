"""A disk that is full: a small file system where one can be mounted, else a limit on the size of every file."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Final

from .children import SERVER, Children, Ended, Limits
from .play import Copy, Play, placed

PAGE: Final = 4096
LARGEST: Final = 256 * 1024 * 1024  # bytes of memory that a small file system may take
# A name space of mounts of its own vanishes with the process, whatever happens to it.
SPACES: Final = (["unshare", "--mount"], ["unshare", "--map-root-user", "--mount"])
MOUNT: Final = 'set -e; mount -t tmpfs -o "size=$1,mode=0700" drill "$2"; '
WITHIN: Final = MOUNT + 'cp -a "$3/." "$2"; from=$2; to=$4; shift 4; "$@"; cp -a "$from/." "$to"'
TMPFS: Final = "a small file system in memory (tmpfs), which really is full (ENOSPC)"
LIMIT: Final = "a limit on the size of every file (RLIMIT_FSIZE, EFBIG): no file system can be mounted here"
LARGE: Final = "a limit on the size of every file (RLIMIT_FSIZE, EFBIG): the site is too large for one in memory"

Deed = Callable[[Children, Copy, Limits], Ended]


class Disk:
    """Makes the disk be full while something is done to a copy."""

    def __init__(self, play: Play) -> None:
        self._play = play
        self._mount, self._after = play.folder / "disk", play.folder / "after"

    @cached_property
    def space(self) -> list[str] | None:
        """The command that can mount something here, if there is one."""
        self._mount.mkdir(exist_ok=True)
        command = [MOUNT, "sh", "64k", str(self._mount)]
        return next((space for space in SPACES if _works([*space, "sh", "-c", *command])), None)

    def kind(self, copy: Copy) -> str:
        """Say how the disk of a copy is made to be full."""
        if self.space is None:
            return LIMIT
        return TMPFS if _size(copy.site.data) < LARGEST else LARGE

    def starve(self, copy: Copy, room: int, deed: Deed) -> Ended:
        """Do something to a copy whose disk has so many bytes left; the copy is as that has left it."""
        if self.kind(copy) != TMPFS:
            return deed(self._play.children, copy, Limits(size=max(room, PAGE)))
        there = replace(copy, site=placed(copy.site, self._mount))
        with self._small(copy.site.data, room) as children:
            ended = deed(children, there, Limits())
        shutil.rmtree(copy.site.data)
        self._after.rename(copy.site.data)
        copy.model = there.model
        return ended

    @contextmanager
    def _small(self, data: Path, room: int) -> Iterator[Children]:
        """Lend out a process that sees the data on a small file system; it is brought back afterwards."""
        self._after.mkdir(mode=0o700)
        told = [str(_size(data) + room), str(self._mount), str(data), str(self._after)]
        space = [*(self.space or []), "sh", "-c", WITHIN, "sh", *told]
        with Children(self._play.folder / SERVER, self._play.main.site, space) as children:
            yield children


def _size(folder: Path) -> int:
    """Return what a folder takes on a file system, page by page."""
    return sum(-(-path.lstat().st_size // PAGE) * PAGE for path in folder.rglob("*") if not path.is_dir())


def _works(command: list[str]) -> bool:
    if shutil.which(command[0]) is None or os.name != "posix":
        return False
    done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603  our own words
    return done.returncode == 0
