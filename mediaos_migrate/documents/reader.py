"""Reading a document piece by piece, each with the bytes it came from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..files import Hashing
from ..pack import Document
from ..shapes import Piece, Role, Shape
from .damage import damaged
from .scanner import Cursor, Fault


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
    what follows a byte order mark), and `rest` lists the bytes that were not. Raises `Damaged`.
    """

    def __init__(self, path: Path, document: Document, *, salvage: bool = False) -> None:
        self.path, self.document, self.salvage = path, document, salvage
        self.rest: list[Rest] = []
        self.digest, self.size = "", 0
        self.contained = False  # whether the container was there at all

    def __iter__(self) -> Iterator[Piece]:
        with self.path.open("rb") as stream:
            hashing = Hashing(stream)
            cursor = Cursor(hashing, tolerant=self.salvage)
            try:
                yield from self._document(cursor)
            except Fault as fault:
                if not self.salvage or not self.contained or not self._leave(cursor, fault):
                    raise damaged(self.path, self.document, fault) from None
            hashing.drain()
            self.digest, self.size = hashing.digest, hashing.size
        self.rest = [Rest(r.start, r.stop if r.stop >= 0 else self.size, r.kind, r.reason) for r in self.rest]

    def check(self) -> None:
        """Read to the end for the sake of the checks, the digest and the size."""
        for _ in self:
            pass

    def _leave(self, cursor: Cursor, fault: Fault) -> bool:
        self.rest.append(Rest(cursor.offset, -1, fault.kind, fault.found))
        return True

    def _document(self, cursor: Cursor) -> Iterator[Piece]:
        if not cursor.peek():
            raise Fault("empty", 0, "nothing but white space")
        if self.document.shape is Shape.ONE:
            self.contained = True
            yield Piece(Role.ENTRY, None, *_with_head(cursor.value(0)))
        else:
            yield from self._root(cursor)
        cursor.end()

    def _root(self, cursor: Cursor) -> Iterator[Piece]:
        if cursor.peek() != "{":
            raise Fault("wrong-container", cursor.offset, f"{cursor.peek()!a} where an object belongs")
        if self.document.shape is Shape.LIST:
            yield from self._members(cursor, self.document.under)
            if not self.contained and not self.document.optional:
                raise Fault("wrong-container", 0, f"no member `{self.document.under}`")
        else:
            self.contained = True
            yield Piece(Role.OPEN, None, None, cursor.offset, cursor.offset, cursor.offset + 1)
            yield from self._members(cursor, None)
            yield Piece(Role.CLOSE, None, None, cursor.offset - 1, cursor.offset - 1, cursor.offset)

    def _members(self, cursor: Cursor, under: str | None) -> Iterator[Piece]:
        """Walk through the root object; `under` names the member that is the container."""
        role = Role.ENTRY if under is None else Role.SIBLING
        siblings: set[str] = set()  # a map may have a million names, and is checked with less memory
        going = cursor.opens("{")
        while going:
            name, head = cursor.name()
            if name in siblings:
                raise Fault("duplicate", head, f"the member {name!a} a second time in one object")
            if under is not None:
                siblings.add(name)
            if name == under:
                yield from self._list(cursor, name, head)
            elif entry := self._entry(cursor, 1):
                yield Piece(role, name, entry[0], head, entry[1], entry[2])
            going = cursor.continues("{")

    def _list(self, cursor: Cursor, name: str, head: int) -> Iterator[Piece]:
        found = cursor.peek()
        if found != "[":
            raise Fault("wrong-container", cursor.offset, f"no list under `{name}`")
        self.contained = True
        yield Piece(Role.OPEN, name, None, head, cursor.offset, cursor.offset + 1)
        going = cursor.opens("[")
        while going:
            if entry := self._entry(cursor, 2):
                yield Piece(Role.ENTRY, None, entry[0], entry[1], entry[1], entry[2])
            going = cursor.continues("[")
        yield Piece(Role.CLOSE, name, None, cursor.offset - 1, cursor.offset - 1, cursor.offset)

    def _entry(self, cursor: Cursor, depth: int) -> tuple[Any, int, int] | None:
        cursor.peek()
        start = cursor.offset
        try:
            return cursor.value(depth)
        except Fault as fault:
            if not self.salvage or fault.end is None:
                raise
            self.rest.append(Rest(start, fault.end, fault.kind, fault.found))
            cursor.skip_to(fault.end)
            return None


def _with_head(entry: tuple[Any, int, int]) -> tuple[Any, int, int, int]:
    value, start, stop = entry
    return value, start, start, stop


def part_of(path: Path, start: int, stop: int) -> bytes:
    """Return some bytes of a file."""
    with path.open("rb") as stream:
        stream.seek(start)
        return stream.read(stop - start)


def refuse_twins(path: Path, document: Document, twins: frozenset[int]) -> None:
    """Raise `Damaged` if one of these hashes, of ("$name", name), is of a name that a map really has twice."""
    seen: set[str] = set()
    for piece in Reading(path, document):
        if piece.name is None or piece.role is not Role.ENTRY or hash(("$name", piece.name)) not in twins:
            continue
        if piece.name in seen:
            fault = Fault("duplicate", piece.head, f"the member {piece.name!a} a second time in one object")
            raise damaged(path, document, fault)
        seen.add(piece.name)
