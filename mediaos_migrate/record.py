"""One entity in the app's own words: the only form in which the two homes are compared."""

from __future__ import annotations

from typing import Any, NamedTuple

from .digest import of_key, of_record
from .shapes import Element


class Record(NamedTuple):
    """A value with its key. What has no usable or unique key is known by its pointer, and says why.

    `value` is what the file says, secrets hidden. `element` tells where it lies in its document;
    `start` and `stop` are its bytes in the file (0 when it comes from a table).
    """

    key: tuple[str, ...]
    value: Any
    element: Element
    position: int | None = None
    start: int = 0
    stop: int = 0
    unfit: str = ""

    @property
    def digest(self) -> bytes:
        """128 bits over key and canonical value."""
        return of_record(of_key(self.identity), self.value)

    @property
    def identity(self) -> tuple[str, ...]:
        """What pairs this record with its twin in the other home."""
        return ("#", self.element.pointer) if self.unfit else self.key
