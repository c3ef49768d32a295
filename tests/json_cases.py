"""Ninety-nine awkward JSON texts, and whether a reader that loses nothing keeps or refuses them.

As a program, reads one file of a document's shape with little memory, and says what became of it.
"""

import hashlib
import resource
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

MEMORY: Final = 256 << 20  # bytes of address space; Python with our package begins with a quarter of it

NAMES_KEPT: Final = {
    "names that differ in composed and decomposed letters": '{"\u00e9":1,"e\u0301":2}',
    "names that look like numbers, out of order": '{"b":1,"2":2,"1":3}',
    "a name that JavaScript treats as a prototype": '{"__proto__":{"x":1},"a":2}',
    "an empty name": '{"":1}',
    "half a surrogate pair as a name": '{"\\ud800":1}',
    "a NUL escape in a name": '{"a\\u0000b":1}',
}
NUMBERS_KEPT: Final = {
    **{
        f"the number {token}": f"[{token}]"
        for token in (
            *("1e400", "-1e400", "1e-400", "5e-324", "1.0", "1.10", "1e2", "1E+2", "-0", "-0.0"),
            *("9007199254740993", "9223372036854775807", "9223372036854775808", "-9223372036854775809"),
            *("18446744073709551615", "18446744073709551616", "1000000000000000000000000000000"),
            *("0.100000000000000000000000000001", "123456789.123456789123", "10000000000000000000000.0"),
        )
    },
    "an integer of 4,300 digits": f"[{'9' * 4300}]",
    "an integer of 4,301 digits": f"[{'9' * 4301}]",
}
STRINGS_KEPT: Final = {
    "the first half of a surrogate pair": '["\\ud800"]',
    "the second half of a surrogate pair": '["\\udc00"]',
    "a surrogate pair the wrong way round": '["\\udc00\\ud800"]',
    "a surrogate pair in escapes": '["\\ud83d\\ude00"]',
    "half a surrogate pair between letters": '["a\\ud800b"]',
    "a NUL escape": '["a\\u0000b"]',
    "the character DEL": '["a\x7fb"]',
    "a line separator": '["\u2028"]',
    "a code point that is no character": '["\uffff"]',
    "an escaped slash": '["\\/"]',
}
ROOTS_KEPT: Final = {
    "a number as the root": "42",
    "null as the root": "null",
    "a number cut short that is still a number": "4",
}
SYNTAX_REFUSED: Final = {
    "one name twice": '{"a":1,"a":2}',
    "one name twice, once as an escape": '{"a":1,"\\u0061":2}',
    **{
        f"the word {word} as a number": f"[{word}]"
        for word in ("NaN", "Infinity", "-Infinity", "-NaN", "01", "+1", ".5", "1.", "0x10", "\uff11", "1_000")
    },
    "a line end inside a string": '["a\nb"]',
    "a tab inside a string": '["a\tb"]',
    "a NUL byte inside a string": '["a\0b"]',
    "an escape of another language": '["\\x41"]',
    "an escape with two digits": '["\\u12"]',
    "a comma before the end of a list": "[1,]",
    "a comma before the end of an object": '{"a":1,}',
    "a comment to the end of the line": "[1 // x\n]",
    "a comment in the middle": "[1 /* x */]",
    "single quotes": "['a']",
    "a name without quotes": "{a:1}",
    "a no-break space between tokens": "[1,\u00a02]",
}
BYTES_REFUSED: Final = {
    "a byte order mark": b'\xef\xbb\xbf{"a":1}',
    "UTF-16, little-endian, with its mark": '\ufeff{"a":1}'.encode("utf-16-le"),
    "UTF-16, big-endian, with its mark": '\ufeff{"a":1}'.encode("utf-16-be"),
    "UTF-16 without a mark": '{"a":1}'.encode("utf-16-le"),
    "UTF-32 with its mark": '\ufeff{"a":1}'.encode("utf-32-le"),
    "the byte FF": b'["\xff"]',
    "NUL in two bytes": b'["\xc0\x80"]',
    "half a surrogate pair in bytes": b'["\xed\xa0\x80"]',
    "a letter in Latin-1": b'["caf\xe9"]',
    "a name that is no UTF-8": b'{"\xff":1}',
    "two thirds of a character": b'["\xe2\x82"]',
}
ENDS_REFUSED: Final = {
    "nothing": "",
    "white space only": " \n",
    "two documents": "{} {}",
    "a document on each line": '{"a":1}\n{"a":2}\n',
    "a letter after the end": "{}x",
    "NUL bytes after the end": '{"a":1}' + "\0" * 64,
    "NUL bytes only": "\0" * 512,
    "the end inside a record": '[{"id":1},{"id":2',
    "the end inside a string": '["abc',
    "the end inside a number": "[12",
}


def _nested(depth: int) -> str:
    return "[" * depth + "]" * depth


# Made when asked for: the program below is to begin with little memory in use.
BOMBS_REFUSED: Final[dict[str, Callable[[], str]]] = {
    **{
        f"{depth:,} nested lists": partial(_nested, depth)
        for depth in (500, 1000, 1001, 2000, 5000, 100_000, 1_000_000)
    },
    "2,000 nested objects": lambda: '{"a":' * 2000 + "1" + "}" * 2000,
    "100,000 lists that nobody closes": lambda: "[" * 100_000,
}
BOMBS_KEPT: Final[dict[str, Callable[[], str]]] = {
    "an integer of a million digits": lambda: f"[{'9' * 1_000_000}]",
    "a string of 20 MB": lambda: f'["{"x" * 20_000_000}"]',
    "two million numbers": lambda: f"[{','.join('1' * 2_000_000)}]",
}


def _encoded(*groups: dict[str, str] | dict[str, bytes]) -> dict[str, bytes]:
    items = [item for group in groups for item in group.items()]
    return {name: text if isinstance(text, bytes) else text.encode() for name, text in items}


KEPT: Final = _encoded(NAMES_KEPT, NUMBERS_KEPT, STRINGS_KEPT, ROOTS_KEPT)
REFUSED: Final = _encoded(SYNTAX_REFUSED, BYTES_REFUSED, ENDS_REFUSED)


def in_record(data: bytes) -> bytes:
    """Put a text into a library, as a member of its second record."""
    return b'{"items":[{"id":"a"},{"id":"b","x":' + data + b'},{"id":"c"}]}'


def verdict(path: Path, name: str) -> str:
    """Read a file as a document of MediaOS; return the digest of its entries, or how it was refused."""
    from mediaos_migrate.documents.reader import Reading
    from mediaos_migrate.errors import Damaged
    from mediaos_migrate.pack import load
    from mediaos_migrate.shapes import Role
    from mediaos_migrate.values import dumps

    digest = hashlib.sha256()
    try:
        for piece in Reading(path, load("mediaos").document(name)):
            if piece.role is Role.ENTRY:
                digest.update(dumps(piece.value).encode())
    except Damaged as error:
        return error.kind
    return digest.hexdigest()


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    sys.stdout.write(verdict(Path(sys.argv[1]), sys.argv[2]))
