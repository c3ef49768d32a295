"""Bringing the home that is not believed in step: paying debts, taking in foreign edits, and recovery after a crash."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, NoReturn

from .. import crash, files, marker
from ..documents.style import Style
from ..engines.sqlite import Connection, transaction
from ..errors import Damaged, FileChanged, MigrateError, NeedsPerson, NotSettled, Suspect
from ..journal import Intent, Journal
from ..ledger import MISSING, PRESENT, Entry, Ledger
from ..pack import Document
from ..quarantine import Quarantine, Quarantined
from ..report import SILENT, Progress
from ..shapes import Shape
from ..site import Site
from ..stages import Stage
from ..stores.file import Envelope, FileStore
from . import fences, placing, preflight, splicing
from .exporting import Export
from .importing import Contradiction, import_document
from .surveyed import Options, Survey
from .surveying import survey

FEW: Final = 5
UNBELIEVED: Final = (Damaged, Suspect, NotSettled, FileChanged, NeedsPerson)
CONFLICTS: Final = "conflicts"  # in the state folder: copies of files that were not what we had left


@dataclass(frozen=True, slots=True)
class Mirrored:
    """What was done for one document: how many changes its file now has, and its digest."""

    document: str
    paid: int = 0
    digest: str | None = None


def digest_of(site: Site, document: Document) -> str | None:
    """Return the digest of a document's file as it is now; None when it is not there."""
    path = site.file(document)
    return files.digest(path) if path.is_file() else None


def recover(site: Site, connection: Connection, document: Document) -> None:
    """Finish what a crash left open, as the file's digest decides (DESIGN 8). The caller holds the document.

    What matches neither state is a foreign edit, and left for those who meet it.
    """
    intent = Journal(connection).intents().get(document.name)
    if intent is None:
        return
    now = digest_of(site, document)
    files.Replacement(site.file(document), site.owner).drop()
    if now == intent.after:
        if intent.home == "table":
            settle(site, connection, document, intent)
            return
        ingest(site, connection, document)
    with transaction(connection):
        Journal(connection).close(document.name)
    crash.point("recovered")


def complete(site: Site, connection: Connection) -> None:
    """Complete what a crash interrupted: units of work, and a fence for a step that was not taken, which is removed."""
    for document in site.pack.documents.values():
        if site.file(document).is_dir() and Ledger(connection).stage(document.name) is not Stage.COMPLETE:
            fences.remove(site, document)
    complete_units(site, connection)


def complete_units(site: Site, connection: Connection) -> None:
    """Complete units of work that a crash interrupted after they were noted: all of their files are put in place."""
    for unit, names in Journal(connection).units().items():
        documents = [site.pack.document(name) for name in names]
        with ExitStack() as held:
            for document in documents:
                held.enter_context(site.holding(document.name))
            # Whoever was at work has ended by now, or is dead.
            open_ones = {name: i for name, i in Journal(connection).intents().items() if i.unit == unit}
            for document in documents:
                if document.name in open_ones:
                    _put(site, document, open_ones[document.name])
            crash.point("unit.put")
            for document in documents:
                recover(site, connection, document)


def _put(site: Site, document: Document, intent: Intent) -> None:
    replacement = files.Replacement(site.file(document), site.owner)
    there = replacement.written.is_file() and files.digest(replacement.written) == intent.after
    if there and digest_of(site, document) == intent.before:
        replacement.put()


def settle(
    site: Site,
    connection: Connection,
    document: Document,
    intent: Intent,
    held: list[Quarantined] | None = None,
) -> None:
    """Note that a file is in place that was written from the table: its debts are paid.

    `held` is the quarantine as it was written (default: as it is now).
    """
    held = list(Quarantine(connection).items(document.name)) if held is None else held
    moved = list(placing.moved(site, document, held))
    with transaction(connection):
        placing.relocate(connection, moved)
        Journal(connection).pay(document.name, intent.upto)
        note_file(site, connection, document, intent.after)
        Journal(connection).close(document.name)


def new_envelope(document: Document) -> str:
    """Spell the envelope of a file that we make: the container, and nothing beside it."""
    return Envelope({}, {}, None if document.under is None else 0, []).text


def note_file(site: Site, connection: Connection, document: Document, digest: str) -> None:
    """Note a document's file as it is now: what both homes were last known to say."""
    ledger, path = Ledger(connection), site.file(document)
    old = ledger.document(document.name)
    envelope = _envelope(site, document, old)
    count = sum(store.count() for store in site.stores(connection, document).values())
    count += Quarantine(connection).counts().get(document.name, 0)
    style = Style.of(path).to_json()
    ledger.put_document(
        Entry(document.name, document.file, PRESENT, path.stat().st_size, digest, count, style, envelope)
    )


