"""The app's credential envelope, and a vault that hides, seals and opens what a pack calls secret.

The envelope is the app's own, so that it can read what we seal: base64 of salt(32) + iv(16) + tag(16) +
ciphertext; AES-256-GCM without associated data; key = PBKDF2-HMAC-SHA256(secret, salt, 100,000 rounds).
Source: MediaOS, packages/api/src/services/encryption (read at 9a3eb1a), checked both ways against Node.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .errors import UsageError
from .pack import Hidden, Part
from .shapes import pointer
from .values import Secret, dumps, loads

_SALT: Final = 32
_IV: Final = 16
_TAG: Final = 16
_ROUNDS: Final = 100_000
_SHORTEST: Final = _SALT + _IV + _TAG + 1
SHORTEST_KEY: Final = 32
_ALPHABET = re.compile(r"[A-Za-z0-9+/_-]")
_CREDENTIAL_IN_URL = re.compile(
    r"[?&;](?:api_?key|pass_?key|auth_?key|rss_?key|torrent_?pass|token|auth|key|secret|password|passwd|pwd|r)=[^&#]"
    r"|://[^/?#@\s]+:[^/?#@\s]+@",
    re.IGNORECASE,
)

PLAIN: Final = "plain"
SEALED: Final = "sealed"
LOOKS_SEALED: Final = "looks-sealed"
SEALED_HERE: Final = "sealed-here"  # plain in the file, sealed by us in the table
SEALED_HERE_JSON: Final = "sealed-here-json"  # the same for a value that is no string


def looks_sealed(text: str) -> bool:
    """Tell what the app takes for ciphertext: whatever Node decodes to 65 bytes or more (87 characters)."""
    return len(_ALPHABET.findall(text.split("=", maxsplit=1)[0])) * 6 // 8 >= _SHORTEST


def has_credential(link: str) -> bool:
    """Tell whether a link carries a personal key."""
    return bool(_CREDENTIAL_IN_URL.search(link))


class Vault:
    """Opens and seals with the site's key; without one it hides and classifies all the same.

    Attributes: `sealing` says whether plain credentials are sealed on their way into the table.
    """

    def __init__(self, key: str | None = None) -> None:
        self._key = key
        self.sealing = False
        self._derived: dict[bytes, AESGCM] = {}
        self._opened: dict[str, str | None] = {}
        self._salt = os.urandom(_SALT)

    @property
    def has_key(self) -> bool:
        """Whether there is a key at all."""
        return self._key is not None

    def open(self, text: str) -> str | None:
        """Return what an envelope holds, or None when it is none or the key does not fit."""
        if self._key is None:
            return None
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        if digest not in self._opened:
            self._opened[digest] = self._open(text)
        return self._opened[digest]

    def _open(self, text: str) -> str | None:
        try:
            data = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            return None
        if len(data) < _SHORTEST:
            return None
        salt, iv, tag, sealed = data[:32], data[32:48], data[48:64], data[64:]
        try:
            return self._cipher(salt).decrypt(iv, sealed + tag, None).decode()
        except (InvalidTag, UnicodeDecodeError):
            return None

    def seal(self, text: str) -> str:
        """Seal a text in the app's envelope: one salt a run (one key derivation), a fresh IV a value."""
        iv = os.urandom(_IV)
        sealed = self._cipher(self._salt).encrypt(iv, text.encode("utf-8", "surrogatepass"), None)
        return base64.b64encode(self._salt + iv + sealed[-_TAG:] + sealed[:-_TAG]).decode()

    def _cipher(self, salt: bytes) -> AESGCM:
        if salt not in self._derived:
            key = hashlib.pbkdf2_hmac("sha256", (self._key or "").encode(), salt, _ROUNDS)
            self._derived[salt] = AESGCM(key)
        return self._derived[salt]

    def state(self, value: Any) -> str:
        """Classify a value as it stands in a file: plain, sealed, or looks-sealed."""
        if not isinstance(value, str) or not looks_sealed(value):
            return PLAIN
        return SEALED if self.open(value) is not None else LOOKS_SEALED

    def hide(self, part: Part, value: Any) -> Any:
        """Put every secret of a record into a `Secret`, so that nothing can show it."""
        return _replace(
            value, part.hidden, lambda _, found: found if isinstance(found, Secret) else _hidden(found, PLAIN)
        )

    def store(self, part: Part, value: Any) -> tuple[Any, dict[str, str]]:
        """Return a record as the table holds it, and the state of each of its secrets by path."""
        states: dict[str, str] = {}

        def seal(place: str, found: Any, hidden: Hidden) -> Any:
            if hidden.kind == "hash":
                return found
            states[place] = self.state(found)
            if states[place] != PLAIN or not self.sealing:
                return found
            states[place] = SEALED_HERE if isinstance(found, str) else SEALED_HERE_JSON
            return self.seal(found if isinstance(found, str) else dumps(found))

        for hidden in part.hidden:
            value = _replace(value, (hidden,), lambda place, found, h=hidden: seal(place, found, h))
        return value, states

    def restore(self, part: Part, value: Any, states: dict[str, str]) -> Any:
        """Undo `store`: every secret as the file has it, hidden; locked where the key is missing."""

        def unseal(place: str, found: Any) -> Secret:
            state = states.get(place, PLAIN)
            if state not in (SEALED_HERE, SEALED_HERE_JSON) or not isinstance(found, str):
                return _hidden(found, state)
            opened = self.open(found)
            if opened is None:
                # Changed by a foreign hand after we sealed it: then it is simply what it is.
                return Secret(found, state, locked=looks_sealed(found))
            return Secret(loads(opened) if state == SEALED_HERE_JSON else opened, state)

        return _replace(value, part.hidden, unseal)

    def seal_text(self, text: str) -> tuple[str, str]:
        """Seal raw text that may hold secrets, for the quarantine: the text and its state."""
        return (self.seal(text), SEALED_HERE) if self.sealing else (text, PLAIN)


