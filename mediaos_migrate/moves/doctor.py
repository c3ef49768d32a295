"""Everything that could stand in the way of a migration, or surprise afterwards."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .. import anomalies, room
from ..engines.sqlite import network_file_system
from ..errors import MigrateError, Refused
from ..report import SILENT, Progress
from ..room import Room
from ..site import Site
from . import preflight
from .forecasting import Forecast, Look, forecast
from .migrating import Known, new_bytes, remembered
from .surveyed import Options, Survey
from .surveying import survey

_FIXED_IN = (3, 51, 3)  # SQLite's "WAL reset" bug: two writers at one instant, very rare


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a doctor tells: how bad it is, where, what, and the way out."""

    level: str  # error: a migration would refuse; warning; note
    code: str
    where: str
    message: str
    remedy: str = ""


@dataclass(slots=True)
class Diagnosis:
    """What a doctor found."""

    findings: list[Finding]
    surveys: list[Survey]
    unmapped: list[str]
    key: dict[str, Any]
    disk_free: int
    disk_needed: int
    forecast: Forecast

    @property
    def exit_code(self) -> int:
        """4 when a migration would be refused."""
        return 4 if any(finding.level == "error" for finding in self.findings) else 0


def diagnose(site: Site, options: Options, progress: Progress = SILENT) -> Diagnosis:
    """Look for everything that could stand in the way of a migration, or surprise afterwards."""
    findings: list[Finding] = []
    known = Known()
    try:
        known = remembered(site)
    except MigrateError as error:
        findings.append(_error(str(site.db), error))
    try:
        preflight.check_folder(site, accept=options.accept_data, accepted=known.folders, complete=known.complete)
    except MigrateError as error:
        findings.append(_error(str(site.data), error))
    started = time.perf_counter()
    surveys = survey(site, options, known.documents, progress=progress)
    looked = time.perf_counter() - started
    findings += [_error(seen.document.file, seen.error) for seen in surveys if seen.error]
    findings += [
        Finding("warning", a.rule, f"{s.document.file} {' / '.join(a.key)}", *anomalies.meaning(s.document, a.rule))
        for s in surveys
        for a in s.anomalies
    ]
    key = dict(preflight.key_report(site, surveys))
    findings += [*_key_findings(site, key), *_place_findings(site)]
    disks = room.for_migration(site, new_bytes(surveys, known.documents))
    findings += _disk_findings(disks)
    unmapped = site.unmapped()
    findings += [
        Finding("note", "unmapped", name, f"{site.pack.name}'s pack does not know it; it stays where it is.")
        for name in unmapped
    ]
    progress.step("measure", "this machine")
    expected = forecast(site, Look(surveys, known, looked))
    tightest = min(disks, key=lambda disk: disk.free - disk.needed)
    return Diagnosis(findings, surveys, unmapped, key, tightest.free, sum(disk.needed for disk in disks), expected)


def _disk_findings(disks: list[Room]) -> Iterator[Finding]:
    for disk in disks:
        try:
            disk.check()
        except Refused as error:
            yield _error(str(disk.place), error)


def _error(where: str, error: MigrateError) -> Finding:
    code = error.facts.get("kind") or type(error).__name__.lower()
    return Finding("error", str(code), where, error.message, error.remedy)


def _key_findings(site: Site, key: dict[str, Any]) -> Iterator[Finding]:
    variable = site.pack.key_variable or "--key-file"
    sealed, opened = key["looks-sealed"], key["opened"]
    if key["given"] and sealed and not opened:
        yield Finding(
            "warning",
            "key",
            variable,
            f"The key opens none of {sealed} sealed values.",
            "Give the key that the app runs with.",
        )
    elif key["given"] and opened < sealed:
        yield Finding("warning", "key", variable, f"The key opens {opened} of {sealed} values that look sealed.")
    elif not key["given"] and sealed:
        yield Finding("note", "key", variable, f"No key is given; {sealed} sealed values are carried as they are.")


def _place_findings(site: Site) -> Iterator[Finding]:
    if kind := network_file_system(site.db):
        yield Finding(
            "warning",
            "network",
            str(site.db.parent),
            f"It lies on {kind}; the database will use no WAL there.",
            "Put the database on a local disk with --db.",
        )
    version = sqlite3.sqlite_version_info
    yield Finding(
        "note",
        "sqlite",
        sqlite3.sqlite_version,
        "The SQLite that Python uses."
        if version >= _FIXED_IN
        else "This SQLite has a rare bug when two programs write at one instant (fixed in 3.51.3).",
    )
    loose = [
        d.file for d in site.pack.documents.values() if site.file(d).is_file() and site.file(d).stat().st_mode & 0o004
    ]
    holding = [f for f in loose if any(p.hidden for d in site.pack.documents.values() if d.file == f for p in d.parts)]
    for name in holding:
        yield Finding(
            "note",
            "mode",
            name,
            "Everybody on this machine can read it, and it holds secrets.",
            f"chmod o-r {name}",
        )
