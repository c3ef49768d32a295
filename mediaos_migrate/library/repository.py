"""One collection as an app sees it: records in the app's own words, from whichever home is believed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from pydantic import BaseModel, RootModel

from ..engines.sqlite import moment
from ..errors import UsageError
from ..ledger import Ledger
from ..mapping import Mapper
from ..pack import Document, Part
from ..record import Record
from ..report import Key
from ..site import parts
from ..stores import search
from ..stores.file import RECORDS
from ..stores.table import TableStore
from ..values import to_python
from .changes import ADD, PUT, REMOVE, UPDATE, Change, json_of, keyed, unlocked
from .host import Host
from .models import plain
from .query import Query, Where
from .reads import Read
from .second import in_words

Value = Any
Id = str | tuple[str, ...]
Values = list[Value]
Items = list[tuple[Id, Value]]

SAMPLED = 5  # records of a list that are compared with the other home


class Repository:
    """The records of one part of a document. Keys are strings, or tuples where they have several parts.

    Records are the app's JSON; they may be given as models as well, and with `typed` they come out as models.
    """

    def __init__(
        self, site: Host, document: Document, part: str = RECORDS, unit: Any = None, *, typed: bool = False
    ) -> None:
        self._site, self._document, self._part, self._unit, self._typed = site, document, part, unit, typed
        found = parts(document).get(part)
        if found is None:
            raise UsageError(f"{document.name} has no part `{part}`.", f"Its parts: {', '.join(parts(document))}.")
        self.part: Part = found
        self._mapper = Mapper(document, self.part)

    @property
    def model(self) -> type[BaseModel]:
        """The pydantic model of these records, made from the columns of their table."""
        return self._site.model(self._document, self._part)

    def _out(self, value: Value) -> Value:
        found = to_python(unlocked(self._document, value) if self.part.hidden else value)
        if self._typed and (isinstance(found, dict) or issubclass(self.model, RootModel)):
            return self.model.model_validate(found)
        return found

    def get(self, key: Id) -> Value:
        """Return a record, or None when there is none. Like all reading, raises NeedsKey for what is sealed."""
        with self._store() as store:
            found = store.get([self._key(key)]).get(self._key(key))
        self._saw((self._key(key),))
        return None if found is None else self._out(found.value)

    def exists(self, key: Id) -> bool:
        """Tell whether there is a record with a key."""
        with self._store() as store:
            return self._key(key) in store.get([self._key(key)])

    def count(self, where: Where | None = None) -> int:
        """Count the records, all of them or those that satisfy a filter."""
        with self._store() as store:
            return Query(store).count(where)

    def list(  # the field's word; within this class it hides the type
        self,
        where: Where | None = None,
        order_by: str | None = None,
        limit: int | None = None,
        after: Id | None = None,
    ) -> Values:
        """Return records: those that satisfy a filter, in order, `limit` of them, from the one behind `after` on.

        A filter names members: `{"kind": "movie", "year": (">=", 1990), "quality": ("in", ["1080p", "2160p"])}`. Order
        is the file's, or that of a member, `-year` for downward. Raises UsageError for what cannot be asked.
        """
        question = (where, order_by, limit, None if after is None else self._key(after))
        with self._store() as store:
            found = Query(store).page(*question)
        self._saw(tuple(record.key for record in found[:SAMPLED]), question)
        return self._values(found)

    def items(self) -> Items:
        """Return all records with their keys, in the order of the file."""
        with self._store() as store:
            return [(_id(record.key), self._out(record.value)) for record in store.all()]

    def search(self, words: str, limit: int | None = 100) -> Values:
        """Return the records in which all words occur, accents and case aside, the shortest text first."""
        with self._store() as store:
            if store.connection is not self._site.connection():
                search.build(store.connection, self.part)
            return self._values(Query(store).search(words, limit))

    def add(self, value: Value, key: Id | None = None) -> Id:
        """Add a record and return its key, made as the app makes them if it has none.

        Raises Conflict when there is one with this key, or with what has to be unique.
        """
        return self._put(value, key, ADD)

    def put(self, value: Value, key: Id | None = None) -> Id:
        """Write a record, new or in place of the one with its key; return the key."""
        return self._put(value, key, PUT)

    def _put(self, value: Value, key: Id | None, op: str) -> Id:
        found, name, value = keyed(self._mapper, plain(value), None if key is None else self._key(key))
        self._write(Change(self._document, self._part, found, name, value, op))
        return _id(found)

    def update(self, key: Id, members: dict[str, Any] | BaseModel) -> None:
        """Change some members of a record and keep the others exactly. Raises NoRecord."""
        changed = json_of(self._document, plain(members))
        if not isinstance(changed, dict):
            raise UsageError(f"{type(members).__name__} names no members.", "Give those that change, as an object.")
        self._write(Change(self._document, self._part, self._key(key), value=changed, op=UPDATE))

    def remove(self, key: Id) -> None:
        """Remove a record. Raises NoRecord."""
        self._write(Change(self._document, self._part, self._key(key), op=REMOVE))

    def _write(self, change: Change) -> None:
        if self._unit is not None:
            self._unit.add(change)
        else:
            with self._site.unit_of_work() as unit:
                unit.add(change)

    def _saw(self, keys: tuple[Key, ...], question: tuple[Any, ...] | None = None) -> None:
        self._site.shadow.saw(Read(self._document, self._part, keys, question))

    def _values(self, records: Iterable[Record]) -> Values:
        return [self._out(record.value) for record in records]

    def _key(self, key: Id) -> Key:
        found: Any = (key,) if isinstance(key, str) else key
        if not isinstance(found, tuple | list) or not all(isinstance(text, str) for text in found):
            raise UsageError(f"{key!r} is no key.", "Keys are strings, or tuples of strings.")
        if (wanted := len(self.part.key)) != len(found):
            raise UsageError(f"{key!r} is no key of {self._document.name}.", f"Its keys have {wanted} part(s).")
        return tuple(found)

    @contextmanager
    def _store(self) -> Iterator[TableStore]:
        """Lend out the believed records, as a table: the database's, or one made of the file."""
        with in_words():
            connection = self._site.connection()
            if connection is not None:
                with moment(connection):
                    if Ledger(connection).stage(self._document.name).believes_table:
                        yield self._site.stores(connection, self._document)[self._part]
                        return
            view = self._site.view(self._document)
            with view.current() as made:
                yield view.stores(made)[self._part]


def _id(key: Key) -> Id:
    return key[0] if len(key) == 1 else key
