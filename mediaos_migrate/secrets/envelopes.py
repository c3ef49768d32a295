"""Two envelopes for a secret: the app's own, which the app opens, and ours, which is bound to its place.

The app's: base64 of salt(32) + iv(16) + tag(16) + ciphertext; AES-256-GCM without associated data;
key = PBKDF2-HMAC-SHA256(secret, salt, 100,000 rounds). Source: MediaOS, packages/api/src/services/encryption
(read at 9a3eb1a), checked both ways against Node.

Ours, for apps that are written with our library: `mm1:` and base64 of version(1) + key id(4) + nonce(12) +
ciphertext + tag(16); AES-256-GCM over app, table, member and row key, so that a ciphertext opens nowhere else.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from .naming import BOUND, SHORTEST, looks_sealed

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

ROUNDS: Final = 100_000
_SALT: Final = 32
_IV: Final = 16
_TAG: Final = 16
_DERIVED: Final = 4096  # ciphers kept, one for each salt: a derivation takes some 20 ms
_VERSION: Final = b"\x01"
_ID: Final = 4
_NONCE: Final = 12


class Place(NamedTuple):
    """Where a sealed value stands: table, path in the record, and the key of the row."""

    table: str = ""
    path: str = ""
    key: tuple[str, ...] = ()


NOWHERE: Final = Place()


class Envelope(Protocol):
    """One way to seal a text with one key."""

    def looks(self, text: str) -> bool:
        """Tell whether a text is taken for a sealed one, without a key."""

    def seal(self, text: str, place: Place) -> str:
        """Seal a text for a place."""

    def open(self, text: str, place: Place) -> str | None:
        """Return what an envelope holds, or None when it is none, or key or place do not fit."""


class AppEnvelope:
    """The app's own envelope; one salt a run (one key derivation), a fresh IV a value. It knows no places."""

    def __init__(self, key: str, app: str = "") -> None:  # noqa: ARG002  made as the other one is
        self._key = key
        self._derived: dict[bytes, AESGCM] = {}
        self._salt = os.urandom(_SALT)

    def looks(self, text: str) -> bool:
        """Tell what the app takes for ciphertext."""
        return looks_sealed(text)

    def seal(self, text: str, place: Place) -> str:  # noqa: ARG002
        """Seal a text as the app does."""
        iv = os.urandom(_IV)
        sealed = self._cipher(self._salt).encrypt(iv, text.encode("utf-8", "surrogatepass"), None)
        return base64.b64encode(self._salt + iv + sealed[-_TAG:] + sealed[:-_TAG]).decode()

    def open(self, text: str, place: Place) -> str | None:  # noqa: ARG002
        """Open what the app or `seal` has sealed."""
        data = _decoded(text)
        if len(data) < SHORTEST:
            return None
        salt, iv, tag, sealed = data[:32], data[32:48], data[48:64], data[64:]
        return _opened(self._cipher(salt), iv, sealed + tag, None)

    def _cipher(self, salt: bytes) -> AESGCM:
        if salt not in self._derived:
            if len(self._derived) >= _DERIVED:
                del self._derived[next(iter(self._derived))]
            self._derived[salt] = _cipher(hashlib.pbkdf2_hmac("sha256", self._key.encode(), salt, ROUNDS))
        return self._derived[salt]


class BoundEnvelope:
    """Our own envelope: what was sealed for one place opens at no other."""

    def __init__(self, key: str, app: str = "") -> None:
        self._key, self._app = key, app

    def looks(self, text: str) -> bool:
        """Tell our envelopes by how they begin."""
        return text.startswith(BOUND)

    def seal(self, text: str, place: Place) -> str:
        """Seal a text for a place."""
        nonce = os.urandom(_NONCE)
        sealed = self._cipher.encrypt(nonce, text.encode("utf-8", "surrogatepass"), self._bound_to(place))
        return BOUND + base64.b64encode(_VERSION + self._id + nonce + sealed).decode()

    def open(self, text: str, place: Place) -> str | None:
        """Open what `seal` has sealed with this key for this place."""
        head = _VERSION + self._id
        data = _decoded(text.removeprefix(BOUND)) if self.looks(text) else b""
        if len(data) < len(head) + _NONCE + _TAG or not data.startswith(head):
            return None
        nonce, sealed = data[len(head) : len(head) + _NONCE], data[len(head) + _NONCE :]
        return _opened(self._cipher, nonce, sealed, self._bound_to(place))

    def _bound_to(self, place: Place) -> bytes:
        return json.dumps([1, self._app, *place[:2], *place.key]).encode()

    @cached_property
    def _master(self) -> bytes:
        salt = b"mediaos-migrate bound envelope 1: " + self._app.encode()
        return hashlib.pbkdf2_hmac("sha256", self._key.encode(), salt, ROUNDS)

    @cached_property
    def _id(self) -> bytes:
        return hmac.digest(self._master, b"key id", "sha256")[:_ID]

    @cached_property
    def _cipher(self) -> AESGCM:
        return _cipher(hmac.digest(self._master, b"cipher", "sha256"))


ENVELOPES: Final[Mapping[str, type[AppEnvelope | BoundEnvelope]]] = {"app": AppEnvelope, "bound": BoundEnvelope}


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _cipher(key: bytes) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key)


def _opened(cipher: AESGCM, nonce: bytes, sealed: bytes, bound_to: bytes | None) -> str | None:
    from cryptography.exceptions import InvalidTag

    try:
        return cipher.decrypt(nonce, sealed, bound_to).decode("utf-8", "surrogatepass")
    except (InvalidTag, UnicodeDecodeError):
        return None
