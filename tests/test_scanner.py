"""The cursor over JSON text: exact byte ranges, every fault at its place, however the stream is chopped up."""

import json
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from json_texts import blanks, spaced, tokens, unhurried, values

from mediaos_migrate.documents import window
from mediaos_migrate.documents.faults import MAX_DEPTH, Fault
from mediaos_migrate.documents.scanner import Cursor
from mediaos_migrate.values import dumps, loads

SIZES = [1, 2, 3, 7]

# Text -> kind, byte offset and description of its first fault, as one value in a file.
FAULTS = {
    "": ("empty", 0, "nothing: the file has 0 bytes"),
    " \n": ("truncated", 2, "the end of the file inside a value"),
    "x": ("syntax", 0, "'x' where a value belongs"),
    "é": ("syntax", 0, "'\\xe9' where a value belongs"),
    "[1,]": ("syntax", 3, "`]` after a comma, one comma too many"),
    "[1,  \n                     ]": ("syntax", 27, "`]` after a comma, one comma too many"),
    '{"a":1,}': ("syntax", 7, "`}` after a comma, one comma too many"),
    "[1,,]": ("syntax", 3, "',' where a value belongs"),
    "[,]": ("syntax", 1, "',' where a value belongs"),
    "[1}": ("syntax", 2, "'}' after the end of a value"),
    '{"a" 1}': ("syntax", 5, "'1' where `:` belongs"),
    "{a:1}": ("syntax", 1, "'a' where a name in double quotes belongs"),
    "['a']": ("syntax", 1, '"\'" where a value belongs'),
    "[1 2]": ("syntax", 3, "'2' after the end of a value"),
    "[01]": ("syntax", 2, "'1' after the end of a value"),
    "[1.x]": ("syntax", 2, "'.' after the end of a value"),
    "[+1]": ("syntax", 1, "'+' where a value belongs"),
    "[1 // one\n]": ("syntax", 3, "a comment, which JSON does not have"),
    "[/* one */ 1]": ("syntax", 1, "a comment, which JSON does not have"),
    "[NaN]": ("syntax", 1, "NaN, which is no JSON number"),
    "[1,-Infinity]": ("syntax", 3, "-Infinity, which is no JSON number"),
    '["é\n"]': ("syntax", 4, "the control character 0x0a inside a string"),
    "[\x0b1]": ("syntax", 1, "the control character 0x0b where a value belongs"),
    '["a\0"]': ("nul-hole", 3, "a NUL byte"),
    '{"a":1\0\0\0\0': ("nul-hole", 6, "NUL bytes"),
    '["é\\x"]': ("bad-escape", 4, "an escape that JSON does not know"),
    '["\\\\\\u00g6"]': ("bad-escape", 4, "an escape that JSON does not know"),
    '{"a":1,"b":{"c":1,"c":2}}': ("duplicate", 18, "the member 'c' a second time in one object"),
    '{"é":1,"\\u00e9":2}': ("duplicate", 8, "the member '\\xe9' a second time in one object"),
    '{"a":1,"b":[{"a":2}],"a":3}': ("duplicate", 21, "the member 'a' a second time in one object"),
    "[tru": ("truncated", 4, "the end of the file inside a value"),
    '["a': ("truncated", 3, "the end of the file inside a value"),
    '["é\\u00': ("truncated", 8, "the end of the file inside a value"),
    "[-": ("truncated", 2, "the end of the file inside a value"),
    "[1.": ("truncated", 3, "the end of the file inside a value"),
    "[1.5e+": ("truncated", 6, "the end of the file inside a value"),
    '{"a"': ("truncated", 4, "the end of the file inside a value"),
    "[1": ("truncated", 2, "the end of the file inside a value"),
}
BYTE_FAULTS = {
    b'["caf\xe9"]': ("not-utf8", 5, "the byte 0xe9"),
    b'["\xc0\x80"]': ("not-utf8", 2, "the byte 0xc0"),
    b'["\xed\xa0\x80"]': ("not-utf8", 2, "the byte 0xed"),
    b'["\xc3\xa9\xff"]': ("not-utf8", 4, "the byte 0xff"),
    b'["\xc3\xa9\xe2\x82': ("truncated", 4, "the end of the file inside a character"),
    b'[1 x "\xff"]': ("syntax", 3, "'x' after the end of a value"),
    b"[1,]\xff": ("syntax", 3, "`]` after a comma, one comma too many"),
    b'\xef\xbb\xbf{"a":1}': ("bom", 0, "a byte order mark before the document"),
}
WIDE = ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"]
TRAILING = {
    "{}}": ("trailing", 2, "an extra `}` after the end of the document"),
    "[]\n ]}": ("trailing", 4, "an extra `]` after the end of the document"),
    "{}x": ("trailing", 2, "'x' after the end of the document"),
    "1 2": ("trailing", 2, "'2' after the end of the document"),
    '{"é":1}  error': ("trailing", 10, "'e' after the end of the document"),
    '{}"id":"b"}]}\n': ("trailing", 2, "the tail of an older, longer file after the end of the document"),
    "{}\0\0": ("nul-hole", 2, "NUL bytes after the end of the document"),
}


