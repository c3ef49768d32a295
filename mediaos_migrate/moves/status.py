"""Where a site stands, and the one next step; reads no document."""

from __future__ import annotations

from dataclasses import dataclass, field
from shlex import quote

from .. import marker, migrations
from ..evidence import Evidence
from ..journal import Journal
from ..ledger import DAMAGED, Entry, Ledger
from ..pack import Document, built_in
from ..quarantine import Quarantine
from ..site import DATABASE, Site
from ..stages import Stage


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
        marker.check_lost(site.state, site.db)
        found = [_untouched(site, document) for document in site.pack.documents.values()]
        command = f"mediaos-migrate rehearse --data {site.data}"
        return Status(0, len(site.migrations), found, f"Rehearse the migration: `{command}`.", site.unmapped())
    with site.looking() as connection:
        ledger = Ledger(connection)
        known, evidence = ledger.documents(), Evidence(connection).last()
        taken, pending = migrations.applied(connection), migrations.pending(connection, site.migrations)
        held, stages, debts = Quarantine(connection).counts(), ledger.stages(), Journal(connection).owing()
        blocked = list(ledger.blocked())
    found = []
    for document in site.pack.documents.values():
        entry = known.get(document.name) or Entry(document.name, document.file, "unknown")
        proof = evidence.get(document.name)
        found.append(
            DocumentStatus(
                document.name,
                document.file,
                entry.state,
                stages.get(document.name, Stage.OFF),
                entry.count,
                held.get(document.name, 0),
                proof.verdict if proof else None,
                proof.at if proof else None,
                skipped=bool(entry.skipped),
                debts=debts[document.name].count if document.name in debts else 0,
            )
        )
    ahead = [name for name, entry in known.items() if _is_ahead(site, entry)]
    step = _next_step(site, found, len(pending), blocked, ahead)
    return Status(len(taken), len(pending), found, step, site.unmapped())


def _is_ahead(site: Site, entry: Entry) -> bool:
    """Tell whether a believed file has moved on by the look of it: what a full disk kept from being noted, too."""
    if entry.stage.believes_table or not entry.stage.writes_both or entry.size is None:
        return False
    path = site.data / entry.file
    return path.is_file() and path.stat().st_size != entry.size


def _untouched(site: Site, document: Document) -> DocumentStatus:
    state = "not migrated" if site.file(document).exists() else "missing"
    return DocumentStatus(document.name, document.file, state, Stage.OFF, None, 0, None, None)


def _owed(owing: list[DocumentStatus], ahead: list[str]) -> str:
    """Say which home has to be written; nothing when none has."""
    if owing:
        home = "file" if all(item.stage.believes_table for item in owing) else "other home"
        return f"Write what the {home} still lacks of {', '.join(item.document for item in owing)}"
    return f"Take over what the files of {', '.join(ahead)} say" if ahead else ""


def _next_step(site: Site, documents: list[DocumentStatus], pending: int, blocked: list[str], ahead: list[str]) -> str:
    skipped = [item.document for item in documents if item.skipped]
    unsure = [item.document for item in documents if item.verdict not in ("clean", None)]
    data = f"--data {quote(str(site.data))}"
    data += f" --db {quote(str(site.db))}" if site.db != site.data / DATABASE else ""
    data += f" --app {quote(str(site.pack.folder))}" if site.pack.folder != built_in() / site.pack.app else ""
    if pending:
        return f"Bring the schema up: `mediaos-migrate migrate {data}`."
    if blocked:
        settled = f"`mediaos-migrate repair --believe table {blocked[0]} {data}` (or `file`)"
        look = f"`mediaos-migrate validate {blocked[0]} {data}`"
        return f"Settle what blocks {', '.join(blocked)}: look at what differs with {look}, then {settled}."
    if owed := _owed([item for item in documents if item.debts], ahead):
        return f"{owed}: `mediaos-migrate mirror flush {data}`."
    if unsure:
        return f"Look at what differs: `mediaos-migrate validate {unsure[0]} {data}`."
    if skipped:
        return f"Migrate what was skipped ({', '.join(skipped)}): `mediaos-migrate migrate {data}`."
    if damaged := [item.document for item in documents if item.state == DAMAGED]:
        held = f"mediaos-migrate quarantine list {damaged[0]} {data}"
        return f"Look at what was torn out of {damaged[0]} and kept: `{held}`."
    if any(item.state == "unknown" or item.verdict is None for item in documents):
        return f"Complete the migration: `mediaos-migrate migrate {data}`."
    return f"Check again whenever you like: `mediaos-migrate validate {data}`."
