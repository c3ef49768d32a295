"""Keeping what was proved, and relying on it as far as it goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from .. import files
from ..compare import Summary
from ..engines.sqlite import Connection
from ..errors import UsageError
from ..evidence import CLEAN, DIFFERS, UNVERIFIABLE, Admitted, Evidence, Verdict
from ..ledger import Entry, Ledger
from ..report import Comparison, DocumentReport
from ..site import Site, parts, tables_of
from ..stores import changes
from .looks import Look
from .surveyed import Survey
from .surveying import Memory, remember

UNCHECKED: Final = "unchecked"
NAMED: Final = 50  # of what differed, in what is kept of a verdict


class Proof:
    """What a site's database remembers of earlier proofs, and what of it still holds."""

    def __init__(self, site: Site, connection: Connection) -> None:
        self._site = site
        evidence = Evidence(connection)
        self.known: dict[str, Entry] = Ledger(connection).documents()
        self.last: dict[str, Verdict] = evidence.last()
        self.fingerprint = site.fingerprint(connection)
        self.open_run = evidence.open_run()
        self._epoch = evidence.epoch()
        self._admitted: dict[str, Admitted] = evidence.admitted()
        self._summaries = {name: _whole(evidence.summaries(name)) for name in site.pack.documents}
        documents = site.pack.documents.values()
        self._changes = {d.name: changes.counts(connection, d.name, tables_of(d)) for d in documents}

    @property
    def memory(self) -> Memory:
        """What earlier looks found."""
        return Memory(self._admitted, self.fingerprint)

    def holds(self, name: str, digest: str | None) -> bool:
        """Tell whether a document was found clean, and nothing that it was true of has changed since."""
        last = self.last.get(name)
        if last is None or last.verdict != CLEAN:
            return False
        return last.holds(digest, self.fingerprint, self._changes[name], self._epoch)

    def proved(self, name: str) -> bool:
        """Tell whether a document was found clean in the present epoch, whatever was written since."""
        last = self.last.get(name)
        now = (CLEAN, self.fingerprint, self._epoch)
        return last is not None and (last.verdict, last.fingerprint, last.epoch) == now

    def digest(self, name: str) -> str | None:
        """Return the digest of a document's file as it is now; None when there is none."""
        path = self._site.file(self._site.pack.document(name))
        return files.digest(path) if path.is_file() else None

    def report(self, name: str, state: str, note: str = "") -> DocumentReport:
        """Report a document by the summaries of its last look."""
        document = self._site.pack.document(name)
        tables = tuple(part.table for part in document.parts)
        compared = []
        for part_name, part in parts(document).items():
            both = self._summaries[name].get(part_name)
            if both:
                left, right = map(Summary.from_bytes, both)
                compared.append(Comparison(part.table, left.count, min(left.count, right.count), states=both))
        found = DocumentReport(name, document.file, state, tables, comparisons=tuple(compared), note=note)
        seen = self._remembered(name)
        return replace(found, anomalies=tuple(seen.anomalies), anomaly_count=seen.anomaly_count) if seen else found

    def knows_anomalies(self, name: str) -> bool:
        """Tell whether the anomalies of a document's last look are remembered."""
        return self._remembered(name) is not None

    def _remembered(self, name: str) -> Survey | None:
        last = self.last.get(name)
        return self.memory.of(self._site.pack.document(name), last.digest) if last and last.digest else None

    def glance(self, name: str) -> DocumentReport:
        """Look at digests only: the file's, and those of both homes as the last deep look found them."""
        entry, last = self.known.get(name), self.last.get(name)
        if entry is None or last is None:
            return self.report(name, UNCHECKED, "never validated: run `mediaos-migrate migrate`")
        digest = self.digest(name)
        found = self.report(name, entry.state)
        if self.holds(name, digest) and found.compared == last.report.get("compared"):
            return found
        why = "the file changed" if digest != last.digest else "the table, the schema or the mapping changed"
        if self.holds(name, digest):
            why = "what was noted of both homes is gone"
        if last.verdict != CLEAN:
            why = f"it was not clean ({last.verdict})"
        return self.report(name, UNCHECKED, f"{why} since {last.at}: only a deep look can tell")


