"""What only looks different is no difference: another layout, order of members, spelling, or salt of the same."""

import json
import re
from typing import Any

import planting
import pytest
from planting import PACKS, A, Home, findings, places, settle

from mediaos_migrate.pack import Document
from mediaos_migrate.secrets import Vault
from mediaos_migrate.shapes import Shape
from mediaos_migrate.values import Number, dumps, loads


@pytest.fixture(scope="module")
def settled(tmp_path_factory):
    """Each pack's site, filled and migrated once, when it is first asked for."""
    homes: dict[str, Home] = {}

    def of(name: str) -> Home:
        if name not in homes:
            homes[name] = settle(name, tmp_path_factory.mktemp("site") / name)
        return homes[name]

    return of


def turned(value: Any) -> Any:
    """Return a record with its members, at any depth, in another order."""
    if isinstance(value, dict):
        return {name: turned(value[name]) for name in reversed(value)}
    return list(map(turned, value)) if isinstance(value, list) else value


def in_records(document: Document, value: Any, change: Any) -> Any:
    """Change each record, and leave alone how records follow each other."""
    if document.shape is Shape.ONE:
        return change(value)
    if document.shape is Shape.LIST:
        return {
            name: [change(e) for e in each] if name == document.under else change(each) for name, each in value.items()
        }
    return {name: change(each) for name, each in value.items()}


def respelled(value: Any) -> Any:
    """Return a value with every number in another spelling: 5.0 for 5, 15e-1 for 1.5, 5 for 5.0."""
    if isinstance(value, dict):
        return {name: respelled(each) for name, each in value.items()}
    if isinstance(value, list):
        return list(map(respelled, value))
    if type(value) is int:
        return Number(f"{value}.0")
    token = dumps(value)
    if isinstance(value, float | Number) and re.fullmatch(r"-?\d+\.\d+", token):
        return int(float(token)) if float(token).is_integer() else Number(token + "0")
    return value


def resealed(value: Any, old: Vault, new: Vault) -> Any:
    if isinstance(value, dict):
        return {name: resealed(each, old, new) for name, each in value.items()}
    if isinstance(value, list):
        return [resealed(each, old, new) for each in value]
    opened = old.open(value) if isinstance(value, str) else None
    return value if opened is None else new.seal(opened)


OTHER = Vault(planting.KEY)


def escaped(text: str) -> str:
    r"""Write every letter inside of strings as \uXXXX."""
    return re.sub(
        r'"((?:[^"\\]|\\.)*)"',
        lambda found: '"' + "".join(map(letter, re.findall(r"\\u....|\\.|.", found[1]))) + '"',
        text,
    )


def letter(piece: str) -> str:
    if piece[0] == "\\":
        return piece
    units = piece.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{int.from_bytes(units[n : n + 2]):04X}" for n in range(0, len(units), 2))


def indented(text: str, **how: Any) -> str:
    """Write JSON raw, but for halves of surrogate pairs, which no file can hold."""
    raw = json.dumps(json.loads(text), ensure_ascii=False, **how)
    return re.sub("[\ud800-\udfff]", lambda half: f"\\u{ord(half[0]):04x}", raw)


def other_spelling(document: Document, text: str) -> str:
    """Spell every number in another way, except where a key is a number: there the spelling is the name."""
    keys = {part.columns[column].member for part in document.parts for column in part.key}

    def change(value: Any) -> Any:
        if not isinstance(value, dict):
            return value if "$value" in keys else respelled(value)
        return {name: each if name in keys else respelled(each) for name, each in value.items()}

    return dumps(in_records(document, loads(text), change))


LOOKS = {
    "two spaces": lambda _, text: indented(text, indent=2),
    "a tab": lambda _, text: json.dumps(json.loads(text), indent="\t"),
    "one line": lambda _, text: json.dumps(json.loads(text), separators=(",", ":")),
    "wide": lambda _, text: indented(text, separators=("  ,  ", "  :  ")),
    "ASCII": lambda _, text: json.dumps(json.loads(text), ensure_ascii=True),
    "final newline": lambda _, text: text + "\n",
    "carriage returns": lambda _, text: json.dumps(json.loads(text), indent=1).replace("\n", "\r\n") + "\r\n",
    "order of members": lambda document, text: dumps(in_records(document, loads(text), turned)),
    "order of members, and spaces": lambda document, text: json.dumps(
        in_records(document, json.loads(text), turned), indent=3
    ),
    "another salt": lambda _, text: dumps(resealed(loads(text), planting.vault, OTHER)),
    "escapes": lambda _, text: escaped(text),
}


