"""Looking at a site without touching it: where it stands, what ails it, one record, the quarantine."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from .. import anomalies, migrations
from ..compare import compare
from ..engines.sqlite import network_file_system
from ..errors import CouldNotCheck, MigrateError, UsageError
from ..ledger import DAMAGED, Entry, Ledger, Quarantined
from ..pack import DOCUMENT, Document, Part, built_in
from ..record import Record
from ..report import SILENT, Comparison, Progress
from ..secrets import PLAIN
from ..site import DATABASE, Site, parts
from ..stages import Stage
from ..stores.file import FileStore
from ..values import DOTS, loads, redacted
from . import preflight
from .migrating import Known, remembered
from .preflight import Options, Survey

_FIXED_IN = (3, 51, 3)  # SQLite's "WAL reset" bug: two writers at one instant, very rare


@dataclass(slots=True)
class DocumentStatus:
    """Where one document stands."""

    document: str
    file: str
    state: str
    stage: Stage
    count: int | None
    quarantined: int
    verdict: str | None
    verified_at: str | None
    skipped: bool = False  # the last migration left it out
    debts: int = 0


@dataclass(slots=True)
class Status:
    """Where a site stands, and the one next step."""

    schema_version: int
    schema_pending: int
    documents: list[DocumentStatus]
    next_step: str
    unmapped: list[str] = field(default_factory=list)


def status(site: Site) -> Status:
    """Say where a site stands; reads no document."""
    if not site.db.exists() or not site.db.stat().st_size:
        found = [_untouched(site, document) for document in site.pack.documents.values()]
        command = f"mediaos-migrate rehearse --data {site.data}"
        return Status(0, len(site.migrations), found, f"Rehearse the migration: `{command}`.", site.unmapped())
    with site.looking() as connection:
        ledger = Ledger(connection)
        known, evidence = ledger.documents(), ledger.last_evidence()
        taken, pending = migrations.applied(connection), migrations.pending(connection, site.migrations)
        held: dict[str, int] = {}
        for item in ledger.quarantined():
            held[item.document] = held.get(item.document, 0) + 1
    found = []
    for document in site.pack.documents.values():
        entry = known.get(document.name) or Entry(document.name, document.file, "unknown")
        proof = evidence.get(document.name, {})
        found.append(
            DocumentStatus(
                document.name,
                document.file,
                entry.state,
                Stage.OFF,
                entry.count,
                held.get(document.name, 0),
                proof.get("verdict"),
                proof.get("at"),
                skipped=bool(entry.skipped),
            )
        )
    return Status(len(taken), len(pending), found, _next_step(site, found, len(pending)), site.unmapped())


def _untouched(site: Site, document: Document) -> DocumentStatus:
    state = "not migrated" if site.file(document).exists() else "missing"
    return DocumentStatus(document.name, document.file, state, Stage.OFF, None, 0, None, None)


def _next_step(site: Site, documents: list[DocumentStatus], pending: int) -> str:
    skipped = [item.document for item in documents if item.skipped]
    unsure = [item.document for item in documents if item.verdict not in ("clean", None)]
    data = f"--data {site.data}" + (f" --db {site.db}" if site.db != site.data / DATABASE else "")
    data += "" if site.pack.folder == built_in() / site.pack.app else f" --app {site.pack.folder}"
    if pending:
        return f"Bring the schema up: `mediaos-migrate migrate {data}`."
    if unsure:
        return f"Look at what differs: `mediaos-migrate validate {unsure[0]} {data}`."
    if skipped:
        return f"Migrate what was skipped ({', '.join(skipped)}): `mediaos-migrate migrate {data}`."
    if any(item.state == "unknown" or item.verdict is None for item in documents):
        return f"Complete the migration: `mediaos-migrate migrate {data}`."
    return f"Check again whenever you like: `mediaos-migrate validate {data}`."


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a doctor tells: how bad it is, where, what, and the way out."""

    level: str  # error: a migration would refuse; warning; note
    code: str
    where: str
    message: str
    remedy: str = ""


@dataclass(slots=True)
class Diagnosis:
    """What a doctor found."""

    findings: list[Finding]
    surveys: list[Survey]
    unmapped: list[str]
    key: dict[str, Any]
    disk_free: int
    disk_needed: int

    @property
    def exit_code(self) -> int:
        """4 when a migration would be refused."""
        return 4 if any(finding.level == "error" for finding in self.findings) else 0


