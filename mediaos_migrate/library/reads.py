"""What was read, and how it compares with what the other home says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..differences import differences
from ..engines.sqlite import Connection, moment
from ..journal import Journal
from ..ledger import EQUAL, Ledger
from ..moves import mirroring, splicing
from ..pack import Document
from ..record import Record
from ..report import Key
from ..site import Site
from ..stores.file import RECORDS, FileStore
from ..values import locked

MISSING, EXTRA, ORDER = "missing", "extra", "order"

Place = tuple[str, Key]  # a part, and a key in it


@dataclass(frozen=True, slots=True)
class Read:
    """A read that was answered: of which records, or to which question (filter, order, limit, after)."""

    document: Document
    part: str
    keys: tuple[Key, ...] = ()
    question: tuple[Any, ...] | None = None


def at_rest(site: Site, connection: Connection, document: Document) -> str | None:
    """Return the digest of a file if the table was last brought in step with just that version of it."""
    entry, now = Ledger(connection).document(document.name), mirroring.digest_of(site, document)
    return now if entry is not None and entry.digest == now else None


def with_file(site: Site, connection: Connection, reads: Sequence[Read]) -> Iterable[str]:
    """Compare reads of one document with its file while the table is believed, but for what the file does not have yet.

    A file that is rewritten meanwhile says nothing.
    """
    wanted = [(read.part, key) for read in reads for key in read.keys]
    if not wanted:
        return
    document, places = reads[0].document, set(wanted)
    before = at_rest(site, connection, document)
    if before is None:
        return
    there = _in_file(site, document, before, places)
    with moment(connection):
        owed = Journal(connection).bases(document.name)
        stores = site.stores(connection, document)
        table = {(part, key): stores[part].get([key]).get(key) for part, key in places}
        still = at_rest(site, connection, document) == before
    for place in wanted if still else ():
        if place not in owed:
            yield way_of(there.get(place), table[place])


def _in_file(site: Site, document: Document, digest: str, places: set[Place]) -> dict[Place, Record]:
    """Read some records from a file: where it is known where each lies, only those."""
    file = FileStore(site.file(document), document, site.vault)
    if all(part == RECORDS for part, _ in places) and (layout := splicing.layout_of(site, document, digest)):
        return {(RECORDS, record.key): record for record in file.find(layout, [key for _, key in places])}
    there: dict[Place, Record] = {}
    for part, record in file.all():
        if not record.unfit and (part, record.key) in places:
            there.setdefault((part, record.key), record)
    return there


def way_of(file: Record | None, table: Record | None) -> str:
    """Say how a record in the file differs from the one in the table."""
    if file is None or table is None:
        return EQUAL if file is table else MISSING if table is None else EXTRA
    if file.digest == table.digest or locked(table.value):  # what only a key can open is not judged
        return EQUAL
    return next((found.way for found in differences(file.value, table.value) if not found.rule), EQUAL)


def ways_of_keys(file: list[Key], table: list[Key]) -> str:
    """Say how the answers of two homes to one question differ."""
    if file == table:
        return EQUAL
    if sorted(file) == sorted(table):
        return ORDER
    return MISSING if set(file) - set(table) else EXTRA
