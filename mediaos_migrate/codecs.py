"""The seven codecs: how a JSON value fits a column, and what a column's value means in JSON."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from .values import Number, dumps, loads, number, spelled

_INSTANT = re.compile(r"\d{4}-(?:0\d|1[0-2])-(?:[0-2]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}Z\Z")
_INT64: Final = range(-(2**63), 2**63)
_EXACT: Final = 2**53


class Codec(NamedTuple):
    """How a JSON value fits a column (None: it does not), and what a column's value means in JSON."""

    fit: Callable[[Any], Any]
    back: Callable[[Any], Any]


def comparable(value: Any) -> bool:
    """Tell whether a column can hold a value like this one: what cannot be bound is in none."""
    match value:
        case None | bool():
            return True
        case int():
            return value in _INT64
        case float():
            return math.isfinite(value)
    return isinstance(value, str) and bindable(value)


def _text(value: Any) -> str | None:
    return value if type(value) is str and bindable(value) else None


def bindable(text: str) -> bool:
    """Tell whether a column can hold a text: NUL cuts length(), and a lone surrogate cannot be bound."""
    if text.isascii():
        return "\x00" not in text
    try:  # encoding is fast, and looks for surrogates
        return b"\x00" not in text.encode()
    except UnicodeEncodeError:
        return False


def _integer(value: Any) -> int | None:
    return value if type(value) is int and value in _INT64 else None


def _real(value: Any) -> float | None:
    if type(value) is int:
        return float(value) if -_EXACT < value < _EXACT else None
    if type(value) is Number:
        close = float(value.token)
        return close if spelled(close) == value.token else None
    return value if type(value) is float else None


def _flag(value: Any) -> int | None:
    return int(value) if type(value) is bool else None


def _instant(value: Any) -> str | None:
    return value if type(value) is str and _INSTANT.match(value) else None


def _json(value: Any) -> str | None:
    return None if value is None else dumps(value)


def plain(value: Any) -> Any:
    """Make a JSON value of whatever a foreign hand put into a column."""
    if type(value) is float:
        return number(value)
    return {"blob": value.hex()} if type(value) is bytes else value


def _back_flag(value: Any) -> Any:
    return bool(value) if value in (0, 1) else plain(value)


def from_json(value: Any) -> Any:
    """Read JSON text from a column; what is none stays what it is."""
    try:
        return loads(value)
    except (TypeError, ValueError, StopIteration, RecursionError):
        return plain(value)


CODECS: Final[Mapping[str, Codec]] = {
    "text": Codec(_text, plain),
    "integer": Codec(_integer, plain),
    "real": Codec(_real, plain),
    "flag": Codec(_flag, _back_flag),
    "instant": Codec(_instant, plain),
    "json": Codec(_json, from_json),
    "secret": Codec(_text, plain),
}


def key_text(value: Any) -> str | None:
    """Return what identifies a record, as text; a number by its spelling; None when it is unusable."""
    match value:
        case str():
            return _text(value)
        case bool() | None:
            return None
        case int() | float():
            return str(value)
        case Number():
            return value.token
    return None
