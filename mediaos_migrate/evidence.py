"""What was proved, when and of what: verdicts bound to the state of both homes, and what shortens the next look."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from contextlib import suppress
from dataclasses import dataclass, field, fields
from typing import Any, Final

from . import __version__
from .engines.sqlite import NOW, Connection, transaction

CLEAN: Final = "clean"
DIFFERS: Final = "differs"
UNVERIFIABLE: Final = "unverifiable"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a deep look at a document found, and all that it was true of.

    `digest` is the file's (None: it is missing), `changes` how often each of its tables had been changed,
    `journal` the number of the last debt, `fingerprint` the schema, mapping and tool, `epoch` the site's.
    `report` counts what was found, `found` names it, without a value; `seconds` is how long the look took.
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
    journal: int = 0
    seconds: float = 0.0
    found: list[dict[str, Any]] = field(default_factory=list)
    tool_version: str = __version__
    id: int = 0

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


_COLUMNS: Final = ", ".join(each.name for each in fields(Verdict))
_KEPT: Final = [each.name for each in fields(Verdict) if each.name not in ("id", "epoch", "at")]


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
        """Return the verdict that stands on each document: the last one, but a failed one until a clean one follows.

        A look that could not see everything clears nothing, and with a new epoch all begins anew.
        """
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM _mm_evidence WHERE id IN ("
            "SELECT CASE WHEN failed > coalesce(clean, 0) THEN failed ELSE last END FROM ("
            "SELECT max(id) AS last, max(id) FILTER (WHERE verdict = ?1 AND epoch = now) AS clean, "
            "max(id) FILTER (WHERE verdict = ?2 AND epoch = now) AS failed "
            "FROM _mm_evidence, (SELECT epoch AS now FROM _mm_site) GROUP BY document))",
            (CLEAN, DIFFERS),
        )
        return {row["document"]: _verdict(dict(row)) for row in rows}

    def last_number(self, document: str) -> int:
        """Return the number of the last verdict on a document."""
        row = self._db.execute("SELECT max(id) FROM _mm_evidence WHERE document = ?", (document,)).fetchone()
        return int(row[0] or 0)

    def trend(self, document: str, last: int = 30) -> list[Verdict]:
        """Return the last verdicts on a document, the oldest first."""
        sql = f"SELECT {_COLUMNS} FROM _mm_evidence WHERE document = ? ORDER BY id DESC LIMIT ?"
        return [_verdict(dict(row)) for row in reversed(self._db.execute(sql, (document, last)).fetchall())]

    def clean_since(self, document: str, at: str) -> int:
        """Count the clean verdicts on a document in the present epoch since a time."""
        sql = "SELECT count(*) FROM _mm_evidence, _mm_site WHERE document = ? AND verdict = ? AND at >= ? "
        row = self._db.execute(f"{sql} AND _mm_evidence.epoch = _mm_site.epoch", (document, CLEAN, at)).fetchone()
        return int(row[0])

    def verdict(self, number: int) -> Verdict | None:
        """Return a verdict by its number."""
        row = self._db.execute(f"SELECT {_COLUMNS} FROM _mm_evidence WHERE id = ?", (number,)).fetchone()
        return _verdict(dict(row)) if row else None

    def record(self, verdict: Verdict, summaries: dict[str, tuple[bytes, bytes]]) -> None:
        """Keep a verdict, bound to the present epoch, with the summaries of both homes by part; all or nothing."""
        row = {name: getattr(verdict, name) for name in _KEPT}
        row |= {name: json.dumps(row[name]) for name in ("report", "found")}
        row["changes"] = None if verdict.changes is None else json.dumps(verdict.changes)
        with transaction(self._db):
            self._db.execute(
                f"INSERT INTO _mm_evidence ({', '.join(_KEPT)}, epoch, at) "
                f"SELECT {', '.join(f':{name}' for name in _KEPT)}, epoch, {NOW} FROM _mm_site",
                row,
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
    told = {name: _noted(row[name], kind) for name, kind in {"changes": dict, "report": dict, "found": list}.items()}
    return Verdict(**row | told | {"report": told["report"] or {}, "found": told["found"] or []})


def _noted(text: Any, kind: type) -> Any:
    """Read what was noted; None for what a foreign hand spoiled."""
    with suppress(ValueError, TypeError):
        found = json.loads(text)
        return found if isinstance(found, kind) else None
    return None


def _packed(summaries: dict[str, bytes]) -> str:
    return json.dumps({part: b64encode(data).decode() for part, data in summaries.items()})


def _unpacked(text: str) -> dict[str, bytes]:
    return {part: b64decode(data) for part, data in json.loads(text).items()}
