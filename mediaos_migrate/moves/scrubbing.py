"""Finding plain secrets that sealing left behind: in old copies, in backups, in free pages and the database's log."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from .. import crash, files
from ..backups.places import FOLDER
from ..engines.sqlite import Connection, transaction
from ..errors import Damaged, NeedsKey, UsageError
from ..keyring import Keyring, wrong
from ..pack import Document, Hidden
from ..report import SILENT, Progress
from ..secrets import HASH, PLAIN
from ..site import LOCK, Site
from ..stores.tokens import rewritten
from .keychecking import OPENS, SEALED_HERE, TABLE, UNOPENED, Found, in_file, secrets_of
from .mirroring import CONFLICTS

SHORTEST: Final = 8  # a shorter text stands in many files by chance
CHUNK: Final = 1 << 20
ZEROS: Final = 1 << 26

LEFT: Final = "left"
SEALED: Final = "sealed"
SHREDDED: Final = "shredded"
WIPED: Final = "wiped"
COPY: Final = "copy"
CONFLICT: Final = "conflict"
BACKUP: Final = "backup"
STATE: Final = "state"
DATABASE: Final = "database"


@dataclass(slots=True)
class Trace:
    """A file that holds plain secrets: members by count where it can be read, known texts in its bytes otherwise."""

    path: Path
    kind: str
    members: dict[str, int]
    texts: int
    done: str = LEFT


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to do with what is found: seal what the app opens, or shred; backups only when they are named."""

    seal: bool = False
    shred: bool = False
    backups: bool = False


@dataclass(slots=True)
class Scrubbed:
    """What was found, and what became of it."""

    scanned: int = 0
    traces: list[Trace] = field(default_factory=list)

    @property
    def left(self) -> list[Trace]:
        """What still holds plain secrets."""
        return [trace for trace in self.traces if trace.done == LEFT]

    @property
    def exit_code(self) -> int:
        """3 when something was found and left."""
        return 3 if self.left else 0


Ask = Callable[[Scrubbed], None]
Texts = frozenset[bytes]


def scrub(site: Site, wanted: Wanted, ask: Ask, progress: Progress = SILENT) -> Scrubbed:
    """Look for plain secrets outside the live files; then, if that is wanted and `ask` agrees, seal or shred them."""
    if wanted.seal and wanted.shred:
        raise UsageError("A file is sealed or shredded, not both.", "Leave --seal or --shred out.")
    if wanted.seal and not site.vault.has_key:
        raise NeedsKey("There is no key to seal with.", f"Give it as {site.pack.key_variable} or with --key-file.")
    result = Scrubbed()
    known, in_database = _known(site, writing=wanted.seal or wanted.shred)
    for path in _files(site):
        progress.step("look", f"through {path.name}")
        result.scanned += 1
        _add(result, _trace(site, path, _kind(site, path), known))
    for path in _database(site):
        result.scanned += 1
        _add(result, Trace(path, DATABASE, {}, _held(path, in_database)))
    if not result.traces or not (wanted.seal or wanted.shred):
        return result
    ask(result)
    with site.locked(wait=10):
        for trace in result.traces:
            _settle(site, trace, wanted, known)
            crash.point("scrubbed")
        _wipe_all(site, [trace for trace in result.traces if trace.kind == DATABASE], in_database)
    return result


def _wipe_all(site: Site, traces: list[Trace], known: Texts) -> None:
    """Wipe the rest of the database, and look whether that helped."""
    if not traces:
        return
    with site.writing() as connection:
        _wipe(connection)
    crash.point("wiped")
    for trace in traces:
        if not (trace.path.exists() and _held(trace.path, known)):
            trace.done = WIPED


def _add(result: Scrubbed, trace: Trace) -> None:
    if trace.members or trace.texts:
        result.traces.append(trace)


def _known(site: Site, *, writing: bool) -> tuple[Texts, Texts]:
    """Return the plain texts of all secrets that can be read, and those that the database has no right to hold.

    Raises WrongKey before anything is written with a key that opens nothing.
    """
    with ExitStack() as held_open:
        connection = None
        if site.db.exists() and site.db.stat().st_size:
            connection = held_open.enter_context(site.looking())
            if writing:
                Keyring(connection).check(site.vault, site.pack.key_variable)
        texts: set[str] = set()
        rightly: set[str] = set()
        stands: set[str] = set()
        for found in secrets_of(site, connection, site.pack.documents.values()):
            text, how = _text(site, found), found.stands(site.vault)
            stands.add(how)
            if len(text) >= SHORTEST:
                texts.add(text)
                if found.home == TABLE and how == PLAIN:
                    rightly.add(text)
    if writing and site.vault.has_key and UNOPENED in stands and not stands & {OPENS, SEALED_HERE}:
        raise wrong(site.pack.key_variable)
    return frozenset(map(str.encode, texts)), frozenset(map(str.encode, texts - rightly))


def _text(site: Site, found: Found) -> str:
    """Return the plain text of a secret; nothing where it cannot be read."""
    if found.hidden.kind == HASH or not isinstance(found.value, str):
        return ""
    opened = found.value if found.stands(site.vault) == PLAIN else site.vault.open(found.value, found.place) or ""
    try:
        opened.encode()
    except UnicodeEncodeError:
        return ""
    return opened if found.member != "(raw text)" else ""


