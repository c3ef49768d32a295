"""The home that is not believed: what it cannot take now is a debt, which no caller hears of."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import Final, ParamSpec, TypeVar

from ..engines.sqlite import failed
from ..errors import FileChanged, NeedsPerson, Refused
from .host import Host

P = ParamSpec("P")
T = TypeVar("T")

_OF_THE_FILE: Final = (Refused, FileChanged, NeedsPerson, OSError)  # it is believed: what is wrong there is an error


def bring(site: Host, step: Callable[[], object]) -> bool:
    """Bring a table in step with its believed file, and tell whether it let itself be."""
    try:
        step()
    except _OF_THE_FILE:
        raise
    except Exception as error:  # noqa: BLE001  the file goes on, and its digest tells what the table lacks
        site.failed(error)
        return False
    return True


@contextmanager
def noting(site: Host, changes: Mapping[str, int], *, alone: bool) -> Iterator[None]:
    """Note what is about to be done to believed files, so many changes of each.

    A database that cannot even take that keeps one file from nothing: a file that was changed without a note is found
    by its digest. Several files are one unit of work, and several homes one promise, only by what is noted.
    """
    try:
        yield
    except sqlite3.Error as error:
        if not alone:
            raise
        site.failed(error, changes)


@contextmanager
def in_words() -> Iterator[None]:
    """Say in a sentence what database or disk could not do, so that an app has one kind of error to know."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise failed(error) from None  # SQLite's own words may show what is in a row


def spoken(function: Callable[P, T]) -> Callable[P, T]:
    """Do the same for a whole function, at hardly any cost."""

    @wraps(function)
    def speaking(*given: P.args, **named: P.kwargs) -> T:
        try:
            return function(*given, **named)
        except (sqlite3.Error, OSError) as error:
            raise failed(error) from None

    return speaking
