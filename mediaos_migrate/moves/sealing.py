"""Sealing what is plain: in the table always, in the file where the app opens sealed values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .. import backups, crash
from ..backups import Wish
from ..engines.sqlite import Connection
from ..errors import CouldNotCheck, NeedsKey, Refused
from ..keyring import Keyring, wrong
from ..ledger import Ledger
from ..pack import Document, Hidden
from ..report import SILENT, Progress
from ..secrets import PLAIN, SEALED_HERE
from ..site import Site
from . import mirroring, preflight
from .keychecking import FILE, QUARANTINE, Found, KeyCheck, check, secrets_of
from .resealing import Resealing, prove, refuse_torn
from .surveyed import Options
from .surveying import survey


@dataclass(slots=True)
class Sealed:
    """What was to be sealed, and how all secrets stand afterwards."""

    planned: list[Found] = field(default_factory=list)
    backup: str | None = None
    after: KeyCheck | None = None


Ask = Callable[[list[Found]], None]


def seal(site: Site, ask: Ask, progress: Progress = SILENT) -> Sealed:
    """Seal what is plain; `ask` hears the plan, and may refuse. Raises NeedsKey or WrongKey before anything is done."""
    result = Sealed()
    if not site.vault.has_key:
        raise NeedsKey("There is no key to seal with.", f"Give it as {site.pack.key_variable} or with --key-file.")
    with site.locked(wait=10), site.writing() as connection:
        ready(site, connection)
        mirroring.complete(site, connection)
        documents = list(site.pack.ordered())
        due = Due(site)
        result.planned = [found for found in secrets_of(site, connection, documents) if due.seals(found)]
        refuse_torn(connection, result.planned)
        ask(result.planned)
        if result.planned:
            result.backup = backups.take(site, connection, Wish("keys-seal")).name
        how = Resealing(site, connection, due.change, due.seals)
        for document in concerned(documents, result.planned):
            progress.step("seal", document.file)
            how.run(document)
            prove(site, connection, document)
            crash.point("sealed")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # the plain text must leave the log too
    result.after = check(site)
    return result


def ready(site: Site, connection: Connection) -> None:
    """Raise what stands in the way of sealing: no database, a rotation, a damaged file, a wrong key."""
    if not Ledger.is_in(connection):
        raise CouldNotCheck(f"There is no database at {site.db}.", "Run `mediaos-migrate migrate` first.")
    Ledger(connection).found(site.pack.app)
    if Keyring(connection).rotating:
        raise Refused("The key is being changed.", "Complete that first: `mediaos-migrate keys rotate`.")
    surveys = survey(site, Options(), Ledger(connection).documents())
    preflight.refuse(surveys)
    preflight.key_report(site, surveys)
    if not preflight.seal_with_one_key(site, connection):
        raise wrong(site.pack.key_variable)


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be sealed where: in the table all, in the file what the app opens."""

    site: Site

    def seals(self, found: Found) -> bool:
        """Tell whether a secret is to be sealed where it stands."""
        stands = found.stands(self.site.vault)
        if found.home == FILE:
            return stands == PLAIN and found.hidden.app_opens and isinstance(found.value, str)
        if found.home == QUARANTINE:
            return found.state == PLAIN
        return stands == PLAIN or (found.hidden.app_opens and found.state == SEALED_HERE)

    def change(self, value: Any, hidden: Hidden) -> str | None:
        """Seal a value as the file has it, where the app opens that."""
        plain = hidden.app_opens and isinstance(value, str) and self.site.vault.state(value) == PLAIN
        return self.site.vault.seal(value) if plain else None


def concerned(documents: list[Document], planned: list[Found]) -> list[Document]:
    """Return the documents that a plan is about, in order."""
    names = {found.document for found in planned}
    return [document for document in documents if document.name in names]
