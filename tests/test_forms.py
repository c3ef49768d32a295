"""Every form of a validation fits its schema, names file and line, and holds nothing that steers what reads it."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, Final
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import pytest
from conftest import FIXTURES, KEY
from hypothesis import given, settings
from hypothesis import strategies as st
from inside import command
from jsonschema import Draft7Validator
from jsonschema.exceptions import best_match

from mediaos_migrate.cli.validating import _tellers
from mediaos_migrate.errors import Damaged, MigrateError, Refused
from mediaos_migrate.evidence import Verdict
from mediaos_migrate.ledger import SKIPPED
from mediaos_migrate.moves.looks import UNSETTLED
from mediaos_migrate.moves.proving import UNCHECKED
from mediaos_migrate.moves.validating import Validation
from mediaos_migrate.report import Anomaly, Comparison, Difference, Discrepancy, DocumentReport
from mediaos_migrate.show import findings, github, html, junit, sarif

SCHEMAS: Final = Path(__file__).with_name("schemas")
SARIF: Final = Draft7Validator(json.loads((SCHEMAS / "sarif-2.1.0.json").read_text(encoding="utf-8")))
XS: Final = "{http://www.w3.org/2001/XMLSchema}"
XSD: Final = ET.parse(SCHEMAS / "junit.xsd").getroot()  # noqa: S314  our own file
FORMS: Final = {"junit": junit, "sarif": sarif, "github": github, "html": html}
DOTS: Final = "••••••"

# ---------------------------------------------------------------- what reads a form, and refuses what is wrong


class Page(HTMLParser):
    """Reads a page: its elements with their attributes, its text, and whether each element is closed."""

    VOID: Final = ("meta", "br", "img", "link", "input")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text, self.style, self._open = "", "", []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if self._open[-1:] == ["style"]:
            self.style += data
        else:
            self.text += data

    def count(self, tag: str, look: str = "") -> int:
        return sum(name == tag and look in ["", *(has.get("class") or "").split()] for name, has in self.elements)


SIMPLE: Final = {
    "xs:string": r"(?s).*",
    "xs:nonNegativeInteger": r"\d+",
    "xs:dateTime": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d",
}


def model(node: ET.Element) -> str:
    """Turn what an XSD says of the order of elements into a pattern over their names."""
    if node.tag == f"{XS}element":
        inner = f"{node.get('ref')} "
    else:
        pieces = [model(child) for child in node]
        inner = "".join(pieces) if node.tag == f"{XS}sequence" else "|".join(pieces)
    least, most = node.get("minOccurs", "1"), node.get("maxOccurs", "1")
    return f"(?:{inner}){{{least},{'' if most == 'unbounded' else most}}}"


def mistakes(element: ET.Element) -> list[str]:
    """Hold an element and all below against the XSD, and name what does not fit."""
    said = XSD.find(f"{XS}element[@name='{element.tag}']")
    if said is None:
        return [f"<{element.tag}> is unknown"]
    kind = said.find(f"{XS}complexType")
    if kind is None:
        kind = XSD.find(f"{XS}complexType[@name='{said.get('type')}']")
    found = [
        f"<{element.tag}> holds text" for _ in [0] if kind is not None and not kind.get("mixed") and words(element)
    ]
    found += _attributes(element, [] if kind is None else kind.findall(f"{XS}attribute"))
    order = [] if kind is None else [n for n in kind if n.tag in (f"{XS}sequence", f"{XS}choice")]
    names = "".join(f"{child.tag} " for child in element)
    if not re.fullmatch("".join(map(model, order)), names):
        found.append(f"<{element.tag}> holds {names}")
    return found + [each for child in element for each in mistakes(child)]


def words(element: ET.Element) -> str:
    return "".join([element.text or "", *(child.tail or "" for child in element)]).strip()


def _attributes(element: ET.Element, said: list[ET.Element]) -> list[str]:
    known = {each.get("name"): each for each in said}
    found = [f"{element.tag}.{name} is unknown" for name in element.keys() - known.keys()]
    for name, each in known.items():
        value = element.get(name)
        if value is None and each.get("use") == "required":
            found.append(f"{element.tag}.{name} is not there")
        elif value is not None and not re.fullmatch(SIMPLE[each.get("type")], value):
            found.append(f"{element.tag}.{name} is {value}")
    return found


def read_junit(text: str) -> ET.Element:
    """Read a report that fits the XSD and counts right."""
    suites = ET.fromstring(text)  # noqa: S314  our own output
    assert mistakes(suites) == []
    for element in (suites, *suites):
        cases = list(element.iter("testcase"))
        assert int(element.get("tests")) == len(cases)
        for outcome, attribute in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
            counted = sum(case.find(outcome) is not None for case in cases)
            assert int(element.get(attribute, counted)) == counted
    return suites


def read_sarif(text: str) -> dict[str, Any]:
    """Read a report that fits the schema and whose results point to their rules."""
    log = json.loads(text)
    assert (error := best_match(SARIF.iter_errors(log))) is None, error
    run = log["runs"][0]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert len(set(rules)) == len(rules)
    assert all(rules[result["ruleIndex"]] == result["ruleId"] for result in run["results"])
    return run


def read_github(text: str) -> list[dict[str, str]]:
    """Read commands as GitHub's runner does; nothing else but the last line."""
    found = []
    for line in text.rstrip("\n").split("\n"):
        if command_ := re.match(r"::(error|warning|notice) ((?:[^:,]+=[^:,]*,?)*)::(.*)\Z", line):
            given = dict(pair.split("=", 1) for pair in command_[2].split(","))
            found.append({"command": command_[1], "message": unquote(command_[3]), **given})
        else:
            found.append({"summary": line})
    assert all("command" in each for each in found[:-1])
    return found


