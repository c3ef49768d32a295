"""SQL as text: split into statements, compared by its tokens, so that layout and comments do not matter."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ..errors import BadPack

# A string or a quoted name (kept as it is), a comment or white space (of no account).
_TOKEN = re.compile(r"""('(?:[^']|'')*'|"(?:[^"]|"")*"|\[[^\]]*\]|`[^`]*`)|--[^\n]*|/\*.*?\*/|\s+""", re.DOTALL)
_PUNCTUATION = re.compile(r"\s*([(),;=<>+*/|-])\s*")
_QUOTED = re.compile(r"""["`\[](\w+)["`\]]""")
# What cannot run inside the one transaction of a step, or would end it.
FORBIDDEN: Final = {
    **dict.fromkeys(("BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE"), "it would end the transaction"),
    **dict.fromkeys(("VACUUM", "PRAGMA", "ATTACH", "DETACH"), "it cannot run inside a transaction"),
}


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a script, with the line (from 1) on which it begins."""

    text: str
    line: int

    @property
    def plain(self) -> str:
        """The statement without comments and with single blanks."""
        return normalized(self.text)

    @property
    def verb(self) -> str:
        """Its first word, in capitals."""
        return self.plain.split(" ", 1)[0].upper().rstrip(";")


def normalized(sql: str) -> str:
    """Return SQL with only what it does: no comments, single blanks, none around punctuation."""
    kept = _TOKEN.sub(lambda match: match[1] or " ", sql)
    parts = re.split(r"""('(?:[^']|'')*')""", kept)
    plain = (part if n % 2 else _PUNCTUATION.sub(r"\1", " ".join(f" {part} ".split())) for n, part in enumerate(parts))
    return " ".join(filter(None, plain)).strip()


def same(one: str, other: str) -> bool:
    """Tell whether two objects of a schema are the same: ALTER TABLE … RENAME puts names in quotes."""
    return _QUOTED.sub(r"\1", normalized(one)) == _QUOTED.sub(r"\1", normalized(other))


def checksum(sql: str) -> str:
    """Digest what SQL does (SHA-256 in hex)."""
    return hashlib.sha256(normalized(sql).encode()).hexdigest()


def split(sql: str) -> Iterator[Statement]:
    """Split a script into statements, triggers whole; raises BadPack for an unfinished one."""
    statement, line = "", 1
    for piece in re.split(r"(?<=;)", sql):
        statement += piece
        if not sqlite3.complete_statement(statement):
            continue
        yield _statement(statement, line)
        line += statement.count("\n")
        statement = ""
    if normalized(statement):
        raise BadPack(f"A statement is not finished: {normalized(statement)[:60]!a}.", "End it with a semicolon.")


def _statement(text: str, line: int) -> Statement:
    begin = re.match(r"(?:\s|--[^\n]*\n|/\*.*?\*/)*", text, re.DOTALL)
    skipped = begin.end() if begin else 0
    return Statement(text.strip(), line + text[:skipped].count("\n"))


def statements(sql: str) -> Iterator[str]:
    """Split a script that runs in one transaction; raises BadPack for what cannot."""
    for statement in split(sql):
        if statement.verb in FORBIDDEN:
            raise BadPack(
                f"{statement.verb} cannot stand in a migration: {FORBIDDEN[statement.verb]}.",
                "Remove it: each migration runs in a transaction of its own.",
            )
        yield statement.text
