"""Looking at every file before anything is written: damaged, unsettled, shrunken, or breaking a rule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Final

from .. import files
from ..anomalies import Inspector
from ..digest import Hashes
from ..documents.reader import Rest, refuse_twins
from ..engines.sqlite import Connection
from ..errors import Damaged, MigrateError, NoData, NotSettled, Refused, SeveralFolders, Suspect
from ..ledger import DAMAGED, MISSING, PRESENT, SKIPPED, Entry, Ledger
from ..pack import Document, Part
from ..report import CAP, Anomaly
from ..secrets import LOOKS_SEALED, PLAIN, SEALED, is_envelope, looks_sealed, secrets_in
from ..site import Site, parts
from ..stores.file import Envelope, FileStore

LOOKS: Final = 5
PAUSE: Final = 0.05
MANY: Final = 20  # a file that had this many records and lost half of them is suspect


@dataclass(frozen=True, slots=True)
class Options:
    """What the operator allows: skip documents, salvage damaged files, accept shrunken ones and this folder."""

    skip: frozenset[str] = frozenset()
    salvage: bool = False
    accept_source: frozenset[str] = frozenset()
    accept_data: bool = False


@dataclass(slots=True)
class Survey:
    """What one pass over a document's file found; `error` says why it cannot be taken."""

    document: Document
    state: str
    digest: str | None = None
    size: int = 0
    count: int = 0
    twins: frozenset[int] = frozenset()
    salvage: bool = False
    rest: list[Rest] = field(default_factory=list)
    envelope: Envelope | None = None
    anomalies: list[Anomaly] = field(default_factory=list)
    anomaly_count: int = 0
    envelopes: set[str] = field(default_factory=set)  # distinct sealed values
    plain: int = 0  # credentials in clear text
    unfit: int = 0
    accepted: bool = False  # a person says that the file is to be believed
    error: MigrateError | None = None


def check_folder(site: Site, *, accept: bool, accepted: Iterable[str] = ()) -> list[Path]:
    """Make sure that the data folder is the one that is meant; return other folders that hold data.

    Raises NoData or SeveralFolders, naming every candidate.
    """
    others = site.other_folders()
    app = site.pack.name
    if not site.holds_data():
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


def survey(site: Site, options: Options, known: Mapping[str, Entry]) -> list[Survey]:
    """Look at every document once, and again at those that did not stand still. Raises nothing of theirs."""
    for name in (*options.skip, *options.accept_source):
        site.pack.document(name)
    found: dict[str, Survey] = {}
    keys: dict[str, Hashes] = {}
    waiting = list(site.pack.ordered())
    for look in range(LOOKS):
        for document in waiting:
            keys[document.name] = Hashes()
            found[document.name] = _survey(site, document, options, known.get(document.name), keys)
        waiting = [document for document in waiting if _moved(site, found[document.name], pause=PAUSE * look)]
        if not waiting:
            break
    for document in waiting:
        found[document.name].error = NotSettled(
            f"{document.file} changed every time it was looked at.",
            f"Stop {site.pack.name} and run the command again.",
            file=str(site.file(document)),
        )
    return [found[document.name] for document in site.pack.ordered()]


def _moved(site: Site, seen: Survey, pause: float) -> bool:
    """Tell whether a file is another one than a moment ago."""
    path = site.file(seen.document)
    if seen.state == SKIPPED:
        return False
    if not path.exists():
        return seen.state != MISSING
    if seen.digest is None:
        return False
    return files.settled_digest(path, pause=pause, looks=1) != seen.digest


def _survey(site: Site, document: Document, options: Options, entry: Entry | None, keys: dict[str, Hashes]) -> Survey:
    path = site.file(document)
    if document.name in options.skip:
        del keys[document.name]  # what refers to it cannot be doubted
        return Survey(document, SKIPPED)
    if not path.exists():
        return _suspect(Survey(document, MISSING), entry, options)
    if not path.is_file():
        del keys[document.name]
        return Survey(document, DAMAGED, error=Refused(f"{path.name} is not a file.", "Move it away."))
    before: str | None = None
    try:
        before = files.digest(path)
        again = entry is not None and entry.state == DAMAGED and entry.digest == before
        seen = _read(site, document, salvage=options.salvage or again, keys=keys)
    except (Damaged, OSError) as error:
        del keys[document.name]
        unreadable = Refused(f"{path.name} cannot be read: {getattr(error, 'strerror', error)}.", "Make it readable.")
        return Survey(document, DAMAGED, before, error=error if isinstance(error, Damaged) else unreadable)
    return _suspect(seen, entry, options)


