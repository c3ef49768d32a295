"""What a validation has to tell, sentence by sentence, whatever the form."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from ..report import Comparison, Discrepancy, DocumentReport, Key
from .words import FEW, many, spelled

if TYPE_CHECKING:
    from ..moves.validating import Validation
    from ..site import Site

Level = Literal["error", "warning", "note"]

LONG: Final = 200  # characters of a key in a sentence
MEMBERS: Final = 20  # members of a record in a sentence
# Line breaks and tabs aside: what XML and HTML cannot hold, what steers a terminal, and what turns text around.
UNFIT: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")

TAKE: Final = "`mediaos-migrate migrate` takes over what the file says."
# What can be found beside the rules of a pack: how grave it is, what it means, what one can do.
KINDS: Final[dict[str, tuple[Level, str, str]]] = {
    "missing": ("error", "The file has a record that the database does not have.", TAKE),
    "extra": ("error", "The database has a record that the file does not have.", TAKE),
    "changed": ("error", "File and database say different things of a record.", TAKE),
    "out-of-order": ("error", "The records stand in another order in the database.", TAKE),
    "unverifiable": (
        "warning",
        "A record could not be compared: it is sealed, or it kept changing.",
        "Give the app's key (ENCRYPTION_KEY or --key-file), or look again when the app is at rest.",
    ),
    "explained": ("note", "A record differs, and a rule explains how.", ""),
    "unchecked": ("warning", "A document was not looked at: nothing is known of it.", "Validate it without --quick."),
    "unsettled": ("warning", "A file changed every time it was looked at.", "Look again when the app is at rest."),
    "skipped": ("note", "A document was left out with --skip.", "Migrate it without --skip."),
    "more-anomalies": ("note", "More records break rules of the app than are kept here by key.", ""),
    "unmapped": ("note", "The pack does not know a file, so it was not migrated.", ""),
}
NOT_COMPARED: Final = ("unchecked", "unsettled", "skipped")  # states of a document of which nothing is known
SAID: Final = {
    "missing": "is missing in the database",
    "extra": "is only in the database",
    "changed": "differs",
    "explained": "differs as a rule explains",
    "unverifiable": "could not be compared",
}
VERDICTS: Final = {0: "Files and database are equal", 3: "Files and database differ"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to tell: how grave it is, by which rule, of which document, file and record, on which line."""

    level: Level
    rule: str
    document: str
    file: str
    message: str
    key: Key = ()
    line: int = 1
    detail: str = ""  # what tells it apart from others of the same rule and key


def verdict(result: Validation) -> str:
    """Say in a few words how a validation ended."""
    if result.broken and not any(report.differs for report in result.documents):
        return "A rule that counts is broken"
    return VERDICTS.get(result.exit_code, "Not everything could be checked")


def findings(result: Validation, site: Site) -> Iterator[Finding]:
    """Find all that is to be told, document by document, with the file's place from here."""
    for report in result.documents:
        file = place(site, report.file)
        if report.state in NOT_COMPARED:
            note = report.note or KINDS[report.state][1]
            yield Finding(KINDS[report.state][0], report.state, report.document, file, f"{report.document}: {note}")
        for comparison in report.comparisons:
            yield from _differences(report, comparison, file)
        yield from _anomalies(report, result, file)
    for name in result.unmapped:
        yield Finding("note", "unmapped", "", place(site, name), f"{name}: {KINDS['unmapped'][1]}")


def _differences(report: DocumentReport, comparison: Comparison, file: str) -> Iterator[Finding]:
    for item in comparison.discrepancies:
        message = f"{report.document}: {sentence(item)}."
        for rule in rules_of(item):
            yield Finding(KINDS[item.kind][0], rule, report.document, file, message, item.key, item.line or 1)
    for rule, message in rest(comparison):
        yield Finding(KINDS.get(rule, KINDS["explained"])[0], rule, report.document, file, message)
    if comparison.out_of_order:
        message = f"{report.document}: the order differs, first at {short(spelled(comparison.out_of_order))}."
        yield Finding("error", "out-of-order", report.document, file, message, comparison.out_of_order)


def _anomalies(report: DocumentReport, result: Validation, file: str) -> Iterator[Finding]:
    for item in report.anomalies:
        level: Level = "error" if item.rule in result.broken else "note"
        means = result.meaning(report.document, item.rule).get("means", item.rule)
        detail = f" ({item.detail})" if item.detail else ""
        message = f"{report.document}: {short(spelled(item.key))}: {means}{detail}"
        yield Finding(level, item.rule, report.document, file, message, item.key, item.line or 1, item.detail)
    if (more := report.anomaly_count - len(report.anomalies)) > 0:
        message = f"{report.document}: {more:,} more records break rules of the app."
        yield Finding("note", "more-anomalies", report.document, file, message)


def rules_of(item: Discrepancy) -> list[str]:
    """Name the rules that explain a difference, or what kind it is if none does."""
    explained = [d.rule for d in item.differences if d.rule] if item.kind == "explained" else []
    return list(dict.fromkeys(explained)) or [item.kind]


def rest(comparison: Comparison) -> Iterator[tuple[str, str]]:
    """Count what is not kept by key: for each kind, and for each rule that explains no record alone."""
    kept = Counter(item.kind for item in comparison.discrepancies)
    for kind, count in comparison.counts.items():
        if (more := count - kept[kind]) > 0:
            yield kind, f"{comparison.table}: {many(more, 'more record')}, not listed here: {kind}."
    named = {rule for item in comparison.discrepancies for rule in rules_of(item)}
    for rule, count in comparison.explained.items():
        if rule not in named:
            yield rule, f"{comparison.table}: {many(count, 'difference')} explained."


def sentence(item: Discrepancy) -> str:
    """Say what is with a record that differs: its key, how it differs, and in which members."""
    told = [f"{d.path} ({d.way}, {d.rule})" if d.rule else f"{d.path} ({d.way})" for d in item.differences]
    more = f" and {len(told) - MEMBERS:,} more" if len(told) > MEMBERS + FEW else ""
    members = ", ".join(told[:MEMBERS] if more else told)
    return f"{short(spelled(item.key))} {SAID[item.kind]}" + (f" in {members}{more}" if told else "")


def place(site: Site, file: str) -> str:
    """Say where a file of the site is."""
    return here(site.data / file)


def here(path: Path) -> str:
    """Say where a file is, from here if it is below; else from its folder, whose own place is nobody's business."""
    folder = path.parent
    if folder.is_absolute():
        working = Path.cwd()
        folder = folder.relative_to(working) if folder.is_relative_to(working) else Path(folder.name)
    return (folder / path.name).as_posix()


def clean(text: str) -> str:
    """Spell out the characters that no report can hold, or that would not show what they are."""
    return UNFIT.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def short(text: str) -> str:
    """Cut a text that is too long for a sentence."""
    return text if len(text) <= LONG else f"{text[:LONG]}… ({len(text):,} characters)"


def now() -> str:
    """Tell the time, in UTC."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
