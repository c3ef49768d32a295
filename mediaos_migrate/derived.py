"""Columns that we fill from another one: never exported, never compared."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from .pack import Derived


def derive(derived: Derived, value: Any) -> Any:
    """Fill a derived column from the value of the column it is derived from."""
    if not isinstance(value, str):
        return None
    match derived.by:
        case "copy":
            return value
        case "lower":
            # Python's lower() equals JavaScript's toLowerCase(); casefold and SQLite's lower() do not.
            return value.lower()
        case "singular":
            return derived.names.get(value.lower(), value.lower())
        case "base36-time":
            return creation_hint(value)
    return None  # link: set in SQL, when the document it refers to is there


def creation_hint(identity: str) -> str | None:
    """Decode the creation time that an id of the app begins with: eight base-36 digits of milliseconds."""
    if not re.fullmatch(r"[0-9a-z]{9,14}", identity):
        return None
    milliseconds = int(identity[:8], 36)
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    if not 2015 <= moment.year <= 2040:  # noqa: PLR2004  an IMDb id (tt1375666) decodes to 2044
        return None
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"
