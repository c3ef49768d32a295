"""The stages once more, beside the files: so that a lost or exchanged database is noticed in time."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from . import files
from .errors import NeedsPerson
from .ledger import Ledger
from .stages import Stage

NAME: Final = "marker.json"


@dataclass(frozen=True, slots=True)
class Marker:
    """What the state folder says: the site's id, the stage of each document, and where to one is about to move.

    A run that is killed while it moves a document leaves the one stage or the other.
    """

    site: str
    stages: dict[str, Stage] = field(default_factory=dict)
    moving: dict[str, Stage] = field(default_factory=dict)

    def allows(self, stages: dict[str, Stage]) -> bool:
        """Tell whether a database may have these stages."""
        names = self.stages.keys() | stages.keys()
        return all(
            stages.get(name, Stage.OFF) in (self.stages.get(name, Stage.OFF), self.moving.get(name)) for name in names
        )


def read(state: Path) -> Marker | None:
    """Return what is noted, None when nothing is. Raises NeedsPerson when it cannot be read."""
    path = state / NAME
    try:
        found = json.loads(path.read_bytes())
        stages, moving = (
            {name: Stage(stage) for name, stage in found.get(part, {}).items()} for part in ("stages", "moving")
        )
        return Marker(str(found["site"]), stages, moving)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise NeedsPerson(f"{path} is damaged.", "Remove it if the database is right; it is written anew.") from None


def write(state: Path, ledger: Ledger, owner: tuple[int, int], moving: dict[str, Stage] | None = None) -> None:
    """Note the stages that the database has, and where to a document is about to move."""
    files.make_folder(state, owner)
    told = {
        "site": ledger.site()["id"],
        "stages": {name: str(stage) for name, stage in ledger.stages().items()},
        "moving": {name: str(stage) for name, stage in (moving or {}).items()},
    }
    with files.replacing(state / NAME, owner) as stream:
        stream.write(json.dumps(told, indent=2).encode())


def settle(state: Path, ledger: Ledger, owner: tuple[int, int]) -> None:
    """Note where a move ended that was interrupted before it was noted."""
    noted = read(state)
    if noted and noted.moving:
        write(state, ledger, owner)


def check_lost(state: Path, database: Path) -> None:
    """Raise NeedsPerson when there is no database although a document believed its table."""
    noted = read(state)
    stages = {*noted.stages.items(), *noted.moving.items()} if noted else set()
    believed = sorted({name for name, stage in stages if stage.believes_table})
    if believed:
        raise NeedsPerson(
            f"There is no database at {database}, and {', '.join(believed)} believed it.",
            f"Bring it back (see {state / 'backups'}), or name it with --db. To go on with the files as they are, "
            f"remove {state / NAME}.",
        )


def check(state: Path, ledger: Ledger) -> None:
    """Raise NeedsPerson when the database is another one than the files were last used with."""
    noted = read(state)
    if noted is None:
        return
    remedy = f"Name the right database with --db, or remove {state / NAME} if this one is right."
    if noted.site != ledger.site()["id"]:
        raise NeedsPerson("The database is of another site than these files.", remedy)
    if not noted.allows(ledger.stages()):
        raise NeedsPerson("The database and the marker beside the files disagree about the stages.", remedy)
