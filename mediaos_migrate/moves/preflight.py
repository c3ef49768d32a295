"""What is asked before anything is written: the right folder, files that can be taken, a key that fits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..engines.sqlite import Connection, transaction
from ..errors import NoData, Refused, SeveralFolders
from ..keyring import CURRENT, Keyring
from ..ledger import Ledger
from ..quarantine import Quarantine
from ..secrets import LOOKS_SEALED, PLAIN, SEALED, Place, held
from ..site import Site
from .surveyed import Survey


def check_folder(site: Site, *, accept: bool, accepted: Iterable[str] = (), complete: bool = False) -> list[Path]:
    """Make sure that the data folder is the one that is meant; return other folders that hold data.

    `complete`: some tables alone are believed, so that no file need be there.

    Raises NoData or SeveralFolders, naming every candidate.
    """
    others = site.other_folders()
    app = site.pack.name
    if not site.holds_data() and not complete:
        if others:
            names = " and ".join(map(str, others))
            raise SeveralFolders(
                f"{site.data} holds no file of {app}, but {names} {'do' if len(others) > 1 else 'does'}.",
                "Name the right one with --data (and --accept-data if the others are to be left aside).",
                folders=[str(folder) for folder in others],
            )
        raise NoData(f"{site.data} holds no file of {app}.", f"Name {app}'s data folder with --data.")
    new = [folder for folder in others if str(folder) not in set(accepted)]
    if new and not accept:
        names = " and ".join(map(str, [site.data.resolve(), *new]))
        raise SeveralFolders(
            f"More than one folder holds data of {app}: {names}.",
            "Name the right one with --data and say so with --accept-data.",
            folders=[str(site.data.resolve()), *map(str, new)],
        )
    return others


def refuse(surveys: list[Survey]) -> None:
    """Raise what stands in the way: the one reason, or all of them together."""
    errors = [seen.error for seen in surveys if seen.error]
    if len(errors) == 1:
        raise errors[0]
    if errors:
        reasons = [{"type": type(e).__name__, "message": e.message, "remedy": e.remedy, **e.facts} for e in errors]
        raise Refused("\n".join(f"{error}" for error in errors), "Nothing was changed.", kind="several", errors=reasons)


def key_report(site: Site, surveys: Iterable[Survey]) -> dict[str, int | bool]:
    """Say how the key fits: how many envelopes there are, how many open, and whether we may seal.

    Plain credentials are sealed with a key that opens at least one of the app's envelopes, or when there is
    none (and see `seal_with_one_key`).
    """
    found = list(surveys)
    envelopes = {text for seen in found for text in seen.envelopes}
    opened = sum(site.vault.state(text) == SEALED for text in envelopes)
    site.vault.sealing = site.vault.has_key and (opened > 0 or not envelopes)
    return {
        "given": site.vault.has_key,
        LOOKS_SEALED: len(envelopes),
        "opened": opened,
        PLAIN: sum(seen.plain for seen in found),
        "fits": site.vault.sealing,
    }


def may_seal(site: Site, connection: Connection) -> bool:
    """Tell by the tables alone whether plain credentials are sealed: the key opens what is sealed, or nothing is."""
    if not site.vault.has_key:
        return False
    known = Ledger(connection).documents()
    hiding = [d for d in site.pack.documents.values() if d.name in known and any(part.hidden for part in d.parts)]
    envelopes = (text for d in hiding for store in site.stores(connection, d).values() for text in store.envelopes())
    states = [site.vault.state(text) for text in envelopes]
    site.vault.sealing = not states or SEALED in states
    return seal_with_one_key(site, connection)


def note_key(site: Site, connection: Connection, report: Mapping[str, Any]) -> None:
    """Note the key as the site's, by its fingerprint, once it has opened or sealed something."""
    keyring = Keyring(connection)
    if not report["fits"] or keyring.rotating or keyring.is_(CURRENT, site.vault.key):
        return
    if report["opened"] or any(True for _ in sealed_here(site, connection)):
        with transaction(connection):
            keyring.note(CURRENT, site.vault.key)


def seal_with_one_key(site: Site, connection: Connection) -> bool:
    """Never seal with a second key beside what we sealed before; tell whether we may seal."""
    ours = sealed_here(site, connection)
    site.vault.sealing = site.vault.sealing and all(site.vault.open(*each) is not None for each in ours)
    return site.vault.sealing


def sealed_here(site: Site, connection: Connection) -> Iterator[tuple[str, Place]]:
    """Walk through all that we sealed in the database, with its places."""
    known = Ledger(connection).documents()
    for document in site.pack.documents.values():
        for store in site.stores(connection, document).values() if document.name in known else ():
            yield from store.sealed_by_us()
    for item in Quarantine(connection).items():
        if item.raw_state != PLAIN and isinstance(item.raw, str):
            yield item.raw, held(item.document)
