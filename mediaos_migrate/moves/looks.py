"""Looking at a document until both homes stand still: while somebody writes, only what stood still is judged."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Final

from .. import files, scratch
from ..engines.sqlite import Connection
from ..errors import CouldNotCheck, Damaged
from ..journal import Journal
from ..ledger import MISSING, SKIPPED, Entry
from ..report import SILENT, Comparison, Discrepancy, DocumentReport, Key, Kind, Progress
from ..site import Site, tables_of
from ..stores import changes
from .comparing import compare_document
from .surveyed import Options, Survey
from .surveying import survey

LOOKS: Final = 5
PAUSE: Final = 0.2  # seconds between two looks at what seems to differ
UNSETTLED: Final = "unsettled"
NO_STATES: Final = (b"", b"")  # of a comparison that is not about the records of a part


@dataclass(frozen=True, slots=True)
class Look:
    """One look at both homes: what it found, and what it was true of."""

    report: DocumentReport
    digest: str | None = None
    changes: changes.Counts | None = None
    journal: int = 0
    seconds: float = 0.0

    @property
    def states(self) -> list[tuple[bytes, bytes]]:
        """The summaries of file and table, part by part."""
        return [comparison.states for comparison in self.report.comparisons]


def look_once(
    site: Site,
    connection: Connection,
    seen: Survey,
    keys: frozenset[Key] | None = None,
    progress: Progress = SILENT,
) -> Look:
    """Look at both homes of a surveyed document, the table as this connection sees it."""
    began = time.perf_counter()
    report = compare_document(site, connection, seen, keys, progress)
    counts = changes.counts(connection, seen.document.name, tables_of(seen.document))
    return Look(report, seen.digest, counts, Journal(connection).position(), time.perf_counter() - began)


def look_until_still(
    site: Site,
    seen: Survey,
    entry: Entry | None,
    keys: frozenset[Key] | None = None,
    progress: Progress = SILENT,
) -> Look:
    """Look at a surveyed document until it is clean, or two looks find both homes the same.

    What differs in other ways from look to look counts as unverifiable; a file that is never whole makes the
    document `unsettled`.
    """
    before = _look(site, seen, keys, progress)
    looked = int(before is not None)
    if before and before.report.clean and _stands(site, seen):
        return before
    for _ in range(1, LOOKS):
        time.sleep(PAUSE)
        if before and before.digest == seen.digest and _stand_both(site, seen, before):
            return before
        with _snapshot(site, seen) as copy:
            again = _survey_alone(copy, seen, entry) if copy else None
            look = _look(copy, again, keys) if copy and again else None
        if look is None:
            continue
        # A document looked at alone cannot be held against those that its rules refer to.
        anomalies = before.report.anomalies if before else tuple(seen.anomalies)
        report = replace(look.report, anomalies=anomalies, anomaly_count=seen.anomaly_count)
        look = replace(look, report=report)
        if look.report.clean or (before and look.states == before.states):
            return look
        looked += 1
        before = replace(look, report=_standing(before, look)) if before else look
    if before is None:
        tables = tuple(part.table for part in seen.document.parts)
        note = "changed every time it was looked at"
        return Look(DocumentReport(seen.document.name, seen.document.file, UNSETTLED, tables, note=note))
    return before if looked > 1 else replace(before, report=_unsure(before.report))


def _unsure(report: DocumentReport) -> DocumentReport:
    """Count as unverifiable what only one look has seen."""
    return replace(report, comparisons=tuple(_still(_nothing(each), each) for each in report.comparisons))


def _look(site: Site, seen: Survey, keys: frozenset[Key] | None, progress: Progress = SILENT) -> Look | None:
    """Look once, at one moment of the database; None when the file changed under the look."""
    try:
        with site.looking() as connection:
            connection.execute("BEGIN")
            return look_once(site, connection, seen, keys, progress)
    except (CouldNotCheck, Damaged, FileNotFoundError):
        if not _stands(site, seen):
            return None
        raise


def _stand_both(site: Site, seen: Survey, look: Look) -> bool:
    """Tell by digest and counters that neither home has changed since a look."""
    with suppress(CouldNotCheck), site.looking() as connection:
        counts = changes.counts(connection, seen.document.name, tables_of(seen.document))
        return counts is not None and counts == look.changes and _stands(site, seen)
    return False


def _stands(site: Site, seen: Survey) -> bool:
    """Tell whether a file is still the one that was surveyed."""
    path = site.file(seen.document)
    if seen.state in (SKIPPED, MISSING) or not path.is_file():
        return seen.state == SKIPPED or (seen.state == MISSING) != path.exists()
    return files.digest(path) == seen.digest


@contextmanager
def _snapshot(site: Site, seen: Survey) -> Iterator[Site | None]:
    """Lend out a site whose one file is a copy that was whole, beside the same database; None if there is none."""
    with scratch.folder("look") as folder:
        source, copy = site.file(seen.document), folder / seen.document.file
        if source.is_file() and files.copy(source, copy) != files.digest(source):
            yield None
        else:
            yield Site(folder, site.db, site.pack, site.vault)


def _survey_alone(site: Site, seen: Survey, entry: Entry | None) -> Survey | None:
    """Survey the copy of one document; None when it is not to be believed."""
    others = frozenset(name for name in site.pack.documents if name != seen.document.name)
    known = {} if entry is None or seen.accepted else {entry.document: entry}
    accepted = frozenset({seen.document.name} if seen.accepted else ())
    options = Options(skip=others, salvage=seen.salvage, accept_source=accepted)
    found = next(each for each in survey(site, options, known) if each.document.name == seen.document.name)
    return None if found.error else found


def _standing(before: Look | None, now: Look) -> DocumentReport:
    """Keep as a difference only what the last look saw too, exactly so; the rest is moving, and unverifiable."""
    if before is None:
        return now.report
    known = {_about(each): each for each in before.report.comparisons}
    found = (_still(known.get(_about(each), _nothing(each)), each) for each in now.report.comparisons)
    return replace(now.report, comparisons=tuple(found))


def _about(comparison: Comparison) -> tuple[str, bool]:
    """Say what a comparison is about: the records of a table, or what else was found there."""
    return comparison.table, comparison.states != NO_STATES


def _nothing(comparison: Comparison) -> Comparison:
    """Return a comparison that has seen nothing of what another one has."""
    return replace(comparison, discrepancies=(), out_of_order=None, states=NO_STATES)


def _still(old: Comparison, new: Comparison) -> Comparison:
    if old.states == new.states != NO_STATES:
        return new
    known = {(item.key, item.kind, item.digests) for item in old.discrepancies}
    kept: list[Discrepancy] = []
    counts: dict[Kind, int] = {}
    for item in new.discrepancies:
        stood = (item.key, item.kind, item.digests) in known
        kept.append(item if stood else replace(item, kind="unverifiable"))
        counts[kept[-1].kind] = counts.get(kept[-1].kind, 0) + 1
    if rest := sum(new.counts.values()) - len(new.discrepancies):
        counts["unverifiable"] = counts.get("unverifiable", 0) + rest
    misplaced = new.out_of_order if new.out_of_order == old.out_of_order else None
    if new.out_of_order and not misplaced:
        counts["unverifiable"] = counts.get("unverifiable", 0) + 1
    return replace(new, counts=counts, discrepancies=tuple(kept), out_of_order=misplaced)
