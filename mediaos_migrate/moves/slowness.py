"""The queries that took long, with their plans, and the index that SQLite would use if there were one."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import permutations
from typing import Any, Final

from ..engines.sqlite import Connection
from ..engines.timing import SHOWN, Slow
from ..site import Site
from ..slow import kept
from .doctor import Finding

_SCAN: Final = re.compile(r"^SCAN (?:TABLE )?(\w+)")
_SORT: Final = "USE TEMP B-TREE FOR ORDER BY"
_WIDEST: Final = 3  # columns of an index that is proposed
_ASKED: Final = r"""\b(?:(\w+)\.)?[\["`]?(\w+)[\]"`]?\s*(=|<|>|\bIN\b|\bIS\b|\bBETWEEN\b)"""
_RANGES: Final = ("<", ">", "BETWEEN")  # of an index only the last column is searched so
_ORDER: Final = re.compile(r"\bORDER\s+BY\s+(.*?)(?:\bLIMIT\b|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Query:
    """A statement that took long: how often, how long at most, its last plan, and the index that it lacks."""

    sql: str
    count: int
    seconds: float
    plan: tuple[str, ...]
    index: str | None = None
    name: str | None = None  # of the index


def slow_queries(site: Site) -> list[Query]:
    """Return the statements that took long, the slowest first; touches nothing."""
    with site.looking() as connection:
        found: dict[str, list[Slow]] = {}
        for each in kept(connection):
            found.setdefault(each.sql, []).append(each)
        with closing(_empty(connection)) as copy:
            queries = [_query(copy, sql, noted) for sql, noted in found.items()]
    return sorted(queries, key=lambda query: -query.seconds)


def findings(site: Site) -> Iterator[Finding]:
    """Tell of each of them as a doctor does."""
    for query in slow_queries(site):
        plan = "; ".join(query.plan) or "not known"
        times = "once" if query.count == 1 else f"{query.count:,} times"
        said = f"Took up to {query.seconds:.1f} s ({times}): {query.sql}. Its plan: {plan}."
        remedy = f"{query.index}; -- as a migration: `mediaos-migrate schema new {query.name} --app ./pack`"
        yield Finding("warning", "slow", str(site.db), said, remedy if query.index else "")


def _query(copy: Connection, sql: str, noted: list[Slow]) -> Query:
    index = next(_lacking(copy, sql), None)
    seconds = max(slow.seconds for slow in noted)
    return Query(sql, len(noted), seconds, noted[-1].plan, *(index or (None, None)))


def _empty(connection: Connection) -> Connection:
    """Make the same schema without a row, to try indexes on."""
    copy = sqlite3.connect(":memory:", isolation_level=None)
    sql = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND type IN ('table', 'index', 'view') ORDER BY rowid"
    for (statement,) in map(tuple, connection.execute(sql)):
        with suppress(sqlite3.Error):  # what belongs to full text is made by its own table
            copy.execute(statement)
    return copy


def _lacking(copy: Connection, sql: str) -> Iterator[tuple[str, str]]:
    """Find an index that makes SQLite go about a statement in another way, with its name; it is proved by trying."""
    before = _plan(copy, sql) if len(sql) < SHOWN else ()
    for alias in (match[1] for step in before if (match := _SCAN.match(step))):
        table = _named(copy, sql, alias)
        asked, ordered = _columns(copy, sql, table, alias)
        for columns in _candidates(asked, ordered):
            name = "_".join(["idx", table, *columns])
            statement = f"CREATE INDEX {name} ON {table} ({', '.join(columns)})"
            if _helps(copy, sql, statement, name, before):
                yield statement, name


def _named(copy: Connection, sql: str, alias: str) -> str:
    """Return the table that a plan speaks of: it calls it as the statement does."""
    known = [row[0] for row in copy.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    called = re.findall(rf"\b(\w+)\b\W*\s(?:AS\s+)?{alias}\b", sql, re.IGNORECASE)
    return next((name for name in called if name in known), alias)


def _candidates(asked: list[str], ordered: list[str]) -> Iterator[tuple[str, ...]]:
    """Think of indexes: what is asked for and then the order first, the fewer columns the better after that."""
    some = asked[:_WIDEST]
    if asked and ordered:
        yield from ((*each, *ordered) for size in range(len(some), 0, -1) for each in permutations(some, size))
    yield from (each for size in range(len(some), 0, -1) for each in permutations(some, size))
    if ordered:
        yield tuple(ordered)


def _helps(copy: Connection, sql: str, statement: str, name: str, before: tuple[str, ...]) -> bool:
    copy.execute("SAVEPOINT tried")
    try:
        copy.execute(statement)
        after = _plan(copy, sql)
    except sqlite3.OperationalError:
        return False
    finally:
        copy.execute("ROLLBACK TO tried")
    used = [step for step in after if f"INDEX {name} " in f"{step} "]
    searched = any(step.startswith("SEARCH") for step in used)
    return bool(used) and (searched or (_SORT in before and _SORT not in after))


def _columns(copy: Connection, sql: str, table: str, alias: str) -> tuple[list[str], list[str]]:
    """Return the columns of a table that a statement asks for, and those of its order."""
    known = {row[0] for row in copy.execute("SELECT name FROM pragma_table_info(?)", (table,))}
    mine = {None, "", table, alias}
    where = re.split(r"\bWHERE\b|\bON\b", sql, flags=re.IGNORECASE)[1:]
    terms = [term for part in where for term in re.findall(_ASKED, part, re.IGNORECASE) if term[0] in mine]
    asked = [name for _, name, _ in sorted(terms, key=lambda term: term[2].upper() in _RANGES)]
    order = _ORDER.search(sql)
    sorts = [re.sub(r"[\[\]\"`]", "", term).split() for term in (order[1].split(",") if order else [])]
    ordered = [term[0].rpartition(".")[2] for term in sorts if term and term[0].rpartition(".")[0] in mine]
    return [name for name in dict.fromkeys(asked) if name in known], [name for name in ordered if name in known]


class _Nothing(dict[str, None]):
    """Gives each name no value: a plan needs none."""

    def __missing__(self, name: str) -> None:
        return None


def _plan(connection: Connection, sql: str) -> tuple[str, ...]:
    """Ask SQLite how it would go about a statement whose values are not known; () when it cannot say."""
    given: list[Any] = [_Nothing(), *([None] * count for count in range(sql.count("?") + 1))]
    for values in given:
        with suppress(sqlite3.Error):
            return tuple(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values))
    return ()
