"""Trying quarantined records again: what has become usable since is made a row, the rest stays where it is."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from .. import crash
from ..engines.sqlite import Connection, transaction
from ..errors import CouldNotCheck
from ..journal import Debt, Journal
from ..ledger import DAMAGED, Ledger
from ..mapping import Mapper, NoKey
from ..pack import Document
from ..quarantine import Quarantine, Quarantined
from ..record import Record
from ..report import SILENT, Key, Progress
from ..secrets import PLAIN, held
from ..shapes import Element
from ..site import Site
from ..stores.table import TableStore
from ..values import loads
from . import mirroring, preflight
from .importing import import_document
from .looks import look_once
from .proving import keep
from .standing import chosen
from .surveyed import Options, Survey
from .surveying import survey


@dataclass(frozen=True, slots=True)
class Requeued:
    """What became of a document's quarantine: how many records it held, and holds."""

    document: str
    before: int
    after: int


def requeue(site: Site, names: Sequence[str] = (), progress: Progress = SILENT) -> list[Requeued]:
    """Try the quarantine of some documents, or of all, again, and validate what changed.

    Where the file is believed it is read anew, salvage included if it was salvaged; where the table is, a record
    whose key is free by now becomes a row in its old place. Raises Damaged or Suspect for a file that is not to be
    believed.
    """
    told = []
    with site.locked(wait=10), site.writing() as connection:
        if not Ledger.is_in(connection):
            raise CouldNotCheck(f"There is no database at {site.db}.", "Run `mediaos-migrate migrate` first.")
        for document in chosen(site, names):
            if before := Quarantine(connection).counts().get(document.name, 0):
                progress.step("requeue", document.file)
                told.append(_requeue(site, connection, document, before))
                crash.point("requeued")
    return told


def _requeue(site: Site, connection: Connection, document: Document, before: int) -> Requeued:
    ledger = Ledger(connection)
    with site.holding(document.name):
        mirroring.recover(site, connection, document)
        if ledger.stage(document.name).believes_table:
            for name, store in site.stores(connection, document).items():
                with transaction(connection):
                    taken = take(store, name)
                    Journal(connection).owe(document.name, name, [Debt(key, "put") for key in taken])
        else:
            seen = _survey(site, connection, document)
            if seen.error:
                raise seen.error
            import_document(site, connection, seen)
    if ledger.stage(document.name).mirrors:
        mirroring.mirror(site, connection, document)
    with site.holding(document.name):
        seen = _survey(site, connection, document)
        if seen.error is None:
            keep(site, connection, look_once(site, connection, seen))
    return Requeued(document.name, before, Quarantine(connection).counts().get(document.name, 0))


def _survey(site: Site, connection: Connection, document: Document) -> Survey:
    """Look at the file, with salvage only where it was salvaged and still is damaged."""
    seen = mirroring.look_at(site, connection, document)
    entry = Ledger(connection).document(document.name)
    if seen.error is None or entry is None or entry.state != DAMAGED:
        return seen
    others = frozenset(name for name in site.pack.documents if name != document.name)
    surveys = survey(site, Options(skip=others, salvage=True), Ledger(connection).documents())
    preflight.key_report(site, surveys)
    return next(each for each in surveys if each.document.name == document.name)


def take(store: TableStore, name: str, only: Collection[Key] | None = None) -> list[Key]:
    """Make rows of a part's quarantined records whose keys are usable and free by now; return their keys.

    `only` narrows it to some keys. The caller holds a transaction.
    """
    taken: list[Key] = []
    quarantine = Quarantine(store.connection)
    for item in list(quarantine.items(store.document.name, name)):
        record = _record(store, item)
        if record and (only is None or record.key in only) and record.key not in store.get([record.key]):
            store.insert([record])
            quarantine.release(item.id)
            taken.append(record.key)
    return taken


def _record(store: TableStore, item: Quarantined) -> Record | None:
    """Read a quarantined record; None when it still has no usable key, or cannot be opened."""
    raw = item.raw if isinstance(item.raw, str) else None
    text = raw if item.raw_state == PLAIN or raw is None else store.vault.open(raw, held(item.document))
    if text is None:
        return None
    try:
        value = loads(text)
        key = Mapper(store.document, store.part).key_of(item.name, value)
    except (NoKey, ValueError):
        return None
    element = Element(item.name, store.vault.hide(store.part, value), item.pointer)
    return Record(key, element.value, element, item.position)
