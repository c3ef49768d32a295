"""What the toolkit itself remembers in the database: the site, its documents, their stages."""

from __future__ import annotations

import getpass
import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from . import __version__
from .engines.sqlite import NOW, Connection, tables, transaction
from .errors import CouldNotCheck, NeedsPerson, NotOurs
from .stages import Stage

FORMAT: Final = 4

SCHEMA: Final = """
CREATE TABLE _mm_site (
  id TEXT NOT NULL, app TEXT NOT NULL, format INTEGER NOT NULL, epoch INTEGER NOT NULL DEFAULT 1,
  created_at TEXT NOT NULL, tool_version TEXT NOT NULL, accepted_folders TEXT NOT NULL DEFAULT '[]', open_run TEXT);
CREATE TABLE _mm_migrations (
  ladder TEXT NOT NULL, number INTEGER NOT NULL, name TEXT NOT NULL, checksum TEXT NOT NULL, up TEXT NOT NULL,
  down TEXT NOT NULL, down_checksum TEXT NOT NULL, verify TEXT NOT NULL, applied_at TEXT NOT NULL,
  duration_ms INTEGER NOT NULL, tool_version TEXT NOT NULL, PRIMARY KEY (ladder, number));
CREATE TABLE _mm_stages (
  document TEXT PRIMARY KEY, stage TEXT NOT NULL);
CREATE TABLE _mm_stage_log (
  id INTEGER PRIMARY KEY, document TEXT NOT NULL, "from" TEXT NOT NULL, "to" TEXT NOT NULL, by TEXT NOT NULL,
  why TEXT NOT NULL, evidence INTEGER, at TEXT NOT NULL);
CREATE TABLE _mm_held (
  document TEXT PRIMARY KEY, by TEXT NOT NULL, why TEXT NOT NULL, at TEXT NOT NULL);
CREATE TABLE _mm_archives (
  document TEXT PRIMARY KEY, digest TEXT, backup TEXT, place TEXT NOT NULL, at TEXT NOT NULL);
CREATE TABLE _mm_reads (
  document TEXT NOT NULL, way TEXT NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (document, way));
CREATE TABLE _mm_blocked (
  document TEXT PRIMARY KEY, reason TEXT NOT NULL, at TEXT NOT NULL);
CREATE TABLE _mm_journal (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, document TEXT NOT NULL, part TEXT NOT NULL, key TEXT NOT NULL,
  op TEXT NOT NULL, base BLOB, at TEXT NOT NULL);
CREATE VIEW _mm_records AS  -- for who looks: what a file says, as last mirrored, of each record that it owes
  SELECT document, part, key, base AS digest, min(seq) AS since FROM _mm_journal GROUP BY document, part, key;
CREATE TABLE _mm_intents (
  document TEXT PRIMARY KEY, home TEXT NOT NULL, before TEXT, after TEXT NOT NULL, upto INTEGER NOT NULL,
  unit TEXT, at TEXT NOT NULL);
CREATE TABLE _mm_documents (
  document TEXT PRIMARY KEY, file TEXT NOT NULL, state TEXT NOT NULL, size INTEGER, digest TEXT, count INTEGER,
  style TEXT, envelope TEXT, skipped INTEGER NOT NULL DEFAULT 0, imported_at TEXT NOT NULL);
CREATE TABLE _mm_quarantine (
  id INTEGER PRIMARY KEY, document TEXT NOT NULL, part TEXT NOT NULL, pointer TEXT NOT NULL, name TEXT,
  position INTEGER, offset INTEGER NOT NULL, reason TEXT NOT NULL, raw NOT NULL, raw_state TEXT NOT NULL,
  at TEXT NOT NULL);
CREATE INDEX _mm_quarantine_order ON _mm_quarantine (document, part, position);
CREATE INDEX _mm_quarantine_pointer ON _mm_quarantine (document, pointer);
CREATE INDEX _mm_quarantine_name ON _mm_quarantine (document, name) WHERE name IS NOT NULL;
CREATE TABLE _mm_evidence (
  id INTEGER PRIMARY KEY, document TEXT NOT NULL, verdict TEXT NOT NULL, epoch INTEGER NOT NULL, digest TEXT,
  fingerprint TEXT NOT NULL, changes TEXT, journal INTEGER NOT NULL, run TEXT, report TEXT NOT NULL,
  found TEXT NOT NULL, seconds REAL NOT NULL, tool_version TEXT NOT NULL, at TEXT NOT NULL);
CREATE INDEX _mm_evidence_document ON _mm_evidence (document, id);
CREATE TABLE _mm_summaries (
  document TEXT NOT NULL, part TEXT NOT NULL, file BLOB NOT NULL, "table" BLOB NOT NULL,
  PRIMARY KEY (document, part));
CREATE TABLE _mm_admitted (
  document TEXT PRIMARY KEY, digest TEXT NOT NULL, fingerprint TEXT NOT NULL, survey TEXT NOT NULL,
  summaries TEXT NOT NULL);
CREATE TABLE _mm_changes (
  name TEXT PRIMARY KEY, count INTEGER NOT NULL);
CREATE TABLE _mm_slow (
  id INTEGER PRIMARY KEY, at TEXT NOT NULL, seconds REAL NOT NULL, sql TEXT NOT NULL, plan TEXT NOT NULL);
CREATE TABLE _mm_keys (
  role TEXT PRIMARY KEY, salt BLOB NOT NULL, fingerprint BLOB NOT NULL);
CREATE TABLE _mm_rotated (
  document TEXT PRIMARY KEY);
"""