def _envelope(site: Site, document: Document, old: Entry | None) -> str | None:
    """Spell the envelope of a file that we wrote: as it was, but which lists are empty, and where they stand."""
    if old is None or old.state == MISSING:
        return new_envelope(document)
    if document.shape is not Shape.LISTS:
        return old.envelope
    store = FileStore(site.file(document), document, site.vault)
    for _ in store.all():
        pass
    return store.envelope.text


def ingest(site: Site, connection: Connection, document: Document) -> None:
    """Take what a file says into the table: edits of the app, of another program or of ours.

    Raises Damaged or Suspect, with a copy kept, when the file is not to be believed; NotSettled when it never
    stands still.
    """
    seen = look_at(site, connection, document)
    if seen.error:
        keep_copy(site, document)
        raise seen.error
    import_document(site, connection, seen)


def look_at(site: Site, connection: Connection, document: Document, *, accepted: bool = False) -> Survey:
    """Survey one document alone, whatever its stage; `accepted`: it is believed however small it is."""
    others = frozenset(name for name in site.pack.documents if name != document.name)
    known = {name: replace(entry, stage=Stage.OFF) for name, entry in Ledger(connection).documents().items()}
    surveys = survey(site, Options(skip=others, accept_source=frozenset({document.name} if accepted else ())), known)
    preflight.key_report(site, surveys)
    if site.vault.has_key:
        preflight.seal_with_one_key(site, connection)
    return next(each for each in surveys if each.document.name == document.name)


def keep_copy(site: Site, document: Document) -> Path | None:
    """Keep a copy of a file that is not what we left, so that nothing in it is lost; the same bytes once."""
    path = site.file(document)
    if not path.is_file():
        return None
    folder = site.state / CONFLICTS
    files.make_folder(folder, site.owner)
    copy = folder / f"{document.name}-{files.digest(path)[:16]}.json"
    if not copy.exists():
        files.copy(path, copy, site.owner)
    return copy


def mirror(site: Site, connection: Connection, document: Document) -> Mirrored:
    """Write a document's file from its table, if it owes anything; the caller has seen that the table is believed.

    What somebody else has changed in the file since is taken into the table, record by record. Raises NeedsPerson
    where both have changed the same record, and blocks the document until that is settled.
    """
    with site.holding(document.name):
        recover(site, connection, document)
        journal, ledger = Journal(connection), Ledger(connection)
        owed = journal.debts().get(document.name)
        entry = ledger.document(document.name)
        if owed and entry and (done := _edited(site, connection, document, entry, owed.count)):
            return done
        before = digest_of(site, document)
        if before == (entry.digest if entry else None) and owed is None:
            return Mirrored(document.name, 0, before)
        if entry and before != entry.digest and not _may_rebuild(site, document, before):
            before = _merge(site, connection, document)
            if owed is None:
                return Mirrored(document.name, 0, before)
        return _rewrite(site, connection, document, before, owed.count if owed else 0)


def _edited(site: Site, connection: Connection, document: Document, entry: Entry, paid: int) -> Mirrored | None:
    """Write a file whose layout is known without looking at it before: it is digested while it is copied.

    None when it is not what we left.
    """
    layout = (site.layouts or {}).get(document.name)
    if layout is None or layout.digest != entry.digest:
        return None
    with suppress(FileChanged, Damaged, FileNotFoundError):
        return _rewrite(site, connection, document, entry.digest, paid)
    (site.layouts or {}).pop(document.name, None)
    return None


def rebuild(site: Site, connection: Connection, document: Document) -> Mirrored:
    """Write a file from its table whatever it says now; what it said is kept."""
    with site.holding(document.name):
        return rewrite(site, connection, document)


def rewrite(site: Site, connection: Connection, document: Document) -> Mirrored:
    """Do the same while the caller holds the document."""
    recover(site, connection, document)
    before = digest_of(site, document)
    entry = Ledger(connection).document(document.name)
    if before is not None and (entry is None or before != entry.digest):
        keep_copy(site, document)
    return _rewrite(site, connection, document, before, None)


def _may_rebuild(site: Site, document: Document, digest: str | None) -> bool:
    """Tell whether a file that is not what we left holds nothing: then it is rebuilt from the table."""
    if digest is None:
        return True
    others = frozenset(name for name in site.pack.documents if name != document.name)
    seen = next(s for s in survey(site, Options(skip=others), {}) if s.document.name == document.name)
    if isinstance(seen.error, NotSettled):
        raise seen.error
    empty = isinstance(seen.error, Damaged | Suspect) or (seen.error is None and seen.count == 0)
    if empty:
        keep_copy(site, document)
    return empty


