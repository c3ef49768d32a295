"""Reading a document: every piece with its exact bytes, all or nothing, and what salvage leaves is listed."""

import hashlib
import json
import subprocess
import sys

import json_cases
import pytest
from broken_files import BROKEN, FOLDER, identity
from conftest import FIXTURES
from hypothesis import given
from hypothesis import strategies as st
from json_texts import document, documents, meaning, tokens, unhurried

from mediaos_migrate import pack
from mediaos_migrate.documents import window
from mediaos_migrate.documents.reader import Reading, Rest, part_of, refuse_twins
from mediaos_migrate.errors import Damaged
from mediaos_migrate.shapes import Role, Shape
from mediaos_migrate.values import dumps

MEDIAOS = pack.load("mediaos")
SHAPES = list(Shape)
shaped = st.sampled_from(SHAPES).flatmap(lambda shape: st.tuples(st.just(shape), documents(shape)))
# What stands between pieces: white space, commas, brackets, the byte order mark.
LAYOUT = b" \t\r\n,[]{}\xef\xbb\xbf"


@pytest.fixture
def put(tmp_path):
    """Write a file and return its path."""

    def put(data, name="sample.json"):
        path = tmp_path / name
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    return put


def read(path, shape=Shape.LIST, **more):
    return list(Reading(path, document(shape, **more)))


def entries(pieces):
    return [piece for piece in pieces if piece.role is Role.ENTRY]


def refused(path, shape=Shape.LIST, *, salvage=False, **more):
    with pytest.raises(Damaged) as caught:
        list(Reading(path, document(shape, **more), salvage=salvage))
    facts = caught.value.facts
    return caught.value.kind, facts["line"], facts["column"]


def salvaged(path, shape=Shape.LIST, **more):
    reading = Reading(path, document(shape, **more), salvage=True)
    return list(reading), reading.rest


def unaccounted(data, pieces, rest):
    """Return the bytes that are neither taken nor left over nor layout."""
    left = bytearray(data)
    spans = [(piece.head, piece.stop) for piece in pieces] + [(item.start, item.stop) for item in rest]
    for start, stop in spans:
        left[start:stop] = b" " * (stop - start)
    return bytes(left).strip(LAYOUT).translate(None, LAYOUT)


def said(pieces):
    """Return the tokens that a document's pieces say, without the commas."""
    found = []
    for piece in pieces:
        found += [] if piece.name is None or piece.role is Role.CLOSE else [("string", piece.name), ":"]
        match piece.role:
            case Role.OPEN:
                found += "{" if piece.name is None else "["
            case Role.CLOSE:
                found += "}" if piece.name is None else "]"
            case _:
                found += without_commas(dumps(piece.value))
    return found


def without_commas(text):
    return [token for token in tokens(text) if token != ","]


@unhurried
@given(case=shaped)
def test_a_range_of_bytes_decodes_to_the_value_of_its_piece(case, put):
    shape, text = case
    data = text.encode()
    for piece in read(put(data), shape):
        if piece.role in (Role.ENTRY, Role.SIBLING):
            assert tokens(data[piece.start : piece.stop].decode()) == tokens(dumps(piece.value))
        else:
            assert data[piece.start : piece.stop] in (b"{", b"}", b"[", b"]")


@unhurried
@given(case=shaped)
def test_the_head_of_a_piece_is_its_name(case, put):
    shape, text = case
    data = text.encode()
    for piece in read(put(data), shape):
        head = data[piece.head : piece.start].decode().rstrip(" \t\r\n:")
        named = piece.name is not None and piece.role is not Role.CLOSE
        assert (meaning(head) if head else None) == (piece.name if named else None)


@unhurried
@given(case=shaped)
def test_the_pieces_of_a_document_are_all_that_it_says(case, put):
    shape, text = case
    assert said(read(put(text), shape)) == without_commas(text)


@unhurried
@given(case=shaped, size=st.sampled_from([1, 2, 3, 7]))
def test_the_pieces_are_the_same_however_short_the_reads_are(case, size, put):
    shape, text = case
    path = put(text)
    expected = read(path, shape)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(window, "CHUNK", size)
        assert read(path, shape) == expected


