"""What a drill writes: new records made after the ones that are there, or old ones with one member more."""

from __future__ import annotations

from typing import Any, Final

from ..pack import KEY, Document, Pack
from ..shapes import Shape
from .children import Group
from .model import Model, Write, key_of

FEW: Final = 3
MEMBER: Final = "drill"  # the app does not know it; it is kept as it is
SHAPES: Final = (Shape.LIST, Shape.MAP, Shape.VALUES)


class Wishes:
    """Makes records to write, never the same twice."""

    def __init__(self, pack: Pack) -> None:
        self._pack = pack
        self._number = 0

    def documents(self, model: Model) -> list[Document]:
        """Return the documents into which something can be written, those with most records first."""
        found = [d for d in self._pack.documents.values() if self._kept(d, model)]
        return sorted(found, key=lambda d: -len(self._kept(d, model)))

    def groups(self, model: Model, *, few: bool) -> list[Group]:
        """Make one wish for each document (`few`: only for some), with alternatives if the app's rules forbid it."""
        documents = self.documents(model)
        return [self.group(document, model) for document in (documents[:FEW] if few else documents)]

    def group(self, document: Document, model: Model) -> Group:
        """Make a new record of a document, or an old one with a new member."""
        self._number += 1
        kept = self._kept(document, model)
        key, value = next(reversed(kept.items()))
        found = [self._new(document, kept, value)]
        if isinstance(value, dict):
            found.append(Write(document.name, key, {**value, MEMBER: self._number}))
        return found

    @staticmethod
    def _kept(document: Document, model: Model) -> dict[str, Any]:
        """Return the records of a document that a key tells from all others."""
        value = model.documents.get(document.name)
        if document.shape not in SHAPES or len(document.records.key) > 1 or not isinstance(value, dict):
            return {}
        if document.shape is not Shape.LIST:
            return value
        items = value.get(document.under)
        found: dict[str, Any] = {}
        for item in items if isinstance(items, list) else []:
            key = key_of(document, item)
            if key is not None:
                found[key] = None if key in found else item
        return {key: item for key, item in found.items() if item is not None}

    def _new(self, document: Document, kept: dict[str, Any], value: Any) -> Write:
        key = f"{MEMBER}-{self._number}"
        if not isinstance(value, dict):
            return Write(document.name, key, value)
        part = document.records
        members = [part.columns[name].member for name in part.key]
        if isinstance(value.get(members[0]), int):
            key = str(max(int(each) for each in kept if each.isdigit()) + 1)
        named = [*(member for member in members if member != KEY), *part.echo]
        told = {member: int(key) if isinstance(value.get(member), int) else key for member in named}
        unique = {member for rule in part.rules for member in rule.unique} - told.keys()
        others = {m: f"{value[m]} {MEMBER} {self._number}" for m in unique if isinstance(value.get(m), str)}
        return Write(document.name, key, {**value, **others, **told})
