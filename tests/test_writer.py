"""Writing a document: all of it from nothing, or only what changed over the bytes of an older file."""

from io import BytesIO
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from json_texts import UNDER, document, documents, lists_of, meaning, strings, tokens, unhurried, values

from mediaos_migrate.documents import writer
from mediaos_migrate.documents.reader import Reading
from mediaos_migrate.documents.style import Style
from mediaos_migrate.documents.writer import LAST, Content, Patch, Want, write
from mediaos_migrate.shapes import Role, Shape
from mediaos_migrate.values import dumps, loads

MAPS = [Shape.MAP, Shape.VALUES, Shape.LISTS]
NEW = loads('{"new":[1.0,"é\\ud800"]}')
drawn = values.map(loads)
names = strings.map(meaning)
styles = st.sampled_from(
    [Style(), Style("\t", "\r\n", ":"), Style("", "", ":"), Style("    ", "\n", ": ", ascii_only=True)]
)
shaped = st.sampled_from(list(Shape)).flatmap(lambda shape: st.tuples(st.just(shape), documents(shape)))
many = st.sampled_from([Shape.LIST, *MAPS]).flatmap(lambda shape: st.tuples(st.just(shape), documents(shape)))


class Said(NamedTuple):
    """What a document says, token for token."""

    before: list[tuple[str, str]]
    entries: list[tuple[str | None, str]]
    after: list[tuple[str, str]]
    contained: bool


def said(path, shape, **more):
    found = Said([], [], [], shape is not Shape.LIST)
    for piece in Reading(path, document(shape, **more)):
        if piece.role is Role.OPEN and piece.name == UNDER:
            found = found._replace(contained=True)
        elif piece.role is Role.SIBLING:
            (found.after if found.contained else found.before).append((piece.name, dumps(piece.value)))
        elif piece.role is Role.ENTRY:
            found.entries.append((piece.name, dumps(piece.value)))
    return found


class Base:
    """A file to patch, and what it is to say: begins as what it says already."""

    def __init__(self, path, shape, **more):
        self.path, self.shape, self.document = path, shape, document(shape, **more)
        self.data = path.read_bytes()
        pieces = list(Reading(path, self.document))
        self.pieces = [piece for piece in pieces if piece.role is Role.ENTRY]
        self.siblings = [piece for piece in pieces if piece.role is Role.SIBLING]
        at = next((piece.head for piece in pieces if piece.name == UNDER and piece.role is Role.OPEN), LAST)
        self.entries = [Want(self.identity(p, n), n, p.name, p.value) for n, p in enumerate(self.pieces)]
        self.before = [Want((p.name,), n, p.name, p.value) for n, p in enumerate(self.siblings) if p.head < at]
        self.after = [Want((p.name,), n, p.name, p.value) for n, p in enumerate(self.siblings) if p.head > at]
        self.contained = shape is not Shape.LIST or at != LAST

    def identity(self, piece, index):
        return ("entry", str(index) if piece.name is None else piece.name)

    def place(self, identity):
        return next((n for n, want in enumerate(self.entries) if want.identity == identity), None)

    def raw(self, piece):
        return self.data[piece.head : piece.stop]

    def patched(self):
        out = BytesIO()
        wants = [want._replace(place=n) for n, want in enumerate(self.entries)]
        content = Content(lambda: wants, self.before, self.after, self.contained)
        Patch(self.path, self.document, Style.of(self.path)).write(out, content, self)
        return out.getvalue()

    def wanted(self):
        entries = [(want.name, dumps(want.value)) for want in self.entries]
        before, after = ([(want.name, dumps(want.value)) for want in side] for side in (self.before, self.after))
        return Said(before, entries if self.contained else [], after, self.contained)

    def new(self, value=NEW):
        name = None if self.shape is Shape.LIST else "a name that no file has"
        return Want(("new", "entry"), 0, name, value)


@pytest.fixture
def base(tmp_path):
    """Write a file and make a base of it."""

    def base(text, shape, **more):
        path = tmp_path / "base.json"
        path.write_bytes(text.encode())
        return Base(path, shape, **more)

    return base


@pytest.fixture
def read_back(tmp_path):
    """Write bytes into a file and return what it says."""

    def read_back(data, shape, **more):
        path = tmp_path / "result.json"
        path.write_bytes(data)
        return said(path, shape, **more)

    return read_back


