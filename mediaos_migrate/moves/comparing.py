"""One document's two homes, held against each other in one look."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from hashlib import sha256
from heapq import merge
from itertools import chain
from typing import Any, TypeVar

from ..compare import Home, Lens, compare
from ..documents.writer import LAST
from ..engines.sqlite import Connection
from ..files import CHUNK
from ..ledger import MISSING, SKIPPED, Entry, Ledger
from ..pack import Document
from ..quarantine import Quarantine, Quarantined
from ..record import Record
from ..report import CAP, EVERY, SILENT, Anomaly, Comparison, Difference, Discrepancy, DocumentReport, Key, Progress
from ..secrets import PLAIN, Vault, held
from ..shapes import Element, Shape, pointer
from ..site import Site, parts
from ..stages import Stage
from ..stores.file import SIBLINGS, FileStore
from ..stores.table import TableStore
from ..values import Secret, canonical, loads, redacted
from .importing import sharing_with
from .surveyed import Survey

_Item = TypeVar("_Item", Anomaly, Discrepancy)

RENAMED = "$renamed"  # the name under which a record in quarantine would be written back, if that is another one
ENVELOPE = "$envelope"  # the key under which is told that what no record carries differs


def compare_document(
    site: Site,
    connection: Connection,
    seen: Survey,
    keys: frozenset[Key] | None = None,
    progress: Progress = SILENT,
) -> DocumentReport:
    """Compare one document, whose file was surveyed, with its tables and its quarantine; `keys` narrow it down."""
    document = seen.document
    tables = tuple(part.table for part in parts(document).values())
    if seen.state == SKIPPED:
        return DocumentReport(document.name, document.file, SKIPPED, tables, note="left out with --skip")
    if seen.state == Stage.COMPLETE:
        note = "the table alone is believed: `mediaos-migrate validate` proves the way back"
        return DocumentReport(document.name, document.file, seen.state, tables, note=note)
    ledger = Ledger(connection)
    entry = ledger.document(document.name)
    stores = site.stores(connection, document)
    told = partial(_told, progress, seen.count)
    found = [_compare_part(site, seen, home, keys, told) for home in stores.items()]
    if keys is None:
        found += _strays(site, document, stores)
        if entry is not None and entry.envelope != seen.envelope:
            found += _compare_envelope(seen, _noted(stores, entry))
    report = DocumentReport(
        document.name,
        document.file,
        seen.state,
        tables,
        comparisons=tuple(found),
        anomalies=tuple(seen.anomalies),
        anomaly_count=seen.anomaly_count,
        quarantined=Quarantine(connection).counts().get(document.name, 0),
    )
    return _with_lines(site, seen, report)


Told = Callable[[Iterable[Record]], Iterator[Record]]


def _told(progress: Progress, count: int, records: Iterable[Record]) -> Iterator[Record]:
    """Tell how far a pass over records is."""
    for number, record in enumerate(records):
        if number % EVERY == 0:
            progress.at(number, max(number, count))
        yield record


def _compare_part(
    site: Site, seen: Survey, home: tuple[str, TableStore], keys: frozenset[Key] | None, told: Told
) -> Comparison:
    name, store = home
    document, part = seen.document, store.part

    def of_file() -> Iterator[Record]:
        if seen.state == MISSING:
            return iter(())
        file = FileStore(site.file(document), document, site.vault, seen.twins, salvage=seen.salvage)
        return (record for of, record in file.all() if of == name)

    def of_table() -> Iterator[Record]:
        items = Quarantine(store.connection).items(document.name, name)
        placed = (replace(item, pointer=seen.moved.get(item.id, item.pointer)) for item in items)
        held = _held(placed, site.vault, document.shape)
        mine = [] if keys is None else sorted(key for key in keys if len(key) == len(part.key))
        rows = store.all() if keys is None else iter(store.get(mine).values())
        if (first := next(held, None)) is not None:
            rows = merge(chain((first,), held), rows, key=lambda r: LAST if r.position is None else r.position)
        return told(rows)

    lens = Lens(
        site.vault.open,
        lambda value: redacted(site.vault.veil(part, value)),
        part.explains,
        named=document.shape.named,
        certain=not part.hidden and not part.explains,
        ordered=keys is None,
    )
    if keys is not None:
        return compare(part.table, Home(_only(of_file, keys)), Home(_only(of_table, keys)), lens)
    return compare(part.table, Home(of_file, seen.summaries.get(name)), Home(of_table), lens)


def _only(records: Callable[[], Iterable[Record]], keys: frozenset[Key]) -> Callable[[], Iterator[Record]]:
    return lambda: (record for record in records() if record.identity in keys)


def _strays(site: Site, document: Document, stores: dict[str, TableStore]) -> Iterator[Comparison]:
    """Report rows that belong to no record, and once those of a shared table that belong to no document."""
    for store in stores.values():
        found: dict[str, list[Key]] = {}
        sharing = sharing_with(site, store)
        for table, key in store.strays(sharing if sharing[:1] == [document.name] else ()):
            found.setdefault(table, []).append(key)
        for table, keys in found.items():
            kept = tuple(Discrepancy(key, "extra") for key in keys[:CAP])
            yield Comparison(table, 0, 0, {"extra": len(keys)}, kept)


def _noted(stores: dict[str, TableStore], entry: Entry) -> Any:
    """Return what was noted of a file that no record carries; its container stands behind the siblings that are left.

    What a foreign hand spoiled is returned as text.
    """
    noted = _read(entry.envelope or "")
    if SIBLINGS in stores and isinstance(noted, dict) and isinstance(at := noted.get("at"), int):
        store = stores[SIBLINGS]
        held = Quarantine(store.connection).items(store.document.name, SIBLINGS)
        before = sum(item.position is not None and item.position < at for item in held)
        noted["at"] = store.count() - store.count_from(at) + before
    return noted


def _compare_envelope(seen: Survey, noted: Any) -> list[Comparison]:
    """Compare what no record carries, in the canonical form that records have."""
    if seen.envelope is None:
        return []
    sides = [canonical(_read(seen.envelope)), canonical(noted)]
    if sides[0] == sides[1]:
        return []
    digests = sha256(sides[0].encode()).digest(), sha256(sides[1].encode()).digest()
    found = Discrepancy((ENVELOPE,), "changed", (Difference(ENVELOPE, "value"),), digests=digests)
    return [Comparison("_mm_documents", 0, 0, {"changed": 1}, (found,))]


def _with_lines(site: Site, seen: Survey, report: DocumentReport) -> DocumentReport:
    """Say on which line of the file each record begins that differs or breaks a rule."""
    found = [item.offset for each in report.comparisons for item in each.discrepancies]
    found += [item.offset for item in report.anomalies]
    offsets = sorted({offset for offset in found if offset is not None})
    if not offsets:
        return report
    lines = dict(zip(offsets, _lines(site, seen, offsets), strict=True))
    comparisons = (replace(each, discrepancies=_lined(each.discrepancies, lines)) for each in report.comparisons)
    return replace(report, comparisons=tuple(comparisons), anomalies=_lined(report.anomalies, lines))


def _lined(items: tuple[_Item, ...], lines: dict[int, int]) -> tuple[_Item, ...]:
    return tuple(item if item.offset is None else replace(item, line=lines[item.offset]) for item in items)


def _lines(site: Site, seen: Survey, offsets: list[int]) -> Iterator[int]:
    line, here = 1, 0
    with site.file(seen.document).open("rb") as stream:
        for offset in offsets:
            while piece := stream.read(min(CHUNK, offset - here)):
                line += piece.count(b"\n")
                here += len(piece)
            yield line


def _read(text: str) -> Any:
    """Read what is in quarantine; what a foreign hand spoiled is compared as text."""
    try:
        return loads(text)
    except ValueError:
        return text


def _held(items: Iterator[Quarantined], vault: Vault, shape: Shape) -> Iterator[Record]:
    """Make records of what is in quarantine, to be compared with what stands in the file."""
    for item in items:
        raw = item.raw if isinstance(item.raw, str) else item.raw.decode("utf-8", "surrogateescape")
        opened = raw if item.raw_state == PLAIN else vault.open(raw, held(item.document))
        value = Secret(raw, item.raw_state, locked=True) if opened is None else _read(opened)
        value = value if _fits(item, shape) else {RENAMED: item.name, "value": value}
        element = Element(item.name, value, item.pointer, item.reason)
        yield Record((), value, element, item.position, unfit=item.reason)


def _fits(item: Quarantined, shape: Shape) -> bool:
    """Tell whether a record would be written back under the name it was found with."""
    return pointer(item.name)[1:] in item.pointer.split("/") if item.name is not None else not shape.named
