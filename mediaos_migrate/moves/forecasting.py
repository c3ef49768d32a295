"""What a migration of this site will take: measured on this machine, in scratch, on the site's own records."""

from __future__ import annotations

import resource
import sqlite3
import sys
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from .. import budget, files, scratch
from ..engines import sqlite
from ..errors import MigrateError
from ..evidence import Evidence
from ..ledger import PRESENT, Ledger
from ..secrets import Vault
from ..shapes import Shape
from ..site import Site, tables_of
from ..stages import Stage
from ..stores.changes import counts
from ..stores.file import RECORDS, FileStore
from . import migrating
from .migrating import Known, Migration, new_bytes
from .surveyed import Options, Survey

SMALL: Final = 2 * 10**6  # bytes of a site that is migrated sooner than a sample of it is
SAMPLE: Final = 10**6  # bytes of the largest file that are migrated in scratch, at most
COMMITS: Final = 60  # of a migration however small: steps of the schema, and what is noted of each document
SLOW: Final = 0.02  # seconds of a commit on a spinning disk
LOOKS: Final = 4  # what a migration takes of a small file, in looks at it
GROWS: Final = 1.5  # bytes of the database for each byte of a small file
EMPTY: Final = 1_150_000  # bytes of a database without a record
LOG: Final = 2 * 10**6  # bytes of its log when it is made
EVERY: Final = 24  # bytes that are kept in memory of each record of the document at hand
DAY: Final = 86_400
QUIET: Final = 2  # seconds between two rewrites of a mirror, at least
SEEN: Final = 3600  # seconds that a rate of writes has to be seen for