def _files(site: Site) -> Iterator[Path]:
    """Walk through all files in the data folder that are neither live nor locks; links are not followed."""
    live = {site.file(document) for document in site.pack.documents.values()}
    live |= {*_beside(site)}
    for path in sorted(site.data.rglob("*")):
        if path not in live and path.is_file() and not path.is_symlink() and not path.name.endswith(LOCK):
            yield path


def _beside(site: Site) -> Iterator[Path]:
    yield from (site.db.with_name(site.db.name + suffix) for suffix in ("", "-wal", "-shm", "-journal"))


def _database(site: Site) -> Iterator[Path]:
    """Name the files of the live database. No connection of ours is open when they are read, so no lock is lost."""
    yield from (path for path in _beside(site) if path.is_file() and not path.name.endswith("-shm"))


def _kind(site: Site, path: Path) -> str:
    for folder, kind in ((site.state / FOLDER, BACKUP), (site.state / CONFLICTS, CONFLICT), (site.state, STATE)):
        if folder in path.parents:
            return kind
    return COPY


def _trace(site: Site, path: Path, kind: str, known: Texts) -> Trace:
    members: dict[str, int] = {}
    if document := _document(site, path):
        try:
            for found in in_file(site, document, path, salvage=True):
                if found.stands(site.vault) == PLAIN:
                    members[found.member] = members.get(found.member, 0) + 1
        except (Damaged, OSError):
            members = {}  # no document after all: its bytes tell
    return Trace(path, kind, members, _held(path, known))


def _document(site: Site, path: Path) -> Document | None:
    """Tell by its name which document a file is a copy of: downloaders.json.bak, downloaders-1a2b.json."""
    hiding = [d for d in site.pack.documents.values() if any(part.hidden for part in d.parts)]
    stems = {document.name: document for document in hiding if path.name.startswith(document.name)}
    return stems[max(stems, key=len)] if stems else None


def _held(path: Path, known: Texts) -> int:
    """Count the known texts that a file's bytes hold, as they are or escaped as in JSON."""
    spelled = {form: text for text in known for form in _spellings(text)}
    longest = max(map(len, spelled), default=0)
    found: set[bytes] = set()
    tail = b""
    with path.open("rb") as stream:
        while spelled and (chunk := stream.read(CHUNK)):
            window = tail + chunk
            found |= {text for form, text in spelled.items() if form in window}
            tail = window[-longest:]
    return len(found)


def _spellings(text: bytes) -> set[bytes]:
    decoded = text.decode()
    return {text, *(json.dumps(decoded, ensure_ascii=ascii_)[1:-1].encode() for ascii_ in (True, False))}


def _settle(site: Site, trace: Trace, wanted: Wanted, known: Texts) -> None:
    if trace.kind == DATABASE or (trace.kind == BACKUP and not (wanted.shred and wanted.backups)):
        return  # a backup is bound to its digests: it stays as it is, or goes as a whole
    if wanted.shred:
        _shred(site, trace)
    elif trace.members and trace.kind in (COPY, CONFLICT):
        _seal(site, trace)
        again = _trace(site, trace.path, trace.kind, known)
        if again.members or again.texts:
            trace.members, trace.texts = again.members, again.texts
        else:
            trace.done = SEALED


def _shred(site: Site, trace: Trace) -> None:
    if not trace.path.exists():  # it went with its backup
        trace.done = SHREDDED
        return
    whole = _backup_of(site, trace.path) if trace.kind == BACKUP else trace.path
    paths = sorted(path for path in whole.rglob("*") if path.is_file()) if whole.is_dir() else [whole]
    if any(path.stat().st_nlink > 1 for path in paths):
        return  # somebody else has a link to these bytes
    for path in paths:
        files.shred(path)
    if whole.is_dir():
        shutil.rmtree(whole)
    trace.done = SHREDDED


def _backup_of(site: Site, path: Path) -> Path:
    folder = site.state / FOLDER
    return folder / path.relative_to(folder).parts[0]


def _seal(site: Site, trace: Trace) -> None:
    document = _document(site, trace.path)
    if document is None or not site.vault.has_key:
        return

    def change(value: Any, hidden: Hidden) -> str | None:
        plain = hidden.app_opens and isinstance(value, str) and site.vault.state(value) == PLAIN
        return site.vault.seal(value) if plain else None

    replacement = files.Replacement(trace.path, site.owner)
    with replacement.writing() as out:
        count = rewritten(out, trace.path, document, change, salvage=True)
    if count:
        replacement.put()
    else:
        replacement.drop()


def _wipe(connection: Connection) -> None:
    """Write zeros over all free pages, and empty the log. VACUUM would give rows other numbers."""
    free = int(connection.execute("PRAGMA freelist_count").fetchone()[0])
    left = free * int(connection.execute("PRAGMA page_size").fetchone()[0])
    with transaction(connection):
        connection.execute("CREATE TABLE _mm_zeros (zeros BLOB)")
        while left > 0:
            connection.execute("INSERT INTO _mm_zeros VALUES (zeroblob(?))", (min(left, ZEROS),))
            left -= ZEROS
        connection.execute("DROP TABLE _mm_zeros")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
