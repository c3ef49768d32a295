"""JSON values that keep what JSON says: number spelling, member order, every code point, and secrets as dots.

A value is None, bool, int, float, str, list or dict as Python knows them, or a `Number` where Python would
respell the token, or a `Secret` where nobody may read it. A float is used only where Python and JavaScript
agree on its spelling, so that writing a value back gives the token that was read.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from json.encoder import c_make_encoder, encode_basestring, encode_basestring_ascii  # type: ignore[attr-defined]
from typing import Any, Final

DOTS: Final = "••••••"
MAX_DIGITS: Final = 1000  # longer integers stay tokens: int() of 4,301 digits raises
_BLANKS: Final = " \t\n\r"
_SURROGATE = re.compile("[\ud800-\udfff]")
_EXACT: Final = frozenset({str, int, bool, type(None)})  # what Python and JSON spell alike
_PLAIN: Final = _EXACT | {float}
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)\Z")


@dataclass(frozen=True, slots=True)
class Number:
    """A number token that Python or JavaScript would spell differently, such as `1.0`, `-0` or `1e400`."""

    token: str


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A value that is never shown; `reveal()` is the only way to it.

    `state` says how it stands in the file: plain, hash, sealed, looks-sealed; or in the table only:
    sealed-here, sealed-here-json. `locked` means that it is sealed by us and no key opens it.
    """

    hidden: Any
    state: str = "plain"
    locked: bool = False

    def reveal(self) -> Any:
        """Return the value itself; the caller answers for where it goes."""
        return self.hidden

    def __repr__(self) -> str:
        return DOTS

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return DOTS


class DuplicateMember(ValueError):
    """An object names one member twice."""


class NotFinite(ValueError):
    """NaN and Infinity are no JSON."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise DuplicateMember
    return members


def _integer(token: str) -> int | Number:
    return int(token) if len(token) <= MAX_DIGITS and token != "-0" else Number(token)


def _real(token: str) -> float | Number:
    number = float(token)
    if repr(number) == token and "e" not in token and not number.is_integer():
        return number
    return Number(token)


def _constant(token: str) -> Any:
    raise NotFinite(token)


# The C scanner of the standard library, told to keep what it would change in silence.
SCAN: Final[Callable[[str, int], tuple[Any, int]]] = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_real, parse_constant=_constant
).scan_once  # type: ignore[attr-defined]  # typeshed leaves it out
# The same without the complaint about duplicates: finds where a value ends.
SCAN_LOOSELY: Final[Callable[[str, int], tuple[Any, int]]] = json.JSONDecoder(parse_int=len, parse_float=len).scan_once  # type: ignore[attr-defined]


def loads(text: str) -> Any:
    """Decode JSON text (from the database); keeps every token. Raises ValueError."""
    try:
        value, end = SCAN(text, len(text) - len(text.lstrip(_BLANKS)))
    except (StopIteration, RecursionError):
        raise ValueError("no JSON value") from None
    if text[end:].strip(_BLANKS):
        raise ValueError("text after the value")
    return value


class _Odd(Exception):
    """The value holds something that the C encoder cannot spell."""


def _odd(value: Any) -> Any:
    raise _Odd(type(value).__name__)


# Made once: JSONEncoder.encode makes a new C encoder for every value. The last three: sort_keys, skipkeys, allow_nan.
_FAST = c_make_encoder(None, _odd, encode_basestring, None, ":", ",", *(False, False, False))
_SORTED = c_make_encoder(None, _odd, encode_basestring_ascii, None, ":", ",", *(True, False, True))


def dumps(value: Any) -> str:
    """Spell a value as compact JSON, tokens as they were; a Secret is refused (see `reveal`)."""
    try:
        text = "".join(_FAST(value, 0))
    except _Odd:
        text = "".join(_pieces(value, encode_basestring, None, "", ":"))
    return text if text.isascii() else _SURROGATE.sub(_escape, text)


def pretty(value: Any, indent: str, depth: int = 0, colon: str = ": ", *, ascii_only: bool = False) -> str:
    """Spell a value as `JSON.stringify(value, null, indent)` does, `depth` levels deep in a document."""
    quote = encode_basestring_ascii if ascii_only else encode_basestring
    start = "\n" + indent * depth if indent else None
    text = "".join(_pieces(value, quote, start, indent, colon))
    return text if text.isascii() else _SURROGATE.sub(_escape, text)


def quoted(name: str, *, ascii_only: bool = False) -> str:
    """Spell one string as JSON, lone surrogates escaped as JavaScript does."""
    return encode_basestring_ascii(name) if ascii_only else _SURROGATE.sub(_escape, encode_basestring(name))


def _escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match.group()):04x}"


def _pieces(value: Any, quote: Callable[[str], str], line: str | None, indent: str, colon: str) -> Iterator[str]:
    if isinstance(value, dict | list) and value:
        inner = None if line is None else line + indent
        opening, closing = "{}" if isinstance(value, dict) else "[]"
        yield opening
        for number, item in enumerate(value.items() if isinstance(value, dict) else value):
            yield ("," if number else "") + (inner or "")
            if isinstance(value, dict):
                yield quote(item[0]) + colon
                item = item[1]  # noqa: PLW2901  a member is a name and a value
            yield from _pieces(item, quote, inner, indent, colon)
        yield (line or "") + closing
    else:
        yield _scalar(value, quote)


def _scalar(value: Any, quote: Callable[[str], str]) -> str:
    match value:
        case str():
            return quote(value)
        case None | bool():
            return {None: "null", True: "true", False: "false"}[value]
        case int():
            return str(value)
        case float():
            return spelled(value)
        case Number():
            return value.token
        case dict():
            return "{}"
        case list():
            return "[]"
    raise TypeError(f"a {type(value).__name__} has no place in a document")


def spelled(number: float) -> str:
    """Spell a number as JavaScript's Number.prototype.toString does (ECMA-262, 6.1.6.1.20)."""
    if not math.isfinite(number):
        return "null"
    minus, digits, exponent = _parts(repr(number))
    point = exponent + len(digits)  # how many digits stand before the decimal point
    if not digits:
        return "0"
    if exponent >= 0 and point <= 21:  # noqa: PLR2004  the standard's limits
        return minus + digits + "0" * exponent
    if 0 < point <= 21:  # noqa: PLR2004
        return f"{minus}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:  # noqa: PLR2004
        return f"{minus}0.{'0' * -point}{digits}"
    return f"{minus}{digits[0]}{'.' if len(digits) > 1 else ''}{digits[1:]}e{point - 1:+d}"


