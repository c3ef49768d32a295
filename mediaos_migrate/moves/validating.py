"""Proving that a document's file and its tables say the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from heapq import merge

from .. import files
from ..compare import compare
from ..documents.writer import LAST
from ..engines.sqlite import Connection
from ..errors import CouldNotCheck
from ..ledger import MISSING, SKIPPED, Entry, Ledger, Quarantined
from ..record import Record
from ..report import SILENT, Comparison, Discrepancy, DocumentReport, Progress
from ..secrets import PLAIN, Vault
from ..shapes import Element
from ..site import Site, parts
from ..stores.file import FileStore
from ..stores.table import TableStore
from ..values import Secret, loads
from . import preflight
from .importing import envelope_text
from .preflight import Options, Survey


@dataclass(slots=True)
class Validation:
    """What a validation found, document by document."""

    documents: list[DocumentReport] = field(default_factory=list)
    unmapped: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0 clean, 3 something differs, 5 something could not be checked."""
        if any(report.differs for report in self.documents):
            return 3
        return 5 if any(report.unverifiable or report.state == "unchecked" for report in self.documents) else 0


def validate(site: Site, names: Sequence[str] = (), progress: Progress = SILENT) -> Validation:
    """Compare files and tables, all of them or those named, without touching either.

    Raises Damaged or Suspect for a source that cannot be believed, CouldNotCheck when there is no
    database or a file changed meanwhile.
    """
    for name in names:
        site.pack.document(name)
    with site.looking() as connection:
        known = Ledger(connection).documents()
        skipped = [name for name, entry in known.items() if entry.state == SKIPPED]
        left_out = {name for name in site.pack.documents if names and name not in names}
        options = Options(skip=frozenset({*skipped, *left_out}))
        surveys = preflight.survey(site, options, known)
        preflight.refuse(surveys)
        preflight.key_report(site, surveys)
        result = Validation(unmapped=site.unmapped())
        for seen in surveys:
            if seen.document.name in left_out:
                continue
            progress.step("validate", seen.document.file)
            if seen.document.name not in known:
                result.documents.append(_unchecked(seen))
                continue
            report = compare_document(site, connection, seen)
            if seen.digest and files.digest(site.file(seen.document)) != seen.digest:
                raise CouldNotCheck(f"{seen.document.file} changed while it was compared.", "Run it again.")
            result.documents.append(report)
    return result


def _unchecked(seen: Survey) -> DocumentReport:
    tables = tuple(part.table for part in parts(seen.document).values())
    note = "never imported: run `mediaos-migrate migrate`"
    return DocumentReport(seen.document.name, seen.document.file, "unchecked", tables, note=note)


def compare_document(site: Site, connection: Connection, seen: Survey) -> DocumentReport:
    """Compare one document, whose file was surveyed, with its tables and its quarantine."""
    document = seen.document
    tables = tuple(part.table for part in parts(document).values())
    report = DocumentReport(document.name, document.file, seen.state, tables)
    if seen.state == SKIPPED:
        return DocumentReport(document.name, document.file, SKIPPED, tables, note="left out with --skip")
    entry = Ledger(connection).document(document.name)
    comparisons = []
    for name, store in site.stores(connection, document).items():

        def source(name: str = name) -> Iterator[Record]:
            if seen.state == MISSING:
                return iter(())
            file = FileStore(site.file(document), document, site.vault, seen.twins, salvage=seen.salvage)
            return (record for part, record in file.all() if part == name)

        def target(name: str = name, store: TableStore = store) -> Iterator[Record]:
            held = _held(Ledger(connection).quarantined(document.name, name), site.vault)
            return merge(store.all(), held, key=lambda record: LAST if record.position is None else record.position)

        comparisons.append(compare(store.part.table, source, target, site.vault.open))
    comparisons += _compare_envelope(seen, entry)
    return DocumentReport(
        report.document,
        report.file,
        seen.state,
        tables,
        comparisons=tuple(comparisons),
        anomalies=tuple(seen.anomalies),
        anomaly_count=seen.anomaly_count,
    )


def _compare_envelope(seen: Survey, entry: Entry | None) -> list[Comparison]:
    """Compare what no record carries."""
    if seen.envelope is None or entry is None or entry.envelope == envelope_text(seen.envelope):
        return []
    found = Discrepancy(("$envelope",), "changed")
    return [Comparison("_mm_documents", 0, 0, {"changed": 1}, (found,))]


def _held(items: Iterator[Quarantined], vault: Vault) -> Iterator[Record]:
    """Make records of what is in quarantine, to be compared with what stands in the file."""
    for item in items:
        raw = item.raw if isinstance(item.raw, str) else item.raw.decode("utf-8", "surrogateescape")
        opened = raw if item.raw_state == PLAIN else vault.open(raw)
        value = Secret(raw, item.raw_state, locked=True) if opened is None else loads(opened)
        element = Element(item.name, value, item.pointer, item.reason)
        yield Record((), value, element, item.position, unfit=item.reason)
