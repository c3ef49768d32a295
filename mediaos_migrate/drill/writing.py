"""Writes through the library as an app does, and says of each write when it was acknowledged."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import MigrateError
from ..library import Site


def write(site: dict[str, str | None], wanted: list[list[dict[str, Any]]]) -> int:
    """Write one of each group's candidates, the first that the app's rules allow; return the exit code.

    A line `GROUP CANDIDATE` on standard output acknowledges it, `GROUP -` says that none could be written.
    """
    failures: list[str] = []
    with _told(failures), Site.open(**site) as opened:  # type: ignore[arg-type]  # words are what it takes
        for number, group in enumerate(wanted):
            os.write(1, f"{number} {_first(opened, group, failures)}\n".encode())
        opened.flush()
    return int(bool(failures))


def _first(site: Site, group: list[dict[str, Any]], failures: list[str]) -> int | str:
    """Write the first of some candidates that can be written, and return its number."""
    tried: list[str] = []
    for number, candidate in enumerate(group):
        with _told(tried):
            site.repository(candidate["document"]).put(candidate["value"], candidate["key"])
            return number
    failures += tried[:1]
    return "-"


@contextmanager
def _told(failures: list[str]) -> Iterator[None]:
    """Note an error, and say it on standard error."""
    try:
        yield
    except (MigrateError, sqlite3.Error, OSError) as error:
        failures.append(str(error))
        os.write(2, f"{error}\n".encode("utf-8", "backslashreplace"))