def read_html(text: str) -> Page:
    """Read a page that loads nothing and runs nothing."""
    page = Page(text)
    assert text.isascii()
    assert not re.search(r"@import|url\(", page.style)
    for tag, attributes in page.elements:
        assert tag not in ("script", "iframe", "object", "embed", "link", "img", "form", "base", "a")
        assert not [name for name in attributes if name.startswith("on") or name in ("src", "href", "style")]
    return page


READERS: Final = {"junit": read_junit, "sarif": read_sarif, "github": read_github, "html": read_html}

# ---------------------------------------------------------------- reports made by hand

SITE: Final = SimpleNamespace(data=Path("config"), db=Path("config/mediaos.db"), pack=SimpleNamespace(name="MediaOS"))


def changed(key: str = "m1", kind: str = "changed", rule: str = "", line: int | None = 12) -> Discrepancy:
    found = (Difference("title", "text", rule),) if kind in ("changed", "explained", "unverifiable") else ()
    shown = ({"title": "File & <b>"}, {"title": "Table", "year": 5})
    sides = (None if kind == "extra" else shown[0], None if kind == "missing" else shown[1])
    return Discrepancy((key,), kind, found, 1, sides, line=line)  # type: ignore[arg-type]


def report(*items: Discrepancy, **more: Any) -> DocumentReport:
    counts: dict[Any, int] = {}
    for item in items:
        counts[item.kind] = counts.get(item.kind, 0) + 1
    given = {"comparisons": (Comparison("films", 30, 30 - len(items), counts, items),), "state": "present"} | more
    return DocumentReport("library", "library.json", tables=("films",), **given)


def told(form: str, *reports: DocumentReport, site: Any = SITE, **more: Any) -> str:
    return "\n".join(FORMS[form].validated(Validation(list(reports), **more), site))


def refused(form: str, error: MigrateError) -> str:
    return "\n".join(FORMS[form].failed(error))


# ---------------------------------------------------------------- real runs


def planted(folder: Path) -> Path:
    """Migrate a site, then change, remove and add records behind its back."""
    assert command("migrate", "--data", folder, key=KEY).code == 0
    with sqlite3.connect(folder / "mediaos.db") as db:
        db.execute("UPDATE library_items SET title = 'Tenth <Ferry>' WHERE id = 'mgln17v4c7p0ka'")
        db.execute("DELETE FROM wanted_items WHERE rowid = (SELECT min(rowid) FROM wanted_items)")
        db.execute("UPDATE users SET password_hash = '$2b$c4n4ry' WHERE rowid = (SELECT max(rowid) FROM users)")
        db.execute("INSERT INTO verify_results (map_key, position) VALUES ('movie:added', 99)")
    db.close()
    return folder


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """All forms of one validation that finds something of everything."""
    folder = planted(Path(shutil.copytree(FIXTURES / "mediaos", tmp_path_factory.mktemp("site") / "config")))
    command("validate", "--data", folder, "--record", key=KEY)
    found = {form: command("validate", "--data", folder, "--format", form, key=KEY) for form in [*FORMS, "json"]}
    assert {result.code for result in found.values()} == {3}
    assert {result.err for result in found.values()} == {""}
    return {form: result.out for form, result in found.items()}


