"""The table of the crash matrix: every move that changes a site, how to begin it, and how to do it once more."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from conftest import KEY
from inside import SHELF, command

from mediaos_migrate import Site, crash
from mediaos_migrate.secrets import Vault

Ack = Callable[[int], None]
POLICY: Final = ("--policy", "ci", "--host-reads-database")
STAGES: Final = ("dualwrite", "shadow", "live", "rampdown", "complete")
AUTHORS: Final = {name: {"id": name, "name": name.title()} for name in ("ann", "bob", "cid")}
RATINGS: Final = {"a": 5, "b": 3}


said: list[str] = []  # by the last command, in its own words


class Failed(Exception):
    """A command ended with an exit code that is none of success."""


def site(folder: Path) -> Site:
    return Site.open(folder, app=SHELF)


def told(folder: Path, *words: str, key: str | None = None) -> int:
    """Run a command on a site as the operator does; a mistake of ours is no answer."""
    result = command(*words, "--data", folder, "--app", SHELF, key=key)
    if "mistake of ours" in result.err:
        raise AssertionError(result.err)
    said[:] = [result.err]
    return result.code


def must(folder: Path, *words: str, key: str | None = None) -> None:
    result = command(*words, "--data", folder, "--app", SHELF, key=key)
    if result.code:
        raise Failed(f"{' '.join(words)}: {result.code} {result.err}")


# ── where a move begins ──


def files_alone(folder: Path) -> None:
    folder.mkdir()
    (folder / "authors.json").write_text(json.dumps(AUTHORS, indent=2), encoding="utf-8")
    (folder / "ratings.json").write_text(json.dumps(RATINGS), encoding="utf-8")


def migrated(folder: Path) -> None:
    must(folder, "migrate")


def changed_by_the_app(folder: Path) -> None:
    more = {**AUTHORS, "app": {"id": "app", "name": "By the app"}}
    (folder / "authors.json").write_text(json.dumps(more, indent=2), encoding="utf-8")


def advanced(to: str) -> Callable[[Path], None]:
    return lambda folder: must(folder, "stage", "advance", "authors", "ratings", "--to", to, *POLICY)


def completed(*how: str) -> Callable[[Path], None]:
    """Make an end of the files, and write what only the tables hold then."""

    def make(folder: Path) -> None:
        must(folder, "stage", "advance", "authors", "ratings", "--to", "complete", *how, *POLICY)
        with site(folder) as opened:
            opened.repository("authors").put({"id": "late", "name": "Late"})

    return make


def authors_at(to: str) -> Callable[[Path], None]:
    return lambda folder: must(folder, "stage", "advance", "authors", "--to", to, *POLICY)


def owing(folder: Path) -> None:
    """Write into the believed table, and let nobody write the file."""
    with site(folder) as opened:
        opened.repository("authors").put({"id": "owed", "name": "Owed"})
        opened._mirror.stop = lambda: None  # type: ignore[method-assign]


def saved_before(folder: Path) -> None:
    """Hold rows that no file can, and have what an earlier rollback has saved of others."""
    with closing(sqlite3.connect(folder / "mediaos.db", isolation_level=None)) as connection:
        connection.execute("CREATE TABLE loose (x TEXT)")
        connection.execute("INSERT INTO loose VALUES ('held')")
    (folder / ".mediaos-migrate" / "only-in-database.json").write_text('{"loose": []}', encoding="utf-8")


def with_secrets(folder: Path) -> None:
    (folder / "prefs.json").write_text(json.dumps({"cloud": {"password": "a long secret"}}), encoding="utf-8")


def sealed_by_the_app(folder: Path) -> None:
    password = Vault(KEY).seal("a long secret")
    (folder / "prefs.json").write_text(json.dumps({"cloud": {"password": password}}), encoding="utf-8")
    must(folder, "migrate", key=KEY)


def left_in_free_pages(folder: Path) -> None:
    """Leave a secret where a row was."""
    with closing(sqlite3.connect(folder / "mediaos.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA secure_delete = OFF")
        connection.execute("CREATE TABLE loose (x TEXT)")
        connection.executemany(
            "INSERT INTO loose VALUES (?)", [(f"a long secret {n} " + "x" * 900,) for n in range(20)]
        )
        connection.execute("DROP TABLE loose")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def edited_beside(folder: Path) -> None:
    """Let another program change another record than the one that is owed."""
    more = {**AUTHORS, "app": {"id": "app", "name": "By the app"}}
    (folder / "authors.json").write_text(json.dumps(more, indent=2), encoding="utf-8")


def edited_the_same(folder: Path) -> None:
    """Let another program write the record that is owed."""
    more = {**AUTHORS, "owed": {"id": "owed", "name": "By the app"}}
    (folder / "authors.json").write_text(json.dumps(more, indent=2), encoding="utf-8")


def of_somebody_else(folder: Path) -> None:
    """Make the tables without our own."""
    with closing(sqlite3.connect(folder / "mediaos.db", isolation_level=None)) as connection:
        for path in sorted(Path(SHELF, "sqlite").glob("*.up.sql")):
            connection.executescript(path.read_text(encoding="utf-8"))


def copied(folder: Path) -> None:
    """Leave a copy of the file as it was before its secret was sealed."""
    (folder / "prefs.json.bak").write_text(json.dumps({"cloud": {"password": "a long secret"}}), encoding="utf-8")


def interrupted(act: Callable[[Path, Ack], None], at: str) -> Callable[[Path], None]:
    """Be killed at a step."""

    def make(folder: Path) -> None:
        crash._WANTED = at  # type: ignore[misc]
        act(folder, lambda _: None)

    return make


def sealed(folder: Path) -> None:
    must(folder, "keys", "seal", "--yes", key=KEY)


def sealed_at_live(folder: Path) -> None:
    must(folder, "stage", "advance", "prefs", "--to", "live", *POLICY, key=KEY)


def different(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "mediaos.db", isolation_level=None)) as connection:
        connection.execute("UPDATE authors SET name = 'Another' WHERE id = 'bob'")


def backed_up(folder: Path) -> None:
    must(folder, "backup", "create", "--reason", KNOWN)
    with site(folder) as opened:
        opened.repository("authors").put({"id": "bob", "name": "Since the backup"})


def twins(folder: Path) -> None:
    """Make a page whose key another had when it was read, and has no more."""
    pages = [{"day": "mon"}, {"day": "tue"}, {"day": "mon", "mood": "twin"}]
    (folder / "diary.json").write_text(json.dumps({"pages": pages}), encoding="utf-8")


def untwinned(folder: Path) -> None:
    """Free the twin's key as a client does that knows nothing of us."""
    must(folder, "stage", "advance", "diary", "--to", "live", *POLICY)
    with closing(sqlite3.connect(folder / "mediaos.db", isolation_level=None)) as connection:
        connection.execute("DELETE FROM diary WHERE day = 'mon'")


