"""An object's members as columns, the rest as `extra`, their order as `members`; each direction beside its inverse."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final, NamedTuple

from .codecs import CODECS, bindable, from_json, key_text
from .pack import DOCUMENT, KEY, VALUE, Column
from .values import dumps


class Split(NamedTuple):
    """An object taken apart: a value for each column, the rest as JSON text, the order if it is unusual."""

    columns: dict[str, Any]
    extra: str | None
    members: str | None
    lists: dict[str, list[dict[str, Any]]]


Pick = Callable[[Any], tuple[Any, ...]]
_LAYOUTS: Final = 1_000  # ways in which members may be lined up that are remembered
_SIMPLE: Final = {str, int, type(None)}  # what a column gives back as it is


class Layout(NamedTuple):
    """How objects with the same members in the same order come apart, as long as every value fits its column."""

    columns: Pick  # of the members' values and None: one for each column
    texts: Pick  # those that have to be texts
    others: list[tuple[str, Callable[[Any], Any]]]  # columns that are there and no texts, with what fits there
    rest: list[str]  # members without a column
    members: str | None


def _pick(places: Sequence[Any]) -> Pick:
    """Make a function that takes values from their places or by their names, as a tuple whatever their number."""
    if len(places) > 1:
        return itemgetter(*places)
    return lambda values: tuple(values[place] for place in places)


class Fields:
    """Takes objects apart into columns, `extra` and `members`, and puts them together again.

    Most objects of a file have the same members in the same order: how those come apart is found out once.
    """

    def __init__(
        self,
        columns: Mapping[str, Column],
        echo: tuple[str, ...] = (),
        lists: tuple[str, ...] = (),
        keys: tuple[str, ...] = (),
    ) -> None:
        self._columns = [
            (name, column.member, CODECS[column.codec])
            for name, column in columns.items()
            if column.member not in (KEY, VALUE, DOCUMENT)
        ]
        self._echo, self._lists, self._keys = echo, lists, frozenset(keys)
        self._usual = (*echo, *(member for _, member, _ in self._columns), *lists)
        self._names = [column for column, _, _ in self._columns]
        self._cells = _pick(self._names)  # of a row, in this order
        self._members = [member for _, member, _ in self._columns]
        self._backs = [
            (column.member, CODECS[column.codec].back)
            for column in columns.values()
            if column.codec not in ("text", "integer", "instant", "secret")
        ]
        self._reserved = frozenset(self._usual)
        self._plain = {name: (member, codec.back) for name, member, codec in self._columns if name not in self._keys}
        self._layouts: dict[tuple[str, ...], Layout | None] = {}

    def apart(self, value: dict[str, Any], name: str | None) -> Split:
        """Take an object apart; a key column holds the value's text even where the value does not fit."""
        return self._alike(value, name) or self._one_by_one(value, name)

    def _alike(self, value: dict[str, Any], name: str | None) -> Split | None:
        """Take an object apart as others of its layout; None unless every value fits its column."""
        layout = self._layout(tuple(value))
        if layout is None or (self._echo and any(name is None or value[member] != name for member in self._echo)):
            return None
        columns = self._fitted(layout, value)
        if columns is None:
            return None
        extra = dumps({member: value[member] for member in layout.rest}) if layout.rest else None
        return Split(columns, extra, layout.members, {})

    def fits(self, value: dict[str, Any]) -> bool:
        """Tell whether every value fits its column; no may also mean that one would have to look closer."""
        layout = self._layout(tuple(value))
        return layout is not None and self._fitted(layout, value) is not None

    def _fitted(self, layout: Layout, value: dict[str, Any]) -> dict[str, Any] | None:
        """Return what goes into each column; None unless every value that is there fits."""
        values = [*value.values(), None]
        try:
            if not bindable("".join(layout.texts(values))):
                return None
        except TypeError:  # not all of them are texts
            return None
        columns = dict(zip(self._names, layout.columns(values), strict=True))
        for column, fit in layout.others:
            fitting = columns[column] = fit(columns[column])
            if fitting is None:
                return None
        return columns

    def _layout(self, names: tuple[str, ...]) -> Layout | None:
        """Return how objects with these members come apart; None where they have to be looked at one by one."""
        try:
            return self._layouts[names]
        except KeyError:
            if len(self._layouts) >= _LAYOUTS:
                self._layouts.clear()
            layout = self._layouts[names] = self._learn(names)
            return layout

    def _learn(self, names: tuple[str, ...]) -> Layout | None:
        if any(member in names for member in self._lists) or any(member not in names for member in self._echo):
            return None
        place = {name: number for number, name in enumerate(names)}
        there = [(column, member, codec.fit) for column, member, codec in self._columns if member in place]
        rest = [name for name in names if name not in self._reserved]
        usual = [*self._echo, *(member for _, member, _ in there), *rest]
        return Layout(
            _pick([place.get(member, -1) for member in self._members]),
            _pick([place[member] for _, member, fit in there if fit is CODECS["text"].fit]),
            [(column, fit) for column, _, fit in there if fit is not CODECS["text"].fit],
            rest,
            None if list(names) == usual else dumps(list(names)),
        )

    def _one_by_one(self, value: dict[str, Any], name: str | None) -> Split:
        extra = dict(value)
        columns: dict[str, Any] = {}
        lists: dict[str, list[dict[str, Any]]] = {}
        for column, member, codec in self._columns:
            columns[column] = fitting = codec.fit(value.get(member))
            if fitting is not None:
                del extra[member]
            elif column in self._keys:
                columns[column] = key_text(value.get(member))
        for member in self._echo:
            if name is not None and value.get(member) == name:
                del extra[member]
        for member in self._lists:
            if is_rows(value.get(member)):
                lists[member] = extra.pop(member)
        members = None if self._is_usual(value, extra) else dumps(list(value))
        return Split(columns, dumps(extra) if extra else None, members, lists)

    def undone(self, value: dict[str, Any], cells: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return what an object was when some of its columns held these cells; None when that has to be looked up."""
        before = dict(value)
        for column, cell in cells.items():
            plain = self._plain.get(column)
            if plain is None:
                return None
            member, back = plain
            if cell is None:
                del before[member]
            else:
                before[member] = back(cell)
        return before

    def together(self, row: Mapping[str, Any], lists: Mapping[str, list[Any]], name: str | None) -> dict[str, Any]:
        """Put an object together again from a row (by column name) and its lists."""
        return self._simply(row, lists, name) or self._member_by_member(row, lists, name)

    def _simply(
        self, row: Mapping[str, Any], lists: Mapping[str, list[Any]], name: str | None
    ) -> dict[str, Any] | None:
        """Put an object together whose members stand as usual; None where more has to be looked at."""
        extra, cells = row["extra"], self._cells(row)
        if row["members"] is not None or any(lists.values()) or not _SIMPLE.issuperset(map(type, cells)):
            return None
        found = {member: cell for member, cell in zip(self._members, cells, strict=True) if cell is not None}
        for member, back in self._backs:
            if member in found:
                found[member] = back(found[member])
        if self._echo:
            found = dict.fromkeys(self._echo, name) | found
        if extra is None:
            return found
        more = _object(extra)
        return found | more if self._reserved.isdisjoint(more) else None

    def _member_by_member(
        self, row: Mapping[str, Any], lists: Mapping[str, list[Any]], name: str | None
    ) -> dict[str, Any]:
        extra = _object(row["extra"])
        members = _names(row["members"])
        found: dict[str, Any] = {}
        for member in self._echo:
            if member not in extra and (members is None or member in members):
                found[member] = name
        for column, member, codec in self._columns:
            kept = column in self._keys and key_text(extra.get(member)) == row[column]
            if row[column] is not None and not kept:
                found[member] = codec.back(row[column])
        found.update((member, rows) for member, rows in lists.items() if rows)
        usual = (member for member in self._usual if member not in extra)
        order = dict.fromkeys((*(members or ()), *usual, *extra))
        found = extra | found
        return {member: found[member] for member in order if member in found}

    def _is_usual(self, value: dict[str, Any], extra: dict[str, Any]) -> bool:
        if any(member not in value for member in self._echo):
            return False
        usual = [member for member in self._usual if member in value and member not in extra]
        return list(value) == [*usual, *extra]


def _object(text: Any) -> dict[str, Any]:
    value = from_json(text) if text is not None else {}
    return value if isinstance(value, dict) else {}


def _names(text: Any) -> list[str] | None:
    value = from_json(text) if text is not None else None
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else None


def is_rows(value: Any) -> bool:
    """Tell whether a value can become child rows: a list of objects that is not empty."""
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)
