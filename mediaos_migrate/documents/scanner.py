"""A cursor over JSON text in a stream: bounded memory, exact byte offsets, and every fault with its place."""

from __future__ import annotations

import re
from codecs import BOM_UTF8, utf_8_decode
from json import JSONDecodeError
from json.decoder import scanstring  # type: ignore[attr-defined]  # typeshed leaves it out
from typing import Any, Final, Protocol

from ..values import SCAN, SCAN_LOOSELY, DuplicateMember, NotFinite

CHUNK: Final = 1 << 18
MAX_DEPTH: Final = 200
MAX_VALUE: Final = 1 << 26  # characters of one record
_BLANK = re.compile(r"[ \t\n\r]*")
_TOKEN = re.compile(r'["{}\[\],]|-?Infinity|NaN')
_SPOILT = re.compile("[\udc80-\udcff]")  # what surrogateescape makes of bytes that are not UTF-8
_CLOSING: Final = {"{": "}", "[": "]"}
_NEAR: Final = 16  # a fault this close to the end of the buffer may be the buffer's end


class Fault(Exception):
    """Something that is no JSON: its kind, its byte offset and what was found."""

    def __init__(self, kind: str, offset: int, found: str, end: int | None = None) -> None:
        super().__init__(found)
        self.kind, self.offset, self.found, self.end = kind, offset, found, end


class Readable(Protocol):
    """What a cursor needs of a stream."""

    def read(self, size: int = -1, /) -> bytes:
        """Return at most so many bytes, none at the end."""


