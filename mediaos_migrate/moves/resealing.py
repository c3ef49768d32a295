"""Giving the secrets of a document another form in both homes: the one way that sealing and changing the key share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from .. import crash, files
from ..engines.sqlite import Connection, transaction
from ..errors import FileChanged, MigrateError, Refused
from ..journal import Debt, Intent, Journal
from ..ledger import DAMAGED, PRESENT, SKIPPED, Entry, Ledger
from ..pack import Document, Hidden
from ..quarantine import Quarantine, Quarantined
from ..record import Record
from ..report import Key
from ..secrets import PLAIN, Place, changed_at, held
from ..site import Site, parts
from ..stores.table import BATCH, TableStore
from ..stores.tokens import Change, retold, rewritten
from ..values import reveal
from . import mirroring
from .keychecking import FILE, TABLE, Found, opened
from .looks import look_once
from .proving import keep


@dataclass(frozen=True, slots=True)
class Resealing:
    """What shall become of secrets: `change` gives one its new form as the file has it, `due` tells which it meets.

    It may be run again after any crash: what has its new form is not due any more.
    """

    site: Site
    connection: Connection
    change: Change
    due: Callable[[Found], bool]

    def run(self, document: Document) -> None:
        """Change a document: first the home that is believed, then the other one."""
        ledger = Ledger(self.connection)
        stage = ledger.stage(document.name)
        entry = ledger.document(document.name)
        if stage.mirrors:
            mirroring.mirror(self.site, self.connection, document)
            self._table(document, owing=True)
            mirroring.mirror(self.site, self.connection, document)
        elif stage.believes_table:
            self._table(document, owing=False)
        else:
            with self.site.holding(document.name):
                self._file_first(document, entry)

    def _file_first(self, document: Document, entry: Entry | None) -> None:
        imported = entry is not None and entry.imported_at is not None and entry.state != SKIPPED
        if imported:
            mirroring.in_step(self.site, self.connection, document)
        self._file(document, noting=imported)
        if imported:
            self._table(document, owing=False)

    def _file(self, document: Document, *, noting: bool) -> None:
        """Change a believed file; its tables follow it."""
        entry = Ledger(self.connection).document(document.name)
        if entry is not None and entry.state == DAMAGED:
            return  # see `refuse_torn`
        path, before = self.site.file(document), mirroring.digest_of(self.site, document)
        if before is None:
            return
        replacement = files.Replacement(path, self.site.owner)
        with replacement.writing() as out:
            count = rewritten(out, path, document, self.change)
        if not count:
            replacement.drop()
            return
        if mirroring.digest_of(self.site, document) != before:
            replacement.drop()
            raise FileChanged(document.file)
        if noting:
            with transaction(self.connection):
                intent = Intent(document.name, "file", before, files.digest(replacement.written), 0)
                Journal(self.connection).intend(intent)
        crash.point("reseal.intended")
        replacement.put()
        crash.point("reseal.put")
        if noting:
            mirroring.recover(self.site, self.connection, document)

    def _table(self, document: Document, *, owing: bool) -> None:
        """Change the rows and the quarantine of a document in one transaction, with the debts of its file."""
        self.site.vault.sealing = True
        with transaction(self.connection):
            for name, store in self.site.stores(self.connection, document).items():
                keys = list({found.key: None for found in self._found(document, store) if self.due(found)})
                for start in range(0, len(keys), BATCH):
                    self._rows(store, name, keys[start : start + BATCH], owing=owing)
            for item in list(Quarantine(self.connection).items(document.name)):
                self._held(document, item, owing=owing)
            crash.point("reseal.written")
        crash.point("reseal.committed")

    @staticmethod
    def _found(document: Document, store: TableStore) -> list[Found]:
        return [
            Found(document.name, TABLE, key, hidden, value, Place(store.part.table, path, key), state)
            for key, path, value, state, hidden in store.secrets()
        ]

    def _rows(self, store: TableStore, part: str, keys: list[Key], *, owing: bool) -> None:
        before = store.get(keys)
        after = [self._changed(store, record) for record in before.values()]
        if owing:
            debts = [
                Debt(record.key, "put", before[record.key].digest)
                for record in after
                if reveal(record.value) != reveal(before[record.key].value)
            ]
            Journal(self.connection).owe(store.document.name, part, debts)
        store.update(after)

    def _changed(self, store: TableStore, record: Record) -> Record:
        def change(_: str, found: Any, hidden: Hidden) -> Any:
            new = self.change(reveal(found), hidden)
            return found if new is None else new

        return record._replace(value=changed_at(store.part, record.value, change))

    def _held(self, document: Document, item: Quarantined, *, owing: bool) -> None:
        """Change what is in quarantine: the secrets in its text where that can be read, and seal it as a whole."""
        part, text = parts(document).get(item.part), opened(self.site.vault, item)
        if text is None or not any(each.hidden for each in document.parts):
            return
        count = 0
        if part is not None:
            try:
                text, count = retold(text, [(hidden.at, hidden) for hidden in part.hidden], self.change)
            except (ValueError, IndexError, StopIteration):
                count = 0  # torn text: kept as it is
        raw = item.raw if isinstance(item.raw, str) else ""
        if count or item.raw_state == PLAIN or not self.site.vault.fresh(raw, held(document.name)):
            Quarantine(self.connection).hold_anew(item.id, *self.site.vault.seal_text(text, document.name))
        if count and owing and part is not None:
            # No record has this key: it only says that the file is behind.
            key = ("#", *[item.pointer] * len(part.key))[: len(part.key)]
            Journal(self.connection).owe(document.name, item.part, [Debt(key, "put")])


def refuse_torn(connection: Connection, planned: Iterable[Found]) -> None:
    """Raise Refused when a torn file, of which only a part was taken, would have to be changed."""
    torn = {name for name, entry in Ledger(connection).documents().items() if entry.state == DAMAGED}
    names = sorted({found.document for found in planned if found.home == FILE} & torn)
    if names:
        raise Refused(
            f"{', '.join(names)}: the file is damaged, and secrets in it would have to change. Nothing was changed.",
            "Mend it, and run `mediaos-migrate migrate`; then come back.",
        )


def prove(site: Site, connection: Connection, document: Document) -> None:
    """Compare both homes once more, and keep the verdict."""
    entry = Ledger(connection).document(document.name)
    if entry is None or entry.state != PRESENT:
        return
    seen = mirroring.look_at(site, connection, document)
    if seen.error:
        raise seen.error
    look = look_once(site, connection, seen)
    keep(site, connection, look)
    if look.report.differs and Ledger(connection).stage(document.name).writes_both:
        raise MigrateError(f"{document.name} differs afterwards.", "Please report this; both homes are backed up.")
