"""Making a backup: the files and the database of one moment, named only when it is whole."""

from __future__ import annotations

import hmac
import json
import re
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from .. import __version__, crash, files, room
from ..engines import sqlite
from ..engines.sqlite import Connection
from ..errors import NotSettled, UsageError
from ..ledger import Ledger
from ..migrations import Ladder, applied
from ..site import Site
from . import archive, keeping
from .checking import is_whole
from .manifest import DATABASE, DIGEST, FORMAT, NAME, SEAL, Held, Manifest, digest_of
from .places import FOLDER, OWN, PARTIAL, Backup, all_of, load
from .sealing import Sealer

TRIES: Final = 20
STAMP: Final = "20261121T031700.000Z"
PAUSE: Final = 0.05  # between two looks at a file that somebody may be writing
REASON: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,59}")

Digests = Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Wish:
    """What a backup shall be. `digests` are the files it must find (None: missing); otherwise they are as they are."""

    reason: str
    automatic: bool = True
    archive: bool = False
    seal: bool = False
    if_changed: bool = True
    digests: Digests | None = None


@dataclass(slots=True)
class _Copy:
    """What was copied so far, and what it said before it was sealed."""

    held: list[Held] = field(default_factory=list)
    database: Held | None = None
    said: dict[str, str | None] = field(default_factory=dict)


def take(site: Site, connection: Connection | None, wish: Wish) -> Backup:
    """Back up files and database as a consistent pair; the caller holds the site's lock, so we write nothing meanwhile.

    What the last backup holds is not kept twice if that is wished. Raises NotSettled when the app never stops writing.
    """
    if not REASON.fullmatch(wish.reason):
        raise UsageError(f"`{wish.reason}` is no reason for a backup.", "Give small letters, digits and hyphens.")
    clear_partial(site)
    _check_room(site, wish)
    source = connection if connection is not None and Ledger.is_in(connection) else None
    name, now = _name(site, wish.reason)
    partial = site.state / FOLDER / (PARTIAL + name)
    files.make_folder(partial, site.owner)
    sealer = Sealer(site.vault) if wish.seal else None
    told = Manifest(
        format=FORMAT,
        id=str(uuid.uuid4()),
        created_at=now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        reason=wish.reason,
        app=site.pack.app,
        tool_version=__version__,
        automatic=wish.automatic,
        sealed=wish.seal,
    )
    copy = _Taking(site, source, partial, told, sealer).run(wish.digests)
    crash.point("backup.copied")
    told = _described(site, source, told, copy)
    if wish.if_changed and (same := _same(site, told)):
        keeping.clear(partial)
        return same
    made = _finish(site, partial, told, wish)
    if wish.automatic:
        keeping.remove(keeping.plan(site, source, keeping.AUTOMATIC, automatic=True).removed)
    return replace(made, fresh=True)


def _name(site: Site, reason: str) -> tuple[str, datetime]:
    """Return a name that no backup has, and the time; names sort as the backups were made, whatever the clock says."""
    now = datetime.now(UTC)
    stamps = [path.name[: len(STAMP)] for path in (site.state / FOLDER).glob("[!.]*")]
    last = max((stamp for stamp in stamps if _moment(stamp)), default="")
    stamp = _stamp(now)
    if stamp <= last and (before := _moment(last)):
        stamp = _stamp(before + timedelta(milliseconds=1))
    return f"{stamp}-{reason}", now


def _stamp(moment: datetime) -> str:
    return f"{moment:%Y%m%dT%H%M%S}.{moment.microsecond // 1000:03d}Z"


def _moment(stamp: str) -> datetime | None:
    with suppress(ValueError):
        return datetime.strptime(stamp, "%Y%m%dT%H%M%S.%fZ").replace(tzinfo=UTC)
    return None


def _check_room(site: Site, wish: Wish) -> None:
    sizes = [path.stat().st_size for d in site.pack.documents.values() if (path := site.file(d)).is_file()]
    sizes += [path.stat().st_size for path in (site.db, sqlite.wal_of(site.db)) if path.is_file()]
    needed = sum(sizes) * (2 if wish.archive else 1)
    room.for_backup(site.data, needed).check("Free some space, or let `mediaos-migrate backup prune` do it.")


