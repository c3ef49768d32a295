"""Changes to records, checked against the app's rules and applied to the tables of one database."""

from __future__ import annotations

import random
import string
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from ..anomalies import folded
from ..errors import Conflict, NeedsKey, NoRecord, UsageError
from ..mapping import Mapper, NoKey
from ..moves import requeueing
from ..moves.exporting import locked_fields
from ..pack import KEY, Document, Part, Rule
from ..record import Record
from ..report import Key
from ..shapes import Element
from ..stores.table import TableStore
from ..values import canonical, of_python, reveal

ADD: Final = "add"
PUT: Final = "put"
UPDATE: Final = "update"
REMOVE: Final = "remove"
_DIGITS: Final = string.digits + string.ascii_lowercase


@dataclass(frozen=True, slots=True)
class Change:
    """What shall become of one record of one part of a document; an update's value holds the new members only."""

    document: Document
    part: str
    key: Key
    name: str | None = None  # in a map
    value: Any = None
    op: str = PUT


def keyed(document: Document, part: Part, value: Any, key: Key | None) -> tuple[Key, str | None, Any]:
    """Return the key, name and value of a record to be written; what has no key gets one as the app would give it.

    Raises UsageError when none can be had, or the record says another one than `key`.
    """
    value = of_python(value)
    column = part.columns[part.key[0]]
    member = column.member if column.member != KEY else next(iter(part.echo), None)
    if key is None and member and isinstance(value, dict) and value.get(member) in (None, "") and part.new_key:
        made = new_key(part.new_key)
        value = {member: made, **{name: item for name, item in value.items() if name != member}}
    name = _name(part, value, key)
    try:
        found = Mapper(document, part).key_of(name, value)
    except NoKey as error:
        raise UsageError(f"This record of {document.name} cannot be kept: {error}.", "Give it a key.") from None
    if key is not None and key != found:
        raise UsageError(
            f"The record says it is {' / '.join(found)}, not {' / '.join(key)}.", "Remove the one and add the other."
        )
    return found, name, value


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


def apply(stores: dict[str, TableStore], changes: Iterable[Change]) -> None:
    """Write changes into the tables of one document; a new record comes last, an old one keeps its place."""
    for change in changes:
        _apply(stores[change.part], change)
    for store in stores.values():
        store.link()


def _apply(store: TableStore, change: Change) -> None:
    old = store.get([change.key]).get(change.key)
    if change.op == REMOVE:
        store.remove([change.key])
        store.remove_strays()
        requeueing.take(store, change.part, change.key)  # its twin in the file is the record with this key now
        return
    value = _merged(change, old)
    name = old.element.name if old else change.name
    position = store.last_position() + 1 if old is None or old.position is None else old.position
    record = Record(change.key, value, Element(name, value, ""), position)
    (store.insert if old is None else store.update)([record])


def _merged(change: Change, old: Record | None) -> Any:
    return unlocked(change.document, {**old.value, **change.value}) if change.op == UPDATE and old else change.value


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


def check(stores: dict[str, TableStore], changes: Iterable[Change]) -> None:
    """Raise NoRecord, UsageError, or Conflict when a change would break a rule of the app that held before it."""
    for change in changes:
        store = stores[change.part]
        old = store.get([change.key]).get(change.key)
        key = " / ".join(change.key)
        if change.op == ADD and old is not None:
            raise Conflict(f"{change.document.name} has a record {key} already.", "Use `put` to change it.")
        if change.op in (UPDATE, REMOVE) and (old is None or (change.op == UPDATE and not isinstance(old.value, dict))):
            raise NoRecord(f"{change.document.name} has no record {key}.", "Use `add`.")
        if change.op == UPDATE and old:
            _check_key(store.part, change, old)
        value, before = reveal(_merged(change, old)), reveal(old.value) if old else {}
        for rule in store.part.rules if change.op != REMOVE and isinstance(value, dict) else ():
            if rule.unique:
                _check_unique(store, change, value, before if isinstance(before, dict) else {}, rule)


def _check_key(part: Part, change: Change, old: Record) -> None:
    for member in {*(part.columns[name].member for name in part.key), *part.echo} & change.value.keys():
        if canonical(change.value[member]) != canonical(old.value.get(member)):
            raise UsageError(
                f"`{member}` is what this record of {change.document.name} is called by, and stays.",
                "Remove the one and add the other.",
            )


def _check_unique(store: TableStore, change: Change, value: Any, before: dict[str, Any], rule: Rule) -> None:
    wanted = folded(rule, value)
    if wanted is None or wanted == folded(rule, before):
        return
    for other in store.like({member: value[member] for member in rule.unique}, frozenset(rule.lower)):
        if other != change.key:
            what = " and ".join(rule.unique)
            raise Conflict(
                f"{change.document.name} has a record with this {what} already: {' / '.join(other)}.",
                "Change that one, or choose another.",
                document=change.document.name,
                rule=rule.code,
            )
