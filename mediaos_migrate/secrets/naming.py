"""What a credential looks like: by its name, by its form, inside a link; and what only looks like one."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Any, Final

from ..values import Secret

SHORTEST: Final = 65  # bytes of the app's shortest envelope
BOUND: Final = "mm1:"  # how our own envelope begins, and nothing an app writes does
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


def looks_sealed(text: str) -> bool:
    """Tell what is taken for ciphertext: whatever Node decodes to 65 bytes or more (87 characters), and our own.

    A link is none however long it is, for the app seals no links.
    """
    if text.startswith(BOUND):
        return True
    if "://" in text or text.startswith("magnet:"):
        return False
    return len(_ALPHABET.findall(text.split("=", maxsplit=1)[0])) * 6 // 8 >= SHORTEST


def is_envelope(text: str) -> bool:
    """Tell what can be an envelope at all: strict base64 of 65 bytes or more, or ours."""
    if text.startswith(BOUND):
        return True
    try:
        return len(base64.b64decode(text, validate=True)) >= SHORTEST
    except (binascii.Error, ValueError):
        return False


def has_credential(link: str) -> bool:
    """Tell whether a link carries a personal key."""
    return bool(_CREDENTIAL_IN_URL.search(link))


def named_like_secret(text: str) -> bool:
    """Tell whether a member's name, or a text with members in it, speaks of a credential."""
    return bool(_SECRET_NAME.search(text))


def veil_named(value: Any) -> Any:
    """Copy a value with everything hidden that is named like a credential or has the form of one."""
    match value:
        case dict():
            return {
                name: Secret(item) if named_like_secret(name) and not harmless(item, "secret") else veil_named(item)
                for name, item in value.items()
            }
        case list():
            return [veil_named(item) for item in value]
        case str() if has_credential(value) or looks_sealed(value):
            return Secret(value)
    return value


def harmless(value: Any, kind: str) -> bool:
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
