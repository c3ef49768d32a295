"""One installation, as an async app embeds it: `async with aio.Site.open(…) as site`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from types import TracebackType
from typing import Final, Self

from .. import library
from ..errors import UsageError
from ..moves.health import Health
from ..moves.mirroring import Mirrored
from ..moves.policy import Policy
from ..stores.file import RECORDS
from .repository import Repository
from .services import Jobs, Sessions
from .threads import Threads
from .unit import UnitOfWork

COUNT: Final = 4  # threads that ask and write at the same time; of writers one at a time gets through


class Site:
    """One installation; leaving the block pays its debts and closes what it opened."""

    def __init__(self, inner: library.Site, threads: int = COUNT) -> None:
        self._inner, self._count = inner, threads
        self._begun: Threads | None = None

    @classmethod
    def open(
        cls,
        data: str | os.PathLike[str] = "config",
        db: str | os.PathLike[str] | None = None,
        app: str = "mediaos",
        key_file: str | os.PathLike[str] | None = None,
        *,
        threads: int = COUNT,
    ) -> Self:
        """Describe an installation by its data folder, database (default: in the data folder) and app."""
        return cls(library.Site.open(data, db, app, key_file), threads)

    async def __aenter__(self) -> Self:
        self._begun = Threads(self._count)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._threads.end(self._inner.release, self._inner.close)

    @property
    def _threads(self) -> Threads:
        if self._begun is None:
            raise UsageError("This site is not open.", "Use it inside `async with`.")
        return self._begun

    def repository(
        self, document: str, part: str = RECORDS, unit: UnitOfWork | None = None, *, model: bool = False
    ) -> Repository:
        """Return the records of a document (`part`: `siblings` for those beside its list), on wish as models."""
        if unit is None:
            return Repository(self._threads.call, self._inner.repository(document, part, model=model))
        worker, begun = unit.begun
        return Repository(worker.call, self._inner.repository(document, part, begun, model=model))

    def unit_of_work(self) -> UnitOfWork:
        """Begin a unit of work."""
        return UnitOfWork(self._inner, self._threads)

    @cached_property
    def jobs(self) -> Jobs:
        """The queue of the app's jobs. Raises UsageError when its pack has none."""
        return Jobs(self._threads.call, self._inner.jobs)

    @cached_property
    def sessions(self) -> Sessions:
        """The app's tokens that count no more. Raises UsageError when its pack has no table for them."""
        return Sessions(self._threads.call, self._inner.sessions)

    async def flush(self) -> Sequence[Mirrored]:
        """Write every file that is behind its table now. Raises what stands in the way."""
        return await self._threads.call(self._inner.flush)

    async def health(self, policy: Policy | None = None) -> Health:
        """Look the site over, without touching it. Raises CouldNotCheck when there is no database."""
        return await self._threads.call(self._inner.health, policy)
