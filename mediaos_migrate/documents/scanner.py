"""A cursor over JSON text in a stream: bounded memory, exact byte offsets, and every fault with its place."""

from __future__ import annotations

import re
import sys
from contextlib import suppress
from json import JSONDecodeError
from typing import Any, Final

from ..values import SCAN, SCAN_LOOSELY
from .faults import MAX_DEPTH, Fault, Walk
from .window import CHUNK, Readable, Window

_BLANK = re.compile(r"[ \t\n\r]*")
_SPOILT = re.compile("[\udc80-\udcff]")  # what surrogateescape makes of bytes that are not UTF-8
# What the end of a file may leave of a word, of an escape, and of a number after what is one already.
_CUT_WORD = re.compile(r"(?:-|t(?:ru?)?|f(?:a(?:ls?)?)?|n(?:ul?)?)\Z")
_CUT_ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{0,4})?\Z")
_CUT_NUMBER = re.compile(r"(?<=\d)(?:\.|[eE][+-]?)\Z")
_ALWAYS: Final = sys.maxsize
_CLOSING: Final = {"{": "}", "[": "]"}
_NEAR: Final = 16  # a fault this close to the end of the window may be the window's end
# What stands between two objects of a list, if it does not stand in a text; so those that are found are counted.
_BETWEEN = re.compile(r"\}[ \t\n\r]*,[ \t\n\r]*\{")
_EDGE = re.compile(_BETWEEN.pattern.encode())
# How the scanner's complaints begin -> where the unexpected character stands.
_WHERE: Final = {
    "Expecting property name": " where a name in double quotes belongs",
    "Expecting ':'": " where `:` belongs",
    "Expecting ','": " after the end of a value",
    "Invalid control": " inside a string",
}


