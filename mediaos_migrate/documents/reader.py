"""Reading a document piece by piece, each with the bytes it came from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ..files import Hashing
from ..pack import Document
from ..shapes import Piece, Role, Shape
from ..values import SCAN, loads
from .damage import damaged
from .faults import Fault, twice
from .scanner import Cursor

PAGE: Final = 2**12
PART: Final = 2**20  # what salvage leaves over is kept in parts of so many bytes
VALUES: Final = frozenset('{["-0123456789tfn')  # how a value may begin


@dataclass(frozen=True, slots=True)
class Rest:
    """Bytes of a damaged file that salvage could not take: [start, stop), and why."""

    start: int
    stop: int
    kind: str
    reason: str


class Reading:
    """One pass over a document's file; after the last piece it knows the digest, and what was left over.

    With `salvage`, what can be taken of a damaged file is (complete leading entries, the first JSON value,
    what follows a byte order mark), and `rest` lists the bytes that were not: all but white space, commas,
    brackets and the names of what was taken. Raises `Damaged`, with salvage if there is nothing to take.
    """

    def __init__(self, path: Path, document: Document, *, salvage: bool = False) -> None:
        self.path, self.document, self.salvage = path, document, salvage
        self.rest: list[Rest] = []
        self.digest, self.size = "", 0
        self.contained = False  # whether the container was found, so that there may be something to take
        self._begun: int | None = None  # where the present entry begins, while it is incomplete

    def __iter__(self) -> Iterator[Piece]:
        self.rest, self._begun = [], None
        with self.path.open("rb") as stream:
            hashing = Hashing(stream)
            cursor = Cursor(hashing, tolerant=self.salvage)
            try:
                yield from self._document(cursor)
            except Fault as fault:
                if not self.salvage or not self.contained:
                    way_out = self.contained and not self.salvage
                    raise damaged(self.path, self.document, fault, salvage=way_out) from None
                self._leave(cursor, fault)
            hashing.drain()
            self.digest, self.size = hashing.digest, hashing.size
        self.rest = [part for rest in self.rest for part in _in_parts(rest, self.size)]

    def check(self) -> None:
        """Read to the end for the sake of the checks, the digest and the size."""
        for _ in self:
            pass

    def _leave(self, cursor: Cursor, fault: Fault) -> None:
        """Leave everything to the rest from the incomplete entry on."""
        start = cursor.offset if self._begun is None else self._begun
        self.rest.append(Rest(start, -1, fault.kind, fault.found))

    def _document(self, cursor: Cursor) -> Iterator[Piece]:
        if not cursor.peek():
            raise Fault("empty", 0, "nothing but white space")
        if self.document.shape is Shape.ONE:
            value, start, stop = cursor.value(0)
            if fault := _spoilt(cursor):
                raise fault
            self.contained = True
            yield Piece(Role.ENTRY, None, value, start, start, stop)
        else:
            yield from self._root(cursor)
        cursor.end()

    def _root(self, cursor: Cursor) -> Iterator[Piece]:
        found, under = cursor.peek(), self.document.under
        if found != "{" and found in VALUES:
            raise Fault("wrong-container", cursor.offset, f"{found!a} where an object belongs")
        self.contained = found == "{" and (under is None or self.document.optional)
        yield Piece(Role.OPEN, None, None, cursor.offset, cursor.offset, cursor.offset + 1)
        yield from self._members(cursor, under)
        if not self.contained:
            raise Fault("wrong-container", 0, f"no member `{under}`")
        yield Piece(Role.CLOSE, None, None, cursor.offset - 1, cursor.offset - 1, cursor.offset)

    def _members(self, cursor: Cursor, under: str | None) -> Iterator[Piece]:
        """Walk through the root object; `under` names the member that is the container."""
        role = Role.ENTRY if under is None else Role.SIBLING
        names: set[str] = set()  # of siblings only: a map may have a million, and is checked with less memory
        going = cursor.opens("{")
        while going:
            cursor.peek()
            self._begun = cursor.offset
            name, head = cursor.name()
            fault = _spoilt(cursor) or (twice(name, head) if name in names else None)
            if under is not None:
                names.add(name)
            if name == under and not fault:
                yield from self._list(cursor, name, head)
            elif entry := self._entry(cursor, 1, head, fault):
                yield Piece(role, name, entry[0], head, entry[1], entry[2])
            going = cursor.continues("{")

    def _list(self, cursor: Cursor, name: str, head: int) -> Iterator[Piece]:
        found = cursor.peek()
        if found != "[" and found in VALUES:
            self.contained = False
            raise Fault("wrong-container", cursor.offset, f"no list under `{name}`")
        start, going = cursor.offset, cursor.opens("[")
        self.contained, self._begun = True, None
        yield Piece(Role.OPEN, name, None, head, start, start + 1)
        while going:
            for value, first, stop in cursor.several(2) or self._next(cursor):
                yield Piece(Role.ENTRY, None, value, first, first, stop)
            going = cursor.continues("[")
        yield Piece(Role.CLOSE, name, None, cursor.offset - 1, cursor.offset - 1, cursor.offset)

    def _next(self, cursor: Cursor) -> list[tuple[Any, int, int]]:
        """Read the next value of a list; none if there is a fault that salvage can step over."""
        cursor.peek()
        entry = self._entry(cursor, 2, cursor.offset)
        return [entry] if entry else []

    def _entry(self, cursor: Cursor, depth: int, head: int, fault: Fault | None = None) -> tuple[Any, int, int] | None:
        """Read a value with its byte range; None if there is a fault that salvage can step over."""
        if fault and not self.salvage:
            raise fault
        self._begun = head
        entry = None
        try:
            entry = cursor.value(depth)
            fault = fault or _spoilt(cursor)
        except Fault as found:
            if found.end is None:
                raise
            cursor.skip()
            fault = fault or found
        self._begun = None
        if not fault:
            return entry
        self.rest.append(Rest(head, cursor.offset, fault.kind, fault.found))
        return None


def _in_parts(rest: Rest, size: int) -> Iterator[Rest]:
    """Cut what was left over into parts that fit into memory; a stop below 0 is the end of the file."""
    stop = rest.stop if rest.stop >= 0 else size
    for start in range(rest.start, max(stop, rest.start + 1), PART):
        yield Rest(start, min(start + PART, stop), rest.kind, rest.reason)


def _spoilt(cursor: Cursor) -> Fault | None:
    """Say that the last value or name holds bytes that are not UTF-8, which only salvage gets to see."""
    return None if cursor.spoilt is None else Fault("not-utf8", cursor.spoilt, "bytes that are not UTF-8")


def part_of(path: Path, start: int, stop: int) -> bytes:
    """Return some bytes of a file."""
    with path.open("rb") as stream:
        stream.seek(start)
        return stream.read(stop - start)


def lead(path: Path, document: Document) -> bytes:
    """Return what stands in front of the first entry, behind the bracket of its container."""
    opened = 0
    for piece in Reading(path, document):
        if piece.role is Role.ENTRY:
            return part_of(path, opened, piece.head)
        opened = piece.stop
    return b""


def value_in(path: Path, start: int, stop: int) -> Any:
    """Read the object that fills these bytes; None where they hold none: the file is another one by now."""
    with suppress(ValueError):
        return loads(part_of(path, start, stop).decode())
    return None


def values_at(path: Path, places: Iterable[int]) -> Iterator[tuple[Any, int]]:
    """Read the objects that begin at these bytes of a file that was found to be whole, each with its place."""
    with path.open("rb") as stream:
        for place in places:
            stream.seek(place)
            data, more = b"", True
            while more:
                more = bool(found := stream.read(PAGE))
                data += found
                with suppress(StopIteration, ValueError):
                    yield SCAN(data.decode("utf-8", "ignore"), 0)[0], place  # it may end inside a character
                    more = False


def refuse_twins(path: Path, document: Document, twins: frozenset[int]) -> None:
    """Raise `Damaged` if one of these hashes, of ("$name", name), is of a name that a map really has twice."""
    seen: set[str] = set()
    for piece in Reading(path, document):
        if piece.name is None or piece.role is not Role.ENTRY or hash(("$name", piece.name)) not in twins:
            continue
        if piece.name in seen:
            raise damaged(path, document, twice(piece.name, piece.head), salvage=True)
        seen.add(piece.name)
