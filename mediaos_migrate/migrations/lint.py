"""What a migration had better not do: rules with a code, a reason and a remedy each, tried out on an empty database."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..errors import BadPack
from .drift import Objects, objects
from .folder import Ladder, Migration, check_integrity, folder_of, read_loosely
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
    "numeric-affinity": ("SQLite turns '007' in it into 7", "Use TEXT for JSON and times, INTEGER for flags."),
    "not-inverse": ("down does not undo up", "Make down the exact inverse."),
    "or-replace": ("it deletes the old row, and its children through cascades", "Use ON CONFLICT DO UPDATE."),
    "unguarded-trigger": (
        "it fires itself, or overwrites a value that was given",
        "Guard it with WHEN NEW.x IS OLD.x.",
    ),
    "foreign-key-index": ("every change of the parent scans the whole table", "Index the column."),
    "if-exists": ("it hides that the schema is not what the history says", "Leave IF [NOT] EXISTS out."),
    "allow-without-reason": ("nobody will know why", "Write `-- lint: allow RULE because …`."),
    "integrity": ("the history is not the one that was reviewed", "Undo the change, or `schema lint --write`."),
}
_ALLOW = re.compile(r"--\s*lint:\s*allow\s+([a-z-]+)(?:\s+because\s+(\S.*))?")
_NAME = r"[\[\"`]?(\w+)[\]\"`]?"
_NUMERIC: Final = re.compile(r"\b(JSONB?|DATETIME|DATE|TIME|TIMESTAMP|BOOLEAN|BOOL|UUID|STRING)\b", re.IGNORECASE)


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
        steps += mine
    return [*found, *_lint_steps(steps)]


def _lint_steps(steps: Sequence[Migration]) -> Iterator[Finding]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        for step in steps:
            there = {name.lower() for kind, name in objects(connection) if kind == "table"}
            for sql, file in ((step.up, f"{step}.up.sql"), (step.down, f"{step}.down.sql")):
                statements = _read(sql)
                checks = [_transaction, _replace] if file.endswith(".down.sql") else _CHECKS
                raw = (
                    Finding(rule, file, s.line, what) for s in statements for c in checks for rule, what in c(s, there)
                )
                yield from _allowed(sql, file, list(raw))
            yield from _try(connection, step)


def _read(sql: str) -> list[Statement]:
    try:
        return list(split(sql))
    except BadPack:
        return []


def _allowed(sql: str, file: str, found: list[Finding]) -> Iterator[Finding]:
    """Drop the findings that are allowed on one of their statement's lines (or the line above)."""
    lines = sql.splitlines()
    allowed: dict[int, set[str]] = {}
    for number, line in enumerate(lines, 1):
        for match in _ALLOW.finditer(line):
            if not match[2]:
                yield Finding("allow-without-reason", file, number, f"allow {match[1]}")
            allowed.setdefault(number, set()).add(match[1])
    ends = {s.line: s.line + s.text.count("\n") for s in _read(sql)}
    for finding in found:
        last = ends.get(finding.line, finding.line)
        if not any(finding.rule in allowed.get(n, ()) for n in range(finding.line - 1, last + 1)):
            yield finding


Check = Callable[[Statement, "set[str]"], Iterator[tuple[str, str]]]


def _transaction(statement: Statement, _: set[str]) -> Iterator[tuple[str, str]]:
    if statement.verb in FORBIDDEN:
        yield "transaction", f"{statement.verb}: {FORBIDDEN[statement.verb]}"


def _replace(statement: Statement, _: set[str]) -> Iterator[tuple[str, str]]:
    if re.search(r"\bOR REPLACE\b|\bREPLACE INTO\b", statement.plain, re.IGNORECASE):
        yield "or-replace", statement.plain[:60]


def _drops(statement: Statement, _: set[str]) -> Iterator[tuple[str, str]]:
    if match := re.match(rf"DROP TABLE (?:IF EXISTS )?{_NAME}", statement.plain, re.IGNORECASE):
        yield "drop-table", match[1]
    if match := re.match(rf"ALTER TABLE {_NAME} DROP (?:COLUMN )?{_NAME}", statement.plain, re.IGNORECASE):
        yield "drop-column", f"{match[1]}.{match[2]}"
    if match := re.match(rf"ALTER TABLE {_NAME} RENAME", statement.plain, re.IGNORECASE):
        yield "rename", match[1]


