"""Writing a file over its older version: as little of it as was changed, where it is known where each record lies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, BinaryIO

from ..documents.layout import Edit, Layout, splice
from ..documents.reader import lead, value_in
from ..documents.style import Style
from ..errors import FileChanged
from ..journal import Owed
from ..mapping import Mapper, NoKey
from ..pack import Document
from ..record import Record
from ..shapes import Shape
from ..site import Site
from ..stores.file import RECORDS, FileStore
from ..values import dumps, reveal
from .exporting import Export


def write_over(
    site: Site, export: Export, stream: BinaryIO, base: str | None, owed: Sequence[Owed] | None
) -> str | None:
    """Write a file over its older version, if that has this digest; return the new digest where it is known.

    Who keeps layouts only changes what is owed, unless that is None: then all may differ. Raises FileChanged when the
    older version is another one.
    """
    path, name = site.file(export.document), export.document.name
    if base and site.layouts is not None and owed is not None and _in_places(export, owed):
        layout = layout_of(site, export.document, base)
        edits = _Edits(site, export, layout).all(owed) if layout else None
        if layout and edits is not None:
            read, wrote = splice(path, stream, edits)
            if read != base:
                raise FileChanged(export.file)
            site.layouts[name] = layout.after(edits, wrote)
            return wrote
    export.write(stream, path if base else None)
    return None


def _in_places(export: Export, owed: Sequence[Owed]) -> bool:
    """Tell at a glance whether records may be changed in their places."""
    return not export.holds_any and all(item.part == RECORDS for item in owed)


def layout_of(site: Site, document: Document, digest: str) -> Layout | None:
    """Return where each record lies in the version of a file with this digest; None where that cannot be had.

    Who keeps layouts keeps this one, too.
    """
    if site.layouts is None:
        return None
    known = site.layouts.pop(document.name, None)
    if known is None or known.digest != digest:
        known = FileStore(site.file(document), document, site.vault).layout()
    if known is None or known.digest != digest:
        return None
    site.layouts[document.name] = known
    return known


class _Edits:
    """What becomes of a file of a known layout when only the records that are owed are others than it says."""

    def __init__(self, site: Site, export: Export, layout: Layout) -> None:
        self._path, self._document, self._layout = site.file(export.document), export.document, layout
        self._export, self._mapper = export, Mapper(export.document, export.document.records)
        self._style = Style.from_json(export.entry.style)
        self._depth = 2 if export.document.shape is Shape.LIST else 1

    def all(self, owed: Sequence[Owed]) -> list[Edit] | None:
        """Return all edits in their order.

        None where more is to be done than to change or remove records in their places, and to add some at the end.
        """
        if not len(self._layout):
            return None
        keys = [item.key for item in owed]
        found, places = self._export.stores[RECORDS].get(keys), self._layout.places(keys)
        there = [(item, places[item.key]) for item in owed if item.key in places]
        try:
            edits = [edit for item, place in there if (edit := self._edit(item, place, found.get(item.key)))]
            new = [found[key] for key in keys if key in found and key not in places]
            return sorted(edits, key=lambda edit: (edit.place, edit.start)) + self._behind(new)
        except (LookupError, NoKey):
            return None

    def _edit(self, item: Owed, place: int, record: Record | None) -> Edit | None:
        """Change or remove the record in a place of the file. Raises LookupError where it may have to move."""
        moves = item.removed if record else place == 0  # the comma of the first one stands behind it
        old = self._old(place)
        if moves or self._mapper.key_of(item.key[0] if self._document.shape is Shape.MAP else None, old) != item.key:
            raise LookupError(item.key)
        start, stop = self._layout.starts[place], self._layout.stops[place]
        if record is None:
            return Edit(self._layout.stops[place - 1], stop, b"", place, item.key, None)
        new = reveal(record.value)
        return None if dumps(old) == dumps(new) else Edit(start, stop, self._spelled(new), place, item.key)

    def _old(self, place: int) -> Any:
        return value_in(self._path, self._layout.starts[place], self._layout.stops[place])

    def _behind(self, new: list[Record]) -> list[Edit]:
        """Add records behind the last one. Raises LookupError unless that is where all of them stand."""
        new.sort(key=lambda record: record.position or 0)
        if new and self._export.stores[RECORDS].count_from(new[0].position or 0) != len(new):
            raise LookupError(new[0].key)
        line = b"," + lead(self._path, self._document) if new else b""
        return [self._last(record, line) for record in new]

    def _last(self, record: Record, line: bytes) -> Edit:
        """Add a record behind the last one, on a line as the first one has it."""
        end, value = self._layout.stops[-1], reveal(record.value)
        entry = line + self._style.entry(record.element.name, value, self._depth)
        return Edit(end, end, entry, len(self._layout), record.key, len(entry) - len(self._spelled(value)))

    def _spelled(self, value: Any) -> bytes:
        return self._style.value(value, self._depth)
