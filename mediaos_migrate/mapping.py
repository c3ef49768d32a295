"""A record's two forms: the app's own JSON value, and the columns of a row; each direction beside its inverse.

A column is a view of a value that fits it; what does not fit stays, exact, in `extra`. Presence needs no
reserved name: a member is there if its column is not NULL or `extra` has it; an explicit null is in `extra`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from .codecs import CODECS, Codec, bindable, from_json, key_text, plain
from .derived import deriving
from .fields import Fields
from .pack import DOCUMENT, KEY, VALUE, Child, Document, Part
from .values import dumps

_NO_MEMBERS: Final = (KEY, VALUE, DOCUMENT)


class Row(NamedTuple):
    """A record in the words of the table: its own columns, and the rows of its child tables."""

    key: tuple[str, ...]
    columns: dict[str, Any]
    children: dict[str, list[dict[str, Any]]]


def key_of_column(value: Any) -> str:
    """Return a key as text, whatever a foreign hand put into its column."""
    return value if type(value) is str else str(plain(value))


class NoKey(ValueError):
    """The record has no usable key, and cannot be a row."""


class Mapper:
    """Maps the records of one part of a document to rows, and back."""

    def __init__(self, document: Document, part: Part) -> None:
        self.document, self.part = document, part
        lists = tuple(child.member for child in part.children.values())
        self._fields = Fields(part.columns, part.echo, lists, part.key)
        self._used = [name for name, column in part.columns.items() if column.member not in (KEY, DOCUMENT)]
        self._unwritten = any(column.member in _NO_MEMBERS for column in part.columns.values())
        self._children = {table: (child, Fields(child.columns)) for table, child in part.children.items()}
        self._whole = next((name for name, c in part.columns.items() if c.member == VALUE), None)
        self._keys = frozenset(part.key)
        derived = [(column, derived.of, deriving(derived)) for column, derived in part.derived.items()]
        self._derived = [item for item in derived if item[1] not in part.key]
        self.of_key = [item for item in derived if item[1] in part.key]  # made once, with the row
        self.named = next((name for name in part.key if part.columns[name].member == KEY), None)
        members = [part.columns[name].member for name in part.key]
        self._key = members[0] if len(members) == 1 and members[0] not in _NO_MEMBERS else None  # the only one

    def key_of(self, name: str | None, value: Any) -> tuple[str, ...]:
        """Return the key of a record: one text for each key column. Raises NoKey."""
        if self._key and type(value) is dict:
            text = value.get(self._key)
            if type(text) is str and bindable(text):
                return (text,)
        return self._key_of(name, value)

    def _key_of(self, name: str | None, value: Any) -> tuple[str, ...]:
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

    def row(self, key: tuple[str, ...], name: str | None, value: Any) -> Row:
        """Map a record, whose key is known, to a row, but for what is derived from its key."""
        columns, lists = self._apart(name, value)
        for column, text in zip(self.part.key, key, strict=True):
            columns[column] = text
        for view_name, view in self.part.views.items():
            member = self.part.columns[view.of].member
            looked = value.get(member) if isinstance(value, dict) else None
            columns[view_name] = CODECS[view.codec].fit(_at(looked, view.path))
        for column, of, fill in self._derived:
            text = columns[of]
            columns[column] = fill(text) if isinstance(text, str) else None
        return Row(key, columns, dict(self._child_rows(key[0], lists)) if self._children else {})

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
        columns = dict.fromkeys(self.part.columns) | split.columns if self._unwritten else split.columns
        columns["extra"], columns["members"] = split.extra, split.members
        return columns, split.lists

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
        if row["extra"] is not None and all(row[column] is None for column in self._used):
            extra = from_json(row["extra"])
            if not isinstance(extra, dict):
                return extra
        lists = {
            child.member: [fields.together(item, {}, None) for item in children.get(table, ())]
            for table, (child, fields) in self._children.items()
        }
        value = self._fields.together(row, lists, name)
        for view_name, view in self.part.views.items():
            _look_back(value, self.part.columns[view.of].member, view.path, CODECS[view.codec], row[view_name])
        return value

    def undone(self, value: Any, cells: Mapping[str, Any]) -> Any:
        """Return a record as it was when some of its columns held these cells; None when one has to look at its row."""
        if type(value) is not dict or self._whole is not None or self._children or self.part.views:
            return None
        return self._fields.undone(value, cells)

    def name(self, row: Mapping[str, Any]) -> str | None:
        """Return the name of a row's record in its map, or None in a list."""
        return None if self.named is None else key_of_column(row[self.named])

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
    if isinstance(value, str) and not bindable(value):
        return "a string with NUL or half a surrogate pair"
    return kinds.get(type(value), "a number")
