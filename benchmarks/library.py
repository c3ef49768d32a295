"""The data: a library.json as MediaOS writes it after scans, the same bytes for the same size on every machine."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

SEED: Final = 20251028
FIRST: Final = 1_761_609_600_000  # the millisecond in which the first record was made
REMAKE: Final = 100  # every so many records a title occurs again
_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"

_FIRST_WORDS: Final = (
    "Silent Golden Broken Hidden Last Burning Distant Electric Frozen Gentle Hollow Iron Lonely Midnight Northern "
    "Paper Quiet Restless Scarlet Secret Stolen Velvet Wandering Winter Álmos Été Große Niño Über Żółty 静かな Ёлочный"
).split()
_SECOND_WORDS: Final = (
    "Harbor Garden Ferry Orchard Station Mirror Lantern River Empire Bridge Island Theatre Voyage Letter Machine "
    "Summer Detective Kingdom Orchestra Window Circus Desert Forest Highway Lighthouse Mountain Ocean Parade "
    "Railway Shadow"
).split()
_THIRD_WORDS: Final = (
    "of Lisbon|of Glass|at Dawn|in Exile|Returns|without End|of the North|after Dark|on Fire|of Amélie|for Beginners|"
    "of Salt|by Night|under Water|of Kraków|in Blue|from Mars|of Memory|and Sons|of Zürich"
).split("|")
_KINDS: Final = ["movie"] * 14 + ["series"] * 3 + ["music"] * 2 + ["book"]
_QUALITIES: Final = ["2160p", "1080p", "1080p", "1080p", "720p", "480p"]
_SOURCES: Final = ["BluRay", "WEB-DL", "WEBRip", "HDTV", "REMUX"]
_CODECS: Final = ["x264", "x265", "av1"]
_FOLDERS: Final = {"movie": "movies", "series": "tv", "music": "music", "book": "books"}

Record = dict[str, Any]


def records(count: int) -> Iterator[Record]:
    """Make the first `count` records; those of a small library begin every larger one."""
    chance = random.Random(SEED)
    for number in range(count):
        yield _record(number, chance)


def _record(number: int, chance: random.Random) -> Record:
    kind = chance.choice(_KINDS)
    record = {"id": _id(number, chance), "kind": kind, "title": title(number)}
    if chance.random() < 0.6:
        record["posterUrl"] = f"https://image.tmdb.org/t/p/w500/{_word(chance, 27)}.jpg"
    if chance.random() < 0.15:
        record["backgroundUrl"] = f"https://image.tmdb.org/t/p/w1280/{_word(chance, 27)}.jpg"
    if chance.random() < 0.68:
        _add_scanned(record, chance)
    return record


def _add_scanned(record: Record, chance: random.Random) -> None:
    """Add what a scan of the disk finds out."""
    quality, source, codec = chance.choice(_QUALITIES), chance.choice(_SOURCES), chance.choice(_CODECS)
    year = chance.randrange(1920, 2026)
    name = f"{record['title'].replace(' ', '.')}.{year}.{quality}.{source}.{codec}.mkv"
    record |= {"year": year, "quality": quality, "source": source}
    record["filePath"] = f"/media/{_FOLDERS[record['kind']]}/{record['title']} ({year})/{name}"
    record["fileSize"] = chance.randrange(200_000_000, 60_000_000_000)
    record["metadata"] = {"originalFilename": name, "codec": codec}
    if record["kind"] == "series":
        record["metadata"] |= {"season": chance.randrange(1, 12), "episode": chance.randrange(1, 25)}


def title(number: int) -> str:
    """Return the title of a record: one of its own, but for remakes."""
    if number % REMAKE == REMAKE - 1:
        number -= REMAKE // 2
    rest, first = divmod(number, len(_FIRST_WORDS))
    rest, second = divmod(rest, len(_SECOND_WORDS))
    rest, third = divmod(rest, len(_THIRD_WORDS))
    words = f"{_FIRST_WORDS[first]} {_SECOND_WORDS[second]} {_THIRD_WORDS[third]}"
    return f"{words} {rest + 1}" if rest else words


def _id(number: int, chance: random.Random) -> str:
    """Make an id as the app does: the millisecond and six random digits, in base 36."""
    time, digits = FIRST + number * 7, ""
    while time:
        time, digit = divmod(time, 36)
        digits = _DIGITS[digit] + digits
    return digits + _word(chance, 6)


def _word(chance: random.Random, length: int) -> str:
    return "".join(chance.choices(_DIGITS, k=length))


def write(path: Path, count: int) -> None:
    """Write a library.json, byte for byte as `JSON.stringify(value, null, 2)` does."""
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        _write_list(stream.write, count, ('{\n  "items": [', "\n  ]\n}"), "    ")


def write_array(path: Path, count: int) -> None:
    """Write the records alone as one array, which is what `sqlite-utils insert` reads."""
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        _write_list(stream.write, count, ("[", "\n]"), "  ")


def _write_list(write: Any, count: int, around: tuple[str, str], indent: str) -> None:
    write(around[0])
    for number, record in enumerate(records(count)):
        write(f"{',' if number else ''}\n{indent}{_text(record, indent)}")
    write(around[1])


def _text(value: Record, indent: str) -> str:
    """Spell an object over several lines; Python's own encoder is ten times slower once it indents."""
    deeper = f"{indent}  "
    lines = (
        f"{deeper}{json.dumps(name)}: "
        f"{_text(item, deeper) if isinstance(item, dict) else json.dumps(item, ensure_ascii=False)}"
        for name, item in value.items()
    )
    return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
