"""SQLite, opened the one way that all of the toolkit relies on."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, Final
from urllib.parse import quote

from .. import budget, files, scratch
from ..errors import CouldNotCheck, MigrateError, NotOurs, UsageError

NOW: Final = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"  # SQL for this instant, as all instants are written
BUSY_SECONDS: Final = 30
LOG_PAGES: Final = 3000  # of a log are brought into the database at once: a writer waits for it, so not too often
LOG: Final = 13 * 10**6  # bytes of a log that stay between two transactions: to write over them waits less than to grow
_FULL, _EXTRA = 2, 3  # how SQLite numbers them
_INSERTED: Final = 20  # rows by one statement: what triggers cost (a journal for each statement) is shared by them
_FETCHED: Final = 32  # rows at once, as long as they are light
_JUDGED: Final = 8  # one row in so many is weighed
_ASIDE: Final = ("-wal", "-shm", "-journal")
_WAL_HEADER: Final = 32  # a writer died before its first frame: `readonly_shm` then waits for ever (SQLITE_PROTOCOL)
# File systems that several machines share; a -wal is unsafe there (names as in /proc/mounts).
_NETWORK: Final = {
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "9p",
    "fuse.sshfs",
    "afs",
    "ceph",
    "glusterfs",
    "virtiofs",
}

Connection = sqlite3.Connection


def open_database(
    path: Path,
    owner: tuple[int, int] | None = None,
    kind: type[Connection] = sqlite3.Connection,
    check: Callable[[Connection], object] = bool,
) -> Connection:
    """Open a database for writing, and make it (0600) if there is none. Raises NotOurs.

    `check` looks at it before a byte of it is changed, and raises what stands against it.
    """
    _check_file(path)
    if not path.exists():
        files.create(path, owner)
    connection = sqlite3.connect(
        path,
        isolation_level=None,
        timeout=BUSY_SECONDS,
        factory=kind,
        check_same_thread=False,  # each is used by one thread, and closed by whoever closes the site
    )
    try:
        prepare(connection)
        check(connection)
        connection.execute("PRAGMA trusted_schema = ON")  # triggers write full text (SQLite < 3.41)
        connection.execute("PRAGMA secure_delete = ON")  # a credential that was sealed must be gone as plain text
        _set_journal(connection, on_network=network_file_system(path) is not None)
    except sqlite3.DatabaseError as error:
        connection.close()
        raise _not_a_database(path, error) from None
    except MigrateError:
        connection.close()
        raise
    return connection


def _check_file(path: Path) -> None:
    if path.exists() and not path.is_file():
        raise NotOurs(f"{path} is no file.", "Name a file with --db.")
    if not path.parent.is_dir():
        raise UsageError(f"There is no folder {path.parent}.", "Make it, or name another place with --db.")


def prepare(connection: Connection) -> None:
    """Set a connection up as all of the toolkit expects it."""
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute(f"PRAGMA cache_size = -{budget.granted().cache // 1024}")
    connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()


def _set_journal(connection: Connection, *, on_network: bool) -> None:
    """Choose the journal that keeps every acknowledged commit through a power cut."""
    mode, sync = ("truncate", _EXTRA) if on_network else ("wal", _FULL)
    answer = connection.execute(f"PRAGMA journal_mode = {mode}").fetchone()[0]
    if answer not in (mode, "memory"):
        raise sqlite3.OperationalError(f"journal mode {answer} instead of {mode}")
    connection.execute(f"PRAGMA synchronous = {sync}")
    if connection.execute("PRAGMA synchronous").fetchone()[0] != sync:
        raise sqlite3.OperationalError(f"synchronous is not {sync}")
    # A log that grew while somebody looked, or while a large document went over, gives its room back afterwards.
    connection.execute(f"PRAGMA journal_size_limit = {LOG}")


@contextmanager
def looking(path: Path) -> Iterator[Connection]:
    """Lend out a connection that leaves every byte of the database and its folder as it was."""
    _check_file(path)
    with ExitStack() as held:
        before = _stamp(path)
        found, frozen = _look(path, held)
        with closing(found) as connection:
            try:
                prepare(connection)
                connection.execute("PRAGMA query_only = ON")
                yield connection
            except sqlite3.DatabaseError as error:
                raise _not_a_database(path, error) from None
        if frozen and _stamp(path) != before:
            raise CouldNotCheck(f"{path.name} changed while it was looked at.", "Run the command again.")


def _look(path: Path, held: ExitStack) -> tuple[Connection, bool]:
    """Open a database to look at, and say whether SQLite was told that nobody changes it."""
    journal, wal, shm = (path.with_name(path.name + suffix) for suffix in ("-journal", "-wal", "-shm"))
    if wal.exists() and shm.exists() and _size(wal) != _WAL_HEADER:
        return _connect(path, "mode=ro&readonly_shm=1"), False
    if wal.exists() or _size(journal):
        # An interrupted write: SQLite would mend it on opening, so it is mended in a copy.
        copied = held.enter_context(scratch.folder("look")) / path.name
        for suffix in ("", *_ASIDE):
            if path.with_name(path.name + suffix).exists():
                shutil.copyfile(path.with_name(path.name + suffix), copied.with_name(copied.name + suffix))
        return sqlite3.connect(copied, isolation_level=None), True
    return _connect(path, "immutable=1"), True


def _size(path: Path) -> int:
    with suppress(FileNotFoundError):  # its writer may be gone by now
        return path.stat().st_size
    return 0


def _connect(path: Path, query: str) -> Connection:
    uri = f"file:{quote(str(path.absolute()))}?{query}"
    return sqlite3.connect(uri, uri=True, isolation_level=None, timeout=BUSY_SECONDS)


def _stamp(path: Path) -> tuple[int, int] | None:
    with suppress(FileNotFoundError):
        status = path.stat()
        return status.st_mtime_ns, status.st_size
    return None


def _not_a_database(path: Path, error: sqlite3.DatabaseError) -> MigrateError:
    if "not a database" in str(error):
        return NotOurs(
            f"{path} is not a SQLite database.",
            "Name another file with --db, or see what can be had back: `mediaos-migrate recover`.",
        )
    return failed(error)


def failed(error: sqlite3.Error | OSError) -> MigrateError:
    """Say in a sentence what the database or the disk could not do."""
    text = str(error)
    if "disk is full" in text or getattr(error, "errno", None) == 28:  # noqa: PLR2004  ENOSPC
        return MigrateError("The disk is full; the step was undone.", "Free some space and run the command again.")
    if isinstance(error, OSError):
        name = f"{error.filename}: " if error.filename else ""
        return MigrateError(f"{name}{error.strerror or text}.", "Mend that and run the command again.")
    if "Could not decode" in text:  # the message would show what is there
        return CouldNotCheck("The database holds text that is not UTF-8.", "Restore a backup of it, or mend that text.")
    if "locked" in text:
        return MigrateError("Another program holds the database.", "Stop it and run the command again.")
    if "malformed" in text:
        return MigrateError(f"The database is damaged: {text}.", "See what can be had back: `mediaos-migrate recover`.")
    return MigrateError(f"The database could not do it: {text}.", "Run `mediaos-migrate doctor`.")


@contextmanager
def indexed_afterwards(connection: Connection, names: Collection[str]) -> Iterator[None]:
    """Load tables without their indexes, and build these afterwards; inside a transaction."""
    found = [
        (name, sql)
        for table in names
        for name, sql in connection.execute(
            "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL", (table,)
        ).fetchall()
    ]
    for name, _ in found:
        connection.execute(f"DROP INDEX {quoted(name)}")
    yield
    for _, sql in found:
        connection.execute(sql)


@contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """Do everything inside or nothing, DDL included; waits for other writers at the start only."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        # SQLite ends some transactions by itself; what is still open did not succeed.
        if connection.in_transaction:
            connection.execute("ROLLBACK")


