"""What one home still owes the other: a debt for each change, and the intent of the one rewrite under way."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from json.encoder import encode_basestring_ascii
from typing import NamedTuple

from .engines.sqlite import NOW, Connection, insert_many
from .report import Key


@dataclass(frozen=True, slots=True)
class Intent:
    """A file that is about to be replaced: by whose will (`file` or `table`), its digests, and the debts it pays.

    By the file's will `upto` counts the changes that its table lacks as long as the intent is open. `unit` names the
    unit of work that writes more than this file: what is noted of it is done as a whole.
    """

    document: str
    home: str
    before: str | None
    after: str
    upto: int
    unit: str | None = None
    at: str = ""


class Debt(NamedTuple):
    """A change that a file lacks: of which record, `put` or `remove`, and the digest of what it was before."""

    key: Key
    op: str
    base: bytes | None = None


@dataclass(frozen=True, slots=True)
class Owed:
    """A record that a file does not have as it is now; `removed`: it was gone at least for a while."""

    part: str
    key: Key
    removed: bool


@dataclass(frozen=True, slots=True)
class Debts:
    """How many changes one home of a document lacks, and since when."""

    count: int = 0
    oldest: str | None = None


class Journal:
    """Reads and writes debts and intents on an open connection, inside the caller's transaction."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def owe(self, document: str, part: str, changes: Iterable[Debt]) -> None:
        """Note changes that the table has and the file has not."""
        at = self._db.execute(f"SELECT {NOW}").fetchone()[0]
        insert_many(
            self._db,
            "INSERT INTO _mm_journal (document, part, key, op, base, at) VALUES",
            [(document, part, _spelled(key), op, base, at) for key, op, base in changes],
        )

    def bases(self, document: str) -> dict[tuple[str, Key], bytes | None]:
        """Return what the file says, as last mirrored, of each record that the table has changed since.

        By part and key, as a digest; None: it has no such record. It is the base of a three-way merge.
        """
        rows = self._db.execute(
            # SQLite takes the base from the row with the least number.
            "SELECT part, key, base, min(seq) FROM _mm_journal WHERE document = ? GROUP BY part, key",
            (document,),
        )
        return {(part, tuple(json.loads(key))): base for part, key, base, _ in rows}

    def owed(self, document: str, upto: int) -> list[Owed]:
        """Return the records that a document's file lacks as they are now, each once."""
        rows = self._db.execute(
            "SELECT part, key, max(op = 'remove') FROM _mm_journal WHERE document = ? AND seq <= ? "
            "GROUP BY part, key ORDER BY min(seq)",
            (document, upto),
        )
        return [Owed(part, tuple(json.loads(key)), bool(removed)) for part, key, removed in rows]

    def position(self) -> int:
        """Return the number of the last debt that was ever noted, of whichever document."""
        row = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = '_mm_journal'").fetchone()
        return int(row[0]) if row else 0

    def upto(self, document: str) -> int:
        """Return the number of the last debt of a document, 0 when it has none."""
        row = self._db.execute("SELECT max(seq) FROM _mm_journal WHERE document = ?", (document,)).fetchone()
        return int(row[0] or 0)

    def debts(self) -> dict[str, Debts]:
        """Count what files owe their tables, by document."""
        rows = self._db.execute("SELECT document, count(*), min(at) FROM _mm_journal GROUP BY document")
        return {document: Debts(count, oldest) for document, count, oldest in rows}

    def behind(self) -> dict[str, Debts]:
        """Count what tables owe their files, by document: an intent that is open stands for its changes."""
        rows = self._db.execute("SELECT document, max(upto, 1), at FROM _mm_intents WHERE home = 'file'")
        return {document: Debts(count, at) for document, count, at in rows}

    def owing(self) -> dict[str, Debts]:
        """Count what either home owes the other, by document."""
        return self.debts() | self.behind()

    def pay(self, document: str, upto: int) -> None:
        """Strike out the debts of a document up to a number."""
        self._db.execute("DELETE FROM _mm_journal WHERE document = ? AND seq <= ?", (document, upto))

    def intend(self, intent: Intent) -> None:
        """Write down that a file is about to be replaced; one that is still open was never followed, and is counted."""
        self._db.execute(
            "INSERT INTO _mm_intents (document, home, before, after, upto, unit, at) "
            f"VALUES (?, ?, ?, ?, ?, ?, {NOW}) ON CONFLICT (document) DO UPDATE SET home = excluded.home, "
            "before = excluded.before, after = excluded.after, upto = upto + excluded.upto, unit = excluded.unit",
            (intent.document, intent.home, intent.before, intent.after, intent.upto, intent.unit),
        )

    def intents(self) -> dict[str, Intent]:
        """Return the open intents, by document."""
        return {row["document"]: Intent(**dict(row)) for row in self._db.execute("SELECT * FROM _mm_intents")}

    def units(self) -> dict[str, list[str]]:
        """Return the documents of each unit of work that was not ended."""
        found: dict[str, list[str]] = {}
        for unit, document in self._db.execute(
            "SELECT unit, document FROM _mm_intents WHERE unit IS NOT NULL ORDER BY document"
        ):
            found.setdefault(unit, []).append(document)
        return found

    def close(self, document: str) -> None:
        """Close the intent of a document."""
        self._db.execute("DELETE FROM _mm_intents WHERE document = ?", (document,))


def _spelled(key: Key) -> str:
    """Spell a key as `json.dumps` does, several times as fast."""
    return f"[{', '.join(map(encode_basestring_ascii, key))}]"
