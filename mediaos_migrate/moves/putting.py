"""Putting a backup that was tried in scratch in the place of what is there: database, files, single documents."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from .. import crash, files
from ..backups import checking
from ..engines import sqlite
from ..engines.sqlite import Connection, transaction
from ..errors import CouldNotCheck, MigrateError, NotOurs, Refused
from ..journal import Journal
from ..ledger import Ledger
from ..pack import Document
from ..report import Progress
from ..site import Site
from . import fences, mirroring, trial
from .comparing import compare_document
from .importing import import_document
from .mirroring import CONFLICTS
from .trial import Trial

SUFFIXES: Final = ("-wal", "-shm", "-journal", "")  # the file itself last: a run that is killed finds it again


def has_database(site: Site) -> bool:
    """Tell whether there is a file at the database's place, and something in it."""
    return site.db.exists() and site.db.stat().st_size > 0


def opened(site: Site) -> Connection:
    """Open the database whatever the marker says: the two may contradict each other until all is put back."""
    return sqlite.open_database(site.db, site.owner)


def is_broken(site: Site) -> bool:
    """Tell whether the file at the database's place is none, or has lost tables of ours.

    Raises NotOurs when it is somebody else's.
    """
    try:
        with sqlite.looking(site.db) as connection:  # what is somebody else's stays as it is
            if not Ledger.is_in(connection):
                return False
            Ledger(connection).check_owner(site.pack.app)
            return bool(Ledger(connection).gone())
    except NotOurs as error:
        if "is not a SQLite database" in error.message:
            return True
        raise
    except (sqlite3.DatabaseError, MigrateError) as error:
        if isinstance(error, CouldNotCheck) or "holds the database" in str(error):
            raise
        return True


def is_damaged(site: Site) -> bool:
    """Tell whether SQLite finds the database damaged, though it can be opened."""
    try:
        with sqlite.looking(site.db) as connection:
            return bool(connection.execute("PRAGMA integrity_check(1)").fetchone()[0] != "ok")
    except (sqlite3.DatabaseError, MigrateError):
        return True


def put_database(site: Site, tried: Trial, patience: float) -> None:
    """Write the database of the backup into the live file, whoever has it open; all of it or nothing."""
    with tried.looking() as saved:
        size = saved.execute("PRAGMA page_size").fetchone()[0]
        if has_database(site) and is_broken(site):
            _put_aside(site)
            crash.point("restore.aside")
        if not has_database(site):
            sqlite.make_like(site.db, size, site.owner)
        with closing(opened(site)) as live:
            if live.execute("PRAGMA page_size").fetchone()[0] != size:
                raise Refused("The database here has another page size than the one in the backup.", "Move it away.")
            sqlite.restore(saved, live, patience)


def keep_bytes(site: Site) -> Path:
    """Keep the bytes of a database as they are, with those of its -wal; return where."""
    folder = site.state / CONFLICTS
    files.make_folder(folder, site.owner)
    kept = folder / f"{site.db.name}-{files.digest(site.db)[:16]}"
    for suffix in SUFFIXES:
        path, copy = site.db.with_name(site.db.name + suffix), kept.with_name(kept.name + suffix)
        if path.exists() and not copy.exists():
            files.copy(path, copy, site.owner)
    return kept


def _put_aside(site: Site) -> None:
    """Keep what is no database, so that nothing in it is lost; its -wal must not meet the next one."""
    keep_bytes(site)
    for suffix in SUFFIXES:
        site.db.with_name(site.db.name + suffix).unlink(missing_ok=True)
    files.sync_folder(site.db.parent)


def put_everything(site: Site, tried: Trial, connection: Connection, documents: list[Document]) -> None:
    """Put the files beside a database that was put back, and prove that both are what they were in the trial."""
    for document in documents:
        put_file(site, tried.site, document)
        crash.point("restore.file")
    names = {document.name for document in documents}
    for document in site.pack.documents.values():
        if document.name not in names and Ledger(connection).stage(document.name).mirrors:
            with site.holding(document.name):  # a file that is not in the backup follows its table
                mirroring.rewrite(site, connection, document)
    _prove(site, tried, connection)


def put_file(site: Site, there: Site, document: Document) -> None:
    """Put a file in its place, or take it away if it was missing."""
    path, source = site.file(document), there.file(document)
    if source.is_file():
        fences.remove(site, document)
        files.copy(source, path, site.owner)
    elif path.is_symlink() or path.is_file():
        path.unlink()
        files.sync_folder(path.parent)


def _prove(site: Site, tried: Trial, connection: Connection) -> None:
    """Hold the restored site against the trial: the same bytes, a sound database, the same homes that agree."""
    for held in tried.backup.manifest.files:
        if files.digest(site.data / held.name) != files.digest(tried.site.data / held.name):
            raise _not_restored(site, f"{held.name} was changed while it was restored.")
    if found := checking.damage(connection):
        raise _not_restored(site, f"The restored database is damaged: {found[0]}.")
    if tried.compared:
        differs = trial.differing(site, connection, trial.surveys(site, tried.backup))
        if differs != tried.differs:
            raise _not_restored(site, f"{', '.join(differs or tried.differs)}: not as in the backup.")


def _not_restored(site: Site, what: str) -> MigrateError:
    return MigrateError(what, f"Stop {site.pack.name}, and run `mediaos-migrate backup restore --resume`.")


def put_documents(
    site: Site, tried: Trial, connection: Connection | None, documents: list[Document], progress: Progress
) -> None:
    """Bring single documents back, each in every home that its stage writes."""
    for document in documents:
        progress.step("restore", document.file)
        _put_document(site, tried, connection, document)
        crash.point("restore.document")


def _put_document(site: Site, tried: Trial, connection: Connection | None, document: Document) -> None:
    there = trial.content(tried, document)
    if connection is None or not is_known(connection, document) or not trial.is_readable(there, tried, document):
        put_file(site, there, document)
        return
    with site.holding(document.name):
        seen = trial.look_at(there, connection, document)
        import_document(there, connection, seen)
        with transaction(connection):
            journal, ledger = Journal(connection), Ledger(connection)
            journal.pay(document.name, journal.upto(document.name))
            journal.close(document.name)
            ledger.unblock(document.name)
            stage = ledger.stage(document.name)
        if stage.writes_both or not stage.believes_table:
            put_file(site, there, document)
        if compare_document(there, connection, seen).differs:
            raise _not_restored(site, f"{document.name} is not what it was in the backup.")


def is_known(connection: Connection, document: Document) -> bool:
    """Tell whether the database has ever taken a document in."""
    return Ledger.is_in(connection) and Ledger(connection).document(document.name) is not None
