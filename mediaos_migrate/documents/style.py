"""How a file is laid out, so that what is written into it looks like the rest."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

from ..values import pretty, quoted

_LOOK: Final = 1 << 16
_FIRST = re.compile(rb'[\[{](\r?\n?)([ \t]*)"(?:[^"\\]|\\.)*"\s*(:\s*)')
_ESCAPED = re.compile(rb"(?i)\\u(?!d[89a-f])(?!00[01])[0-9a-f]{4}|\\ud[89ab][0-9a-f]{2}\\ud[c-f]")  # not half a pair


@dataclass(frozen=True, slots=True)
class Style:
    """Indentation (empty: all on one line), line end, what follows a name, and whether only ASCII is used.

    The default is the app's own: JSON.stringify(value, null, 2).
    """

    indent: str = "  "
    newline: str = "\n"
    colon: str = ": "
    ascii_only: bool = False

    @classmethod
    def of(cls, path: Path) -> Self:
        """Recognize a file's style from its beginning."""
        with path.open("rb") as stream:
            head = stream.read(_LOOK)
        ascii_only = head.isascii() and bool(_ESCAPED.search(head))
        first = _FIRST.search(head)
        if not first:
            return cls(ascii_only=ascii_only)
        newline, indent, colon = (group.decode() for group in first.groups())
        colon = ": " if " " in colon else ":"
        return cls(indent, newline, colon, ascii_only) if newline else cls("", "", colon, ascii_only)

    @classmethod
    def from_json(cls, text: str | None) -> Self:
        """Undo `to_json`."""
        return cls(**json.loads(text)) if text else cls()

    def to_json(self) -> str:
        """Write the style down."""
        return json.dumps(asdict(self))

    def line(self, depth: int) -> str:
        """Return what begins a line at a depth: nothing where all is on one line."""
        return self.newline + self.indent * depth if self.newline else ""

    def entry(self, name: str | None, value: Any, depth: int) -> bytes:
        """Spell an entry (with its name in a map) that stands at a depth."""
        head = "" if name is None else quoted(name, ascii_only=self.ascii_only) + self.colon
        return head.encode() + self.value(value, depth)

    def value(self, value: Any, depth: int) -> bytes:
        """Spell the value of an entry that stands at a depth."""
        body = pretty(value, self.indent if self.newline else "", depth, self.colon, ascii_only=self.ascii_only)
        return body.replace("\n", self.newline).encode()
