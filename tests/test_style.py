"""A file's layout is recognized from its beginning, and what is written into it looks the same."""

from io import BytesIO

import pytest
from conftest import FIXTURES
from hypothesis import given
from hypothesis import strategies as st
from json_texts import document, unhurried, values

from mediaos_migrate import pack
from mediaos_migrate.documents.reader import Reading, part_of
from mediaos_migrate.documents.style import Style
from mediaos_migrate.documents.writer import Content, Want, write
from mediaos_migrate.shapes import Role, Shape
from mediaos_migrate.values import loads

indented = st.builds(
    Style,
    indent=st.sampled_from(["  ", "    ", " ", "\t"]),
    newline=st.sampled_from(["\n", "\r\n"]),
    colon=st.sampled_from([": ", ":"]),
)
packed = st.builds(Style, indent=st.just(""), newline=st.just(""), colon=st.sampled_from([": ", ":"]))
styles = indented | packed

RECOGNIZED = {
    b'{\n  "a": 1\n}': Style(),
    b'{\n    "a": 1\n}\n': Style(indent="    "),
    b'{\n\t"a": 1\n}': Style(indent="\t"),
    b'{\r\n  "a": 1\r\n}\r\n': Style(newline="\r\n"),
    b'{\n"a": 1\n}': Style(indent=""),
    b'{"a":1}': Style("", "", ":"),
    b'{"a": 1}': Style("", "", ": "),
    b'{ "a" : 1 }': Style("", "", ": "),
    b'{"items":[]}': Style("", "", ":"),
    b'{\n  "a": "\\u00e9"\n}': Style(ascii_only=True),
    b'{\n  "a": "\\u00e9 \xc3\xa9"\n}': Style(),
    b'{\n  "a": "\\ud800 \\u001b"\n}': Style(),
    b'[\n  {\n    "a": 1\n  }\n]': Style(indent="    "),
    b"{}": Style(),
    b"[1, 2]": Style(),
    b"": Style(),
}


@pytest.mark.parametrize("data", RECOGNIZED, ids=ascii)
def test_the_style_of_a_file_is_recognized(data, tmp_path):
    path = tmp_path / "sample.json"
    path.write_bytes(data)
    assert Style.of(path) == RECOGNIZED[data]


@unhurried
@given(style=styles, texts=st.dictionaries(st.text(max_size=3), values, min_size=1, max_size=3))
def test_a_file_written_in_a_style_is_recognized_as_of_that_style(style, texts, tmp_path):
    path = tmp_path / "sample.json"
    wants = [Want((name,), n, name, loads(text)) for n, (name, text) in enumerate(texts.items())]
    out = BytesIO()
    write(out, document(Shape.VALUES), Content(lambda: wants, [], [], True), style)
    path.write_bytes(out.getvalue())
    assert Style.of(path) == style


@given(
    st.builds(Style, st.text(" \t"), st.sampled_from(["", "\n", "\r\n"]), st.sampled_from([":", ": "]), st.booleans())
)
def test_a_style_can_be_written_down(style):
    assert Style.from_json(style.to_json()) == style


def test_without_a_note_the_style_is_the_apps_own():
    assert Style.from_json(None) == Style("  ", "\n", ": ", ascii_only=False)


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        (Style(), '"ä": {\n    "b": [\n      1.0\n    ]\n  }'),
        (Style("\t", "\r\n"), '"ä": {\r\n\t\t"b": [\r\n\t\t\t1.0\r\n\t\t]\r\n\t}'),
        (Style("", "", ":"), '"ä":{"b":[1.0]}'),
        (Style("", "", ": "), '"ä": {"b": [1.0]}'),
        (Style("", "\n", ": "), '"ä": {"b": [1.0]}'),
        (Style("  ", "\r"), '"ä": {\r    "b": [\r      1.0\r    ]\r  }'),
        (Style("", "", ":", ascii_only=True), '"\\u00e4":{"b":[1.0]}'),
    ],
)
def test_an_entry_is_spelled_in_the_style(style, expected):
    assert style.entry("ä", loads('{"b":[1.0]}'), 1) == expected.encode()


def test_a_line_end_inside_a_string_is_no_line_end_of_the_file():
    assert Style(newline="\r\n").entry(None, "a\nb", 0) == b'"a\\nb"'


@pytest.mark.parametrize("name", ["library", "users", "grabs", "wanted"])
def test_what_the_app_wrote_is_spelled_byte_for_byte_by_its_style(name):
    model = pack.load("mediaos").document(name)
    path = FIXTURES / "mediaos-clean" / model.file
    style = Style.of(path)
    for piece in Reading(path, model):
        if piece.role is Role.ENTRY:
            depth = 2 if model.shape is Shape.LIST else 1
            assert style.entry(piece.name, piece.value, depth) == part_of(path, piece.head, piece.stop)
