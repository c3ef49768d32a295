"""A lost, damaged or outdated database made anew, from what keeps most: proved in scratch, then put in its place."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from .. import backups, crash, files, marker, room, scratch
from ..backups import Backup, Wish
from ..backups.manifest import DATABASE
from ..engines import sqlite
from ..engines.sqlite import Connection, transaction
from ..errors import CouldNotCheck, FileChanged, NeedsPerson, Refused
from ..journal import Journal
from ..ledger import Ledger
from ..pack import Document
from ..report import SILENT, Progress
from ..site import Site
from ..stages import Stage
from ..stores import search
from . import migrating, mirroring, restoring, schema
from .bases import Source
from .intent import Intent
from .putting import has_database, is_broken, is_damaged, keep_bytes
from .restoring import Restored, Wanted
from .surveyed import Options
from .weighing import Option, Scales

ROOM: Final = 8  # copies of the site that are made meanwhile
REASON: Final = "recovered"
GONE: Final = "There is no database"
DAMAGED: Final = "The database is damaged"
EMPTY: Final = "The database is empty"


@dataclass(slots=True)
class Recovery:
    """What is wrong with a database, the ways out, and what was done; `resumed`: what was interrupted is complete."""

    condition: str | None
    options: list[Option] = field(default_factory=list)
    recommended: Source | None = None
    chosen: Source | None = None
    kept: str | None = None  # where the bytes of what was there are
    backup: str | None = None  # what was put in its place
    safety: str | None = None
    resumed: bool = False

    @property
    def exit_code(self) -> int:
        """7 when a person must choose."""
        return NeedsPerson.exit_code if self.options and not self.chosen else 0


Choose = Callable[[Recovery], Source | None]


def recover(site: Site, choose: Choose, progress: Progress = SILENT) -> Recovery:
    """Make the database anew; `choose` hears the ways and what each would lose, and names one, or none.

    Nothing of the site is touched before a whole site was made in scratch and proved. Raises Refused when the way
    that is chosen is none, NotOurs when the database is another app's or a newer version's.
    """
    if has_database(site):
        is_broken(site)  # raises before anything is made beside somebody else's
    with site.locked(wait=10, restoring=True):
        if intent := Intent.read(site):
            done = restoring.complete(site, intent, progress)
            return Recovery(condition_of(site), backup=done.plan.name, safety=done.safety, resumed=True)
        result = Recovery(condition_of(site))
        if result.condition is None:
            return result
        _check_room(site)
        with scratch.folder("recover", site.state) as folder:
            progress.step("look at", "what is left")
            scales = Scales(site, folder)
            result.options = scales.options()
            result.recommended = scales.recommended(result.options)
            result.chosen = choose(result)
            if result.chosen:
                _recover(site, scales, folder, result, progress)
    return result


def condition_of(site: Site) -> str | None:
    """Say what is wrong with the database, None when nothing is. Raises NotOurs, or CouldNotCheck without any trace."""
    if has_database(site):
        return DAMAGED if is_broken(site) or is_damaged(site) else _disagreement(site)
    if marker.read(site.state) is None and not any(backup.manifest.database for backup in backups.all_of(site)):
        raise CouldNotCheck(f"There is no database at {site.db}.", "Run `mediaos-migrate migrate` first.")
    return GONE


def _disagreement(site: Site) -> str | None:
    with sqlite.looking(site.db) as connection:
        if not Ledger.is_in(connection):
            return EMPTY
        try:
            marker.check(site.state, Ledger(connection))
        except NeedsPerson as error:
            return error.message.rstrip(".")
    return None


def _check_room(site: Site) -> None:
    paths = [site.db, *(site.file(document) for document in site.pack.documents.values())]
    room.for_backup(site.data, ROOM * sum(path.stat().st_size for path in paths if path.is_file())).check()


def _recover(site: Site, scales: Scales, folder: Path, result: Recovery, progress: Progress) -> None:
    option = next(each for each in result.options if each.source is result.chosen)
    if option.refusal:
        raise Refused(f"There is no way by {option.source}: {option.refusal}", "Choose another one.")
    if has_database(site):
        result.kept = str(keep_bytes(site).relative_to(site.state))
    crash.point("recover.kept")
    progress.step("make anew", f"from {option.source}")
    made = _Anew(site, scales, option, folder).make(progress)
    crash.point("recover.made")
    done: Restored = restoring.put_back(site, made, Wanted(made.name), lambda _: None, progress)
    result.backup, result.safety = made.name, done.safety


class _Place(Site):
    """A site in scratch whose backups lie among those of the real one."""

    def __init__(self, real: Site, folder: Path) -> None:
        super().__init__(folder, folder / DATABASE, real.pack, real.vault)
        self._real = real

    @property
    def state(self) -> Path:
        """The state folder of the real site."""
        return self._real.state

    @property
    def owner(self) -> tuple[int, int]:
        """The owner of the real site."""
        return self._real.owner


class _Anew:
    """A whole site in scratch: each document from the home that the option names, and a database that says the same."""

    def __init__(self, site: Site, scales: Scales, option: Option, folder: Path) -> None:
        self._real, self._scales, self._option = site, scales, option
        place = folder / "data"
        files.make_folder(place)
        self._copy = Site(place, place / DATABASE, site.pack, site.vault)
        self._place = _Place(site, place)
        self._homes = {share.document: share.home for share in option.shares}

    def make(self, progress: Progress) -> Backup:
        """Make it and back it up, so that it can be restored. Raises FileChanged when the app wrote meanwhile."""
        for document in self._from("file", "copy"):
            self._lay_out(document)
        base = self._scales.bases.get(self._option.source)
        if base:
            base.path.rename(self._copy.db)
            for suffix in ("-wal", "-shm"):
                base.path.with_name(base.path.name + suffix).unlink(missing_ok=True)
            with closing(sqlite.open_database(self._copy.db)) as connection:
                self._clear(connection)
        schema.up(self._copy)
        if self._copy.holds_data():
            skipped = frozenset(document.name for document in self._from("table", "nothing"))
            accepted = frozenset(self._homes) - skipped
            migrating.migrate(self._copy, Options(skipped, accept_source=accepted, accept_data=True), progress)
        with closing(sqlite.open_database(self._copy.db)) as connection:
            self._set(connection)
            for document in self._from("table"):
                self._write(connection, document)
            self._check_still()
            return backups.take(self._place, connection, Wish(REASON, automatic=False, if_changed=False))

    def _from(self, *homes: str) -> list[Document]:
        return [document for document in self._real.pack.ordered() if self._homes[document.name] in homes]

    def _lay_out(self, document: Document) -> None:
        """Put a document's file into the copy: as it is, or as a backup has it."""
        if self._homes[document.name] == "file":
            if self._real.file(document).is_file():
                files.copy(self._real.file(document), self._copy.file(document))
        elif backup := self._scales.copy_of(document):
            held = next(each for each in backup.manifest.files if each.name == document.file)
            backup.extract(held, self._copy.file(document), self._real.vault)

    def _clear(self, connection: Connection) -> None:
        """Let the files be believed for now, and what was owed or open be done with."""
        ledger, journal = Ledger(connection), Journal(connection)
        ledger.found(self._copy.pack.app)
        with transaction(connection):
            for name in self._copy.pack.documents:
                journal.pay(name, journal.upto(name))
                journal.close(name)
                ledger.unblock(name)
                if ledger.stage(name) is not Stage.OFF:
                    ledger.set_stage(name, Stage.OFF, "to be recovered")

    def _set(self, connection: Connection) -> None:
        """Set the stages as they were."""
        ledger, noted = Ledger(connection), self._scales.noted
        with transaction(connection):
            for document in self._copy.pack.ordered():
                stage = self._scales.stages.get(document.name, Stage.OFF)
                ledger.skip(document.name, skipped=False)
                if stage is not Stage.OFF:
                    ledger.set_stage(document.name, stage, f"recovered from {self._option.source}")
                    for part in document.parts:
                        search.build(connection, part)
        ledger.mark(noted.count if noted else 0)

    def _write(self, connection: Connection, document: Document) -> None:
        """Write a file after its table, over what it says now; one that nobody believes stays as it is."""
        if self._real.file(document).is_file():
            files.copy(self._real.file(document), self._copy.file(document))
        if self._scales.stages.get(document.name, Stage.OFF) is not Stage.COMPLETE:
            mirroring.rewrite(self._place, connection, document)

    def _check_still(self) -> None:
        """Raise FileChanged when a file is another one than was looked at."""
        for document in self._from("file"):
            path, digest = self._real.file(document), self._scales.surveys[document.name].digest
            if (files.digest(path) if path.is_file() else None) != digest:
                raise FileChanged(document.file)
