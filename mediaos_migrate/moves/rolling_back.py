"""Back to the files, whatever the stage: the price first, then a backup, the proof, and only then the step."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import isinf
from pathlib import Path
from typing import Any, Final

from .. import backups, crash, files, marker
from ..backups import Wish
from ..engines import sqlite
from ..engines.sqlite import Connection, quoted, tables
from ..errors import Refused
from ..ledger import Ledger
from ..report import SILENT, Progress
from ..site import Site
from ..stages import Stage
from .staging import Step, opened, retreat_in
from .standing import REST, Asked, Price, chosen, price_of

SAVED: Final = "only-in-database.json"  # in the state folder: rows that no file can hold
BESIDE: Final = ("-wal", "-shm", "-journal")

Ask = Callable[["Rollback"], None]


@dataclass(slots=True)
class Rollback:
    """What going back costs and did: the price, the moves, where the rows are that no file can hold."""

    price: Price
    stages: dict[str, Stage] = field(default_factory=dict)  # of the documents that go back
    steps: list[Step] = field(default_factory=list)
    saved: str | None = None
    backup: str | None = None
    discarded: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which documents go back (all), why, and whether the database is removed afterwards."""

    documents: tuple[str, ...] = ()
    why: str = ""
    discard_database: bool = False


def rollback(site: Site, wanted: Wanted, ask: Ask, progress: Progress = SILENT) -> Rollback:
    """Take documents back to `off`, with everything that was written since; `ask` hears the price, and may refuse.

    Nothing is moved before each file was written from its table and proved equal. Raises NeedsPerson when somebody
    else has changed the same records of a file, Refused when the database is to go and is still needed.
    """
    if wanted.discard_database and _is_blank(site):
        return _drop_blank(site, ask)
    with opened(site) as connection:
        ledger = Ledger(connection)
        documents = chosen(site, wanted.documents)
        result = Rollback(price_of(site, connection))
        result.stages = {d.name: ledger.stage(d.name) for d in documents if ledger.stage(d.name) is not Stage.OFF}
        rest = [name for name, stage in ledger.stages().items() if stage is not Stage.OFF and name not in result.stages]
        if wanted.discard_database and rest:
            raise Refused(f"{', '.join(rest)} would still need the database.", "Roll all documents back.")
        ask(result)
        if result.stages or wanted.discard_database:
            progress.step("back up", "the database")
            result.backup = backups.take(site, connection, Wish("rollback")).name
            result.saved = _save(site, connection, result.price)
            crash.point("rollback.saved")
        asked = Asked(why=wanted.why or "rolled back")
        result.steps = retreat_in(site, connection, (documents, Stage.OFF), asked, progress)
        crash.point("rollback.moved")
    if wanted.discard_database:
        _discard(site)
        result.discarded = True
    return result


def _is_blank(site: Site) -> bool:
    """Tell whether there is a database in which nothing is: a migration failed before it made anything there."""
    if not site.db.is_file():
        return False
    if site.db.stat().st_size == 0:
        return True
    with sqlite.looking(site.db) as connection:
        return not tables(connection)


def _drop_blank(site: Site, ask: Ask) -> Rollback:
    """Remove a database that holds nothing. Raises NeedsPerson where one ought to be that does."""
    marker.check_lost(site.state, site.db)
    result = Rollback(Price({}, {}))
    ask(result)
    _discard(site)
    result.discarded = True
    return result


def _save(site: Site, connection: Connection, price: Price) -> str | None:
    """Write the rows that no file can hold beside the files."""
    if not price.only_in_database:
        return None
    replacement = files.Replacement(site.state / SAVED, site.owner)
    with replacement.writing() as stream:
        stream.write(b"{")
        for number, name in enumerate(price.only_in_database):
            stream.write((b"," if number else b"") + b"\n" + json.dumps(name).encode() + b": [")
            for place, row in enumerate(_rows(connection, name)):
                stream.write((b"," if place else b"") + b"\n  " + json.dumps(row).encode())
            stream.write(b"\n]")
        stream.write(b"\n}\n")
    _keep_earlier(site, files.digest(replacement.written))
    replacement.put()
    return SAVED


def _keep_earlier(site: Site, digest: str) -> None:
    """Keep what an earlier rollback has saved, if it is another thing: a database may have been discarded since."""
    path = site.state / SAVED
    if path.is_file() and (earlier := files.digest(path)) != digest:
        kept = path.with_stem(f"{path.stem}-{earlier[:16]}")
        if not kept.exists():
            files.copy(path, kept, site.owner)


def _rows(connection: Connection, name: str) -> Iterator[dict[str, Any]]:
    sql = f"SELECT * FROM {quoted(name)}" + (" WHERE part = ''" if name == REST else "")
    with _any_text(connection):
        for row in connection.execute(sql):
            yield {column: _plain(row[column]) for column in row.keys()}  # noqa: SIM118  a row is no dictionary


@contextmanager
def _any_text(connection: Connection) -> Iterator[None]:
    """Let text be read that is not UTF-8: as `_Spoilt`."""
    before = connection.text_factory
    connection.text_factory = _text
    try:
        yield
    finally:
        connection.text_factory = before


class _Spoilt(bytes):
    """The bytes of a text that is not UTF-8."""


def _text(raw: bytes) -> str | _Spoilt:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return _Spoilt(raw)


def _plain(value: object) -> object:
    """Spell a value as JSON, also one that JSON has no word for."""
    if isinstance(value, bytes):
        kind = {"type": "text"} if isinstance(value, _Spoilt) else {}
        return {"base64": b64encode(value).decode(), **kind}
    if isinstance(value, float) and isinf(value):
        return {"real": "9e999" if value > 0 else "-9e999"}  # as SQLite itself spells what is infinite
    return value


def _discard(site: Site) -> None:
    """Remove the database; the marker goes first, for it says that there is one."""
    with site.locked(wait=10):
        (site.state / marker.NAME).unlink(missing_ok=True)
        crash.point("rollback.unmarked")
        for path in _database(site.db):
            path.unlink(missing_ok=True)
        files.sync_folder(site.db.parent)


def _database(db: Path) -> Sequence[Path]:
    return [db, *(db.with_name(db.name + suffix) for suffix in BESIDE)]
