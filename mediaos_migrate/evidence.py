"""What was proved, when and of what: verdicts bound to the state of both homes, and what shortens the next look."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from .engines.sqlite import Connection, transaction
from .ledger import NOW

CLEAN: Final = "clean"
DIFFERS: Final = "differs"
UNVERIFIABLE: Final = "unverifiable"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a deep look at a document found, and all that it was true of.

    `digest` is the file's (None: it is missing), `changes` how often each of its tables had been changed,
    `fingerprint` the schema, mapping and tool, `epoch` the site's.
    """

    document: str
    verdict: str
    digest: str | None
    fingerprint: str
    changes: dict[str, int] | None
    report: dict[str, Any] = field(default_factory=dict)
    run: str | None = None
    epoch: int = 0
    at: str = ""

    def holds(self, digest: str | None, fingerprint: str, changes: dict[str, int] | None, epoch: int) -> bool:
        """Tell whether nothing that it was true of has changed since."""
        now = (digest, fingerprint, changes, epoch)
        return changes is not None and now == (self.digest, self.fingerprint, self.changes, self.epoch)


@dataclass(frozen=True, slots=True)
class Admitted:
    """What a full look at a file found, so that the same bytes need not be looked at again."""

    document: str
    digest: str
    fingerprint: str
    survey: dict[str, Any]
    summaries: dict[str, bytes]  # of the file, by part


class Evidence:
    """Reads and writes verdicts on an open connection."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def epoch(self) -> int:
        """Return the number of the present epoch: evidence of an earlier one counts no more."""
        return int(self._db.execute("SELECT epoch FROM _mm_site").fetchone()[0])

    def new_epoch(self) -> None:
        """Begin a new epoch: all that was proved before counts no more."""
        self._db.execute("UPDATE _mm_site SET epoch = epoch + 1")

    def last(self) -> dict[str, Verdict]:
        """Return the last verdict on each document."""
        rows = self._db.execute(
            "SELECT document, verdict, digest, fingerprint, changes, report, run, epoch, at FROM _mm_evidence "
            "WHERE id IN (SELECT max(id) FROM _mm_evidence GROUP BY document)"
        )
        return {row["document"]: _verdict(dict(row)) for row in rows}

    def last_number(self, document: str) -> int:
        """Return the number of the last verdict on a document."""
        row = self._db.execute("SELECT max(id) FROM _mm_evidence WHERE document = ?", (document,)).fetchone()
        return int(row[0] or 0)

    def trend(self, document: str, last: int = 30) -> list[Verdict]:
        """Return the last verdicts on a document, the oldest first."""
        rows = self._db.execute(
            "SELECT document, verdict, digest, fingerprint, changes, report, run, epoch, at FROM _mm_evidence "
            "WHERE document = ? ORDER BY id DESC LIMIT ?",
            (document, last),
        ).fetchall()
        return [_verdict(dict(row)) for row in reversed(rows)]

    def record(self, verdict: Verdict, summaries: dict[str, tuple[bytes, bytes]]) -> None:
        """Keep a verdict, bound to the present epoch, with the summaries of both homes by part; all or nothing."""
        with transaction(self._db):
            changes = None if verdict.changes is None else json.dumps(verdict.changes)
            self._db.execute(
                "INSERT INTO _mm_evidence (document, verdict, epoch, digest, fingerprint, changes, run, report, at) "
                f"SELECT ?, ?, epoch, ?, ?, ?, ?, ?, {NOW} FROM _mm_site",
                (
                    verdict.document,
                    verdict.verdict,
                    verdict.digest,
                    verdict.fingerprint,
                    changes,
                    verdict.run,
                    json.dumps(verdict.report),
                ),
            )
            self._db.execute("DELETE FROM _mm_summaries WHERE document = ?", (verdict.document,))
            self._db.executemany(
                "INSERT INTO _mm_summaries VALUES (?, ?, ?, ?)",
                [(verdict.document, part, *both) for part, both in summaries.items()],
            )

    def summaries(self, document: str) -> dict[str, tuple[bytes, bytes]]:
        """Return the summaries of file and table as the last verdict found them, by part."""
        rows = self._db.execute('SELECT part, file, "table" FROM _mm_summaries WHERE document = ?', (document,))
        return {part: (file, table) for part, file, table in rows}

    def admit(self, found: Admitted) -> None:
        """Remember what a full look at a file found."""
        self._db.execute(
            "INSERT OR REPLACE INTO _mm_admitted (document, digest, fingerprint, survey, summaries) "
            "VALUES (?, ?, ?, ?, ?)",
            (found.document, found.digest, found.fingerprint, json.dumps(found.survey), _packed(found.summaries)),
        )

    def admitted(self) -> dict[str, Admitted]:
        """Return what the last full look at each file found."""
        rows = self._db.execute("SELECT document, digest, fingerprint, survey, summaries FROM _mm_admitted")
        found = {}
        for row in rows:
            with suppress(ValueError, TypeError, AttributeError):  # what cannot be read is not remembered
                found[row[0]] = Admitted(row[0], row[1], row[2], json.loads(row[3]), _unpacked(row[4]))
        return found

    def open_run(self) -> str | None:
        """Return the recorded run that was begun and not ended, if there is one."""
        found: str | None = self._db.execute("SELECT open_run FROM _mm_site").fetchone()[0]
        return found

    def set_run(self, run: str | None) -> None:
        """Note that a recorded run begins, or (None) that it has ended."""
        self._db.execute("UPDATE _mm_site SET open_run = ?", (run,))


def _verdict(row: dict[str, Any]) -> Verdict:
    changes = None if row["changes"] is None else json.loads(row["changes"])
    return Verdict(**{**row, "changes": changes, "report": json.loads(row["report"])})


def _packed(summaries: dict[str, bytes]) -> str:
    return json.dumps({part: b64encode(data).decode() for part, data in summaries.items()})


def _unpacked(text: str) -> dict[str, bytes]:
    return {part: b64decode(data) for part, data in json.loads(text).items()}