def lines_of(outputs: dict[str, str]) -> set[tuple[str, int, str]]:
    """Return file, line and key of every difference, as the JSON tells them."""
    return {
        (
            f"config/{document['file']}",
            item["line"] or 1,
            item["key"] if isinstance(item["key"], str) else " / ".join(item["key"]),
        )
        for document in json.loads(outputs["json"])["documents"]
        for item in document["differences"]
    }


def test_junit_names_every_difference_with_file_and_line(outputs):
    failures = "\n".join(each.text for each in read_junit(outputs["junit"]).iter("failure"))
    places = lines_of(outputs)
    assert len(places) == 4
    assert {place for place in places if f"{place[0]}:{place[1]}: {place[2]} " in failures} == places


def test_junit_has_one_suite_for_each_document(outputs):
    names = [suite.get("name") for suite in read_junit(outputs["junit"])]
    assert names == [document["document"] for document in json.loads(outputs["json"])["documents"]]


def test_sarif_names_every_difference_with_file_and_line(outputs):
    places = set()
    for result in read_sarif(outputs["sarif"])["results"]:
        if result["level"] == "error":
            physical = result["locations"][0]["physicalLocation"]
            key = " / ".join(result["properties"]["key"])
            places.add((physical["artifactLocation"]["uri"], physical["region"]["startLine"], key))
    assert places == lines_of(outputs)


def test_github_names_every_difference_with_file_and_line(outputs):
    errors = [each for each in read_github(outputs["github"]) if each.get("command") == "error"]
    places = lines_of(outputs)
    assert {(each["file"], int(each["line"])) for each in errors} == {place[:2] for place in places}
    assert all(any(f": {key} " in each["message"] for each in errors) for _, _, key in places)


def test_a_page_sets_both_sides_beside_each_other(outputs):
    page = read_html(outputs["html"])
    assert page.count("article") == 4
    assert '"The Ninth Ferry"' in page.text
    assert '"Tenth <Ferry>"' in page.text
    assert page.count("table", "sides") == 4


def test_a_page_draws_a_bar_and_a_trend_for_each_document(outputs):
    page, documents = read_html(outputs["html"]), json.loads(outputs["json"])["documents"]
    assert page.count("svg", "bar") == len(documents) + 1
    assert page.count("svg", "trend") == len(documents)
    assert all(given["aria-label"] for tag, given in page.elements if tag == "svg")


def test_a_line_that_is_told_is_the_line_where_the_record_begins(site_folder):
    planted(site_folder)
    found = read_github(command("validate", "--data", site_folder, "--format", "github", key=KEY).out)
    (film,) = [each for each in found if "mgln17v4c7p0ka differs" in each.get("message", "")]
    lines = (site_folder / "library.json").read_text(encoding="utf-8").splitlines()
    assert "mgln17v4c7p0ka" in "".join(lines[int(film["line"]) - 1 : int(film["line"]) + 1])


@pytest.mark.parametrize("form", FORMS)
def test_no_form_shows_a_secret(form, outputs):
    assert "c4n4ry" not in outputs[form]
    assert KEY not in outputs[form]


def test_a_page_shows_secrets_as_dots(outputs):
    assert f'"{DOTS}"' in read_html(outputs["html"]).text


@pytest.mark.parametrize("form", FORMS)
def test_no_form_tells_where_on_this_machine_the_data_is(form, outputs, tmp_path):
    assert str(tmp_path.parent.parent) not in outputs[form]


@pytest.mark.parametrize("form", FORMS)
def test_a_clean_site_is_told_as_clean(form, site_folder):
    command("migrate", "--data", site_folder, key=KEY)
    found = command("validate", "--data", site_folder, "--format", form, key=KEY)
    assert (found.code, found.err) == (0, "")
    READERS[form](found.out)
    assert not re.search(r"<failure|<error|::error|\"level\": \"error\",\n *\"message|are? differ", found.out)


