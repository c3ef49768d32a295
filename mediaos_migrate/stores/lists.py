"""Where the lists of a map of lists stand: each is once in its file, so its elements stand together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..documents.writer import LAST
from ..engines.sqlite import pieces, quoted
from ..pack import KEY
from ..record import Record
from .table import PLACE, TableStore


class Span(NamedTuple):
    """The places of the first and the last element of a list."""

    first: int
    last: int


def span(store: TableStore, name: str) -> Span | None:
    """Tell where a list stands, None when it has no elements; what has no place is last."""
    sql = (
        f"SELECT count(*), coalesce(min(position), {LAST}), coalesce(max(position), {LAST}) "
        f"FROM {quoted(store.part.table)} WHERE {_name(store)} = ?"
    )
    count, *places = store.connection.execute(sql, (name,)).fetchone()
    return Span(*places) if count else None


def gathered(store: TableStore) -> Iterator[Record]:
    """Walk through all elements, list by list, also those that a foreign hand put elsewhere or gave no place."""
    name, last = _name(store), -1
    order = f"min({PLACE}) OVER (PARTITION BY {name}), {name}, {PLACE}, rowid"
    rows = store.connection.execute(f"SELECT rowid FROM {quoted(store.part.table)} ORDER BY {order}")
    for batch in pieces(rows):
        for record in store.by_rowid([number for (number,) in batch]):
            last = last if record.position is None else record.position
            yield record._replace(position=last)


def _name(store: TableStore) -> str:
    part = store.part
    return quoted(next(column for column in part.key if part.columns[column].member == KEY))
