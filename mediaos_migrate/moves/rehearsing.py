"""The whole way there and back on a copy: what a migration would do, proved before it is done."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from .. import files, migrations, room, scratch
from ..engines import sqlite
from ..errors import NotSettled, Refused
from ..ledger import Ledger
from ..migrations import Ladder
from ..report import SILENT, Progress
from ..site import Site
from .exporting import Exported, export_from
from .forecasting import Forecast, Look, forecast, peak_memory, timed
from .migrating import Migration, look, migrate, remembered
from .surveyed import Options
from .validating import meanings

PURPOSE = "rehearsal"


@dataclass(slots=True)
class Rehearsal:
    """What a rehearsal found: the migration on the copy, the files it gave back, the schema's way down and up."""

    migration: Migration
    forecast: Forecast
    exported: list[Exported] = field(default_factory=list)
    believed: frozenset[str] = frozenset()  # documents whose table is believed, and may be ahead of the file
    schema_returns: bool = False
    seconds: float = 0.0
    peak_memory: int = 0  # bytes of this process
    migrating_memory: int = 0  # the same, up to the end of the migration
    disk_needed: int = 0  # bytes that a migration adds to the disk of the data folder
    disk_free: int = 0
    meanings: dict[str, dict[str, dict[str, str]]] = field(default_factory=dict)  # of each document's rules

    @property
    def different(self) -> list[str]:
        """Files that did not come back byte for byte (salvaged ones cannot)."""
        due = (item for item in self.exported if item.document not in self.believed)
        return [item.file for item in due if item.digest and not item.unchanged and item.state == "present"]

    @property
    def off(self) -> dict[str, float | int]:
        """By how much the forecast was off: what the migration of the copy took, less what was foretold."""
        return self.forecast.off(timed(self.migration), self.migrating_memory, self.disk_needed)

    @property
    def exit_code(self) -> int:
        """0 when a migration may be run, else as the migration itself would end."""
        if self.migration.exit_code:
            return self.migration.exit_code
        return 3 if self.different or not self.schema_returns else 0


def rehearse(site: Site, options: Options, work: Path | None = None, progress: Progress = SILENT) -> Rehearsal:
    """Run a migration, an export and the schema's way back on a copy; the site stays as it is.

    `work` is the folder for the copy (default: the temporary folder). Raises what `migrate` would raise.
    """
    started = time.perf_counter()
    preflight = Migration()
    with preflight.timed("look"):
        surveys = look(site, options, preflight, progress)
    if work and site.data.resolve() in (work.resolve(), *work.resolve().parents):
        raise Refused(f"{work} lies in the data folder, which a rehearsal leaves alone.", "Name another with --work.")
    size = sum(seen.size for seen in surveys) + (site.db.stat().st_size if site.db.exists() else 0)
    room.for_rehearsal(work or Path(tempfile.gettempdir()), size).check("Name a folder on a larger disk with --work.")
    with workplace(PURPOSE, work) as folder:
        progress.step("measure", "this machine")
        expected = forecast(site, Look(surveys, remembered(site), preflight.timings["look"]), folder)
        progress.step("copy", "the site")
        copy = copy_site(site, folder)
        result = Rehearsal(migrate(copy, options, progress), expected)
        result.migrating_memory = peak_memory()
        result.disk_needed = sum(path.stat().st_size for path in copy.data.rglob("*") if path.is_file())
        result.disk_needed -= sum(
            copy.file(d).stat().st_size for d in site.pack.documents.values() if copy.file(d).is_file()
        )
        with copy.writing() as connection:
            stages = Ledger(connection).stages().items()
            result.believed = frozenset(name for name, stage in stages if stage.believes_table)
            result.exported = export_from(copy, connection, folder / "exported", progress)
            progress.step("take the schema down and up")
            result.schema_returns = _down_and_up(copy, connection)
    result.meanings = meanings(site, result.migration.documents)
    result.migration.unmapped = site.unmapped()
    result.seconds = time.perf_counter() - started
    result.disk_free = shutil.disk_usage(site.data).free
    result.peak_memory = peak_memory()
    return result


def copy_site(site: Site, folder: Path) -> Site:
    """Copy the app's files and the database into a folder, and return the site that they make there."""
    data = folder / "data"
    files.make_folder(data)
    for document in site.pack.documents.values():
        source = site.file(document)
        if source.is_file():
            digest = files.settled_digest(source, pause=0.01)
            if digest is None or files.copy(source, data / document.file) != digest:
                raise NotSettled(f"{document.file} changed while it was copied.", f"Stop {site.pack.name} first.")
    copy = Site(data, data / site.db.name, site.pack, site.vault)
    if site.db.exists() and site.db.stat().st_size:
        with sqlite.looking(site.db) as connection:
            Ledger.is_in(connection)
            sqlite.copy_database(connection, copy.db)
    return copy


def _down_and_up(site: Site, connection: sqlite.Connection) -> bool:
    """Take the schema back to nothing and up again; tell whether it comes out the same."""
    before, contract = sqlite.schema(connection), migrations.read(site.engine_folder, Ladder.CONTRACT)
    rules = migrations.down(connection, 0, Ladder.CONTRACT)
    migrations.down(connection, 0)
    gone = not sqlite.schema(connection)
    migrations.up(connection, site.migrations)
    migrations.up(connection, contract, len(rules), Ladder.CONTRACT)
    return gone and sqlite.schema(connection) == before


@contextmanager
def workplace(purpose: str, work: Path | None) -> Iterator[Path]:
    """Lend out a folder that is removed afterwards; by the next run if this one is killed."""
    with ExitStack() as held:
        try:
            place = held.enter_context(scratch.folder(purpose, work))
        except OSError as error:
            where = work or "The temporary folder"
            raise Refused(f"{where} cannot be used: {error.strerror}.", "Name another folder with --work.") from None
        yield place