def broken(folder: Path) -> None:
    for path in folder.glob("mediaos.db-*"):
        path.unlink()
    (folder / "mediaos.db").write_bytes(b"no database" * 100)


def cut_off(folder: Path) -> None:
    for path in folder.glob("mediaos.db-*"):
        path.unlink()
    with (folder / "mediaos.db").open("r+b") as stream:
        stream.truncate((folder / "mediaos.db").stat().st_size - 4096)


def without_schema(folder: Path) -> None:
    must(folder, "schema", "down", "--to", "0", "--accept-loss", "--yes")


@dataclass(frozen=True)
class Start:
    """A site to begin from: another one, and what is done to it."""

    before: str | None
    make: Callable[[Path], None]


# ── what is done ──


def write(folder: Path, ack: Ack) -> None:
    """Write three records, one after the other, then what the files lack."""
    with site(folder) as opened:
        for number in range(3):
            opened.repository("authors").put({"id": f"new{number}", "name": f"New {number}"})
            ack(number)
        opened.flush()


def unit(folder: Path, ack: Ack) -> None:
    """Write into two documents at once."""
    with site(folder) as opened:
        with opened.unit_of_work() as work:
            work.repository("authors").put({"id": "new0", "name": "New 0"})
            work.repository("ratings").put(1, "new0")
        ack(0)
        opened.flush()


KNOWN: Final = "known"  # stands for the name of the backup that a start has made


