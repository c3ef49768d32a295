"""Where documents stand, what is missing for the next stage, and what going back now would lose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from ..engines.sqlite import Connection, quoted, tables
from ..evidence import DIFFERS, Evidence
from ..journal import Journal
from ..ledger import EQUAL, MISSING, PRESENT, Ledger, Place
from ..pack import Document
from ..site import Site, tables_of
from ..stages import Stage
from .policy import PRESETS, Policy
from .proving import Proof


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person allows for moves forward."""

    policy: Policy = PRESETS["home"]
    host_reads_database: bool = False
    files: Place = Place.KEPT  # what is done with them at `complete`
    why: str = ""
    hold: bool | None = None  # whether documents stay where they are from now on; None: as it was


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a document stands, what is missing for the next stage, and what going back now would lose."""

    document: str
    stage: Stage
    since: str | None
    missing: tuple[str, ...]
    debts: int
    blocked: str | None = None
    held: str | None = None
    reads: dict[str, int] = field(default_factory=dict)  # compared with the other home: equal, and by way of difference
    log: tuple[dict[str, Any], ...] = ()

    @property
    def next(self) -> Stage | None:
        """The stage one step forward."""
        return self.stage.next


REST: Final = "_mm_quarantine"  # of whose rows some stand in no file


@dataclass(frozen=True, slots=True)
class Price:
    """What going back to the files now would lose: rows that no file can hold, by table."""

    debts: dict[str, int]
    only_in_database: dict[str, int]


def show(site: Site, names: Sequence[str] = (), asked: Asked | None = None) -> list[Standing]:
    """Say where documents stand, and what is missing for the next stage."""
    with site.looking() as connection:
        return [_standing(site, connection, document, asked or Asked()) for document in chosen(site, names)]


def price(site: Site, names: Sequence[str] = ()) -> Price:
    """Say what going back to the files now would lose, exactly: of all documents, or of some."""
    with site.looking() as connection:
        return price_of(site, connection, names)


def price_of(site: Site, connection: Connection, names: Sequence[str] = ()) -> Price:
    """Say the same of an open database; tables that no file feeds are no document's, and part of the whole price."""
    wanted = [document.name for document in chosen(site, names)]
    debts = {name: owed.count for name, owed in Journal(connection).debts().items() if name in wanted}
    mapped = {table for document in site.pack.documents.values() for table in tables_of(document)}
    own = [t for t in tables(connection) if t not in mapped and not t.startswith(("_mm_", "sqlite_"))]
    counts = {t: int(connection.execute(f"SELECT count(*) FROM {quoted(t)}").fetchone()[0]) for t in own if not names}
    torn = connection.execute(f"SELECT document FROM {REST} WHERE part = ''")  # what salvage could not take: in no file
    counts[REST] = sum(name in wanted for (name,) in torn)
    return Price(debts, {table: count for table, count in counts.items() if count})


def chosen(site: Site, names: Sequence[str]) -> list[Document]:
    """Return the documents that are named, or all, each after those it needs. Raises UsageError."""
    for name in names:
        site.pack.document(name)
    return [document for document in site.pack.ordered() if not names or document.name in names]


def _standing(site: Site, connection: Connection, document: Document, asked: Asked) -> Standing:
    ledger = Ledger(connection)
    log = ledger.stage_log(document.name)
    stage = ledger.stage(document.name)
    owed = Journal(connection).owing().get(document.name)
    return Standing(
        document.name,
        stage,
        log[-1]["at"] if log else None,
        tuple(missing(site, connection, document, asked)),
        owed.count if owed else 0,
        ledger.blocked().get(document.name),
        ledger.on_hold().get(document.name),
        ledger.reads(document.name),
        tuple(log),
    )


def missing(site: Site, connection: Connection, document: Document, asked: Asked) -> list[str]:
    """Say what stands between a document and its next stage."""
    ledger = Ledger(connection)
    stage = ledger.stage(document.name)
    if stage.next is None:
        return []
    found = []
    entry = ledger.document(document.name)
    if entry is None or entry.state not in (PRESENT, MISSING):
        found.append(f"it was not imported whole ({entry.state if entry else 'never'}): run `mediaos-migrate migrate`")
    if (held := ledger.on_hold().get(document.name)) and asked.hold is not False:
        found.append(f"{held}; --no-hold lets it go")
    if reason := ledger.blocked().get(document.name):
        found.append(f"it is blocked: {reason}")
    if not Proof(site, connection).proved(document.name):
        found.append(_unproved(connection, document.name))
    if stage.next.believes_table and not (site.pack.host_reads_database or asked.host_reads_database):
        found.append(f"{site.pack.name} does not read the database: pass --host-reads-database if yours does")
    found += [
        f"{name} is still at `{ledger.stage(name)}`" for name in document.after if ledger.stage(name).before(stage.next)
    ]
    return found + _asked_of(connection, document.name, stage, asked.policy)


def _asked_of(connection: Connection, name: str, stage: Stage, chosen: Policy) -> list[str]:
    """Say what a policy still asks of a document: time, clean looks, compared reads."""
    ledger, found = Ledger(connection), []
    asks = f"the policy `{chosen.name}` asks for"
    if wait := _hours_left(ledger, name, stage, chosen):
        found.append(f"{asks} {wait:.0f} more hours at `{stage}`")
    log = ledger.stage_log(name)
    looks = Evidence(connection).clean_since(name, log[-1]["at"] if log else "")
    if (wanted := chosen.looks.get(stage, 0)) > looks:
        found.append(f"{asks} {wanted} clean verdicts at `{stage}`, and there are {looks}")
    reads = ledger.reads(name)
    if (wanted := chosen.reads.get(stage, 0)) > reads.get(EQUAL, 0):
        found.append(f"{asks} {wanted:,} compared reads at `{stage}`, and there were {reads.get(EQUAL, 0):,}")
    if differing := {way: count for way, count in reads.items() if way != EQUAL}:
        told = ", ".join(f"{count:,} by {way}" for way, count in differing.items())
        found.append(f"reads differed between the homes ({told}): run `mediaos-migrate validate {name} --record`")
    return found


def _unproved(connection: Connection, name: str) -> str:
    stands = Evidence(connection).last().get(name)
    off = Ledger(connection).stage(name) is Stage.OFF
    remedy = "run `mediaos-migrate migrate`" if off else "run `mediaos-migrate validate --record`"
    if stands and stands.verdict == DIFFERS:
        return f"verdict {stands.id} found differences, and stands until a whole look finds none: {remedy}"
    return f"no clean verdict holds: {remedy}"


def _hours_left(ledger: Ledger, name: str, stage: Stage, chosen: Policy) -> float:
    log = ledger.stage_log(name)
    if not log or stage not in chosen.hours:
        return 0.0
    since = datetime.fromisoformat(log[-1]["at"])
    return max(0.0, chosen.hours[stage] - (datetime.now(UTC) - since).total_seconds() / 3600)
