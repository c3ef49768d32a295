"""Columns that we fill from another one: never exported, never compared."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta
from functools import lru_cache
from typing import Final

from .pack import Derived

_ID = re.compile(r"[0-9a-z]{9,14}\Z")
_DAY: Final = 24 * 60 * 60 * 1000


def deriving(derived: Derived) -> Callable[[str], str | None]:
    """Return what fills a derived column from a text."""
    names = derived.names
    ways: dict[str, Callable[[str], str | None]] = {
        "copy": str,
        "lower": str.lower,  # equals JavaScript's toLowerCase(); casefold and SQLite's lower() do not
        "singular": lambda text: names.get(text.lower(), text.lower()),
        "base36-time": creation_hint,
        "link": lambda _: None,  # set in SQL, when the document it refers to is there
    }
    return ways[derived.by]


def creation_hint(identity: str) -> str | None:
    """Decode the creation time that an id of the app begins with: eight base-36 digits of milliseconds."""
    if not _ID.match(identity):
        return None
    days, rest = divmod(int(identity[:8], 36), _DAY)
    day = _day(days)
    seconds, milliseconds = divmod(rest, 1000)
    minutes, second = divmod(seconds, 60)
    return day and f"{day}T{minutes // 60:02d}:{minutes % 60:02d}:{second:02d}.{milliseconds:03d}Z"


@lru_cache(maxsize=4096)
def _day(days: int) -> str | None:
    """Spell a day, counted from 1970; None when no app can have made a record then."""
    day = date(1970, 1, 1) + timedelta(days)
    return day.isoformat() if 2015 <= day.year <= 2040 else None  # noqa: PLR2004  an IMDb id (tt1375666) decodes to 2044
