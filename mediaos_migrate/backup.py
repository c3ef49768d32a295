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


def all_of(site: Site) -> list[Backup]:
    """Return a site's backups, oldest first; what has no manifest is none."""
    found = sorted((site.state / FOLDER).glob(f"[!.]*/{MANIFEST}"))
    return [Backup(path.parent, json.loads(path.read_bytes())) for path in found]


def take(site: Site, wanted: Mapping[str, str], reason: str) -> Backup:
    """Back up files, given by name with the digest they must have; one that holds the same is used again."""
    for backup in all_of(site):
        if backup.digests == dict(wanted):
            return backup
    now = datetime.now(UTC)
    folder = site.state / FOLDER
    name = f"{now:%Y%m%dT%H%M%S}.{now.microsecond // 1000:03d}Z-{reason}"
    partial = folder / (_PARTIAL + name)
    files.make_folder(partial, site.owner)
    manifest = {
        "created_at": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "reason": reason,
        "app": site.pack.app,
        "tool_version": __version__,
        "files": [_copy(site, partial, name, digest) for name, digest in sorted(wanted.items())],
    }
    crash.point("backup.copied")
    with files.replacing(partial / MANIFEST, site.owner) as stream:
        stream.write(json.dumps(manifest, indent=2).encode())
    partial.rename(folder / name)
    files.sync_folder(folder)
    crash.point("backup.made")
    return Backup(folder / name, manifest)


def _copy(site: Site, folder: Path, name: str, digest: str) -> dict[str, Any]:
    copied = files.copy(site.data / name, folder / name, site.owner)
    if copied != digest:
        raise NotSettled(f"{name} changed while it was backed up.", f"Stop {site.pack.name} and run it again.")
    return {"name": name, "size": (folder / name).stat().st_size, "sha256": copied}


def holding(site: Site, name: str, digest: str) -> Path | None:
    """Find a file with a certain digest: in the data folder, or in a backup."""
    here = site.data / name
    if here.is_file() and files.digest(here) == digest:
        return here
    copies = (backup.folder / name for backup in reversed(all_of(site)) if backup.digests.get(name) == digest)
    return next((copy for copy in copies if copy.is_file() and files.digest(copy) == digest), None)


def clear_partial(site: Site) -> None:
    """Remove what an interrupted run left of a backup."""
    for folder in _partial(site):
        shutil.rmtree(folder)


def _partial(site: Site) -> Iterator[Path]:
    yield from (site.state / FOLDER).glob(f"{_PARTIAL}*")