@unhurried
@given(case=shaped)
def test_a_reading_knows_digest_and_size(case, put):
    shape, text = case
    reading = Reading(put(text), document(shape))
    reading.check()
    assert (reading.digest, reading.size) == (hashlib.sha256(text.encode()).hexdigest(), len(text.encode()))
    assert reading.rest == []


@unhurried
@given(case=shaped)
def test_salvage_takes_all_of_a_sound_file(case, put):
    shape, text = case
    path = put(text)
    assert salvaged(path, shape) == (read(path, shape), [])


@unhurried
@given(case=shaped)
def test_a_byte_order_mark_is_refused_and_salvage_strips_it(case, put):
    shape, text = case
    expected = [(piece.name, piece.value) for piece in read(put(text), shape)]
    path = put("\ufeff" + text)
    assert refused(path, shape) == ("bom", 1, 1)
    pieces, rest = salvaged(path, shape)
    assert [(piece.name, piece.value) for piece in pieces] == expected
    assert rest == []


@unhurried
@given(case=shaped, data=st.data())
def test_a_file_that_ends_early_is_never_taken_for_a_shorter_one(case, data, put):
    shape, text = case
    end = len(text.rstrip(" \t\r\n"))
    part = text[: data.draw(st.integers(0, end - 1))]
    path = put(part)
    if not part.strip(" \t\r\n"):
        assert refused(path, shape)[0] == "empty"
    elif shape is not Shape.ONE or text.strip(" \t\r\n")[0] in '{["':
        assert refused(path, shape)[0] == "truncated"


@unhurried
@given(case=shaped, data=st.data())
def test_salvage_leaves_no_byte_of_a_file_that_ends_early_unaccounted(case, data, put):
    shape, text = case
    part = text.encode()[: data.draw(st.integers(0, len(text.encode())))]
    reading = Reading(put(part), document(shape), salvage=True)
    try:
        pieces = list(reading)
    except Damaged:
        return
    assert unaccounted(part, pieces, reading.rest) == b""


@unhurried
@given(case=shaped, data=st.data())
def test_salvage_leaves_no_byte_of_a_spoilt_file_unaccounted(case, data, put):
    shape, text = case
    spoilt = bytearray(text.encode())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(spoilt) - 1))
        spoilt[place] = data.draw(st.sampled_from(b'\xff\xe9\x00\n",:{}[]x\\'))
    reading = Reading(put(bytes(spoilt)), document(shape), salvage=True)
    try:
        pieces = list(reading)
    except Damaged:
        return
    assert unaccounted(bytes(spoilt), pieces, reading.rest) == b""


