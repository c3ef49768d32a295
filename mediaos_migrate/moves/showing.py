"""One record in both homes, and what is in quarantine; secrets as dots."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ..compare import Home, Lens, compare
from ..errors import CouldNotCheck, UsageError
from ..ledger import DAMAGED
from ..pack import DOCUMENT, Document, Part
from ..quarantine import Quarantine, Quarantined
from ..record import Record
from ..report import LISTED, Comparison
from ..secrets import PLAIN, has_credential, named_like_secret, veil_named
from ..site import Site, parts
from ..stores.file import FileStore
from ..values import DOTS, loads, redacted
from .migrating import remembered


@dataclass(frozen=True, slots=True)
class Shown:
    """Both homes of one record, secrets as dots, and how they compare."""

    document: str
    key: tuple[str, ...]
    file: Any
    table: Any
    in_file: bool
    in_table: bool
    comparison: Comparison

    @property
    def exit_code(self) -> int:
        """0 when both say the same, 3 when they differ, 5 when only the key could tell."""
        if self.comparison.clean:
            return 0
        return 5 if set(self.comparison.counts) == {"unverifiable"} else 3


def show_record(site: Site, name: str, key: tuple[str, ...]) -> Shown:
    """Find one record in both homes. Raises UsageError when neither has it."""
    document = site.pack.document(name)
    entry = remembered(site).documents.get(name)
    in_table = _in_table(site, document, key)
    in_file = _in_file(site, document, key, salvage=entry is not None and entry.state == DAMAGED)
    for part_name, part in parts(document).items():
        source, target = in_file.get(part_name), in_table.get(part_name)
        if source or target:
            return _shown_record(site, part, (name, key), source, target)
    size = " ".join(f"<{column}>" for column in document.records.key)
    raise UsageError(f"{name} has no record {' / '.join(key)}.", f"A key of {name} is: {size}.")


def _shown_record(
    site: Site, part: Part, place: tuple[str, tuple[str, ...]], source: Record | None, target: Record | None
) -> Shown:
    def dotted(record: Record | None) -> Any:
        return None if record is None else redacted(site.vault.veil(part, record.value))

    def one(record: Record | None) -> list[Record]:
        return [] if record is None else [record]

    lens = Lens(site.vault.open, rules=part.explains)
    found = compare(part.table, Home(lambda: one(source)), Home(lambda: one(target)), lens)
    return Shown(*place, dotted(source), dotted(target), source is not None, target is not None, found)


def _in_file(site: Site, document: Document, key: tuple[str, ...], *, salvage: bool) -> dict[str, Record]:
    """Return the records with a key in a document's file, by part: of twins the first."""
    found: dict[str, Record] = {}
    if site.file(document).exists():
        for part, record in FileStore(site.file(document), document, site.vault, salvage=salvage).all():
            if record.key == key and not record.unfit:
                found.setdefault(part, record)
    return found


def _in_table(site: Site, document: Document, key: tuple[str, ...]) -> dict[str, Record]:
    """Return the records with a key in a document's tables, by part; none when there is no database."""
    found: dict[str, Record] = {}
    with suppress(CouldNotCheck), site.looking() as connection:
        for name, store in site.stores(connection, document).items():
            if _is_key_of(document, store.part, key):
                found.update((name, record) for record in store.get([key]).values())
    return found


def _is_key_of(document: Document, part: Part, key: tuple[str, ...]) -> bool:
    """Tell whether a key could be of this document: several may share one table."""
    members = [part.columns[name].member for name in part.key]
    mine = all(text == document.name for text, member in zip(key, members, strict=False) if member == DOCUMENT)
    return mine and len(key) == len(members)


@dataclass(frozen=True, slots=True)
class Held:
    """A quarantined record, fit to be shown."""

    id: int
    document: str
    pointer: str
    offset: int
    reason: str
    raw: Any


def quarantine(site: Site, name: str | None = None, number: int | None = None) -> list[Held]:
    """Return what is in quarantine: the first of it all or of a document, or one by its number."""
    if name is not None:
        site.pack.document(name)
    with site.looking() as connection:
        items = (item for item in Quarantine(connection).items(name) if number in (None, item.id))
        found = [_held(site, item) for item in islice(items, LISTED)]
    if number is not None and not found:
        raise UsageError(f"There is no number {number} in quarantine.", "See `mediaos-migrate quarantine list`.")
    return found


def _held(site: Site, item: Quarantined) -> Held:
    return Held(item.id, item.document, item.pointer, item.offset, item.reason, _shown(site, item))


def _shown(site: Site, item: Quarantined) -> Any:
    """Show raw text, but never a secret: what cannot be read as a record of such a document stays dots."""
    document = site.pack.document(item.document)
    part = parts(document).get(item.part)
    if item.raw_state != PLAIN:
        return DOTS
    raw = item.raw if isinstance(item.raw, str) else item.raw.decode("utf-8", "backslashreplace")
    hiding = any(each.hidden for each in document.parts)
    try:
        value = loads(raw)
    except (ValueError, StopIteration, RecursionError):
        value = None
    if part is None or not isinstance(value, dict):
        doubtful = hiding or named_like_secret(raw) or has_credential(raw)
        return f"{DOTS} ({len(raw)} characters that may hold secrets)" if doubtful else raw
    return redacted(site.vault.veil(part, value)) if hiding or veil_named(value) != value else raw
