"""Whether a site is well: the database whole, the disk not full, the files not far behind; touches nothing."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from ..engines.sqlite import Connection, counts
from ..engines.timing import Slow
from ..errors import CouldNotCheck, MigrateError
from ..evidence import Evidence
from ..journal import Journal
from ..ledger import Ledger
from ..site import Site
from ..slow import KEPT, kept
from .policy import PRESETS, Policy

ILL: Final = 3
_SIZES: Final = """
SELECT s.tbl_name, sum(d.pgsize) FROM dbstat d JOIN sqlite_schema s ON s.name = d.name
 WHERE d.aggregate = TRUE GROUP BY s.tbl_name
"""


@dataclass(frozen=True, slots=True)
class TableSize:
    """How many rows a table has, and how many bytes with its indexes; None where SQLite cannot tell."""

    table: str
    rows: int
    size: int | None


@dataclass(frozen=True, slots=True)
class LastVerdict:
    """What the last comparison of a document's two homes found, and when."""

    document: str
    verdict: str
    at: str


@dataclass(slots=True)
class Health:
    """What was found; healthy as long as there are no problems."""

    database: str
    journal: str = ""
    size: int = 0
    unused: int = 0  # bytes in the database that hold nothing
    wal: int = 0
    disk_free: int = 0
    tables: list[TableSize] = field(default_factory=list)
    debts: int = 0
    debt_limit: int = 0
    oldest_debt: str | None = None
    verdicts: list[LastVerdict] = field(default_factory=list)
    slow: list[Slow] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """What a command that only asks for this ends with."""
        return ILL if self.problems else 0


def health(site: Site, policy: Policy = PRESETS["home"], noted: Sequence[Slow] = ()) -> Health:
    """Look a site over; `noted` are slow statements that this process has not written down yet.

    Raises CouldNotCheck when there is no database, or another program does not let go of it.
    """
    found = Health(str(site.db), debt_limit=policy.debts)
    try:
        with site.looking() as connection:
            connection.execute("BEGIN")  # all of one moment
            found.problems += _integrity(connection)
            for look in (_sizes, _owed, _judged, _slow):
                try:
                    look(connection, found)
                except sqlite3.DatabaseError as error:
                    found.problems += [] if found.problems else [f"the database cannot be read: {error}"]
    except MigrateError as error:
        if "malformed" not in error.message:
            raise CouldNotCheck(error.message, error.remedy) if type(error) is MigrateError else error from None
        found.problems.append("the database is damaged: restore a backup of it")
    found.slow = [*found.slow, *noted][-KEPT:]
    _disk(site, found)
    return found


def _integrity(connection: Connection) -> list[str]:
    try:
        faults = [str(row[0]) for row in connection.execute("PRAGMA quick_check(10)")]
    except sqlite3.DatabaseError as error:
        faults = [str(error)]
    return [] if faults == ["ok"] else [f"the database is damaged: {fault}" for fault in faults]


def _sizes(connection: Connection, found: Health) -> None:
    asked = ("page_size", "page_count", "freelist_count", "journal_mode")
    page, pages, unused, found.journal = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in asked)
    found.size, found.unused = page * pages, page * unused
    sizes = _of_tables(connection)
    found.tables = [TableSize(name, count, sizes.get(name)) for name, count in counts(connection).items()]


def _of_tables(connection: Connection) -> dict[str, int]:
    """Return the bytes of each table with its indexes; {} where SQLite was built without dbstat."""
    try:
        return dict(connection.execute(_SIZES).fetchall())
    except sqlite3.OperationalError as error:
        if "dbstat" not in str(error):
            raise
        return {}


def _owed(connection: Connection, found: Health) -> None:
    debts = Journal(connection).owing()
    found.debts = sum(owed.count for owed in debts.values())
    found.oldest_debt = min((owed.oldest for owed in debts.values() if owed.oldest), default=None)
    if found.debts > found.debt_limit:
        owing = f"{found.debts:,} changes are not in both homes of {', '.join(debts)}"
        found.problems.append(f"{owing}: run `mediaos-migrate mirror flush`")
    for document, reason in Ledger(connection).blocked().items():
        found.problems.append(f"{document} is blocked: {reason}")


def _judged(connection: Connection, found: Health) -> None:
    verdicts = Evidence(connection).last()
    found.verdicts = [LastVerdict(name, each.verdict, each.at) for name, each in verdicts.items()]


def _slow(connection: Connection, found: Health) -> None:
    found.slow = kept(connection)


def _disk(site: Site, found: Health) -> None:
    wal = site.db.with_name(f"{site.db.name}-wal")
    found.wal = wal.stat().st_size if wal.exists() else 0
    places = {site.data, site.db.resolve().parent}
    found.disk_free = min(shutil.disk_usage(place).free for place in places)
    files = [site.file(document) for document in site.pack.documents.values()]
    largest = max((file.stat().st_size for file in files if file.is_file()), default=0)
    if found.disk_free < largest + found.wal:
        found.problems.append(f"the disk is nearly full: {found.disk_free:,} bytes are free")
