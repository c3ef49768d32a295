"""A document's file as a home of records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ..digest import Hashes
from ..documents.layout import Layout
from ..documents.reader import Reading, Rest, value_in, values_at
from ..mapping import Mapper, NoKey
from ..pack import Document, Part
from ..record import Record
from ..secrets import Vault
from ..shapes import Element, Piece, Role, Shape, apart
from ..values import dumps

RECORDS = "records"
SIBLINGS = "siblings"
NAME = "$name"


class Envelope(NamedTuple):
    """What no record carries: sibling members, where the container stands, empty lists."""

    before: dict[str, Any]
    after: dict[str, Any]
    at: int | None  # how many members stand before the container; None: it is not there
    empty: list[tuple[int, str]]  # empty lists in a map of lists: which entry, and its name

    @property
    def text(self) -> str:
        """Spell it as JSON that keeps every token."""
        empty = [list(item) for item in self.empty]
        return dumps({"before": self.before, "after": self.after, "at": self.at, "empty": empty})


class FileStore:
    """Reads the records of one document from its file, in order, with bounded memory.

    `twins` are hashes of keys that occur more than once (from a first pass): of those only the first is
    a record with that key. After a pass, `envelope`, `reading` (digest, size, rest) and the `names` of a map's
    entries, to find twins among them, are known.
    """

    def __init__(
        self,
        path: Path,
        document: Document,
        vault: Vault,
        twins: frozenset[int] = frozenset(),
        *,
        salvage: bool = False,
    ) -> None:
        self.path, self.document, self._vault, self._twins, self._salvage = (
            path,
            document,
            vault,
            twins,
            salvage,
        )
        self._mappers = {RECORDS: Mapper(document, document.records)}
        if document.siblings:
            self._mappers[SIBLINGS] = Mapper(document, document.siblings)
        self._hiding = {name: bool(mapper.part.hidden) for name, mapper in self._mappers.items()}
        self.reading = Reading(path, document, salvage=salvage)
        self.envelope = Envelope({}, {}, None, [])
        self.names = Hashes()

    def part(self, name: str) -> Part:
        """Return a part of the document by its name."""
        return self._mappers[name].part

    def all(self) -> Iterator[tuple[str, Record]]:
        """Walk through all records with the name of their part, in the order of the file."""
        self.reading = Reading(self.path, self.document, salvage=self._salvage)
        self.envelope = Envelope({}, {}, None, [])
        self.names = Hashes()
        seen: set[tuple[str, ...]] = set()
        members = index = position = 0
        for piece in self.reading:
            if piece.role is Role.SIBLING:
                yield from self._sibling(piece, members, seen)
                members += 1
            elif piece.role is Role.OPEN and piece.name is not None:
                self.envelope = self.envelope._replace(at=members)
                members += 1
            elif piece.role is Role.ENTRY and not self._is_second(piece, seen):
                if piece.name is not None:
                    self.names.add((NAME, piece.name))
                for record in self._entry(piece, index, position):
                    position += 1
                    yield RECORDS, self._unique(RECORDS, record, seen) if self._twins else record
                index += 1

    def at(self, places: Iterable[int]) -> Iterator[Record]:
        """Read the records of a list that begin at these bytes; where in the list they stand is not known."""
        for value, start in values_at(self.path, places):
            piece = Piece(Role.ENTRY, None, value, start, start, start)
            yield self._record(RECORDS, Element(None, value, ""), piece, 0)

    def find(self, layout: Layout, keys: Iterable[tuple[str, ...]]) -> Iterator[Record]:
        """Read the records with these keys where a layout of this very file says that they lie."""
        for key, place in layout.places(keys).items():
            name = key[0] if self.document.shape is Shape.MAP else None
            start, stop = layout.starts[place], layout.stops[place]
            value = value_in(self.path, start, stop)
            piece = Piece(Role.ENTRY, name, value, start, start, stop)
            record = self._record(RECORDS, Element(name, value, ""), piece, place)
            if record.key == key:
                yield record

    def layout(self) -> Layout | None:
        """Find out where each record of the file lies; None where some are no records, or keys stand for several."""
        if self.document.shape not in (Shape.LIST, Shape.MAP):
            return None
        found, keys = Layout(), Hashes()
        for part, record in self.all():
            if record.unfit:
                return None
            if part == RECORDS:
                keys.add(record.key)
                found.add(record.key, record.start, record.stop)
        found.digest = self.reading.digest
        return None if keys.twins() else found

    @property
    def rest(self) -> list[Rest]:
        """What salvage could not take, known after a pass."""
        return self.reading.rest

    def _is_second(self, piece: Piece, seen: set[tuple[str, ...]]) -> bool:
        """Leave a name's second entry to the rest: only salvage comes here with such a map."""
        if piece.name is None or not self._salvage or hash((NAME, piece.name)) not in self._twins:
            return False
        if (NAME, piece.name) not in seen:
            seen.add((NAME, piece.name))
            return False
        self.reading.rest.append(Rest(piece.head, piece.stop, "duplicate", f"{piece.name!a} a second time"))
        return True

    def _sibling(self, piece: Piece, position: int, seen: set[tuple[str, ...]]) -> Iterator[tuple[str, Record]]:
        if SIBLINGS in self._mappers:
            element = Element(piece.name, piece.value, (piece.name,))
            yield SIBLINGS, self._unique(SIBLINGS, self._record(SIBLINGS, element, piece, position), seen)
        else:
            side = self.envelope.before if self.envelope.at is None else self.envelope.after
            side[piece.name or ""] = piece.value

    def _entry(self, piece: Piece, index: int, position: int) -> Iterator[Record]:
        if self.document.shape is Shape.LISTS and piece.value == []:
            self.envelope.empty.append((index, piece.name or ""))
        for element in apart(self.document.shape, piece, self.document.under, index):
            yield self._record(RECORDS, element, piece, position)
            position += 1

    def _record(self, part: str, element: Element, piece: Piece, position: int) -> Record:
        mapper = self._mappers[part]
        key: tuple[str, ...] = ()
        unfit = element.unfit
        if not unfit:
            try:
                key = mapper.key_of(element.name, element.value)
            except NoKey as error:
                unfit = str(error)
        if self._hiding[part]:
            element = element._replace(value=self._vault.hide(mapper.part, element.value))
        return Record(key, element.value, element, position, piece.start, piece.stop, unfit)

    def _unique(self, part: str, record: Record, seen: set[tuple[str, ...]]) -> Record:
        if record.unfit or not self._twins or hash((part, *record.key)) not in self._twins:
            return record
        if (part, *record.key) not in seen:
            seen.add((part, *record.key))
            return record
        unfit = f"another record has the key {' / '.join(record.key)!a}"
        return record._replace(unfit=unfit)
