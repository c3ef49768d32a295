"""Writing the files again, from the database: every value exactly, and every byte that did not change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from heapq import merge
from pathlib import Path
from typing import BinaryIO

from .. import backups, files, scratch
from ..digest import Hashes
from ..documents.reader import Reading
from ..documents.style import Style
from ..documents.writer import LAST, Content, Identity, Patch, Want, write
from ..engines.sqlite import Connection
from ..errors import NeedsKey, NeedsPerson, Refused
from ..ledger import DAMAGED, PRESENT, SKIPPED, Entry, Ledger
from ..mapping import Mapper, NoKey
from ..pack import Document
from ..quarantine import Quarantine, Quarantined
from ..record import Record
from ..report import EVERY, SILENT, Progress
from ..secrets import PLAIN, held
from ..shapes import Element, Piece, Role, Shape, pointer, together
from ..site import STATE_FOLDER, Site
from ..stores.file import RECORDS, SIBLINGS, Envelope
from ..stores.lists import gathered, span
from ..values import loads, locked, reveal

GONE = "gone"  # the one row of a document was deleted: there is nothing to write


@dataclass(frozen=True, slots=True)
class Exported:
    """One file that was written, or why it was not."""

    document: str
    file: str
    state: str
    size: int = 0
    digest: str | None = None
    patched: bool = False  # laid over the bytes of the file it came from
    unchanged: bool = False  # equal to the file that was last imported, byte for byte


def export(site: Site, to: Path, progress: Progress = SILENT) -> list[Exported]:
    """Write all files that are present into a folder, from the database.

    Raises NeedsKey when values were sealed by us and the key does not open them, Refused when the folder
    is the app's own.
    """
    with site.looking() as connection:
        return export_from(site, connection, to, progress)


def export_from(site: Site, connection: Connection, to: Path, progress: Progress = SILENT) -> list[Exported]:
    """Write the files into a folder from an open database."""
    if to.resolve() == site.data.resolve() or STATE_FOLDER in to.resolve().parts or (to / STATE_FOLDER).exists():
        raise Refused(f"{to} is a data folder of the app, or ours.", "Name another folder with --to.")
    exports = [Export(site, connection, document, progress) for document in site.pack.ordered()]
    if stale := [item.file for item in exports if item.absent and (to / item.file).exists()]:
        raise Refused(f"{to} holds {', '.join(stale)}, which the database does not.", "Name an empty folder with --to.")
    for item in exports:
        item.check_key()
    files.make_folder(to, site.owner)
    return [item.run(to) for item in exports]


class Export:
    """The way of one document from its tables to a file."""

    def __init__(self, site: Site, connection: Connection, document: Document, progress: Progress = SILENT) -> None:
        self._site, self.document, self._progress = site, document, progress
        self._kept = Quarantine(connection)
        self.entry = Ledger(connection).document(document.name) or Entry(document.name, document.file, SKIPPED)
        self.stores = site.stores(connection, document) if self.entry.state in (PRESENT, DAMAGED) else {}
        self._envelope = envelope_of(self.entry.envelope)
        self._empty = dict(self._envelope.empty)  # which entry of the file a list may be that has no elements
        self._pointers, self._names = Hashes(), Hashes()  # of what is in quarantine
        self._mapper = Mapper(document, document.records)
        self.holds_any = False
        for item in self._kept.items(document.name):
            self.holds_any = True
            self._pointers.add(item.pointer)
            self._names.add(item.name)
        self._pointers.sort()
        self._names.sort()

    @property
    def file(self) -> str:
        """The name of the file that it writes."""
        return self.document.file

    @property
    def absent(self) -> bool:
        """Whether there is no such file, as far as the database knows."""
        return not self.stores

    @property
    def _gone(self) -> bool:
        return self.document.shape is Shape.ONE and not any(True for _ in self._merged(RECORDS))

    def check_key(self) -> None:
        """Raise NeedsKey when something of this document was sealed by us and nothing opens it, or may be stale."""
        if self.entry.state in (PRESENT, DAMAGED) and self.entry.digest is None:
            raise NeedsKey(
                f"{self.document.file} changed while there was no key; what is sealed in the database may be stale.",
                f"Give the key ({self._site.pack.key_variable} or --key-file) to `mediaos-migrate migrate` first.",
                document=self.document.name,
            )
        for name, store in self.stores.items():
            if not store.part.hidden:
                continue
            fields = sorted({path for record in store.all() for path in locked_fields(record.value)})
            raw = any(self._opened(item) is None for item in self._kept.items(self.document.name, name))
            if fields or raw:
                names = ", ".join([*fields, *(["its quarantine"] if raw else [])])
                raise NeedsKey(
                    f"{self.document.name} holds values that were sealed in the database: {names}.",
                    f"Give the key they were sealed with ({self._site.pack.key_variable} or --key-file).",
                    document=self.document.name,
                    fields=fields,
                )

    def run(self, to: Path) -> Exported:
        """Write the file, unless it is not there."""
        document, entry = self.document, self.entry
        if not self.stores:
            return Exported(document.name, document.file, entry.state)
        self._progress.step("export", document.file)
        if self._gone:
            return Exported(document.name, document.file, GONE)
        target = to / document.file
        with files.replacing(target, self._site.owner) as stream, self._base() as base:
            self.write(stream, base)
        digest = files.digest(target)
        return Exported(
            document.name,
            document.file,
            entry.state,
            target.stat().st_size,
            digest,
            patched=base is not None,
            unchanged=digest == entry.digest,
        )

    def write(self, stream: BinaryIO, base: Path | None) -> None:
        """Write the document: over the bytes of an older version, or in the app's usual layout.

        Raises NeedsPerson when a foreign hand took away the one value that it is.
        """
        if self._gone:
            raise NeedsPerson(
                f"The value of {self.file} is gone from the table `{self.document.records.table}`.",
                f"Put one there, or take the file's: `mediaos-migrate repair --believe file {self.document.name}`.",
                document=self.document.name,
            )
        if base and self.document.shape is Shape.LISTS:
            names = (piece.name or "" for piece in Reading(base, self.document) if piece.role is Role.ENTRY)
            self._empty = {n: name for n, name in enumerate(names) if span(self.stores[RECORDS], name) is None}
        if base:
            Patch(base, self.document, Style.from_json(self.entry.style)).write(stream, self._content(), self)
        else:
            write(stream, self.document, self._content())

    @contextmanager
    def _base(self) -> Iterator[Path | None]:
        """Lend out the bytes that were imported, to be patched: a backup, or a copy of the file, which may change."""
        digest, name = self.entry.digest or "", self.document.file
        base = backups.holding(self._site, name, digest) if self.entry.state == PRESENT else None
        here = self._site.data / name
        if base or self.entry.state != PRESENT or not here.is_file() or files.digest(here) != digest:
            yield base
            return
        with scratch.folder("base") as folder:
            yield folder / name if files.copy(here, folder / name) == digest else None

    def _content(self) -> Content:
        envelope = self._envelope
        before = [Want((name,), n, name, value) for n, (name, value) in enumerate(envelope.before.items())]
        after = [Want((name,), LAST, name, value) for name, value in envelope.after.items()]
        if SIBLINGS in self.stores:
            wants = [
                Want(
                    (r.element.name or "",),
                    LAST if r.position is None else r.position,
                    r.element.name,
                    reveal(r.value),
                )
                for r in self._merged(SIBLINGS)
            ]
            at = LAST if envelope.at is None else envelope.at
            before = [want for want in wants if want.place < at]
            after = [want for want in wants if want.place >= at]
        contained = envelope.at is not None or self.stores[RECORDS].count() > 0
        return Content(self._entries, before, after, contained)

    def _entries(self) -> Iterator[Want]:
        records = self._told(self._merged(RECORDS))
        if self.document.shape is Shape.LISTS:
            yield from self._lists(records)
            return
        for record in records:
            identity = (record.element.name,) if record.element.name is not None else record.identity
            yield Want(
                identity,
                LAST if record.position is None else record.position,
                record.element.name,
                reveal(record.value),
            )

    def _told(self, records: Iterable[Record]) -> Iterator[Record]:
        """Say now and then how many of the records are written."""
        for number, record in enumerate(records):
            if number % EVERY == 0:
                self._progress.at(number, self.entry.count or 0)
            yield record

    def _lists(self, records: Iterable[Record]) -> Iterator[Want]:
        """Gather the elements of a map of lists, and put its lists that are still empty where they were."""
        empty, index, place = self._empty, 0, 0
        for name, value in together(Shape.LISTS, (record.element for record in records)):
            while index in empty:
                yield from self._still_empty(empty[index], place)
                index += 1
            yield Want((name or "",), place, name, reveal(value))
            index += 1
            place += len(value) if isinstance(value, list) else 1
        for later in sorted(number for number in empty if number >= index):
            yield from self._still_empty(empty[later], LAST)

    def _still_empty(self, name: str, place: int) -> Iterator[Want]:
        if span(self.stores[RECORDS], name) is None:
            yield Want((name,), place, name, [])

    def _merged(self, part: str) -> Iterator[Record]:
        """Walk through rows and quarantined records of a part in the order of the file."""
        held = (self._record(item) for item in self._kept.items(self.document.name, part))
        lists = self.document.shape is Shape.LISTS
        rows = gathered(self.stores[part]) if lists else self.stores[part].all()
        return merge(held, rows, key=lambda r: LAST if r.position is None else r.position)

    def _record(self, item: Quarantined) -> Record:
        value = loads(self._opened(item) or "null")
        unfit = item.reason if self.document.shape is not Shape.LISTS or item.pointer.count("/") < 2 else ""  # noqa: PLR2004
        element = Element(item.name, value, item.pointer, unfit)
        return Record((), value, element, item.position, unfit=item.reason)

    def _opened(self, item: Quarantined) -> str | None:
        raw = item.raw if isinstance(item.raw, str) else item.raw.decode("utf-8", "surrogateescape")
        return raw if item.raw_state == PLAIN else self._site.vault.open(raw, held(item.document))

    def identity(self, piece: Piece, index: int) -> Identity:
        """Return who a piece of the old file is."""
        if piece.name is not None:
            return (piece.name,)
        place = pointer(self.document.under, index)
        if self._held(place) is not None:
            return ("#", place)
        try:
            return self._mapper.key_of(None, piece.value)
        except NoKey:
            return ("#", place)

    def _held(self, place: str) -> int | None:
        return self._kept.position_at(self.document.name, place) if place in self._pointers else None

    def _held_as(self, name: str) -> int | None:
        return self._kept.position_of(self.document.name, name) if name in self._names else None

    def place(self, identity: Identity) -> int | None:
        """Return where a record stands now, or None when it is gone."""
        held = self._held(identity[-1]) if identity[0] == "#" else None
        held = self._held_as(identity[0]) if held is None else held
        if held is not None or (identity[0] == "#" and identity[-1].startswith("/")):
            return held  # None: it stood in quarantine, and does no more
        if self.document.shape is Shape.LISTS:
            there = span(self.stores[RECORDS], identity[0])
            return there.first if there else LAST  # a list that lost its last element stays, as an empty one
        return self.stores[RECORDS].place(identity)


def envelope_of(text: str | None) -> Envelope:
    """Read what was noted of a file's layout. Raises NeedsPerson when a foreign hand spoiled it."""
    if text is None:
        return Envelope({}, {}, None, [])
    try:
        found = loads(text)
        return Envelope(found["before"], found["after"], found["at"], [(n, name) for n, name in found["empty"]])
    except (ValueError, KeyError, TypeError):
        raise NeedsPerson("What was noted of a file's layout was changed by hand.", "Restore a backup.") from None


def locked_fields(value: object, path: str = "") -> Iterator[str]:
    """Walk through the members of a record that were sealed by us, and that no key opens."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from locked_fields(item, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for item in value:
            yield from locked_fields(item, path)
    elif locked(value):
        yield path
