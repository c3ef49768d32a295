"""An object's members as columns, the rest as `extra`, their order as `members`; each direction beside its inverse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from .codecs import CODECS, from_json, key_text
from .pack import DOCUMENT, KEY, VALUE, Column
from .values import dumps


class Split(NamedTuple):
    """An object taken apart: a value for each column, the rest as JSON text, the order if it is unusual."""

    columns: dict[str, Any]
    extra: str | None
    members: str | None
    lists: dict[str, list[dict[str, Any]]]


class Fields:
    """Takes objects apart into columns, `extra` and `members`, and puts them together again."""

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
        self._backs = [(column, member, codec.back) for column, member, codec in self._columns]
        self._echo, self._lists, self._keys = echo, lists, frozenset(keys)
        self._usual = (*echo, *(member for _, member, _ in self._columns), *lists)

    def apart(self, value: dict[str, Any], name: str | None) -> Split:
        """Take an object apart; a key column holds the value's text even where the value does not fit."""
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

    def together(self, row: Mapping[str, Any], lists: Mapping[str, list[Any]], name: str | None) -> dict[str, Any]:
        """Put an object together again from a row (by column name) and its lists."""
        if row["extra"] is None and row["members"] is None:
            return self._as_usual(row, lists, name)
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

    def _as_usual(self, row: Mapping[str, Any], lists: Mapping[str, list[Any]], name: str | None) -> dict[str, Any]:
        """Do the same where every member fits its column, and all stand in the usual order."""
        found: dict[str, Any] = dict.fromkeys(self._echo, name)
        for column, member, back in self._backs:
            if (item := row[column]) is not None:
                found[member] = back(item)
        found.update((member, lists[member]) for member in self._lists if lists.get(member))
        return found

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
