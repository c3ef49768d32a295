"""Turning a fault in a file into an error that names file, line, column and the way out."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from ..errors import Damaged
from ..pack import Document
from .faults import Fault

_CHUNK: Final = 1 << 20

_CONTINUATION: Final = bytes(range(0x80, 0xC0))  # the bytes of a character but its first

# kind -> what happened, what a person can do, what --salvage would do where the container was found
_KINDS: Final = {
    "empty": ("is empty, which a crash leaves behind", "Restore it from a backup", ""),
    "bom": (
        "begins with a byte order mark, so the app reads it as empty",
        "Strip its first three bytes (`tail -c +4 {file} > new`), or pass --salvage",
        "",
    ),
    "utf16": ("is not UTF-8 but UTF-16 or UTF-32", "Save it as UTF-8 without a byte order mark", ""),
    "not-utf8": ("is not UTF-8", "Save it as UTF-8", "take the rest"),
    "truncated": ("is cut short", "Restore it from a backup", "take what is complete"),
    "trailing": ("goes on after its end", "Cut the file there", "take the document"),
    "nul-hole": (
        "has a hole of NUL bytes, as a crash or a race leaves",
        "Restore it from a backup",
        "take what stands before",
    ),
    "wrong-container": ("is not of the app's form", "Restore it from a backup", ""),
    "duplicate": ("names a member twice", "Remove one of the two", "take the rest"),
    "too-deep": ("is nested too deeply", "Remove the record", "take the rest"),
    "too-large": ("holds a value that is too large", "Split the value", "take what stands before"),
    "bad-escape": ("is not JSON", "Mend it there", "take what stands before"),
    "syntax": ("is not JSON", "Mend it there", "take what stands before"),
}


def damaged(path: Path, document: Document, fault: Fault, *, salvage: bool) -> Damaged:
    """Build the error for a fault: which file, where (line and column count from 1), and what to do.

    `salvage` tells whether --salvage is a way out.
    """
    line, column = locate(path, fault.offset)
    what, remedy, taking = _KINDS[fault.kind]
    ways = [remedy.format(file=path.name), f"{taking} with --salvage" if salvage and taking else ""]
    ways.append(f"leave it out with --skip {document.name}")
    return Damaged(
        fault.kind,
        f"{path.name} {what}: line {line}, column {column}: found {fault.found}.",
        ", or ".join(way for way in ways if way) + ".",
        file=str(path),
        document=document.name,
        line=line,
        column=column,
        offset=fault.offset,
    )


def locate(path: Path, offset: int) -> tuple[int, int]:
    """Return line and column (in characters, from 1) of a byte in a file."""
    line, column, left = 1, 0, offset
    with path.open("rb") as stream:
        while left and (chunk := stream.read(min(left, _CHUNK))):
            left -= len(chunk)
            newlines = chunk.count(b"\n")
            if newlines:
                line, column = line + newlines, 0
                chunk = chunk[chunk.rindex(b"\n") + 1 :]
            column += len(chunk.translate(None, _CONTINUATION))
    return line, column + 1