def whole(data):
    """Read a value and nothing else, as a document that is one value is read."""
    cursor = Cursor(BytesIO(data))
    found = cursor.value(0)
    cursor.end()
    return found


def fault_of(data):
    with pytest.raises(Fault) as caught:
        whole(data)
    return caught.value.kind, caught.value.offset, caught.value.found


@pytest.fixture(params=[1 << 18, *SIZES], ids=lambda size: f"{size} bytes at a time")
def chunk(request, monkeypatch):
    """Make every read of the stream this short."""
    monkeypatch.setattr(window, "CHUNK", request.param)
    return request.param


@unhurried
@given(blanks, values, blanks)
def test_a_byte_range_holds_exactly_the_value(before, text, after):
    data = f"{before}{text}{after}".encode()
    value, start, stop = whole(data)
    assert data[start:stop] == text.encode()
    assert tokens(dumps(value)) == tokens(text)


@unhurried
@given(spaced(values), st.sampled_from(SIZES))
def test_a_value_is_the_same_however_short_the_reads_are(text, size):
    expected = whole(text.encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(window, "CHUNK", size)
        assert whole(text.encode()) == expected


@unhurried
@given(st.lists(spaced(values), max_size=5), st.sampled_from([1 << 18, *SIZES]))
def test_values_in_a_list_are_read_one_after_another(texts, size):
    data = f"[{','.join(texts)}]".encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(window, "CHUNK", size)
        cursor, found = Cursor(BytesIO(data)), []
        going = cursor.opens("[")
        while going:
            found.append(cursor.value(1))
            going = cursor.continues("[")
        cursor.end()
    assert [tokens(dumps(value)) for value, _, _ in found] == [tokens(text) for text in texts]
    assert [data[start:stop].decode() for _, start, stop in found] == [text.strip(" \t\n\r") for text in texts]
    assert cursor.offset == len(data)


@pytest.mark.parametrize(
    "token", ["1.5", "1e5", "1E+55", "-1.25e-10", "0.1", "-0", "12345678", "true", "null", '"é\\u00e9"']
)
def test_a_token_that_lies_across_two_reads_is_read_as_one(token, chunk):
    for shift in range(chunk if chunk < 10 else 1):
        data = " " * shift + token
        assert dumps(whole(data.encode())[0]) == dumps(loads(token))


@pytest.mark.parametrize("text", FAULTS, ids=ascii)
def test_a_fault_is_named_where_it_is(text, chunk):
    assert fault_of(text.encode()) == FAULTS[text]


@pytest.mark.parametrize("data", BYTE_FAULTS, ids=ascii)
def test_a_fault_of_encoding_is_named_where_it_is_and_not_before_an_earlier_one(data, chunk):
    assert fault_of(data) == BYTE_FAULTS[data]


@pytest.mark.parametrize("text", TRAILING, ids=ascii)
def test_what_follows_the_document_is_named_for_what_it_is(text):
    assert fault_of(text.encode()) == TRAILING[text]


def test_the_tail_of_an_older_file_is_known_however_long_it_is():
    tail = ', {"title": "Ebb"}' * 100_000
    assert fault_of(f"{{}}{tail}".encode()) == ("trailing", 2, TRAILING['{}"id":"b"}]}\n'][2])


@pytest.mark.parametrize("encoding", WIDE)
@pytest.mark.parametrize("text", ['{"a":1}', "[]", '\ufeff{"a":1}', "[1]"])
def test_a_wide_encoding_is_recognized(text, encoding):
    assert fault_of(text.encode(encoding)) == ("utf16", 0, "UTF-16 or UTF-32 text")


@pytest.mark.parametrize(
    ("data", "offset"), [(b'\0\0\0\0\0\0{"a":1}', 0), (b'{"a\0\0\0\0":1}', 3), (b"{\0\0\0\0\0\0}", 1)]
)
def test_a_hole_of_nul_bytes_is_not_taken_for_a_wide_encoding(data, offset):
    assert fault_of(data) == ("nul-hole", offset, "NUL bytes")


def test_a_file_of_nul_bytes_says_so():
    assert fault_of(b"\0" * 4096) == ("nul-hole", 0, "nothing but NUL bytes")


@unhurried
@given(spaced(values), st.data())
def test_a_container_that_ends_early_ends_behind_its_last_character(text, data):
    whole_text = f"[{text}]"
    part = whole_text[: data.draw(st.integers(1, len(whole_text) - 1))]
    assert fault_of(part.encode()) == ("truncated", len(part.encode()), "the end of the file inside a value")


def test_a_text_that_ends_inside_a_character_ends_before_that_character():
    data = '["a😀"]'.encode()
    for cut in (4, 5, 6):
        assert fault_of(data[:cut]) == ("truncated", 3, "the end of the file inside a character")


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")])
def test_two_hundred_levels_are_kept(opening, closing):
    levels = MAX_DEPTH // len(closing)
    text = opening * levels + "1" + closing * levels
    assert dumps(whole(text.encode())[0]) == text


def test_a_level_beyond_two_hundred_is_refused_at_its_bracket(chunk):
    data = b" " + b"[" * 201 + b"]" * 201
    assert fault_of(data) == ("too-deep", 201, "nesting beyond 200 levels")


@pytest.mark.parametrize("depth", [101, 400, 600, 5000, 100_000])
def test_any_depth_is_refused_at_the_same_bracket(depth):
    text = '[1,"[[[",' + '{"a":[' * depth + "]}" * depth + "]"
    assert fault_of(text.encode()) == ("too-deep", 9 + 99 * 6 + 5, "nesting beyond 200 levels")


def test_the_levels_around_a_value_count():
    cursor = Cursor(BytesIO(b"[[]]"))
    with pytest.raises(Fault) as caught:
        cursor.value(MAX_DEPTH - 1)
    assert (caught.value.kind, caught.value.offset) == ("too-deep", 1)


def test_brackets_inside_strings_are_no_levels():
    text = json.dumps(["[" * 300, {"{" * 300: "]"}])
    assert dumps(whole(text.encode())[0]) == dumps(json.loads(text))


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ('{"a":1,"a":2}', 7),
        ('[[{"b":{"a":{"x":1},"y":2,"a":3}}]]', 26),
        ('{"a":{"a":{"a":1}},"b":[{"a":1},{"a":1}],"\\u0061":0}', 41),
        ('{"":1,"":2}', 6),
        ('{"\\ud800":1,"b":2,"\\uD800":3}', 18),
    ],
)
def test_a_name_twice_is_refused_at_any_depth(text, offset, chunk):
    assert fault_of(text.encode())[:2] == ("duplicate", offset)