def follows(data, parts):
    """Tell whether some bytes hold all these parts, one after another."""
    at = 0
    for part in parts:
        at = data.find(part, at)
        if at < 0:
            return False
        at += len(part)
    return True


@unhurried
@given(
    entries=st.lists(drawn, max_size=5).map(lambda found: [Want((str(n),), n, None, v) for n, v in enumerate(found)]),
    siblings=st.dictionaries(names.filter(lambda name: name != UNDER), drawn, max_size=4),
    split=st.none() | st.integers(0, 4),
    style=styles,
)
def test_a_list_written_from_nothing_says_what_was_wanted(entries, siblings, split, style, read_back):
    members = [Want((name,), n, name, value) for n, (name, value) in enumerate(siblings.items())]
    contained = split is not None
    content = Content(lambda: entries, members[: split or 0], members[split or 0 :], contained)
    out = BytesIO()
    write(out, document(Shape.LIST), content, style)
    found = read_back(out.getvalue(), Shape.LIST, optional=True)
    around = [(want.name, dumps(want.value)) for want in members]
    assert found.before + found.after == around
    assert found.before == around[:split]
    assert found.entries == [(None, dumps(want.value)) for want in entries if contained]
    assert found.contained == contained


@unhurried
@given(shape=st.sampled_from(MAPS), entries=st.dictionaries(names, drawn, max_size=5), style=styles)
def test_a_map_written_from_nothing_says_what_was_wanted(shape, entries, style, read_back):
    wants = [Want((name,), n, name, value) for n, (name, value) in enumerate(entries.items())]
    out = BytesIO()
    write(out, document(shape), Content(lambda: wants, [], [], True), style)
    assert read_back(out.getvalue(), shape).entries == [(name, dumps(value)) for name, value in entries.items()]


@unhurried
@given(value=drawn, style=styles)
def test_one_value_written_from_nothing_says_what_was_wanted(value, style, read_back):
    out = BytesIO()
    write(out, document(Shape.ONE), Content(lambda: [Want((), 0, None, value)], [], [], True), style)
    assert read_back(out.getvalue(), Shape.ONE).entries == [(None, dumps(value))]


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        (Shape.LIST, '{\n  "a": 1,\n  "items": [\n    {\n      "id": "x"\n    },\n    2\n  ],\n  "b": []\n}'),
        (Shape.LIST, '{\n  "items": []\n}'),
        (Shape.MAP, '{\n  "x": {\n    "id": "x"\n  },\n  "y": {}\n}'),
        (Shape.MAP, "{}"),
        (Shape.LISTS, '{\n  "x": [\n    1,\n    "é"\n  ],\n  "y": []\n}'),
        (Shape.ONE, '{\n  "a": [\n    null\n  ]\n}'),
        (Shape.ONE, "5"),
    ],
)
def test_the_layout_from_nothing_is_that_of_json_stringify(shape, text, base):
    made = base(text, shape)
    out = BytesIO()
    write(out, made.document, Content(lambda: made.entries, made.before, made.after, made.contained))
    assert out.getvalue() == text.encode()


def test_a_list_without_container_and_siblings_is_an_empty_object():
    out = BytesIO()
    write(out, document(Shape.LIST, optional=True), Content(list, [], [], False))
    assert out.getvalue() == b"{}"


@unhurried
@given(case=shaped)
def test_a_patch_without_a_change_gives_every_byte(case, base):
    shape, text = case
    assert base(text, shape).patched() == text.encode()


@unhurried
@given(case=shaped, size=st.sampled_from([1, 2, 7]))
def test_a_patch_is_the_same_however_short_the_copies_are(case, size, base):
    shape, text = case
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "CHUNK", size)
        assert base(text, shape).patched() == text.encode()


@unhurried
@given(case=shaped, data=st.data())
def test_a_changed_record_changes_no_other_byte(case, data, base, read_back):
    shape, text = case
    made = base(text, shape)
    if not made.entries:
        return
    at = data.draw(st.integers(0, len(made.entries) - 1))
    made.entries[at] = made.entries[at]._replace(value=NEW)
    result = made.patched()
    piece = made.pieces[at]
    assert result.startswith(made.data[: piece.head])
    assert result.endswith(made.data[piece.stop :])
    assert read_back(result, shape) == made.wanted()