def _merge(site: Site, connection: Connection, document: Document) -> str | None:
    """Take a foreign edit of a mirror into the believed table, and return the file's digest."""
    keep_copy(site, document)
    seen = look_at(site, connection, document)
    if seen.error:
        raise seen.error
    try:
        import_document(site, connection, seen, merging=True)
    except Contradiction as error:
        _block(site, connection, document, error)
    Ledger(connection).unblock(document.name)
    return seen.digest


def _block(site: Site, connection: Connection, document: Document, error: Contradiction) -> NoReturn:
    copy = keep_copy(site, document)
    keys = ", ".join(" / ".join(key) for key in error.keys[:FEW]) + (" …" if len(error.keys) > FEW else "")
    reason = f"{document.file} was changed by another program where the believed table was changed too ({keys})"
    with transaction(connection):
        Ledger(connection).block(document.name, reason)
    raise NeedsPerson(
        f"{reason}; a copy is {copy.name if copy else 'gone'} in {site.state.name}/{CONFLICTS}.",
        f"See what differs with `mediaos-migrate validate {document.name}`, then settle it with "
        f"`mediaos-migrate repair --believe table {document.name}` (or `file`).",
        document=document.name,
    )


def _rewrite(site: Site, connection: Connection, document: Document, before: str | None, paid: int | None) -> Mirrored:
    """Write a file with what so many debts owe it, or (None) with all that the table says."""
    journal = Journal(connection)
    replacement = files.Replacement(site.file(document), site.owner)
    connection.execute("BEGIN")  # one moment of the table
    try:
        upto = journal.upto(document.name)
        held = list(Quarantine(connection).items(document.name))
        export = Export(site, connection, document)
        if export.absent:
            return Mirrored(document.name, paid or 0, before)
        export.check_key()
        entry = Ledger(connection).document(document.name)
        base = before if entry and before is not None and before == entry.digest else None
        with replacement.writing() as stream:
            owed = None if paid is None else journal.owed(document.name, upto)
            after = splicing.write_over(site, export, stream, base, owed)
    finally:
        connection.execute("ROLLBACK")
    intent = Intent(document.name, "table", before, after or files.digest(replacement.written), upto)
    with transaction(connection):
        journal.intend(intent)
    crash.point("mirror.intended")
    if digest_of(site, document) != before:
        replacement.drop()
        with transaction(connection):
            journal.close(document.name)
        raise FileChanged(document.file)
    replacement.put()
    crash.point("mirror.put")
    settle(site, connection, document, intent, held)
    crash.point("mirror.settled")
    return Mirrored(document.name, paid or 0, intent.after)


def flush(site: Site, connection: Connection, progress: Progress = SILENT) -> list[Mirrored]:
    """Pay all debts now: finish what was open, and write every file whose table is believed and ahead.

    A file that is not to be believed keeps none of the others waiting; what stands in its way is raised in the end.
    """
    complete(site, connection)
    told: list[Mirrored] = []
    errors: list[MigrateError] = []
    for document in site.pack.documents.values():
        try:
            told += _flush(site, connection, document, progress)
        except UNBELIEVED as error:
            errors.append(error)
    marker.note(site.state, Ledger(connection), site.owner)
    if errors:
        raise errors[0]
    return told


def _flush(site: Site, connection: Connection, document: Document, progress: Progress) -> Iterator[Mirrored]:
    """Do it for one document, if there is anything to do."""
    stage = Ledger(connection).stage(document.name)
    if stage.mirrors:
        progress.step("mirror", document.file)
        yield mirror(site, connection, document)
    elif _is_behind(site, connection, document):
        owed = Journal(connection).behind().get(document.name)
        with site.holding(document.name):
            (in_step if stage.writes_both else recover)(site, connection, document)
        yield Mirrored(document.name, owed.count if owed else 1, digest_of(site, document))


def _is_behind(site: Site, connection: Connection, document: Document) -> bool:
    """Tell whether a table may lack what its file has: a write was not ended, or the file is not what was left."""
    if document.name in Journal(connection).intents():
        return True
    entry = Ledger(connection).document(document.name)
    return entry is not None and entry.stage.writes_both and digest_of(site, document) != entry.digest


def in_step(site: Site, connection: Connection, document: Document) -> None:
    """Bring a document whose file is believed in step: recover, then take in what the file says if it changed.

    The caller holds the document.
    """
    recover(site, connection, document)
    entry = Ledger(connection).document(document.name)
    now = digest_of(site, document)
    known = entry is not None and entry.digest == now and entry.state in (PRESENT, MISSING)
    if not known:
        ingest(site, connection, document)
