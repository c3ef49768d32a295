"""A pydantic model for each mapping, made from its columns: a typed view that never refuses or changes a value.

A value that fits its member's type is that; one that does not, which the app could store all the same, is kept as
it is, and so are members that have no column. What is dumped is what was read: members, order, null against absent.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator
from typing import Annotated, Any, Final

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PrivateAttr,
    RootModel,
    SerializationInfo,
    ValidationError,
    WrapValidator,
    create_model,
    model_serializer,
    model_validator,
)

from ..pack import DOCUMENT, KEY, VALUE, Document, Part
from ..stores.file import RECORDS

TYPES: Final[dict[str, Any]] = {
    "text": str,
    "integer": int,
    "real": float,
    "flag": bool,
    "instant": str,  # as the app spells it; a datetime would forget that
    "json": Any,
    "secret": str,
}
_SURROGATE = re.compile("[\ud800-\udfff]")


def _lenient(value: Any, handler: Any) -> Any:
    """Let a value pass that is of its type, and any other one unchanged."""
    try:
        found = handler(value)
    except ValidationError:
        return value
    return found if type(found) is type(value) else value


def _same(value: Any) -> Any:
    return value


def _kind(hint: Any) -> Any:
    # The serializer keeps pydantic from warning of a value that is not of its type.
    return Annotated[hint, WrapValidator(_lenient), PlainSerializer(_same, return_type=Any)]


class RecordModel(BaseModel):
    """An app's record: `model_validate` takes any object, `model_dump` gives it back."""

    model_config = ConfigDict(extra="allow", protected_namespaces=(), serialize_by_alias=True)

    _order: tuple[str, ...] = PrivateAttr(default=())
    _apart: dict[str, Any] = PrivateAttr(default_factory=dict)  # names that pydantic cannot take

    @model_validator(mode="wrap")
    @classmethod
    def _keep(cls, value: Any, handler: Any) -> Any:
        if not isinstance(value, dict):
            return handler(value)
        taken = {name for name, field in cls.model_fields.items() if field.alias is not None}
        odd = {name: item for name, item in value.items() if name in taken or _SURROGATE.search(name)}
        found = handler({name: item for name, item in value.items() if name not in odd} if odd else value)
        found._order, found._apart = tuple(value), odd  # noqa: SLF001  it is of this class
        return found

    @model_serializer(mode="wrap")
    def _give_back(self, handler: Any, info: SerializationInfo) -> dict[str, Any]:
        fields = type(self).model_fields.items()
        by_name = info.by_alias is False
        unset = {n if by_name or f.alias is None else f.alias for n, f in fields if n not in self.model_fields_set}
        found = {**{name: value for name, value in handler(self).items() if name not in unset}, **self._apart}
        return {name: found[name] for name in dict.fromkeys([*self._order, *found]) if name in found}


def model_of(document: Document, part: str = RECORDS) -> type[BaseModel]:
    """Make the model of a document's records; of records that are no objects, a model with a `root`."""
    mapping = document.records if part == RECORDS else document.siblings
    if mapping is None:
        raise KeyError(part)
    words = [*document.name.split("-"), *([] if part == RECORDS else [part])]
    name = "".join(word.capitalize() for word in words)
    for column in mapping.columns.values():
        if column.member == VALUE:
            root: Any = RootModel.__class_getitem__(_kind(TYPES[column.codec]))
            made: type[BaseModel] = create_model(name, __base__=root)
            return made
    return create_model(name, __base__=RecordModel, **dict(_fields(mapping)))


def _fields(part: Part) -> Iterator[tuple[str, Any]]:
    """Describe a model's fields: every member may be missing or null, for the app minds neither."""
    hints = {c.member: TYPES[c.codec] for c in part.columns.values() if c.member not in (KEY, DOCUMENT)}
    hints = {**dict.fromkeys(part.echo, str), **hints}
    hints |= {child.member: list[dict[str, Any]] for child in part.children.values()}
    for member, hint in hints.items():
        name = _name(member)
        yield name, (_kind(hint | None), None if name == member else Field(None, alias=member))


def _name(member: str) -> str:
    """Return a member's own name, or the nearest one that Python and pydantic leave free."""
    if member.isidentifier() and not (
        keyword.iskeyword(member) or member.startswith("_") or hasattr(BaseModel, member)
    ):
        return member
    return f"{''.join(sign if f'x{sign}'.isidentifier() else '_' for sign in member).strip('_') or 'member'}_"


def plain(value: Any) -> Any:
    """Return a record as the app's JSON, whether it is given as that or as a model."""
    return value.model_dump() if isinstance(value, BaseModel) else value
