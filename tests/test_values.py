"""Values keep what JSON says, are spelled as JavaScript spells them, and hide secrets."""

import json
import logging
import math
import pprint
import random
import shutil
import struct
import subprocess
import traceback

import pytest
import rich.pretty
from hypothesis import given
from hypothesis import strategies as st
from json_texts import blanks, exact, objects_of, tokens, unhurried, values

from mediaos_migrate.values import (
    DOTS,
    Number,
    Secret,
    canonical,
    dumps,
    loads,
    locked,
    normal,
    number,
    pretty,
    quoted,
    redacted,
    reveal,
    spelled,
)

NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="node is not on the PATH")
HIDDEN = "hunter2-of-the-archive"

# Number.prototype.toString (ECMA-262, 6.1.6.1.20), as Node prints it.
SPELLINGS = [
    *[(0.0, "0"), (-0.0, "0"), (1.0, "1"), (-1.0, "-1"), (5.0, "5"), (10.0, "10"), (100.0, "100"), (1e2, "100")],
    *[
        (0.1, "0.1"),
        (0.5, "0.5"),
        (1.5, "1.5"),
        (-2.25, "-2.25"),
        (1.1, "1.1"),
        (123.456, "123.456"),
        (1 / 3, "0.3333333333333333"),
    ],
    *[(0.1 + 0.2, "0.30000000000000004"), (1e-5, "0.00001"), (1e-6, "0.000001"), (1.5e-6, "0.0000015"), (1e-7, "1e-7")],
    *[(1.5e-7, "1.5e-7"), (-1e-7, "-1e-7"), (1e-10, "1e-10"), (1.25e-300, "1.25e-300"), (5e-324, "5e-324")],
    *[(2.2250738585072014e-308, "2.2250738585072014e-308"), (1e15, "1000000000000000"), (1e16, "10000000000000000")],
    *[
        (1e17, "100000000000000000"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (-1e21, "-1e+21"),
        (1e22, "1e+22"),
    ],
    *[(1.5e21, "1.5e+21"), (1.5e300, "1.5e+300"), (1.7976931348623157e308, "1.7976931348623157e+308")],
    *[(2.0**53, "9007199254740992"), (2.0**53 + 2, "9007199254740994"), (2.0**63, "9223372036854776000")],
    *[(123456789012345680000.0, "123456789012345680000"), (999999999999999900000.0, "999999999999999900000")],
    *[(4.35, "4.35"), (0.000001234, "0.000001234"), (0.0000001234, "1.234e-7"), (1e23, "1e+23"), (1.2e21, "1.2e+21")],
    *[(math.nan, "null"), (math.inf, "null"), (-math.inf, "null")],
]

PRETTY = [
    ("{}", "{}"),
    ("[]", "[]"),
    ('"a"', '"a"'),
    ("[1]", "[\n  1\n]"),
    ("[[],{}]", "[\n  [],\n  {}\n]"),
    ('{"a":1}', '{\n  "a": 1\n}'),
    ('{"a":{"b":[true,null]}}', '{\n  "a": {\n    "b": [\n      true,\n      null\n    ]\n  }\n}'),
    ('["\\u00e9\\/\\u0007\\u007f\\ud800"]', '[\n  "é/\\u0007\x7f\\ud800"\n]'),
    ('{"b":"\\n\\t","a":"\\\\\\""}', '{\n  "b": "\\n\\t",\n  "a": "\\\\\\""\n}'),
    ("[1.0,1e400]", "[\n  1.0,\n  1e400\n]"),
]


def node(script, given):
    """Run a script that makes `answer` of `given` in one Node process."""
    program = f"const given = JSON.parse(require('fs').readFileSync(0, 'utf8')); {script}; console.log(JSON.stringify(answer))"
    done = subprocess.run(
        [NODE, "-e", program], input=json.dumps(given), capture_output=True, text=True, encoding="utf-8"
    )
    assert done.stderr == ""
    return json.loads(done.stdout)


def random_double(chance):
    """Return a finite double: any bits, or one that people write."""
    while True:
        drawn = chance.choice(
            [
                struct.unpack(">d", chance.randbytes(8))[0],
                chance.uniform(-1000, 1000),
                float(f"{chance.randrange(10**6)}e{chance.randrange(-30, 30)}"),
                float(chance.randrange(-(2**63), 2**63)),
                round(chance.uniform(0, 100), 2),
            ]
        )
        if math.isfinite(drawn):
            return drawn


def random_text(chance, depth=4):
    """Return a JSON text in which JavaScript changes nothing but the layout."""
    kind = chance.randrange(6 if depth else 4)
    if kind == 0:
        return chance.choice(["true", "false", "null"])
    if kind == 1:
        return spelled(random_double(chance))
    if kind < 4:
        return json.dumps("".join(chance.choices('aé😀\u2028\x00\x1f\x7f"\\/\ud800', k=3)))
    items = [random_text(chance, depth - 1) for _ in range(chance.randrange(4))]
    if kind == 4:
        return f"[{','.join(items)}]"
    return "{" + ",".join(f'"n{number} é":{item}' for number, item in enumerate(items)) + "}"


@unhurried
@given(values)
def test_reading_and_writing_keeps_every_token(text):
    assert tokens(dumps(loads(text))) == tokens(text)


@unhurried
@given(values)
def test_reading_and_writing_twice_changes_nothing_more(text):
    once = dumps(loads(text))
    assert dumps(loads(once)) == once


@unhurried
@given(values)
def test_an_indented_spelling_has_the_same_tokens(text):
    assert tokens(pretty(loads(text), "\t")) == tokens(text)


@unhurried
@given(values)
def test_an_ascii_spelling_has_the_same_tokens(text):
    spelling = pretty(loads(text), "", ascii_only=True)
    assert spelling.isascii()
    assert tokens(spelling) == tokens(text)


@unhurried
@given(blanks, values, blanks)
def test_white_space_around_a_value_means_nothing(before, text, after):
    assert loads(before + text + after) == loads(text)


@pytest.mark.parametrize("text", ["", " ", "x", "[1,]", "[1", '{"a":1,"a":2}', "[NaN]", "1 2", "[]]", "[" * 5000])
def test_what_is_not_json_is_a_value_error(text):
    with pytest.raises(ValueError):  # noqa: PT011  the wording is Python's
        loads(text)


@unhurried
@given(values, values)
def test_canonical_spellings_are_equal_exactly_if_the_values_are(left, right):
    assert (canonical(loads(left)) == canonical(loads(right))) == (exact(left) == exact(right))


@unhurried
@given(
    st.lists(
        st.sampled_from([*"01257", "-0", "0.0", "1.0", "1e0", "10e-1", "100", "1e2", "1.00e2", "0e9", "-1", "1e-7"]),
        min_size=2,
        max_size=2,
    )
)
def test_canonical_numbers_are_compared_as_numbers(pair):
    left, right = pair
    assert (canonical(loads(left)) == canonical(loads(right))) == (exact(left) == exact(right))


@unhurried
@given(objects_of(values, min_size=2, max_size=5), st.randoms(use_true_random=False))
def test_a_canonical_spelling_ignores_the_order_of_members(text, chance):
    value = loads(text)
    members = list(value.items())
    chance.shuffle(members)
    assert canonical(dict(members)) == canonical(value)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("1e2000", "10e1999"),
        ("1e99999999999999999999", "10e99999999999999999998"),
        ("0e99999", "0"),
        ("-0.000e-99999999999999999999", "0"),
        ("1" + "0" * 2000, "1e2000"),
        ("9007199254740993.0", "9007199254740993"),
        ("0.1000", "0.1"),
        ("12345678901234567890.5", "1234567890123456789050e-2"),
        ("1e" + "9" * 1001, "1e" + "9" * 1001),
    ],
)
def test_canonical_numbers_of_any_size_are_compared_as_numbers(left, right):
    assert canonical(loads(left)) == canonical(loads(right))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("9007199254740993", "9007199254740992"),
        ("0.1", "0.1000000000000000055511151231257827"),
        ("1e400", "1e401"),
        ("1e400", "-1e400"),
        ("1e-400", "0"),
        ("1", "true"),
        ("0", "null"),
        ('""', "null"),
        ("[]", "{}"),
        ('{"a":null}', "{}"),
        ("1e2000", '{"number":"1e2000"}'),
        ("1e2000", '["Infinity","1e2000"]'),
        ("[1,2]", "[2,1]"),
        ('"1"', "1"),
    ],
)
def test_canonical_values_that_differ_are_spelled_differently(left, right):
    assert canonical(loads(left)) != canonical(loads(right))