@unhurried
@given(case=shaped, data=st.data())
def test_whatever_happens_to_a_file_it_is_read_or_refused_as_damaged(case, data, put):
    shape, text = case
    spoilt = bytearray(text.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(spoilt)))
        spoilt[place : place + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
    try:
        pieces = read(put(bytes(spoilt)), shape)
    except Damaged:
        return
    json.loads(spoilt)  # what we take, the standard library takes
    assert said(pieces) == without_commas(spoilt.decode())


def test_a_reading_can_be_repeated(put):
    path = put('{"items":[{"id":"a"},')
    reading = Reading(path, document(Shape.LIST), salvage=True)
    assert list(reading) == list(reading)
    assert len(reading.rest) == 1


@pytest.mark.parametrize(
    ("shape", "text", "expected"),
    [
        (Shape.LIST, '{"items":[]}', [("open", None), ("open", "items"), ("close", "items"), ("close", None)]),
        (Shape.MAP, "{}", [("open", None), ("close", None)]),
        (Shape.VALUES, '{"a":1}', [("open", None), ("entry", "a"), ("close", None)]),
        (Shape.LISTS, '{"a":[1]}', [("open", None), ("entry", "a"), ("close", None)]),
        (Shape.ONE, "[1]", [("entry", None)]),
        (
            Shape.LIST,
            '{"a":1,"items":[2,3],"b":4}',
            [
                ("open", None),
                ("sibling", "a"),
                ("open", "items"),
                *[("entry", None)] * 2,
                ("close", "items"),
                ("sibling", "b"),
                ("close", None),
            ],
        ),
    ],
)
def test_a_document_comes_in_pieces(shape, text, expected, put):
    assert [(piece.role.value, piece.name) for piece in read(put(text), shape)] == expected


def test_bytes_are_counted_and_not_characters(put):
    path = put('{\r\n"é":"日",\r\n"items":[\r\n"😀"\r\n]}\r\n')
    ranges = {(piece.name, piece.head, piece.start, piece.stop) for piece in read(path) if piece.value}
    assert ranges == {("é", 3, 8, 13), (None, 27, 27, 33)}
    assert part_of(path, 27, 33) == '"😀"'.encode()


def test_the_container_may_be_missing_only_where_the_app_leaves_it_out(put):
    path = put('{"a":1}')
    assert [piece.name for piece in read(path, optional=True)] == [None, "a", None]
    assert refused(path) == ("wrong-container", 1, 1)


@pytest.mark.parametrize("root", ["[]", "1", "-1", '"a"', "null", "true", "false"])
@pytest.mark.parametrize("shape", [Shape.LIST, Shape.MAP, Shape.VALUES, Shape.LISTS])
def test_another_root_is_refused(shape, root, put):
    assert refused(put(f" {root}"), shape) == ("wrong-container", 1, 2)


@pytest.mark.parametrize("inside", ["{}", "1", '"a"', "null", "true"])
@pytest.mark.parametrize("optional", [False, True])
def test_another_container_is_refused_even_by_salvage(inside, optional, put):
    path = put(f'{{"a":[1],"items":{inside}}}')
    assert refused(path, optional=optional) == ("wrong-container", 1, 18)
    assert refused(path, optional=optional, salvage=True) == ("wrong-container", 1, 18)


@pytest.mark.parametrize("text", ["garbage", "\0{}", "'a'", "<html>"])
@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_no_json_at_all_is_refused_in_any_shape(shape, text, put):
    kind, line, column = refused(put(text), shape)
    assert kind in {"syntax", "nul-hole"}
    assert (line, column) == (1, 1)


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ('{"a":1,"a":2,"items":[]}', 8),
        ('{"a":1,"items":[],"\\u0061":2}', 19),
        ('{"items":[],"items":[]}', 13),
        ('{"a":1,"items":[1],"it\\u0065ms":[]}', 20),
        ('{"items":[{"a":1,"a":2}]}', 18),
        ('{"items":[{"b":{"a":1,"a":2}}]}', 23),
        ('{"b":{"a":[{"c":1,"c":2}]},"items":[]}', 19),
    ],
)
def test_a_member_twice_is_refused_wherever_it_is(text, column, put):
    assert refused(put(text)) == ("duplicate", 1, column)


def test_of_a_member_twice_salvage_takes_the_first_and_all_others(put):
    path = put('{"a":1, "items":[3], "a":[2, {"x":4}], "b":5, "items":[6]}')
    pieces, rest = salvaged(path)
    assert [(piece.name, piece.value) for piece in pieces if piece.value is not None] == [("a", 1), (None, 3), ("b", 5)]
    assert [part_of(path, item.start, item.stop) for item in rest] == [b'"a":[2, {"x":4}]', b'"items":[6]']


def test_a_name_twice_in_a_map_is_found_by_its_hash(put):
    path = put('{"a":1,\n"b":2,\n "a":3}')
    twins = frozenset([hash(("$name", "a"))])
    with pytest.raises(Damaged) as caught:
        refuse_twins(path, document(Shape.VALUES), twins)
    assert (caught.value.facts["line"], caught.value.facts["column"]) == (3, 2)


def test_names_of_equal_hash_that_differ_are_no_twins(put):
    twins = frozenset([hash(("$name", "a")), hash(("$name", "b"))])
    refuse_twins(put('{"a":1,"b":2}'), document(Shape.VALUES), twins)


