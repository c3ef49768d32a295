"""Which key a site is sealed with, as a fingerprint that gives nothing away, and how far a change of it has come."""

from __future__ import annotations

import hashlib
import hmac
import os
import sqlite3
from functools import lru_cache
from typing import Final

from .engines.sqlite import Connection
from .errors import NeedsKey
from .secrets import Vault

CURRENT: Final = "current"
NEXT: Final = "next"  # the key that a rotation under way leads to
_SALT: Final = 16
# Slow and hungry on purpose: who steals the database must not try keys quickly. Some 50 ms and 16 MB.
_COST: Final = {"n": 2**14, "r": 8, "p": 1}


class WrongKey(NeedsKey):
    """The key is not the one that the site is sealed with."""


class Keyring:
    """Reads and writes the fingerprints of keys on an open connection; none of them is ever derived to look only."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def known(self) -> dict[str, tuple[bytes, bytes]]:
        """Return salt and fingerprint by role; nothing in a database of an older tool."""
        try:
            rows = self._db.execute("SELECT role, salt, fingerprint FROM _mm_keys").fetchall()
        except sqlite3.OperationalError:
            return {}
        return {role: (salt, fingerprint) for role, salt, fingerprint in rows}

    @property
    def rotating(self) -> bool:
        """Whether a rotation has been begun and not ended."""
        return NEXT in self.known()

    def is_(self, role: str, key: str) -> bool | None:
        """Tell whether a key is the one of a role; None when none is noted."""
        found = self.known().get(role)
        return None if found is None else hmac.compare_digest(_fingerprint(key, found[0]), found[1])

    def fits(self, key: str) -> bool:
        """Tell whether a key is one of those that are noted, or none is."""
        return any(self.is_(role, key) for role in self.known()) or not self.known()

    def check(self, vault: Vault, variable: str | None) -> None:
        """Raise WrongKey before anything is written with a key that is not the site's."""
        if vault.has_key and not self.fits(vault.key):
            raise wrong(variable)

    def note(self, role: str, key: str) -> None:
        """Note a key, by its fingerprint, in a role."""
        salt = os.urandom(_SALT)
        sql = "INSERT OR REPLACE INTO _mm_keys (role, salt, fingerprint) VALUES (?, ?, ?)"
        self._db.execute(sql, (role, salt, _fingerprint(key, salt)))

    def forget(self, role: str) -> None:
        """Forget the key of a role."""
        self._db.execute("DELETE FROM _mm_keys WHERE role = ?", (role,))

    def done(self) -> set[str]:
        """Name the documents that the rotation under way has completed."""
        return {name for (name,) in self._db.execute("SELECT document FROM _mm_rotated")}

    def finish(self, document: str) -> None:
        """Note that the rotation has completed a document."""
        self._db.execute("INSERT OR IGNORE INTO _mm_rotated (document) VALUES (?)", (document,))

    def end(self, key: str) -> None:
        """Note that a rotation has ended: the new key is the site's."""
        self._db.execute("DELETE FROM _mm_rotated")
        self.forget(NEXT)
        self.note(CURRENT, key)


def wrong(variable: str | None) -> WrongKey:
    """Say that a key is not the site's."""
    return WrongKey(
        "The key is not the one that this site is sealed with. Nothing was changed.",
        f"Give the key that the app runs with ({variable} or --key-file), or none; "
        "`mediaos-migrate keys check` tells what a key opens.",
    )


@lru_cache(maxsize=8)  # a run asks more than once
def _fingerprint(key: str, salt: bytes) -> bytes:
    return hashlib.scrypt(b"mediaos-migrate fingerprint\x00" + key.encode(), salt=salt, dklen=32, **_COST)
