"""The databases that one can start from when the site's own is lost: what is left of it, and the last good backup's."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from .. import backups, files, marker
from ..backups import Backup, checking
from ..backups.manifest import DATABASE
from ..engines import salvage, sqlite
from ..engines.sqlite import Connection
from ..errors import MigrateError, NeedsKey, NeedsPerson, NotOurs
from ..ledger import Ledger
from ..marker import Marker
from ..pack import Document
from ..site import Site, tables_of
from .putting import SUFFIXES, has_database

_WORDS: Final = ("_mm_evidence", "_mm_stage_log", "_mm_journal")  # tables that say when something was done last


_STEPS: Final = "_mm_migrations"
QUARANTINE: Final = "_mm_quarantine"  # it holds records, too, of whichever document


class Source(StrEnum):
    """From where the database is made anew."""

    FILES = "files"
    BACKUP = "backup"
    SALVAGE = "salvage"


@dataclass(slots=True)
class Base:
    """A database in scratch that one can start from: what it lacks by table, and of when it is."""

    source: Source
    path: Path
    lost: dict[str, int] = field(default_factory=dict)
    at: str | None = None  # what was written since is not in it; None: it is the last state
    digests: dict[str, str] = field(default_factory=dict)  # of the files in the backup
    backup: str | None = None
    count: int = 0  # of its marker

    def lacks(self, document: Document) -> int:
        """Return how many rows of a document are lost."""
        return sum(self.lost.get(table, 0) for table in (*tables_of(document), QUARANTINE))

    def opened(self) -> closing[Connection]:
        """Open it; it lies in scratch."""
        return closing(sqlite.open_database(self.path))


def noted(site: Site) -> Marker | None:
    """Return what the marker says; a damaged one says nothing."""
    with suppress(NeedsPerson):
        return marker.read(site.state)
    return None


def salvaged(site: Site, folder: Path) -> Base:
    """Read what can be read of the database that is there. Raises MigrateError or DatabaseError without it."""
    if not has_database(site):
        raise MigrateError("There is no database.", "")
    torn = folder / "torn"
    files.make_folder(torn)
    for suffix in SUFFIXES:
        if (path := site.db.with_name(site.db.name + suffix)).exists():
            files.copy(path, torn / (DATABASE + suffix))
    salvage.fill(torn / DATABASE)
    base = Base(Source.SALVAGE, folder / "salvage.db")
    with closing(sqlite3.connect(torn / DATABASE, isolation_level=None)) as source, base.opened() as target:
        base.lost = salvage.rebuild(source, target)
        if not Ledger.is_in(target):
            raise NotOurs("There is nothing of ours in it.", "")
        gone = Ledger(target).gone()
        if _STEPS in gone:
            raise MigrateError("It does not say any more which schema it has.", "")
        base.lost |= dict.fromkeys(gone, 1)  # how many rows they had nobody knows
        Ledger(target).found(site.pack.app)
        _judge(site, base, Ledger(target), target)
    return base


def _judge(site: Site, base: Base, ledger: Ledger, connection: Connection) -> None:
    """Say how old a salvaged database is. Raises NotOurs when it is none of this site's."""
    ledger.check(site.pack.app)
    told, base.count = noted(site), ledger.marks()
    if told and told.site != ledger.site()["id"]:
        raise NotOurs("It is the database of another site.", "")
    if told and (told.count > base.count or not told.allows(ledger.stages())):
        base.at = _last_word(connection) or ledger.site()["created_at"]


def _last_word(connection: Connection) -> str | None:
    found = [connection.execute(f"SELECT max(at) FROM {table}").fetchone()[0] for table in _WORDS]
    return max((str(at) for at in found if at), default=None)


def backed_up(site: Site, folder: Path) -> Base:
    """Find the last backup whose database can be relied on."""
    reason = "There is no backup of a database."
    for backup in reversed(backups.all_of(site)):
        if backup.manifest.database is None:
            continue
        try:
            if found := checking.findings(site, backup):
                reason = f"{backup.name} is damaged: {found[0]}."
                continue
            return _extracted(site, backup, folder)
        except NeedsKey:
            reason = f"{backup.name} is sealed, and there is no key."
    raise MigrateError(reason, "")


def _extracted(site: Site, backup: Backup, folder: Path) -> Base:
    told = backup.manifest
    base = Base(Source.BACKUP, folder / "backup.db", at=told.created_at, backup=backup.name)
    if told.database is not None:
        backup.extract(told.database, base.path, site.vault)
    base.digests = backup.digests
    with base.opened() as connection:
        Ledger(connection).check(site.pack.app)
        base.count = Ledger(connection).marks()
    return base
