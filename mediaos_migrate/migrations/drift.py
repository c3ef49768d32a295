"""How a schema differs from what its history makes: object by object, with a script that would mend it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass

from ..engines.sqlite import Connection, columns_of, quoted
from .folder import Migration
from .runner import Applied, replayed
from .sql import normalized, same

Objects = dict[tuple[str, str], str]  # (type, name) -> SQL


@dataclass(frozen=True, slots=True)
class Drift:
    """One object that is missing, extra or different, and the SQL that would mend it."""

    kind: str
    type: str
    name: str
    how: str
    repair: str

    def __str__(self) -> str:
        return f"{self.type} {self.name}: {self.kind}{': ' + self.how if self.how else ''}"


def objects(connection: Connection) -> Objects:
    """Return every object of a schema but SQLite's own, ours, and what full-text search keeps."""
    rows = connection.execute(
        "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL "
        "AND tbl_name NOT LIKE 'sqlite!_%' ESCAPE '!' AND tbl_name NOT LIKE '!_mm!_%' ESCAPE '!' "
        "AND name NOT LIKE '!_mm!_%' ESCAPE '!'"
    )
    return {(row[0], row[1]): row[2] for row in rows}


def drift(connection: Connection, steps: Iterable[Migration | Applied]) -> list[Drift]:
    """Compare a live schema with what a history makes of an empty database."""
    with closing(replayed(steps)) as expected:
        wanted, found = objects(expected), objects(connection)
        return [*_missing(wanted, found), *_extra(wanted, found), *_different(expected, connection, wanted, found)]


def _missing(wanted: Objects, found: Objects) -> Iterator[Drift]:
    for (kind, name), sql in wanted.items():
        if (kind, name) not in found:
            yield Drift("missing", kind, name, "", sql + ";")


def _extra(wanted: Objects, found: Objects) -> Iterator[Drift]:
    for kind, name in found:
        if (kind, name) not in wanted:
            drop = f"DROP {kind.upper()} {quoted(name)};"
            yield Drift("extra", kind, name, "", drop if kind != "table" else f"-- holds rows, look first: {drop}")


def _different(expected: Connection, live: Connection, wanted: Objects, found: Objects) -> Iterator[Drift]:
    for (kind, name), sql in wanted.items():
        here = found.get((kind, name), sql)
        if same(here, sql):
            continue
        how = _columns(expected, live, name) if kind == "table" else ""
        repair = f"DROP {kind.upper()} {quoted(name)};\n{sql};"
        if kind == "table":
            repair = f"-- {name} must be rebuilt (see the template of `schema new`), to be:\n-- " + sql.replace(
                "\n", "\n-- "
            )
        yield Drift("differs", kind, name, how or _first_difference(normalized(sql), normalized(here)), repair)


def _columns(expected: Connection, live: Connection, table: str) -> str:
    wanted, found = columns_of(expected, table), columns_of(live, table)
    told = [f"column {name} is missing" for name in sorted(wanted - found)]
    told += [f"column {name} is extra" for name in sorted(found - wanted)]
    return ", ".join(told)


def _first_difference(wanted: str, found: str) -> str:
    place = next(
        (n for n, (a, b) in enumerate(zip(wanted, found, strict=False)) if a != b), min(len(wanted), len(found))
    )
    start = max(wanted.rfind(" ", 0, place), 0)
    return f"{found[start : place + 40].strip()!a} instead of {wanted[start : place + 40].strip()!a}"