@contextmanager
def moment(connection: Connection) -> Iterator[None]:
    """Let all looks inside see one moment of the database; inside a transaction they do anyway."""
    begins = not connection.in_transaction
    if begins:
        connection.execute("BEGIN")
    try:
        yield
    finally:
        if begins and connection.in_transaction:
            connection.execute("COMMIT")


def insert_many(connection: Connection, insert: str, rows: Sequence[Sequence[Any]]) -> None:
    """Insert rows, `insert` being the statement up to VALUES; all of them have as many columns."""
    wide = len(rows[0]) if rows else 1
    most = min(_INSERTED, connection.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER) // wide)
    marks = f"({', '.join('?' * wide)})"
    left = len(rows) % most
    for some, times in ((rows[: len(rows) - left], most), (rows[len(rows) - left :], left)):
        if some:
            groups = (tuple(chain.from_iterable(some[start : start + times])) for start in range(0, len(some), times))
            connection.executemany(f"{insert} {', '.join([marks] * times)}", groups)


def quoted(name: str) -> str:
    """Quote a checked identifier (square brackets: a misspelt "name" would be a string constant)."""
    return f"[{name}]"


def pieces(rows: sqlite3.Cursor) -> Iterator[list[Any]]:
    """Fetch the rows of a question some at a time: as many as may be held at once, judged by one in eight."""
    allowed, some, heavy, wanted = budget.granted(), list[Any](), 0, 1
    while fetched := rows.fetchmany(wanted):
        some += fetched
        weight = _weight(fetched)
        heavy += weight
        wanted = min(2 * wanted, _FETCHED) if 4 * weight < allowed.piece else 1
        if heavy >= allowed.piece or len(some) + wanted > allowed.records:
            yield some
            some, heavy = [], 0
    if some:
        yield some


