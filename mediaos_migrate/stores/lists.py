"""Where the lists of a map of lists stand: each is once in its file, so its elements stand together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..documents.writer import LAST
from ..engines.sqlite import quoted
from ..errors import BadPack, UsageError
from ..record import Record
from ..values import quoted as spelled
from .table import PLACED, TableStore


class Span(NamedTuple):
    """The places of the first and the last element of a list."""

    first: int
    last: int


def span(store: TableStore, name: str) -> Span | None:
    """Tell where a list stands, None when it has no elements; what has no place is last. Raises BadPack."""
    if store.named is None:
        raise BadPack(f"The key of {store.document.name} does not hold the name of a list.", "Mend the pack.")
    count, *places = store.connection.execute(
        f"SELECT count(*), coalesce(min({PLACED}), {LAST}), coalesce(max({PLACED}), {LAST}) FROM "
        f"(SELECT position FROM {quoted(store.part.table)} WHERE {quoted(store.named)} = ?1 "
        "UNION ALL SELECT position FROM _mm_quarantine WHERE document = ?2 AND name = ?3)",
        (name, store.document.name, spelled(name)),
    ).fetchone()
    return Span(*places) if count else None


def refuse_other(store: TableStore, name: str) -> None:
    """Raise UsageError when the file has something else than a list by this name, which is kept in quarantine."""
    sql = "SELECT 1 FROM _mm_quarantine WHERE document = ? AND name = ? AND pointer NOT LIKE '/%/%'"
    if store.connection.execute(sql, (store.document.name, spelled(name))).fetchone():
        raise UsageError(f"{name!a} of {store.document.name} is no list.", "Mend the file, or choose another name.")


def gathered(store: TableStore) -> Iterator[Record]:
    """Walk through all elements, list by list, also those that a foreign hand put elsewhere or gave no place."""
    last = -1
    for record in store.all():
        last = last if record.position is None else record.position
        yield record._replace(position=last)
