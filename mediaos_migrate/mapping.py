"""A record's two forms: the app's own JSON value, and the columns of a row; each direction beside its inverse.

A column is a view of a value that fits it; what does not fit stays, exact, in `extra`. Presence needs no
reserved name: a member is there if its column is not NULL or `extra` has it; an explicit null is in `extra`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from .codecs import CODECS, UNBINDABLE, Codec, from_json, key_text
from .pack import DOCUMENT, KEY, VALUE, Child, Column, Derived, Document, Part
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


@dataclass(frozen=True, slots=True)
class Row:
    """A record in the words of the table: its own columns, and the rows of its child tables."""

    key: tuple[str, ...]
    columns: dict[str, Any]
    children: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


class NoKey(ValueError):
    """The record has no usable key, and cannot be a row."""


class Mapper:
    """Maps the records of one part of a document to rows, and back."""

    def __init__(self, document: Document, part: Part) -> None:
        self.document, self.part = document, part
        lists = tuple(child.member for child in part.children.values())
        self._fields = Fields(part.columns, part.echo, lists, part.key)
        self._children = {table: (child, Fields(child.columns)) for table, child in part.children.items()}
        self._whole = next((name for name, c in part.columns.items() if c.member == VALUE), None)
        self._keys = frozenset(part.key)

    def key_of(self, name: str | None, value: Any) -> tuple[str, ...]:
        """Return the key of a record: one text for each key column. Raises NoKey."""
        texts = []
        for column in self.part.key:
            member = self.part.columns[column].member
            text = self._key_text(member, name, value)
            if text is None:
                raise NoKey(_no_key(member, name, value))
            texts.append(text)
        return tuple(texts)

    def _key_text(self, member: str, name: str | None, value: Any) -> str | None:
        if member == KEY:
            return key_text(name)
        if member == DOCUMENT:
            return self.document.name
        if member == VALUE:
            return key_text(value)
        return key_text(value.get(member)) if isinstance(value, dict) else None

    def row(self, name: str | None, value: Any) -> Row:
        """Map a record to a row. Raises NoKey."""
        key = self.key_of(name, value)
        columns, lists = self._apart(name, value)
        columns.update(zip(self.part.key, key, strict=True))
        for view_name, view in self.part.views.items():
            column = self.part.columns[view.of]
            looked = value.get(column.member) if isinstance(value, dict) else None
            columns[view_name] = CODECS[view.codec].fit(_at(looked, view.path))
        for derived_name, derived in self.part.derived.items():
            columns[derived_name] = derive(derived, columns[derived.of])
        return Row(key, columns, dict(self._child_rows(key[0], lists)))

    def _apart(self, name: str | None, value: Any) -> tuple[dict[str, Any], dict[str, list[dict[str, Any]]]]:
        if self._whole is not None:
            fitting = CODECS[self.part.columns[self._whole].codec].fit(value)
            kept = None if fitting is not None and self._exact(fitting, value) else dumps(value)
            return {
                **dict.fromkeys(self.part.columns),
                self._whole: fitting,
                "extra": kept,
                "members": None,
            }, {}
        if not isinstance(value, dict):
            return {**dict.fromkeys(self.part.columns), "extra": dumps(value), "members": None}, {}
        split = self._fields.apart(value, name)
        columns = {**dict.fromkeys(self.part.columns), **split.columns}
        return {**columns, "extra": split.extra, "members": split.members}, split.lists

    def _exact(self, fitting: Any, value: Any) -> bool:
        """Whether a key made of the value itself gives the value back."""
        return self._whole not in self._keys or (key_text(value) == fitting and isinstance(value, str))

    def _child_rows(
        self, parent: str, lists: Mapping[str, list[dict[str, Any]]]
    ) -> Iterator[tuple[str, list[dict[str, Any]]]]:
        for table, (child, fields) in self._children.items():
            yield (
                table,
                [
                    self._child_row(child, fields, parent, position, item)
                    for position, item in enumerate(lists.get(child.member, ()))
                ],
            )

    @staticmethod
    def _child_row(child: Child, fields: Fields, parent: str, position: int, item: dict[str, Any]) -> dict[str, Any]:
        split = fields.apart(item, None)
        columns = {**split.columns, "extra": split.extra, "members": split.members}
        return {child.parent: parent, "position": position, **columns}

    def value(self, row: Mapping[str, Any], children: Mapping[str, list[Mapping[str, Any]]]) -> Any:
        """Map a row (by column name) and its child rows back to the app's value, the inverse of `row`."""
        name = self.name(row)
        if self._whole is not None:
            return self._whole_value(row)
        if row["extra"] is not None:
            extra = from_json(row["extra"])
            used = (row[c] for c, column in self.part.columns.items() if column.member not in (KEY, DOCUMENT))
            if not isinstance(extra, dict) and all(item is None for item in used):
                return extra
        lists = {
            child.member: [fields.together(item, {}, None) for item in children.get(table, ())]
            for table, (child, fields) in self._children.items()
        }
        value = self._fields.together(row, lists, name)
        for view_name, view in self.part.views.items():
            _look_back(value, self.part.columns[view.of].member, view.path, CODECS[view.codec], row[view_name])
        return value

    def name(self, row: Mapping[str, Any]) -> str | None:
        """Return the name of a row's record in its map, or None in a list."""
        return next((row[n] for n in self.part.key if self.part.columns[n].member == KEY), None)

    def _whole_value(self, row: Mapping[str, Any]) -> Any:
        column = row[self._whole]  # type: ignore[index]  # only called when there is one
        codec = CODECS[self.part.columns[self._whole].codec]  # type: ignore[index]
        if row["extra"] is not None:
            value = from_json(row["extra"])
            if column is None or key_text(value) == column:
                return value
        return codec.back(column)


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for step in path:
        if not isinstance(value, dict) or step not in value:
            return None
        value = value[step]
    return value