class _Taking:
    """One attempt after the other, until nobody wrote while it was made."""

    def __init__(
        self, site: Site, source: Connection | None, folder: Path, told: Manifest, sealer: Sealer | None
    ) -> None:
        self._site, self._source, self._folder, self._told, self._sealer = site, source, folder, told, sealer

    def run(self, digests: Digests | None) -> _Copy:
        """Copy everything. Raises NotSettled."""
        changed = ""
        for attempt in range(TRIES if digests is None else 1):
            before = self._digests() if digests is None else digests
            copy = _Copy()
            self._copy_database(copy)
            if digests is None:
                time.sleep(PAUSE * (1 + attempt / 4))
            changed = next((name for name, digest in before.items() if self._copy(copy, name) != digest), "")
            if not changed:
                return copy
            for path in self._folder.iterdir():
                path.unlink()
        raise NotSettled(f"{changed} changed while it was backed up.", f"Stop {self._site.pack.name} and run it again.")

    def _digests(self) -> Digests:
        paths = {document.file: self._site.file(document) for document in self._site.pack.documents.values()}
        return {name: files.digest(path) if path.is_file() else None for name, path in paths.items()}

    def _copy(self, copy: _Copy, name: str) -> str | None:
        """Copy a file, and return the digest of what was read; None when it is missing."""
        path, target = self._site.data / name, self._folder / self._told.stored(name)
        copy.said[name] = None
        if not path.is_file():
            return None
        with path.open("rb") as stream:
            copy.said[name] = self._put(stream, target, name)
        copy.held.append(_held(name, target))
        return copy.said[name]

    def _put(self, stream: Any, target: Path, name: str) -> str:
        hashing = files.Hashing(stream)
        with files.replacing(target, self._site.owner) as out:
            if self._sealer:
                self._sealer.seal(hashing, out, f"{self._told.id}/{name}")
            else:
                while data := hashing.read(files.CHUNK):
                    out.write(data)
        return hashing.digest

    def _copy_database(self, copy: _Copy) -> None:
        if self._source is None:
            return
        target = self._folder / self._told.stored(DATABASE)
        if self._sealer:
            with sqlite.nameless_copy(self._source, self._folder / DATABASE, self._site.owner) as stream:
                copy.said[DATABASE] = self._put(stream, target, DATABASE)
            copy.database = _held(DATABASE, target)
        else:
            sqlite.copy_database(self._source, target, self._site.owner)
            copy.database = _held(DATABASE, target)
            copy.said[DATABASE] = copy.database.sha256


def _held(name: str, path: Path) -> Held:
    return Held(name=name, size=path.stat().st_size, sha256=files.digest(path))


def _described(site: Site, source: Connection | None, told: Manifest, copy: _Copy) -> Manifest:
    """Say what was copied, and of what schema and stages it is."""
    schema, stages = None, {}
    if source is not None:
        steps = applied(source, Ladder.EXPAND)
        schema = max((step.number for step in steps), default=0)
        known = Ledger(source).stages()
        stages = {name: known[name] for name in site.pack.documents if name in known}
    state = sha256(json.dumps(copy.said, sort_keys=True).encode()).digest()
    if told.sealed:  # nobody shall be able to guess at what is sealed
        state = hmac.digest(site.vault.derive(b"state"), state, "sha256")
    return told.model_copy(
        update={
            "state": state.hex(),
            "schema_version": schema,
            "stages": stages,
            "files": tuple(sorted(copy.held, key=lambda held: held.name)),
            "missing": tuple(sorted(name for name, digest in copy.said.items() if digest is None)),
            "database": copy.database,
        }
    )


def _same(site: Site, told: Manifest) -> Backup | None:
    """Return the last backup if it holds the same, and is whole."""
    last = next(reversed(all_of(site)), None)
    return last if last and last.manifest.state == told.state and is_whole(last) else None


def _finish(site: Site, partial: Path, told: Manifest, wish: Wish) -> Backup:
    """Write the manifest, and only then give the backup its name."""
    data = told.to_json()
    own = {NAME: data, DIGEST: digest_of(data)}
    for name, content in own.items():
        with files.replacing(partial / name, site.owner) as stream:
            stream.write(content)
    if wish.seal:
        with files.replacing(partial / SEAL, site.owner) as stream, (partial / NAME).open("rb") as plain:
            Sealer(site.vault).seal(plain, stream, f"{told.id}/{NAME}")
    whole = _archived(site, partial) if wish.archive else partial
    path = whole.with_name(whole.name.removeprefix(PARTIAL))
    whole.rename(path)
    files.sync_folder(path.parent)
    crash.point("backup.made")
    if wish.archive:
        keeping.clear(partial)
    return load(path, site)


def _archived(site: Site, partial: Path) -> Path:
    """Put a folder into one file, beginning with what it says of itself."""
    target = partial.with_name(partial.name + archive.SUFFIX)
    names = sorted((path.name for path in partial.iterdir()), key=lambda name: (name not in OWN, name))
    with files.replacing(target, site.owner) as stream:
        archive.write(stream, [partial / name for name in names])
    crash.point("backup.archived")
    return target


def clear_partial(site: Site) -> None:
    """Remove what an interrupted run left of a backup."""
    for path in _partial(site):
        keeping.clear(path)


def _partial(site: Site) -> Iterator[Path]:
    yield from (site.state / FOLDER).glob(f"{PARTIAL}*")
    yield from files.leftovers(site.state / FOLDER)


__all__ = ["Wish", "clear_partial", "take"]