def assert_same(home: Home, document: Document, rewrite: Any) -> None:
    path = home.site.file(document)
    before = path.read_text(encoding="utf-8")
    after = rewrite(document, before)
    path.write_text(after, encoding="utf-8", newline="")
    try:
        result = home.look(document.name)
    finally:
        home.restore()
    assert (result.exit_code, findings(result)) == (0, set()), document.name


@pytest.mark.parametrize("name", PACKS)
@pytest.mark.parametrize("look", LOOKS)
def test_what_only_looks_different_is_no_difference(settled, name, look):
    home = settled(name)
    for document in home.site.pack.documents.values():
        assert_same(home, document, LOOKS[look])


@pytest.mark.parametrize("name", PACKS)
def test_another_spelling_of_a_number_is_no_difference(settled, name):
    home = settled(name)
    for document in home.site.pack.documents.values():
        assert_same(home, document, other_spelling)


@pytest.mark.parametrize("name", PACKS)
def test_beside_a_difference_another_spelling_is_named_and_explained(settled, name):
    """A record that differs is looked at closely, and then its other spelling is named too, as none."""
    home = settled(name)
    for place in places(home.site.pack):
        for column, how in place.part.columns.items():
            if how.codec not in ("integer", "real") or place.whole:
                continue
            spelled = "101.0" if how.codec == "integer" else "1.50"
            sql = f"{column} = NULL, extra = json_set(extra, ?, json(?), '$.unmapped', 'other')"
            place.fault("", sql, f"$.{how.member}", spelled).plant(home)
            result = home.look(place.document.name)
            home.restore()
            [found] = [d for report in result.documents for c in report.comparisons for d in c.discrepancies]
            told = {(each.path, each.way, each.rule) for each in found.differences}
            assert (found.key, (how.member, "number-spelling", "number-spelling") in told) == (place.key(A), True)


@pytest.mark.parametrize("name", PACKS)
def test_the_same_instant_is_explained_where_the_pack_says_so(settled, name):
    home = settled(name)
    for place in places(home.site.pack):
        covered = {member for rule in place.part.explains if rule.way == "instant" for member in rule.members}
        for column, how in place.part.columns.items():
            if how.codec == "instant":
                fault = place.fault("", f"{column} = replace({column}, '.000Z', '+00:00')")
                fault.plant(home)
                result = home.look(place.document.name)
                home.restore()
                kind = "explained" if how.member in covered else "changed"
                assert findings(result) == {(place.table, kind, place.key(A))}
                assert result.exit_code == (0 if kind == "explained" else 3)
                if kind == "explained":
                    assert [r.explained for r in result.documents] == [{"same-instant": 1}]


@pytest.mark.parametrize("name", PACKS)
def test_positions_count_as_an_order_only(settled, name):
    home = settled(name)
    for place in places(home.site.pack):
        home.sql((f"UPDATE {place.table} SET position = position * 10 + 3", ()))
    home.sql(("UPDATE _mm_quarantine SET position = position * 10 + 3", ()))
    codes = {document: home.look(document).exit_code for document in home.site.pack.documents}
    home.restore()
    assert set(codes.values()) == {0}


@pytest.mark.parametrize("name", PACKS)
def test_how_a_number_is_spelled_in_a_column_is_no_difference(settled, name):
    home = settled(name)
    for place in places(home.site.pack):
        for column, how in place.part.columns.items():
            if how.codec in ("integer", "real") and not place.whole:
                spelled = "101.0" if how.codec == "integer" else "1.50"
                sql = f"{column} = NULL, extra = json_set(extra, ?, json(?))"
                place.fault("", sql, f"$.{how.member}", spelled).plant(home)
                assert home.look(place.document.name).exit_code == 0
                home.restore()
