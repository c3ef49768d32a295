"""Turning a fault in a file into an error that names file, line, column and the way out."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from ..errors import Damaged
from ..pack import Document
from .scanner import Fault

_CHUNK: Final = 1 << 20

# kind -> (what happened, what a person can do); {file}, {name} and {found} are filled in
_KINDS: Final = {
    "empty": ("is empty, which a crash leaves behind", "Restore it from a backup{skip}."),
    "bom": ("begins with a byte order mark, so the app reads it as empty", "{bom}."),
    "utf16": ("is not UTF-8 but UTF-16 or UTF-32", "Save it as UTF-8 without a byte order mark{skip}."),
    "not-utf8": ("is not UTF-8", "Save it as UTF-8, or take the rest with --salvage{skip}."),
    "truncated": ("is cut short", "Restore it from a backup, or take what is complete with --salvage{skip}."),
    "trailing": ("goes on after its end", "Cut the file there, or take the document with --salvage{skip}."),
    "nul-hole": ("has a hole of NUL bytes, as a crash or a race leaves", "Restore it from a backup{skip}."),
    "wrong-container": ("is not of the app's form", "Restore it from a backup{skip}."),
    "duplicate": ("names a member twice", "Remove one of the two, or take the rest with --salvage{skip}."),
    "too-deep": ("is nested too deeply", "Remove the record, or take the rest with --salvage{skip}."),
    "too-large": ("holds a value that is too large", "Split the value{skip}."),
    "bad-escape": ("is not JSON", "Mend it there{skip}."),
    "syntax": ("is not JSON", "Mend it there, or take what stands before with --salvage{skip}."),
}
_BOM: Final = "Strip its first three bytes (`tail -c +4 {file} > new`), or pass --salvage"


def damaged(path: Path, document: Document, fault: Fault) -> Damaged:
    """Build the error for a fault: which file, where (line and column count from 1), and what to do."""
    line, column = locate(path, fault.offset)
    what, remedy = _KINDS.get(fault.kind, _KINDS["syntax"])
    skip = f", or leave it out with --skip {document.name}"
    return Damaged(
        fault.kind,
        f"{path.name} {what}: line {line}, column {column}: found {fault.found}.",
        remedy.format(bom=_BOM.format(file=path.name), skip=skip),
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
            column += sum(byte & 0xC0 != 0x80 for byte in chunk)  # noqa: PLR2004  continuation bytes
    return line, column + 1
