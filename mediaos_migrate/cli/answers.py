"""What a command says: its result or its error, for people or as JSON, and the exit code."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import typer

from ..engines.sqlite import failed
from ..errors import MigrateError, UsageError
from ..report import Progress
from ..show import payload, text

DEBUG: Final = "MEDIAOS_MIGRATE_DEBUG"


class Interrupted(MigrateError):
    """Ctrl-C."""

    exit_code = 130

    def __init__(self) -> None:
        super().__init__("Interrupted.", "Nothing is half done; run the command again to complete it.")


class NoMemory(MigrateError):
    """The system gave no more memory."""

    def __init__(self) -> None:
        super().__init__(
            "The system gave no more memory; the step was undone.",
            "Stop other programs or allow this one more, and run the command again; one huge record takes its size "
            "eight times.",
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command found, in both forms, and how it ends."""

    payload: dict[str, Any]
    lines: Iterable[str]
    exit_code: int = 0


@dataclass(frozen=True, slots=True)
class Said:
    """What is left to print: lines for standard output and standard error, and the exit code."""

    exit_code: int = 0
    out: list[str] = field(default_factory=list)
    err: list[str] = field(default_factory=list)
    error: MigrateError | None = None


Teller = Callable[[MigrateError], Iterable[str]]


def answer(
    command: str,
    as_json: bool,  # noqa: FBT001  a command's own flag
    act: Callable[[], Answer],
    teller: Teller | None = None,
) -> Said:
    """Run a command; an error becomes an answer too, which `teller` puts on standard output in a form of its own."""
    said = _answer(command, as_json, act)
    if teller and said.error:
        return Said(said.exit_code, list(teller(said.error)), said.err, said.error)
    return said


def _answer(command: str, as_json: bool, act: Callable[[], Answer]) -> Said:  # noqa: FBT001
    try:
        found = act()
        if as_json:
            return Said(found.exit_code, _json(payload.envelope(command, found.exit_code, None, found.payload)))
        return Said(found.exit_code, list(found.lines))
    except (KeyboardInterrupt, typer.Abort):
        return failure(command, as_json, Interrupted())
    except (sqlite3.Error, OSError) as error:
        return failure(command, as_json, failed(error))
    except MigrateError as error:
        return failure(command, as_json, error)
    except MemoryError:
        return failure(command, as_json, NoMemory())
    except Exception as error:  # our own mistake, and still no traceback: it might show what it must not
        if os.environ.get(DEBUG):
            raise
        return failure(command, as_json, _mistake(error))


def _mistake(error: Exception) -> MigrateError:
    place = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{type(error).__name__} in {Path(place.filename).name}, line {place.lineno}"
    return MigrateError(f"A mistake of ours: {where}.", f"Please report it; {DEBUG}=1 shows all of it.")


def failure(command: str, as_json: bool, error: MigrateError) -> Said:  # noqa: FBT001
    """Say what went wrong."""
    if as_json:
        return Said(error.exit_code, _json(payload.envelope(command, error.exit_code, error, {})))
    return Said(error.exit_code, err=list(text.failure(error)), error=error)


def _json(value: dict[str, Any]) -> list[str]:
    # ASCII only: half a surrogate pair in a key has no other spelling.
    return json.dumps(value, indent=2).splitlines()


def confirm(question: str) -> None:
    """Ask a person; raises UsageError when there is none."""
    if not sys.stdin.isatty():
        plan = "".join(question.splitlines(keepends=True)[:-1])  # what would be done can be read all the same
        raise UsageError(f"{plan}This needs a confirmation, and nobody can be asked.", "Pass --yes.")
    if not typer.confirm(question, err=True):
        raise MigrateError("Nothing was changed.", "")


def narrator(as_json: bool) -> Progress:  # noqa: FBT001
    """Return who tells the progress: nobody when a script reads."""
    if as_json:
        return Progress()
    from ..show.progress import Narrator

    return Narrator()
