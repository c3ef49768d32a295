"""Questions to a table in the app's own words: filter, order, page, full text; the words are never SQL."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from ..codecs import CODECS, comparable
from ..engines.sqlite import quoted
from ..errors import UsageError
from ..mapping import key_of_column
from ..pack import DOCUMENT, KEY, VALUE
from ..record import Record
from ..report import Key
from ..stores import search
from ..stores.table import TableStore
from ..values import of_python

MOST: Final = 30_000  # values in one filter
_ENDLESS: Final = 2**63
OPERATORS: Final = {"=": "IS", "!=": "IS NOT", "<": "<", "<=": "<=", ">": ">", ">=": ">="}

Where = Mapping[str, Any]


class Query:
    """Asks one table; members are named as the app names them."""

    def __init__(self, store: TableStore) -> None:
        self._store, self._db, self._part = store, store.connection, store.part
        self._table = quoted(self._part.table)
        self._sealed = {hidden.at[0] for hidden in self._part.hidden if hidden.kind != "hash"}

    def count(self, where: Where | None = None) -> int:
        """Count the records that satisfy a filter."""
        sql, values = self._filter(where)
        return int(self._db.execute(f"SELECT count(*) FROM {self._table} WHERE {sql}", values).fetchone()[0])

    def page(self, where: Where | None, order_by: str | None, limit: int | None, after: Key | None) -> list[Record]:
        """Return the records that satisfy a filter, in the order of the file or of a member (`-year`: downward)."""
        refuse_limit(limit)
        sql, values = self._filter(where)
        columns, way = self._order(order_by)
        order = ", ".join(f"{column} {way}" for column in columns)
        found: list[Record] = []
        for span, more in self._spans(columns, way, after):
            rest = -1 if limit is None else limit - len(found)
            found += self._store.walk(f"WHERE {sql} AND {span} ORDER BY {order} LIMIT ?", [*values, *more, rest])
            if limit is not None and len(found) >= limit:
                break
        return found

    def search(self, words: str, limit: int | None) -> list[Record]:
        """Return the records in which all words occur (the last one may be a beginning), the shortest text first."""
        refuse_limit(limit)
        if not isinstance(words, str):
            raise UsageError(f"{words!r} is no text to search for.", "Give words.")
        return self._store.by_rowid(search.find(self._db, self._part, words, -1 if limit is None else limit))

    def _filter(self, where: Where | None) -> tuple[str, list[Any]]:
        if not isinstance(where, Mapping | None):
            raise UsageError(f"{type(where).__name__} is no filter.", "Name members, as in `{'kind': 'movie'}`.")
        pieces: list[str] = [self._store.scope]
        values: list[Any] = []
        for member, wanted in (where or {}).items():
            pair = isinstance(wanted, tuple) and len(wanted) == 2  # noqa: PLR2004
            piece, more = self._test(member, *(wanted if pair else ("=", wanted)))
            pieces.append(piece)
            values += more
        return " AND ".join(pieces), values

    def _test(self, member: str, operator: Any, value: Any) -> tuple[str, list[Any]]:
        if operator not in (*OPERATORS, "in"):
            raise UsageError(f"There is no operator `{operator}`.", f"Choose of {', '.join([*OPERATORS, 'in'])}.")
        several = _several(member, value) if operator == "in" else [value]
        _refuse_odd(member, several)
        if self._is_sealed(member) and any(value is not None for value in several):
            raise UsageError(f"`{member}` holds a secret, and is compared with none.", "Filter the records yourself.")
        held, rest = self._sorted(member, several)
        if operator != "in":
            expression = self._expression(member, whole=bool(rest))
            return f"{expression} {OPERATORS[operator]} ?", held or rest
        pieces = [f"{self._expression(member)} IN ({', '.join('?' * len(held))})"]
        if rest:
            whole = self._expression(member, whole=True)
            missing = f" OR {whole} IS NULL" if None in rest else ""
            pieces.append(f"{whole} IN ({', '.join('?' * len(rest))}){missing}")
        return f"({' OR '.join(pieces)})", [*held, *rest]

    def _sorted(self, member: str, values: Iterable[Any]) -> tuple[list[Any], list[Any]]:
        """Part what a member's column holds, in its form, from what can only stand beside it, such as no value."""
        held, rest = list[Any](), list[Any]()
        for value in values:
            fitting = self._fitting(member, value)
            (rest if fitting is None else held).append(value if fitting is None else fitting)
        return held, rest

    def _fitting(self, member: str, value: Any) -> Any:
        name = self._column(member)
        if name is None or value is None or self._part.columns[name].member == KEY:
            return value
        return CODECS[self._part.columns[name].codec].fit(of_python(value))

    def _expression(self, member: str, *, whole: bool = False) -> str:
        """Say a member in SQL; `whole`: also where its value does not fit its column, and so stands in `extra`."""
        name = self._column(member)
        if name is not None and not (whole and self._part.columns[name].member != KEY):
            return quoted(name)
        inside = member if name is None else self._part.columns[name].member
        if any(mark in inside for mark in "\"'\\\x00[]"):
            raise UsageError(f"`{member}` cannot be asked for.", "Filter the records yourself.")
        beside = f"""json_extract(extra, '$."{inside}"')"""
        return beside if name is None else f"coalesce({quoted(name)}, {beside})"

    def _is_sealed(self, member: str) -> bool:
        """Tell whether the table may hold a member sealed: then it cannot be compared there, but with no value."""
        name = self._column(member)
        return (member if name is None else self._part.columns[name].member) in self._sealed

    def _column(self, member: str) -> str | None:
        for name, column in self._part.columns.items():
            if member in (column.member, name) and column.member not in (VALUE, DOCUMENT):
                return name
        return None

    def _order(self, order_by: str | None) -> tuple[list[str], str]:
        """Return what records are ordered by, ties included, and which way."""
        ties = [self._store.placed, "rowid"]
        if order_by is None:
            return ties, "ASC"
        if not isinstance(order_by, str):
            raise UsageError(f"Records cannot be ordered by {order_by!r}.", "Name one member, `-year` for downward.")
        member, way = (order_by[1:], "DESC") if order_by.startswith("-") else (order_by, "ASC")
        column = self._column(member)
        if column is None or self._is_sealed(member):
            names = ", ".join(c.member for c in self._part.columns.values() if c.member not in self._sealed)
            raise UsageError(f"Records cannot be ordered by `{member}`.", f"Choose of {names}.")
        return [quoted(column), *ties], way

    def _spans(self, columns: list[str], way: str, after: Key | None) -> Iterator[tuple[str, Sequence[Any]]]:
        """Cut what follows a record into spans that an index can walk: NULL comes first going up, last going down."""
        if after is None:
            yield "TRUE", ()
            return
        beyond = "<" if way == "DESC" else ">"
        first, *ties = self._standing(columns, after)
        if first is None:
            yield f"{columns[0]} IS NULL AND {_row(columns[1:])} {beyond} {_row('?' * len(ties))}", ties
            if way == "ASC":
                yield f"{columns[0]} IS NOT NULL", ()
        else:
            yield f"{_row(columns)} {beyond} {_row('?' * len(columns))}", (first, *ties)
            if way == "DESC":
                yield f"{columns[0]} IS NULL", ()

    def _standing(self, columns: list[str], after: Key) -> Sequence[Any]:
        """Return what a record has in the columns of an order."""
        keys = " AND ".join(f"{quoted(name)} = ?" for name in self._part.key)
        sql = f"SELECT {', '.join(columns)} FROM {self._table} WHERE {keys}"
        row: Sequence[Any] | None = self._db.execute(sql, after).fetchone() if all(map(comparable, after)) else None
        if row is None:
            raise UsageError(
                f"There is no record {' / '.join(map(key_of_column, after))} to go on after.", "Begin anew."
            )
        return row


def _row(items: Iterable[str]) -> str:
    return f"({', '.join(items)})"


def _several(member: str, value: Any) -> list[Any]:
    """Return what a member may be one of. Raises UsageError."""
    found = list(value) if isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping) else None
    if found is None or len(found) > MOST:
        raise UsageError(f"`in` compares `{member}` with a list of at most {MOST:,} values.", "Mend the filter.")
    return found


def _refuse_odd(member: Any, values: Iterable[Any]) -> None:
    """Raise UsageError for what no column is compared with: objects, lists, and what no database can hold."""
    if not isinstance(member, str):
        raise UsageError(f"{member!r} is no member.", "Members are named by strings.")
    if not all(map(comparable, values)):
        raise UsageError(
            f"`{member}` is compared with one value that a table can hold, or with several by `in`.",
            "Filter the records yourself.",
        )


def refuse_limit(limit: Any) -> None:
    """Raise UsageError for what is no number of records."""
    if limit is not None and (not isinstance(limit, int) or not 0 <= limit < _ENDLESS):
        raise UsageError(f"{limit!r} is no limit.", "Give a number of records, or None for all.")
