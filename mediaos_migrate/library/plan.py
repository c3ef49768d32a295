"""What becomes of records by all changes of a unit: foreseen, held to the app's rules, and written in one step."""

from __future__ import annotations

import sqlite3
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from typing import Any, Final

from ..anomalies import rough
from ..digest import of_key, of_record
from ..errors import Conflict, NoRecord, UsageError
from ..journal import Debt
from ..moves import requeueing
from ..pack import Pack, Part, Rule
from ..record import Record
from ..report import Key
from ..shapes import Element, Shape
from ..stores.alike import Alike
from ..stores.lists import refuse_other, span
from ..stores.table import Edit, TableStore
from ..values import canonical, reveal
from . import links
from .changes import ADD, REMOVE, UPDATE, Change, unlocked

NOTHING: Final = object()  # stands for the value of a record that is not there
AS_IT_IS: Final = object()  # and of one that is, as long as nobody has to know it


@dataclass(slots=True)
class Fate:
    """What row a record has before the unit, and what it is to be."""

    row: sqlite3.Row | None
    name: str | None
    value: Any
    anew: bool = False  # it is removed in between, and so comes last

    @property
    def comes(self) -> bool:
        """Whether a row has to be added."""
        return self.value is not NOTHING and (self.row is None or self.anew)

    @property
    def goes(self) -> bool:
        """Whether a row has to be removed."""
        return self.row is not None and (self.value is NOTHING or self.anew)

    @property
    def stays(self) -> bool:
        """Whether there is a row that has to be changed."""
        return self.row is not None and self.value is not NOTHING and not self.anew


class Plan:
    """The changes to one part of a document. Each builds on those before it; reading them writes nothing.

    Raises NoRecord, Conflict or UsageError for one that cannot be made.
    """

    def __init__(self, name: str, store: TableStore, changes: list[Change]) -> None:
        self._name, self._store, self._changes = name, store, changes
        self._rows = store.rows_of(list({change.key: None for change in changes}))
        self._lasts: dict[str, int] = {}  # where new elements of a list stand
        self._fates: dict[Key, Fate] = {}  # what comes stands in the order in which it came
        for change in changes:
            self._take(change)

    @cached_property
    def _before(self) -> dict[Key, Record]:
        """The records as they are: all of them, as soon as one has to be known."""
        return self._store.read(self._rows)

    @cached_property
    def _edits(self) -> dict[Key, Edit]:
        """What changes in the rows that stay."""
        return {
            key: self._edit(key, fate, fate.row)
            for key, fate in self._fates.items()
            if fate.row is not None and fate.stays
        }

    def _take(self, change: Change) -> None:
        fate = self._fates.get(change.key) or self._begin(change)
        if change.op == UPDATE and fate.value is AS_IT_IS:
            fate.value = self._before[change.key].value
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
        row = self._rows.get(change.key)
        return Fate(None, change.name, NOTHING) if row is None else Fate(row, self._store.name(row), AS_IT_IS)

    def check(self) -> None:
        """Raise Conflict when two records would share in the end what has to be unique, and did not before."""
        for rule in self._store.part.rules:
            if rule.unique:
                self._check_unique(rule)

    def _check_unique(self, rule: Rule) -> None:
        alike = Alike(self._store, rule)
        if alike.columns and all(_untouched(alike.columns, fate) for fate in self._fates.values()):
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
        for other in self._others(rule, alike, {key: told[key] for key in came}):
            if other not in self._fates:
                raise self._conflict(rule, other)

    def _others(self, rule: Rule, alike: Alike, told: dict[Key, Hashable]) -> Iterator[Key]:
        """Find the records of which a rule compares the same; what no column holds is looked for one by one."""
        values = {key: [reveal(self._fates[key].value[member]) for member in rule.unique] for key in told}
        odd = {told[key] for key, some in values.items() if not alike.holds(some)}
        yield from alike.find([some for key, some in values.items() if told[key] not in odd])
        beside = alike.beside() if odd else ()
        yield from [record.key for record in beside if _told(rule, record.value) in odd]

    def _told_before(self, rule: Rule, key: Key) -> Hashable:
        return _told(rule, self._before[key].value) if key in self._rows else None

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
        digests = {key: self._digest(key) for key in self._rows}
        return [Debt(change.key, change.op, digests.get(change.key)) for change in self._changes]

    def _digest(self, key: Key) -> bytes:
        """Digest a record as it is; what its edit leaves alone need not be read again."""
        edit = self._edits.get(key)
        before = None if edit is None else self._store.before(self._fates[key].value, edit)
        return self._before[key].digest if before is None else of_record(of_key(key), before)

    def write(self) -> None:
        """Make the table say what it is to say; a new record comes last (in its list), an old one keeps its place."""
        edits = list(self._edits.values())
        edits += self._remove([key for key, fate in self._fates.items() if fate.goes])
        self._store.insert([self._record(key, fate) for key, fate in self._fates.items() if fate.comes])
        self._store.write(edits)

    @cached_property
    def _places(self) -> Iterator[int]:
        """The places behind the last record; which is that, is only asked when one is needed."""
        return count(self._store.last_position() + 1)

    def _record(self, key: Key, fate: Fate) -> Record:
        place = fate.row["position"] if fate.row is not None and fate.stays else None
        if not isinstance(place, int):  # a foreign hand may have left it out
            place = self._place(fate.name)
        return Record(key, fate.value, Element(fate.name, fate.value, ""), place)

    def _edit(self, key: Key, fate: Fate, row: sqlite3.Row) -> Edit:
        return self._store.compare(self._record(key, fate), row)

    def _place(self, name: str | None) -> int:
        """Return the place of a new record: with the last of its list, for among equals the later row is the later."""
        if name is None or self._store.document.shape is not Shape.LISTS:
            return next(self._places)
        if name not in self._lasts:
            refuse_other(self._store, name)
            there = span(self._store, name)
            self._lasts[name] = there.last if there else next(self._places)
        return self._lasts[name]

    def _remove(self, keys: list[Key]) -> list[Edit]:
        """Remove records; where one had a twin that waited, what comes by its key is put in the twin's place."""
        if not keys:
            return []
        self._store.remove(keys)
        taken = requeueing.take(self._store, self._name, set(keys))
        edits = []
        for key, row in self._store.rows_of(taken).items():
            fate = self._fates[key]
            fate.row, fate.anew = row, False
            if fate.stays:
                edits.append(self._edit(key, fate, row))
        return edits


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


def _untouched(columns: Mapping[str, str], fate: Fate) -> bool:
    """Tell at a glance that a record is as unique as it was, by the columns of what makes it so."""
    row, value = fate.row, fate.value
    if row is None or type(value) is not dict:
        return False
    for member, column in columns.items():
        text = row[column]
        if type(text) is not str or value.get(member) != text:
            return False
    return True


def _told(rule: Rule, value: Any) -> Hashable:
    """Return what a rule compares of a record, None where it does not apply."""
    return rough(rule, value) if isinstance(value, dict) else None
