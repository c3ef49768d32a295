"""What becomes of records by all changes of a unit: foreseen, held to the app's rules, and written in one step."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

from ..anomalies import rough
from ..errors import Conflict, NoRecord, UsageError
from ..journal import Debt
from ..moves import requeueing
from ..pack import Pack, Part, Rule
from ..record import Record
from ..report import Key
from ..shapes import Element, Shape
from ..stores.lists import refuse_other, span
from ..stores.table import TableStore
from ..values import canonical, reveal
from . import links
from .changes import ADD, REMOVE, UPDATE, Change, unlocked

NOTHING: Final = object()  # stands for the value of a record that is not there


@dataclass(slots=True)
class Fate:
    """What a record was before the unit, and what it is to be."""

    before: Record | None
    name: str | None
    value: Any
    anew: bool = False  # it is removed in between, and so comes last

    @property
    def comes(self) -> bool:
        """Whether a row has to be added."""
        return self.value is not NOTHING and (self.before is None or self.anew)

    @property
    def goes(self) -> bool:
        """Whether a row has to be removed."""
        return self.before is not None and (self.value is NOTHING or self.anew)


class Plan:
    """The changes to one part of a document. Each builds on those before it; reading them writes nothing.

    Raises NoRecord, Conflict or UsageError for one that cannot be made.
    """

    def __init__(self, name: str, store: TableStore, changes: list[Change]) -> None:
        self._name, self._store, self._changes = name, store, changes
        self._rows = store.rows_of(list({change.key: None for change in changes}))
        self._before = store.read(self._rows)
        self._lasts: dict[str, int] = {}  # where new elements of a list stand
        self._fates: dict[Key, Fate] = {}  # what comes stands in the order in which it came
        for change in changes:
            self._take(change)

    def _take(self, change: Change) -> None:
        fate = self._fates.get(change.key) or self._begin(change)
        _refuse(self._store.part, change, fate.value)
        if fate.value is NOTHING:
            self._fates.pop(change.key, None)
        self._fates[change.key] = fate
        if change.op == UPDATE:
            fate.value = unlocked(change.document, {**fate.value, **change.value})
        else:
            fate.value = NOTHING if change.op == REMOVE else change.value
        fate.anew = fate.anew or change.op == REMOVE

    def _begin(self, change: Change) -> Fate:
        before = self._before.get(change.key)
        return Fate(None, change.name, NOTHING) if before is None else Fate(before, before.element.name, before.value)

    def check(self) -> None:
        """Raise Conflict when two records would share in the end what has to be unique, and did not before."""
        for rule in self._store.part.rules:
            if rule.unique:
                self._check_unique(rule)

    def _check_unique(self, rule: Rule) -> None:
        if all(_untouched(rule, fate) for fate in self._fates.values()):
            return
        told = {key: text for key, fate in self._fates.items() if (text := _told(rule, fate.value)) is not None}
        mine: dict[Hashable, list[Key]] = {}
        for key, text in told.items():
            mine.setdefault(text, []).append(key)
        came = [key for key, text in told.items() if text != self._told_before(rule, key)]
        for key in came:
            for other in mine[told[key]]:
                if other != key:
                    raise self._conflict(rule, other)
        for other in self._like(rule, {key: told[key] for key in came}):
            if other not in self._fates:
                raise self._conflict(rule, other)

    def _like(self, rule: Rule, told: dict[Key, Hashable]) -> Iterator[Key]:
        """Find the records of which a rule compares the same; what no column holds is looked for one by one."""
        values = {key: [reveal(self._fates[key].value[member]) for member in rule.unique] for key in told}
        odd = {told[key] for key, some in values.items() if not self._store.holds(rule.unique, some)}
        wanted = [some for key, some in values.items() if told[key] not in odd]
        yield from self._store.like(rule.unique, rule.lower, wanted)
        beside = self._store.beside(rule.unique) if odd else ()
        yield from [record.key for record in beside if _told(rule, record.value) in odd]

    def _told_before(self, rule: Rule, key: Key) -> Hashable:
        before = self._fates[key].before
        return before and _told(rule, before.value)

    def _conflict(self, rule: Rule, other: Key) -> Conflict:
        document, what = self._store.document.name, " and ".join(rule.unique)
        return Conflict(
            f"{document} has a record with this {what} already: {' / '.join(other)}.",
            "Change that one, or choose another.",
            document=document,
            rule=rule.code,
        )

    @property
    def come(self) -> list[Key]:
        """The records that come to be, or come anew."""
        return [key for key, fate in self._fates.items() if fate.comes]

    @property
    def keys(self) -> list[Key]:
        """The records that the plan is about."""
        return list(self._fates)

    def debts(self) -> list[Debt]:
        """Say what the file will lack, with what the table says before: the file says the same while none is owed."""
        digests = {key: record.digest for key, record in self._before.items()}
        return [Debt(change.key, change.op, digests.get(change.key)) for change in self._changes]

    def write(self) -> None:
        """Make the table say what it is to say; a new record comes last (in its list), an old one keeps its place."""
        self._remove([key for key, fate in self._fates.items() if fate.goes])
        places = self._places()
        records = [self._record(key, fate, places) for key, fate in self._fates.items() if fate.value is not NOTHING]
        come = set(self.come)
        self._store.insert([record for record in records if record.key in come])
        self._store.update([record for record in records if record.key not in come], self._rows)

    def _places(self) -> Iterator[int]:
        """Walk through the places behind the last record; which is that, is only asked when one is needed."""
        yield from count(self._store.last_position() + 1)

    def _record(self, key: Key, fate: Fate, places: Iterator[int]) -> Record:
        stays = fate.before.position if fate.before and not fate.anew else None
        place = self._place(fate.name, places) if stays is None else stays
        return Record(key, fate.value, Element(fate.name, fate.value, ""), place)

    def _place(self, name: str | None, places: Iterator[int]) -> int:
        """Return the place of a new record: with the last of its list, for among equals the later row is the later."""
        if name is None or self._store.document.shape is not Shape.LISTS:
            return next(places)
        if name not in self._lasts:
            refuse_other(self._store, name)
            there = span(self._store, name)
            self._lasts[name] = there.last if there else next(places)
        return self._lasts[name]

    def _remove(self, keys: list[Key]) -> None:
        if not keys:
            return
        self._store.remove(keys)
        taken = requeueing.take(self._store, self._name, set(keys))
        self._rows |= self._store.rows_of(taken)
        for key, twin in self._store.get(taken).items():
            # It is the record with this key now, so what comes by this key is put in its place.
            self._fates[key].before, self._fates[key].anew = twin, False


def plans(stores: dict[str, TableStore], changes: Iterable[Change]) -> dict[str, Plan]:
    """Plan the changes to one document, by part."""
    parts: dict[str, list[Change]] = {}
    for change in changes:
        parts.setdefault(change.part, []).append(change)
    return {part: Plan(part, stores[part], mine) for part, mine in parts.items()}


def apply(pack: Pack, stores: dict[str, TableStore], planned: dict[str, Plan]) -> None:
    """Write what is planned for one document, and point links from and to it."""
    for plan in planned.values():
        plan.write()
    for part, plan in planned.items():
        store = stores[part]
        store.link(plan.keys)
        links.point(pack, store.connection, store.document.name, store.part, plan.come)


def _refuse(part: Part, change: Change, now: Any) -> None:
    """Raise what stands against a change, given the value of the record now."""
    name = change.document.name
    if change.op == ADD and now is not NOTHING:
        raise Conflict(f"{name} has a record {' / '.join(change.key)} already.", "Use `put` to change it.")
    if (change.op == REMOVE and now is NOTHING) or (change.op == UPDATE and not isinstance(now, dict)):
        raise NoRecord(f"{name} has no record {' / '.join(change.key)}.", "Use `add`.")
    if change.op == REMOVE and change.document.shape is Shape.ONE:
        raise UsageError(f"{name} is one value, and no file without it.", "Put another one in its place.")
    if change.op != UPDATE:
        return
    for member in {*(part.columns[column].member for column in part.key), *part.echo} & change.value.keys():
        if canonical(change.value[member]) != canonical(now.get(member)):
            raise UsageError(
                f"`{member}` is what this record of {name} is called by, and stays.",
                "Remove the one and add the other.",
            )


def _untouched(rule: Rule, fate: Fate) -> bool:
    """Tell at a glance that a record is as unique as it was."""
    before = fate.before.value if fate.before else None
    if not isinstance(fate.value, dict) or not isinstance(before, dict):
        return False
    pairs = [(fate.value.get(member), before.get(member)) for member in rule.unique]
    return all(type(one) is str and one == other for one, other in pairs)


def _told(rule: Rule, value: Any) -> Hashable:
    """Return what a rule compares of a record, None where it does not apply."""
    return rough(rule, value) if isinstance(value, dict) else None