@pytest.mark.parametrize(
    ("shape", "text", "taken", "rest"),
    [
        (Shape.MAP, b'{"a":1,"b":"\xe9","c":3}', ["a", "c"], [b'"b":"\xe9"']),
        (Shape.MAP, b'{"a":1,"\xe9":[2],"c":3}', ["a", "c"], [b'"\xe9":[2]']),
        (Shape.MAP, b'{"a":1,"b":{"x":1,"x":2},"c":3}', ["a", "c"], [b'"b":{"x":1,"x":2}']),
        (Shape.MAP, b'{"a":1,"b":tru,"c":3}', ["a"], [b'"b":tru,"c":3}']),
        (Shape.MAP, b'{"a":1,"b" 2,"c":3}', ["a"], [b'"b" 2,"c":3}']),
        (Shape.MAP, b'{"a":1,"b', ["a"], [b'"b']),
        (Shape.MAP, b'{"a":1 "b":2}', ["a"], [b'"b":2}']),
        (Shape.MAP, b'{"a":1}\n{"b":2}', ["a"], [b'{"b":2}']),
        (
            Shape.LIST,
            b'{"b":"\xff","items":[1],"c":"\xfe","d":0}',
            ["items", None, "items", "d"],
            [b'"b":"\xff"', b'"c":"\xfe"'],
        ),
        (Shape.LIST, b'{"items":[1,"\xff",2]}', ["items", None, None, "items"], [b'"\xff"']),
        (Shape.LIST, b'{"items":[1,"\xff', ["items", None], [b'"\xff']),
        (Shape.LIST, b'{"items":[1],"b":[2', ["items", None, "items"], [b'"b":[2']),
        (Shape.ONE, b'{"a":1}\0\0\0', [None], [b"\0\0\0"]),
        (Shape.ONE, b'{"a":1}}', [None], [b"}"]),
    ],
)
def test_salvage_takes_what_is_whole_and_lists_the_rest_byte_for_byte(shape, text, taken, rest, put):
    path = put(text)
    pieces, left = salvaged(path, shape)
    assert [piece.name for piece in pieces if piece.name is not None or piece.role is Role.ENTRY] == taken
    assert [part_of(path, item.start, item.stop) for item in left] == rest


@pytest.mark.parametrize(
    ("shape", "text", "kind"),
    [
        (Shape.ONE, b'{"a":1', "truncated"),
        (Shape.ONE, b'{"a":"\xe9"}', "not-utf8"),
        (Shape.ONE, b'{"a":1,"a":2}', "duplicate"),
        (Shape.LIST, b'{"a":1,"ite', "truncated"),
        (Shape.LIST, b'{"a":1}', "wrong-container"),
        (Shape.MAP, b"", "empty"),
        (Shape.MAP, b"\xef\xbb\xbf", "empty"),
        (Shape.MAP, b"\0\0\0\0", "nul-hole"),
    ],
)
def test_salvage_refuses_a_file_that_holds_nothing_to_take(shape, text, kind, put):
    assert refused(put(text), shape, salvage=True)[0] == kind


def test_what_salvage_leaves_names_its_reason(put):
    _, rest = salvaged(put(b'{"items":[1,"\xff",{"a":1,"a":2},3'))
    assert rest == [
        Rest(12, 15, "not-utf8", "bytes that are not UTF-8"),
        Rest(16, 29, "duplicate", "the member 'a' a second time in one object"),
        Rest(31, 31, "truncated", "the end of the file where `,` or `]` belongs"),
    ]


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.file)
def test_salvage_takes_from_a_broken_file_what_its_readme_says(broken):
    path = FOLDER / broken.file
    reading = Reading(path, broken.document, salvage=True)
    if not broken.takes:
        with pytest.raises(Damaged):
            reading.check()
        return
    pieces = list(reading)
    firsts = list(dict.fromkeys(identity(piece) for piece in entries(pieces)))
    assert firsts == broken.takes
    assert unaccounted(path.read_bytes(), pieces, reading.rest) == b""


@pytest.mark.parametrize("name", ["mediaos", "mediaos-clean", "mediaos-empty", "mediaos-v0.3"])
def test_every_sound_fixture_is_read_token_for_token(name):
    for model in MEDIAOS.documents.values():
        path = FIXTURES / name / model.file
        if path.exists():
            for piece in entries(Reading(path, model)):
                assert tokens(dumps(piece.value)) == tokens(part_of(path, piece.start, piece.stop).decode())