STARTS: Final = {
    "files": Start(None, files_alone),
    "migrated": Start("files", migrated),
    "changed": Start("migrated", changed_by_the_app),
    "dualwrite": Start("migrated", advanced("dualwrite")),
    "shadow": Start("dualwrite", advanced("shadow")),
    "live": Start("shadow", advanced("live")),
    "rampdown": Start("live", advanced("rampdown")),
    "complete": Start("rampdown", advanced("complete")),
    "complete, since written": Start("rampdown", completed()),
    "retired": Start("rampdown", completed("--retire-files")),
    "fenced": Start("rampdown", completed("--fence")),
    "mixed": Start("dualwrite", authors_at("live")),
    "owing": Start("live", owing),
    "saved before": Start("owing", saved_before),
    "half a unit": Start("dualwrite", interrupted(unit, "file.renamed:1")),
    "half a write": Start("dualwrite", interrupted(write, "file.renamed:3")),
    "different": Start("migrated", different),
    "different at live": Start("live", different),
    "backed up": Start("live", backed_up),
    "broken": Start("backed up", broken),
    "cut off": Start("complete", cut_off),
    "twins in the file": Start("files", twins),
    "twins": Start("twins in the file", migrated),
    "untwinned": Start("twins", untwinned),
    "secrets in the file": Start("files", with_secrets),
    "secrets": Start("secrets in the file", migrated),
    "sealed by the app": Start("files", sealed_by_the_app),
    "free pages": Start("copied", left_in_free_pages),
    "edited": Start("owing", edited_beside),
    "contradicted": Start("owing", edited_the_same),
    "of somebody else": Start("files", of_somebody_else),
    "copied": Start("sealed", copied),
    "sealed": Start("secrets", sealed),
    "sealed at live": Start("sealed", sealed_at_live),
    "no schema": Start("migrated", without_schema),
}

LATE: Final = ("ann", "bob", "cid", "late")
NEW_KEY: Final = "new-key"  # stands for the file with the other key
OTHER: Final = "another-key-of-more-than-thirty-two-characters"


def _named(folder: Path, word: str) -> str:
    if word == NEW_KEY:
        path = folder.parent / NEW_KEY
        path.touch(0o600)
        path.write_text(OTHER, encoding="utf-8")
        return str(path)
    return next(folder.glob(f".mediaos-migrate/backups/*-{KNOWN}")).name if word == KNOWN else word


@dataclass(frozen=True)
class Move:
    """One row: where it begins, the command (or the program) that is disturbed, and what completes it afterwards."""

    begin: str
    words: tuple[str, ...] = ()
    act: Callable[[Path, Ack], None] | None = None
    redo: tuple[str, ...] = ()  # the remedy (default: the same once more)
    keyed: bool = False  # with the app's key; what it seals never looks the same twice
    ends: frozenset[int] = frozenset({0})
    ignores: tuple[str, ...] = ()  # files that need not end the same
    after: tuple[str, ...] = ()  # what the operator does then, whatever happened
    proof: tuple[str, ...] = ()  # a command that must find all well afterwards
    again: frozenset[int] = frozenset()  # how doing it once more may end too
    keys: tuple[str, ...] = ("ann", "bob", "cid")  # records that are never lost, whatever happens

    def run(self, folder: Path, ack: Ack, *, again: bool = False) -> int:
        """Do it; return the exit code, or raise what the library raises."""
        words = [_named(folder, word) for word in (self.redo if again and self.redo else self.words)]
        if self.act and not (again and self.redo):
            self.act(folder, ack)
            return 0
        code = told(folder, *words, key=KEY if self.keyed else None)
        if again and self.after:
            must(folder, *self.after)
        if code in self.ends:
            ack(0)
        return code

    def prove(self, folder: Path) -> int:
        """Let the proof of this row have its say."""
        return told(folder, *(_named(folder, word) for word in self.proof), key=None if NEW_KEY in self.proof else KEY)


def _advance(begin: str, to: str, *how: str) -> Move:
    return Move(begin, ("stage", "advance", "authors", "ratings", "--to", to, *how, *POLICY))


def _retreat(begin: str, to: str) -> Move:
    return Move(begin, ("stage", "retreat", "authors", "ratings", "--to", to))


