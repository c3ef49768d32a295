"""Columns that we fill from another one: never exported, never compared."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta
from functools import lru_cache
from typing import Final

from .pack import Derived

_ID = re.compile(r"[0-9a-z]{9,14}\Z")
_EPOCH: Final = date(1970, 1, 1)  # all of this is UTC
_DAY: Final = 86_400_000  # milliseconds
_YEARS: Final = range(2015, 2041)  # an IMDb id (tt1375666) decodes to 2044


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
    days, time = divmod(int(identity[:8], 36), _DAY)
    day = _day(days)
    seconds, thousandths = divmod(time, 1000)
    minutes, second = divmod(seconds, 60)
    return day and f"{day}T{minutes // 60:02}:{minutes % 60:02}:{second:02}.{thousandths:03}Z"


@lru_cache(maxsize=10_000)  # ids of some years
def _day(number: int) -> str | None:
    """Spell a day, counted from 1970 (at most of 2059), if an id may be of it."""
    day = _EPOCH + timedelta(days=number)
    return day.isoformat() if day.year in _YEARS else None
