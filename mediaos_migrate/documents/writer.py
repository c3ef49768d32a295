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
_INSIDE: Final = object()  # stands for the value of the container, whose entries come one by one

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
    members = _members(document, content)
    for number, want in enumerate(members):
        out.write((("," if number else "{") + style.line(1)).encode())
        _write_member(out, content, style, want)
    out.write((style.line(0) + "}" if members else "{}").encode())


def _members(document: Document, content: Content) -> list[Want]:
    """Return the members of the root object, the container as `_INSIDE`."""
    inside = [Want((), 0, document.under, _INSIDE)] if content.contained else []
    members = [*content.before, *inside, *content.after]
    return [Want((want.name or "",), n, want.name, want.value) for n, want in enumerate(members)]


def _write_member(out: BinaryIO, content: Content, style: Style, want: Want) -> None:
    if want.value is not _INSIDE:
        out.write(style.entry(want.name, want.value, 1))
        return
    out.write(style.entry(want.name, 0, 1)[:-1])
    _write_all(out, "[]", (style.entry(None, item.value, 2) for item in content.entries()), style, 1)


def _write_all(out: BinaryIO, brackets: str, entries: Iterable[bytes], style: Style, depth: int) -> None:
    out.write(brackets[0].encode())
    empty = True
    for entry in entries:
        out.write((("" if empty else ",") + style.line(depth + 1)).encode() + entry)
        empty = False
    out.write((("" if empty else style.line(depth)) + brackets[1]).encode())


class _Members:
    """Knows the members of the root object by their names."""

    def __init__(self, members: list[Want]) -> None:
        self._places = {want.identity: want.place for want in members}

    def identity(self, piece: Piece, index: int) -> Identity:  # noqa: ARG002  asked for by Known
        """Return the name of a member."""
        return (piece.name or "",)

    def place(self, identity: Identity) -> int | None:
        """Return its place among the members."""
        return self._places.get(identity)


class _Old:
    """Walks through the entries of the old file, beside those that are wanted."""

    def __init__(self, known: Known, pieces: Iterable[Piece]) -> None:
        self._known, self._pieces = known, enumerate(pieces)
        self.piece: Piece | None = None
        self.stop: int | None = None  # of the last entry that was met
        self._identity: Identity = ()
        self._next: tuple[Piece | None, Identity] = (None, ())
        self.next()
        self.next()

    def next(self) -> None:
        """Step to the next entry."""
        index, piece = next(self._pieces, (0, None))
        self.stop = piece.stop if piece else self.stop
        self.piece, self._identity = self._next
        self._next = (piece, self._known.identity(piece, index) if piece else ())

    def end(self) -> int | None:
        """Step over all that are left, and return where the last entry stops; None where there are none."""
        while self.piece:
            self.next()
        return self.stop

    def is_(self, want: Want) -> bool:
        """Tell whether the present entry is the one that is wanted."""
        return self.piece is not None and self._identity == want.identity

    def advance(self, want: Want) -> bool:
        """Step over entries that are gone, were written before or have moved back; tell whether there were any."""
        skipped = False
        while self.piece and not self.is_(want):
            place = self._known.place(self._identity)
            if place is not None and place >= want.place and not self._moved_back(place):
                break  # it comes later: what is wanted here is new, or moved here
            self.next()
            skipped = True
        return skipped

    def _moved_back(self, place: int) -> bool:
        """Tell whether the next entry now stands before the present one."""
        following = self._known.place(self._next[1]) if self._next[0] else None
        return following is not None and following < place


