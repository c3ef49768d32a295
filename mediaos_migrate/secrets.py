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
_DERIVED: Final = 4096  # ciphers kept, one for each salt: a derivation takes some 20 ms
_SHORTEST: Final = _SALT + _IV + _TAG + 1
SHORTEST_KEY: Final = 32
_ALPHABET = re.compile(r"[A-Za-z0-9+/_-]")
# A parameter that is named like a key, also inside an escaped link (magnet:?tr=https%3A…%3Fpasskey%3D…).
_CREDENTIAL_IN_URL = re.compile(
    r"(?:[?&;]|%3F|%26)(?:[\w.-]*(?:key|pass|token|auth|secret|password|passwd|pwd)|r)(?:=|%3D)[^&#]"
    r"|://[^/?#@\s:]*:[^/?#@\s]+@",
    re.IGNORECASE,
)

# How credentials are called: tmdbApiKey, x-api-key, authToken, Authorization, but not `keys`, `key` or `tokens`.
_SECRET_NAME = re.compile(
    r"(?:pass(?:word|wd|phrase|code|key)|pwd|secret|token|authorization|cookie|credentials?"
    r"|(?:api|access|private|auth|session|encryption|tmdb|subtitles)[-_ ]?key)\b",
    re.IGNORECASE,
)

PLAIN: Final = "plain"
HASH: Final = "hash"  # of a password: neither sealed nor to be sealed, and compared as it stands
SEALED: Final = "sealed"
LOOKS_SEALED: Final = "looks-sealed"
SEALED_HERE: Final = "sealed-here"  # plain in the file, sealed by us in the table
SEALED_HERE_JSON: Final = "sealed-here-json"  # the same for a value that is no string


def looks_sealed(text: str) -> bool:
    """Tell what the app takes for ciphertext: whatever Node decodes to 65 bytes or more (87 characters).

    A link is none however long it is, for the app seals no links.
    """
    if "://" in text or text.startswith("magnet:"):
        return False
    return len(_ALPHABET.findall(text.split("=", maxsplit=1)[0])) * 6 // 8 >= _SHORTEST


def is_envelope(text: str) -> bool:
    """Tell what can be an envelope at all: strict base64 of 65 bytes or more."""
    try:
        return len(base64.b64decode(text, validate=True)) >= _SHORTEST
    except (binascii.Error, ValueError):
        return False


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
        self._for_files: dict[bytes, bytes] = {}  # the last one: all files of a backup share their salt
        self._salt = os.urandom(_SALT)

    @property
    def has_key(self) -> bool:
        """Whether there is a key at all."""
        return self._key is not None

    def open(self, text: str) -> str | None:
        """Return what an envelope holds, or None when it is none or the key does not fit."""
        if self._key is None:
            return None
        try:
            data = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            return None
        if len(data) < _SHORTEST:
            return None
        salt, iv, tag, sealed = data[:32], data[32:48], data[48:64], data[64:]
        try:
            return self._cipher(salt).decrypt(iv, sealed + tag, None).decode("utf-8", "surrogatepass")
        except (InvalidTag, UnicodeDecodeError):
            return None

    def seal(self, text: str) -> str:
        """Seal a text in the app's envelope: one salt a run (one key derivation), a fresh IV a value."""
        iv = os.urandom(_IV)
        sealed = self._cipher(self._salt).encrypt(iv, text.encode("utf-8", "surrogatepass"), None)
        return base64.b64encode(self._salt + iv + sealed[-_TAG:] + sealed[:-_TAG]).decode()

    def derive(self, salt: bytes) -> bytes:
        """Return a key for whole files, made of the site's key; it opens no envelope of the app."""
        if salt not in self._for_files:
            secret = (self._key or "").encode()
            self._for_files = {salt: hashlib.pbkdf2_hmac("sha256", secret, b"mediaos-migrate backup" + salt, _ROUNDS)}
        return self._for_files[salt]

    def _cipher(self, salt: bytes) -> AESGCM:
        if salt not in self._derived:
            if len(self._derived) >= _DERIVED:
                del self._derived[next(iter(self._derived))]
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
        for hidden in part.hidden:
            value = _replace(value, (hidden,), lambda _, found, h=hidden: _hide(found, PLAIN, h))
        return value

    def veil(self, part: Part, value: Any) -> Any:
        """Hide a record to be shown: its secrets, what blocks the way to one, and what only looks like one."""
        for hidden in part.hidden:
            value = _veil_at(value, hidden.at, hidden.kind)
        return veil_named(self.hide(part, value))

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

        def unseal(place: str, found: Any, hidden: Hidden) -> Secret:
            state = states.get(place, PLAIN)
            if state not in (SEALED_HERE, SEALED_HERE_JSON) or not isinstance(found, str):
                return _hide(found, state, hidden)
            opened = self.open(found)
            if opened is None:
                # Changed by a foreign hand after we sealed it: then it is simply what it is.
                return Secret(found, state, locked=looks_sealed(found))
            return Secret(loads(opened) if state == SEALED_HERE_JSON else opened, state)

        for hidden in part.hidden:
            value = _replace(value, (hidden,), lambda place, found, h=hidden: unseal(place, found, h))
        return value

    def seal_text(self, text: str) -> tuple[str, str]:
        """Seal raw text that may hold secrets, for the quarantine: the text and its state."""
        return (self.seal(text), SEALED_HERE) if self.sealing and text else (text, PLAIN)


