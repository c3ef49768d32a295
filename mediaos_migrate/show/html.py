"""A validation as one page for a browser: it loads nothing, runs nothing, and prints well."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree as ET

from .. import __version__
from ..errors import MigrateError
from ..evidence import CLEAN, UNVERIFIABLE, Verdict
from ..report import Comparison, Difference, Discrepancy, DocumentReport, Kind
from .findings import KINDS, NOT_COMPARED, SAID, clean, now, place, rest, short, verdict
from .words import Lines, many, spelled

if TYPE_CHECKING:
    from ..moves.validating import Validation
    from ..site import Site

PAGE: Final = Path(__file__).with_name("page.html")
LOOKS: Final = {0: "clean", 3: "differs"}  # of the verdict, by exit code
MODES: Final = {
    "rehearsal": "rehearsal: every record in both homes, on a copy",
    "deep": "deep: every record in both homes",
    "quick": "quick: digests only, no record was read",
    "since-last": "since last: every record of what changed since it was found equal",
}
UNEXPLAINED: Final[tuple[Kind, ...]] = ("missing", "extra", "changed", "unverifiable")
NOTHING: Final = "Nothing was validated"
WHOLE: Final = "(the value itself)"
COLUMN, TALL, LEAST = 9, 32, 6  # pixels of a verdict in the trend, and of the least difference in it
NARROW: Final = 1.5  # percent of a bar that even one record gets
BLOCKS: Final = ("header", "footer", "section", "article", "table", "tr", "li", "p", "figure", "details", "svg")


def validated(result: Validation, site: Site) -> Lines:
    """Tell what a validation found."""
    title, look = verdict(result), LOOKS.get(result.exit_code, "unsure")
    totals: Counter[str] = Counter()
    for report in result.documents:
        totals.update(parts(report))
    compared = sum(report.compared for report in result.documents if report.state not in NOT_COMPARED)
    told = f"{many(compared, 'record')} compared in {many(len(result.documents), 'document')} of {site.pack.name}."
    broken = e("p", f"These rules count as differences: {', '.join(result.broken)}.") if result.broken else None
    header = e("header", e("h1", title, class_=look), e("p", told, class_="soft"), bar(totals), broken)
    documents = [document(report, result) for report in result.documents]
    yield from page(title, header, e("main", *documents, not_checked(result)), footer(result, site))


def failed(error: MigrateError, title: str = NOTHING) -> Lines:
    """Tell why there was no validation, or whatever was asked for."""
    body = [
        e("p", error.message, class_="message"),
        e("p", e("strong", error.remedy)) if error.remedy else None,
    ]
    kind = f"{type(error).__name__}, exit code {error.exit_code}; mediaos-migrate {__version__}, {now()}"
    header = e("header", e("h1", title, class_="unsure"), e("p", kind, class_="soft"))
    yield from page(title, header, e("section", *body))


def document(report: DocumentReport, result: Validation) -> ET.Element:
    """Draw one document: how much of it is equal, its past verdicts, and what differs."""
    word, look = _status(report)
    heading = e("h2", report.document, e("small", report.file), e("span", word, class_=f"badge {look}"))
    trend = result.trend.get(report.document, [])
    overview = e("div", bar(parts(report)), _trend(trend) if trend else None, class_="overview")
    note = e("p", f"{report.note[:1].upper()}{report.note[1:]}.", class_="soft") if report.note else None
    found = [*_differences(report, result), *_anomalies(report, result)]
    return e("section", heading, overview, note, *found)


def _status(report: DocumentReport) -> tuple[str, str]:
    if report.state in NOT_COMPARED:
        return ("left out" if report.state == "skipped" else "not checked"), "unsure"
    if report.differs:
        return "differs", "differs"
    return ("not all could be checked", "unsure") if report.unverifiable else ("equal", "clean")


def parts(report: DocumentReport) -> dict[str, int]:
    """Take the records apart: how many are equal, explained, unexplained, quarantined; or that nobody looked."""
    if report.state in NOT_COMPARED:
        return {"unsure": report.compared} if report.compared else {}
    unexplained = sum(map(report.count, UNEXPLAINED))
    counts = (report.equal, report.count("explained"), unexplained, report.quarantined)
    return dict(zip(("equal", "explained", "unexplained", "quarantined"), counts, strict=True))


def bar(parts: Mapping[str, int]) -> ET.Element:
    """Draw how many of each there are; what is in quarantine was compared too, and has its part of the bar."""
    drawn = {**parts, "equal": max(parts.get("equal", 0) - parts.get("quarantined", 0), 0)}
    total, at = sum(drawn.values()) or 1, 0.0
    widths = {part: max(100 * count / total, NARROW) for part, count in drawn.items() if count}
    named = {part: f"{count:,} {'not checked' if part == 'unsure' else part}" for part, count in parts.items()}
    words = named or {"none": "nothing to compare"}
    svg = e("svg", class_="bar", role="img", aria_label=", ".join(words.values()))
    for part, wide in widths.items():
        share = 100 * wide / sum(widths.values())
        svg.append(e("rect", class_=part, x=f"{at:.2f}%", width=f"{share:.2f}%", height="100%"))
        at += share
    items = (e("li", text, class_=part if parts.get(part) else f"{part} none") for part, text in words.items())
    return e("figure", svg, e("ul", *items, class_="counts"))


def _trend(verdicts: Sequence[Verdict]) -> ET.Element:
    """Draw the past verdicts, the oldest first."""
    wide = str(COLUMN * len(verdicts))
    days = " to ".join(dict.fromkeys((verdicts[0].at[:10], verdicts[-1].at[:10])))
    clean_ones = sum(each.verdict == CLEAN for each in verdicts)
    told = f"{many(len(verdicts), 'verdict')}, {days}: {clean_ones:,} clean; the last: {verdicts[-1].verdict}"
    box = {"viewBox": f"0 0 {wide} {TALL}", "width": wide, "height": str(TALL)}
    svg = e("svg", class_="trend", role="img", aria_label=told, **box)
    svg.extend(_column(number * COLUMN, past) for number, past in enumerate(verdicts))
    return e("figure", svg, e("figcaption", told))


def _column(x: int, past: Verdict) -> ET.Element:
    counts = {name: int(past.report.get(name, 0)) for name in ("equal", "explained", "unexplained")}
    told = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    column = e("g", e("title", f"{past.at}: {past.verdict} ({told})"))
    bad = "unsure" if past.verdict == UNVERIFIABLE else "unexplained"
    total, differing = max(sum(counts.values()), 1), counts["unexplained"] or int(past.verdict != CLEAN)
    # Each is drawn over the one before: what is bad stands at the top, as high as its share.
    shares = {"equal": total, "explained": counts["explained"] and counts["explained"] + differing, bad: differing}
    for look, count in ((look, count) for look, count in shares.items() if count):
        high = min(max(TALL * count / total, LEAST + LEAST * (look == "explained")), TALL)
        column.append(e("rect", class_=look, x=str(x), width=str(COLUMN - 2), height=f"{high:g}"))
    return column


def _differences(report: DocumentReport, result: Validation) -> Iterator[ET.Element]:
    """Show what differs: first what nobody explains, then what a rule explains."""
    kept = [(comparison, item) for comparison in report.comparisons for item in comparison.discrepancies]
    for comparison, item in kept:
        if item.kind != "explained":
            yield _record(item, comparison)
    for comparison in report.comparisons:
        yield from (e("p", message) for rule, message in rest(comparison) if rule in UNEXPLAINED)
        if comparison.out_of_order:
            yield e("p", "The order differs, first at ", e("code", short(spelled(comparison.out_of_order))), ".")
    if report.explained:
        rows = [
            (rule, _meaning(report.document, rule, result), many(count, "record"))
            for rule, count in report.explained.items()
        ]
        records = [_record(item, comparison) for comparison, item in kept if item.kind == "explained"]
        title = f"{many(sum(report.explained.values()), 'difference')} explained"
        yield e("details", e("summary", title), _rules(rows), *records)


def _record(item: Discrepancy, comparison: Comparison) -> ET.Element:
    """Set what both homes say of a record beside each other."""
    heading = e("h3", e("code", short(spelled(item.key))), f" {SAID[item.kind]}")
    if item.shown == (None, None):
        told = ", ".join(f"{d.path} ({d.way})" for d in item.differences)
        return e("article", heading, e("p", told, class_="soft"))
    there = {"missing": item.shown[:1], "extra": item.shown[1:]}.get(item.kind, item.shown)
    names = dict.fromkeys(name for side in there for name in _members(side))
    rows = [_row(name, item) for name in names]
    head = _headings("Member", f"File, line {item.line}" if item.line else "File", f"Table {comparison.table}")
    return e("article", heading, e("table", head, e("tbody", *rows), class_="sides"))


def _members(side: Any) -> dict[str, Any]:
    return side if isinstance(side, dict) else {WHOLE: side}


def _row(name: str, item: Discrepancy) -> ET.Element:
    found = [d for d in item.differences if name in (WHOLE, d.path) or d.path.startswith(f"{name}.")]
    looks = "differs explained" if found and all(d.rule for d in found) else "differs" if found else "same"
    told = [
        e("small", f"{d.path}: {d.way}".removeprefix(f"{name}: ") + f", {d.rule}" * (d.rule not in ("", d.way)))
        for d in found
    ]
    cells = [e("td", _value(name, _members(side), found)) for side in item.shown]
    return e("tr", e("th", name, *told, scope="row"), *cells, class_=looks)


def _value(name: str, side: dict[str, Any], found: Sequence[Difference]) -> ET.Element:
    if name not in side:
        # A long record is not shown as a whole: what is not named as absent may only be too long.
        absent = not found or any(d.path == name and d.way in ("absent-null", "secret") for d in found)
        return e("span", "absent" if absent else "not shown here", class_="absent")
    text = json.dumps(side[name], indent=2, ensure_ascii=False)
    return e("pre", e("mark", text) if found else text)


def _anomalies(report: DocumentReport, result: Validation) -> Iterator[ET.Element]:
    groups: dict[str, list[str]] = {}
    for item in report.anomalies:
        groups.setdefault(item.rule, []).append(spelled(item.key) + f" ({item.detail})" * bool(item.detail))
    more = report.anomaly_count - len(report.anomalies)
    if groups:
        rows = [(rule, _meaning(report.document, rule, result), "\n".join(records)) for rule, records in groups.items()]
        title = f"Rules of the app that records break: {', '.join(groups)}"
        told = e(
            "details",
            e("summary", title),
            _rules(rows),
            e("p", f"And {more:,} more.") if more > 0 else None,
        )
        told.attrib |= {"open": "open"} if groups.keys() & set(result.broken) else {}
        yield told


def _rules(rows: Sequence[tuple[str, str, str]]) -> ET.Element:
    body = (e("tr", e("th", rule, scope="row"), e("td", said), e("td", e("pre", who))) for rule, said, who in rows)
    return e("table", _headings("Rule", "Meaning", "Records"), e("tbody", *body), class_="rules")


def _headings(*titles: str) -> ET.Element:
    return e("thead", e("tr", *(e("th", title, scope="col") for title in titles)))


def _meaning(document: str, rule: str, result: Validation) -> str:
    said = result.meaning(document, rule)
    return f"{said.get('means', '')} {said.get('remedy', '')}".strip()


def not_checked(result: Validation) -> ET.Element | None:
    """Name what was not checked, and why."""
    items = [f"{r.document}: {r.note or KINDS[r.state][1]}" for r in result.documents if r.state in NOT_COMPARED]
    items += [
        f"{r.document}: {many(r.count('unverifiable'), 'record')} could not be compared. {KINDS['unverifiable'][2]}"
        for r in result.documents
        if r.unverifiable
    ]
    items += [f"{name}: not migrated, because the pack does not know it" for name in result.unmapped]
    listed = e("ul", *(e("li", item) for item in items), class_="plain")
    return e("section", e("h2", "Not checked"), listed) if items else None


def footer(result: Validation, site: Site) -> ET.Element:
    """Say what was looked at, how and when."""
    told = {
        "Look": MODES.get(result.mode, result.mode) + (", went on after an interruption" if result.resumed else ""),
        "Data": place(site, ""),
        "Database": site.db.name,
        "Made": f"{now()} by mediaos-migrate {__version__}",
    }
    pairs = (e(tag, text) for pair in told.items() for tag, text in zip(("dt", "dd"), pair, strict=True))
    return e("footer", e("dl", *pairs))


def page(title: str, *body: ET.Element | None) -> Lines:
    """Spell a whole page."""
    whole = e("body", *body)
    for block in whole.iter():
        if block.tag in BLOCKS:
            block.tail = f"{block.tail or ''}\n"
    page = Template(PAGE.read_text(encoding="ascii"))
    # ASCII only, whatever the terminal can show: the rest is written as numbers.
    text = ET.tostring(whole, encoding="us-ascii", method="html").decode("ascii")
    yield from page.substitute(title=title, body=text).rstrip("\n").split("\n")


def e(tag: str, *content: str | ET.Element | None, **attributes: str) -> ET.Element:
    """Make an element; its text is escaped, and None is nothing."""
    made = ET.Element(tag, {name.rstrip("_").replace("_", "-"): clean(value) for name, value in attributes.items()})
    for each in content:
        if isinstance(each, ET.Element):
            made.append(each)
        elif each and len(made):
            made[-1].tail = f"{made[-1].tail or ''}{clean(each)}"
        elif each:
            made.text = f"{made.text or ''}{clean(each)}"
    return made