def test_a_long_name_is_not_shown_at_full_length():
    name = "n" * 10_000
    assert (
        fault_of(f'{{"{name}":1,"{name}":2}}'.encode())[2] == f"the member '{'n' * 76}... a second time in one object"
    )


def test_a_value_beyond_the_limit_is_refused_where_it_begins(monkeypatch):
    monkeypatch.setattr(window, "MAX_VALUE", 1000)
    monkeypatch.setattr(window, "CHUNK", 100)
    assert fault_of(b'  ["' + b"x" * 5000 + b'"]') == ("too-large", 2, "a value of more than 1,000 characters")


def test_a_fault_is_found_without_reading_the_rest_of_the_file():
    stream = BytesIO(b"[1, x" + b" " * (10 * window.CHUNK))
    with pytest.raises(Fault):
        Cursor(stream).value(0)
    assert stream.tell() == window.CHUNK


def test_white_space_of_any_length_is_read_in_small_parts():
    sizes = []

    class Watched(BytesIO):
        def read(self, size=-1, /):
            sizes.append(size)
            return super().read(size)

    blank = 20 * window.CHUNK
    assert Cursor(Watched(b" " * blank + b"1")).value(0) == (1, blank, blank + 1)
    assert set(sizes) <= {window.CHUNK, 2 * window.CHUNK}


def test_a_tolerant_cursor_says_where_a_value_is_spoilt():
    cursor = Cursor(BytesIO(b'["a","\xc3\xa9 \xff \xfe","b"]'), tolerant=True)
    cursor.opens("[")
    spoilt = []
    for _ in range(3):
        cursor.value(1)
        spoilt.append(cursor.spoilt)
        cursor.continues("[")
    assert spoilt == [None, 9, None]


def test_a_surrogate_in_an_escape_is_not_taken_for_a_spoilt_byte():
    cursor = Cursor(BytesIO(b'"\\udcff"'), tolerant=True)
    assert cursor.value(0) == ("\udcff", 0, 8)
    assert cursor.spoilt is None


def test_a_tolerant_cursor_passes_over_a_byte_order_mark(chunk):
    assert Cursor(BytesIO(b"\xef\xbb\xbf [1]"), tolerant=True).value(0) == ([1], 4, 7)


@pytest.mark.parametrize("refused", ['{"a":1,"a":[2,"]"]}', '{"é":{"a":1,"a":2},"x":3}', "[" * 300 + "]" * 300])
def test_a_tolerant_cursor_can_step_over_a_value_whose_end_is_certain(refused, chunk):
    cursor = Cursor(BytesIO(f"[{refused} , 2]".encode()), tolerant=True)
    cursor.opens("[")
    with pytest.raises(Fault) as caught:
        cursor.value(1)
    cursor.skip()
    assert cursor.offset == caught.value.end == 1 + len(refused.encode())
    assert cursor.continues("[")
    assert cursor.value(1)[0] == 2


@pytest.mark.parametrize("refused", ['{"a":NaN}', '{"a":1,"a":2,}', "[" * 100_000, "[1 x]"])
def test_the_end_of_a_value_that_is_no_json_is_not_guessed(refused):
    cursor = Cursor(BytesIO(refused.encode()), tolerant=True)
    with pytest.raises(Fault) as caught:
        cursor.value(0)
    assert caught.value.end is None
