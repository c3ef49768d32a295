"""What the app would read: plain JSON by Python's own reader, that knows nothing of tables, stages or journals."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from ..pack import Document, Pack
from ..shapes import Shape

WHOLE: Final = "(the whole file)"


@dataclass(frozen=True, slots=True)
class Write:
    """One record as it is to be from now on."""

    document: str
    key: str
    value: Any


def parsed(data: bytes) -> Any:
    """Read a file as the app does, to whom 1.0 and 1 are one number."""
    return json.loads(data, parse_float=_number)


def _number(token: str) -> float | int:
    number = float(token)
    return int(number) if number.is_integer() else number


def spelled(value: Any) -> bytes:
    """Spell a value so that equal values are equal, in whatever order their members stand."""
    return sha256(json.dumps(value, sort_keys=True).encode()).digest()


@dataclass
class Said:
    """The files of a folder: their bytes, read only where somebody asks."""

    files: dict[str, bytes]
    known: dict[bytes, bytes] = field(default_factory=dict)  # what files of this digest say; shared by all looks

    @classmethod
    def of(cls, folder: Path, pack: Pack, known: dict[bytes, bytes]) -> Said:
        """Take in a folder's files."""
        paths = {document.name: folder / document.file for document in pack.documents.values()}
        return cls({name: path.read_bytes() for name, path in paths.items() if path.is_file()}, known)

    def digest(self, name: str) -> bytes | None:
        """Digest what a document says."""
        if name not in self.files:
            return None
        bytes_ = sha256(self.files[name]).digest()
        if bytes_ not in self.known:
            try:
                self.known[bytes_] = spelled(parsed(self.files[name]))
            except ValueError:
                self.known[bytes_] = b"damaged"
        return self.known[bytes_]

    def value(self, name: str) -> Any:
        """Return what a document says; None when it is not there or cannot be read."""
        try:
            return parsed(self.files[name])
        except (KeyError, ValueError):
            return None


class Model:
    """Every record that was acknowledged, by document."""

    def __init__(self, pack: Pack, documents: Mapping[str, Any], digests: Mapping[str, bytes] | None = None) -> None:
        self._pack = pack
        self.documents = dict(documents)
        self._digests = dict(digests or {name: spelled(value) for name, value in documents.items()})

    def having(self, *writes: Write) -> Model:
        """Return the model once these records were written too."""
        documents = dict(self.documents)
        for write in writes:
            documents[write.document] = put(self._pack.document(write.document), documents[write.document], write)
        changed = {write.document: spelled(documents[write.document]) for write in writes}
        return Model(self._pack, documents, self._digests | changed)

    def lost(self, said: Said) -> list[str]:
        """Name every record that a folder does not say, or says otherwise."""
        names = sorted(self.documents.keys() | said.files.keys())
        return [
            f"{name}: {record}"
            for name in names
            if self._digests.get(name) != said.digest(name)
            for record in _differing(self._pack.document(name), self.documents.get(name), said.value(name))
        ]

    @property
    def count(self) -> int:
        """How many records there are."""
        return sum(sum(1 for _ in records(self._pack.document(name), value)) for name, value in self.documents.items())


def put(document: Document, value: Any, write: Write) -> Any:
    """Return a document with a record in it: in its place, or as the last."""
    if document.shape is not Shape.LIST:
        return {**value, write.key: write.value}
    items = list(value.get(document.under) or [])
    at = next((n for n, item in enumerate(items) if key_of(document, item) == write.key), len(items))
    items[at : at + 1] = [write.value]
    return {**value, str(document.under): items}


def key_of(document: Document, item: Any) -> str | None:
    """Return the key of an element of a list, if it has one that is a text or a number."""
    part = document.records
    found = item.get(part.columns[part.key[0]].member) if isinstance(item, dict) else None
    return str(found) if isinstance(found, str | int) and not isinstance(found, bool) else None


def records(document: Document, value: Any) -> Iterator[tuple[str, Any]]:
    """Walk through what a document holds, each with a name to tell it by."""
    if document.shape is Shape.LIST and isinstance(value, dict):
        items = value.get(document.under)
        yield from ((f"`{name}`", item) for name, item in value.items() if name != document.under)
        for number, item in enumerate(items if isinstance(items, list) else []):
            yield key_of(document, item) or f"number {number + 1}", item
    elif document.shape.named and isinstance(value, dict):
        yield from value.items()
    elif value is not None:
        yield WHOLE, value


def _differing(document: Document, wanted: Any, found: Any) -> list[str]:
    """Name the records that two versions of a document do not share."""
    here, there = (
        Counter((name, spelled(item)) for name, item in records(document, value)) for value in (wanted, found)
    )
    names = [name for name, _ in (here - there)] + [f"{name} (not asked for)" for name, _ in (there - here)]
    return list(dict.fromkeys(names)) or ["what stands around its records, or their order"]
