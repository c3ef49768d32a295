"""Copies of the app's files with their digests, made before anything else is done to a site."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from . import __version__, crash, files
from .engines import sqlite
from .engines.sqlite import Connection
from .errors import NotSettled
from .site import Site

FOLDER: Final = "backups"
MANIFEST: Final = "manifest.json"
_PARTIAL: Final = ".partial-"


@dataclass(frozen=True, slots=True)
class Backup:
    """A folder with the files as bytes, and a manifest that was written last."""

    folder: Path
    manifest: dict[str, Any]

    @property
    def name(self) -> str:
        """The backup's name: when it was made, and before what."""
        return self.folder.name

    @property
    def digests(self) -> dict[str, str]:
        """The files it holds, with their SHA-256."""
        return {item["name"]: item["sha256"] for item in self.manifest["files"]}

    @property
    def sizes(self) -> dict[str, int]:
        """The files it holds, with their sizes in bytes."""
        return {item["name"]: item["size"] for item in self.manifest["files"]}


def all_of(site: Site) -> list[Backup]:
    """Return a site's backups, oldest first; what has no manifest is none."""
    found = sorted((site.state / FOLDER).glob(f"[!.]*/{MANIFEST}"))
    return [Backup(path.parent, json.loads(path.read_bytes())) for path in found]


def take(site: Site, wanted: Mapping[str, str], reason: str) -> Backup:
    """Back up files, given by name with the digest they must have; one that holds the same is used again."""
    for backup in all_of(site):
        if backup.digests == dict(wanted) and wanted:
            return backup
    now = datetime.now(UTC)
    partial = site.state / FOLDER / (_PARTIAL + _name(now, reason))
    files.make_folder(partial, site.owner)
    copied = [_copy(site, partial, name, digest) for name, digest in sorted(wanted.items())]
    crash.point("backup.copied")
    return _finish(site, partial, {**_manifest(site, now, reason), "files": copied})


def _name(now: datetime, reason: str) -> str:
    return f"{now:%Y%m%dT%H%M%S}.{now.microsecond // 1000:03d}Z-{reason}"


def _manifest(site: Site, now: datetime, reason: str) -> dict[str, Any]:
    made = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"created_at": made, "reason": reason, "app": site.pack.app, "tool_version": __version__}


def _finish(site: Site, partial: Path, manifest: dict[str, Any]) -> Backup:
    """Write the manifest, and only then give the folder its name."""
    with files.replacing(partial / MANIFEST, site.owner) as stream:
        stream.write(json.dumps(manifest, indent=2).encode())
    folder = partial.with_name(partial.name.removeprefix(_PARTIAL))
    partial.rename(folder)
    files.sync_folder(folder.parent)
    crash.point("backup.made")
    return Backup(folder, manifest)


def take_database(site: Site, connection: Connection, reason: str) -> Backup:
    """Back up the database alone, through the backup API: one consistent moment, WAL included."""
    now = datetime.now(UTC)
    name = _name(now, reason)
    partial = site.state / FOLDER / (_PARTIAL + name)
    files.make_folder(partial, site.owner)
    sqlite.copy_database(connection, partial / site.db.name, site.owner)
    crash.point("backup.copied")
    copied = partial / site.db.name
    held = {"name": site.db.name, "size": copied.stat().st_size, "sha256": files.digest(copied)}
    return _finish(site, partial, {**_manifest(site, now, reason), "files": [], "database": held})


def _copy(site: Site, folder: Path, name: str, digest: str) -> dict[str, Any]:
    copied = files.copy(site.data / name, folder / name, site.owner)
    if copied != digest:
        raise NotSettled(f"{name} changed while it was backed up.", f"Stop {site.pack.name} and run it again.")
    return {"name": name, "size": (folder / name).stat().st_size, "sha256": copied}


def holding(site: Site, name: str, digest: str) -> Path | None:
    """Find a copy of a file that has a certain digest; nobody writes to a backup."""
    copies = (backup.folder / name for backup in reversed(all_of(site)) if backup.digests.get(name) == digest)
    return next((copy for copy in copies if copy.is_file() and files.digest(copy) == digest), None)


def clear_partial(site: Site) -> None:
    """Remove what an interrupted run left of a backup."""
    for folder in _partial(site):
        shutil.rmtree(folder)


def _partial(site: Site) -> Iterator[Path]:
    yield from (site.state / FOLDER).glob(f"{_PARTIAL}*")
