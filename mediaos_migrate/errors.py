"""What can go wrong, as one small tree; each error keeps its facts and names the way out.

MigrateError                 1   failed, state safe
├── UsageError               2   the command asks for something that does not exist
│   ├── BadPack              2   the description of an app is wrong
│   └── NoRecord             2   there is no record with this key (a KeyError, too)
├── Refused                  4   nothing was changed
│   ├── Damaged              4   a file is no document of its app
│   ├── Suspect              4   a file has implausibly few records
│   ├── NotSettled           4   a file keeps changing while it is read
│   ├── NoData               4   the data folder holds nothing of the app
│   ├── SeveralFolders       4   more than one folder holds data
│   ├── NotOurs              4   the database belongs to somebody else
│   ├── Locked               4   another run is at work
│   ├── Conflict             4   a write would break a rule of the app
│   └── NeedsKey             4   a value cannot be given back without the key
├── CouldNotCheck            5   an answer could not be had
├── Incomplete               5   a part was done, and the rest was refused
└── NeedsPerson              7   two sources of truth contradict each other
"""

from __future__ import annotations

from typing import Any


class MigrateError(Exception):
    """Something did not work; the state is safe, and `remedy` says what to do next."""

    exit_code = 1

    def __init__(self, message: str, remedy: str, **facts: Any) -> None:
        super().__init__(message)
        self.message, self.remedy, self.facts = message, remedy, facts

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()


class UsageError(MigrateError):
    """The command names something that does not exist."""

    exit_code = 2


class BadPack(UsageError):
    """A pack's mapping.toml or its migrations contradict themselves; facts name file and line."""


class NoRecord(UsageError, KeyError):
    """There is no record with this key."""


class Refused(MigrateError):
    """The operation would be unsafe, so nothing was changed."""

    exit_code = 4


class Damaged(Refused):
    """A file that is no document of its app; facts: file, kind, line, column, offset (bytes)."""

    def __init__(self, kind: str, message: str, remedy: str, **facts: Any) -> None:
        super().__init__(message, remedy, kind=kind, **facts)
        self.kind = kind


class Suspect(Refused):
    """A file that lost so many records since it was last accepted that it may be an accident."""


class NotSettled(Refused):
    """A file changed every time it was looked at."""


class NoData(Refused):
    """The data folder does not exist or holds no file of the app."""


class SeveralFolders(Refused):
    """More than one folder holds data of the app, and guessing could migrate the wrong one."""


class NotOurs(Refused):
    """There is a file at the database's path that this tool did not make."""


class Locked(Refused):
    """Another run holds the site's lock."""


class Conflict(Refused):
    """A write would break a rule of the app, such as two accounts with one e-mail address."""


class NeedsKey(Refused):
    """A sealed value must be opened and the key is not there or does not fit."""


class CouldNotCheck(MigrateError):
    """The question could not be answered, which is never the same as a good answer."""

    exit_code = 5


class FileChanged(CouldNotCheck):
    """A file was changed by the app after it had been looked at; what was done before stays."""

    def __init__(self, file: str) -> None:
        super().__init__(f"{file} was changed in the meantime.", "Stop the app, and run the command again.", file=file)


class Incomplete(MigrateError):
    """Something was done, and then the rest was refused; facts: what was done."""

    exit_code = 5


class NeedsPerson(MigrateError):
    """Two sources of truth contradict each other, and only a person can say which is right."""

    exit_code = 7
