"""The text of a stream, a window of it at a time, with the byte offset of every character."""

from __future__ import annotations

import re
from codecs import BOM_UTF8, utf_8_decode
from contextlib import suppress
from typing import Final, Protocol

from .faults import Fault

CHUNK: Final = 1 << 18
MAX_VALUE: Final = 1 << 26  # characters of one record
# How NUL bytes stand in UTF-16 and UTF-32 (RFC 4627, 3), or one of their byte order marks.
_WIDE = re.compile(rb"\xff\xfe|(?:\0\0)?\xfe\xff|\0\0\0[^\0]|[^\0]\0\0\0[^\0]|(?:\0[^\0]){2}|(?:[^\0]\0){2}")


class Readable(Protocol):
    """What a cursor needs of a stream."""

    def read(self, size: int = -1, /) -> bytes:
        """Return at most so many bytes, none at the end."""


class Window:
    """A part of the text, from the place that was reached; `tolerant`: bytes that are no UTF-8 pass as surrogates."""

    def __init__(self, stream: Readable, *, tolerant: bool = False) -> None:
        self._stream = stream
        self._tolerant, self._errors = tolerant, "surrogateescape" if tolerant else "strict"
        self._text, self._at = "", 0
        self._byte, self._left = 0, b""  # byte offset of _text[_at]; bytes of an unfinished character
        self._until = 0  # byte offset of the end of _text
        self._ended = False
        self._broken: Fault | None = None  # why the text ends before the file does
        self._size = CHUNK

    @property
    def offset(self) -> int:
        """The byte offset of the next character."""
        return self._byte

    def _move(self, to: int) -> None:
        """Step to a character of the window."""
        if to != self._at:
            self._byte += self._width(self._at, to)
            self._at = to

    def _width(self, start: int, stop: int) -> int:
        if self._text.isascii():
            return stop - start
        return len(self._text[start:stop].encode("utf-8", self._errors))

    def _more(self) -> bool:
        """Make the window longer; twice as much each time, so that a large value costs linear time."""
        if self._ended:
            return False
        kept = len(self._text) - self._at
        if kept > MAX_VALUE:
            raise Fault("too-large", self._byte, f"a value of more than {MAX_VALUE:,} characters")
        if not kept:
            self._size = CHUNK
        chunk = self._stream.read(self._size)
        self._size = min(self._size * 2, MAX_VALUE)
        self._ended = not chunk
        data = self._left + chunk
        if not self._until:
            data = self._first(data)
        text = self._decoded(data, self._until)
        self._text, self._at = self._text[self._at :] + text, 0
        return True

    def _first(self, data: bytes) -> bytes:
        """Refuse what the first bytes give away: nothing at all, another encoding, a byte order mark."""
        if not data:
            raise Fault("empty", 0, "nothing: the file has 0 bytes")
        if not data.strip(b"\x00"):
            raise Fault("nul-hole", 0, "nothing but NUL bytes")
        if _WIDE.match(data):
            raise Fault("utf16", 0, "UTF-16 or UTF-32 text")
        if data.startswith(BOM_UTF8):
            if not self._tolerant:
                raise Fault("bom", 0, "a byte order mark before the document")
            self._byte = self._until = len(BOM_UTF8)
            data = data[len(BOM_UTF8) :]
        return data

    def _decoded(self, data: bytes, offset: int) -> str:
        """Decode as far as it goes; what stands before the first byte that is not UTF-8 is judged first."""
        try:
            text, used = utf_8_decode(data, self._errors, self._ended)
        except UnicodeDecodeError as error:
            self._ended, self._left = True, b""
            where = offset + error.start
            if error.reason == "unexpected end of data":
                self._broken = Fault("truncated", where, "the end of the file inside a character")
            else:
                self._broken = Fault("not-utf8", where, f"the byte 0x{data[error.start]:02x}")
            self._until = where
            return data[: error.start].decode()
        self._left, self._until = data[used:], offset + used
        return text

    def _offset(self, at: int) -> int:
        """Return the byte offset of a character of the window."""
        return self._byte + self._width(self._at, at)

    def _ahead(self, size: int) -> str:
        """Return what follows, as far as it can be had."""
        with suppress(Fault):
            while len(self._text) - self._at < size and self._more():
                pass
        return self._text[self._at : self._at + size]
