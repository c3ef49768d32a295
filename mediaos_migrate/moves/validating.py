"""Proving that every document's file and tables say the same."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from typing import Final

from .. import crash
from ..anomalies import BUILT_IN, meaning
from ..differences import BUILT_IN as NUMBERS
from ..differences import JAVASCRIPT_ORDER
from ..engines.sqlite import Connection
from ..errors import NotSettled, UsageError
from ..evidence import Evidence, Verdict
from ..ledger import SKIPPED
from ..pack import Document
from ..report import SILENT, DocumentReport, Key, Progress
from ..site import Site
from ..stages import Stage
from . import completing, preflight
from .looks import UNSETTLED, look_until_still
from .proving import UNCHECKED, Proof, admit, keep
from .showing import show_record
from .surveyed import Options, Survey
from .surveying import Memory, survey

UNCHANGED: Final = "unchanged"
BUILT_IN_EXPLANATIONS: Final = (*NUMBERS, JAVASCRIPT_ORDER)


@dataclass(frozen=True, slots=True)
class Query:
    """What to validate, and how.

    `documents` and `keys` (of one document) narrow it down, `since_last` to what changed since the last verdict.
    `quick` believes what earlier looks found; `record` keeps the verdicts. `fail_on` names anomalies that count as
    differences, `accept_source` shrunken files to be believed.
    """

    documents: tuple[str, ...] = ()
    keys: frozenset[str] = frozenset()  # as a person gives them
    quick: bool = False
    since_last: bool = False
    record: bool = False
    fail_on: frozenset[str] = frozenset()
    accept_source: frozenset[str] = frozenset()

    @property
    def mode(self) -> str:
        """How closely it looks."""
        return "quick" if self.quick else "since-last" if self.since_last else "deep"


@dataclass(slots=True)
class Validation:
    """What a validation found, document by document."""

    documents: list[DocumentReport] = field(default_factory=list)
    unmapped: list[str] = field(default_factory=list)
    mode: str = "deep"
    fail_on: frozenset[str] = frozenset()
    trend: dict[str, list[Verdict]] = field(default_factory=dict)
    resumed: bool = False  # it went on where an interrupted run had stopped
    meanings: dict[str, dict[str, dict[str, str]]] = field(default_factory=dict)  # of each document's rules

    def meaning(self, document: str, rule: str) -> dict[str, str]:
        """Return what a rule of a document means, and the remedy if there is one; empty if nobody knows."""
        return self.meanings.get(document, {}).get(rule, {})

    @property
    def broken(self) -> list[str]:
        """The anomalies that were found and were said to count."""
        return sorted({a.rule for report in self.documents for a in report.anomalies} & self.fail_on)

    @property
    def exit_code(self) -> int:
        """0 clean, 3 something differs, 5 something could not be checked."""
        if self.broken or any(report.differs for report in self.documents):
            return 3
        unsure = (report.unverifiable or report.state in (UNCHECKED, UNSETTLED) for report in self.documents)
        return 5 if any(unsure) else 0


def validate(site: Site, query: Query | None = None, progress: Progress = SILENT) -> Validation:
    """Compare files and tables, all of them or those asked for; touches neither.

    Raises Damaged or Suspect for a source that cannot be believed, CouldNotCheck when there is no database.
    """
    query = query or Query()
    _check(site, query)
    with ExitStack() as held:
        if query.record:
            held.enter_context(site.locked())
        run = _Run(site, query, progress)
        if query.quick:
            found = run.glance()
        elif query.record:
            found = run.record(held.enter_context(site.writing()))
        else:
            found = run.look()
        found.meanings = meanings(site, found.documents)
        return found


def meanings(site: Site, reports: Iterable[DocumentReport]) -> dict[str, dict[str, dict[str, str]]]:
    """Say what the rules mean that some reports speak of, by document."""
    return {report.document: _meanings(site.pack.document(report.document), report) for report in reports}


def _meanings(document: Document, report: DocumentReport) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for rule in dict.fromkeys(anomaly.rule for anomaly in report.anomalies):
        found[rule] = dict(zip(("means", "remedy"), meaning(document, rule), strict=True))
    explains = (*BUILT_IN_EXPLANATIONS, *(each for part in document.parts for each in part.explains))
    return found | {each.code: {"means": each.reason} for each in explains if each.code in report.explained}


def _check(site: Site, query: Query) -> None:
    for name in query.documents:
        site.pack.document(name)
    if query.keys and len(query.documents) != 1:
        raise UsageError("A key belongs to one document.", "Name that document too.")
    if query.keys and (query.quick or query.since_last):
        raise UsageError("A record is looked at deeply.", "Leave --quick and --since-last out.")
    if query.record and (query.keys or query.quick):
        raise UsageError("Only a deep look at whole documents is evidence.", "Leave --record out.")
    known = {rule.code for d in site.pack.documents.values() for part in d.parts for rule in part.rules} | set(BUILT_IN)
    if unknown := sorted(query.fail_on - known):
        raise UsageError(f"There is no rule `{unknown[0]}`.", f"The rules are: {', '.join(sorted(known))}.")


def keys_of(document: Document, words: frozenset[str]) -> frozenset[Key]:
    """Read keys as a person gives them: as they are, with ` / ` between parts, or as a JSON list. Raises UsageError."""
    return frozenset(_key_of(document, word) for word in words)


def _key_of(document: Document, word: str) -> Key:
    size = len(document.records.key) - document.records.document_key
    found: Key = (word,) if size <= 1 else tuple(word.split(" / "))
    with suppress(ValueError):
        listed = json.loads(word)
        if isinstance(listed, list) and all(isinstance(part, str) for part in listed):
            found = tuple(listed)
    if len(found) != max(size, 1):
        parts = " / ".join(f"<{name}>" for name in document.records.key)
        raise UsageError(f"`{word}` is no key of {document.name}.", f"Its keys are: {parts}.")
    return found


class _Run:
    """One validation under way."""

    def __init__(self, site: Site, query: Query, progress: Progress) -> None:
        self._site, self._query, self._progress = site, query, progress
        with site.looking() as connection:
            self._proof = Proof(site, connection)
            trend = {name: Evidence(connection).trend(name) for name in self._wanted}
        self._result = Validation(unmapped=site.unmapped(), mode=query.mode, fail_on=query.fail_on, trend=trend)

    @property
    def _wanted(self) -> tuple[str, ...]:
        return self._query.documents or tuple(document.name for document in self._site.pack.ordered())

    def glance(self) -> Validation:
        """Look at digests only."""
        for name in self._wanted:
            found = self._proof.glance(name)
            if self._query.fail_on and not self._proof.knows_anomalies(name):
                note = "whether a rule is broken, only a deep look can tell"
                found = replace(found, state=UNCHECKED, note=note)
            self._result.documents.append(found)
        return self._result

    def record(self, connection: Connection) -> Validation:
        """Look, and keep each verdict at once; what an interrupted run had kept, and still holds, is done."""
        evidence, run = Evidence(connection), self._proof.open_run or uuid.uuid4().hex
        self._result.resumed = self._proof.open_run is not None
        self.look(connection, run)
        evidence.set_run(None)
        return self._result

    def look(self, connection: Connection | None = None, run: str = "") -> Validation:
        """Look at everything that was asked for."""
        done = {name: report for name in self._wanted if (report := self._done(name, run))}
        for seen in self._survey(frozenset(done), connection, run):
            name = seen.document.name
            if name in done:
                self._result.documents.append(done[name])
            elif name in self._wanted and seen.state == Stage.COMPLETE:
                self._result.documents.append(self._look_back(seen.document, connection, run))
            elif name in self._wanted:
                self._progress.step("validate", seen.document.file)
                self._result.documents.append(self._look(seen, connection, run))
        return self._result

    def _look_back(self, document: Document, connection: Connection | None, run: str) -> DocumentReport:
        """Look at a document whose table alone is believed."""
        self._progress.step("validate", document.file)
        with self._site.looking() as looking:
            looking.execute("BEGIN")
            found = completing.look(self._site, looking, document)
        if connection:
            keep(self._site, connection, found, run)
        return found.report

    def _done(self, name: str, run: str) -> DocumentReport | None:
        """Report what need not be looked at again, if that is asked for, or done by the run that was interrupted."""
        last = self._proof.last.get(name)
        if last is None or not (self._query.since_last or (run and last.run == run)):
            return None
        if self._query.fail_on and (not self._proof.knows_anomalies(name) or self._refers(name)):
            return None
        if not self._proof.holds(name, self._proof.digest(name)):
            return None
        note = f"nothing changed since it was found equal at {last.at}"
        return self._proof.report(name, UNCHANGED, note)

    def _refers(self, name: str) -> set[str]:
        """Name the documents that a document must be held against for the rules that are to count."""
        rules = (rule for part in self._site.pack.document(name).parts for rule in part.rules)
        return {rule.refers for rule in rules if rule.refers and rule.code in self._query.fail_on}

    def _referred(self) -> set[str]:
        return {found for name in self._wanted for found in self._refers(name)}

    def _survey(self, done: frozenset[str], connection: Connection | None, run: str) -> list[Survey]:
        known = self._proof.known
        out = {name for name, entry in known.items() if entry.state == SKIPPED}
        out |= done | set(self._site.pack.documents) - set(self._wanted)
        out -= self._referred()
        memory = self._proof.memory if self._result.resumed else Memory()
        options = Options(skip=frozenset(out), accept_source=self._query.accept_source)
        surveys = survey(self._site, options, known, memory, self._progress)
        preflight.refuse([seen for seen in surveys if not isinstance(seen.error, NotSettled)])
        preflight.key_report(self._site, surveys)
        if connection:
            Evidence(connection).set_run(run)
            admit(connection, surveys, self._proof.fingerprint)
            crash.point("validate.admitted")
        return surveys

    def _refuse_unknown(self, seen: Survey, keys: frozenset[Key]) -> None:
        """Raise UsageError for a key that is in neither home."""
        for key in sorted(keys):
            show_record(self._site, seen.document.name, key)

    def _look(self, seen: Survey, connection: Connection | None, run: str) -> DocumentReport:
        entry = self._proof.known.get(seen.document.name)
        if entry is None:
            tables = tuple(part.table for part in seen.document.parts)
            note = "never imported: run `mediaos-migrate migrate`"
            return DocumentReport(seen.document.name, seen.document.file, UNCHECKED, tables, note=note)
        if entry.state == SKIPPED and seen.document.name in self._proof.last:
            note = "noted as left out, but it was validated before: run `mediaos-migrate migrate`"
            return self._proof.report(seen.document.name, UNCHECKED, note)
        keys = keys_of(seen.document, self._query.keys)
        found = look_until_still(self._site, seen, entry, keys or None, self._progress)
        if keys and found.report.compared + found.report.count("extra") < len(keys):
            self._refuse_unknown(seen, keys)
        if connection and found.report.state not in (SKIPPED, UNSETTLED):
            keep(self._site, connection, found, run)
            crash.point("validate.recorded")
        return found.report
