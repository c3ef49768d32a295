"""One installation of an app: its data folder, its database, our state folder, and the lock over them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Final, Self

from . import __version__, files, locks, marker, migrations, pack
from .documents.layout import Layout
from .engines import sqlite
from .engines.sqlite import Connection
from .errors import CouldNotCheck, NoData, Refused
from .keyring import Keyring
from .ledger import Ledger
from .migrations import Ladder, Migration
from .pack import MAPPING, Document, Pack, Part
from .secrets import Vault, read_key
from .stores.file import RECORDS, SIBLINGS
from .stores.table import TableStore

STATE_FOLDER: Final = ".mediaos-migrate"
DATABASE: Final = "mediaos.db"
ENGINE: Final = "sqlite"
LOCK: Final = "lock"
RESTORE: Final = "restore.json"  # in the state folder as long as a restore is not done


class Site:
    """One installation. Use `Site.open`; nothing is touched before a verb asks for it."""

    def __init__(self, data: Path, db: Path, app: Pack, vault: Vault) -> None:
        self.data, self.db, self.pack, self.vault = data, db, app, vault
        self.layouts: dict[str, Layout] | None = None  # of files, kept by those who change them again and again

    @classmethod
    def open(
        cls,
        data: str | os.PathLike[str] = "config",
        db: str | os.PathLike[str] | None = None,
        app: str = "mediaos",
        key_file: str | os.PathLike[str] | None = None,
    ) -> Self:
        """Describe an installation by its data folder, database (default: in the data folder) and app.

        Raises NoData when the folder does not exist, UsageError for an unknown app or an unusable key.
        """
        known = pack.load(app)
        folder = Path(data)
        if not folder.is_dir():
            raise NoData(f"There is no folder {folder}.", f"Name {known.name}'s data folder with --data.")
        key = read_key(Path(key_file) if key_file else None, known.key_variable)
        vault = Vault(key, envelope=known.envelope, app=known.app)
        return cls(folder, Path(db) if db else folder / DATABASE, known, vault)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    @property
    def state(self) -> Path:
        """Our own folder beside the app's files."""
        return self.data / STATE_FOLDER

    @property
    def owner(self) -> tuple[int, int]:
        """User and group that own the data."""
        return files.owner_of(self.data)

    @property
    def engine_folder(self) -> Path:
        """Where the pack keeps its migrations for the database at hand."""
        return self.pack.folder / ENGINE

    @property
    def migrations(self) -> list[Migration]:
        """The numbered steps of the app's schema."""
        return migrations.read(self.engine_folder)

    def fingerprint(self, connection: Connection) -> str:
        """Digest all that a verdict depends on beside the data: pack, schema, and the tool's major version."""
        steps = [step for ladder in Ladder for step in migrations.applied(connection, ladder)]
        parts = [__version__.partition(".")[0], *(f"{step.ladder} {step} {step.checksum}" for step in steps)]
        mapping = (self.pack.folder / MAPPING).read_bytes()
        return sha256(b"\x00".join([mapping, *(part.encode() for part in parts)])).hexdigest()

    def file(self, document: Document) -> Path:
        """Return where a document's file is, or would be."""
        return self.data / document.file

    def holds_data(self, folder: Path | None = None) -> bool:
        """Tell whether a folder (the data folder, if none is named) holds any file of the app."""
        place = folder or self.data
        return any((place / document.file).is_file() for document in self.pack.documents.values())

    def other_folders(self) -> list[Path]:
        """Find further folders where the app may keep data, and does: guessing between them is no option."""
        here = self.data.resolve()
        # What the folder is to its app's root says where the others would be: config beside packages/api/config.
        roots = [root for root in here.parents for name in self.pack.folders if root / name == here]
        places = [root / name for root in (here, *roots) for name in self.pack.folders]
        places += [Path(os.environ[name]) for name in self.pack.folder_variables if os.environ.get(name)]
        found = {place.resolve() for place in places if place.is_dir() and self.holds_data(place)}
        return sorted(found - {here})

    def unmapped(self) -> list[str]:
        """Name everything in the data folder that no document of the pack stands for."""
        beside = ("", "-wal", "-shm", "-journal", ".lock", ".lock.gate")
        ours = {self.state.name, *(self.db.name + suffix for suffix in beside)}
        known = ours | {document.file for document in self.pack.documents.values()}
        entries = sorted(entry for entry in self.data.iterdir() if entry.name not in known)
        leftovers = set(files.leftovers(self.data))
        return [entry.name + ("/" if entry.is_dir() else "") for entry in entries if entry not in leftovers]

    @contextmanager
    def locked(self, wait: float = 0, *, restoring: bool = False, adopting: bool = False) -> Iterator[None]:
        """Hold the site's lock: one writing run at a time, waiting so many seconds; a dead one's lock is free.

        Raises Locked, naming who holds it since when, Refused while a restore is half done, and NotOurs before
        anything is made beside somebody else's database.
        """
        if not (restoring or adopting or self.state.exists()):
            self._refuse_foreign()
        files.make_folder(self.state, self.owner)
        with ExitStack() as held:
            for path in dict.fromkeys((self.state / LOCK, self._database_lock)):
                held.enter_context(locks.alone(path, self.owner, wait))
            if not restoring:
                self.check_restored()
            yield

    def _refuse_foreign(self) -> None:
        if self.db.exists() and self.db.stat().st_size:
            with sqlite.looking(self.db) as connection:
                Ledger.is_in(connection)

    @contextmanager
    def shared(self, wait: float = 30) -> Iterator[None]:
        """Hold the site's lock together with other writers, so that no run that needs it alone gets between."""
        files.make_folder(self.state, self.owner)
        with locks.together(self.state / LOCK, self.owner, wait):
            self.check_restored()
            yield

    def check_restored(self) -> None:
        """Raise Refused while a restore is half done: files and database are of two moments."""
        if (self.state / RESTORE).exists():
            raise Refused(
                "A restore was interrupted; files and database are of two moments.",
                "Complete it with `mediaos-migrate backup restore --resume`.",
            )

    @contextmanager
    def holding(self, document: str, wait: float = 30) -> Iterator[None]:
        """Hold one document's file: of all processes one at a time replaces it."""
        files.make_folder(self.state, self.owner)
        with locks.turn(self.state / f"{document}.{LOCK}", self.owner, wait):
            yield

    @property
    def _database_lock(self) -> Path:
        """Where runs meet that use one database for several data folders: beside the database."""
        real = self.db.resolve()
        if real.parent == self.data.resolve() or not real.parent.is_dir():
            return self.state / LOCK
        state = real.parent / STATE_FOLDER
        return state / LOCK if state.is_dir() else real.with_name(f"{real.name}.{LOCK}")

    @contextmanager
    def writing(self, *, adopting: bool = False, any_key: bool = False) -> Iterator[Connection]:
        """Open the database for writing, and make it if there is none. The caller holds the lock.

        Raises NotOurs before anything of somebody else's database is touched, unless it is to be adopted, and
        WrongKey when there is a key that is not the site's, unless the caller looks at that.
        """
        if self.db.exists() and self.db.stat().st_size and not adopting:
            with sqlite.looking(self.db) as connection:
                if Ledger.is_in(connection):
                    Ledger(connection).check(self.pack.app)
                    marker.check(self.state, Ledger(connection))
                    if not any_key:
                        Keyring(connection).check(self.vault, self.pack.key_variable)
        elif not adopting:
            marker.forget(self.state, self.db)
        with closing(sqlite.open_database(self.db, self.owner)) as connection:
            yield connection

    @contextmanager
    def looking(self) -> Iterator[Connection]:
        """Open the database without leaving a trace; raises CouldNotCheck when there is none yet."""
        if not self.db.exists() or not self.db.stat().st_size:
            marker.check_lost(self.state, self.db)
            raise CouldNotCheck(f"There is no database at {self.db}.", "Run `mediaos-migrate migrate` first.")
        with sqlite.looking(self.db) as connection:
            if not Ledger.is_in(connection):
                raise CouldNotCheck(f"The database {self.db} is empty.", "Run `mediaos-migrate migrate` first.")
            Ledger(connection).check(self.pack.app)
            marker.check(self.state, Ledger(connection))
            yield connection

    def stores(self, connection: Connection, document: Document) -> dict[str, TableStore]:
        """Return the tables of a document's parts, by the part's name."""
        return {name: TableStore(connection, document, part, self.vault) for name, part in parts(document).items()}


def parts(document: Document) -> dict[str, Part]:
    """Return a document's parts by name."""
    found = {RECORDS: document.records}
    if document.siblings:
        found[SIBLINGS] = document.siblings
    return found


def tables_of(document: Document) -> list[str]:
    """Name all tables that hold something of a document, child tables too."""
    return [table for part in document.parts for table in (part.table, *part.children)]
