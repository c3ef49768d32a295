"""What we know about one source app, as data: `mapping.toml` read into frozen models.

The grammar in one example (a pack of an app with one file):

    app = "shelf"
    name = "Shelf"

    [documents.books]
    file = "books.json"
    shape = "map of objects"            # see `shapes.Shape`

    [documents.books.records]
    table = "books"
    key = ["id"]

    [documents.books.records.columns]
    id = "$key"                         # the name in the map; "$value": the value itself
    title = "title"
    year = { member = "year", codec = "integer" }
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import PositiveInt, model_validator

from ..errors import UsageError
from ..shapes import Shape
from .part import KEY, Identifier, Model, Part, Stem


class Document(Model):
    """One JSON file of the app."""

    name: Stem
    file: Stem
    shape: Shape
    under: str | None = None
    optional: bool = False
    after: tuple[Stem, ...] = ()
    records: Part
    siblings: Part | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.shape is Shape.LIST) != (self.under is not None):
            raise ValueError("`under` names the member that holds the list, and belongs to lists of objects only")
        if self.siblings and self.shape is not Shape.LIST:
            raise ValueError("only a list of objects has siblings")
        named = self.shape.named
        keys = [self.records.columns[name].member for name in self.records.key]
        if named and KEY not in keys:
            raise ValueError(f"the key of a {self.shape} holds `{KEY}`")
        if not named and KEY in keys:
            raise ValueError(f"there is no `{KEY}` in a {self.shape}")
        return self

    @property
    def parts(self) -> tuple[Part, ...]:
        """The records' part, and the siblings' part where there is one."""
        return (self.records,) if self.siblings is None else (self.records, self.siblings)


class Queue(Model):
    """A queue of jobs: its table, and the document whose records they are about."""

    table: Identifier
    items: Stem


class Blacklist(Model):
    """Tokens that count no more: their table, and how many seconds a token of the app lives at most."""

    table: Identifier
    longest: PositiveInt


class Services(Model):
    """What the library does for an app in tables that no file feeds."""

    jobs: Queue | None = None
    sessions: Blacklist | None = None


class Pack(Model):
    """One app: its documents, where its data may lie, and how it keeps its secrets."""

    app: Identifier
    name: str
    host_reads_database: bool = False
    key_variable: str | None = None
    envelope: Literal["app", "bound"] = "app"
    folders: tuple[str, ...] = ()
    folder_variables: tuple[str, ...] = ()
    services: Services = Services()
    documents: dict[Stem, Document]
    folder: Path

    @model_validator(mode="before")
    @classmethod
    def _named(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("documents"), dict):
            documents = {
                name: {"name": name, **document} if isinstance(document, dict) else document
                for name, document in data["documents"].items()
            }
            return {**data, "documents": documents}
        return data

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for stem, document in self.documents.items():
            if document.name != stem:
                raise ValueError(f"`{stem}` calls itself `{document.name}`; a document has the name of its table")
            for name in (*document.after, *self._needed(document)):
                if name not in self.documents:
                    raise ValueError(f"`{document.name}` needs the document `{name}`, which does not exist")
            if self.envelope == "bound" and any(item.app_opens for part in document.parts for item in part.hidden):
                raise ValueError(f"`{document.name}` has secrets that the app opens, and no app opens our own envelope")
        items = self.documents.get(self.services.jobs.items) if self.services.jobs else None
        if self.services.jobs and (items is None or items.shape is not Shape.LIST or len(items.records.key) > 1):
            raise ValueError(
                f"jobs are about a list of objects with a single key, and not `{self.services.jobs.items}`"
            )
        files = [document.file for document in self.documents.values()]
        if len(set(files)) < len(files):
            raise ValueError("two documents share one file")
        list(self.ordered())
        return self

    @staticmethod
    def _needed(document: Document) -> Iterator[str]:
        for part in document.parts:
            yield from (item.to for item in part.derived.values() if item.to)
            yield from (rule.refers for rule in part.rules if rule.refers)

    def ordered(self) -> Iterator[Document]:
        """Walk through the documents, each after those it needs."""
        done: set[str] = set()
        waiting = list(self.documents.values())
        while waiting:
            ready = [document for document in waiting if done.issuperset(document.after)]
            if not ready:
                raise ValueError(f"these documents need each other: {', '.join(d.name for d in waiting)}")
            yield from ready
            done.update(document.name for document in ready)
            waiting = [document for document in waiting if document.name not in done]

    def document(self, name: str) -> Document:
        """Return a document by its name; raises UsageError with all the names there are."""
        if name not in self.documents:
            names = ", ".join(self.documents)
            raise UsageError(f"{self.name} has no document `{name}`.", f"Its documents are: {names}.")
        return self.documents[name]