@unhurried
@given(case=many, data=st.data())
def test_a_removed_record_takes_only_its_own_bytes_with_it(case, data, base, read_back):
    shape, text = case
    made = base(text, shape)
    if not made.entries:
        return
    at = data.draw(st.integers(0, len(made.entries) - 1))
    del made.entries[at]
    result = made.patched()
    assert follows(result, [made.raw(piece) for n, piece in enumerate(made.pieces) if n != at])
    assert not made.entries or result.endswith(made.data[made.pieces[-1].stop :])
    assert read_back(result, shape) == made.wanted()


@unhurried
@given(case=many, data=st.data())
def test_a_new_record_leaves_all_others_as_they_are(case, data, base, read_back):
    shape, text = case
    made = base(text, shape)
    made.entries.insert(data.draw(st.integers(0, len(made.entries))), made.new())
    result = made.patched()
    assert follows(result, map(made.raw, made.pieces))
    assert read_back(result, shape) == made.wanted()


@unhurried
@given(case=many, data=st.data())
def test_a_moved_record_leaves_all_others_as_they_are(case, data, base, read_back):
    shape, text = case
    made = base(text, shape)
    if not made.entries:
        return
    places = st.integers(0, len(made.entries) - 1)
    old, new = data.draw(places), data.draw(places)
    made.entries.insert(new, made.entries.pop(old))
    result = made.patched()
    near = abs(old - new) == 1  # which of two neighbors has moved, nobody can tell
    others = [made.raw(piece) for n, piece in enumerate(made.pieces) if n != old and not (near and n == new)]
    assert follows(result, others)
    assert read_back(result, shape) == made.wanted()


@unhurried
@given(case=many, data=st.data())
def test_after_any_changes_the_file_says_what_was_wanted(case, data, base, read_back):
    shape, text = case
    made = base(text, shape)
    made.entries = list(data.draw(st.permutations(made.entries)))[: data.draw(st.integers(0, 6))]
    for at in data.draw(st.sets(st.integers(0, 5))):
        made.entries[at:at] = [Want(("new", str(at)), 0, made.new().name and f"a name that no file has, {at}", NEW)]
        if at + 1 < len(made.entries):
            made.entries[at + 1] = made.entries[at + 1]._replace(value=[at])
    assert read_back(made.patched(), shape) == made.wanted()


@unhurried
@given(text=documents(Shape.LIST), data=st.data())
def test_whatever_happens_to_the_siblings_leaves_all_records_as_they_are(text, data, base, read_back):
    made = base(text, Shape.LIST)
    members = data.draw(st.permutations([*made.before, None, *made.after]))
    members = [member for member in members if member is None or data.draw(st.booleans())]
    members.insert(data.draw(st.integers(0, len(members))), Want(("new",), 0, "a name that no file has", NEW))
    at = members.index(None)
    made.before, made.after = members[:at], members[at + 1 :]
    if made.before:
        made.before[0] = made.before[0]._replace(value=["changed"])
    result = made.patched()
    assert follows(result, map(made.raw, made.pieces))
    assert read_back(result, Shape.LIST) == made.wanted()


@unhurried
@given(text=documents(Shape.LIST), data=st.data())
def test_a_changed_sibling_changes_no_other_byte(text, data, base, read_back):
    made = base(text, Shape.LIST)
    if not made.siblings:
        return
    piece = data.draw(st.sampled_from(made.siblings))
    for side in (made.before, made.after):
        side[:] = [want._replace(value=NEW) if want.name == piece.name else want for want in side]
    result = made.patched()
    assert result.startswith(made.data[: piece.head])
    assert result.endswith(made.data[piece.stop :])
    assert read_back(result, Shape.LIST) == made.wanted()


@unhurried
@given(text=documents(Shape.LIST), entry=drawn)
def test_a_container_can_go_and_come(text, entry, base, read_back):
    made = base(text, Shape.LIST, optional=True)
    made.contained = False
    without = made.patched()
    assert read_back(without, Shape.LIST, optional=True)._replace(before=[], after=[]) == Said([], [], [], False)
    again = base(without.decode(), Shape.LIST, optional=True)
    again.contained, again.entries = True, [Want(("new",), 0, None, entry)]
    again.before, again.after = again.before[:1], again.before[1:]
    assert read_back(again.patched(), Shape.LIST, optional=True) == again.wanted()