@dataclass(frozen=True, slots=True)
class Disk:
    """Bytes on the disk: what stays, and what is needed only for a while."""

    database: int
    backup: int
    log: int  # beside the database while the largest document goes over
    mirror: int  # beside the largest file whenever it is rewritten

    @property
    def stays(self) -> int:
        """What is there when all is done."""
        return self.database + self.backup


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a migration will take, and what a mirror will write at the rate of writes that was seen."""

    seconds: float
    memory: int
    disk: Disk
    writes_per_day: float | None = None  # None: not seen long enough
    mirror_per_day: int | None = None

    def off(self, seconds: float, memory: int, stays: int) -> dict[str, float | int]:
        """Tell by how much it was missed: what came, less what was foretold."""
        return {
            "seconds": round(seconds - self.seconds, 3),
            "memory": memory - self.memory,
            "disk": stays - self.disk.stays,
        }

    def told(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {**asdict(self), "seconds": round(self.seconds, 3)}


@dataclass(frozen=True, slots=True)
class Pace:
    """What any migration takes, and what each byte of a file adds, in seconds and in bytes of the database."""

    seconds: float
    empty: int
    seconds_a_byte: float
    grows: float


@dataclass(frozen=True, slots=True)
class Look:
    """A look at all files of a site: what it found, what was known before, and how many seconds it took."""

    surveys: Sequence[Survey]
    known: Known
    seconds: float


def forecast(site: Site, look: Look, work: Path | None = None) -> Forecast:
    """Foretell a migration after a look at all files; the site is only read.

    `work` is where it is tried out (default: the temporary folder).
    """
    surveys, known = look.surveys, look.known
    new = new_bytes(list(surveys), known.documents)
    pace = _pace(site, look, new, work)
    sizes = {seen.document.name: seen.size for seen in surveys}
    largest = max(sizes.values(), default=0)
    there = site.db.stat().st_size if site.db.exists() else 0
    grown = round(pace.grows * new)
    disk = Disk(
        database=max(there, pace.empty) + grown,
        backup=sum(sizes.values()) + there if new else 0,
        log=LOG + min(grown, round(pace.grows * largest)),
        mirror=largest,
    )
    records = max((seen.count for seen in surveys), default=0)
    memory = peak_memory() + min(budget.granted().cache, disk.database) + EVERY * records
    writes, mirrored = _rate(site, sizes)
    return Forecast(pace.seconds + pace.seconds_a_byte * new, memory, disk, writes, mirrored)


def _pace(site: Site, look: Look, new: int, work: Path | None) -> Pace:
    """Measure: a few commits for a small site, and for a large one a migration of its first records."""
    fit = [s for s in look.surveys if s.state == PRESENT and not s.error and s.document.shape is not Shape.ONE]
    sampled = max(fit, key=lambda seen: seen.size, default=None)
    commit = SLOW
    # Where nothing can be tried out, the disk is taken for a slow one.
    with suppress(OSError, sqlite3.Error, MigrateError), scratch.folder("forecast", work) as folder:
        if new >= SMALL and sampled is not None:
            return _tried(_Run(site, sampled, folder / "one", 1), _Run(site, sampled, folder / "some", SAMPLE))
        commit = _commit(folder)
    return Pace(COMMITS * commit, EMPTY, LOOKS * look.seconds / max(new, 1), GROWS)


def _tried(one: _Run, some: _Run) -> Pace:
    more = max(some.read - one.read, 1)
    seconds = max(some.seconds - one.seconds, 0.0) / more
    return Pace(one.seconds, one.database, seconds, max(some.database - one.database, 0) / more)


def _commit(folder: Path) -> float:
    """Measure how long a commit takes."""
    with closing(sqlite.open_database(folder / "commits.db")) as connection:
        connection.execute("CREATE TABLE commits (number INTEGER)")
        started = time.perf_counter()
        for number in range(4):
            connection.execute("INSERT INTO commits VALUES (?)", (number,))
        return (time.perf_counter() - started) / 4


class _Run:
    """A migration of the first records of a document, in scratch."""

    def __init__(self, site: Site, seen: Survey, folder: Path, size: int) -> None:
        files.make_folder(folder)
        vault = Vault(envelope=site.pack.envelope, app=site.pack.app)  # without a key: nothing is opened or sealed
        copy = Site(folder, folder / site.db.name, site.pack, vault)
        self.read = _begin(site, seen, copy, size)
        names = frozenset(site.pack.documents)
        started = time.perf_counter()
        migrating.migrate(copy, Options(accept_source=names))
        self.seconds = time.perf_counter() - started
        self.database = copy.db.stat().st_size


def _begin(site: Site, seen: Survey, copy: Site, size: int) -> int:
    """Write the first records of a file, so many bytes of them or one, as a whole file; return its size."""
    document, path = seen.document, site.file(seen.document)
    stop = 0
    for part, record in FileStore(path, document, copy.vault).all():
        if part == RECORDS:
            stop = record.stop
        if stop >= size:
            break
    with path.open("rb") as stream:
        text = stream.read(stop)
    text += (b"]" if document.shape is Shape.LIST else b"}") + (b"}" if document.under is not None else b"")
    with files.replacing(copy.file(document)) as out:
        out.write(text)
    return len(text)


def _rate(site: Site, sizes: dict[str, int]) -> tuple[float | None, int | None]:
    """Return how many rows change a day since they were first looked at, and what mirroring each writes at most."""
    rates: dict[str, float] = {}
    mirrored = 0.0
    with suppress(MigrateError, sqlite3.Error, ValueError), site.looking() as connection:
        for name, size in sizes.items():
            mine = _rates(site, connection, name)
            rates |= mine
            mirrored += min(sum(mine.values()), DAY / QUIET) * size
    return (sum(rates.values()), round(mirrored)) if rates else (None, None)


def _rates(site: Site, connection: sqlite.Connection, name: str) -> dict[str, float]:
    """Return the changes a day of each table of a document; nothing when they were not seen long enough."""
    first = next((verdict for verdict in Evidence(connection).trend(name) if verdict.changes), None)
    tables = tables_of(site.pack.document(name))
    now = counts(connection, name, tables)
    if first is None or first.changes is None or now is None or Ledger(connection).stage(name) is Stage.COMPLETE:
        return {}
    days = (datetime.now(UTC) - datetime.fromisoformat(first.at)).total_seconds() / DAY
    if days * DAY < SEEN:
        return {}
    return {table: max(now[table] - first.changes.get(table, 0), 0) / days for table in tables}


def peak_memory() -> int:
    """Return the bytes that this process had resident at its peak."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def timed(result: Migration) -> float:
    """Return how many seconds a migration took."""
    return sum(result.timings.values())
