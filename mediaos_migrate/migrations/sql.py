"""SQL as text: split into statements, compared by its tokens, so that layout and comments do not matter."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ..errors import BadPack

# Strings and quoted names (kept as they are), words, single characters; comments and white space are of no account.
_TOKEN = re.compile(
    r"""(?P<quoted>'(?:[^']|'')*'|"(?:[^"]|"")*"|\[[^\]]*\]|`[^`]*`)|(?P<word>[\w$@:]+)"""
    r"""|(?P<cosmetic>--[^\n]*|/\*.*?\*/|\s+)|(?P<mark>.)""",
    re.DOTALL,
)
_SIMPLE = re.compile(r"""["`\[](\w+)["`\]]\Z""")
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
    """Return SQL with only what it does: no comments, a blank between words, none around anything else."""
    return _joined(match for match in _TOKEN.finditer(sql))


def same(one: str, other: str) -> bool:
    """Tell whether two objects of a schema are the same: ALTER TABLE … RENAME puts names in quotes."""
    return _unquoted(one) == _unquoted(other)


def _unquoted(sql: str) -> list[str]:
    kept = (match.group() for match in _TOKEN.finditer(sql) if match.lastgroup != "cosmetic")
    return [_SIMPLE.sub(r"\1", token) for token in kept]


def _joined(tokens: Iterator[re.Match[str]]) -> str:
    parts: list[str] = []
    wordy = False  # whether the last token would run into a word
    for match in tokens:
        if match.lastgroup == "cosmetic":
            continue
        if wordy and match.lastgroup != "mark":
            parts.append(" ")
        parts.append(match.group())
        wordy = match.lastgroup != "mark"
    return "".join(parts)


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
