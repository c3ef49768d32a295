"""Records that could not become rows: kept in the database with their raw text, and what was wrong with them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .engines.sqlite import NOW, Connection
from .values import loads, quoted


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A record that could not be a row: where it stood, why, and its raw text."""

    id: int
    document: str
    part: str
    pointer: str
    name: str | None
    position: int | None
    offset: int
    reason: str
    raw: str | bytes = ""
    raw_state: str = "plain"


class Quarantine:
    """Reads and writes the quarantine of an open database."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def clear(self, document: str) -> None:
        """Forget a document's quarantined records, because they are about to be read again."""
        self._db.execute("DELETE FROM _mm_quarantine WHERE document = ?", (document,))

    def keep(self, item: Quarantined) -> None:
        """Keep a record that cannot be a row."""
        self._db.execute(
            "INSERT INTO _mm_quarantine (document, part, pointer, name, position, offset, reason, raw, raw_state, at) "
            f"VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, {NOW})",
            (
                item.document,
                item.part,
                item.pointer,
                None if item.name is None else quoted(item.name),
                item.position,
                item.offset,
                item.reason,
                item.raw,
                item.raw_state,
            ),
        )

    def hold_anew(self, number: int, raw: str, raw_state: str) -> None:
        """Keep a quarantined record's text in another form."""
        self._db.execute("UPDATE _mm_quarantine SET raw = ?, raw_state = ? WHERE id = ?", (raw, raw_state, number))

    def release(self, number: int) -> None:
        """Let a record out of quarantine: it has become a row."""
        self._db.execute("DELETE FROM _mm_quarantine WHERE id = ?", (number,))

    def relocate(self, number: int, pointer: str, offset: int) -> None:
        """Note where a quarantined record stands in a file that was written anew."""
        self._db.execute("UPDATE _mm_quarantine SET pointer = ?, offset = ? WHERE id = ?", (pointer, offset, number))

    def items(self, document: str | None = None, part: str | None = None) -> Iterator[Quarantined]:
        """Walk through the quarantine in the order of the files."""
        rows = self._db.execute(
            "SELECT id, document, part, pointer, name, position, offset, reason, raw, raw_state FROM _mm_quarantine "
            "WHERE (?1 IS NULL OR document = ?1) AND (?2 IS NULL OR part = ?2) "
            "ORDER BY document, part, position IS NULL, position, id",
            (document, part),
        )
        for row in rows:
            place = row["position"] if isinstance(row["position"], int) else None
            yield Quarantined(**{**dict(row), "name": _name(row["name"]), "position": place})

    def counts(self) -> dict[str, int]:
        """Count the quarantined records of each document that has any."""
        rows = self._db.execute("SELECT document, count(*) FROM _mm_quarantine GROUP BY document")
        return {document: int(count) for document, count in rows}

    def position_at(self, document: str, pointer: str) -> int | None:
        """Return the position of the quarantined record that stood at a place in its file."""
        return self._position(document, "pointer = ?", pointer)

    def position_of(self, document: str, name: str) -> int | None:
        """Return the position of the quarantined record that had a name in its map."""
        return self._position(document, "name = ?", quoted(name))

    def _position(self, document: str, where: str, what: str) -> int | None:
        sql = f"SELECT coalesce(position, 0) FROM _mm_quarantine WHERE document = ? AND {where} ORDER BY id DESC"
        row = self._db.execute(sql, (document, what)).fetchone()
        return None if row is None else int(row[0])


def _name(text: str | None) -> str | None:
    """Read a quarantined record's name in its map; what a foreign hand spoiled is taken as it stands."""
    try:
        found = None if text is None else loads(text)
    except ValueError:
        found = text
    return None if found is None else str(found)
