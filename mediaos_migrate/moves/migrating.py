"""The migration: preflight, backup, schema, import, validation; run it as often as you like."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from .. import backups, crash, files, marker, room
from ..backups import Wish
from ..engines.sqlite import Connection, looking, tables, transaction
from ..errors import CouldNotCheck, Damaged, FileChanged, UsageError
from ..evidence import Evidence
from ..keyring import Keyring, wrong
from ..ledger import MISSING, SKIPPED, Entry, Ledger
from ..quarantine import Quarantine
from ..report import SILENT, Books, DocumentReport, Progress
from ..secrets import LOOKS_SEALED, PLAIN
from ..site import Site, parts, tables_of
from ..stages import Stage
from ..stores import changes
from . import mirroring, preflight, schema
from .comparing import compare_document
from .importing import import_document, refuse_strangers
from .looks import LOOKS, look_once
from .proving import Proof, admit, keep
from .surveyed import Options, Survey
from .surveying import Memory, survey


@dataclass(slots=True)
class Migration:
    """What a migration did: per document, in seconds per step, and what it came across."""

    documents: list[DocumentReport] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)
    steps: list[str] = field(default_factory=list)  # schema migrations applied
    backup: str | None = None
    unmapped: list[str] = field(default_factory=list)
    other_folders: list[str] = field(default_factory=list)
    key: dict[str, Any] = field(default_factory=dict)
    changed: bool = False
    books: dict[str, Books] = field(default_factory=dict)

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Measure a step."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.timings[step] = self.timings.get(step, 0.0) + time.perf_counter() - started

    @property
    def exit_code(self) -> int:
        """0 when the homes are equal, 3 when they are not, 5 when that could not be told."""
        if any(report.differs for report in self.documents):
            return 3
        return 5 if any(report.unverifiable for report in self.documents) else 0


def migrate(site: Site, options: Options, progress: Progress = SILENT) -> Migration:
    """Bring a site's files into its database, and prove it.

    Nothing is written before every file has been looked at. Raises Refused (all reasons at once) when
    one cannot be taken; what was done before a later failure stays, and the next run completes it.
    """
    result = Migration()
    with result.timed("preflight"):
        surveys = look(site, options, result, progress)
    with site.locked():
        crash.point("locked")
        _complete(site)
        _tidy(site)
        with result.timed("backup"):
            progress.step("back up", "the files")
            _back_up(site, surveys, result)
        with site.writing(any_key=True) as connection:
            crash.point("database.made")
            with result.timed("schema"):
                progress.step("bring the schema up")
                ledger = Ledger(connection)
                ledger.found(site.pack.app)
                crash.point("ledger.made")
                ledger.accept_folders(sorted({*ledger.accepted_folders(), *result.other_folders}))
                result.steps = [str(step) for step in schema.take_pending(site, connection).steps]
                _watch(site, connection)
                result.key["fits"] = preflight.seal_with_one_key(site, connection)
            with result.timed("import"), _unmoved(site, surveys):
                _import(site, connection, surveys, result, progress)
                preflight.note_key(site, connection, result.key)
                result.key["clear_text"] = any(_holds_plain(site, connection, seen) for seen in surveys)
            with result.timed("validate"), _unmoved(site, surveys):
                _validate(site, connection, surveys, result, progress)
            if result.changed:
                marker.note(site.state, Ledger(connection), site.owner)
        crash.point("done")
    return result


@contextmanager
def _unmoved(site: Site, surveys: list[Survey]) -> Iterator[None]:
    """Tell damage that the app does while we read from damage that was there: the one passes."""
    try:
        yield
    except (Damaged, FileNotFoundError):
        for seen in surveys:
            path = site.file(seen.document)
            if seen.digest and (not path.is_file() or files.digest(path) != seen.digest):
                raise FileChanged(seen.document.file) from None
        raise


def _watch(site: Site, connection: Connection) -> None:
    """Count the changes of all tables of the pack that there are."""
    there = set(tables(connection))
    with transaction(connection):
        changes.watch(connection, (t for d in site.pack.documents.values() for t in tables_of(d) if t in there))
        changes.watch_quarantine(connection)


def look(site: Site, options: Options, result: Migration, progress: Progress = SILENT) -> list[Survey]:
    """Look at the site without touching it; raises Refused with every reason there is."""
    if not site.db.absolute().parent.is_dir():
        raise UsageError(f"There is no folder {site.db.parent}.", "Make it, or name another place with --db.")
    known = remembered(site)
    others = preflight.check_folder(site, accept=options.accept_data, accepted=known.folders, complete=known.complete)
    result.other_folders = [str(folder) for folder in others]
    result.unmapped = site.unmapped()
    surveys = survey(site, options, known.documents, known.memory, progress)
    preflight.refuse(surveys)
    result.key = dict(preflight.key_report(site, surveys))
    if known.wrong_key:
        _refuse_key(site, surveys, known)
    for disk in room.for_migration(site, new_bytes(surveys, known.documents)):
        disk.check()
    return surveys


def _refuse_key(site: Site, surveys: list[Survey], known: Known) -> None:
    """Raise WrongKey unless the app has been given this key: then it opens something in a believed file."""
    told = preflight.key_report(site, [seen for seen in surveys if seen.document.name not in known.believed])
    if not told["opened"] and (known.sealed_here or told[LOOKS_SEALED] or known.believed):
        raise wrong(site.pack.key_variable)
    preflight.key_report(site, surveys)


def new_bytes(surveys: list[Survey], known: dict[str, Entry]) -> int:
    """Add up the files that are not in the database as they are now."""
    return sum(seen.size for seen in surveys if _is_new(seen, known))


@dataclass(frozen=True, slots=True)
class Known:
    """What the database remembers from earlier runs."""

    documents: dict[str, Entry] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)  # other data folders that are left aside
    memory: Memory = field(default_factory=Memory)
    wrong_key: bool = False  # another key is noted as the site's
    sealed_here: bool = False
    believed: frozenset[str] = frozenset()  # documents whose table is believed

    @property
    def complete(self) -> bool:
        """Whether some table alone is believed."""
        return any(entry.stage is Stage.COMPLETE for entry in self.documents.values())


def remembered(site: Site) -> Known:
    """Return what the database remembers; nothing when there is none yet. Raises NotOurs."""
    for _ in range(LOOKS):  # another run may be at work, and holds the lock that comes later
        with suppress(CouldNotCheck):
            return _remembered(site)
    return _remembered(site)


def _remembered(site: Site) -> Known:
    if not site.db.exists() or not site.db.stat().st_size:
        marker.check_lost(site.state, site.db)
        return Known()
    with looking(site.db) as connection:
        if not Ledger.is_in(connection):
            return Known()
        ledger = Ledger(connection)
        ledger.check(site.pack.app)
        wrong_key = site.vault.has_key and not Keyring(connection).fits(site.vault.key)
        sealed_here = wrong_key and any(True for _ in preflight.sealed_here(site, connection))
        memory = Memory(Evidence(connection).admitted(), site.fingerprint(connection))
        believed = frozenset(name for name, stage in ledger.stages().items() if stage.believes_table)
        return Known(ledger.documents(), ledger.accepted_folders(), memory, wrong_key, sealed_here, believed)


def _is_new(seen: Survey, known: dict[str, Entry]) -> bool:
    entry = known.get(seen.document.name)
    if seen.state == Stage.COMPLETE:
        return False
    return entry is None or entry.digest != seen.digest or entry.state != seen.state


def _complete(site: Site) -> None:
    """Complete what writers of the library left open."""
    if remembered(site).documents:
        with site.writing(any_key=True) as connection:  # `look` has judged the key
            mirroring.complete(site, connection)


def _tidy(site: Site) -> None:
    """Remove what an interrupted run left behind."""
    backups.clear_partial(site)
    for leftover in files.leftovers(site.data):
        leftover.unlink()


def _back_up(site: Site, surveys: list[Survey], result: Migration) -> None:
    known = remembered(site).documents
    if not any(_is_new(seen, known) for seen in surveys if seen.state != SKIPPED):
        return
    wanted = {seen.document.file: seen.digest for seen in surveys if seen.digest or seen.state == MISSING}
    if not any(wanted.values()):
        return
    wish = Wish("migrate", digests=wanted)
    last = next((each for each in reversed(backups.all_of(site)) if each.manifest.reason == wish.reason), None)
    if last and last.digests == {name: digest for name, digest in wanted.items() if digest}:
        result.backup = last.name  # of a run that was interrupted: what was before it is what one goes back to
        return
    if not site.db.exists() or not site.db.stat().st_size:
        result.backup = backups.take(site, None, wish).name
        return
    with site.writing() as connection:
        result.backup = backups.take(site, connection, wish).name


def _import(site: Site, connection: Connection, surveys: list[Survey], result: Migration, progress: Progress) -> None:
    ledger = Ledger(connection)
    known = ledger.documents()
    for seen in surveys:
        if seen.state != SKIPPED and seen.document.name not in known:
            refuse_strangers(site, connection, seen)
    for seen in surveys:
        name = seen.document.name
        if seen.state == SKIPPED:
            if name not in known:
                ledger.put_document(Entry(name, seen.document.file, SKIPPED))
            ledger.skip(name, skipped=True)
            continue
        if name in known:
            ledger.skip(name, skipped=False)
        if _is_due(site, connection, seen, known):
            result.changed = True
            progress.step("import", seen.document.file)
            result.books[name] = import_document(site, connection, seen, progress)
        else:
            held = Quarantine(connection).counts().get(name, 0) if seen.state != Stage.COMPLETE else 0
            read = seen.count + len(seen.rest)
            result.books[name] = Books(read, unchanged=read - held, quarantined=held)
    _link(site, connection, surveys)


def _is_due(site: Site, connection: Connection, seen: Survey, known: dict[str, Entry]) -> bool:
    """Tell whether a document is to be imported: its file is believed and new, or there is something to seal."""
    if Ledger(connection).stage(seen.document.name).believes_table:
        return False
    return _is_new(seen, known) or (site.vault.sealing and _holds_plain(site, connection, seen))


def _holds_plain(site: Site, connection: Connection, seen: Survey) -> bool:
    """Tell whether the database holds a credential in clear text, or quarantined text that may."""
    if not any(part.hidden for part in parts(seen.document).values()):
        return False
    held = Quarantine(connection).items(seen.document.name)
    if any(item.raw_state == PLAIN and isinstance(item.raw, str) for item in held):
        return True
    return any(store.holds_plain() for store in site.stores(connection, seen.document).values())


def _link(site: Site, connection: Connection, surveys: list[Survey]) -> None:
    """Point links again: a document they lead to may have changed, though their own did not."""
    for seen in surveys:
        if any(d.by == "link" for part in parts(seen.document).values() for d in part.derived.values()):
            with transaction(connection):
                for store in site.stores(connection, seen.document).values():
                    store.link()


def _validate(site: Site, connection: Connection, surveys: list[Survey], result: Migration, progress: Progress) -> None:
    proof = Proof(site, connection)
    admit(connection, surveys, proof.fingerprint)
    for seen in surveys:
        progress.step("validate", seen.document.file)
        name = seen.document.name
        if seen.from_memory and not result.books[name].changed and proof.holds(name, seen.digest):
            result.documents.append(_as_proved(proof, seen, result.books[name]))
            continue
        if seen.state == Stage.COMPLETE:
            result.documents.append(compare_document(site, connection, seen))
            continue
        look = look_once(site, connection, seen, progress=progress)
        believed = Ledger(connection).stage(name).believes_table
        if look.report.differs and not believed and not result.books.get(name, Books()).changed:
            # The file is the same, the table is not: a foreign hand changed it, and the file is believed.
            result.books[name] = import_document(site, connection, seen, progress)
            look = look_once(site, connection, seen)
        report = replace(look.report, books=result.books.get(name, Books()))
        result.changed = result.changed or report.books.changed
        result.documents.append(report)
        if seen.state != SKIPPED:
            keep(site, connection, look)


def _as_proved(proof: Proof, seen: Survey, books: Books) -> DocumentReport:
    """Report a document whose file and tables are what they were when they were found equal."""
    report = proof.report(seen.document.name, seen.state)
    return replace(
        report,
        books=books,
        anomalies=tuple(seen.anomalies),
        anomaly_count=seen.anomaly_count,
        quarantined=books.quarantined,
    )