def _hide(value: Any, state: str, hidden: Hidden) -> Secret:
    """Hide a value; a hash is nothing that could be opened, however long it is."""
    if isinstance(value, Secret):
        return value
    if hidden.kind == "hash":
        return Secret(value, HASH)
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
    """Copy a value with what lies at a path changed, unless it hides nothing."""
    if not path:
        return value if _harmless(value, kind) else change(place, value)
    step, rest = path[0], path[1:]
    if isinstance(value, dict):
        steps = list(value) if step == "*" else [step] if step in value else []
        changed = {name: _replace_at(value[name], rest, kind, place + pointer(name), change) for name in steps}
        return value | changed if changed else value
    if isinstance(value, list) and step == "*":
        return [_replace_at(item, rest, kind, place + pointer(n), change) for n, item in enumerate(value)]
    return value


def _veil_at(value: Any, path: tuple[str, ...], kind: str) -> Any:
    """Copy a value with the texts and lists hidden that stand in the way of a path."""
    if isinstance(value, dict) and path:
        steps = list(value) if path[0] == "*" else [path[0]] if path[0] in value else []
        return value | {name: _veil_at(value[name], path[1:], kind) for name in steps}
    if isinstance(value, list) and path[:1] == ("*",):
        return [_veil_at(item, path[1:], kind) for item in value]
    if isinstance(value, str) and kind == "url":
        return value if _harmless(value, kind) else Secret(value)
    blocked = path and not isinstance(value, dict)
    return Secret(value) if (blocked or kind == "url") and not _harmless(value, "") else value


def named_like_secret(text: str) -> bool:
    """Tell whether a member's name, or a text with members in it, speaks of a credential."""
    return bool(_SECRET_NAME.search(text))


def veil_named(value: Any) -> Any:
    """Copy a value with everything hidden that is named like a credential or has the form of one."""
    match value:
        case dict():
            return {
                name: Secret(item) if named_like_secret(name) and not _harmless(item, "secret") else veil_named(item)
                for name, item in value.items()
            }
        case list():
            return [veil_named(item) for item in value]
        case str() if has_credential(value) or looks_sealed(value):
            return Secret(value)
    return value


def _harmless(value: Any, kind: str) -> bool:
    """Tell what hides nothing: null, an empty text, and links without a key."""
    if isinstance(value, Secret):
        return False
    if kind == "url":
        return not any(has_credential(text) or looks_sealed(text) for text in _texts(value))
    return value is None or value == ""


def _texts(value: Any) -> Iterator[str]:
    """Walk through the texts in a value, however deep."""
    match value:
        case str():
            yield value
        case dict():
            yield from (text for pair in value.items() for item in pair for text in _texts(item))
        case list():
            yield from (text for item in value for text in _texts(item))


def read_key(file: Path | None, variable: str | None) -> str | None:
    """Read the site's key from a file, else from the app's own environment variable; raises UsageError."""
    if file is not None:
        key, origin = _read_key_file(file), f"the key file {file}"
    else:
        key, origin = os.environ.get(variable or "", ""), f"the variable {variable}"
        if not key:
            return None
    if any("\ud800" <= character <= "\udfff" for character in key):  # what os.environ makes of bytes
        raise UsageError(f"The key in {origin} is not UTF-8.", "Give the key that the app runs with.")
    if len(key) < SHORTEST_KEY:
        raise UsageError(
            f"The key in {origin} is shorter than {SHORTEST_KEY} characters, which the app refuses.",
            "Give the key that the app runs with.",
        )
    return key


def _read_key_file(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig").strip("\r\n")
    except OSError as error:
        reason = error.strerror
    except UnicodeDecodeError:
        reason = "it is not UTF-8"
    raise UsageError(f"The key file {file} cannot be read: {reason}.", "Name a readable file.")