def _look_back(value: dict[str, Any], member: str, path: tuple[str, ...], codec: Codec, column: Any) -> None:
    """Write a view's column back where it looks, if somebody changed it there."""
    if codec.fit(_at(value.get(member), path)) == column:
        return
    here: Any = value.setdefault(member, {})
    for step in path[:-1]:
        if not isinstance(here, dict):
            return
        here = here.setdefault(step, {})
    if not isinstance(here, dict):
        return
    if column is None:
        here.pop(path[-1], None)
    else:
        here[path[-1]] = codec.back(column)


def _no_key(member: str, name: str | None, value: Any) -> str:
    if member == KEY:
        return f"its name {name!a} cannot be a key"
    if member == VALUE:
        return f"it is {_kind(value)}, which cannot be a key"
    if not isinstance(value, dict):
        return f"it is {_kind(value)}, not an object"
    if member not in value:
        return f"it has no `{member}`"
    return f"its `{member}` is {_kind(value[member])}, which cannot be a key"


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}
    if isinstance(value, str) and UNBINDABLE.search(value):
        return "a string with NUL or half a surrogate pair"
    return kinds.get(type(value), "a number")


def derive(derived: Derived, value: Any) -> Any:
    """Fill a derived column from the value of the column it is derived from."""
    if not isinstance(value, str):
        return None
    match derived.by:
        case "copy":
            return value
        case "lower":
            # Python's lower() equals JavaScript's toLowerCase(); casefold and SQLite's lower() do not.
            return value.lower()
        case "singular":
            return derived.names.get(value.lower(), value.lower())
        case "base36-time":
            return _creation_hint(value)
    return None  # link: set in SQL, when the document it refers to is there


def _creation_hint(identity: str) -> str | None:
    """Decode the creation time that an id of the app begins with: eight base-36 digits of milliseconds."""
    if not re.fullmatch(r"[0-9a-z]{9,14}", identity):
        return None
    milliseconds = int(identity[:8], 36)
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    if not 2015 <= moment.year <= 2040:  # noqa: PLR2004  an IMDb id (tt1375666) decodes to 2044
        return None
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"