@pytest.mark.parametrize("form", FORMS)
def test_a_refused_run_is_a_report_too(form, site_folder):
    command("migrate", "--data", site_folder, key=KEY)
    (site_folder / "library.json").write_text('{\n"items": [\n{"id": "<x>", ]}', encoding="utf-8")
    found = command("validate", "--data", site_folder, "--format", form, key=KEY)
    assert found.code == 4
    READERS[form](found.out)
    assert str(site_folder) not in found.out


@pytest.mark.parametrize("form", FORMS)
def test_a_quick_look_that_cannot_tell_says_so(form, site_folder):
    command("migrate", "--data", site_folder, key=KEY)
    with (site_folder / "library.json").open("a", encoding="utf-8") as stream:
        stream.write("\n")
    found = command("validate", "--data", site_folder, "--quick", "--format", form, key=KEY)
    assert found.code == 5
    READERS[form](found.out)
    assert "only a deep look can tell" in found.out


# ---------------------------------------------------------------- awkward keys

HOSTILE: Final = {
    "quotes": "\"'`",
    "newlines": "a\nb\r\nc\u2028d",
    "end of CDATA": "]]><x>&amp;",
    "emoji": "🎬 \u202egnp.exe",
    "half a pair": "\ud800 and \udfff",
    "a command": "::error::x\n::stop-commands::y",
    "escapes": "%0A%25%3A,:,{0}}}{{",
    "a link": "[click](javascript:alert(1))",
    "a tag": "</script><script>alert(1)</script><style>@import 'x'</style>",
    "controls": "\x00\x1b[31m\x7f\x85\ufffe",
    "long": "k" * 10_000,
    "template": "$body ${title} {{x}}",
    "nothing": "",
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("key", HOSTILE.values(), ids=HOSTILE)
def test_no_key_breaks_a_form(form, key):
    broken = DocumentReport(
        "library", "library.json", "present", anomalies=(Anomaly("rule", (key,), key),), anomaly_count=1, note=key
    )
    text = told(form, report(changed(key), changed(key, "explained", key or "r"), changed(key, "missing")), broken)
    READERS[form](text)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\ud800-\udfff]", text)


names = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=30)  # of files


@settings(max_examples=60, deadline=None)
@given(key=st.text(st.characters(), max_size=30), value=st.text(st.characters(), max_size=30), file=names)
def test_no_text_at_all_breaks_a_form(key, value, file):
    item = Discrepancy((key, value), "changed", (Difference(value, "text"),), 1, ({key: value}, {key: [value]}))
    for form, reader in READERS.items():
        reader(told(form, report(item), unmapped=[file, "bytes-\udcff"]))
        reader(refused(form, Refused(key.strip() or "x", value, file=file)))


@pytest.mark.parametrize("name", ["quotes", "end of CDATA", "a command", "escapes", "a tag"])
def test_a_key_is_read_back_as_it_is(name):
    key = HOSTILE[name]
    (failure,) = read_junit(told("junit", report(changed(key)))).iter("failure")
    assert f":12: {key} differs" in failure.text
    assert f": {key} differs" in read_github(told("github", report(changed(key))))[0]["message"]
    assert key in read_html(told("html", report(changed(key)))).text
    (result,) = read_sarif(told("sarif", report(changed(key))))["results"]
    assert result["properties"]["key"] == [key]


def test_keys_that_cannot_be_spelled_stay_apart():
    keys = [
        read_sarif(told("sarif", report(changed(key))))["results"][0]["properties"]["key"] for key in ("\x01", "\x02")
    ]
    assert keys == [["\\u0001"], ["\\u0002"]]


def test_a_message_of_sarif_holds_no_link_and_no_placeholder():
    texts = [
        result["message"]["text"]
        for name in ("a link", "escapes")
        for result in read_sarif(told("sarif", report(changed(HOSTILE[name]))))["results"]
    ]
    assert "[click] (javascript" in texts[0]
    assert "{{0}}}}}}{{{{" in texts[1]


# ---------------------------------------------------------------- what each form promises

LEVELS: Final = {
    "missing": "error",
    "extra": "error",
    "changed": "error",
    "explained": "note",
    "unverifiable": "warning",
}


