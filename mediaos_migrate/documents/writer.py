"""Writing a document: as a patch of the file it came from, or from nothing in the app's own layout."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple, Protocol

from ..pack import Document
from ..shapes import Piece, Role, Shape
from ..values import dumps
from .reader import Reading
from .style import Style

CHUNK: Final = 1 << 20
LAST: Final = 1 << 62  # the place of what has none: behind everything

Identity = tuple[str, ...]


class Want(NamedTuple):
    """An entry that the file is to have: who it is, its place, its name in a map, its value."""

    identity: Identity
    place: int
    name: str | None
    value: Any


class Known(Protocol):
    """Tells who a piece of the old file is, and where it is to stand now."""

    def identity(self, piece: Piece, index: int) -> Identity:
        """Return who this piece is."""

    def place(self, identity: Identity) -> int | None:
        """Return its place among what is wanted, or None when it is not wanted any more."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a document is to say: its entries in order, and the members around the container."""

    entries: Callable[[], Iterable[Want]]
    before: list[Want]
    after: list[Want]
    contained: bool  # whether the container is there at all


def write(out: BinaryIO, document: Document, content: Content, style: Style = Style()) -> None:  # noqa: B008  frozen
    """Write a document from nothing."""
    if document.shape is Shape.ONE:
        out.writelines(style.entry(None, want.value, 0) for want in content.entries())
    elif document.shape is Shape.LIST:
        _write_root(out, document, content, style)
    else:
        _write_all(out, "{}", (style.entry(want.name, want.value, 1) for want in content.entries()), style, 0)


def _write_root(out: BinaryIO, document: Document, content: Content, style: Style) -> None:
    members = [*content.before, *([None] if content.contained else []), *content.after]
    if not members:
        out.write(b"{}")
        return
    for number, want in enumerate(members):
        out.write((("," if number else "{") + style.line(1)).encode())
        if want is not None:
            out.write(style.entry(want.name, want.value, 1))
            continue
        out.write(style.entry(document.under, 0, 1)[:-1])
        _write_all(out, "[]", (style.entry(None, item.value, 2) for item in content.entries()), style, 1)
    out.write((style.line(0) + "}").encode())


def _write_all(out: BinaryIO, brackets: str, entries: Iterable[bytes], style: Style, depth: int) -> None:
    out.write(brackets[0].encode())
    empty = True
    for entry in entries:
        out.write((("" if empty else ",") + style.line(depth + 1)).encode() + entry)
        empty = False
    out.write((("" if empty else style.line(depth)) + brackets[1]).encode())


class _Old:
    """Walks through the entries of the old file, beside those that are wanted."""

    def __init__(self, known: Known, pieces: Iterator[Piece]) -> None:
        self._known, self._pieces = known, enumerate(pieces)
        self.piece: Piece | None = None
        self._identity: Identity = ()
        self.next()

    def next(self) -> None:
        """Step to the next entry."""
        index, self.piece = next(self._pieces, (0, None))
        self._identity = self._known.identity(self.piece, index) if self.piece else ()

    def is_(self, want: Want) -> bool:
        """Tell whether the present entry is the one that is wanted."""
        return self.piece is not None and self._identity == want.identity

    def advance(self, want: Want) -> bool:
        """Step over entries that are gone or were written before; tell whether there were any."""
        skipped = False
        while self.piece and not self.is_(want):
            place = self._known.place(self._identity)
            if place is not None and place >= want.place:
                break  # it comes later: what is wanted here is new, or moved here
            self.next()
            skipped = True
        return skipped


