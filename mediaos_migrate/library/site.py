"""One installation, as an app embeds it: repositories, units of work, and the mirror that follows them."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING

from .. import marker, slow
from ..engines import sqlite, timing
from ..engines.sqlite import Connection
from ..errors import MigrateError, UsageError
from ..journal import Debts, Journal
from ..keyring import Keyring
from ..ledger import Ledger
from ..moves import health, mirroring, preflight
from ..moves.health import Health
from ..moves.mirroring import Mirrored
from ..moves.policy import PRESETS, Policy
from ..pack import Document
from ..stores.file import RECORDS
from .aside import Aside
from .forks import Work
from .host import Host
from .jobs import Jobs
from .mirror import Mirror
from .models import model_of
from .reads import Read
from .repository import Repository
from .second import in_words
from .sessions import Sessions
from .shadow import Shadow
from .unit import UnitOfWork
from .view import FileView

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import BaseModel

    from ..pack import Pack
    from ..secrets import Vault
    from ..stores.table import TableStore

LOG = logging.getLogger("mediaos_migrate")


class Site(Host):
    """One installation; `with Site.open(…) as site:` closes what it opened and pays its debts at the end."""

    def __init__(self, data: Path, db: Path, app: Pack, vault: Vault) -> None:
        super().__init__(data, db, app, vault)
        self.layouts = {}
        self._views: dict[str, FileView] = {}
        self._models: dict[tuple[str, str], type[BaseModel]] = {}
        self._lock = threading.Lock()
        self._mine = threading.local()
        self._opened: list[Connection] = []
        self._process = os.getpid()
        self._forsaken: list[object] = []
        self._mirror, self._aside, self._mirroring = Mirror(self), Aside(self), Work()
        self.shadow = Shadow(self)
        self.last_failure: str | None = None
        self.policy = PRESETS["home"]
        self.on_alarm: Callable[[str, int], None] | None = None  # hears of documents whose debts exceed the policy's
        self._unnoted: Counter[str] = Counter()  # changes that only the file has, and no journal could take
        self._slow: deque[timing.Slow] = deque(maxlen=slow.KEPT)

    def __exit__(self, *_: object) -> None:
        self.close()

    def repository(
        self, document: str, part: str = RECORDS, unit: UnitOfWork | None = None, *, model: bool = False
    ) -> Repository:
        """Return the records of a document (`part`: `siblings` for those beside its list), on wish as models."""
        return Repository(self, self.pack.document(document), part, unit, typed=model)

    def model(self, document: Document, part: str = RECORDS) -> type[BaseModel]:
        """Return the pydantic model of a document's records: one class as long as the site is open."""
        with self._lock:
            if (document.name, part) not in self._models:
                self._models[document.name, part] = model_of(document, part)
            return self._models[document.name, part]

    def unit_of_work(self) -> UnitOfWork:
        """Begin a unit of work."""
        return UnitOfWork(self)

    @cached_property
    def jobs(self) -> Jobs:
        """The queue of the app's jobs. Raises UsageError when its pack has none."""
        if self.pack.services.jobs is None:
            raise UsageError(f"{self.pack.name} has no jobs.", "Name their table in its pack, at [services.jobs].")
        return Jobs(self, self.pack.services.jobs)

    @cached_property
    def sessions(self) -> Sessions:
        """The app's tokens that count no more. Raises UsageError when its pack has no table for them."""
        if self.pack.services.sessions is None:
            raise UsageError(
                f"{self.pack.name} has no sessions.", "Name their table in its pack, at [services.sessions]."
            )
        return Sessions(self, self.pack.services.sessions)

    def connection(self) -> Connection | None:
        """Return this thread's connection to the database, None as long as there is no database."""
        if os.getpid() != self._process:
            self._begin_anew()
        if not _has_bytes(self.db):
            marker.check_lost(self.state, self.db)
            return None
        found: Connection | None = getattr(self._mine, "connection", None)
        if found is None:
            found = sqlite.open_database(self.db, self.owner, timing.Connection, Ledger.is_in)
            found.heard = self._slow.append  # type: ignore[attr-defined]  # it is of that kind
            if not Ledger.is_in(found):
                found.close()
                return None
            self._check(found)
            Keyring(found).check(self.vault, self.pack.key_variable)
            self.vault.sealing = preflight.may_seal(self, found)
            found.execute(f"PRAGMA wal_autocheckpoint = {sqlite.LOG_PAGES}")
            self._mine.connection, self._mine.schema = found, None
            with self._lock:
                self._opened.append(found)
        return found

    def _begin_anew(self) -> None:
        """Leave to the process that this one was forked from what is its own: it may be in use there at that moment.

        A connection must not be used in a forked process, nor closed there.
        """
        self._forsaken.append((self._mine, self._opened, self._views))
        self._mine, self._opened, self._views, self._lock = threading.local(), [], {}, threading.Lock()
        self._process = os.getpid()
        self._aside.forsake()
        self._mirror, self._aside, self._mirroring = Mirror(self), Aside(self), Work()
        self.shadow = Shadow(self, self.shadow.rate)

    def stores(self, connection: Connection, document: Document) -> dict[str, TableStore]:
        """Return the tables of a document's parts; this thread's are made once for each schema."""
        if connection is not getattr(self._mine, "connection", None):
            return super().stores(connection, document)
        version = connection.execute("PRAGMA schema_version").fetchone()[0]
        if self._mine.schema != version:
            self._mine.schema, self._mine.stores = version, {}
        if document.name not in self._mine.stores:
            self._mine.stores[document.name] = super().stores(connection, document)
        found: dict[str, TableStore] = self._mine.stores[document.name]
        return found

    def _check(self, connection: Connection) -> None:
        """Raise NotOurs or NeedsPerson when this is not the database that these files belong to."""
        try:
            Ledger(connection).check(self.pack.app)
            marker.check(self.state, Ledger(connection))
        except MigrateError:
            connection.close()
            raise

    def view(self, document: Document) -> FileView:
        """Return a document's file as tables in memory."""
        with self._lock:
            return self._views.setdefault(document.name, FileView(self, document))

    def wake(self, changes: int) -> None:
        """Let the mirror know that so much was written."""
        self._mirror.wake(changes)

    def flush(self) -> list[Mirrored]:
        """Write every file that is behind its table now. Raises what stands in the way."""
        with in_words():
            connection = self.connection()
            if connection is None:
                return []
            self._keep_slow(connection)
            with self.shared():
                return mirroring.flush(self, connection)

    def follow(self) -> None:
        """Write every file that is behind its table, as the mirror does; a large one at no thread's cost."""
        with self._mirroring.under_way():
            large = self._aside.pays()
        if not (large and self._aside.flush()):
            with self._mirroring.under_way():
                self.flush()

    def compare_aside(self, reads: Sequence[Read]) -> Counter[str] | None:
        """Compare reads of one document with its file in another process, if it is large."""
        return self._aside.compare(reads) if self._aside.serves(reads[0].document) else None

    def health(self, policy: Policy | None = None) -> Health:
        """Look the site over, without touching it. Raises CouldNotCheck when there is no database."""
        return health.health(self, policy or self.policy, list(self._slow))

    def _keep_slow(self, connection: Connection) -> None:
        """Write down the slow statements noted so far, for other processes to see; never at anybody's cost."""
        noted = [self._slow.popleft() for _ in range(len(self._slow))]
        if noted:
            with suppress(sqlite3.Error), sqlite.transaction(connection):
                slow.keep(connection, noted)

    def failed(self, error: Exception, unnoted: Mapping[str, int] | None = None) -> None:
        """Hear that the second home could not be written: the debt stays in the journal.

        `unnoted`: so many changes of documents not even that could take, and only their files tell of them.
        """
        self.last_failure = type(error).__name__
        told = error.message if isinstance(error, MigrateError) else self.last_failure
        debt = "only its file tells of it" if unnoted else "its debt is noted"
        LOG.warning("the second home could not be written, %s: %s", debt, told)
        with self._lock:
            self._unnoted.update(unnoted or {})
        owed: dict[str, Debts] = {}
        with suppress(MigrateError, sqlite3.Error):  # the database itself may be damaged
            connection = self.connection()
            owed = Journal(connection).owing() if connection else {}
        for name in owed.keys() | self._unnoted.keys():
            debts = owed.get(name, Debts())
            if (count := debts.count + self._unnoted[name]) > self.policy.debts:
                LOG.error("%s: %d changes are not in both homes, the oldest of %s", name, count, debts.oldest)
                if self.on_alarm:
                    self.on_alarm(name, count)

    def in_step(self, document: Document) -> None:
        """Hear that a document's homes are in step again."""
        with self._lock:
            self._unnoted.pop(document.name, None)

    def release(self) -> None:
        """Close this thread's connection, for a thread that ends before the site does."""
        found: Connection | None = getattr(self._mine, "connection", None)
        if found is not None:
            with self._lock:
                self._opened.remove(found)
            del self._mine.connection
            found.close()

    def close(self) -> None:
        """Pay the debts of this process, and close its connections."""
        self._aside.hurry()
        self.shadow.stop()
        self._mirror.stop()
        self._aside.stop()
        mine: Connection | None = getattr(self._mine, "connection", None)
        if mine is not None and os.getpid() == self._process:
            self._keep_slow(mine)
        with self._lock:
            opened, self._opened = self._opened, []
            views, self._views = self._views, {}
        for view in views.values():
            view.forget()
        self._mine = threading.local()
        for connection in opened:
            connection.close()


def _has_bytes(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except (FileNotFoundError, NotADirectoryError):
        return False
