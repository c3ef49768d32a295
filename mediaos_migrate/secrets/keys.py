"""Where the site's key comes from: the app's own variable, a file, or standard input; never an argument."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import Final

from ..errors import UsageError

SHORTEST_KEY: Final = 32


STDIN: Final = Path("-")


def read_key(file: Path | None, variable: str | None) -> str | None:
    """Read the site's key from a file (`-`: standard input), else from the app's own variable; raises UsageError."""
    if file is not None:
        key, origin = _read_key_file(file), "standard input" if file == STDIN else f"the key file {file}"
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


def open_to_others(file: Path) -> bool:
    """Tell whether others than its owner can read a key file; a pipe is nobody else's."""
    try:
        status = file.stat()
    except OSError:
        return False
    return file != STDIN and stat.S_ISREG(status.st_mode) and bool(status.st_mode & 0o077)


def _read_key_file(file: Path) -> str:
    try:
        raw = sys.stdin.buffer.read() if file == STDIN else file.read_bytes()
        return raw.decode("utf-8-sig").strip("\r\n")
    except OSError as error:
        reason = error.strerror
    except UnicodeDecodeError:
        reason = "it is not UTF-8"
    raise UsageError(f"The key file {file} cannot be read: {reason}.", "Name a readable file.")
