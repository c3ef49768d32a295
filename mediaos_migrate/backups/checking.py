"""Reading a backup back: whether every byte is as it was saved, and the database is one."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .. import files, scratch
from ..engines import sqlite
from ..engines.sqlite import Connection
from ..errors import CouldNotCheck, MigrateError
from ..ledger import Ledger
from ..site import Site
from .manifest import DATABASE, Held
from .places import Backup


def findings(site: Site, backup: Backup) -> list[str]:
    """Say everything that is wrong with a backup; needs the key where it is sealed, raises NeedsKey without."""
    backup.check_seal(site.vault)
    found = [told for held in backup.manifest.files if (told := _finding(site, backup, held))]
    if backup.manifest.database:
        try:
            with database(site, backup) as connection:
                found += damage(connection)
        except CouldNotCheck:
            raise
        except MigrateError as error:
            found.append(f"{backup.manifest.database.name}: {error.message}")
    return found


def is_whole(backup: Backup) -> bool:
    """Tell whether all that lies there has the digests that were noted; nothing is opened."""
    try:
        return all(_stored_digest(backup, held) == held.sha256 for held in backup.manifest.members)
    except (MigrateError, OSError):
        return False


def _stored_digest(backup: Backup, held: Held) -> str:
    with backup.stored(held) as stream:
        hashing = files.Hashing(stream)
        hashing.drain()
    return hashing.digest


def _finding(site: Site, backup: Backup, held: Held) -> str | None:
    if _stored_digest(backup, held) != held.sha256:
        return f"{held.name}: it is not as it was saved"
    try:
        with backup.content(held, site.vault) as stream:
            while stream.read(files.CHUNK):
                pass
    except MigrateError as error:
        return f"{held.name}: {error.message}"
    return None


@contextmanager
def database(site: Site, backup: Backup, folder: Path | None = None) -> Iterator[Connection]:
    """Lend out the database of a backup, in a copy that is thrown away. Raises Damaged or NotOurs."""
    held = backup.manifest.database
    if held is None:
        raise CouldNotCheck("The backup holds no database.", "")
    with scratch.folder("backup", folder) as place:
        backup.extract(held, place / DATABASE, site.vault)
        with sqlite.looking(place / DATABASE) as connection:
            if Ledger.is_in(connection):
                Ledger(connection).check(site.pack.app)
            yield connection


def damage(connection: Connection) -> list[str]:
    """Say what SQLite finds wrong with a database; what holds no row is not shown."""
    try:
        found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(10)")]
        broken = {str(row[0]) for row in connection.execute("PRAGMA foreign_key_check")}
    except sqlite3.DatabaseError as error:
        return [f"the database: {error}"]
    told = [f"the database: {text}" for text in found if text != "ok"]
    return told + [f"the database: rows of {table} point at rows that are gone" for table in sorted(broken)]