def diagnose(site: Site, options: Options, progress: Progress = SILENT) -> Diagnosis:
    """Look for everything that could stand in the way of a migration, or surprise afterwards."""
    findings: list[Finding] = []
    known = Known()
    try:
        known = remembered(site)
    except MigrateError as error:
        findings.append(_error(str(site.db), error))
    try:
        preflight.check_folder(site, accept=options.accept_data, accepted=known.folders)
    except MigrateError as error:
        findings.append(_error(str(site.data), error))
    progress.step("look", "at every file")
    surveys = preflight.survey(site, options, known.documents)
    findings += [_error(seen.document.file, seen.error) for seen in surveys if seen.error]
    findings += [
        Finding("warning", a.rule, f"{s.document.file} {' / '.join(a.key)}", *_meaning(s, a.rule))
        for s in surveys
        for a in s.anomalies
    ]
    key = dict(preflight.key_report(site, surveys))
    findings += [*_key_findings(site, key), *_place_findings(site)]
    needed = 3 * sum(seen.size for seen in surveys)
    free = shutil.disk_usage(site.data).free
    if needed > free:
        findings.append(
            Finding("error", "disk", str(site.data), f"{free:,} bytes are free, {needed:,} needed.", "Free space.")
        )
    unmapped = site.unmapped()
    findings += [
        Finding("note", "unmapped", name, f"{site.pack.name}'s pack does not know it; it stays where it is.")
        for name in unmapped
    ]
    return Diagnosis(findings, surveys, unmapped, key, free, needed)


def _error(where: str, error: MigrateError) -> Finding:
    code = error.facts.get("kind") or type(error).__name__.lower()
    return Finding("error", str(code), where, error.message, error.remedy)


def _meaning(seen: Survey, code: str) -> tuple[str, str]:
    for part in parts(seen.document).values():
        for rule in part.rules:
            if rule.code == code:
                return rule.means, rule.remedy
    return anomalies.BUILT_IN[code]


def meanings(site: Site, name: str, code: str) -> tuple[str, str]:
    """Return what an anomaly of a document means, and what one can do."""
    return _meaning(Survey(site.pack.document(name), ""), code)


def _key_findings(site: Site, key: dict[str, Any]) -> Iterator[Finding]:
    variable = site.pack.key_variable or "--key-file"
    sealed, opened = key["looks-sealed"], key["opened"]
    if key["given"] and sealed and not opened:
        yield Finding(
            "warning",
            "key",
            variable,
            f"The key opens none of {sealed} sealed values.",
            "Give the key that the app runs with.",
        )
    elif key["given"] and opened < sealed:
        yield Finding("warning", "key", variable, f"The key opens {opened} of {sealed} values that look sealed.")
    elif not key["given"] and sealed:
        yield Finding("note", "key", variable, f"No key is given; {sealed} sealed values are carried as they are.")


def _place_findings(site: Site) -> Iterator[Finding]:
    if kind := network_file_system(site.db):
        yield Finding(
            "warning",
            "network",
            str(site.db.parent),
            f"It lies on {kind}; the database will use no WAL there.",
            "Put the database on a local disk with --db.",
        )
    version = sqlite3.sqlite_version_info
    yield Finding(
        "note",
        "sqlite",
        sqlite3.sqlite_version,
        "The SQLite that Python uses."
        if version >= _FIXED_IN
        else "This SQLite has a rare bug when two programs write at one instant (fixed in 3.51.3).",
    )
    loose = [
        d.file for d in site.pack.documents.values() if site.file(d).exists() and site.file(d).stat().st_mode & 0o004
    ]
    holding = [f for f in loose if any(p.hidden for d in site.pack.documents.values() if d.file == f for p in d.parts)]
    for name in holding:
        yield Finding(
            "note",
            "mode",
            name,
            "Everybody on this machine can read it, and it holds secrets.",
            f"chmod o-r {name}",
        )


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

    found = compare(part.table, lambda: one(source), lambda: one(target), site.vault.open)
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
    """Return what is in quarantine: all of it, a document's, or one by its number."""
    if name is not None:
        site.pack.document(name)
    with site.looking() as connection:
        found = [_held(site, item) for item in Ledger(connection).quarantined(name) if number in (None, item.id)]
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
    if not any(each.hidden for each in document.parts):
        return raw
    try:
        value = loads(raw)
    except (ValueError, StopIteration, RecursionError):
        return f"{DOTS} ({len(raw)} characters that may hold secrets)"
    if part is None or not isinstance(value, dict):
        return f"{DOTS} ({len(raw)} characters that may hold secrets)"
    return redacted(site.vault.veil(part, value))
