"""The stages once more, beside the files: so that a lost, exchanged or older database is noticed in time."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from . import files, locks
from .errors import Locked, NeedsPerson
from .ledger import Ledger
from .stages import Stage

NAME: Final = "marker.json"
LOCK: Final = "marker.lock"
RECOVER: Final = "See what can be had back with `mediaos-migrate recover`"


@dataclass(frozen=True, slots=True)
class Marker:
    """What the state folder says: the site's id, the stage of each document, and where to one is about to move.

    A run that is killed while it moves a document leaves the one stage or the other. `count` says how often the marker
    was written; the database counts first, so that one that has counted less is older.
    """

    site: str
    stages: dict[str, Stage] = field(default_factory=dict)
    moving: dict[str, Stage] = field(default_factory=dict)
    count: int = 0

    def allows(self, stages: dict[str, Stage]) -> bool:
        """Tell whether a database may have these stages."""
        names = self.stages.keys() | stages.keys()
        return all(
            stages.get(name, Stage.OFF) in (self.stages.get(name, Stage.OFF), self.moving.get(name)) for name in names
        )

    @property
    def begun(self) -> list[str]:
        """The documents that have left the first stage: of those the database knows what the files do not."""
        stages = {*self.stages.items(), *self.moving.items()}
        return sorted({name for name, stage in stages if stage is not Stage.OFF})


def read(state: Path) -> Marker | None:
    """Return what is noted, None when nothing is. Raises NeedsPerson when it cannot be read."""
    path = state / NAME
    try:
        found = json.loads(path.read_bytes())
        stages, moving = (
            {name: Stage(stage) for name, stage in found.get(part, {}).items()} for part in ("stages", "moving")
        )
        return Marker(str(found["site"]), stages, moving, int(found.get("count", 0)))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise NeedsPerson(f"{path} is damaged.", "Remove it if the database is right; it is written anew.") from None


def write(state: Path, ledger: Ledger, owner: tuple[int, int], moving: dict[str, Stage] | None = None) -> None:
    """Note the stages that the database has, and where to a document is about to move."""
    files.make_folder(state, owner)
    before = None
    with suppress(NeedsPerson):  # a damaged one is written anew
        before = read(state)
    told = {
        "site": ledger.site()["id"],
        "stages": {name: str(stage) for name, stage in ledger.stages().items()},
        "moving": {name: str(stage) for name, stage in (moving or {}).items()},
        "count": ledger.mark(before.count if before else 0),
    }
    with files.replacing(state / NAME, owner) as stream:
        stream.write(json.dumps(told, indent=2).encode())


def note(state: Path, ledger: Ledger, owner: tuple[int, int]) -> None:
    """Note that the database has gone on, so that an older one is noticed; never at anybody's cost."""
    with suppress(OSError, Locked, NeedsPerson), locks.turn(state / LOCK, owner, 1):
        noted = read(state)
        if noted and not noted.moving:
            write(state, ledger, owner)


def settle(state: Path, ledger: Ledger, owner: tuple[int, int]) -> None:
    """Note where a move ended that was interrupted before it was noted."""
    noted = read(state)
    if noted and noted.moving:
        write(state, ledger, owner)


def check_lost(state: Path, database: Path) -> None:
    """Raise NeedsPerson when there is no database although a document had left the first stage."""
    noted = read(state)
    if noted and noted.begun:
        raise NeedsPerson(
            f"There is no database at {database}, and {', '.join(noted.begun)} had left the stage `off`.",
            f"{RECOVER}, or name it with --db.",
        )


def forget(state: Path, database: Path) -> None:
    """Forget a database that is gone and that nobody needs, before a new one is made. Raises NeedsPerson."""
    check_lost(state, database)
    (state / NAME).unlink(missing_ok=True)


def check(state: Path, ledger: Ledger) -> None:
    """Raise NeedsPerson when the database is another or an older one than the files were last used with."""
    noted = read(state)
    if noted is None:
        return
    remedy = f"Name the right database with --db. {RECOVER}."
    if noted.site != ledger.site()["id"]:
        raise NeedsPerson("The database is of another site than these files.", remedy)
    if not noted.allows(ledger.stages()):
        raise NeedsPerson("The database and the marker beside the files disagree about the stages.", remedy)
    if noted.count > (known := ledger.marks()):
        raise NeedsPerson(
            f"The database is older than these files: they know of its state {noted.count}, and it is at {known}. "
            "An old copy was put back, or its -wal is gone.",
            remedy,
        )