class Patch:
    """Writes a document over the bytes of an older file: what did not change is copied, byte for byte.

    An entry is spelled anew, in the file's style, if its value differs, or if it stands elsewhere now.
    """

    def __init__(self, base: Path, document: Document, style: Style) -> None:
        self._base, self._document, self._style = base, document, style

    def write(self, out: BinaryIO, content: Content, known: Known) -> None:
        """Write the document; only entries whose value or order differs from the base's are spelled anew."""
        with self._base.open("rb") as stream:
            self._stream, self._out, self._content, self._known = stream, out, content, known
            if self._document.shape is Shape.ONE:
                self._one()
            else:
                self._root()

    def _entries(self) -> _Old:
        return _Old(self._known, (piece for piece in Reading(self._base, self._document) if piece.role is Role.ENTRY))

    def _one(self) -> None:
        piece = next(iter(Reading(self._base, self._document)))
        self._copy(0, piece.start)
        self._put(piece, next(iter(self._content.entries())), 0)
        self._copy(piece.stop)

    def _root(self) -> None:
        frame = [piece for piece in Reading(self._base, self._document) if piece.role is not Role.ENTRY]
        start, stop = frame[0].stop, frame[-1].start
        self._copy(0, start)
        if self._document.shape is Shape.LIST:
            members, pieces = _members(self._document, self._content), list(_joined(frame[1:-1]))
            self._container = next((piece for piece in pieces if piece.value is _INSIDE), None)
            self._weave(members, _Old(_Members(members), pieces), start, stop, 1)
        else:
            self._weave(self._content.entries(), self._entries(), start, stop, 1)
        self._copy(stop)

    def _inside(self, want: Want) -> None:
        """Write the container of a list: over the old one, wherever that stands."""
        if not self._container:
            _write_member(self._out, self._content, self._style, want)
            return
        start, stop = self._container.start + 1, self._container.stop - 1
        self._copy(self._container.head, start)
        self._weave(self._content.entries(), self._entries(), start, stop, 2)
        self._copy(stop, self._container.stop)

    def _weave(self, wants: Iterable[Want], old: _Old, start: int, stop: int, depth: int) -> None:
        """Write entries over the old ones, which stand in [start, stop) of the base."""
        lead = self._lead(old.piece, start, depth)
        copied_to: int | None = start  # up to where the base was followed; None after something was left out
        written = 0
        for want in wants:
            if old.advance(want):
                copied_to = None
            found = old.piece if old.is_(want) else None
            if found and copied_to is not None:
                self._copy(copied_to, found.head)
            else:
                self._out.write((b"," if written else b"") + lead)
            self._put(found, want, depth)
            written += 1
            if found:
                copied_to = found.stop
                old.next()
            elif copied_to == start:
                copied_to = None  # no comma stands there
        end = old.end()
        if end is None and written:
            self._out.write(self._style.line(depth - 1).encode())
        elif end is None or written:
            self._copy(end or start, stop)  # what stood behind the last one stands there again

    def _lead(self, first: Piece | None, start: int, depth: int) -> bytes:
        """Return what stands in front of an entry: the same as in front of the base's first one."""
        if first is None:
            return self._style.line(depth).encode()
        self._stream.seek(start)
        return self._stream.read(first.head - start)

    def _put(self, found: Piece | None, want: Want, depth: int) -> None:
        """Write one entry: the old bytes if they say the same, else in the file's style."""
        if want.value is _INSIDE:
            self._inside(want)
        elif found and dumps(found.value) == dumps(want.value):
            self._copy(found.head, found.stop)
        else:
            self._out.write(self._style.entry(want.name, want.value, depth))

    def _copy(self, start: int, stop: int = LAST) -> None:
        self._stream.seek(start)
        left = stop - start
        while left > 0 and (chunk := self._stream.read(min(left, CHUNK))):
            self._out.write(chunk)
            left -= len(chunk)


def _joined(frame: list[Piece]) -> Iterator[Piece]:
    """Make one piece of the brackets of the container, among its siblings."""
    stop = next((piece.stop for piece in frame if piece.role is Role.CLOSE), 0)
    for piece in frame:
        if piece.role is not Role.CLOSE:
            yield piece._replace(value=_INSIDE, stop=stop) if piece.role is Role.OPEN else piece
