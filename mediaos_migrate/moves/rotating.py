"""Changing the key: every secret in both homes is sealed anew, document by document, and both keys open until then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .. import backups, crash
from ..backups import Wish
from ..engines.sqlite import Connection, transaction
from ..errors import NeedsKey, Refused, UsageError
from ..keyring import CURRENT, NEXT, Keyring, wrong
from ..ledger import Ledger
from ..pack import Hidden
from ..report import CAP, SILENT, Progress
from ..secrets import HERE, SEALED, Vault, is_envelope
from ..site import Site
from . import mirroring
from .keychecking import UNOPENED, Found, KeyCheck, check, secrets_of
from .resealing import Resealing, prove, refuse_torn
from .sealing import concerned


@dataclass(slots=True)
class Rotated:
    """What was to be sealed anew, whether that went on from an earlier run, and how all secrets stand now."""

    planned: list[Found] = field(default_factory=list)
    resumed: bool = False
    backup: str | None = None
    after: KeyCheck | None = None


Ask = Callable[[Rotated], None]


def rotate(site: Site, new: str, ask: Ask, progress: Progress = SILENT) -> Rotated:
    """Seal with a new key all that the old one opens; `ask` hears the plan, and may refuse.

    Run it again after a crash, with the same two keys. Raises Refused, and changes nothing, when a secret opens
    with neither key.
    """
    if not site.vault.has_key:
        raise NeedsKey("There is no old key.", f"Give it as {site.pack.key_variable} or with --key-file.")
    if new == site.vault.key:
        raise UsageError("The new key is the old one.", "Name the file of another key with --new-key-file.")
    both = _with_keys(site, new, site.vault.key)
    result = Rotated()
    with both.locked(wait=10), both.writing(any_key=True) as connection:
        keyring = _ready(site, connection, new)
        mirroring.complete(both, connection)
        result.resumed = keyring.rotating
        documents = list(both.pack.ordered())
        how = Resealing(both, connection, lambda value, hidden: _anew(both.vault, value, hidden), _Due(both.vault))
        for document in documents:
            with both.holding(document.name):
                mirroring.recover(both, connection, document)
        secrets = list(secrets_of(both, connection, documents))
        _refuse_closed(both, secrets)
        result.planned = [found for found in secrets if how.due(found)]
        refuse_torn(connection, result.planned)
        ask(result)
        if result.planned or result.resumed:
            result.backup = backups.take(both, connection, Wish("keys-rotate")).name
            with transaction(connection):
                keyring.note(NEXT, new)
            crash.point("rotate.begun")
            for document in concerned(documents, result.planned):
                progress.step("seal anew", document.file)
                how.run(document)
                with transaction(connection):
                    keyring.finish(document.name)
                crash.point("rotate.document")
        with transaction(connection):
            keyring.end(new)
        crash.point("rotate.ended")
        after = _with_keys(both, new)
        for document in (each for each in documents if any(part.hidden for part in each.parts)):
            prove(after, connection, document)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    result.after = check(after)
    return result


def _with_keys(site: Site, key: str, also: str | None = None) -> Site:
    vault = Vault(key, envelope=site.pack.envelope, app=site.pack.app, also=also)
    return Site(site.data, site.db, site.pack, vault)


def _ready(site: Site, connection: Connection, new: str) -> Keyring:
    """Return what is known of keys; raises WrongKey, or Refused when a rotation leads to another key."""
    if not Ledger.is_in(connection):
        raise Refused(f"There is no database at {site.db}.", "Run `mediaos-migrate migrate` first.")
    Ledger(connection).found(site.pack.app)
    keyring = Keyring(connection)
    if keyring.is_(NEXT, new) is False:
        raise Refused(
            "The key is being changed to another one than this.", "Complete that first, with the same --new-key-file."
        )
    if keyring.is_(CURRENT, site.vault.key) is False and not keyring.is_(CURRENT, new):
        raise wrong(site.pack.key_variable)
    return keyring


@dataclass(frozen=True, slots=True)
class _Due:
    """Tells what is sealed, and not yet with the new key."""

    vault: Vault

    def __call__(self, found: Found) -> bool:
        text = found.value
        if not isinstance(text, str) or found.hidden.kind == "hash":
            return False
        sealed = found.state in HERE or self.vault.state(text) == SEALED
        opens = sealed and self.vault.open(text, found.place) is not None
        return opens and not self.vault.fresh(text, found.place)


def _anew(vault: Vault, value: Any, hidden: Hidden) -> str | None:
    """Seal anew what the app (or `keys seal`) has sealed, as the file has it."""
    if hidden.kind == "hash" or not isinstance(value, str) or vault.state(value) != SEALED or vault.fresh(value):
        return None
    return vault.seal(vault.open(value) or "")


def _refuse_closed(site: Site, secrets: list[Found]) -> None:
    """Raise Refused when envelopes open with neither key; a long text that is none stays as it is."""
    closed = [
        found
        for found in secrets
        if isinstance(found.value, str) and is_envelope(found.value) and found.stands(site.vault) == UNOPENED
    ]
    if not closed:
        return
    names = dict.fromkeys(f"{f.document} {' / '.join(f.key)} ({f.member}, {f.home})" for f in closed)
    told = ", ".join(list(names)[:CAP]) + (" …" if len(names) > CAP else "")
    raise Refused(
        f"Some secrets open with neither key: {told}. Nothing was changed.",
        f"Give the right old key, or enter these anew in {site.pack.name}; `mediaos-migrate keys check` lists them.",
        secrets=[
            {"document": f.document, "home": f.home, "key": list(f.key), "member": f.member} for f in closed[:CAP]
        ],
    )
