"""Going back to a backup: proved in scratch first, then done under one intent that any later run completes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .. import backups, crash, files, marker, migrations, room, scratch
from ..backups import Backup, Wish
from ..backups.places import load
from ..engines import sqlite
from ..engines.sqlite import transaction
from ..errors import MigrateError, NoData, Refused, UsageError
from ..evidence import Evidence
from ..ledger import Ledger
from ..report import SILENT, Progress
from ..site import Site
from . import trial
from .intent import Intent
from .putting import (
    has_database,
    is_broken,
    is_damaged,
    keep_bytes,
    opened,
    put_database,
    put_documents,
    put_everything,
)
from .trial import Trial

REASON: Final = "before-restore"
PATIENCE: Final = 60.0  # seconds that somebody else may hold the database
COPIES: Final = 4  # a restore needs room for scratch, the safety backup, and a new version of everything


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which backup to go back to, and which documents (all); `as_it_is` also takes what was damaged then."""

    name: str
    documents: tuple[str, ...] = ()
    as_it_is: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What a restore does: which files it brings back, removes, and writes from the database."""

    name: str
    created_at: str
    documents: tuple[str, ...]
    files: tuple[str, ...]
    removes: tuple[str, ...]
    database: bool
    stages: dict[str, str]
    differs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Restored:
    """What was done, and the backup of what was there before; `resumed`: an interrupted restore was completed."""

    plan: Plan
    safety: str | None
    resumed: bool = False


Ask = Callable[[Plan], None]


def restore(site: Site, wanted: Wanted, ask: Ask, progress: Progress = SILENT) -> Restored:
    """Bring a site back to a backup; `ask` hears what that changes, and may refuse.

    Raises Damaged or Refused before anything is touched when the backup cannot be relied on. A restore that was
    interrupted is completed first, or replaced by one that brings everything back.
    """
    for name in wanted.documents:
        site.pack.document(name)
    if not site.state.exists():
        backups.find(site, wanted.name)  # raises before anything is made
    with site.locked(wait=10, restoring=True):
        open_intent = Intent.read(site)
        backup = backups.find(site, wanted.name)
        if open_intent and (_is_it(open_intent, backup, wanted) or not _is_all(site, backup, wanted)):
            done = complete(site, open_intent, progress)
            if _is_it(open_intent, backup, wanted):
                return done
        return put_back(site, backup, wanted, ask, progress)


def put_back(site: Site, backup: Backup, wanted: Wanted, ask: Ask, progress: Progress) -> Restored:
    """Do the same with a backup at hand; the caller holds the lock."""
    with _tried(site, backup, progress) as tried:
        plan = _plan(site, tried, wanted)
        _refuse(site, tried, plan, wanted)
        ask(plan)
        progress.step("back up", "what is there now")
        path, safety = str(backup.path.resolve()), _safety(site)
        return _run(
            site, tried, Intent(path, backup.name, list(wanted.documents), safety, wanted.as_it_is), plan, progress
        )


def resume(site: Site, progress: Progress = SILENT) -> Restored:
    """Complete a restore that was interrupted. Raises UsageError when there is none."""
    with site.locked(wait=10, restoring=True):
        intent = Intent.read(site)
        if intent is None:
            raise UsageError("No restore was interrupted.", "Name a backup to go back to.")
        return complete(site, intent, progress)


def rehearse(site: Site, wanted: Wanted, progress: Progress = SILENT) -> Restored:
    """Do it on a copy of the site; the real one stays as it is."""
    path = backups.find(site, wanted.name).path.absolute()
    with scratch.folder("restore") as folder:
        copy = Site(folder / "data", folder / "data" / site.db.name, site.pack, site.vault)
        copy.data.mkdir()
        for document in site.pack.documents.values():
            if site.file(document).is_file():
                files.copy(site.file(document), copy.file(document))
        with suppress(MigrateError), sqlite.looking(site.db) as connection:  # one that is broken is replaced anyway
            sqlite.copy_database(connection, copy.db)
        done = restore(copy, Wanted(str(path), wanted.documents, wanted.as_it_is), lambda _: None, progress)
        return Restored(done.plan, None)


def _is_it(intent: Intent, backup: Backup, wanted: Wanted) -> bool:
    return Path(intent.path) == backup.path.resolve() and intent.documents == list(wanted.documents)


def _is_all(site: Site, backup: Backup, wanted: Wanted) -> bool:
    """Tell whether a restore leaves nothing of what an interrupted one began."""
    names = {*backup.sizes, *backup.manifest.missing}
    every = all(document.file in names for document in site.pack.documents.values())
    return every and backup.manifest.database is not None and not wanted.documents


@contextmanager
def _tried(site: Site, backup: Backup, progress: Progress) -> Iterator[Trial]:
    progress.step("try", f"{backup.name} in scratch")
    room.for_backup(site.data, COPIES * backup.manifest.size).check()
    with scratch.folder("restore", site.state) as folder:
        yield trial.run(site, backup, folder)


def complete(site: Site, intent: Intent, progress: Progress) -> Restored:
    """Do all steps of an interrupted restore once more: each of them ends the same however often it is done."""
    with _tried(site, load(Path(intent.path), site), progress) as tried:
        plan = _plan(site, tried, Wanted(intent.backup, tuple(intent.documents)))
        done = _run(site, tried, intent, plan, progress)
        return Restored(done.plan, done.safety, resumed=True)


def _plan(site: Site, tried: Trial, wanted: Wanted) -> Plan:
    told = tried.backup.manifest
    chosen = [d for d in site.pack.ordered() if not wanted.documents or d.name in wanted.documents]
    known = [d for d in chosen if d.file in tried.backup.sizes or d.file in told.missing]
    if wanted.documents and (lost := sorted({d.name for d in chosen} - {d.name for d in known})):
        raise Refused(f"The backup holds nothing of {', '.join(lost)}.", "Name another one.", document=lost[0])
    return Plan(
        tried.backup.name,
        told.created_at,
        tuple(d.name for d in known),
        tuple(d.file for d in known if d.file in tried.backup.sizes),
        tuple(d.file for d in known if d.file in told.missing and site.file(d).exists()),
        told.database is not None and not wanted.documents,
        {name: str(stage) for name, stage in told.stages.items()},
        tuple(tried.differs),
    )


def _refuse(site: Site, tried: Trial, plan: Plan, wanted: Wanted) -> None:
    if not tried.backup.manifest.database and not tried.backup.sizes:
        raise NoData("The backup holds neither files nor a database.", "Name another one.")
    for name in wanted.documents:
        document = site.pack.document(name)
        if not trial.is_readable(trial.content(tried, document), tried, document):
            raise Refused(f"{name} was damaged when the backup was made.", tried.unread[name], document=name)
    if not wanted.documents:
        trial.refuse(tried, as_it_is=wanted.as_it_is)
    if not plan.database and has_database(site) and not is_broken(site):
        with closing(opened(site)) as connection:
            if Ledger.is_in(connection) and migrations.pending(connection, site.migrations):
                raise Refused("The schema of the database is behind.", "Run `mediaos-migrate schema up` first.")


def _safety(site: Site) -> str | None:
    """Back up what is there now, as far as it can be read; a broken database is put aside as it is."""
    if not site.holds_data() and not has_database(site):
        return None
    with ExitStack() as held:
        sound = has_database(site) and not is_broken(site)
        if sound and is_damaged(site):  # no backup of it could be relied on
            keep_bytes(site)
            sound = False
        connection = held.enter_context(closing(opened(site))) if sound else None
        return backups.take(site, connection, Wish(REASON)).name


def _run(site: Site, tried: Trial, intent: Intent, plan: Plan, progress: Progress) -> Restored:
    """Do the steps of a restore under its intent."""
    fresh = Intent.read(site) is None
    intent.write(site)
    crash.point("restore.intended")
    if plan.database:
        progress.step("restore", "the database")
        stays = not has_database(site) or not is_broken(site)
        try:
            put_database(site, tried, PATIENCE)
        except MigrateError:
            if fresh and stays:  # nothing was touched yet
                Intent.close(site)
            raise
        crash.point("restore.database")
    try:
        _put_rest(site, tried, plan, progress)
    except MigrateError as error:
        back = f" `mediaos-migrate backup restore {intent.safety}` goes back to what was here." if intent.safety else ""
        error.remedy += back
        raise
    Intent.close(site)
    crash.point("restore.done")
    return Restored(plan, intent.safety)


def _put_rest(site: Site, tried: Trial, plan: Plan, progress: Progress) -> None:
    documents = [site.pack.document(name) for name in plan.documents]
    with ExitStack() as held:
        connection = held.enter_context(closing(opened(site))) if has_database(site) else None
        if plan.database and connection is not None:
            progress.step("restore", "the files")
            put_everything(site, tried, connection, documents)
        else:
            put_documents(site, tried, connection, documents, progress)
        crash.point("restore.files")
        if connection is not None and Ledger.is_in(connection):
            marker.write(site.state, Ledger(connection), site.owner)
            crash.point("restore.marked")
            with transaction(connection):
                Evidence(connection).new_epoch()
    crash.point("restore.proved")