def test_a_locked_secret_equals_no_value_of_a_document():
    lock = canonical(Secret("sealed", locked=True))
    assert lock not in {canonical(value) for value in ({"locked": True}, "sealed", None, [], ["-Infinity"])}


def test_an_open_secret_counts_as_what_it_hides():
    assert canonical({"key": Secret({"b": Number("1.0"), "a": "x"})}) == canonical({"key": {"a": "x", "b": 1}})


def test_plain_python_of_a_number_is_that_number():
    assert [normal(Number(token)) for token in ("5.0", "-0", "1e2", "1e-7")] == [5, 0, 100, 1e-7]


@pytest.mark.parametrize(("double", "expected"), SPELLINGS, ids=[spelling for _, spelling in SPELLINGS])
def test_a_number_is_spelled_as_javascript_spells_it(double, expected):
    assert spelled(double) == expected


@needs_node
def test_two_thousand_random_doubles_are_spelled_as_node_spells_them():
    chance = random.Random(1907)
    doubles = [random_double(chance) for _ in range(2000)] + [
        double for double, _ in SPELLINGS if math.isfinite(double)
    ]
    bits = [struct.pack(">d", double).hex() for double in doubles]
    script = "const answer = given.map(bits => String(Buffer.from(bits, 'hex').readDoubleBE()))"
    assert [spelled(double) for double in doubles] == node(script, bits)


