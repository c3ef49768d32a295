"""The last stage: the files are kept as they were, put away or fenced off, and the way back stays proved."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Final

from .. import backups, files, scratch
from ..backups import Wish
from ..engines.sqlite import Connection
from ..errors import NotSettled
from ..journal import Journal
from ..ledger import Archived, Ledger, Place
from ..pack import Document
from ..quarantine import Quarantine
from ..report import Comparison, Difference, Discrepancy, DocumentReport
from ..site import Site, tables_of
from ..stages import Stage
from ..stores import changes
from . import fences, placing
from .comparing import compare_document
from .exporting import Export
from .looks import Look
from .surveyed import Options
from .surveying import survey

FILE: Final = "$file"  # the key under which is told that somebody wrote the file that nobody believes
FENCE: Final = "$fence"  # that nothing keeps an old program from writing it again, though a fence was asked for
ARCHIVE: Final = "$archive"  # and that the copy of the file is gone


def way_back(site: Site, connection: Connection, document: Document) -> DocumentReport | None:
    """Write the file from the table into scratch, read it by the app's own rules, and compare it with the table.

    None when there would be no file. Raises Damaged and the like when it cannot be read again.
    """
    with scratch.folder("proof") as folder:
        export = Export(site, connection, document)
        export.check_key()
        if export.absent or export.run(folder).digest is None:
            return None
        there = Site(folder, site.db, site.pack, site.vault)
        others = frozenset(name for name in site.pack.documents if name != document.name)
        [seen] = [s for s in survey(there, Options(skip=others), {}) if s.document.name == document.name]
        if seen.error:
            raise seen.error
        held = list(Quarantine(connection).items(document.name))
        moved = {number: pointer for number, pointer, _ in placing.moved(there, document, held)}
        return compare_document(there, connection, replace(seen, envelope=None, moved=moved))


def archive(site: Site, document: Document, place: Place) -> Archived:
    """Keep a copy of the file as it is, and leave it, put it away, or set a folder in its place."""
    path = site.file(document)
    digest = files.digest(path) if path.is_file() else None
    wish = Wish(f"complete-{document.name}", automatic=False, digests={document.file: digest})
    name = backups.take(site, None, wish).name if digest else None
    if digest and place is not Place.KEPT:
        aside = path.with_name(f".{path.name}{files.TEMPORARY}")
        path.rename(aside)
        if files.digest(aside) != digest:
            aside.rename(path)
            raise NotSettled(f"{document.file} changed while it was put away.", f"Stop {site.pack.name} first.")
        aside.unlink()
    if place is Place.FENCED:
        fences.put(site, document)
    files.sync_folder(path.parent)
    return Archived(document.name, digest, name, place)


def bring_back(site: Site, connection: Connection, document: Document) -> None:
    """Put back what a move to the last stage took away: the fence goes, and the copy that was kept returns."""
    fences.remove(site, document)
    path, entry = site.file(document), Ledger(connection).document(document.name)
    if entry and entry.digest and not path.exists():
        copy = backups.holding(site, document.file, entry.digest)
        if copy:
            files.copy(copy, path, site.owner)


def look(site: Site, connection: Connection, document: Document) -> Look:
    """Look at a document whose table alone is believed: its way back, and what was left of its file."""
    began = time.perf_counter()
    report = way_back(site, connection, document)
    tables = tuple(part.table for part in document.parts)
    compared = () if report is None else report.comparisons
    found = DocumentReport(
        document.name,
        document.file,
        Stage.COMPLETE,
        tables,
        comparisons=(*compared, *_left(site, connection, document)),
        quarantined=Quarantine(connection).counts().get(document.name, 0),
        note="the table alone is believed; compared with the file that it would give",
    )
    counts = changes.counts(connection, document.name, tables_of(document))
    path = site.file(document)
    digest = files.digest(path) if path.is_file() else None
    return Look(found, digest, counts, Journal(connection).position(), time.perf_counter() - began)


def _left(site: Site, connection: Connection, document: Document) -> list[Comparison]:
    """Tell when somebody has written the file since, or its copy or its fence is gone."""
    kept = Ledger(connection).archived(document.name)
    if kept is None:
        return []
    path = site.file(document)
    now = files.digest(path) if path.is_file() else None
    wrong = [FILE] if now != (kept.digest if kept.place is Place.KEPT else None) else []
    if kept.place is Place.FENCED and not path.is_dir():
        wrong.append(FENCE)
    if kept.digest and backups.holding(site, document.file, kept.digest) is None:
        wrong.append(ARCHIVE)
    found = tuple(Discrepancy((key,), "changed", (Difference(key, "value"),)) for key in wrong)
    return [Comparison("_mm_archives", 0, 0, {"changed": len(found)}, found)] if found else []