class Cursor(Window):
    """Reads values one after another.

    After a value, `spoilt` is the byte offset of the first byte in it that is not UTF-8, or None.
    """

    def __init__(self, stream: Readable, *, tolerant: bool = False) -> None:
        super().__init__(stream, tolerant=tolerant)
        self._passed = ""  # the last comma or colon, which may have left the window
        self._after = 0  # where the value ends that was refused last
        self._singly_to = _ALWAYS if tolerant else 0  # the byte up to which `several` need not try again
        self.spoilt: int | None = None

    def peek(self) -> str:
        """Skip white space and return the next character, empty at the end of the file."""
        while True:
            self._move(self._blank(self._at))
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                if self._broken:
                    raise self._broken
                return ""

    def _blank(self, at: int) -> int:
        """Return where the white space ends."""
        return _BLANK.match(self._text, at).end()  # type: ignore[union-attr]  # matches always

    def opens(self, bracket: str) -> bool:
        """Step into a container; tell whether anything is in it, and step out of an empty one."""
        self._take(bracket, bracket)
        return not self._closes(bracket)

    def continues(self, bracket: str) -> bool:
        """Step to the next entry of a container, or out of it: then there is none."""
        if self._closes(bracket):
            return False
        self._take(",", f",{_CLOSING[bracket]}")
        return True

    def _closes(self, bracket: str) -> bool:
        if self.peek() != _CLOSING[bracket]:
            return False
        self._move(self._at + 1)
        return True

    def _take(self, character: str, allowed: str) -> None:
        found = self.peek()
        if found != character:
            raise self._unexpected(found, allowed)
        self._move(self._at + 1)
        self._passed = character

    def value(self, depth: int) -> tuple[Any, int, int]:
        """Read one value whose container is `depth` levels deep; return it with its byte range.

        Of a fault whose `end` is known, `skip` steps over the value.
        """
        self.peek()
        while True:
            try:
                value, end = SCAN(self._text, self._at)
            except (StopIteration, ValueError, RecursionError) as error:
                if self._hopeful(error) and self._more():
                    continue
                raise self._fault(error, depth) from None
            if end < len(self._text) - _NEAR or not self._more():  # what follows may belong to a number
                break
        self._check_depth(end, depth)
        self._size, self._passed, self.spoilt = CHUNK, "", None
        if self._tolerant and (spoilt := _SPOILT.search(self._text, self._at, end)):
            self.spoilt = self._offset(spoilt.start())
        start = self._byte
        self._move(end)
        return value, start, self._byte

    def several(self, depth: int) -> list[tuple[Any, int, int]]:
        """Read as many objects of a list as stand whole in the window, each as `value` does; none where only it can.

        One call of the scanner for hundreds of records costs half as much as one call for each.
        """
        self.peek()
        if self._byte < self._singly_to or not self._filled():
            return []
        text, at = self._text, self._at
        try:
            end = SCAN(text, at)[1]
            between = _BETWEEN.match(text, end - 1)
            last = text.rfind(between.group(), at) + 1 if between else at
            values, length = SCAN(f"[{text[at:last]}]", 0)
        except (StopIteration, ValueError, RecursionError):
            self._singly_to = self._byte + CHUNK
            return []
        raw = text[at:last].encode()
        spans = _spans(raw)
        # Not so where the list ends before the text, holds other values than objects, or objects hold lists of objects.
        alike = length == last - at + 2 and set(map(type, values)) == {dict} and len(spans) == len(values)
        if not alike or _brackets(raw, spans) + depth > MAX_DEPTH:
            self._singly_to = _ALWAYS
            return []
        first = self._byte
        self._at, self._byte, self._passed, self.spoilt = last, first + len(raw), "", None
        return [(value, first + start, first + stop) for value, (start, stop) in zip(values, spans, strict=True)]

    def _filled(self) -> bool:
        """Read on where little is left in the window; tell whether an object begins there."""
        if len(self._text) - self._at < CHUNK:
            self._size = CHUNK
            self._more()
        return self._text.startswith("{", self._at)

    def skip(self) -> None:
        """Step over the value that was refused, whose end is known."""
        self._move(self._after)

    def name(self) -> tuple[str, int]:
        """Read a member's name and the colon after it; return it with its first byte."""
        if self.peek() != '"':
            raise self._unexpected(self.peek(), '"')
        name, start, _ = self.value(0)
        self._take(":", ":")
        return name, start

    def end(self) -> None:
        """Make sure that nothing but white space is left."""
        found = self.peek()
        if found:
            raise self._trailing(found)

    def _hopeful(self, error: Exception) -> bool:
        """Tell whether more text could turn this error into a value."""
        if isinstance(error, JSONDecodeError):
            return error.msg.startswith("Unterminated") or error.pos > len(self._text) - _NEAR
        return isinstance(error, StopIteration) and error.value > len(self._text) - _NEAR

    def _fault(self, error: Exception, depth: int) -> Fault:
        if isinstance(error, StopIteration):
            return self._unexpected_at(error.value, " where a value belongs", _CUT_WORD)
        if not isinstance(error, JSONDecodeError):
            return self._walk(depth) or Fault("too-deep", self._byte, "nesting that is too deep")
        if error.msg.startswith("Unterminated"):
            return self._cut()
        if "escape" in error.msg:
            return self._bad_escape(error.pos)
        where = next((where for msg, where in _WHERE.items() if error.msg.startswith(msg)), "")
        # Of a comma too many, Python 3.13 names the comma, older ones the bracket.
        at = self._blank(error.pos + 1) if "trailing comma" in error.msg else error.pos
        return self._unexpected_at(at, where)

    def _bad_escape(self, at: int) -> Fault:
        at = self._text.rfind("\\", 0, at + 1)
        if self._ended and _CUT_ESCAPE.match(self._text, at):
            return self._cut()
        return Fault("bad-escape", self._offset(at), "an escape that JSON does not know")

    def _cut(self) -> Fault:
        """Say that the text ends inside a value."""
        return self._broken or Fault("truncated", self._offset(len(self._text)), "the end of the file inside a value")

    def _unexpected(self, found: str, wanted: str) -> Fault:
        where = f" where {_one_of(wanted)} belongs"
        if not found:
            return Fault("truncated", self._byte, f"the end of the file{where}")
        self._ahead(_NEAR)
        return self._unexpected_at(self._at, where)

    def _unexpected_at(self, at: int, where: str, cut: re.Pattern[str] = _CUT_NUMBER) -> Fault:
        if at >= len(self._text) or (self._ended and cut.match(self._text, at)):
            return self._cut()
        found, offset = self._text[at], self._offset(at)
        before = self._text[:at].rstrip(" \t\n\r")[-1:] or self._passed
        if found == "\x00":
            several = self._text.startswith("\x00\x00", at)
            return Fault("nul-hole", offset, "NUL bytes" if several else "a NUL byte")
        if found == "/":
            return Fault("syntax", offset, "a comment, which JSON does not have")
        if found in "]}" and before == ",":
            return Fault("syntax", offset, f"`{found}` after a comma, one comma too many")
        if found < " ":
            return Fault("syntax", offset, f"the control character 0x{ord(found):02x}{where}")
        return Fault("syntax", offset, f"{found!a}{where}")

    def _trailing(self, found: str) -> Fault:
        rest = self._ahead(CHUNK)
        where = self._byte
        if found == "\x00":
            return Fault("nul-hole", where, "NUL bytes after the end of the document")
        if not rest.strip(" \t\n\r]}"):
            return Fault("trailing", where, f"an extra `{found}` after the end of the document")
        if '"' in rest and (len(rest) == CHUNK or rest.rstrip()[-1] in "}]"):
            return Fault("trailing", where, "the tail of an older, longer file after the end of the document")
        return Fault("trailing", where, f"{found!a} after the end of the document")

    def _check_depth(self, end: int, depth: int) -> None:
        brackets = self._text.count("{", self._at, end) + self._text.count("[", self._at, end)
        if depth + brackets > MAX_DEPTH and (fault := self._walk(depth, end)):
            raise fault

    def _walk(self, depth: int, end: int | None = None) -> Fault | None:
        """Find the exact place of what the fast scanner only noticed: depth, duplicates, NaN."""
        found = Walk(self._text, self._at, depth).run(end)
        if found is None:
            return None
        kind, at, what = found
        return Fault(kind, self._offset(at), what, self._value_end() if kind != "syntax" else None)

    def _value_end(self) -> int | None:
        """Return the byte where the present value ends, if it can be told; only salvage needs to know."""
        with suppress(Fault):
            while self._tolerant:
                try:
                    _, self._after = SCAN_LOOSELY(self._text, self._at)
                except (StopIteration, ValueError, RecursionError) as error:
                    if not self._hopeful(error) or not self._more():
                        break
                else:
                    return self._offset(self._after)
        return None


def _spans(raw: bytes) -> list[tuple[int, int]]:
    """Return where each object begins and ends in a text of objects with commas between them."""
    edges = [edge.span() for edge in _EDGE.finditer(raw)]
    starts = [0, *(stop - 1 for _, stop in edges)]
    return list(zip(starts, [*(start + 1 for start, _ in edges), len(raw)], strict=True))


def _brackets(raw: bytes, spans: list[tuple[int, int]]) -> int:
    """Count the opening brackets of the value that has most of them: none is nested deeper."""
    return max([raw.count(b"{", start, stop) + raw.count(b"[", start, stop) for start, stop in spans])


def _one_of(characters: str) -> str:
    return " or ".join(f"`{character}`" for character in characters)