@needs_node
def test_the_table_of_spellings_is_what_node_prints():
    bits = [struct.pack(">d", double).hex() for double, _ in SPELLINGS]
    script = "const answer = given.map(bits => JSON.stringify(Buffer.from(bits, 'hex').readDoubleBE()))"
    assert [expected for _, expected in SPELLINGS] == node(script, bits)


@unhurried
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_from_python_becomes_the_value_that_javascript_would_write(double):
    assert dumps(number(double)) == spelled(double)
    assert loads(spelled(double)) == number(double)


@pytest.mark.parametrize("double", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_in_json_becomes_null(double):
    assert number(double) is None


@pytest.mark.parametrize("double", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_in_json_is_never_written_down(double):
    with pytest.raises(ValueError, match="Out of range float values are not JSON compliant"):
        dumps([double])


@pytest.mark.parametrize(("text", "expected"), PRETTY, ids=[text for text, _ in PRETTY])
def test_a_value_is_laid_out_as_json_stringify_lays_it_out(text, expected):
    assert pretty(loads(text), "  ") == expected


@needs_node
def test_five_hundred_random_values_are_laid_out_as_node_lays_them_out():
    chance = random.Random(1862)
    texts = [random_text(chance) for _ in range(500)]
    laid_out = node("const answer = given.map(text => JSON.stringify(JSON.parse(text), null, 2))", texts)
    assert [pretty(loads(text), "  ") for text in texts] == laid_out


@needs_node
def test_a_string_of_each_code_unit_is_quoted_as_node_quotes_it():
    characters = [chr(code) for code in range(0x10000)]
    assert [quoted(character) for character in characters] == node(
        "const answer = given.map(s => JSON.stringify(s))", characters
    )


def test_a_value_inside_a_document_is_indented_from_its_depth():
    assert pretty({"a": [1]}, "  ", 2) == '{\n      "a": [\n        1\n      ]\n    }'


def test_a_value_can_be_laid_out_without_blanks():
    assert pretty({"a": [1, {}]}, "", colon=":") == '{"a":[1,{}]}'


SECRETS = [
    Secret(HIDDEN),
    Secret({"password": HIDDEN}),
    Secret([HIDDEN], "sealed"),
    Secret(HIDDEN, "sealed-here", locked=True),
]
SHOWN = {
    "repr": repr,
    "str": str,
    "format": format,
    "format with a width": lambda secret: format(secret, ">40"),
    "an f-string": lambda secret: f"{secret}{secret!r}{secret!s}{secret!a}{secret:>40}{secret=}",
    "the percent sign": lambda secret: "%s %r" % (secret, secret),  # noqa: UP031
    "a list": lambda secret: f"{[secret]}",
    "an object": lambda secret: f"{ {'password': secret} }",
    "a tuple in a record": lambda secret: f"{(secret, Number('1.0'))}",
    "pprint": pprint.pformat,
    "rich": lambda secret: rich.pretty.pretty_repr({"password": secret}),
    "redacted": lambda secret: dumps(redacted({"password": [secret]})),
}
REFUSALS = {
    "json": json.dumps,
    "dumps": dumps,
    "dumps of a list": lambda secret: dumps([1, Number("1.0"), {"password": secret}]),
    "pretty": lambda secret: pretty(secret, "  "),
    "joining": "".join,
    "a wrong attribute": lambda secret: secret.password,
    "an assignment": lambda secret: setattr(secret, "state", "plain"),
    "arithmetic": lambda secret: secret + secret,
    "a comparison": lambda secret: sorted([secret, secret]),
}


@pytest.mark.parametrize("secret", SECRETS, ids=["text", "object", "sealed", "locked"])
@pytest.mark.parametrize("show", SHOWN.values(), ids=SHOWN)
def test_a_secret_is_shown_as_dots(show, secret):
    shown = show(secret)
    assert HIDDEN not in shown
    assert DOTS in shown


@pytest.mark.parametrize("secret", SECRETS, ids=["text", "object", "sealed", "locked"])
@pytest.mark.parametrize("refuse", REFUSALS.values(), ids=REFUSALS)
def test_an_error_about_a_secret_does_not_show_it(refuse, secret):
    with pytest.raises((TypeError, AttributeError)) as caught:
        refuse(secret if refuse is not "".join else [secret])
    error = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert HIDDEN not in "".join(error.format())


def test_a_secret_in_a_log_record_is_shown_as_dots(caplog):
    logging.getLogger("test").warning("the password is %s", Secret(HIDDEN))
    assert caplog.messages == [f"the password is {DOTS}"]


def test_a_secret_is_refused_in_a_document():
    with pytest.raises(TypeError) as caught:
        dumps({"password": Secret(HIDDEN)})
    assert str(caught.value) == "a Secret has no place in a document"


def test_what_a_secret_hides_is_had_on_request_only():
    value = {"a": [Secret({"b": HIDDEN}), 1], "c": Secret(HIDDEN)}
    assert reveal(value) == {"a": [{"b": HIDDEN}, 1], "c": HIDDEN}
    assert Secret(HIDDEN).reveal() == HIDDEN


@pytest.mark.parametrize(("token", "shown"), [("1.0", 1.0), ("1.50", "1.50"), ("1e999", "1e999"), ("0.1", 0.1)])
def test_a_redacted_value_shows_a_number_or_its_token_where_python_would_spell_it_otherwise(token, shown):
    assert redacted({"a": [Number(token), Secret(HIDDEN)], "b": 2}) == {"a": [shown, DOTS], "b": 2}


@pytest.mark.parametrize("value", [Secret("x", locked=True), [1, {"a": Secret("x", locked=True)}]])
def test_a_locked_secret_is_found_wherever_it_lies(value):
    assert locked(value)


@pytest.mark.parametrize("value", [Secret("x"), [1, {"a": Secret("x")}], {}, "locked", None])
def test_a_value_without_a_locked_secret_is_not_locked(value):
    assert not locked(value)