def _whole(summaries: dict[str, tuple[bytes, bytes]]) -> dict[str, tuple[bytes, bytes]]:
    """Leave out what a foreign hand spoiled."""
    return {part: both for part, both in summaries.items() if all(map(Summary.spells, both))}


@dataclass(frozen=True, slots=True)
class Kept:
    """A verdict that was kept: whether it stands for its document now, and what of it still holds."""

    verdict: Verdict
    stands: bool
    note: str = ""


def verdicts(site: Site, names: Sequence[str] = (), last: int = 30) -> list[Kept]:
    """Return the last verdicts on some documents, or on all, the oldest first."""
    wanted = [site.pack.document(name).name for name in names] or [document.name for document in site.pack.ordered()]
    with site.looking() as connection:
        evidence = Evidence(connection)
        standing = {verdict.id for verdict in evidence.last().values()}
        found = [verdict for name in wanted for verdict in evidence.trend(name, last)]
    return [Kept(verdict, verdict.id in standing) for verdict in sorted(found, key=lambda verdict: verdict.id)]


def verdict(site: Site, number: int) -> Kept:
    """Return one verdict by its number, and say what of it still holds. Raises UsageError."""
    if number >= 2**63:
        raise UsageError(f"There is no verdict {number}.", "See `mediaos-migrate evidence list`.")
    with site.looking() as connection:
        found, proof = Evidence(connection).verdict(number), Proof(site, connection)
    if found is None:
        raise UsageError(f"There is no verdict {number}.", "See `mediaos-migrate evidence list`.")
    stands = proof.last.get(found.document, found).id == number
    if not stands:
        return Kept(found, stands, "a later verdict stands in its place")
    if proof.holds(found.document, proof.digest(found.document)):
        return Kept(found, stands, "it still holds: nothing has changed since")
    return Kept(found, stands, proof.glance(found.document).note)


def keep(site: Site, connection: Connection, look: Look, run: str | None = None) -> None:
    """Keep a verdict, with what it was true of; it commits as a whole."""
    report = look.report
    word = DIFFERS if report.differs else UNVERIFIABLE if report.unverifiable else CLEAN
    told = {"compared": report.compared, "equal": report.equal, "explained": report.count("explained")}
    told["unexplained"] = sum(report.count(kind) for kind in ("missing", "extra", "changed", "unverifiable"))
    names = parts(site.pack.document(report.document))
    summaries = {name: each.states for name, each in zip(names, report.comparisons, strict=False)}
    verdict = Verdict(
        report.document,
        word,
        look.digest,
        site.fingerprint(connection),
        look.changes,
        told,
        run,
        journal=look.journal,
        seconds=round(look.seconds, 3),
        found=_found(report),
    )
    Evidence(connection).record(verdict, summaries)
    if word == CLEAN:
        Ledger(connection).forgive_reads(report.document)


def _found(report: DocumentReport) -> list[dict[str, Any]]:
    """Name what was found, without a value: keys, and in which way they differ."""
    kept = [item for comparison in report.comparisons for item in comparison.discrepancies]
    found: list[dict[str, Any]] = [
        {
            "key": list(item.key),
            "kind": item.kind,
            "members": [{"path": d.path, "way": d.way, "rule": d.rule or None} for d in item.differences],
        }
        for item in kept[:NAMED]
    ]
    first = [c.out_of_order for c in report.comparisons if c.out_of_order]
    return found + [{"key": list(key), "kind": "out of order", "members": []} for key in first]


def admit(connection: Connection, surveys: list[Survey], fingerprint: str) -> None:
    """Remember full looks at files, so that the same bytes need not be read again."""
    for seen in surveys:
        if not seen.from_memory and (found := remember(seen, fingerprint)):
            Evidence(connection).admit(found)
