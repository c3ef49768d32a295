"""Where the site's key comes from: the app's own variable, a file, or standard input; never an argument."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from ..errors import UsageError

SHORTEST_KEY: Final = 32


def read_key(file: Path | None, variable: str | None) -> str | None:
    """Read the site's key from a file, else from the app's own environment variable; raises UsageError."""
    if file is not None:
        key, origin = _read_key_file(file), f"the key file {file}"
    else:
        key, origin = os.environ.get(variable or "", ""), f"the variable {variable}"
        if not key:
            return None
    if any("\ud800" <= character <= "\udfff" for character in key):  # what os.environ makes of bytes
        raise UsageError(f"The key in {origin} is not UTF-8.", "Give the key that the app runs with.")
    if len(key) < SHORTEST_KEY:
        raise UsageError(
            f"The key in {origin} is shorter than {SHORTEST_KEY} characters, which the app refuses.",
            "Give the key that the app runs with.",
        )
    return key


def _read_key_file(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig").strip("\r\n")
    except OSError as error:
        reason = error.strerror
    except UnicodeDecodeError:
        reason = "it is not UTF-8"
    raise UsageError(f"The key file {file} cannot be read: {reason}.", "Name a readable file.")
