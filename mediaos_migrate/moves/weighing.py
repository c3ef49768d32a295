"""What is left of a site whose database is lost, damaged or old, and what each way to recover it would lose."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from .. import backups
from ..backups import Backup, checking
from ..errors import MigrateError
from ..journal import Journal
from ..ledger import DAMAGED, MISSING, PRESENT, Entry, Ledger
from ..pack import Document
from ..site import Site
from ..stages import Stage
from . import bases
from .bases import Base, Source
from .comparing import compare_document
from .standing import price_of
from .surveyed import Options
from .surveying import survey


@dataclass(frozen=True, slots=True)
class Share:
    """What an option gives of one document: from its `file`, a `copy` of it in a backup, a `table`, or `nothing`.

    `lost` counts the records that are known to be lost, None where nobody can know; `since` is from when on.
    """

    document: str
    stage: Stage
    home: str
    lost: int | None = 0
    since: str | None = None


@dataclass(frozen=True, slots=True)
class Option:
    """One way to recover, or why it is none; `rows`: lost rows of tables that no file can hold, None: unknown."""

    source: Source
    refusal: str = ""
    shares: tuple[Share, ...] = ()
    rows: dict[str, int | None] = field(default_factory=dict)
    backup: str | None = None

    @property
    def loses_nothing(self) -> bool:
        """Whether all that was written is there afterwards, as far as anything can tell."""
        return not self.refusal and all(share.lost == 0 for share in self.shares) and not self.rows


class Scales:
    """Looks at all that is left, in scratch; nothing of the site is touched."""

    def __init__(self, site: Site, folder: Path) -> None:
        self._site, self.noted = site, bases.noted(site)
        self.bases: dict[Source, Base] = {}
        self.refusals: dict[Source, str] = {}
        for source, find in ((Source.SALVAGE, bases.salvaged), (Source.BACKUP, bases.backed_up)):
            try:
                self.bases[source] = find(site, folder)
            except (MigrateError, sqlite3.DatabaseError) as error:
                self.refusals[source] = error.message if isinstance(error, MigrateError) else f"SQLite says: {error}."
        self.stages = self._stages()
        known = self._known()
        self.surveys = {each.document.name: each for each in survey(site, Options(), known)}
        self._was = {name for name, entry in known.items() if entry.state in (PRESENT, DAMAGED)}

    def options(self) -> list[Option]:
        """Say of each way what it would lose."""
        return [self._option(source) for source in Source]

    def recommended(self, options: list[Option]) -> Source | None:
        """Name the way that keeps most: the database itself, unless a backup is later, then what no file has."""
        ways = {option.source: option for option in options if not option.refusal}
        saved, held = self.bases.get(Source.SALVAGE), self.bases.get(Source.BACKUP)
        order = [Source.SALVAGE, Source.BACKUP, Source.FILES]
        if saved and held and saved.at and held.count > saved.count:
            order = [Source.BACKUP, Source.SALVAGE, Source.FILES]
        needed = any(share.home == "table" for way in ways.values() for share in way.shares) or any(
            way.rows for way in ways.values()
        )
        return next((source for source in order if source in ways and (needed or source is Source.FILES)), None)

    def _stages(self) -> dict[str, Stage]:
        """Return the stages: by the database itself, the marker's word, or the last backup's."""
        saved, held = self.bases.get(Source.SALVAGE), self.bases.get(Source.BACKUP)
        if self.noted and not (saved and not saved.at and "_mm_stages" not in saved.lost):
            return self.noted.stages
        base = saved or held
        if base is None:
            return {}
        with base.opened() as connection:
            return Ledger(connection).stages()

    def _known(self) -> dict[str, Entry]:
        """Return what was known of the files, so that one that has lost most of its records is not believed."""
        base = self.bases.get(Source.SALVAGE) or self.bases.get(Source.BACKUP)
        if base is None:
            return {}
        with base.opened() as connection:
            found = Ledger(connection).documents()
        return {name: replace(entry, stage=Stage.OFF) for name, entry in found.items()}

    def _option(self, source: Source) -> Option:
        if source in self.refusals:
            return Option(source, self.refusals[source])
        shares = tuple(self._share(document, self.bases.get(source)) for document in self._site.pack.ordered())
        backup = self.bases[source].backup if source in self.bases else None
        gone = [s.document for s in shares if s.home == "nothing" and s.document in self._was]
        if gone:
            return Option(source, f"Nothing is left of {', '.join(gone)} that could be read.", shares, {}, backup)
        return Option(source, "", shares, self._rows(source), backup)

    def _share(self, document: Document, base: Base | None) -> Share:
        """Choose the home of one document by evidence."""
        name, seen = document.name, self.surveys[document.name]
        stage = self.stages.get(name, Stage.OFF)
        readable = seen.error is None and seen.state == PRESENT
        if not stage.believes_table and (readable or (seen.error is None and seen.state == MISSING)):
            return Share(name, stage, "file")
        copy = None if readable else self.copy_of(document)
        later = self._file_is_later(document, base, stage) if base and readable else copy and _is_later(base, stage)
        if base and self._holds(document, base) and not later:
            return Share(name, stage, "table", None if base.at else base.lacks(document), base.at)
        if readable:
            return Share(name, stage, "file", *self._behind(document, stage))
        return Share(name, stage, "copy", None, copy.manifest.created_at) if copy else Share(name, stage, "nothing")

    def _holds(self, document: Document, base: Base) -> bool:
        with base.opened() as connection:
            entry = Ledger(connection).document(document.name)
            return entry is not None and entry.state in (PRESENT, DAMAGED)

    def _file_is_later(self, document: Document, base: Base, stage: Stage) -> bool:
        """Tell whether the file of a believed table is what the table said, or what it said after this database."""
        if not stage.writes_both:
            return False
        if base.source is Source.BACKUP:
            return base.digests.get(document.file) != self.surveys[document.name].digest
        return base.at is not None or base.lacks(document) > 0 or self._behind(document, stage)[0] == 0

    def _behind(self, document: Document, stage: Stage) -> tuple[int | None, str | None]:
        """Return how many records a file lacks of its believed table, as far as anybody knows, and since when."""
        written = datetime.fromtimestamp(self._site.file(document).stat().st_mtime, UTC)
        since = written.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        saved = self.bases.get(Source.SALVAGE)
        if saved and not saved.at and stage.writes_both and not saved.lost.keys() & {"_mm_journal", "_mm_documents"}:
            with saved.opened() as connection:
                entry, owed = Ledger(connection).document(document.name), Journal(connection).bases(document.name)
                if entry and entry.digest == self.surveys[document.name].digest:
                    return len(owed), since if owed else None
        best = saved if saved and not saved.at else None
        return (self._differing(document, best), since) if best else (None, since)

    def _differing(self, document: Document, base: Base) -> int | None:
        """Count the records that a table has and the file lacks, or has in another version."""
        with suppress(MigrateError), base.opened() as connection:
            report = compare_document(self._site, connection, self.surveys[document.name])
            return report.count("extra") + report.count("changed")
        return None

    def copy_of(self, document: Document) -> Backup | None:
        """Return the last backup that holds a file, whole."""
        held = (b for b in reversed(backups.all_of(self._site)) if document.file in b.sizes)
        return next((b for b in held if not b.manifest.sealed and checking.is_whole(b)), None)

    def _rows(self, source: Source) -> dict[str, int | None]:
        """Count the rows that no file can hold and that an option would lose."""
        held = {known: dict(self._own_rows(known)) for known in self.bases}
        saved, backed = held.get(Source.SALVAGE), held.get(Source.BACKUP)
        every = {table for rows in held.values() for table in rows}
        if source is Source.FILES:
            return {table: max(rows.get(table, 0) for rows in held.values()) for table in every}
        base = self.bases[source]
        if source is Source.SALVAGE and not base.at:
            return {table: base.lost[table] for table in every if base.lost.get(table)}
        if saved is None or backed is None or self.bases[Source.SALVAGE].at:
            return dict.fromkeys(every)
        return {table: more for table in every if (more := saved.get(table, 0) - backed.get(table, 0)) > 0}

    def _own_rows(self, source: Source) -> Iterator[tuple[str, int]]:
        with suppress(sqlite3.DatabaseError), self.bases[source].opened() as connection:
            yield from price_of(self._site, connection).only_in_database.items()


def _is_later(base: Base | None, stage: Stage) -> bool:
    """Tell whether the last copy of a believed file says at least what a table said: at `off` nobody writes that."""
    return stage is Stage.OFF or (base is not None and base.source is Source.BACKUP and not stage.believes_table)
