"""A validation as JUnit XML: a suite for each document, a case for each thing that could be wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal
from xml.etree import ElementTree as ET

from ..errors import MigrateError
from ..report import Comparison, DocumentReport
from .findings import KINDS, NOT_COMPARED, clean, now, place, rest, sentence
from .words import Lines, many, spelled

if TYPE_CHECKING:
    from ..moves.validating import Validation
    from ..site import Site

NAME: Final = "mediaos-migrate validate"
Outcome = Literal["", "failure", "error", "skipped"]
DECLARATION: Final = '<?xml version="1.0" encoding="UTF-8"?>'


@dataclass(frozen=True, slots=True)
class Case:
    """One thing that could be wrong, and how it turned out; a good one may have something to say too."""

    name: str
    outcome: Outcome = ""
    kind: str = ""
    message: str = ""
    text: str = ""


def validated(result: Validation, site: Site) -> Lines:
    """Tell what a validation found."""
    suites = ET.Element("testsuites", name=NAME)
    for report in result.documents:
        file = place(site, report.file)
        suite = _suite(suites, report.document, list(_cases(report, result, file)))
        suite.set("file", clean(file))
        told = {"state": report.state, "mode": result.mode, "compared": report.compared, "equal": report.equal}
        properties = ET.Element("properties")
        for name, value in told.items():
            ET.SubElement(properties, "property", name=name, value=clean(str(value)))
        suite.insert(0, properties)
        if (more := report.anomaly_count - len(report.anomalies)) > 0:
            ET.SubElement(suite, "system-out").text = f"{more:,} more records break rules of the app."
    yield from _written(suites)


def failed(error: MigrateError) -> Lines:
    """Tell why there was no validation."""
    suites = ET.Element("testsuites", name=NAME)
    text = f"{error.message}\n{error.remedy}"
    _suite(suites, "validate", [Case("could be run", "error", type(error).__name__, error.message, text)])
    yield from _written(suites)


def _cases(report: DocumentReport, result: Validation, file: str) -> Iterator[Case]:
    yield _checked(report)
    for comparison in report.comparisons:
        yield _compared(report, comparison, file)
    for rule in dict.fromkeys(item.rule for item in report.anomalies):
        yield _rule(report, result, rule, file)


def _checked(report: DocumentReport) -> Case:
    """Tell whether a document could be checked at all."""
    name = "could be checked"
    if report.state in NOT_COMPARED:
        outcome: Outcome = "skipped" if report.state == "skipped" else "error"
        return Case(name, outcome, report.state, report.note or KINDS[report.state][1])
    if report.unverifiable:
        means, remedy = KINDS["unverifiable"][1:]
        count = many(report.count("unverifiable"), "record")
        return Case(name, "error", "unverifiable", f"{count} could not be compared", f"{means} {remedy}")
    return Case(name, text=report.note)


def _compared(report: DocumentReport, comparison: Comparison, file: str) -> Case:
    """Tell how the comparison of a table turned out."""
    name = f"{comparison.table} says what the file says"
    if report.state in NOT_COMPARED:
        return Case(name, "skipped", report.state, report.note)
    text = "\n".join(_lines(comparison, file))
    counts = {kind: count for kind, count in comparison.counts.items() if KINDS[kind][0] == "error"}
    told = [f"{count:,} {kind}" for kind, count in counts.items()] + ["another order"] * bool(comparison.out_of_order)
    if not told:
        return Case(name, text=text)
    kinds = [*counts, "out-of-order"] if comparison.out_of_order else [*counts]
    message = f"{', '.join(told)}; {comparison.equal:,} of {comparison.compared:,} records are equal"
    return Case(name, "failure", " ".join(kinds), message, text)


def _lines(comparison: Comparison, file: str) -> Iterator[str]:
    for item in comparison.discrepancies:
        yield f"{file}:{item.line or 1}: {sentence(item)}"
    yield from (message for _, message in rest(comparison))
    if comparison.out_of_order:
        yield f"{file}:1: the order differs, first at {spelled(comparison.out_of_order)}"


def _rule(report: DocumentReport, result: Validation, rule: str, file: str) -> Case:
    """Tell which records break a rule of the app; that is a failure only if it was said to be one."""
    broken = [item for item in report.anomalies if item.rule == rule]
    said = result.meaning(report.document, rule)
    records = (
        f"{file}:{item.line or 1}: {spelled(item.key)}" + f" ({item.detail})" * bool(item.detail) for item in broken
    )
    text = "\n".join([f"{said.get('means', rule)} {said.get('remedy', '')}".strip(), *records])
    message = f"{many(len(broken), 'time')} {rule}"
    return Case(f"rule {rule}", "failure" if rule in result.broken else "", rule, message, text)


def _suite(suites: ET.Element, name: str, cases: list[Case]) -> ET.Element:
    suite = ET.SubElement(suites, "testsuite", name=clean(name), tests=str(len(cases)))
    for outcome, attribute in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        suite.set(attribute, str(sum(case.outcome == outcome for case in cases)))
    suite.set("timestamp", now().rstrip("Z"))
    for case in cases:
        _case(ET.SubElement(suite, "testcase", classname=clean(f"mediaos-migrate.{name}"), name=clean(case.name)), case)
    return suite


def _case(element: ET.Element, case: Case) -> None:
    if case.outcome:
        told = ET.SubElement(element, case.outcome, type=clean(case.kind), message=clean(case.message))
        told.text = clean(case.text) or None
    elif case.text:
        ET.SubElement(element, "system-out").text = clean(case.text)


def _written(suites: ET.Element) -> Lines:
    for attribute in ("tests", "failures", "errors"):
        suites.set(attribute, str(sum(int(suite.get(attribute, "0")) for suite in suites)))
    ET.indent(suites)
    yield DECLARATION
    # ASCII only, whatever the terminal can show: the rest is written as numbers.
    yield from ET.tostring(suites, encoding="us-ascii", xml_declaration=False).decode("ascii").split("\n")
