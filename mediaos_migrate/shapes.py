"""The five shapes of a document, and how its pieces come apart into elements and together again.

A *piece* is one entry of the document's container, with its byte range; an *element* is what becomes one
record. They are the same but in a map of lists, where a piece holds one element per item.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

_UNBINDABLE = re.compile("[\x00\ud800-\udfff]")


class Shape(StrEnum):
    """How the records lie in a document."""

    LIST = "list of objects"
    MAP = "map of objects"
    VALUES = "map of values"
    LISTS = "map of lists"
    ONE = "one value"

    @property
    def named(self) -> bool:
        """Whether the records have names in a map."""
        return self in (Shape.MAP, Shape.VALUES, Shape.LISTS)


class Role(StrEnum):
    """What a piece is in its document."""

    ENTRY = "entry"
    SIBLING = "sibling"
    OPEN = "open"
    CLOSE = "close"


class Piece(NamedTuple):
    """One value in a file: its name in a map, and the bytes [start, stop) it fills (head: of its name)."""

    role: Role
    name: str | None
    value: Any
    head: int
    start: int
    stop: int


class Element(NamedTuple):
    """What becomes one record: the value, the name of its piece in a map, and where it stands."""

    name: str | None
    value: Any
    where: str | tuple[str | int | None, ...]  # a pointer, or the steps of one
    unfit: str = ""  # why it can be no record whatever its key

    @property
    def pointer(self) -> str:
        """Where it stands, as a JSON pointer (RFC 6901); written only when somebody asks."""
        return self.where if isinstance(self.where, str) else pointer(*self.where)


def pointer(*steps: str | int | None) -> str:
    """Write a JSON pointer (RFC 6901); None steps are left out, what no database can hold is escaped."""
    text = "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps if step is not None)
    return _UNBINDABLE.sub(lambda match: f"\\u{ord(match.group()):04x}", text)


def apart(shape: Shape, piece: Piece, under: str | None, index: int) -> Sequence[Element]:
    """Take a piece apart; `index` is its number in its container, `under` the container's name, if it has one."""
    if shape is not Shape.LISTS:
        return (Element(piece.name, piece.value, (under, index if shape is Shape.LIST else piece.name)),)
    if not isinstance(piece.value, list):
        return (Element(piece.name, piece.value, (piece.name,), "not a list"),)
    return [Element(piece.name, item, (piece.name, number)) for number, item in enumerate(piece.value)]


def together(shape: Shape, elements: Iterable[Element]) -> Iterator[tuple[str | None, Any]]:
    """Put elements in their order together again into (name, value) pairs, the inverse of `apart`."""
    name: str | None = None
    items: list[Any] = []
    for element in elements:
        if items and (element.name != name or element.unfit):
            yield name, items
            items = []
        if shape is not Shape.LISTS or element.unfit:
            yield element.name, element.value
        else:
            name = element.name
            items.append(element.value)
    if items:
        yield name, items