def _hidden(value: Any, state: str) -> Secret:
    return Secret(value, LOOKS_SEALED if isinstance(value, str) and looks_sealed(value) else state)


def secrets_in(part: Part, value: Any) -> Iterator[tuple[str, Any, Hidden]]:
    """Walk through the secrets of a record: path, value and what the pack says of it."""
    found: list[tuple[str, Any, Hidden]] = []

    def note(place: str, item: Any, hidden: Hidden) -> Any:
        found.append((place, item, hidden))
        return item

    for hidden in part.hidden:
        _replace(value, (hidden,), lambda place, item, h=hidden: note(place, item, h))
    yield from found


def _replace(value: Any, hidden: tuple[Hidden, ...], change: Callable[..., Any]) -> Any:
    for item in hidden:
        value = _replace_at(value, item.at, item.kind, "", change)
    return value


def _replace_at(value: Any, path: tuple[str, ...], kind: str, place: str, change: Callable[..., Any]) -> Any:
    """Copy a value with what lies at a path changed; null and empty strings hide nothing."""
    if not path:
        empty = value is None or value == ""
        harmless = kind == "url" and not (isinstance(value, str) and has_credential(value))
        if isinstance(value, Secret):
            return change(place, value)
        return value if empty or (harmless and not _sealed_link(value)) else change(place, value)
    step, rest = path[0], path[1:]
    if isinstance(value, dict):
        steps = list(value) if step == "*" else [step] if step in value else []
        changed = {name: _replace_at(value[name], rest, kind, place + pointer(name), change) for name in steps}
        return value | changed if changed else value
    if isinstance(value, list) and step == "*":
        return [_replace_at(item, rest, kind, place + pointer(n), change) for n, item in enumerate(value)]
    return value


def _sealed_link(value: Any) -> bool:
    return isinstance(value, str) and "://" not in value and looks_sealed(value) and not value.startswith("magnet:")


def read_key(file: Path | None, variable: str | None) -> str | None:
    """Read the site's key from a file, else from the app's own environment variable; raises UsageError."""
    if file is not None:
        try:
            key = file.read_text(encoding="utf-8").strip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"The key file {file} cannot be read: {error}.", "Name a readable file.") from None
        origin = f"the key file {file}"
    else:
        key, origin = os.environ.get(variable or "", ""), f"the variable {variable}"
    if not key and file is None:
        return None
    if len(key) < SHORTEST_KEY:
        raise UsageError(
            f"The key in {origin} is shorter than {SHORTEST_KEY} characters, which the app refuses.",
            "Give the key that the app runs with.",
        )
    return key
