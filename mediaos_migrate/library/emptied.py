"""Lists of a map that lost their last element: their names stay, also in a file that is made from nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ..documents.writer import LAST
from ..engines.sqlite import Connection
from ..ledger import Ledger
from ..moves.exporting import envelope_of
from ..shapes import Shape
from ..stores.lists import span
from ..stores.table import TableStore
from .changes import REMOVE, Change


def note(connection: Connection, store: TableStore, changes: Iterable[Change]) -> None:
    """Note which lists these changes have left without an element; who writes over an older file knows by itself."""
    if store.document.shape is not Shape.LISTS or store.named is None:
        return
    if (entry := Ledger(connection).document(store.document.name)) is None:
        return
    at, envelope = store.part.key.index(store.named), envelope_of(entry.envelope)
    names = dict.fromkeys(change.key[at] for change in changes if change.op == REMOVE)
    known = [name for _, name in envelope.empty]
    gone = [name for name in names if name not in known and span(store, name) is None]
    empty = [*envelope.empty, *((LAST + number, name) for number, name in enumerate(gone, len(known)))]
    if gone:
        Ledger(connection).put_document(replace(entry, envelope=envelope._replace(empty=empty).text))
