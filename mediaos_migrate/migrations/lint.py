"""What a migration had better not do: rules with a code, a reason and a remedy each, tried out on an empty database."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..errors import BadPack
from .drift import Objects, objects
from .folder import INTEGRITY, Ladder, Migration, check_integrity, folder_of, read_loosely
from .sql import FORBIDDEN, Statement, same, split

RULES: Final = {
    "missing-down": ("there is no way back", "Write the down file."),
    "broken": ("it does not run on an empty database", "Mend the statement."),
    "transaction": ("it cannot stand inside the step's transaction", "Remove it."),
    "drop-table": ("the rows of a table go with it", "Move them first, and say so beside it."),
    "drop-column": ("the values of a column go with it", "Move them first, and say so beside it."),
    "not-null": ("rows that are there have no value for it", "Give it a DEFAULT, or leave NOT NULL out."),
    "unique": ("rows that are there may break it", "Make it a contract migration (`schema new --contract`)."),
    "rename": ("what reads the old name breaks", "Add the new one beside the old one, and drop that later."),
    "numeric-affinity": ("SQLite turns '007' in it into 7", "Use TEXT for JSON, times, decimals; INTEGER for flags."),
    "not-inverse": ("down does not undo up", "Make down the exact inverse."),
    "or-replace": ("it deletes the old row, and its children through cascades", "Use ON CONFLICT DO UPDATE."),
    "unguarded-trigger": (
        "it fires itself, or overwrites a value that was given",
        "Guard it with WHEN NEW.x IS OLD.x.",
    ),
    "foreign-key-index": ("every change of the parent scans the whole table", "Index the column."),
    "if-exists": ("it hides that the schema is not what the history says", "Leave IF [NOT] EXISTS out."),
    "allow-without-reason": ("nobody will know why", "Write `-- lint: allow RULE because …`."),
    "no-history": ("a change after the review goes unseen", "Write it with `schema lint --write`."),
    "integrity": ("the history is not the one that was reviewed", "Undo the change, or `schema lint --write`."),
}
_ALLOW = re.compile(r"--\s*lint:\s*allow\s+([a-z-]+)(?:\s+because\s+(\S.*))?")
_NAME = r"""(?:["\[`]?\w+["\]`]?\.)?("[^"]+"|\[[^\]]+\]|`[^`]+`|\w+)"""  # main.x too; its quotes go by `_bare`
_SAYS: Final = {  # by rule: what a statement says, the groups being what it is about
    "drop-table": rf"DROP TABLE (?:IF EXISTS )?{_NAME}",
    "drop-column": rf"ALTER TABLE {_NAME} DROP (?:COLUMN )?{_NAME}",
    "rename": rf"ALTER TABLE {_NAME} RENAME\b",
    "not-null": rf"ALTER TABLE {_NAME} ADD (?:COLUMN )?{_NAME}(?!.*\bDEFAULT\b(?! NULL\b)).*\bNOT NULL\b",
    "if-exists": r"((?:CREATE|DROP) (?:\w+ ){1,2}IF (?:NOT )?EXISTS)\b",
}
_UNIQUE: Final = rf"CREATE UNIQUE INDEX (?:IF NOT EXISTS )?{_NAME} ON {_NAME}"
_TRIGGER: Final = (
    rf"CREATE (?:TEMP |TEMPORARY )?TRIGGER (?:IF NOT EXISTS )?{_NAME} (?:BEFORE |AFTER )?UPDATE(?: OF .+?)? ON {_NAME}"
    r"(.*?)\bBEGIN\b(.*)"
)
_GUARD: Final = r"""\bWHEN\b.*\b(?:NEW|OLD)["\]`]?\."""  # what looks at no row guards nothing
_UPDATES: Final = rf"\bUPDATE (?:OR \w+ )?{_NAME}"
_AFFINE: Final = re.compile("INT|CHAR|CLOB|TEXT|BLOB|REAL|FLOA|DOUB", re.IGNORECASE)  # all else is numeric (SQLite)
_TYPES: Final = """
SELECT t.name, c.name, c.type FROM pragma_table_list t, pragma_table_xinfo(t.name, t.schema) c
 WHERE t.type = 'table' AND c.type <> '' AND NOT t.strict ORDER BY t.name, c.cid
"""
_UNINDEXED: Final = """
SELECT t.name, f."from" FROM pragma_table_list t, pragma_foreign_key_list(t.name, t.schema) f
 WHERE t.type = 'table' AND f.seq = 0 AND f."from" NOT IN (
    SELECT i.name FROM pragma_index_list(t.name, t.schema) l, pragma_index_info(l.name, t.schema) i
     WHERE i.seqno = 0 AND i.name IS NOT NULL
     UNION SELECT name FROM pragma_table_info(t.name, t.schema) WHERE pk = 1 AND type = 'INTEGER' COLLATE NOCASE)
 ORDER BY t.name, f.id
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule that a migration breaks, and where."""

    rule: str
    file: str
    line: int
    what: str

    @property
    def why(self) -> str:
        """Why the rule is one."""
        return RULES[self.rule][0]

    @property
    def remedy(self) -> str:
        """What to do instead."""
        return RULES[self.rule][1]

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.rule}: {self.what}: {self.why}. {self.remedy}"


def lint(engine: Path) -> list[Finding]:
    """Look at both ladders of a pack's migrations; what is allowed beside it, with a reason, is no finding."""
    found: list[Finding] = []
    steps: list[Migration] = []
    for ladder in Ladder:
        folder = folder_of(engine, ladder)
        try:
            mine = read_loosely(engine, ladder)
            check_integrity(folder, mine)
        except BadPack as error:
            rule = "missing-down" if "matching up and down" in error.message else "integrity"
            found.append(Finding(rule, folder.name, 1, error.message))
            with suppress(BadPack):
                steps += read_loosely(engine, ladder)
            continue
        if mine and not (folder / INTEGRITY).exists():
            found.append(Finding("no-history", folder.name, 1, f"{folder / INTEGRITY} is missing"))
        steps += mine
    return [*found, *_lint_steps(steps)]


def _lint_steps(steps: Sequence[Migration]) -> Iterator[Finding]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        for step in steps:
            there = {name.lower() for kind, name in objects(connection) if kind == "table"}
            for sql, file, checks in ((step.up, f"{step}.up.sql", _CHECKS), (step.down, f"{step}.down.sql", _DOWN)):
                said = (
                    Finding(rule, file, s.line, what) for s in _read(sql) for c in checks for rule, what in c(s, there)
                )
                yield from _unreasoned(sql, file)
                yield from _not_allowed(sql, said)
            yield from _try(connection, step)


def _read(sql: str) -> list[Statement]:
    try:
        return list(split(sql))
    except BadPack:
        return []


def _unreasoned(sql: str, file: str) -> Iterator[Finding]:
    for number, line in enumerate(sql.splitlines(), 1):
        for match in _ALLOW.finditer(line):
            if not match[2]:
                yield Finding("allow-without-reason", file, number, f"allow {match[1]}")


def _not_allowed(sql: str, found: Iterable[Finding]) -> Iterator[Finding]:
    """Drop the findings that are allowed on one of their statement's lines (or the line above)."""
    allowed = [{match[1] for match in _ALLOW.finditer(line)} for line in ["", *sql.splitlines()]]
    ends = {s.line: s.line + s.text.count("\n") for s in _read(sql)}
    for finding in found:
        last = ends.get(finding.line, finding.line)
        if not any(finding.rule in names for names in allowed[finding.line - 1 : last + 1]):
            yield finding


Check = Callable[[Statement, "set[str]"], Iterator[tuple[str, str]]]


def _match(pattern: str, statement: Statement) -> list[str]:
    """Return what the groups of a pattern hold, names without their quotes; nothing if it does not match."""
    found = re.match(pattern, statement.plain, re.IGNORECASE | re.DOTALL)
    return [_bare(group) for group in found.groups()] if found else []


def _bare(name: str) -> str:
    return name[1:-1] if name[:1] in ('"', "[", "`") else name


def _transaction(statement: Statement, _: set[str]) -> Iterator[tuple[str, str]]:
    if statement.verb in FORBIDDEN:
        yield "transaction", f"{statement.verb}: {FORBIDDEN[statement.verb]}"


def _replace(statement: Statement, _: set[str]) -> Iterator[tuple[str, str]]:
    if re.search(r"\bOR REPLACE\b|\bREPLACE INTO\b", statement.plain, re.IGNORECASE):
        yield "or-replace", statement.plain[:60]


def _says(statement: Statement, _: set[str]) -> Iterator[tuple[str, str]]:
    for rule, pattern in _SAYS.items():
        if about := _match(pattern, statement):
            yield rule, ".".join(about)


def _unique(statement: Statement, there: set[str]) -> Iterator[tuple[str, str]]:
    about = _match(_UNIQUE, statement)
    if about and about[1].lower() in there:
        yield "unique", f"{about[0]} on {about[1]}"


def _triggers(statement: Statement, _: set[str]) -> Iterator[tuple[str, str]]:
    if not (about := _match(_TRIGGER, statement)):
        return
    name, table, guard, body = about
    itself = table.lower() in (_bare(other).lower() for other in re.findall(_UPDATES, body, re.IGNORECASE))
    if itself and not re.search(_GUARD, guard, re.IGNORECASE | re.DOTALL):
        yield "unguarded-trigger", name


_DOWN: Final[tuple[Check, ...]] = (_transaction, _replace)
_CHECKS: Final = (*_DOWN, _says, _unique, _triggers)


def _try(connection: sqlite3.Connection, step: Migration) -> Iterator[Finding]:
    """Take a step, take it back, take it again; say where that fails or leaves something."""
    before, known = objects(connection), set(_faults(connection))
    try:
        _run(connection, step.up)
        new = [fault for fault in _faults(connection) if fault not in known]
        yield from _not_allowed(step.up, (_fault(step, *fault) for fault in new))
        _run(connection, step.down)
        if left := _difference(before, objects(connection)):
            yield Finding("not-inverse", f"{step}.down.sql", 1, left)
        else:
            _run(connection, step.up)
    except (sqlite3.Error, BadPack) as error:
        yield Finding("broken", f"{step}.up.sql", 1, str(error))


def _run(connection: sqlite3.Connection, sql: str) -> None:
    for statement in split(sql):
        if statement.verb not in FORBIDDEN:
            connection.execute(statement.text)


def _difference(before: Objects, after: Objects) -> str:
    left = [f"leaves {kind} {name}" for kind, name in after if (kind, name) not in before]
    left += [f"loses {kind} {name}" for kind, name in before if (kind, name) not in after]
    kept = before.keys() & after.keys()
    left += [f"changes {kind} {name}" for kind, name in kept if not same(before[kind, name], after[kind, name])]
    return ", ".join(sorted(left))


def _faults(connection: sqlite3.Connection) -> Iterator[tuple[str, str, str, str]]:
    """Look for columns that had better not be as they are: the rule, the table, the column, what to say."""
    for table, column, kind in connection.execute(_TYPES).fetchall():
        if not _AFFINE.search(kind):
            yield "numeric-affinity", table, column, f"{column} {kind}"
    for table, column in connection.execute(_UNINDEXED).fetchall():
        yield "foreign-key-index", table, column, f"{table}.{column}"


def _fault(step: Migration, rule: str, table: str, column: str, what: str) -> Finding:
    """Lay a fault at the first statement that names table and column, or else the column."""
    statements = _read(step.up)
    lines = (s.line for names in ((table, column), (column,)) for s in statements if _names(s, names))
    return Finding(rule, f"{step}.up.sql", next(lines, 1), what)


def _names(statement: Statement, names: Iterable[str]) -> bool:
    return all(re.search(rf"\b{re.escape(name)}\b", statement.plain, re.IGNORECASE) for name in names)
