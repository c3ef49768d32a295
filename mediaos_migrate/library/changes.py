"""Changes to records as a caller asks for them: each has a key, given or made as the app makes them."""

from __future__ import annotations

import random
import string
import time
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from ..errors import NeedsKey, UsageError
from ..journal import Owed
from ..mapping import Mapper, NoKey
from ..moves.exporting import locked_fields
from ..pack import KEY, Document, Part
from ..report import Key
from ..values import of_python

ADD: Final = "add"
PUT: Final = "put"
UPDATE: Final = "update"
REMOVE: Final = "remove"
_DIGITS: Final = string.digits + string.ascii_lowercase


class Change(NamedTuple):
    """What shall become of one record of one part of a document; an update's value holds the new members only."""

    document: Document
    part: str
    key: Key
    name: str | None = None  # in a map
    value: Any = None
    op: str = PUT


def owed(changes: Iterable[Change]) -> list[Owed]:
    """Say which records a file lacks that has none of these changes, each once."""
    removed: dict[tuple[str, Key], bool] = {}
    for change in changes:
        place = (change.part, change.key)
        removed[place] = removed.get(place, False) or change.op == REMOVE
    return [Owed(*place, gone) for place, gone in removed.items()]


def keyed(mapper: Mapper, value: Any, key: Key | None) -> tuple[Key, str | None, Any]:
    """Return the key, name and value of a record to be written; what has no key gets one as the app would give it.

    Raises UsageError when none can be had, or the record says another one than `key`.
    """
    value, part = json_of(mapper.document, value), mapper.part
    if key is None and part.new_key and isinstance(value, dict):
        value = _with_key(part, part.new_key, value)
    name = None if mapper.named is None else _name(part, value, key)
    try:
        found = mapper.key_of(name, value)
    except NoKey as error:
        raise UsageError(f"This record of {mapper.document.name} cannot be kept: {error}.", "Give it a key.") from None
    if key is not None and key != found:
        raise UsageError(
            f"The record says it is {' / '.join(found)}, not {' / '.join(key)}.", "Remove the one and add the other."
        )
    return found, name, value


def _with_key(part: Part, form: str, value: dict[str, Any]) -> dict[str, Any]:
    """Give a record a key where it has none, or an empty one."""
    column = part.columns[part.key[0]]
    member = column.member if column.member != KEY else next(iter(part.echo), None)
    if member is None or value.get(member) not in (None, ""):
        return value
    return {member: new_key(form), **{name: item for name, item in value.items() if name != member}}


def json_of(document: Document, value: Any) -> Any:
    """Make a value of what an app gives. Raises UsageError for what no JSON file can hold."""
    try:
        return of_python(value)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{document.name} cannot hold this: {error}.", "Give what JSON knows.") from None


def _name(part: Part, value: Any, key: Key | None) -> str | None:
    """Return the name of a record in its map: given, or repeated inside it."""
    for number, column in enumerate(part.key):
        if part.columns[column].member == KEY:
            if key is not None:
                return key[number]
            echoed = next((value.get(member) for member in part.echo), None) if isinstance(value, dict) else None
            return echoed if isinstance(echoed, str) else None
    return None


def new_key(form: str) -> str:
    """Make a key in the app's own format: {ms} and {ms36} are the time, {random:N} digits of base 36."""
    now = time.time_ns() // 1_000_000
    made = form.replace("{ms36}", base36(now)).replace("{ms}", str(now))
    while (start := made.find("{random:")) >= 0:
        stop = made.index("}", start)
        digits = "".join(random.choices(_DIGITS, k=int(made[start + 8 : stop])))  # noqa: S311  the app's are no secret
        made = made[:start] + digits + made[stop + 1 :]
    return made


def base36(number: int) -> str:
    """Spell a number as JavaScript's toString(36) does."""
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits or "0"


def unlocked(document: Document, value: Any) -> Any:
    """Return a value as it is; raises NeedsKey when it holds what we sealed: an app would take it for the secret."""
    if fields := sorted(set(locked_fields(value))):
        raise NeedsKey(
            f"{document.name} holds values that were sealed in the database: {', '.join(fields)}.",
            "Open the site with the key they were sealed with.",
            document=document.name,
            fields=fields,
        )
    return value
