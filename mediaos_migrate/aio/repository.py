"""One collection as an async app sees it: what `library.Repository` says, awaited."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from pydantic import BaseModel

from ..library import repository as blocking
from ..library.query import Where
from ..library.repository import Id, Value, Values
from .threads import Call


class Repository:
    """The records of one part of a document."""

    def __init__(self, call: Call, inner: blocking.Repository) -> None:
        self._call, self._inner = call, inner

    @property
    def model(self) -> type[BaseModel]:
        """The pydantic model of these records, made from the columns of their table."""
        return self._inner.model

    async def get(self, key: Id) -> Value:
        """Return a record, or None when there is none."""
        return await self._call(self._inner.get, key)

    async def exists(self, key: Id) -> bool:
        """Tell whether there is a record with a key."""
        return await self._call(self._inner.exists, key)

    async def count(self, where: Where | None = None) -> int:
        """Count the records, all of them or those that satisfy a filter."""
        return await self._call(self._inner.count, where)

    async def list(
        self,
        where: Where | None = None,
        order_by: str | None = None,
        limit: int | None = None,
        after: Id | None = None,
    ) -> Values:
        """Return records: those that satisfy a filter, in order, `limit` of them, from the one behind `after` on."""
        return await self._call(self._inner.list, where, order_by, limit, after)

    async def items(self) -> AsyncIterator[tuple[Id, Value]]:
        """Walk through all records with their keys, in the order of the file, as they are when it begins."""
        for item in await self._call(self._inner.items):
            yield item

    async def search(self, words: str, limit: int | None = 100) -> Values:
        """Return the records in which all words occur, accents and case aside, the shortest text first."""
        return await self._call(self._inner.search, words, limit)

    async def add(self, value: Value, key: Id | None = None) -> Id:
        """Add a record and return its key, made as the app makes them if it has none."""
        return await self._call(self._inner.add, value, key)

    async def put(self, value: Value, key: Id | None = None) -> Id:
        """Write a record, new or in place of the one with its key; return the key."""
        return await self._call(self._inner.put, value, key)

    async def update(self, key: Id, members: dict[str, Any] | BaseModel) -> None:
        """Change some members of a record and keep the others exactly."""
        await self._call(self._inner.update, key, members)

    async def remove(self, key: Id) -> None:
        """Remove a record."""
        await self._call(self._inner.remove, key)