@pytest.mark.parametrize("kind", LEVELS)
def test_each_kind_of_difference_has_its_level(kind):
    (result,) = read_sarif(told("sarif", report(changed(kind=kind))))["results"]
    assert (result["ruleId"], result["level"]) == (kind, LEVELS[kind])
    (line, _) = read_github(told("github", report(changed(kind=kind))))
    assert line["command"] == {"note": "notice"}.get(LEVELS[kind], LEVELS[kind])


def test_an_explained_difference_names_the_rule_and_its_reason():
    meanings = {"library": {"clock-skew": {"means": "Clocks differ."}}}
    explained = changed(kind="explained", rule="clock-skew")
    found = report(
        explained, comparisons=(Comparison("films", 3, 2, {"explained": 1}, (explained,), None, {"clock-skew": 1}),)
    )
    run = read_sarif(told("sarif", found, meanings=meanings))
    helps = {rule["id"]: rule["help"]["text"] for rule in run["tool"]["driver"]["rules"]}
    assert [(result["ruleId"], helps[result["ruleId"]]) for result in run["results"]] == [
        ("clock-skew", "Clocks differ.")
    ]
    assert not list(read_junit(told("junit", found, meanings=meanings)).iter("failure"))
    assert "Clocks differ." in read_html(told("html", found, meanings=meanings)).text


@pytest.mark.parametrize("form", FORMS)
def test_what_is_not_kept_by_key_is_counted_all_the_same(form):
    items = tuple(changed(f"m{n}") for n in range(200))
    full = Comparison("films", 5_000, 700, {"changed": 4_300}, items)
    text = told(form, report(comparisons=(full,)))
    READERS[form](text)
    assert "4,100 more records, not listed here: changed" in text


def test_an_order_that_differs_is_a_failure():
    found = report(comparisons=(Comparison("films", 3, 3, {}, (), ("m2",)),))
    (failure,) = read_junit(told("junit", found)).iter("failure")
    assert (failure.get("type"), failure.get("message")) == ("out-of-order", "another order; 3 of 3 records are equal")
    assert [r["ruleId"] for r in read_sarif(told("sarif", found))["results"]] == ["out-of-order"]
    assert "The order differs, first at m2." in read_html(told("html", found)).text


@pytest.mark.parametrize("counts", [frozenset(), frozenset({"twins"})], ids=["tolerated", "to fail on"])
def test_an_anomaly_fails_only_where_it_was_said_to(counts):
    found = report(anomalies=(Anomaly("twins", ("m1",), "with m2"),), anomaly_count=4)
    more: dict[str, Any] = {
        "fail_on": counts,
        "meanings": {"library": {"twins": {"means": "Twins.", "remedy": "Rename one."}}},
    }
    junit_ = read_junit(told("junit", found, **more))
    assert int(junit_.get("failures")) == len(counts)
    assert "config/library.json:1: m1 (with m2)" in "".join(junit_.itertext())
    levels = {r["ruleId"]: r["level"] for r in read_sarif(told("sarif", found, **more))["results"]}
    assert levels == {"twins": "error" if counts else "note", "more-anomalies": "note"}
    assert "Rename one." in read_html(told("html", found, **more)).text


@pytest.mark.parametrize("state", ["unchecked", "unsettled"])
def test_what_could_not_be_checked_is_an_error_of_junit_and_never_equal(state):
    found = report(state=state, note="why it was not")
    suites = read_junit(told("junit", found))
    assert (suites.get("errors"), suites.get("failures"), suites[0].get("skipped")) == ("1", "0", "1")
    assert "30 not checked" in read_html(told("html", found)).text
    assert "0 of 0 records are equal" in told("github", found)


def test_the_states_of_which_nothing_is_known_are_those_of_the_validation():
    assert set(findings.NOT_COMPARED) == {UNCHECKED, UNSETTLED, SKIPPED}


def test_a_file_that_is_missing_is_no_record_that_is_missing():
    assert read_sarif(told("sarif", report(state="missing")))["results"] == []


