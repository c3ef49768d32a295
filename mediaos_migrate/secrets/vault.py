"""A vault that hides, seals and opens what a pack calls secret, and tells how it stands."""

from __future__ import annotations

from hashlib import pbkdf2_hmac
from typing import Any, Final

from ..pack import Hidden, Part
from ..values import Secret, dumps, loads
from .envelopes import ENVELOPES, NOWHERE, ROUNDS, Place
from .naming import looks_sealed, veil_named
from .places import changed_at, veil_at

PLAIN: Final = "plain"
HASH: Final = "hash"  # of a password: neither sealed nor to be sealed, and compared as it stands
SEALED: Final = "sealed"
LOOKS_SEALED: Final = "looks-sealed"
SEALED_HERE: Final = "sealed-here"  # plain in the file, sealed by us in the table
SEALED_HERE_JSON: Final = "sealed-here-json"  # the same for a value that is no string
HERE: Final = (SEALED_HERE, SEALED_HERE_JSON)
QUARANTINE: Final = "_mm_quarantine"

Key = tuple[str, ...]


class Vault:
    """Opens and seals with the site's key; without one it hides and classifies all the same.

    `also` is a second key that opens and never seals: the old one, while the key is being changed.
    Attributes: `sealing` says whether plain credentials are sealed on their way into the table.
    """

    def __init__(
        self, key: str | None = None, *, envelope: str = "app", app: str = "", also: str | None = None
    ) -> None:
        self.sealing = False
        self._key = key
        self._for_files: dict[bytes, bytes] = {}  # the last one: all files of a backup share their salt
        make = ENVELOPES[envelope]
        self._looks = make("").looks
        self._envelopes = [make(each, app) for each in (key, also) if each is not None]

    @property
    def has_key(self) -> bool:
        """Whether there is a key at all."""
        return self._key is not None

    @property
    def key(self) -> str:
        """The key itself, to make its fingerprint; the caller answers for where it goes."""
        return self._key or ""

    def open(self, text: str, place: Place = NOWHERE) -> str | None:
        """Return what an envelope holds, or None when it is none or no key fits."""
        found = (envelope.open(text, place) for envelope in self._envelopes)
        return next((opened for opened in found if opened is not None), None)

    def seal(self, text: str, place: Place = NOWHERE) -> str:
        """Seal a text; only with a key."""
        return self._envelopes[0].seal(text, place)

    def derive(self, salt: bytes) -> bytes:
        """Return a key for whole files, made of the site's key; it opens no envelope of the app."""
        if salt not in self._for_files:
            secret = (self._key or "").encode()
            self._for_files = {salt: pbkdf2_hmac("sha256", secret, b"mediaos-migrate backup" + salt, ROUNDS)}
        return self._for_files[salt]

    def fresh(self, text: str, place: Place = NOWHERE) -> bool:
        """Tell whether an envelope opens with the key that seals, not only with the other one."""
        return bool(self._envelopes) and self._envelopes[0].open(text, place) is not None

    def state(self, value: Any, place: Place = NOWHERE) -> str:
        """Classify a value as it stands in a file: plain, sealed, or looks-sealed."""
        if not isinstance(value, str) or not self._looks(value):
            return PLAIN
        return SEALED if self.open(value, place) is not None else LOOKS_SEALED

    def hide(self, part: Part, value: Any) -> Any:
        """Put every secret of a record into a `Secret`, so that nothing can show it."""
        return changed_at(part, value, lambda _, found, hidden: _hide(found, PLAIN, hidden))

    def veil(self, part: Part, value: Any) -> Any:
        """Hide a record to be shown: its secrets, what blocks the way to one, and what only looks like one."""
        for hidden in part.hidden:
            value = veil_at(value, hidden.at, hidden.kind)
        return veil_named(self.hide(part, value))

    def store(self, part: Part, value: Any, key: Key = ()) -> tuple[Any, dict[str, str]]:
        """Return a record as the table holds it, and the state of each of its secrets by path."""
        states: dict[str, str] = {}

        def seal(path: str, found: Any, hidden: Hidden) -> Any:
            if hidden.kind == "hash":
                return found
            states[path] = self.state(found)
            if states[path] != PLAIN or not self.sealing:
                return found
            states[path] = SEALED_HERE if isinstance(found, str) else SEALED_HERE_JSON
            return self.seal(found if isinstance(found, str) else dumps(found), Place(part.table, path, key))

        return changed_at(part, value, seal), states

    def restore(self, part: Part, value: Any, states: dict[str, str], key: Key = ()) -> Any:
        """Undo `store`: every secret as the file has it, hidden; locked where the key is missing."""

        def unseal(path: str, found: Any, hidden: Hidden) -> Secret:
            state = states.get(path, PLAIN)
            if state not in HERE or not isinstance(found, str):
                return _hide(found, state, hidden)
            opened = self.open(found, Place(part.table, path, key))
            if opened is None:
                # Changed by a foreign hand after we sealed it: then it is simply what it is.
                return Secret(found, state, locked=looks_sealed(found))
            return Secret(loads(opened) if state == SEALED_HERE_JSON else opened, state)

        return changed_at(part, value, unseal)

    def seal_text(self, text: str, document: str = "") -> tuple[str, str]:
        """Seal raw text that may hold secrets, for the quarantine: the text and its state."""
        sealed = self.sealing and text
        return (self.seal(text, held(document)), SEALED_HERE) if sealed else (text, PLAIN)


def held(document: str) -> Place:
    """Return the place of raw text in quarantine: its pointer may change, its document does not."""
    return Place(QUARANTINE, "raw", (document,))


def _hide(value: Any, state: str, hidden: Hidden) -> Secret:
    """Hide a value; a hash is nothing that could be opened, however long it is."""
    if isinstance(value, Secret):
        return value
    if hidden.kind == "hash":
        return Secret(value, HASH)
    return Secret(value, LOOKS_SEALED if isinstance(value, str) and looks_sealed(value) else state)
