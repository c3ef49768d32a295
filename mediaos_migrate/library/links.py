"""Links that wait: rows of other documents that name a record, and were there before it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..engines.sqlite import Connection, quoted
from ..pack import Derived, Pack, Part
from ..report import Key
from ..site import parts
from ..stores.table import BATCH


def point(pack: Pack, connection: Connection, document: str, part: Part, keys: Sequence[Key]) -> None:
    """Point what names one of these new records, and points to none, to it."""
    for table, column, derived in _links(pack, document) if keys else ():
        sql = "SELECT [to] FROM pragma_foreign_key_list(?) WHERE [from] = ? AND [table] = ?"
        target = connection.execute(sql, (table, column, part.table)).fetchone()
        if target is None or target[0] not in part.key:
            continue
        at, named = part.key.index(target[0]), quoted(derived.of)
        for start in range(0, len(keys), BATCH):
            names = [key[at] for key in keys[start : start + BATCH]]
            connection.execute(
                f"UPDATE {quoted(table)} SET {quoted(column)} = {named} "
                f"WHERE {quoted(column)} IS NULL AND {named} IN ({', '.join('?' * len(names))})",
                names,
            )


def _links(pack: Pack, document: str) -> Iterator[tuple[str, str, Derived]]:
    """Walk through the links to a document: table, column, and what the pack says of it."""
    for other in pack.documents.values():
        for part in parts(other).values():
            for column, derived in part.derived.items():
                if derived.by == "link" and derived.to == document:
                    yield part.table, column, derived