class Cursor:
    """Reads values one after another; `tolerant` lets undecodable bytes pass as surrogate escapes."""

    def __init__(self, stream: Readable, *, tolerant: bool = False) -> None:
        self._stream = stream
        self._tolerant, self._errors = tolerant, "surrogateescape" if tolerant else "strict"
        self._text, self._at = "", 0
        self._byte, self._left = 0, b""  # byte offset of _text[_at]; bytes of an unfinished character
        self._ended = False
        self._size = CHUNK
        self._passed = ""  # the last comma or colon, which may have left the buffer

    @property
    def offset(self) -> int:
        """The byte offset of the next character."""
        return self._byte

    def peek(self) -> str:
        """Skip white space and return the next character, empty at the end of the file."""
        while True:
            self._move(_BLANK.match(self._text, self._at).end())  # type: ignore[union-attr]  # matches always
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def opens(self, bracket: str) -> bool:
        """Step into a container; tell whether anything is in it, and step out of an empty one."""
        found = self.peek()
        if found != bracket:
            raise self._unexpected(found, bracket)
        self._move(self._at + 1)
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
        """Read one value whose container is `depth` levels deep; return it with its byte range."""
        self.peek()
        while True:
            try:
                value, end = SCAN(self._text, self._at)
            except (StopIteration, ValueError, RecursionError) as error:
                if self._hopeful(error) and self._more():
                    continue
                raise self._fault(error, depth) from None
            if end < len(self._text) or not self._more():
                break
        self._check_depth(end, depth)
        self._size = CHUNK
        start, spoilt = self._byte, self._tolerant and _SPOILT.search(self._text, self._at, end)
        self._move(end)
        if spoilt:
            raise Fault("not-utf8", start, "bytes that are not UTF-8", self._byte)
        return value, start, self._byte

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

    def _move(self, to: int) -> None:
        if to != self._at:
            self._byte += self._width(self._at, to)
            self._at = to

    def _width(self, start: int, stop: int) -> int:
        if self._text.isascii():
            return stop - start
        return len(self._text[start:stop].encode("utf-8", self._errors))

    def _more(self) -> bool:
        """Make the buffer longer; twice as much each time, so that a large value costs linear time."""
        if self._ended:
            return False
        if len(self._text) - self._at > MAX_VALUE:
            raise Fault("too-large", self._byte, f"a value of more than {MAX_VALUE:,} characters")
        chunk = self._stream.read(self._size)
        self._size = min(self._size * 2, MAX_VALUE)
        self._ended = not chunk
        data = self._left + chunk
        read = self._byte + self._width(self._at, len(self._text))
        if not read:
            data = self._first(data)
        try:
            text, used = utf_8_decode(data, self._errors, self._ended)
        except UnicodeDecodeError as error:
            raise Fault("not-utf8", read + error.start, f"the byte 0x{data[error.start]:02x}") from None
        self._left = data[used:]
        self._text, self._at = self._text[self._at :] + text, 0
        return True

    def _first(self, data: bytes) -> bytes:
        """Refuse what the first bytes give away: nothing at all, another encoding, a byte order mark."""
        if not data:
            raise Fault("empty", 0, "nothing: the file has 0 bytes")
        if not data.strip(b"\x00"):
            raise Fault("nul-hole", 0, "nothing but NUL bytes")
        if data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\x00" in data[:2]:
            raise Fault("utf16", 0, "UTF-16 or UTF-32 text")
        if data.startswith(BOM_UTF8):
            if not self._tolerant:
                raise Fault("bom", 0, "a byte order mark before the document", len(BOM_UTF8))
            self._byte, data = len(BOM_UTF8), data[len(BOM_UTF8) :]
        return data

    def _hopeful(self, error: Exception) -> bool:
        """Tell whether more text could turn this error into a value."""
        if self._ended or isinstance(error, DuplicateMember | NotFinite | RecursionError):
            return False
        if isinstance(error, JSONDecodeError):
            return error.msg.startswith("Unterminated") or error.pos > len(self._text) - _NEAR
        return True

    def _fault(self, error: Exception, depth: int) -> Fault:
        if isinstance(error, DuplicateMember | NotFinite | RecursionError):
            return self._walk(depth)
        at = error.pos if isinstance(error, JSONDecodeError) else self._at
        if isinstance(error, StopIteration) and isinstance(error.value, int):
            at = error.value
        if at >= len(self._text) or (isinstance(error, JSONDecodeError) and "Unterminated" in error.msg):
            hole = self._text.find("\x00", self._at)
            if hole < 0:
                return Fault("truncated", self._offset(len(self._text)), "the end of the file inside a value")
            at = hole
        if isinstance(error, JSONDecodeError) and "escape" in error.msg:
            at = self._text.rfind("\\", 0, at + 1)
            return Fault("bad-escape", self._offset(at), "an escape that JSON does not know")
        return self._unexpected_at(at)

    def _offset(self, at: int) -> int:
        return self._byte + self._width(self._at, at)

    def _unexpected(self, found: str, wanted: str) -> Fault:
        if not found:
            return Fault("truncated", self._byte, f"the end of the file where {_one_of(wanted)} belongs")
        return self._unexpected_at(self._at, wanted)

    def _unexpected_at(self, at: int, wanted: str = "") -> Fault:
        following = _BLANK.match(self._text, at + 1)
        if self._text[at] == "," and following and self._text[following.end() :][:1] in ("]", "}"):
            at = following.end()  # Python 3.13 points to the comma, older ones to the bracket
        found = self._text[at]
        before = self._text[:at].rstrip(" \t\n\r")[-1:] or self._passed
        where = self._offset(at)
        if found == "\x00":
            hole = len(self._text) - at - len(self._text[at:].lstrip("\x00"))
            return Fault("nul-hole", where, "NUL bytes" if hole > 1 else "a NUL byte")
        if found == "/":
            return Fault("syntax", where, "a comment, which JSON does not have")
        if found in "]}" and before == ",":
            return Fault("syntax", where, f"`{found}` after a comma, one comma too many")
        if found < " ":
            return Fault("syntax", where, f"the control character 0x{ord(found):02x} inside a string")
        belongs = f" where {_one_of(wanted)} belongs" if wanted else ""
        return Fault("syntax", where, f"{found!a}{belongs}")

    def _trailing(self, found: str) -> Fault:
        while len(self._text) - self._at < CHUNK and self._more():
            pass
        rest = self._text[self._at : self._at + CHUNK]
        where = self._byte
        if found == "\x00":
            return Fault("nul-hole", where, "NUL bytes after the end of the document")
        if not rest.strip(" \t\n\r]}"):
            return Fault("trailing", where, f"an extra `{found}` after the end of the document")
        if '"' in rest and rest.rstrip()[-1:] in "}]":
            return Fault("trailing", where, "the tail of an older, longer file after the end of the document")
        return Fault("trailing", where, f"{found!a} after the end of the document")

    def _check_depth(self, end: int, depth: int) -> None:
        brackets = self._text.count("{", self._at, end) + self._text.count("[", self._at, end)
        if depth + brackets > MAX_DEPTH:
            fault = self._walk(depth, end)
            if fault.kind == "too-deep":
                raise fault

    def _walk(self, depth: int, end: int | None = None) -> Fault:
        """Find the exact place of what the fast scanner only noticed: depth, duplicates, NaN."""
        found = Walk(self._text, self._at, depth).run(end)
        if found is None:
            return Fault("none", self._byte, "")
        kind, at, what = found
        return Fault(kind, self._offset(at), what, self._value_end() if kind != "syntax" else None)

    def _value_end(self) -> int | None:
        """Return the byte where the present value ends, if it can be told."""
        try:
            _, end = SCAN_LOOSELY(self._text, self._at)
        except (StopIteration, ValueError, RecursionError):
            return None
        return self._offset(end)

    def skip_to(self, offset: int) -> None:
        """Step over a value that was refused, whose end is known and read already."""
        skipped = self._text[self._at :].encode("utf-8", self._errors)[: offset - self._byte]
        self._move(self._at + len(skipped.decode("utf-8", self._errors)))


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
            return "duplicate", f"the member {string!a} a second time in one object"
        names.add(string)
        return None


def _one_of(characters: str) -> str:
    return " or ".join(f"`{character}`" for character in characters)
