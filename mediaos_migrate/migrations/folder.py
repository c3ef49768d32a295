"""Numbered steps as files of a pack, and the integrity file that makes them one history."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from .. import files
from ..errors import BadPack
from .sql import checksum, statements

INTEGRITY: Final = "history.sum"
_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.(up|down|verify)\.sql\Z")


class Ladder(StrEnum):
    """Two ladders: expand steps are always safe; contract steps hold data to a rule it may break."""

    EXPAND = "expand"
    CONTRACT = "contract"


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered step: how to take it, how to take it back, and queries that find nothing if all is well."""

    number: int
    name: str
    up: str
    down: str
    verify: str = ""
    ladder: Ladder = Ladder.EXPAND

    @property
    def checksum(self) -> str:
        """A digest of what the step does: comments, white space and line ends do not matter."""
        return checksum(self.up)

    def __str__(self) -> str:
        prefix = "contract/" if self.ladder is Ladder.CONTRACT else ""
        return f"{prefix}{self.number:04d}_{self.name}"


def folder_of(engine: Path, ladder: Ladder) -> Path:
    """Return the folder of a ladder's files, in the pack's folder for an engine."""
    return engine / "contract" if ladder is Ladder.CONTRACT else engine


def read(engine: Path, ladder: Ladder = Ladder.EXPAND) -> list[Migration]:
    """Read a ladder's migrations in order; raises BadPack for gaps, twins, half steps and a broken history."""
    folder = folder_of(engine, ladder)
    found = read_loosely(engine, ladder)
    for migration in found:
        for sql in (migration.up, migration.down, migration.verify):
            list(statements(sql))
    check_integrity(folder, found)
    return found


def read_loosely(engine: Path, ladder: Ladder = Ladder.EXPAND) -> list[Migration]:
    """Read a ladder's migrations without a look at what they say."""
    folder = folder_of(engine, ladder)
    found: dict[int, dict[str, tuple[str, str]]] = {}
    for path in sorted(folder.glob("*.sql")):
        match = _NAME.fullmatch(path.name)
        if not match:
            raise BadPack(f"{path} is not named NNNN_name.up.sql or NNNN_name.down.sql.", "Rename it.")
        step = found.setdefault(int(match[1]), {})
        if match[3] in step:
            raise BadPack(f"{path} has the number of another migration.", "Give it the next free number.")
        step[match[3]] = (match[2], path.read_text(encoding="utf-8-sig"))  # SQLite skips a byte order mark too
    if sorted(found) != list(range(1, len(found) + 1)):
        raise BadPack(f"The migrations in {folder} are not numbered 1, 2, 3 …", "Close the gaps.")
    return [_migration(folder, ladder, number, step) for number, step in sorted(found.items())]


def _migration(folder: Path, ladder: Ladder, number: int, step: dict[str, tuple[str, str]]) -> Migration:
    names = {name for name, _ in step.values()}
    if not {"up", "down"} <= set(step) or len(names) > 1:
        raise BadPack(f"Migration {number:04d} in {folder} has no matching up and down.", "Write both.")
    verify = step.get("verify", ("", ""))[1]
    return Migration(number, names.pop(), step["up"][1], step["down"][1], verify, ladder)


def integrity(migrations: Sequence[Migration]) -> str:
    """Write the integrity file: its first line covers all others, so that two branches collide in git."""
    lines = [f"{m.number:04d}_{m.name} {' '.join(map(checksum, (m.up, m.down, m.verify)))}\n" for m in migrations]
    whole = hashlib.sha256("".join(lines).encode()).hexdigest()
    return "".join([f"all {whole}\n", *lines])


def check_integrity(folder: Path, migrations: Sequence[Migration]) -> None:
    """Raise BadPack when the files are not those that the integrity file was written for."""
    path = folder / INTEGRITY
    if not path.exists():
        return
    written, now = path.read_text(encoding="utf-8").splitlines(), integrity(migrations).splitlines()
    if written == now:
        return
    differing = [new.split(" ")[0] for new in now[1:] if new not in written]
    gone = [old.split(" ")[0] for old in written[1:] if old.split(" ")[0] not in {new.split(" ")[0] for new in now}]
    what = ", ".join([*differing, *(f"{name} (gone)" for name in gone)]) or "the order"
    raise BadPack(
        f"{path} does not fit the migrations beside it: {what}.",
        "Undo the change, or accept it with `mediaos-migrate schema lint --write`.",
    )


def write_integrity(folder: Path, migrations: Sequence[Migration]) -> None:
    """Write the integrity file for the migrations as they are."""
    with files.replacing(folder / INTEGRITY) as stream:
        stream.write(integrity(migrations).encode())
    (folder / INTEGRITY).chmod(0o644)


UP = """\
-- {title}: say in a sentence what this step is for, and why.
--
-- It runs in one transaction with its row in the ledger: no BEGIN, COMMIT, PRAGMA or VACUUM.
-- To change a table in a way that ALTER TABLE cannot, rebuild it (SQLite's own procedure: foreign keys are off while
-- a step runs, so that nothing cascades, and are checked before it is committed):
--
--   CREATE TABLE new_films (id TEXT NOT NULL PRIMARY KEY, title TEXT, year INTEGER);
--   INSERT INTO new_films (rowid, id, title) SELECT rowid, id, title FROM films;
--   DROP TABLE films;                       -- lint: allow drop-table because it is rebuilt
--   ALTER TABLE new_films RENAME TO films;  -- lint: allow rename because it is rebuilt
--   CREATE INDEX idx_films_title ON films(title);  -- and every other index, trigger and view that went with it
"""
DOWN = "-- The exact inverse of {title}: `mediaos-migrate schema lint` runs both and compares.\n"
VERIFY = "-- Queries that return a row for each thing that is wrong, and nothing if all is well.\n"


def new(engine: Path, name: str, ladder: Ladder = Ladder.EXPAND) -> list[Path]:
    """Write the files of the next migration from a template; raises BadPack for a name that cannot be one."""
    if not re.fullmatch(r"[a-z0-9_]+", name):
        raise BadPack(f"{name!a} cannot be a migration's name.", "Use small letters, digits and underscores.")
    folder = folder_of(engine, ladder)
    number = len(read_loosely(engine, ladder)) + 1
    files.make_folder(folder)
    made = []
    for kind, template in (("up", UP), ("down", DOWN), ("verify", VERIFY)):
        path = folder / f"{number:04d}_{name}.{kind}.sql"
        with files.replacing(path) as stream:
            stream.write(template.format(title=f"{number:04d}_{name}").encode())
        path.chmod(0o644)
        made.append(path)
    write_integrity(folder, read_loosely(engine, ladder))
    return made
