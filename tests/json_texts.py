"""JSON as other programs may spell it, drawn by hypothesis; and the tokens of a text, told without our reader."""

import json
import re
from fractions import Fraction

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from mediaos_migrate.pack import Column, Document, Part
from mediaos_migrate.shapes import Shape

UNDER = "items"
# A slow machine is no fault, and files may be written over from one example to the next.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
NUMBERS = [
    *("0", "-0", "1", "-1", "7", "1.0", "1.10", "-0.0", "0.1", "0.5", "1e2", "1E+2", "100", "10e-1", "0e9", "5e-324"),
    *(
        "1e400",
        "-1e400",
        "1e-400",
        "1e-7",
        "0.0000001",
        "1e21",
        "1e22",
        "10000000000000000000000",
        "123456789.123456789",
    ),
    *("9007199254740993", "9223372036854775807", "9223372036854775808", "-9223372036854775809", "1" + "0" * 30),
    *("18446744073709551616", "0.100000000000000000000000000001", "10000000000000000000000.0", "9" * 1001),
]
PIECES = [
    *(
        "\\/",
        "\\u00e9",
        "\\u00E9",
        "\\n",
        "\\b",
        '\\"',
        "\\\\",
        "\\u0000",
        "\\ud800",
        "\\udc00",
        "\\ud83d\\ude00",
        "\\u001f",
    ),
    *(
        "é",
        "日本",
        "\U0001f600",
        "\u2028",
        "\x7f",
        "\ufeff",
        "{",
        "[",
        "]",
        "}",
        ",",
        ":",
        "//",
        "NaN",
        "items",
        "a",
        " ",
    ),
]
TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},:]|[^\s\[\]{},:"]+')

blanks = st.sampled_from(["", "", "", " ", "\n", "\r\n", "\t", "\r", "  \n\t "])
numbers = st.sampled_from(NUMBERS) | st.from_regex(
    r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?", fullmatch=True
)
plain = st.characters(codec="utf-8", min_codepoint=0x20, exclude_characters='"\\')
strings = st.lists(st.sampled_from(PIECES) | plain, max_size=5).map(lambda pieces: f'"{"".join(pieces)}"')
scalars = st.sampled_from(["null", "true", "false"]) | numbers | strings


def meaning(string: str) -> str:
    """Return what a string token means; the standard library does this well."""
    return json.loads(string)


def bracketed(opening, entries, closing):
    """Return containers of such entries, each of them with the white space around it."""
    return st.tuples(blanks, entries).map(lambda it: opening + (",".join(it[1]) if it[1] else it[0]) + closing)


def spaced(*parts):
    """Return these parts in a row, with white space before, between and after them."""
    return st.tuples(blanks, *(part for one in parts for part in (one, blanks))).map("".join)


def lists_of(values, **size):
    return bracketed("[", st.lists(spaced(values), **size), "]")


def objects_of(values, names=strings, **size):
    members = st.lists(st.tuples(names, spaced(values), blanks, blanks), unique_by=lambda m: meaning(m[0]), **size)
    return bracketed("{", members.map(lambda found: [f"{b}{n}{a}:{v}" for n, v, b, a in found]), "}")


values = st.recursive(scalars, lambda inner: lists_of(inner, max_size=4) | objects_of(inner, max_size=4), max_leaves=8)


@st.composite
def listed(draw, entries=values):
    """Draw a list under a name, among siblings."""
    names = strings.filter(lambda name: meaning(name) != UNDER)
    drawn = draw(st.lists(st.tuples(names, spaced(values)), unique_by=lambda m: meaning(m[0]), max_size=3))
    siblings = [f"{draw(blanks)}{name}{draw(blanks)}:{value}" for name, value in drawn]
    container = draw(spaced(st.sampled_from(['"items"', '"it\\u0065ms"'])))
    siblings.insert(draw(st.integers(0, len(siblings))), f"{container}:{draw(spaced(lists_of(entries, max_size=5)))}")
    return f"{{{','.join(siblings)}}}"


def documents(shape, entries=values):
    """Return texts of whole documents of a shape."""
    forms = {
        Shape.LIST: listed(entries),
        Shape.LISTS: objects_of(lists_of(entries, max_size=4), max_size=5),
        Shape.ONE: entries,
    }
    return spaced(forms.get(shape, objects_of(entries, max_size=5)))


def document(shape, name="sample", **more):
    """Make the model of a document of a shape; only its form matters here."""
    member = {Shape.LIST: "id", Shape.ONE: "$document"}.get(shape, "$key")
    part = Part(table="samples", key=("id",), columns={"id": Column(member=member)})
    under = UNDER if shape is Shape.LIST else None
    return Document(name=name, file=f"{name}.json", shape=shape, under=under, records=part, **more)


def tokens(text):
    """Return the tokens of a JSON text: strings by what they mean, all others as they are spelled."""
    return [("string", meaning(token)) if token[0] == '"' else token for token in TOKEN.findall(text)]


def exact(text):
    """Return a value that equals another one exactly if the JSON texts mean the same, numbers as fractions."""
    return _tagged(json.loads(text, parse_int=_number, parse_float=_number))


def _number(token):
    return ("number", Fraction(token))


def _tagged(value):
    match value:
        case dict():
            return ("object", {name: _tagged(item) for name, item in value.items()})
        case list():
            return ("list", [_tagged(item) for item in value])
        case bool() | None:
            return ("word", str(value))
    return value
