"""A unit of work for async apps: all of it in one thread, and rolled back when its task is cancelled."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any, Self

from anyio.lowlevel import checkpoint

from .. import library
from ..errors import UsageError
from ..stores.file import RECORDS
from .repository import Repository
from .threads import Threads, Worker


class UnitOfWork:
    """Collects changes; leaving the `async with` block without an error commits them."""

    def __init__(self, site: library.Site, threads: Threads) -> None:
        self._site, self._threads = site, threads
        self._worker: Worker | None = None
        self._unit: library.UnitOfWork | None = None

    async def __aenter__(self) -> Self:
        await checkpoint()
        self._worker = self._threads.take()
        try:
            self._unit = await self._worker.finish(self._site.unit_of_work)
            await self._worker.finish(self._unit.__enter__)
        except BaseException:
            self._leave()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                try:
                    await checkpoint()
                except BaseException:
                    await self._end(*sys.exc_info())
                    raise
            await self._end(kind, error, trace)
        finally:
            self._leave()

    async def _end(self, *how: Any) -> None:
        worker, unit = self.begun
        await worker.finish(unit.__exit__, *how)

    def _leave(self) -> None:
        worker, self._worker, self._unit = self._worker, None, None
        if worker is not None:
            self._threads.give_back(worker)

    @property
    def begun(self) -> tuple[Worker, library.UnitOfWork]:
        """The thread and the unit. Raises UsageError outside of the block."""
        if self._worker is None or self._unit is None:
            raise UsageError("This unit of work is not under way.", "Use it inside `async with`.")
        return self._worker, self._unit

    def repository(self, document: str, part: str = RECORDS) -> Repository:
        """Return a document's `Repository` whose writes belong to this unit."""
        worker, unit = self.begun
        return Repository(worker.call, unit.repository(document, part))

    async def commit(self) -> None:
        """Write everything, or nothing."""
        worker, unit = self.begun
        await worker.call(unit.commit)
