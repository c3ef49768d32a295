"""What the box asks of a store, and the file store it began with: load the whole file, change it, save it."""

from __future__ import annotations

import json
import random
import string
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

Records = list[Any]  # inside a class with a method `list`, the type needs another name


class Collection(Protocol):
    """The records of one file. What is not there is a KeyError."""

    def get(self, key: str, /) -> Any: ...
    def list(self, where: Mapping[str, Any] | None = None, order_by: str | None = None) -> Records: ...
    def search(self, words: str, /) -> Records: ...
    def add(self, value: Any, /) -> Any: ...
    def update(self, key: str, members: dict[str, Any], /) -> None: ...
    def remove(self, key: str, /) -> None: ...


class Store(Protocol):
    """All files of the box."""

    def repository(self, document: str, /) -> Collection: ...
    def unit_of_work(self) -> AbstractContextManager[Any]: ...
    def close(self) -> None: ...


class Taken(Exception):
    """Another record has this title, or this address."""


@dataclass(frozen=True)
class Form:
    """How one file holds its records: what is unique, and how they are taken out and put back."""

    unique: str | None
    records: Callable[[Any], dict[str, Any]]
    document: Callable[[dict[str, Any]], Any]


FORMS = {
    "recipes": Form(
        "title", lambda d: {r["id"]: r for r in d.get("recipes", ())}, lambda r: {"recipes": [*r.values()]}
    ),
    "cooks": Form("email", dict, dict),
    "settings": Form(None, lambda d: {"settings": d}, lambda r: r["settings"]),
}


class FileCollection:
    """One file, read before each answer and written as a whole after each change."""

    def __init__(self, path: Path) -> None:
        self._path, self._form, self._name = path, FORMS[path.stem], path.stem

    def get(self, key: str) -> Any:
        return self._load().get(key)

    def list(self, where: Mapping[str, Any] | None = None, order_by: str | None = None) -> Records:
        wanted = (where or {}).items()
        found = [record for record in self._load().values() if all(record.get(name) == value for name, value in wanted)]
        return sorted(found, key=lambda record: str(record[order_by])) if order_by else found

    def search(self, words: str) -> Records:
        return [r for r in self.list() if words and all(word in r["title"].lower() for word in words.lower().split())]

    def add(self, value: Any) -> str:
        records = self._load()
        digits = "".join(random.choices(string.digits + string.ascii_lowercase, k=9))
        key = f"{self._name[:-1]}_{time.time_ns() // 1_000_000}_{digits}"
        self._save(records, key, {"id": key, **value})
        return key

    def update(self, key: str, members: dict[str, Any]) -> None:
        records = self._load()
        self._save(records, key, {**records[key], **members})

    def remove(self, key: str) -> None:
        records = self._load()
        del records[key]
        self._write(records)

    def _load(self) -> dict[str, Any]:
        return self._form.records(json.loads(self._path.read_text(encoding="utf-8")) if self._path.exists() else {})

    def _save(self, records: dict[str, Any], key: str, record: Any) -> None:
        if (unique := self._form.unique) and any(
            other[unique].lower() == record[unique].lower() for name, other in records.items() if name != key
        ):
            raise Taken
        self._write({**records, key: record})

    def _write(self, records: dict[str, Any]) -> None:
        text = json.dumps(self._form.document(records), indent=2, ensure_ascii=False)
        self._path.write_text(text, encoding="utf-8")


class FileStore:
    """A folder of JSON files."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)

    def repository(self, document: str) -> FileCollection:
        return FileCollection(self._folder / f"{document}.json")

    @contextmanager
    def unit_of_work(self) -> Iterator[FileStore]:
        yield self  # each change is saved by itself: a crash in between leaves half of them

    def close(self) -> None:
        return