class Patch:
    """Writes a document over the bytes of an older file: what did not change is copied, byte for byte."""

    def __init__(self, base: Path, document: Document, style: Style) -> None:
        self._base, self._document, self._style = base, document, style

    def write(self, out: BinaryIO, content: Content, known: Known) -> None:
        """Write the document; only entries whose value differs from the base's are spelled anew."""
        document = self._document
        with self._base.open("rb") as stream:
            self._stream, self._out = stream, out
            if document.shape is Shape.ONE:
                self._one(content)
            elif document.shape is Shape.LIST:
                self._list(content, known)
            else:
                brackets = [p for p in self._pieces() if p.role in (Role.OPEN, Role.CLOSE)]
                self._copy(0, brackets[0].stop)
                self._weave(content.entries(), brackets[0], brackets[1], known, 1)
                self._copy(brackets[1].start, None)

    def _pieces(self) -> Iterator[Piece]:
        return iter(Reading(self._base, self._document))

    def _one(self, content: Content) -> None:
        piece = next(self._pieces())
        want = next(iter(content.entries()))
        self._copy(0, piece.start)
        if dumps(piece.value) == dumps(want.value):
            self._copy(piece.start, piece.stop)
        else:
            self._out.write(self._style.entry(None, want.value, 0))
        self._copy(piece.stop, None)

    def _list(self, content: Content, known: Known) -> None:
        root = [piece for piece in self._pieces() if piece.role is not Role.ENTRY]
        siblings = [piece for piece in root if piece.role is Role.SIBLING]
        inner = [piece for piece in root if piece.name == self._document.under and piece.role is not Role.SIBLING]
        opens = [piece for piece in inner if piece.role is Role.OPEN]
        if not opens or not content.contained or not self._same_siblings(siblings, opens[0], content):
            write(self._out, self._document, content, self._style)
            return
        closes = next(piece for piece in inner if piece.role is Role.CLOSE)
        self._copy(0, opens[0].stop)
        self._weave(content.entries(), opens[0], closes, known, 2)
        self._copy(closes.start, None)

    def _same_siblings(self, siblings: list[Piece], opens: Piece, content: Content) -> bool:
        old = [(piece.start < opens.start, piece.name, dumps(piece.value)) for piece in siblings]
        new = [(True, want.name, dumps(want.value)) for want in content.before]
        new += [(False, want.name, dumps(want.value)) for want in content.after]
        return old == new

    def _weave(self, wants: Iterable[Want], opens: Piece, closes: Piece, known: Known, depth: int) -> None:
        """Write the entries of a container between its brackets."""
        old = _Old(known, (piece for piece in self._pieces() if piece.role is Role.ENTRY))
        first = old.piece
        copied_to: int | None = opens.stop  # where the copied bytes end, while they reach up to here
        written = 0
        for want in wants:
            skipped = old.advance(want)
            found = old.piece if old.is_(want) else None
            if found and copied_to is not None and not skipped:
                self._copy(copied_to, found.head)
            else:
                self._out.write(self._separator(first, opens, depth, written))
            if found and dumps(found.value) == dumps(want.value):
                self._copy(found.head, found.stop)
            else:
                self._out.write(self._style.entry(want.name, want.value, depth))
            copied_to = found.stop if found else None
            if found:
                old.next()
            written += 1
        self._tail(opens, closes, depth, copied_to if old.piece is None else None, empty=not written)

    def _tail(self, opens: Piece, closes: Piece, depth: int, copied_to: int | None, *, empty: bool) -> None:
        """Write what stands between the last entry and the closing bracket."""
        if copied_to is not None and (not empty or copied_to == opens.stop):
            self._copy(copied_to, closes.start)
        elif not empty:
            self._out.write(self._style.line(depth - 1).encode())

    def _separator(self, first: Piece | None, opens: Piece, depth: int, written: int) -> bytes:
        """Return what stands between entries: as in front of the base's first one, else in its style."""
        lead = self._style.line(depth).encode()
        if first:
            self._stream.seek(opens.stop)
            lead = self._stream.read(first.head - opens.stop)
        return (b"," if written else b"") + lead

    def _copy(self, start: int, stop: int | None) -> None:
        self._stream.seek(start)
        left = stop - start if stop is not None else None
        while left is None or left > 0:
            chunk = self._stream.read(CHUNK if left is None else min(left, CHUNK))
            if not chunk:
                return
            self._out.write(chunk)
            left = left - len(chunk) if left is not None else None
