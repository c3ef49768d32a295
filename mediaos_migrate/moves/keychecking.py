"""How every secret of a site stands: does it open, is it plain, who sealed it; looking touches nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from ..engines.sqlite import Connection
from ..keyring import CURRENT, Keyring
from ..ledger import DAMAGED, Ledger
from ..pack import Document, Hidden
from ..quarantine import Quarantine, Quarantined
from ..report import CAP, Key
from ..secrets import HASH, HERE, PLAIN, SEALED, Place, Vault, held, is_envelope, secrets_in
from ..site import Site, parts
from ..stages import Stage
from ..stores.file import FileStore
from ..values import loads
from .standing import chosen

OPENS: Final = "opens"
SEALED_HERE: Final = "sealed_here"
UNOPENED: Final = "unopened"
UNTRIED: Final = "untried"  # there is no key to try
STATES: Final = (OPENS, SEALED_HERE, PLAIN, HASH, UNOPENED, UNTRIED)
NAMED: Final = (PLAIN, UNOPENED, UNTRIED)  # whose records are named

FILE: Final = "file"
TABLE: Final = "table"
QUARANTINE: Final = "quarantine"


class Found(NamedTuple):
    """One secret where it stands; `value` is the thing itself and goes nowhere."""

    document: str
    home: str
    key: Key
    hidden: Hidden
    value: Any
    place: Place
    state: str = ""  # as the table notes it

    @property
    def member(self) -> str:
        """The member that holds it, without the numbers of lists."""
        return ".".join(self.hidden.at)

    def stands(self, vault: Vault) -> str:
        """Tell how it stands for the keys of a vault."""
        if self.hidden.kind == HASH:
            return HASH
        if self.state in HERE and isinstance(self.value, str):
            return SEALED_HERE if vault.open(self.value, self.place) is not None else _closed(vault, self.value)
        state = vault.state(self.value)
        return {PLAIN: PLAIN, SEALED: OPENS}.get(state) or _closed(vault, self.value)


def _closed(vault: Vault, value: str) -> str:
    return UNTRIED if not vault.has_key and is_envelope(value) else UNOPENED


@dataclass(slots=True)
class Tally:
    """How the secrets of one member stand in one home: how many, and of which records."""

    document: str
    home: str
    member: str
    app_opens: bool = False  # a sealed value here is opened by the app itself
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STATES, 0))
    keys: dict[str, list[Key]] = field(default_factory=lambda: {state: [] for state in NAMED})

    def add(self, state: str, key: Key) -> None:
        """Count one."""
        self.counts[state] += 1
        if state in NAMED and len(self.keys[state]) < CAP:
            self.keys[state].append(key)


@dataclass(frozen=True, slots=True)
class KeyCheck:
    """What a look at all secrets found; `current`: whether the key is the one noted as the site's."""

    given: bool
    current: bool | None
    rotating: bool
    tallies: tuple[Tally, ...]

    def count(self, state: str) -> int:
        """Count the secrets that stand in some way."""
        return sum(tally.counts[state] for tally in self.tallies)

    @property
    def exit_code(self) -> int:
        """3 when something does not open, 5 when that could not be tried."""
        return 3 if self.count(UNOPENED) else 5 if self.count(UNTRIED) else 0


def check(site: Site, names: Sequence[str] = ()) -> KeyCheck:
    """Look at every secret of some documents, or of all, in file, table and quarantine. Raises Damaged."""
    with ExitStack() as held_open:
        connection = None
        if site.db.exists() and site.db.stat().st_size:
            connection = held_open.enter_context(site.looking())
        keyring = Keyring(connection) if connection else None
        return KeyCheck(
            site.vault.has_key,
            keyring.is_(CURRENT, site.vault.key) if keyring and site.vault.has_key else None,
            bool(keyring and keyring.rotating),
            tuple(tallied(site.vault, secrets_of(site, connection, chosen(site, names)))),
        )


def tallied(vault: Vault, secrets: Iterable[Found]) -> Iterable[Tally]:
    """Count secrets by document, home and member."""
    found: dict[tuple[str, str, str], Tally] = {}
    for secret in secrets:
        place = (secret.document, secret.home, secret.member)
        found.setdefault(place, Tally(*place, secret.hidden.app_opens)).add(secret.stands(vault), secret.key)
    return found.values()


def secrets_of(site: Site, connection: Connection | None, documents: Iterable[Document]) -> Iterator[Found]:
    """Walk through every secret of documents, home by home."""
    known = Ledger(connection).documents() if connection else {}
    for document in documents:
        if not any(part.hidden for part in document.parts):
            continue
        if connection is None or Ledger(connection).stage(document.name) is not Stage.COMPLETE:
            entry = known.get(document.name)
            torn = entry is not None and entry.state == DAMAGED
            yield from in_file(site, document, site.file(document), salvage=torn)
        if connection and document.name in known:
            yield from _in_tables(site, connection, document)
            yield from in_quarantine(site, connection, document)


def in_file(site: Site, document: Document, path: Path, *, salvage: bool = False) -> Iterator[Found]:
    """Walk through the secrets of a document in its file, or in a copy of it. Raises Damaged."""
    if not path.is_file():
        return
    store = FileStore(path, document, site.vault, salvage=salvage)
    for name, record in store.all():
        part = store.part(name)
        for at, secret, hidden in secrets_in(part, record.value):
            place = Place(part.table, at, record.key)
            yield Found(document.name, FILE, record.identity, hidden, secret.reveal(), place)


def _in_tables(site: Site, connection: Connection, document: Document) -> Iterator[Found]:
    for store in site.stores(connection, document).values():
        for key, path, value, state, hidden in store.secrets():
            yield Found(document.name, TABLE, key, hidden, value, Place(store.part.table, path, key), state)


def in_quarantine(site: Site, connection: Connection, document: Document) -> Iterator[Found]:
    """Walk through the secrets in quarantine: the raw text as a whole where it is sealed, else those in it."""
    for item in Quarantine(connection).items(document.name):
        text = opened(site.vault, item)
        key = ("#", item.pointer)
        if item.raw_state != PLAIN or text is None:
            whole = Hidden(at=("(raw text)",))
            yield Found(document.name, QUARANTINE, key, whole, item.raw, held(document.name), item.raw_state)
        part = parts(document).get(item.part)
        for path, value, hidden in secrets_in(part, _read(text)) if part and text else ():
            yield Found(document.name, QUARANTINE, key, hidden, value, Place("", path))


def opened(vault: Vault, item: Quarantined) -> str | None:
    """Return the raw text of a quarantined record; None when it is no text, or no key opens it."""
    if not isinstance(item.raw, str):
        return None
    return item.raw if item.raw_state == PLAIN else vault.open(item.raw, held(item.document))


def _read(text: str) -> Any:
    try:
        return loads(text)
    except ValueError:
        return None
