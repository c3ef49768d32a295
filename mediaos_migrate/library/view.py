"""A document's file as tables in memory, so that a believed file answers every question that a table does."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from .. import files, migrations, site
from ..engines import sqlite
from ..errors import FileChanged, MigrateError, NotSettled, Suspect
from ..ledger import Ledger
from ..moves import mirroring, placing, plausible
from ..moves.importing import import_document
from ..moves.surveyed import Survey
from ..pack import Document
from ..quarantine import Quarantine
from ..secrets import Vault
from ..stages import Stage
from ..stores.table import TableStore

UNREAD: Final = ""
LOOKS: Final = 6  # at a file that changes while it is read …
FREE: Final = 2  # … and so many before its writers are kept waiting


class FileView:
    """The tables of one document, made of its file by the importer, and made anew whenever the file is another."""

    def __init__(self, host: Any, document: Document) -> None:
        self._host = host
        # Without a key: nothing is sealed in memory, and what the app sealed stays as it is.
        self._site = site.Site(host.data, host.db, host.pack, Vault())
        self._site.layouts = {}  # so that a write costs what it changes
        self._document = document
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self.digest: str | None = None
        self._trusting = files.notes_changes(self._site.file(document))
        self._stamp: files.Stamp | None = None  # the file's, if it needs not be read as long as it bears it

    @contextmanager
    def current(self, *, held: bool = False) -> Iterator[sqlite3.Connection]:
        """Lend out the tables as the file is now; `held`: the caller holds the document.

        A file that others write all the time is read while none of them may. Raises Damaged, Suspect or NotSettled.
        """
        last: MigrateError = FileChanged(self._document.file)
        for look in range(LOOKS):
            with ExitStack() as alone:
                if look >= FREE and not held:  # before the lock, as those who write do
                    alone.enter_context(self._site.holding(self._document.name))
                alone.enter_context(self._lock)
                try:
                    connection = self._follow()
                except (FileChanged, NotSettled) as error:
                    last = error
                    continue
                yield connection
                return
        raise last

    def kept(self, connection: sqlite3.Connection, digest: str) -> None:
        """Hear that the file was written from these tables, as they are in the open transaction; end that."""
        held = list(Quarantine(connection).items(self._document.name))
        placing.relocate(connection, placing.moved(self._site, self._document, held))
        mirroring.note_file(self._site, connection, self._document, digest)
        connection.execute("COMMIT")
        self.digest, self._stamp = digest, None

    def stores(self, connection: sqlite3.Connection) -> dict[str, TableStore]:
        """Return the tables by part."""
        return self._site.stores(connection, self._document)

    @property
    def site(self) -> site.Site:
        """The site as the view sees it: without a key."""
        return self._site

    def forget(self) -> None:
        """Read the file anew when it is next asked for."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection, self.digest, self._stamp = None, None, None

    def _doubt(self, seen: Survey) -> Suspect | None:
        """Doubt a file by what the database last accepted of it, from the stage on at which both are written."""
        connection = self._host.connection()
        entry = Ledger(connection).document(self._document.name) if connection else None
        if entry is None or entry.stage is Stage.OFF:
            return None
        return plausible.doubt(self._site, seen, entry, 0)

    def _made(self) -> sqlite3.Connection:
        connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        sqlite.prepare(connection)
        connection.execute("PRAGMA foreign_keys = OFF")  # other documents are not here
        connection.execute("PRAGMA trusted_schema = ON")  # for full text
        Ledger(connection).make(self._site.pack.app)
        migrations.up(connection, self._site.migrations)
        return connection

    def _follow(self) -> sqlite3.Connection:
        """Read the file if it is another one than before."""
        if self._connection is None:
            self._connection, self.digest = self._made(), UNREAD
        stamp = files.stamp(self._site.file(self._document)) if self._trusting else None
        if stamp is None or stamp != self._stamp:
            if self.digest == UNREAD or mirroring.digest_of(self._site, self._document) != self.digest:
                self._refresh(self._connection)
            self._stamp = stamp  # from before it was read: who changed it meanwhile has left another one
        return self._connection

    def _refresh(self, connection: sqlite3.Connection) -> None:
        seen = mirroring.look_at(self._site, connection, self._document, accepted=True)
        if seen.error is None:
            seen.error = self._doubt(seen)
        if seen.error:
            raise seen.error
        import_document(self._site, connection, seen)
        self.digest = seen.digest