@pytest.mark.parametrize(("levels", "kept"), [(197, True), (198, False)])
def test_a_record_may_reach_down_to_level_two_hundred(levels, kept, put):
    path = put(f'{{"items":[{{"a":{"[" * levels}{"]" * levels}}}]}}')
    if kept:
        assert len(entries(read(path))) == 1
    else:
        assert refused(path) == ("too-deep", 1, 16 + 197)


@pytest.mark.parametrize(("levels", "kept"), [(199, True), (200, False)])
@pytest.mark.parametrize("shape", [Shape.MAP, Shape.VALUES, Shape.LISTS])
def test_an_entry_of_a_map_may_reach_down_to_level_two_hundred(shape, levels, kept, put):
    path = put(f'{{"a":{"[" * levels}{"]" * levels}}}')
    if kept:
        assert len(entries(read(path, shape))) == 1
    else:
        assert refused(path, shape) == ("too-deep", 1, 6 + 199)


@pytest.mark.parametrize(("levels", "kept"), [(200, True), (201, False)])
def test_one_value_may_reach_down_to_level_two_hundred(levels, kept, put):
    path = put("[" * levels + "]" * levels)
    if kept:
        assert len(read(path, Shape.ONE)) == 1
    else:
        assert refused(path, Shape.ONE) == ("too-deep", 1, 201)


@pytest.mark.parametrize("name", json_cases.KEPT)
def test_an_awkward_text_is_kept_token_for_token_in_a_record(name, put):
    data = json_cases.in_record(json_cases.KEPT[name])
    pieces = entries(Reading(put(data), MEDIAOS.document("library")))
    assert [piece.value["id"] for piece in pieces] == ["a", "b", "c"]
    assert tokens(dumps(pieces[1].value["x"])) == tokens(json_cases.KEPT[name].decode())


@pytest.mark.parametrize("name", json_cases.KEPT)
def test_an_awkward_text_is_kept_token_for_token_as_a_whole(name, put):
    data = json_cases.KEPT[name]
    (piece,) = Reading(put(data), MEDIAOS.document("verify"))
    assert tokens(dumps(piece.value)) == tokens(data.decode())
    assert (piece.start, piece.stop) == (0, len(data))


@pytest.mark.parametrize("name", json_cases.REFUSED)
@pytest.mark.parametrize("place", ["library", "verify"])
def test_a_text_that_is_no_json_is_refused_in_a_record_and_as_a_whole(name, place, put):
    data = json_cases.REFUSED[name]
    path = put(json_cases.in_record(data) if place == "library" else data)
    with pytest.raises(Damaged):
        Reading(path, MEDIAOS.document(place)).check()


def bomb(path, document):
    """Read a file in a process of its own that may have little memory; return what it says."""
    command = [sys.executable, json_cases.__file__, path, document]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("name", json_cases.BOMBS_KEPT)
def test_a_huge_text_is_kept_with_little_memory(name, put):
    text = json_cases.BOMBS_KEPT[name]()
    assert bomb(put(text), "verify") == hashlib.sha256(text.encode()).hexdigest()
    said = f'{{"id":"a"}}{{"id":"b","x":{text}}}{{"id":"c"}}'
    assert bomb(put(json_cases.in_record(text.encode())), "library") == hashlib.sha256(said.encode()).hexdigest()


@pytest.mark.parametrize("name", json_cases.BOMBS_REFUSED)
@pytest.mark.parametrize("place", ["library", "verify"])
def test_a_bomb_is_refused_with_little_memory(name, place, put):
    data = json_cases.BOMBS_REFUSED[name]().encode()
    path = put(json_cases.in_record(data) if place == "library" else data)
    assert bomb(path, place) == "too-deep"


def test_all_ninety_nine_awkward_texts_are_tried():
    groups = (json_cases.KEPT, json_cases.REFUSED, json_cases.BOMBS_KEPT, json_cases.BOMBS_REFUSED)
    assert sum(map(len, groups)) == 99
