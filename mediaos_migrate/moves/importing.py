"""Making a document's tables equal to its file, in one transaction, with books that balance."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final

from .. import crash
from ..budget import batches
from ..documents.reader import Rest, part_of
from ..documents.style import Style
from ..engines.sqlite import Connection, indexed_afterwards, transaction
from ..errors import FileChanged, MigrateError, Refused
from ..evidence import Evidence
from ..journal import Journal
from ..ledger import MISSING, Entry, Ledger
from ..mapping import key_of_column
from ..quarantine import Quarantine, Quarantined
from ..record import Record
from ..report import CAP, SILENT, Books, Key, Progress
from ..secrets import PLAIN
from ..shapes import Shape
from ..site import Site, parts, tables_of
from ..stores import changes
from ..stores.file import RECORDS, FileStore
from ..stores.table import TableStore
from ..values import Secret, dumps, locked, reveal
from .surveyed import Survey


@dataclass(slots=True)
class _Tally:
    """The books of a document while it is read."""

    read: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    quarantined: int = 0
    deleted: list[Key] = field(default_factory=list)
    deleted_count: int = 0
    ours: int = 0  # records of the file that the table has removed, less those that it has added

    def books(self) -> Books:
        """Close the books."""
        return Books(
            self.read,
            self.inserted,
            self.updated,
            self.unchanged,
            self.quarantined,
            tuple(self.deleted),
            self.deleted_count,
        )


LARGE: Final = 2**22  # bytes of a file

Ours = Mapping[tuple[str, Key], bytes | None]  # by part and key, what the file said before the table changed it


class Contradiction(MigrateError):
    """File and table have both changed the same records since they were last equal."""

    def __init__(self, document: str, keys: list[Key]) -> None:
        super().__init__(
            f"{document}: file and table both changed {', '.join(' / '.join(key) for key in keys[:CAP])}.", ""
        )
        self.keys = keys


def import_document(
    site: Site, connection: Connection, survey: Survey, progress: Progress = SILENT, *, merging: bool = False
) -> Books:
    """Make the tables of a document say what its file says; all of it or nothing.

    When `merging`, changes that the table has made since are kept, and what the file has changed is taken beside them;
    raises Contradiction when both have changed a record. Raises FileChanged when the file is another one than the
    survey saw, MigrateError when the books do not balance; then nothing of the document was changed.
    """
    try:
        with transaction(connection):
            # Asked for in here: what somebody writes before this transaction begins is the table's change as well.
            ours = Journal(connection).bases(survey.document.name) if merging else {}
            books = _Import(site, connection, survey, progress, ours).run()
            if merging:
                Evidence(connection).new_epoch()  # a foreign edit was accepted
            crash.point("import.written")
    except sqlite3.IntegrityError as error:
        raise MigrateError(
            f"{survey.document.file} holds what the database refuses: {error}. Nothing of it was changed.",
            "If a contract migration asks for it, mend the data, or `mediaos-migrate schema down --contract`.",
        ) from None
    crash.point("import.committed")
    return books


def refuse_strangers(site: Site, connection: Connection, survey: Survey) -> None:
    """Raise Refused when a first import would find rows that its file does not have; nothing is written."""
    if any(store.count() for store in site.stores(connection, survey.document).values()):
        connection.execute("BEGIN IMMEDIATE")
        try:
            _Import(site, connection, survey, SILENT, {}).run()
        finally:
            connection.execute("ROLLBACK")


class _Import:
    def __init__(self, site: Site, connection: Connection, survey: Survey, progress: Progress, ours: Ours) -> None:
        self._progress, self._connection = progress, connection
        self._ours, self._met, self._torn = ours, set[tuple[str, Key]](), list[Key]()
        self._site, self._survey, self._document = site, survey, survey.document
        self._ledger, self._held = Ledger(connection), Quarantine(connection)
        self._tables = site.stores(connection, survey.document)
        self._lists = survey.document.shape is Shape.LISTS
        self._file = FileStore(
            site.file(survey.document), survey.document, site.vault, survey.twins, salvage=survey.salvage
        )
        self._tally = _Tally()
        self._first = self._ledger.document(survey.document.name) is None
        self._last = dict.fromkeys(self._tables, -1)
        self._added = {name: self._added_to(name, store) for name, store in self._tables.items()}
        self._list: str | None = None  # of a map of lists: the one that is read
        self._fresh = {name: store.count() == 0 for name, store in self._tables.items()}
        self._unjudged = False  # a value that only the key can compare was left as it is

    def run(self) -> Books:
        # DDL ends what is proved of every document, so the counters are only put aside for a first import.
        fresh = tables_of(self._document) if all(self._fresh.values()) else []
        with changes.unwatched(self._connection, fresh), indexed_afterwards(self._connection, self._late(fresh)):
            return self._run()

    def _late(self, fresh: list[str]) -> list[str]:
        """Name the tables whose indexes are built after a load: it takes half the time, but for small ones."""
        return fresh if self._survey.size > LARGE else []

    def _run(self) -> Books:
        self._held.clear(self._document.name)
        for name, store in self._tables.items():
            if not self._fresh[name]:
                store.watch()
        if self._survey.state != MISSING:
            self._read()
        for name, store in self._tables.items():
            if not self._fresh[name]:
                self._keep_ours(name, store)
                self._remove_unseen(store)
            store.remove_strays(sharing_with(self._site, store))
            store.link()
        if self._torn:
            raise Contradiction(self._document.name, self._torn)
        self._close()
        return self._tally.books()

    def _read(self) -> None:
        for name, records in self._batches():
            self._tally.read += len(records)
            fit = [record for record in records if not record.unfit]
            known = {} if self._fresh[name] else self._tables[name].get([record.key for record in fit])
            if not self._fresh[name]:
                self._tables[name].saw([record.key for record in fit])
            self._apply(name, records, known)
            self._progress.at(records[-1].stop, self._survey.size)
        if self._file.reading.digest != self._survey.digest:
            raise FileChanged(self._document.file)
        for rest in self._file.rest:
            self._tally.read += 1
            self._quarantine_rest(rest)

    def _batches(self) -> Iterator[tuple[str, list[Record]]]:
        """Group the records of the file by part, some at a time."""
        stream = self._file.all()
        for some in batches(stream, lambda found: found[1].stop - found[1].start):
            for name in self._tables:
                if mine := [record for part, record in some if part == name]:
                    yield name, mine

    def _apply(self, name: str, records: list[Record], known: dict[Key, Record]) -> None:
        new: list[Record] = []
        changed: list[Record] = []
        moved: list[tuple[int, Key]] = []
        for record in records:
            moved += self._ended(name, record.element.name)
            old = known.get(record.key) if known and not record.unfit else None
            placed = self._placed(name, record, old)
            if self._ours and record.key and (name, record.key) in self._ours and self._stands(name, record, old):
                self._tally.unchanged += 1
                self._tally.ours += old is None
                moved += [(placed.position or 0, placed.key)] if old and placed.position != old.position else []
            elif record.unfit:
                self._quarantine(name, placed)
            elif old is None:
                new.append(placed)
            elif same(record.value, old.value) and not (self._site.vault.sealing and holds_plain(old.value)):
                self._tally.unchanged += 1
                self._unjudged = self._unjudged or locked(old.value)
                if placed.position != old.position:
                    moved.append((placed.position or 0, placed.key))
            else:
                changed.append(placed)
        store = self._tables[name]
        store.insert(new)
        store.update(changed)
        store.move(moved)
        self._tally.inserted += len(new)
        self._tally.updated += len(changed)
        crash.point("import.batch")

    def _stands(self, name: str, record: Record, old: Record | None) -> bool:
        """Tell whether the table's own change of a record stands against what the file says of it."""
        self._met.add((name, record.key))
        if not record.unfit and old is not None and same(record.value, old.value):
            return False  # both say the same
        if record.unfit or record.digest != self._ours[name, record.key]:
            self._torn.append(record.key)
        return True

    def _keep_ours(self, name: str, store: TableStore) -> None:
        """Keep records that the table has added; a changed one that the file has not is a contradiction."""
        left = [key for part, key in self._ours if part == name and (part, key) not in self._met]
        kept = list(store.get(left))
        store.saw(kept)
        store.move([place for which in list(self._added[name]) for place in self._behind(name, which)])
        self._tally.ours -= len(kept)
        self._torn += [key for key in kept if self._ours[name, key] is not None]

    def _added_to(self, name: str, store: TableStore) -> dict[str | None, list[Record]]:
        """Find the records that the table has added since, in their order, by the list of a map that they are in."""
        keys = {key for (part, key), before in self._ours.items() if part == name and before is None}
        found: dict[str | None, list[Record]] = {}
        for record in store.all() if keys else ():
            if record.key in keys:
                found.setdefault(record.element.name if self._lists else None, []).append(record)
        return found

    def _ended(self, name: str, now: str | None) -> list[tuple[int, Key]]:
        """Place what the table has added to a list once the file has come to its end."""
        before, self._list = self._list, now
        return self._behind(name, before) if self._lists and before != now else []

    def _behind(self, name: str, which: str | None) -> list[tuple[int, Key]]:
        """Place what the table has added behind all that the file has, unless the file has it too."""
        added = [record for record in self._added[name].pop(which, []) if (name, record.key) not in self._met]
        return [(self._placed(name, record, None).position or 0, record.key) for record in added]

    def _placed(self, name: str, record: Record, old: Record | None) -> Record:
        """Give a record its position: the one it has if that keeps the order, else the next."""
        position = old.position if old and name == RECORDS else None
        if position is None or position <= self._last[name]:
            # A sibling's position also tells on which side of the container it stands, so it is always exact.
            position = max(self._last[name] + 1, (record.position or 0) if old is None or name != RECORDS else 0)
        self._last[name] = position
        return record if position == record.position else record._replace(position=position)

    def _quarantine(self, part: str, record: Record) -> None:
        self._tally.quarantined += 1
        element = record.element
        raw = part_of(self._file.path, record.start, record.stop)
        if self._document.shape is Shape.LISTS and not element.unfit:
            raw = dumps(reveal(element.value)).encode()  # the bytes in the file are those of the whole list
        place = (element.pointer, element.name, record.position, record.start)
        self._keep(Quarantined(0, self._document.name, part, *place, record.unfit), raw)

    def _quarantine_rest(self, rest: Rest) -> None:
        self._tally.quarantined += 1
        raw = part_of(self._file.path, rest.start, rest.stop)
        reason = f"not taken by --salvage: found {rest.reason}"
        self._keep(Quarantined(0, self._document.name, "", "", None, None, rest.start, reason), raw)

    def _keep(self, item: Quarantined, raw: bytes) -> None:
        """Put raw text into quarantine: as text if it is, sealed if it may hold secrets."""
        text: str | bytes = raw
        state = PLAIN
        with suppress(UnicodeDecodeError):
            text = raw if b"\x00" in raw else raw.decode()
        if any(part.hidden for part in parts(self._document).values()):
            sealed, state = self._site.vault.seal_text(raw.decode("utf-8", "surrogateescape"), item.document)
            text = text if state == PLAIN else sealed
        self._held.keep(replace(item, raw=text, raw_state=state))

    def _remove_unseen(self, store: TableStore) -> None:
        for keys in store.unseen():
            if self._first and not self._survey.accepted:
                raise Refused(
                    f"The table {store.part.table} holds records that {self._document.file} does not, and were never "
                    f"imported from it, such as {' / '.join(map(key_of_column, keys[0]))}. Nothing was changed.",
                    f"Save them, or pass --accept-source {self._document.name} to let them go.",
                    document=self._document.name,
                )
            store.remove(keys)
            self._tally.deleted_count += len(keys)
            some = keys[: CAP - len(self._tally.deleted)]
            self._tally.deleted += [tuple(map(key_of_column, key)) for key in some]

    def _close(self) -> None:
        books = self._tally.books()
        held = sum(store.count() for store in self._tables.values())
        if not books.balanced or held != books.inserted + books.updated + books.unchanged - self._tally.ours:
            raise MigrateError(
                f"The books of {self._document.name} do not balance: {books.read} read, {books.inserted} inserted, "
                f"{books.updated} updated, {books.unchanged} unchanged, {books.quarantined} quarantined, {held} held.",
                "Nothing of it was changed. Please report this.",
            )
        self._ledger.put_document(
            Entry(
                self._document.name,
                self._document.file,
                self._survey.state,
                self._survey.size if self._survey.state != MISSING else None,
                None if self._unjudged else self._survey.digest,
                books.read,
                Style.of(self._site.file(self._document)).to_json() if self._survey.state != MISSING else None,
                self._file.envelope.text,
            )
        )