def number(value: float) -> Any:
    """Make a value of a number as JavaScript would write it: 5.0 is 5, 1e21 is a token, infinity is null."""
    if not math.isfinite(value):
        return None
    token = spelled(value)
    return _integer(token) if _INTEGER.match(token) else _real(token)


def of_python(value: Any) -> Any:
    """Make a value of plain Python, with numbers spelled as JavaScript writes them. Raises ValueError."""
    if type(value) in _EXACT:
        return value
    match value:
        case dict():
            return {
                name if type(name) is str else str(name): item if type(item) in _EXACT else of_python(item)
                for name, item in value.items()
            }
        case bool() | int() | str() | Number() | Secret():
            return value
        case float() if math.isfinite(value):
            return number(value)
        case list() | tuple():
            return [of_python(item) for item in value]
    raise ValueError(f"{value} is no JSON" if isinstance(value, float) else f"a {type(value).__name__} is no JSON")


def to_python(value: Any) -> Any:
    """Make plain Python of a value: what an app's own JSON reader would have given it."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is dict:
        return {name: item if type(item) in _PLAIN else to_python(item) for name, item in value.items()}
    if kind is list:
        return [to_python(item) for item in value]
    if kind is Number:
        return _normal_number(value.token) if _INTEGER.match(value.token) else float(value.token)
    return to_python(value.hidden) if kind is Secret else value


def canonical(value: Any) -> str:
    """Spell a value so that two values are equal exactly if their spellings are.

    Members are sorted, numbers are compared as numbers (5.0 is 5, -0 is 0, 1e2 is 100), absent is not
    null, secrets count as what they hide. The spelling itself is no JSON, and is not for reading back.
    """
    try:
        return "".join(_SORTED(value, 0))
    except _Odd:
        return "".join(_SORTED(normal(value), 0))


def normal(value: Any) -> Any:
    """Make plain Python of a value, such that equal values are equal; shows secrets, so keep it to yourself."""
    match value:
        case dict():
            return {name: normal(item) for name, item in value.items()}
        case list():
            return [normal(item) for item in value]
        case Number():
            return _normal_number(value.token)
        case Secret():
            return [-math.inf] if value.locked else normal(value.hidden)
    return value


def _normal_number(token: str) -> Any:
    """Make an int or a float of a token that equals one; of others a list with infinity, which no document has."""
    if len(token.lower().partition("e")[2]) > MAX_DIGITS:
        return [math.inf, token]  # nobody can tell what this equals, and nobody writes it
    parts = minus, digits, exponent = _parts(token)
    if exponent >= 0 and exponent + len(digits) <= MAX_DIGITS:
        return int(f"{minus}{digits or 0}{'0' * exponent}")
    close = float(token)
    return close if math.isfinite(close) and _parts(repr(close)) == parts else [math.inf, f"{minus}{digits}e{exponent}"]


def _parts(token: str) -> tuple[str, str, int]:
    """Take a number apart into sign, digits without zeros at either end, and the power of ten they count."""
    mantissa, _, power = token.lower().partition("e")
    whole, _, fraction = mantissa.removeprefix("-").partition(".")
    digits = (whole + fraction).lstrip("0")
    kept = digits.rstrip("0")
    if not kept:
        return "", "", 0
    return "-" * mantissa.startswith("-"), kept, int(power or 0) - len(fraction) + len(digits) - len(kept)


def reveal(value: Any) -> Any:
    """Replace every Secret by what it hides; what comes out must not be shown."""
    match value:
        case Secret():
            return value.hidden
        case dict():
            return {name: reveal(item) for name, item in value.items()}
        case list():
            return [reveal(item) for item in value]
    return value


def redacted(value: Any) -> Any:
    """Replace every Secret by dots and every number that Python cannot show by its token, fit to be shown."""
    match value:
        case Secret():
            return DOTS
        case Number():
            return _shown(value.token)
        case dict():
            return {name: redacted(item) for name, item in value.items()}
        case list():
            return [redacted(item) for item in value]
    return value


def _shown(token: str) -> float | str:
    number = float(token)
    return number if repr(number) == token else token


def locked(value: Any) -> bool:
    """Tell whether a value holds a secret that could not be opened."""
    match value:
        case Secret():
            return value.locked
        case dict():
            return any(map(locked, value.values()))
        case list():
            return any(map(locked, value))
    return False
