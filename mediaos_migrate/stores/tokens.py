"""Secrets in JSON text, changed where they stand: every other byte stays as it is."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final

from ..documents.reader import Reading, part_of
from ..pack import Document, Hidden, Part
from ..secrets import harmless
from ..shapes import Piece, Role, Shape
from ..values import SCAN, SCAN_LOOSELY

CHUNK: Final = 1 << 20
_BLANKS: Final = " \t\n\r"

Change = Callable[[Any, Hidden], str | None]  # hears a secret as the file has it; None: it stays
Paths = Sequence[tuple[tuple[str, ...], Hidden]]


def rewritten(out: BinaryIO, path: Path, document: Document, change: Change, *, salvage: bool = False) -> int:
    """Copy a document's file with its secrets changed; return how many were. Raises Damaged.

    With `salvage`, what cannot be read of a torn file is copied as it is.
    """
    changed = copied = 0
    with path.open("rb") as stream:
        for piece in Reading(path, document, salvage=salvage):
            part = part_of_piece(document, piece)
            if part is None or not part.hidden:
                continue
            old = part_of(path, piece.start, piece.stop).decode()
            new, count = retold(old, paths_of(document, part), change)
            if count:
                _copy(stream, out, copied, piece.start)
                out.write(new.encode())
                changed, copied = changed + count, piece.stop
        _copy(stream, out, copied, path.stat().st_size)
    return changed


def part_of_piece(document: Document, piece: Piece) -> Part | None:
    """Return what part of a document a piece of its file belongs to; None where it holds no record."""
    return {Role.ENTRY: document.records, Role.SIBLING: document.siblings}.get(piece.role)


def paths_of(document: Document, part: Part) -> Paths:
    """Return where secrets lie in a piece of the file, which in a map of lists holds many records."""
    inside = ("*",) if document.shape is Shape.LISTS and part is document.records else ()
    return [((*inside, *hidden.at), hidden) for hidden in part.hidden]


def retold(text: str, paths: Paths, change: Change) -> tuple[str, int]:
    """Change the secrets in the JSON text of a record; return the text, and how many were changed."""
    spots = sorted((*spot, hidden) for path, hidden in paths for spot in _spots(text, 0, path))
    told, at, count = [], 0, 0
    for start, stop, hidden in spots:
        found = SCAN(text, start)[0]
        new = None if harmless(found, hidden.kind) else change(found, hidden)
        if new is not None:
            told += [text[at:start], json.dumps(new)]
            at, count = stop, count + 1
    return "".join([*told, text[at:]]), count


def _spots(text: str, at: int, path: tuple[str, ...]) -> Iterator[tuple[int, int]]:
    """Find where the values at a path stand in JSON text."""
    at = _skip(text, at)
    if not path:
        yield at, SCAN_LOOSELY(text, at)[1]
    elif text[at] == "{" or (text[at] == "[" and path[0] == "*"):
        for name, start in _items(text, at):
            if path[0] in ("*", name):
                yield from _spots(text, start, path[1:])


def _items(text: str, at: int) -> Iterator[tuple[str | None, int]]:
    """Walk through the members or elements of a container: name (None in a list), and where the value begins."""
    named = text[at] == "{"
    at = _skip(text, at + 1)
    while text[at] not in "]}":
        name = None
        if named:
            name, at = SCAN(text, at)
            at = _skip(text, _skip(text, at) + 1)  # over the colon
        yield name, at
        at = _skip(text, SCAN_LOOSELY(text, at)[1])
        at = _skip(text, at + 1) if text[at] == "," else at


def _skip(text: str, at: int) -> int:
    while text[at] in _BLANKS:
        at += 1
    return at


def _copy(stream: BinaryIO, out: BinaryIO, start: int, stop: int) -> None:
    stream.seek(start)
    while start < stop and (chunk := stream.read(min(stop - start, CHUNK))):
        out.write(chunk)
        start += len(chunk)