ROTATE: Final = ("keys", "rotate", "--new-key-file", NEW_KEY, "--yes")
MOVES: Final = {
    "migrate": Move("files", ("migrate",)),
    "migrate changed": Move("changed", ("migrate",), keys=("ann", "bob", "cid", "app")),
    "write at off": Move("migrated", act=write),
    "write at dualwrite": Move("dualwrite", act=write),
    "write at shadow": Move("shadow", act=write),
    "write at live": Move("live", act=write),
    "write at rampdown": Move("rampdown", act=write),
    "write at complete": Move("complete", act=write),
    "unit, files first": Move("dualwrite", act=unit),
    "unit, mixed": Move("mixed", act=unit),
    "unit, tables first": Move("live", act=unit),
    "advance to dualwrite": _advance("migrated", "dualwrite"),
    "advance to shadow": _advance("dualwrite", "shadow"),
    "advance to live": _advance("shadow", "live"),
    "advance to rampdown": _advance("live", "rampdown"),
    "advance to complete": _advance("rampdown", "complete"),
    "advance, files retired": _advance("rampdown", "complete", "--retire-files"),
    "advance, files fenced": _advance("rampdown", "complete", "--fence"),
    "retreat from complete": _retreat("complete", "rampdown"),
    "retreat, files fenced": _retreat("fenced", "rampdown"),
    "retreat from live": _retreat("owing", "shadow"),
    "rollback": Move("owing", ("rollback", "--yes")),
    "rollback, rows saved before": Move("saved before", ("rollback", "--yes")),
    "rollback, database discarded": Move("owing", ("rollback", "--yes", "--discard-database"), again=frozenset({5})),
    "rollback from complete": Move("complete, since written", ("rollback", "--yes"), keys=LATE),
    "rollback, files retired": Move("retired", ("rollback", "--yes"), keys=LATE),
    "rollback, files fenced": Move("fenced", ("rollback", "--yes"), keys=LATE),
    "rollback, files fenced, database discarded": Move(
        "fenced", ("rollback", "--yes", "--discard-database"), again=frozenset({5}), keys=LATE
    ),
    "recovery of a unit": Move("half a unit", ("mirror", "flush"), keys=("ann", "bob", "cid", "new0")),
    "recovery of a write": Move(
        "half a write", ("mirror", "flush"), keys=("ann", "bob", "cid", "new0", "new1", "new2")
    ),
    "mirror flush": Move("owing", ("mirror", "flush")),
    "repair by the file": Move("different", ("repair", "--believe", "file", "--yes")),
    "repair by the table": Move("different at live", ("repair", "--believe", "table", "--yes")),
    "quarantine requeue": Move("untwinned", ("quarantine", "requeue"), after=("mirror", "flush")),
    "validate --record": Move("changed", ("validate", "--record"), ends=frozenset({3})),
    "search build": Move("migrated", ("search", "build")),
    "schema up": Move("files", ("schema", "up")),
    "schema down": Move("migrated", ("schema", "down", "--to", "0", "--accept-loss", "--yes")),
    "schema up again": Move("no schema", ("schema", "up")),
    "backup create": Move("live", ("backup", "create")),
    "backup create, sealed": Move("live", ("backup", "create", "--archive", "--encrypt"), keyed=True),
    "backup prune": Move("backed up", ("backup", "prune", "--keep-last", "1")),
    "backup restore": Move("backed up", ("backup", "restore", KNOWN, "--yes")),
    "restore of a document": Move("backed up", ("backup", "restore", KNOWN, "--document", "authors", "--yes")),
    "restore over a broken one": Move("broken", ("backup", "restore", KNOWN, "--yes")),
    "recover from a backup": Move("broken", ("recover", "--from", "backup", "--yes")),
    "recover by salvage": Move("cut off", ("recover", "--from", "salvage", "--yes")),
    "keys seal": Move("secrets", ("keys", "seal", "--yes"), keyed=True, proof=("keys", "check")),
    "keys rotate": Move("sealed", ROTATE, keyed=True, proof=("keys", "check", "--key-file", NEW_KEY)),
    "keys rotate at live": Move("sealed at live", ROTATE, keyed=True, proof=("keys", "check", "--key-file", NEW_KEY)),
    "keys rotate, files first": Move(
        "sealed by the app", ROTATE, keyed=True, proof=("keys", "check", "--key-file", NEW_KEY)
    ),
    "scrub": Move(
        "free pages", ("scrub", "--shred", "--yes"), keyed=True, ignores=("prefs.json.bak",), ends=frozenset({0, 3})
    ),
    "scrub, copies sealed": Move("free pages", ("scrub", "--seal", "--yes"), keyed=True, ends=frozenset({0, 3})),
    "merge of a foreign edit": Move("edited", ("mirror", "flush")),
    "a contradiction": Move("contradicted", ("mirror", "flush"), ends=frozenset({7})),
    "schema baseline": Move("of somebody else", ("schema", "baseline", "2"), again=frozenset({2, 4})),
}
