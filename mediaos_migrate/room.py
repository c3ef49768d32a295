"""Whether the disks have room for what a move writes."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .errors import Refused
from .site import Site

BACKUP: Final = 1  # what a migration writes, in sizes of the files: the copies …
DATABASE: Final = 3  # … and the database with its log, 1.3 of each and what both take when they are small
REHEARSAL: Final = 1 + BACKUP + DATABASE + 1  # a site, what a migration makes of it, and the export
DRILL: Final = 75  # a site with its database and eight backups of both, and two copies of that at a time


@dataclass(frozen=True, slots=True)
class Room:
    """What one disk has free, and what is needed on it, in bytes."""

    place: Path
    needed: int
    free: int

    def check(self, remedy: str = "Free some space.") -> None:
        """Raise Refused when it is not enough."""
        if self.needed > self.free:
            raise Refused(
                f"The disk of {self.place} has {self.free:,} bytes free, and this needs about {self.needed:,}.",
                remedy,
                kind="disk",
                free=self.free,
                needed=self.needed,
            )


def for_migration(site: Site, size: int) -> list[Room]:
    """Say what a migration of files of this size needs, disk by disk: backups here, the database there."""
    wanted = [(site.data, BACKUP * size), (_existing(site.db.parent), DATABASE * size)]
    return _by_disk(wanted)


def for_backup(folder: Path, size: int) -> Room:
    """Say what a backup of this size needs beside the data."""
    return _by_disk([(_existing(folder), size)])[0]


def for_rehearsal(folder: Path, size: int) -> Room:
    """Say what a rehearsal on files of this size needs in a folder."""
    return _by_disk([(_existing(folder), REHEARSAL * size)])[0]


def for_drill(folder: Path, size: int) -> Room:
    """Say what a drill on files of this size needs in a folder."""
    return _by_disk([(_existing(folder), DRILL * size)])[0]


def _by_disk(wanted: Iterable[tuple[Path, int]]) -> list[Room]:
    found: dict[int, Room] = {}
    for place, needed in wanted:
        disk = place.stat().st_dev
        before = found.get(disk) or Room(place, 0, shutil.disk_usage(place).free)
        found[disk] = Room(before.place, before.needed + needed, before.free)
    return list(found.values())


def _existing(folder: Path) -> Path:
    return next(place for place in (folder.absolute(), *folder.absolute().parents) if place.is_dir())