def test_a_fingerprint_stays_when_lines_move_and_tells_records_apart():
    def prints(*items: Discrepancy) -> list[str]:
        results = read_sarif(told("sarif", report(*items)))["results"]
        return [result["partialFingerprints"]["record/v1"] for result in results]

    assert prints(changed("a", line=1)) == prints(changed("a", line=99))
    assert len(set(prints(changed("a"), changed("b"), changed("a", "missing")))) == 3


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("config", "config/library.json"),
        ("a b/ä", "a%20b/%C3%A4/library.json"),
        (".", "library.json"),
        ("../config", "../config/library.json"),
        ("/srv/somewhere/config", "config/library.json"),
        (str(Path.cwd() / "below/config"), "below/config/library.json"),
    ],
)
def test_a_place_is_a_relative_reference(folder, expected):
    site = SimpleNamespace(data=Path(folder), db=Path("x.db"), pack=SITE.pack)
    (result,) = read_sarif(told("sarif", report(changed()), site=site))["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == expected


def test_the_summary_counts_what_the_commands_say():
    found = report(changed("a"), changed("b", "unverifiable"), changed("c", "explained"))
    assert read_github(told("github", found))[-1]["summary"] == (
        "mediaos-migrate validate: Files and database differ; 27 of 30 records are equal; 1 error, 1 warning, 1 notice."
    )


def test_a_page_marks_the_members_that_differ_and_only_those():
    both = ({"same": 1, "deep": {"x": 1}, "gone": 2}, {"same": 1, "deep": {"x": 2}})
    item = Discrepancy(("m",), "changed", (Difference("deep.x", "value"), Difference("gone", "absent-null")), 1, both)
    page = read_html(told("html", report(item)))
    assert (page.count("tr", "differs"), page.count("tr", "same"), page.count("mark")) == (2, 1, 3)
    assert "deep.x: value" in page.text
    assert page.text.count("absent") == 2  # the value, and the way in which it differs


def test_a_page_draws_every_past_verdict_with_its_date():
    past = [
        Verdict(
            "library",
            verdict,
            None,
            "",
            {},
            {"compared": 9, "equal": 9 - bad, "unexplained": bad},
            at=f"2026-0{n}-01T00:00:00Z",
        )
        for n, (verdict, bad) in enumerate([("clean", 0), ("differs", 4), ("unverifiable", 1), ("differs", 0)], 1)
    ]
    page = read_html(told("html", report(), trend={"library": past}))
    assert "4 verdicts, 2026-01-01 to 2026-04-01: 1 clean; the last: differs" in page.text
    assert "2026-02-01T00:00:00Z: differs (5 equal, 0 explained, 4 unexplained)" in page.text
    assert (page.count("rect", "unsure"), page.count("rect", "unexplained")) == (1, 2)


def test_a_page_says_what_was_not_checked_and_how_it_was_run():
    page = read_html(told("html", report(changed(kind="unverifiable")), unmapped=["odd.json"], mode="quick"))
    assert "odd.json: not migrated, because the pack does not know it" in page.text
    assert "library: 1 record could not be compared." in page.text
    assert "quick: digests only" in page.text
    assert re.search(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ by mediaos-migrate \d", page.text)


@pytest.mark.parametrize(
    ("found", "more", "title"),
    [
        (report(), {}, "Files and database are equal"),
        (report(changed()), {}, "Files and database differ"),
        (report(changed(kind="unverifiable")), {}, "Not everything could be checked"),
        (
            report(anomalies=(Anomaly("twins", ("m",)),)),
            {"fail_on": frozenset({"twins"})},
            "A rule that counts is broken",
        ),
    ],
)
def test_a_page_begins_with_the_verdict(found, more, title):
    text = told("html", found, **more)
    assert f"<title>{title}</title>" in text
    assert re.search(r"<h1[^>]*>([^<]*)</h1>", text)[1] == title


# ---------------------------------------------------------------- a run that could not be done

DAMAGED: Final = Damaged(
    "syntax", "library.json is not JSON: line 3: found `<x>`.", "Mend it.", file="/home/me/config/library.json", line=3
)


def test_a_refusal_is_one_error_with_its_place():
    (case,) = read_junit(refused("junit", DAMAGED)).iter("testcase")
    assert case.find("error").get("type") == "Damaged"
    (result,) = read_sarif(refused("sarif", DAMAGED))["results"]
    assert (result["ruleId"], result["level"]) == ("Damaged", "error")
    assert result["locations"][0]["physicalLocation"]["region"]["startLine"] == 3
    assert refused("github", DAMAGED) == (
        "::error file=config/library.json,line=3,title=Damaged::library.json is not JSON: line 3: found `<x>`.%0AMend it."
    )
    page = read_html(refused("html", DAMAGED))
    assert DAMAGED.message in page.text
    assert DAMAGED.remedy in page.text


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("error", [Refused("a\nb", "Nothing was changed.", errors=[]), MigrateError("x", "")], ids=str)
def test_every_refusal_is_well_formed(form, error):
    READERS[form](refused(form, error))


# ---------------------------------------------------------------- the checks themselves


@pytest.mark.parametrize(
    "wrong",
    [
        "<testsuites/>",
        '<testsuites tests="0" failures="0" errors="0" odd="1"/>',
        '<testsuites tests="-1" failures="0" errors="0"/>',
        '<testsuites tests="0" failures="0" errors="0">text</testsuites>',
        '<testsuites tests="0" failures="0" errors="0"><testcase name="x" classname="y"/></testsuites>',
        '<testsuite name="" tests="1" failures="0" errors="0"><system-out/><testcase name="x" classname="y"/></testsuite>',
        '<testcase name="x" classname="y"><failure type="" message=""/><error type="" message=""/></testcase>',
        '<testcase name="x" classname="y"><failure type=""/></testcase>',
    ],
)
def test_a_wrong_junit_report_would_be_noticed(wrong):
    assert mistakes(ET.fromstring(wrong)) != []  # noqa: S314  our own text


@pytest.mark.parametrize(
    "wrong",
    [
        {"level": "bad"},
        {"odd": 1},
        {"message": {"text": "{0}"}},
        {"message": {"text": "[x](1)"}},
        {"locations": [{"physicalLocation": {"artifactLocation": {"uri": "a b"}, "region": {"startLine": 1}}}]},
        {"locations": [{"physicalLocation": {"artifactLocation": {"uri": "/a"}, "region": {"startLine": 1}}}]},
        {"locations": [{"physicalLocation": {"artifactLocation": {"uri": "a"}, "region": {"startLine": 0}}}]},
    ],
    ids=json.dumps,
)
def test_a_wrong_sarif_report_would_be_noticed(wrong):
    log = json.loads(told("sarif", report(changed())))
    assert SARIF.is_valid(log)
    log["runs"][0]["results"][0] |= wrong
    assert not SARIF.is_valid(log)


def test_every_form_is_of_the_validate_command():
    modules: list[ModuleType] = list(_tellers().values())
    assert {module.__name__.rsplit(".", 1)[-1] for module in modules} == set(FORMS)
    assert all(callable(module.validated) and callable(module.failed) for module in modules)


# ---------------------------------------------------------------- the page of a rehearsal


def rehearse(folder: Path, report: Path, **more: str) -> Any:
    return command("rehearse", "--data", folder, "--report", report, key=KEY, **more)


def test_a_rehearsal_leaves_a_page_with_what_was_proved_and_what_it_cost(site_folder, tmp_path):
    report = tmp_path / "rehearsal.html"
    assert rehearse(site_folder, report).code == 0
    page = read_html(report.read_text(encoding="utf-8"))
    for told in (
        "A migration can be run",
        "15 of 15",
        "Schema down and up again",
        "Step: import",
        "Memory at its peak",
    ):
        assert told in page.text
    assert KEY not in page.text


def test_a_rehearsal_that_is_refused_leaves_a_page_that_says_why(site_folder, tmp_path):
    (site_folder / "library.json").write_bytes(b'{"items": [')
    report = tmp_path / "rehearsal.html"
    assert rehearse(site_folder, report).code == 4
    assert "library.json" in read_html(report.read_text(encoding="utf-8")).text


def test_the_page_of_a_rehearsal_stays_out_of_the_data_folder(site_folder, tmp_path):
    before = sorted(site_folder.rglob("*"))
    assert rehearse(site_folder, site_folder / "rehearsal.html").code == 4
    assert rehearse(site_folder, tmp_path / "nowhere" / "rehearsal.html").code == 2
    assert sorted(site_folder.rglob("*")) == before
    assert command("migrate", "--data", site_folder, "--report", tmp_path / "a.html").code == 2
