"""What a power cut has to leave, read off the disk by SQLite and by Python's own JSON, before any of our code has run."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from fault_moves import Move
from power_cut import Image

DATABASE: Final = "mediaos.db"
STATE: Final = ".mediaos-migrate/"
BELIEVED: Final = dict.fromkeys(("migrated", "dualwrite", "shadow"), "file")  # where a write begins; else the table
NO_DATABASE: Final = ("broken", "cut off")  # where a move begins that has no database to read before it is done


def broken(move: Move, image: Image, acks: int, folder: Path) -> Iterator[str]:
    """Tell which promises a disk does not keep."""
    yield from _torn(image)
    tables, sick = ({}, []) if move.begin in NO_DATABASE else _tables(image, folder)
    yield from sick
    homes = {"file": _keys(image.get("authors.json")), "table": tables}
    if move.act:
        homes = {BELIEVED.get(move.begin, "table"): homes[BELIEVED.get(move.begin, "table")]}
    written = [f"new{number}" for number in range(acks if move.act else 0)]
    for key in () if move.begin in NO_DATABASE else (*move.keys, *written):
        if not any(key in keys for keys in homes.values()):
            yield f"{key} is in no {' or '.join(homes)}"


def _torn(image: Image) -> Iterator[str]:
    """Name what is only ever put in place as a whole, and is not whole."""
    for path, data in image.items():
        if data is not None and path.endswith(".json") and _in_place(path) and not _parsed(data):
            yield f"{path} is torn"
        if data is not None and path.endswith("/manifest.json") and _in_place(path):
            yield from _incomplete(image, path.rpartition("/")[0], json.loads(data))


def _in_place(path: str) -> bool:
    """Tell whether something bears the name under which it is believed."""
    return not any(name.startswith(".") for name in path.removeprefix(STATE).split("/"))


def _parsed(data: bytes) -> Any:
    try:
        return json.loads(data) is not None
    except ValueError:
        return False


def _incomplete(image: Image, folder: str, manifest: dict[str, Any]) -> Iterator[str]:
    """Name what a backup says it holds, and does not."""
    for held in [*manifest["files"], *([manifest["database"]] if manifest["database"] else [])]:
        data = image.get(f"{folder}/{held['name']}{'.sealed' if manifest['sealed'] else ''}")
        if data is None or sha256(data).hexdigest() != held["sha256"]:
            yield f"{folder} has not the {held['name']} that it names"


def _tables(image: Image, folder: Path) -> tuple[set[str], list[str]]:
    """Let SQLite recover the database, and return the keys of one table, and what is wrong with the whole."""
    if not image.get(DATABASE):
        return set(), []
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for path, data in image.items():
        if path.startswith(DATABASE) and data is not None:
            (folder / path).write_bytes(data)
    with closing(sqlite3.connect(folder / DATABASE)) as connection:
        try:
            sick = [row[0] for row in connection.execute("PRAGMA integrity_check") if row[0] != "ok"]
            made = connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'authors'").fetchone()
            rows = connection.execute("SELECT id FROM authors").fetchall() if made else []
        except sqlite3.DatabaseError as error:
            return set(), [f"the database: {error}"]
    return {row[0] for row in rows}, sick


def _keys(data: bytes | None) -> set[str]:
    return set(json.loads(data)) if data and _parsed(data) else set()
