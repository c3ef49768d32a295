"""Whole files, sealed with the site's key in chunks: AES-256-GCM, in bounded memory, refused when anything is changed.

Layout: magic(8) + salt(32) + seed(32), then chunks of up to 1 MiB, each with a tag of 16 bytes. The key of a file is
HMAC-SHA256(derived key, seed); the nonce is the chunk's number and whether it is the last one, and so is bound what
the file is: chunks that are cut off, repeated, swapped or taken from another file or backup do not open.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Iterator
from io import RawIOBase
from typing import TYPE_CHECKING, BinaryIO, Final

from ..errors import NeedsKey
from ..files import Readable
from ..secrets import Vault
from .manifest import damaged

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MAGIC: Final = b"MMSEAL1\n"
CHUNK: Final = 1 << 20
_SALT: Final = 32
_TAG: Final = 16
HEADER: Final = len(MAGIC) + 2 * _SALT


class Sealer:
    """Seals the files of one backup: one derivation of a key, a key of its own for each file."""

    def __init__(self, vault: Vault) -> None:
        if not vault.has_key:
            raise NeedsKey("There is no key to seal a backup with.", "Give ENCRYPTION_KEY or --key-file.")
        self._salt = os.urandom(_SALT)
        self._derived = vault.derive(self._salt)

    def seal(self, source: Readable, target: BinaryIO, what: str) -> None:
        """Write a stream sealed; `what` it is must be said again to open it."""
        seed = os.urandom(_SALT)
        target.write(MAGIC + self._salt + seed)
        cipher = _cipher(self._derived, seed)
        target.writelines(cipher.encrypt(nonce, chunk, what.encode()) for nonce, chunk in _numbered(source, CHUNK))


class Opened(RawIOBase):
    """Reads what was sealed. Raises Damaged where it was changed or cut, NeedsKey without a key."""

    def __init__(self, source: Readable, vault: Vault, what: str) -> None:
        super().__init__()
        if not vault.has_key:
            raise NeedsKey("The backup is sealed, and there is no key.", "Give ENCRYPTION_KEY or --key-file.")
        header = source.read(HEADER)
        if len(header) < HEADER or not header.startswith(MAGIC):
            raise damaged(f"{what.rpartition('/')[2]} is not sealed")
        salt, seed = header[len(MAGIC) : -_SALT], header[-_SALT:]
        self._cipher, self._what = _cipher(vault.derive(salt), seed), what
        self._chunks = _numbered(source, CHUNK + _TAG)
        self._rest = b""

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Read at most so many bytes, or everything."""
        if size < 0:
            return b"".join(iter(lambda: self.read(CHUNK), b""))
        while not self._rest:
            found = next(self._chunks, None)
            if found is None:
                return b""
            self._rest = self._open(*found)
        data, self._rest = self._rest[:size], self._rest[size:]
        return data

    def _open(self, nonce: bytes, chunk: bytes) -> bytes:
        from cryptography.exceptions import InvalidTag

        try:
            return self._cipher.decrypt(nonce, chunk, self._what.encode())
        except InvalidTag:
            name = self._what.rpartition("/")[2]
            raise damaged(f"{name} does not open: it was changed, or sealed with another key") from None


def _cipher(derived: bytes, seed: bytes) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(hmac.digest(derived, seed, "sha256"))


def _numbered(source: Readable, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Walk through a stream in chunks, each with its nonce; there is always a last one, if only an empty one."""
    number, chunk = 0, _full(source, size)
    while True:
        following = _full(source, size) if len(chunk) == size else b""
        yield number.to_bytes(11) + bytes([not following]), chunk
        if not following:
            return
        number, chunk = number + 1, following


def _full(source: Readable, size: int) -> bytes:
    """Read as much as there is, up to a size; a stream may give less at once."""
    pieces: list[bytes] = []
    while size > 0 and (piece := source.read(size)):
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)