@unhurried
@given(text=st.one_of([lists_of(values, max_size=4), values]), value=drawn)
def test_one_value_is_replaced_as_a_whole(text, value, base, read_back):
    made = base(f" {text}\r\n", Shape.ONE)
    made.entries = [Want((), 0, None, value)]
    result = made.patched()
    assert (result[:1], result[-2:]) == (b" ", b"\r\n")
    assert read_back(result, Shape.ONE) == made.wanted()


LAID_OUT = {
    "indented": (
        '{\n  "items": [\n    1,\n    2\n  ]\n}\n',
        '{\n  "items": [\n    1,\n    {\n      "a": "é"\n    },\n    2\n  ]\n}\n',
    ),
    "four blanks": (
        '{\n    "items": [\n        1,\n        2\n    ]\n}',
        '{\n    "items": [\n        1,\n        {\n            "a": "é"\n        },\n        2\n    ]\n}',
    ),
    "tabs and carriage returns": (
        '{\r\n\t"items": [\r\n\t\t1,\r\n\t\t2\r\n\t]\r\n}',
        '{\r\n\t"items": [\r\n\t\t1,\r\n\t\t{\r\n\t\t\t"a": "é"\r\n\t\t},\r\n\t\t2\r\n\t]\r\n}',
    ),
    "on one line": ('{"items":[1,2]}', '{"items":[1,{"a":"é"},2]}'),
    "with blanks": ('{"items": [ 1, 2 ]}', '{"items": [ 1, {"a": "é"}, 2 ]}'),
    "ascii only": ('{"items":[1,2],"x":"\\u00e4"}', '{"items":[1,{"a":"\\u00e9"},2],"x":"\\u00e4"}'),
}


@pytest.mark.parametrize("name", LAID_OUT)
def test_a_new_record_is_laid_out_like_the_rest(name, base):
    old, new = LAID_OUT[name]
    made = base(old, Shape.LIST)
    made.entries.insert(1, made.new({"a": "é"}))
    assert made.patched() == new.encode()


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([0, 1, 2], '{"items":[\n 1.0 ,\n\n "\\u0041",\n\t{"b":1e2} ]}\r\n'),
        ([1, 2], '{"items":[\n "\\u0041",\n\t{"b":1e2} ]}\r\n'),
        ([0, 2], '{"items":[\n 1.0,\n {"b":1e2} ]}\r\n'),
        ([0, 1], '{"items":[\n 1.0 ,\n\n "\\u0041" ]}\r\n'),
        ([], '{"items":[]}\r\n'),
        ([1, 2, 0], '{"items":[\n "\\u0041",\n\t{"b":1e2},\n 1.0 ]}\r\n'),
        ([2, 0, 1], '{"items":[\n {"b":1e2},\n 1.0 ,\n\n "\\u0041" ]}\r\n'),
    ],
)
def test_records_keep_their_spelling_whatever_happens_around_them(entries, expected, base):
    made = base('{"items":[\n 1.0 ,\n\n "\\u0041",\n\t{"b":1e2} ]}\r\n', Shape.LIST)
    made.entries = [made.entries[n] for n in entries]
    assert made.patched() == expected.encode()


@pytest.mark.parametrize("shape", [Shape.LIST, Shape.MAP])
@pytest.mark.parametrize("left", [[0], [1], [2], [0, 1], [0, 2], [1, 2]])
def test_a_file_with_a_record_a_line_stays_one_whichever_are_removed(shape, left, base):
    around = ('{"a":1,"items":[', "]}\n") if shape is Shape.LIST else ("{", "}\n")
    lines = [f'\n{{"id":{n}}}' if shape is Shape.LIST else f'\n"{n}":{{}}' for n in range(3)]
    made = base(f"{around[0]}{','.join(lines)}\n{around[1]}", shape)
    made.entries = [made.entries[n] for n in left]
    assert made.patched().decode() == f"{around[0]}{','.join(lines[n] for n in left)}\n{around[1]}"


@unhurried
@given(case=many)
def test_a_patch_can_take_everything_away(case, base, read_back):
    shape, text = case
    made = base(text, shape)
    made.entries = []
    result = made.patched()
    assert read_back(result, shape) == made.wanted()


@unhurried
@given(case=many)
def test_a_patch_can_replace_everything(case, base, read_back):
    shape, text = case
    made = base(text, shape)
    made.entries = [made.new()]
    assert read_back(made.patched(), shape) == made.wanted()
    assert tokens(made.patched().decode())
