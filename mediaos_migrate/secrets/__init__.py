"""Credentials: what they look like, where they lie, how they are sealed, and where the key comes from."""

from .envelopes import Place
from .keys import STDIN, open_to_others, read_key
from .naming import harmless, has_credential, is_envelope, looks_sealed, named_like_secret, veil_named
from .places import changed_at, secrets_in
from .vault import HASH, HERE, LOOKS_SEALED, PLAIN, SEALED, SEALED_HERE, SEALED_HERE_JSON, Vault, held

__all__ = [
    "HASH",
    "HERE",
    "LOOKS_SEALED",
    "PLAIN",
    "SEALED",
    "SEALED_HERE",
    "SEALED_HERE_JSON",
    "STDIN",
    "Place",
    "Vault",
    "changed_at",
    "harmless",
    "has_credential",
    "held",
    "is_envelope",
    "looks_sealed",
    "named_like_secret",
    "open_to_others",
    "read_key",
    "secrets_in",
    "veil_named",
]