def _suspect(seen: Survey, entry: Entry | None, options: Options) -> Survey:
    """Mark a file that lost so much since it was last accepted that an accident is likelier."""
    had = (entry.count or 0) if entry and entry.state in (PRESENT, DAMAGED) else 0
    has = seen.count if seen.salvage else seen.count + len(seen.rest)
    lost = has * 2 < had if had >= MANY else had and not has
    seen.accepted = seen.document.name in options.accept_source
    if entry and entry.digest == seen.digest:
        return seen
    if (lost or (seen.salvage and has < had)) and not seen.accepted:
        what = f"has {has}" if seen.state != MISSING else "is gone, and had"
        tail = f" of the {had} records" if seen.state != MISSING else f" {had} records when it was"
        seen.error = Suspect(
            f"{seen.document.file} {what}{tail} last accepted.",
            f"Restore it from .mediaos-migrate/backups, or pass --accept-source {seen.document.name}.",
            document=seen.document.name,
            had=had,
            has=has,
        )
    return seen


def _read(site: Site, document: Document, *, salvage: bool, keys: dict[str, Hashes]) -> Survey:
    store = FileStore(site.file(document), document, site.vault, salvage=salvage)
    inspectors = {name: Inspector(part, site.vault, keys) for name, part in parts(document).items()}
    seen = Survey(document, PRESENT)
    _first_pass(store, inspectors, seen, keys[document.name])
    if twice := store.names.twins():
        if not salvage:
            refuse_twins(site.file(document), document, twice)
        seen.twins |= twice
    seen.salvage = salvage and bool(seen.rest or twice or _has_mark(site.file(document)))
    seen.state = DAMAGED if seen.salvage else PRESENT
    for name, inspector in inspectors.items():
        if inspector.needs_second:
            inspector.second(record for part, record in store.all() if part == name)
        seen.anomalies += inspector.kept[: CAP - len(seen.anomalies)]
        seen.anomaly_count += inspector.count
    return seen


def _first_pass(store: FileStore, inspectors: dict[str, Inspector], seen: Survey, keys: Hashes) -> None:
    """Look at every record once."""
    hiding = {name: bool(part.hidden) for name, part in parts(seen.document).items()}
    twins = Hashes()
    for part, record in store.all():
        seen.count += 1
        inspectors[part].first(record)
        if record.unfit:
            seen.unfit += 1
            continue
        twins.add((part, *record.key))
        keys.add(record.key[-1])
        if hiding[part]:
            _count_secrets(store.part(part), record.value, seen)
    keys.sort()
    seen.digest, seen.size, seen.rest = store.reading.digest, store.reading.size, store.rest
    seen.envelope, seen.twins = store.envelope, twins.twins()


def _has_mark(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(3) == b"\xef\xbb\xbf"


def _count_secrets(part: Part, value: object, seen: Survey) -> None:
    """Count what looks sealed (each once) and what stands in clear text."""
    for _, secret, hidden in secrets_in(part, value):
        text = secret.reveal()
        if hidden.kind == "hash":
            continue
        if not isinstance(text, str) or not looks_sealed(text):
            seen.plain += 1
        elif is_envelope(text):
            seen.envelopes.add(text)


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


def seal_with_one_key(site: Site, connection: Connection) -> bool:
    """Never seal with a second key beside what we sealed before; tell whether we may seal."""
    known = Ledger(connection).documents()
    stores = [s for d in site.pack.documents.values() if d.name in known for s in site.stores(connection, d).values()]
    held = (item.raw for item in Ledger(connection).quarantined() if item.raw_state != PLAIN)
    ours = chain(*(store.sealed_by_us() for store in stores), (raw for raw in held if isinstance(raw, str)))
    site.vault.sealing = site.vault.sealing and all(site.vault.open(text) is not None for text in ours)
    return site.vault.sealing