def _constraints(statement: Statement, there: set[str]) -> Iterator[tuple[str, str]]:
    plain = statement.plain
    if match := re.match(rf"ALTER TABLE {_NAME} ADD (?:COLUMN )?{_NAME}(.*)", plain, re.IGNORECASE):
        rest = match[3].upper()
        if "NOT NULL" in rest and "DEFAULT" not in rest:
            yield "not-null", f"{match[1]}.{match[2]}"
    match = re.match(rf"CREATE UNIQUE INDEX (?:IF NOT EXISTS )?{_NAME} ON {_NAME}", plain, re.IGNORECASE)
    if match and match[2].lower() in there:
        yield "unique", f"{match[1]} on {match[2]}"


def _hiding(statement: Statement, _: set[str]) -> Iterator[tuple[str, str]]:
    if match := re.match(r"(CREATE|DROP) .*?\bIF (NOT )?EXISTS\b", statement.plain, re.IGNORECASE):
        yield "if-exists", match[0][:60]


def _types(statement: Statement, _: set[str]) -> Iterator[tuple[str, str]]:
    if re.match(r"CREATE TABLE", statement.plain, re.IGNORECASE):
        for match in re.finditer(rf"[(,]{_NAME} {_NUMERIC.pattern}", statement.plain, re.IGNORECASE):
            yield "numeric-affinity", f"{match[1]} {match[2]}"
    added = rf"ALTER TABLE {_NAME} ADD (?:COLUMN )?{_NAME} {_NUMERIC.pattern}"
    if found := re.match(added, statement.plain, re.IGNORECASE):
        yield "numeric-affinity", f"{found[2]} {found[3]}"


def _triggers(statement: Statement, _: set[str]) -> Iterator[tuple[str, str]]:
    head = rf"CREATE TRIGGER (?:IF NOT EXISTS )?{_NAME} (?:BEFORE |AFTER )?UPDATE(?: OF [^ ]+(?:,[^ ]+)*)? ON {_NAME}"
    made = re.match(rf"{head}(.*?)\bBEGIN\b(.*)", statement.plain, re.IGNORECASE)
    itself = made and re.search(rf"\bUPDATE [\[\"`]?{re.escape(made[2])}\b", made[4], re.IGNORECASE)
    if made and itself and not re.search(r"\bWHEN\b", made[3], re.IGNORECASE):
        yield "unguarded-trigger", made[1]


_CHECKS: Final[tuple[Check, ...]] = (_transaction, _replace, _drops, _constraints, _hiding, _types, _triggers)


def _try(connection: sqlite3.Connection, step: Migration) -> Iterator[Finding]:
    """Take a step, take it back, take it again; say where that fails or leaves something."""
    before = objects(connection)
    try:
        _run(connection, step.up)
        up = objects(connection)
        _run(connection, step.down)
        if left := _difference(before, objects(connection)):
            yield Finding("not-inverse", f"{step}.down.sql", 1, left)
        else:
            _run(connection, step.up)
        yield from _indexes(connection, step, before, up)
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


def _indexes(connection: sqlite3.Connection, step: Migration, before: Objects, up: Objects) -> Iterator[Finding]:
    """Look for foreign keys of new tables that no index begins with."""
    for kind, table in up:
        if kind != "table" or before.get((kind, table)) == up[kind, table]:
            continue
        firsts = {
            connection.execute("SELECT name FROM pragma_index_info(?) WHERE seqno = 0", (row[0],)).fetchone()[0]
            for row in connection.execute("SELECT name FROM pragma_index_list(?)", (table,)).fetchall()
        }
        alias = "SELECT name FROM pragma_table_info(?) WHERE pk = 1 AND type = 'INTEGER'"
        firsts |= {row[0] for row in connection.execute(alias, (table,))}
        for row in connection.execute(
            "SELECT [from] FROM pragma_foreign_key_list(?) WHERE seq = 0", (table,)
        ).fetchall():
            line = _line_of(step.up, row[0])
            finding = Finding("foreign-key-index", f"{step}.up.sql", line, f"{table}.{row[0]}")
            if row[0] not in firsts:
                yield from _allowed(step.up, f"{step}.up.sql", [finding])


def _line_of(sql: str, word: str) -> int:
    found = re.search(rf"\b{re.escape(word)}\b", sql)
    return sql[: found.start()].count("\n") + 1 if found else 1