def sharing_with(site: Site, store: TableStore) -> list[str]:
    """Name the documents that share a table, each with one row; none where the table is one document's own."""
    if not store.part.document_key:
        return []
    return [name for name, document in site.pack.documents.items() if document.records.table == store.part.table]


def same(source: object, target: object) -> bool:
    """Tell whether a record is exactly as the table has it: tokens, order of members, everything.

    A secret that we sealed and cannot open now is left out: only the key can tell. Then the file's digest is not
    noted either, so that the file counts as not yet imported until the key is given.
    """
    return dumps(_masked(source, target)) == dumps(_masked(target, target))


def holds_plain(value: object) -> bool:
    """Tell whether the table holds a credential in clear text."""
    if isinstance(value, dict):
        return any(map(holds_plain, value.values()))
    if isinstance(value, list):
        return any(map(holds_plain, value))
    return isinstance(value, Secret) and value.state == PLAIN and not value.locked


def _masked(value: object, other: object) -> object:
    if isinstance(other, Secret):
        return "locked" if other.locked and isinstance(value, Secret) else reveal(value)
    if isinstance(value, dict) and isinstance(other, dict):
        return {name: _masked(item, other.get(name)) for name, item in value.items()}
    if isinstance(value, list) and isinstance(other, list) and len(value) == len(other):
        return [_masked(item, twin) for item, twin in zip(value, other, strict=True)]
    return reveal(value)
