"""Restoring a backup in scratch, to prove it before anything of the site is touched."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from .. import files, migrations
from ..backups import Backup, checking
from ..backups.manifest import DATABASE
from ..engines import sqlite
from ..engines.sqlite import Connection
from ..errors import Damaged, Refused
from ..journal import Journal
from ..ledger import PRESENT, Ledger
from ..pack import Document
from ..site import Site
from . import preflight
from .comparing import compare_document
from .exporting import Export
from .surveyed import Options, Survey
from .surveying import survey

CONTENT = "content"  # the folder for files that are made from the database of a backup


@dataclass(slots=True)
class Trial:
    """A backup as a site of its own in scratch, and what was found there."""

    site: Site
    backup: Backup
    differs: list[str] = field(default_factory=list)  # documents whose homes are not what their stage promises
    unread: dict[str, str] = field(default_factory=dict)  # files that cannot be read, and why
    compared: bool = False

    @property
    def has_database(self) -> bool:
        """Whether the backup holds one."""
        return self.backup.manifest.database is not None

    @contextmanager
    def looking(self) -> Iterator[Connection]:
        """Lend out its database."""
        with sqlite.looking(self.site.db) as connection:
            yield connection


def run(site: Site, backup: Backup, folder: Path) -> Trial:
    """Unpack a backup, every byte checked, and look at what it would make of the site.

    Raises Damaged when it is not as it was saved, or what it would have us believe cannot be read.
    """
    backup.check_seal(site.vault)
    trial = Trial(Site(folder, folder / DATABASE, site.pack, site.vault), backup)
    for held in backup.manifest.files:
        backup.extract(held, folder / held.name, site.vault)
    if backup.manifest.database:
        backup.extract(backup.manifest.database, trial.site.db, site.vault)
        with trial.looking() as connection:
            _check_database(site, connection)
    _look(trial)
    return trial


def _check_database(site: Site, connection: Connection) -> None:
    if found := checking.damage(connection):
        raise Damaged("backup", f"The backup is damaged: {found[0]}.", "Use another one.")
    if not Ledger.is_in(connection):
        raise Damaged("backup", "The database in the backup is empty.", "Use another backup.")
    Ledger(connection).check(site.pack.app)


def _look(trial: Trial) -> None:
    seen = surveys(trial.site, trial.backup)
    trial.unread = {each.document.name: each.error.message for each in seen if each.error}
    if trial.has_database:
        with trial.looking() as connection:
            trial.compared = not migrations.pending(connection, trial.site.migrations)
            if trial.compared:
                trial.differs = differing(trial.site, connection, seen)


def surveys(site: Site, backup: Backup) -> list[Survey]:
    """Look at the files that a backup holds, in scratch or in their place; however few records they have."""
    names = frozenset(d.name for d in site.pack.documents.values() if d.file in backup.sizes)
    found = survey(site, Options(skip=frozenset(site.pack.documents) - names, accept_source=names), {})
    return [seen for seen in found if seen.document.name in names]


def differing(site: Site, connection: Connection, looks: list[Survey]) -> list[str]:
    """Name the documents whose homes should be equal by all that is noted, and are not."""
    ledger, journal = Ledger(connection), Journal(connection)
    behind = {*journal.debts(), *journal.intents(), *ledger.blocked()}
    found = []
    for seen in looks:
        entry = ledger.document(seen.document.name)
        promised = entry is not None and entry.state == PRESENT and entry.digest == seen.digest
        if promised and not seen.error and seen.document.name not in behind:
            report = compare_document(site, connection, seen)
            if report.differs:
                found.append(seen.document.name)
    return found


def refuse(trial: Trial, *, as_it_is: bool) -> None:
    """Raise Refused when what the backup believes cannot be read, or its homes do not keep their promise."""
    stages = trial.backup.manifest.stages
    believed = [name for name in trial.unread if name not in stages or not stages[name].believes_table]
    if believed and not as_it_is:
        name, why = believed[0], trial.unread[believed[0]]
        raise Refused(
            f"{name} was damaged when the backup was made: {why}",
            "Restore others with --document, or everything with --as-it-is.",
            document=name,
        )
    promised = [name for name in trial.differs if name in stages and stages[name].writes_both]
    if promised and not as_it_is:
        raise Refused(
            f"The two homes of {', '.join(promised)} differed when the backup was made.",
            "Restore others with --document, or everything with --as-it-is.",
            document=promised[0],
        )


def content(trial: Trial, document: Document) -> Site:
    """Return a site in scratch whose file says what was believed then; it has none if it was missing.

    Raises Refused when the backup knows nothing of the document, NeedsKey when it cannot be told without the key.
    """
    told = trial.backup.manifest
    stage = told.stages.get(document.name)
    if stage is not None and stage.believes_table and trial.has_database:
        return _written(trial, document)
    if document.file not in trial.backup.sizes and document.file not in told.missing:
        raise Refused(f"The backup holds nothing of {document.name}.", "Name another one.", document=document.name)
    return trial.site


def is_readable(there: Site, trial: Trial, document: Document) -> bool:
    """Tell whether the file that stands for a document then can be read."""
    return there is not trial.site or document.name not in trial.unread


def _written(trial: Trial, document: Document) -> Site:
    """Write the file of a document whose table was believed."""
    place = trial.site.data / CONTENT
    files.make_folder(place)
    with trial.looking() as connection:
        export = Export(trial.site, connection, document)
        export.check_key()
        if not export.absent:
            export.run(place)
    return Site(place, trial.site.db, trial.site.pack, trial.site.vault)


def look_at(there: Site, connection: Connection, document: Document) -> Survey:
    """Survey one file in scratch that a person wants to be believed. Raises what is wrong with it."""
    others = frozenset(name for name in there.pack.documents if name != document.name)
    options = Options(skip=others, accept_source=frozenset({document.name}))
    found = survey(there, options, {})  # nothing is known of it: at `complete` nobody would look at the file
    preflight.key_report(there, found)
    if there.vault.has_key:
        preflight.seal_with_one_key(there, connection)
    seen = next(each for each in found if each.document.name == document.name)
    if seen.error:
        raise seen.error
    return seen
