"""Numbered steps of a schema: read from a pack, applied and taken back one transaction each."""

from __future__ import annotations

import hashlib
import re
import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from . import __version__, crash
from .engines.sqlite import Connection, transaction
from .errors import BadPack, MigrateError, NeedsPerson, UsageError

_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.(up|down)\.sql\Z")
_COSMETIC = re.compile(r"('(?:[^']|'')*')|--[^\n]*|/\*.*?\*/|\s+", re.DOTALL)
# What cannot run inside the one transaction of a step, or would end it.
_FORBIDDEN: Final = {
    "BEGIN",
    "COMMIT",
    "END",
    "ROLLBACK",
    "SAVEPOINT",
    "RELEASE",
    "VACUUM",
    "PRAGMA",
    "ATTACH",
    "DETACH",
}


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered step: how to take it, and how to take it back."""

    number: int
    name: str
    up: str
    down: str

    @property
    def checksum(self) -> str:
        """A digest of what the step does: comments, white space and line ends do not matter."""
        return checksum(self.up)

    def __str__(self) -> str:
        return f"{self.number:04d}_{self.name}"


@dataclass(frozen=True, slots=True)
class Applied:
    """A step as the database remembers it."""

    number: int
    name: str
    checksum: str
    up: str
    down: str
    applied_at: str

    def __str__(self) -> str:
        return f"{self.number:04d}_{self.name}"


def checksum(sql: str) -> str:
    """Digest SQL (SHA-256 in hex) so that only what it does counts."""
    plain = _COSMETIC.sub(lambda match: match[1] or " ", sql)
    return hashlib.sha256(" ".join(plain.split()).encode()).hexdigest()


def read(folder: Path) -> list[Migration]:
    """Read a pack's migrations for one engine, in order; raises BadPack for gaps, twins and half steps."""
    found: dict[int, dict[str, tuple[str, str]]] = {}
    for path in sorted(folder.glob("*.sql")):
        match = _NAME.fullmatch(path.name)
        if not match:
            raise BadPack(f"{path} is not named NNNN_name.up.sql or NNNN_name.down.sql.", "Rename it.")
        step = found.setdefault(int(match[1]), {})
        if match[3] in step:
            raise BadPack(f"{path} has the number of another migration.", "Give it the next free number.")
        step[match[3]] = (match[2], path.read_text(encoding="utf-8"))
    if sorted(found) != list(range(1, len(found) + 1)):
        raise BadPack(f"The migrations in {folder} are not numbered 1, 2, 3 …", "Close the gaps.")
    return [_migration(folder, number, step) for number, step in sorted(found.items())]


def _migration(folder: Path, number: int, step: dict[str, tuple[str, str]]) -> Migration:
    if set(step) != {"up", "down"} or step["up"][0] != step["down"][0]:
        raise BadPack(f"Migration {number:04d} in {folder} has no matching up and down.", "Write both.")
    for _, sql in step.values():
        list(statements(sql))
    return Migration(number, step["up"][0], step["up"][1], step["down"][1])


def statements(sql: str) -> Iterator[str]:
    """Split SQL into statements, triggers whole; raises BadPack for what cannot be rolled back."""
    statement = ""
    for piece in re.split(r"(?<=;)", sql):
        statement += piece
        if not sqlite3.complete_statement(statement):
            continue
        _check(statement)
        yield statement.strip()
        statement = ""
    if _COSMETIC.sub(lambda match: match[1] or "", statement):
        raise BadPack(f"A statement is not finished: {statement.strip()[:60]!a}.", "End it with a semicolon.")


def _check(statement: str) -> None:
    words = _COSMETIC.sub(lambda match: match[1] or " ", statement).split()
    if words and words[0].upper().rstrip(";") in _FORBIDDEN:
        raise BadPack(
            f"{words[0].upper()} cannot stand in a migration: each one runs in a single transaction.",
            "Remove it.",
        )


def applied(connection: Connection) -> list[Applied]:
    """Return the steps that the database has taken, in order."""
    rows = connection.execute("SELECT number, name, checksum, up, down, applied_at FROM _mm_migrations ORDER BY number")
    return [Applied(*row) for row in rows]


def pending(connection: Connection, migrations: Sequence[Migration]) -> list[Migration]:
    """Return the steps still to take; raises NeedsPerson when history and files contradict each other."""
    taken = applied(connection)
    for step, migration in zip(taken, migrations, strict=False):
        if step.number != migration.number or step.checksum != migration.checksum:
            raise NeedsPerson(
                f"The database took {step}, and the pack now has another {migration}.",
                "Restore the file as it was, and put the change into a new migration.",
            )
    return list(migrations[len(taken) :])


def up(connection: Connection, migrations: Sequence[Migration], to: int | None = None) -> list[Migration]:
    """Take the steps that are still to take, up to a number; each with its ledger row in one transaction."""
    if to is not None and not 0 <= to <= len(migrations):
        raise UsageError(f"There is no migration {to}.", f"Choose a number from 0 to {len(migrations)}.")
    done = []
    for migration in pending(connection, migrations):
        if to is not None and migration.number > to:
            break
        _take(connection, migration)
        crash.point("schema.step")
        done.append(migration)
    return done


def _take(connection: Connection, migration: Migration) -> None:
    started = time.monotonic()
    try:
        with transaction(connection):
            _run(connection, migration.up)
            connection.execute(
                "INSERT INTO _mm_migrations (number, name, checksum, up, down, applied_at, duration_ms, tool_version) "
                "VALUES (?, ?, ?, ?, ?, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), ?, ?)",
                (
                    migration.number,
                    migration.name,
                    migration.checksum,
                    migration.up,
                    migration.down,
                    round((time.monotonic() - started) * 1000),
                    __version__,
                ),
            )
    except sqlite3.Error as error:
        raise MigrateError(
            f"Migration {migration} failed: {error}. It left nothing behind.",
            "Mend it and run the command again.",
        ) from None


def down(connection: Connection, to: int) -> list[Applied]:
    """Take back the steps above a number, the last one first, by the down SQL that the database kept."""
    taken = applied(connection)
    if not 0 <= to <= len(taken):
        raise UsageError(f"The schema cannot go down to {to}.", f"It is at {len(taken)}.")
    for step in reversed(taken[to:]):
        try:
            with transaction(connection):
                _run(connection, step.down)
                connection.execute("DELETE FROM _mm_migrations WHERE number = ?", (step.number,))
        except sqlite3.Error as error:
            raise MigrateError(f"{step} could not be taken back: {error}.", "Nothing of it was undone.") from None
        crash.point("schema.step")
    return taken[to:][::-1]


def _run(connection: Connection, sql: str) -> None:
    for statement in statements(sql):
        connection.execute(statement)
    broken = connection.execute("PRAGMA foreign_key_check").fetchone()
    if broken:
        raise sqlite3.IntegrityError(f"a row of {broken[0]} would point to a missing row of {broken[2]}")