def _weight(rows: list[Any]) -> int:
    judged = rows[::_JUDGED]
    return (
        len(rows) * sum(len(value) for row in judged for value in row if isinstance(value, str | bytes)) // len(judged)
    )


def columns_of(connection: Connection, table: str) -> frozenset[str]:
    """Return the names of a table's columns, empty when there is no such table."""
    rows = connection.execute("SELECT name FROM pragma_table_xinfo(?)", (table,))
    return frozenset(row[0] for row in rows)


def tables(connection: Connection) -> list[str]:
    """Return the names of all tables."""
    rows = connection.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!'"
    )
    return [row[0] for row in rows]


def counts(connection: Connection) -> dict[str, int]:
    """Return the number of rows in each table."""
    import sqlite_utils

    database = sqlite_utils.Database(connection, recursive_triggers=False)
    return {name: database.table(name).count for name in tables(connection)}


def schema(connection: Connection) -> list[str]:
    """Return the schema as sorted SQL, without SQLite's own and our own tables."""
    rows = connection.execute(
        "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND tbl_name NOT LIKE 'sqlite!_%' ESCAPE '!' "
        "AND tbl_name NOT LIKE '!_mm!_%' ESCAPE '!' AND name NOT LIKE '!_mm!_%' ESCAPE '!' ORDER BY type DESC, name"
    )
    return [row[0] for row in rows]


def copy_database(source: Connection, target: Path, owner: tuple[int, int] | None = None) -> None:
    """Copy a database through the backup API into a new file: one consistent moment, WAL included."""
    files.create(target, owner)
    with closing(sqlite3.connect(target)) as copy:
        source.backup(copy)


@contextmanager
def nameless_copy(source: Connection, place: Path, owner: tuple[int, int] | None = None) -> Iterator[BinaryIO]:
    """Lend out a copy of a database whose file has no name any more: nothing of it stays, however this ends."""
    files.create(place, owner)
    with closing(sqlite3.connect(place)) as copy, place.open("rb") as stream:
        copy.execute("PRAGMA journal_mode = OFF")
        copy.execute("PRAGMA user_version").fetchone()  # opens the file
        place.unlink()
        source.backup(copy)
        yield stream


def wal_of(path: Path) -> Path:
    """Return where a database's write-ahead log is."""
    return path.with_name(path.name + "-wal")


def network_file_system(path: Path) -> str | None:
    """Return the kind of network file system a path lies on, or None on a local one (and off Linux)."""
    kind = files.file_system(path)
    return kind if kind in _NETWORK else None


def restore(source: Connection, live: Connection, patience: float = 60) -> None:
    """Write one database over another that may be in use, by the backup API: all of it or nothing.

    Raises MigrateError when somebody else holds it for so many seconds; then it is as it was.
    """
    live.execute("PRAGMA busy_timeout = 0")  # the steps wait, not each of them for itself
    since = time.monotonic()

    def watch(status: int, _remaining: int, _total: int) -> None:
        nonlocal since
        if status not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            since = time.monotonic()
        elif time.monotonic() - since >= patience:
            raise MigrateError(
                f"Another program holds the database; it was not let go for {patience:.0f} s.",
                "Stop it and run the command again.",
            )

    try:
        source.backup(live, pages=1024, progress=watch, sleep=0.02)
    finally:
        live.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")


def make_like(path: Path, page_size: int, owner: tuple[int, int] | None = None) -> None:
    """Make an empty database with a page size, so that one like that can be written over it."""
    if not path.exists():
        files.create(path, owner)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA page_size = {page_size}")
        connection.execute("VACUUM")