_MAY_LACK: Final = "_mm_slow"  # came later, and nobody misses it
OURS: Final = [name for name in re.findall(r"CREATE TABLE (\w+)", SCHEMA) if name != _MAY_LACK]

PRESENT: Final = "present"
MISSING: Final = "missing"
DAMAGED: Final = "damaged"  # taken as far as --salvage could take it
SKIPPED: Final = "skipped"
EQUAL: Final = "equal"  # of a read that was compared
MARKS: Final = "$marker"  # in _mm_changes, where no table is called so


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of a document since it was last imported."""

    document: str
    file: str
    state: str
    size: int | None = None
    digest: str | None = None
    count: int | None = None
    style: str | None = None
    envelope: str | None = None
    skipped: int = 0  # left out by the last migration
    imported_at: str | None = None
    stage: Stage = Stage.OFF


_ENTRIES: Final = (
    "SELECT d.*, coalesce(s.stage, 'off') AS stage FROM _mm_documents d LEFT JOIN _mm_stages s USING (document)"
)


def _entry(row: Any) -> Entry:
    return Entry(**{**dict(row), "stage": Stage(row["stage"])})


class Place(StrEnum):
    """What was done with a file that is believed no more."""

    KEPT = "kept"
    RETIRED = "retired"
    FENCED = "fenced"  # a folder stands in its place


@dataclass(frozen=True, slots=True)
class Archived:
    """What was left of a file: its digest then, the backup that holds it, and what stands in its place."""

    document: str
    digest: str | None
    backup: str | None
    place: Place


class Ledger:
    """Reads and writes our own tables on an open connection."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    @staticmethod
    def is_in(connection: Connection) -> bool:
        """Tell whether a database holds our tables; raises NotOurs when it holds somebody else's only."""
        names = tables(connection)
        if names and "_mm_site" not in names:
            raise NotOurs(
                f"The database was not made by this tool: it holds {', '.join(names[:3])}.",
                "Name another file with --db.",
            )
        return bool(names)

    def found(self, app: str) -> None:
        """Make our tables, all or those that are gone. Raises NotOurs for another app's or a newer tool's."""
        if not self.is_in(self._db):
            self.make(app)
        self.check_owner(app)
        with transaction(self._db):
            self._make_tables()

    def make(self, app: str) -> None:
        """Make our tables, whatever else the database holds."""
        with transaction(self._db):
            self._make_tables()
            self._db.execute(
                f"INSERT INTO _mm_site (id, app, format, created_at, tool_version) VALUES (?, ?, ?, {NOW}, ?)",
                (str(uuid.uuid4()), app, FORMAT, __version__),
            )

    def _make_tables(self) -> None:
        for statement in filter(None, map(str.strip, SCHEMA.split(";"))):
            self._db.execute(re.sub(r"^CREATE (TABLE|INDEX|VIEW) ", r"CREATE \1 IF NOT EXISTS ", statement))

    def check(self, app: str) -> None:
        """Raise NotOurs as `check_owner` does, and CouldNotCheck if tables of ours are gone: what they said is lost."""
        self.check_owner(app)
        if gone := self.gone():
            raise CouldNotCheck(
                f"The database has lost what we noted in it: {', '.join(gone)}.",
                "See what can be had back: `mediaos-migrate recover`.",
                tables=gone,
            )

    def gone(self) -> list[str]:
        """Name the tables of ours that are not there."""
        there = set(tables(self._db))
        return [name for name in OURS if name not in there]

    def check_owner(self, app: str) -> None:
        """Raise NotOurs if the database belongs to another app or to a newer tool."""
        site = self.site()
        if site["app"] != app:
            raise NotOurs(f"The database belongs to the app `{site['app']}`.", f"Pass --app {site['app']}.")
        if site["format"] > FORMAT:
            raise NotOurs(f"The database was last used by mediaos-migrate {site['tool_version']}.", "Use that version.")
        if site["format"] < FORMAT:
            raise NotOurs("The database was made by an unreleased version.", "Export with that one, and migrate anew.")

    def site(self) -> dict[str, Any]:
        """Return the site's own row."""
        row = self._db.execute("SELECT * FROM _mm_site").fetchone()
        if row is None:
            raise NeedsPerson("The database has lost the row that says whose it is.", "Restore a backup of it.")
        return dict(row)

    def marks(self) -> int:
        """Return how often the marker beside the files was written: a count that only an older database is behind."""
        row = self._db.execute("SELECT count FROM _mm_changes WHERE name = ?", (MARKS,)).fetchone()
        return int(row[0]) if row else 0

    def mark(self, least: int = 0) -> int:
        """Count that the marker is about to be written; the new count is more than `least`."""
        with transaction(self._db):
            count = max(self.marks(), least) + 1
            self._db.execute(
                "INSERT INTO _mm_changes (name, count) VALUES (?, ?) "
                "ON CONFLICT (name) DO UPDATE SET count = excluded.count",
                (MARKS, count),
            )
        return count

    def accepted_folders(self) -> list[str]:
        """Return the other data folders that a person has said to leave aside."""
        return list(json.loads(self.site()["accepted_folders"]))

    def accept_folders(self, folders: list[str]) -> None:
        """Remember that these other data folders are to be left aside."""
        self._db.execute("UPDATE _mm_site SET accepted_folders = ?", (json.dumps(sorted(folders)),))

    def document(self, name: str) -> Entry | None:
        """Return what is known of one document."""
        return next((_entry(row) for row in self._db.execute(f"{_ENTRIES} WHERE d.document = ?", (name,))), None)

    def documents(self) -> dict[str, Entry]:
        """Return what is known of all documents."""
        return {row["document"]: _entry(row) for row in self._db.execute(_ENTRIES)}

    def put_document(self, entry: Entry) -> None:
        """Remember a document as it was just imported."""
        self._db.execute(
            "INSERT INTO _mm_documents (document, file, state, size, digest, count, style, envelope, imported_at) "
            f"VALUES (?, ?, ?, ?, ?, ?, ?, ?, {NOW}) ON CONFLICT (document) DO UPDATE SET file = excluded.file, "
            "state = excluded.state, size = excluded.size, digest = excluded.digest, count = excluded.count, "
            "style = excluded.style, envelope = excluded.envelope, imported_at = excluded.imported_at",
            (
                entry.document,
                entry.file,
                entry.state,
                entry.size,
                entry.digest,
                entry.count,
                entry.style,
                entry.envelope,
            ),
        )

    def forget(self, name: str) -> None:
        """Forget all that is known of one document: import, quarantine and evidence."""
        for table in ("_mm_documents", "_mm_quarantine", "_mm_evidence", "_mm_summaries", "_mm_admitted"):
            self._db.execute(f"DELETE FROM {table} WHERE document = ?", (name,))

    def skip(self, name: str, *, skipped: bool) -> None:
        """Remember whether the last migration left a document out that was imported before."""
        self._db.execute("UPDATE _mm_documents SET skipped = ? WHERE document = ?", (skipped, name))

    def stage(self, document: str) -> Stage:
        """Return the stage of a document, as it is in this transaction."""
        row = self._db.execute("SELECT stage FROM _mm_stages WHERE document = ?", (document,)).fetchone()
        return Stage(row[0]) if row else Stage.OFF

    def set_stage(self, document: str, stage: Stage, why: str, evidence: int | None = None) -> None:
        """Move a document to a stage, and write down who did it, when and why."""
        before = self.stage(document)
        self._db.execute(
            "INSERT INTO _mm_stages (document, stage) VALUES (?, ?) "
            "ON CONFLICT (document) DO UPDATE SET stage = excluded.stage",
            (document, stage),
        )
        self._db.execute(
            'INSERT INTO _mm_stage_log (document, "from", "to", by, why, evidence, at) '
            f"VALUES (?, ?, ?, ?, ?, ?, {NOW})",
            (document, before, stage, getpass.getuser(), why, evidence),
        )
        self._db.execute("DELETE FROM _mm_reads WHERE document = ?", (document,))

    def stage_log(self, document: str) -> list[dict[str, Any]]:
        """Return the moves of a document from stage to stage, the oldest first."""
        rows = self._db.execute(
            'SELECT "from", "to", by, why, evidence, at FROM _mm_stage_log WHERE document = ? ORDER BY id', (document,)
        )
        return [dict(row) for row in rows]

    def reads(self, document: str) -> dict[str, int]:
        """Return how many reads of a document were compared since it came to its stage: equal, and by way."""
        rows = self._db.execute("SELECT way, count FROM _mm_reads WHERE document = ? ORDER BY way", (document,))
        return dict(rows.fetchall())

    def count_reads(self, document: str, counts: Mapping[str, int]) -> None:
        """Add up compared reads: equal, and by way of difference."""
        self._db.executemany(
            "INSERT INTO _mm_reads (document, way, count) VALUES (?, ?, ?) "
            "ON CONFLICT (document, way) DO UPDATE SET count = count + excluded.count",
            [(document, way, count) for way, count in counts.items()],
        )

    def forgive_reads(self, document: str) -> None:
        """Forget the reads that differed: a whole look has found both homes equal since."""
        self._db.execute("DELETE FROM _mm_reads WHERE document = ? AND way != ?", (document, EQUAL))

    def hold(self, document: str, why: str) -> None:
        """Say that a document stays at its stage until a person lets it go."""
        row = (document, getpass.getuser(), why)
        self._db.execute(f"INSERT OR REPLACE INTO _mm_held (document, by, why, at) VALUES (?, ?, ?, {NOW})", row)

    def let_go(self, document: str) -> None:
        """Say that a document may move again."""
        self._db.execute("DELETE FROM _mm_held WHERE document = ?", (document,))

    def on_hold(self) -> dict[str, str]:
        """Return who holds documents at their stages, since when and why."""
        rows = self._db.execute("SELECT document, by, why, at FROM _mm_held")
        return {name: f"{by} holds it since {at}" + (f": {why}" if why else "") for name, by, why, at in rows}

    def archive(self, item: Archived) -> None:
        """Note what was left of a file that is believed no more."""
        row = (item.document, item.digest, item.backup, item.place)
        self._db.execute(f"INSERT OR REPLACE INTO _mm_archives VALUES (?, ?, ?, ?, {NOW})", row)

    def archived(self, document: str) -> Archived | None:
        """Return what was left of a file that is believed no more."""
        sql = "SELECT document, digest, backup, place FROM _mm_archives WHERE document = ?"
        row = self._db.execute(sql, (document,)).fetchone()
        return Archived(row[0], row[1], row[2], Place(row[3])) if row else None

    def block(self, document: str, reason: str) -> None:
        """Say that a person must settle something before a document's homes are brought together again."""
        self._db.execute(f"INSERT OR REPLACE INTO _mm_blocked VALUES (?, ?, {NOW})", (document, reason))

    def unblock(self, document: str) -> None:
        """Say that it is settled."""
        self._db.execute("DELETE FROM _mm_blocked WHERE document = ?", (document,))

    def blocked(self) -> dict[str, str]:
        """Return why documents are blocked."""
        return dict(self._db.execute("SELECT document, reason FROM _mm_blocked").fetchall())

    def stages(self) -> dict[str, Stage]:
        """Return the stage of each document that has left the first one."""
        return {row["document"]: Stage(row["stage"]) for row in self._db.execute("SELECT * FROM _mm_stages")}
