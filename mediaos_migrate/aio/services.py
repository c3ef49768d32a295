"""Jobs and sessions for async apps: what `library.Jobs` and `library.Sessions` say, awaited."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ..library import jobs, sessions
from ..library.jobs import LEASE, Job, Stats
from .threads import Call


class Jobs:
    """The queue of an app's jobs."""

    def __init__(self, call: Call, inner: jobs.Jobs) -> None:
        self._call, self._inner = call, inner

    async def enqueue(self, item: Any, *, phase: str = "all", priority: int = 0, again: bool = False) -> Job:
        """Ask for a job on an item: a record, or the key of one."""
        return await self._call(self._inner.enqueue, item, phase=phase, priority=priority, again=again)

    async def claim(self, worker: str, lease: float = LEASE) -> Job | None:
        """Take the next job, or None when there is none to be done now."""
        return await self._call(self._inner.claim, worker, lease)

    async def heartbeat(self, job: Job, lease: float = LEASE) -> Job:
        """Say that the worker is alive."""
        return await self._call(self._inner.heartbeat, job, lease)

    async def complete(self, job: Job, result: Any = None) -> Job:
        """Say that a job is done."""
        return await self._call(self._inner.complete, job, result)

    async def fail(self, job: Job, error: str, *, retry: bool = True) -> Job:
        """Say that a job could not be done."""
        return await self._call(self._inner.fail, job, error, retry=retry)

    async def cancel(self, job: Job | str) -> bool:
        """Withdraw a job that is not done yet."""
        return await self._call(self._inner.cancel, job)

    async def get(self, job: str) -> Job | None:
        """Return a job by its id, or None when there is none."""
        return await self._call(self._inner.get, job)

    async def list(self, status: str | None = None, item: str | None = None, limit: int = 100) -> Sequence[Job]:
        """Return jobs, the newest first."""
        return await self._call(self._inner.list, status, item, limit)

    async def stats(self) -> Stats:
        """Count the jobs."""
        return await self._call(self._inner.stats)


class Sessions:
    """The blacklist of an app's tokens."""

    def __init__(self, call: Call, inner: sessions.Sessions) -> None:
        self._call, self._inner = call, inner

    async def revoke(self, token: str, expires_at: datetime | float) -> None:
        """Let a token count no more."""
        await self._call(self._inner.revoke, token, expires_at)

    async def revoke_all(self, user: str) -> None:
        """Let no token count that was issued to a user up to this second."""
        await self._call(self._inner.revoke_all, user)

    async def is_revoked(self, token: str) -> bool:
        """Tell whether a token counts no more."""
        return await self._call(self._inner.is_revoked, token)

    async def purge_expired(self) -> int:
        """Forget tokens that have expired by any clock."""
        return await self._call(self._inner.purge_expired)
