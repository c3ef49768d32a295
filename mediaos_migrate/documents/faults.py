"""What can be wrong with JSON text, and the slow walk that finds what the fast scanner only notices."""

from __future__ import annotations

import re
from json import JSONDecodeError
from json.decoder import scanstring  # type: ignore[attr-defined]  # typeshed leaves it out
from typing import Final

MAX_DEPTH: Final = 200
_TOKEN = re.compile(r'["{}\[\],]|-?Infinity|NaN')
_LONG: Final = 80


class Fault(Exception):
    """Something that is no JSON: its kind, its byte offset and what was found."""

    def __init__(self, kind: str, offset: int, found: str, end: int | None = None) -> None:
        super().__init__(found)
        self.kind, self.offset, self.found, self.end = kind, offset, found, end


class Walk:
    """Goes through a value token by token, slowly, to find where it breaks a rule that has no syntax."""

    def __init__(self, text: str, at: int, depth: int) -> None:
        self._text, self._at, self._depth = text, at, depth
        self._stack: list[set[str] | None] = []  # the names of each open object; None: a list
        self._naming = False  # whether the next string is a member's name

    def run(self, end: int | None) -> tuple[str, int, str] | None:
        """Return kind, place and description of the first fault before `end`, if there is one."""
        while (token := _TOKEN.search(self._text, self._at)) and (end is None or token.start() < end):
            self._at = token.end()
            try:
                fault = self._step(token.group())
            except JSONDecodeError:
                return None
            if fault:
                return fault[0], token.start(), fault[1]
            if not self._stack:
                return None
        return None

    def _step(self, token: str) -> tuple[str, str] | None:
        if token == '"':
            return self._string()
        if token in "{[":
            self._stack.append(set() if token == "{" else None)
            if self._depth + len(self._stack) > MAX_DEPTH:
                return "too-deep", f"nesting beyond {MAX_DEPTH} levels"
        elif token in "}]":
            self._stack.pop()
        elif token != ",":
            return "syntax", f"{token}, which is no JSON number"
        self._naming = token in "{," and bool(self._stack) and self._stack[-1] is not None
        return None

    def _string(self) -> tuple[str, str] | None:
        string, self._at = scanstring(self._text, self._at, True)  # noqa: FBT003  a C function takes no names
        names = self._stack[-1] if self._stack else None
        if not self._naming or names is None:
            return None
        self._naming = False
        if string in names:
            return "duplicate", twice(string, 0).found
        names.add(string)
        return None


def twice(name: str, offset: int) -> Fault:
    """Say that an object names a member twice: in ASCII, and a long name not at full length."""
    text = ascii(name)
    shown = text if len(text) <= _LONG else f"{text[: _LONG - 3]}..."
    return Fault("duplicate", offset, f"the member {shown} a second time in one object")
