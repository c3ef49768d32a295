"""Threads of our own for what blocks: each keeps its connection, and what was begun is always waited for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, Protocol, TypeVar

from anyio import CancelScope, Event, RunFinishedError, Semaphore, from_thread, get_cancelled_exc_class
from anyio.lowlevel import EventLoopToken, checkpoint, current_token

T = TypeVar("T")


class Call(Protocol):
    """Calls a function in a thread, and waits for it."""

    def __call__(self, function: Callable[..., T], /, *args: Any, **named: Any) -> Awaitable[T]:
        """Call it."""
        ...


class Worker:
    """One thread that does one thing after the other."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="mediaos-migrate-aio")

    async def call(self, function: Callable[..., T], /, *args: Any, **named: Any) -> T:
        """Call a function in this thread. Who is cancelled before it begins has done nothing.

        Who is cancelled afterwards is told so when it has ended: no write goes on behind anybody's back.
        """
        await checkpoint()
        return await self.finish(function, *args, **named)

    async def finish(self, function: Callable[..., T], /, *args: Any, **named: Any) -> T:
        """Call a function in this thread, even if the caller was cancelled."""
        done, cancelled = Event(), None
        future = self._thread.submit(partial(function, *args, **named))
        self._thread.submit(_tell, done, current_token())  # the thread comes to it after the function
        with CancelScope(shield=True):
            while not done.is_set():
                try:
                    await done.wait()
                except get_cancelled_exc_class() as error:  # asyncio's own cancel() knows no shield
                    cancelled = error
        if cancelled is not None:
            raise cancelled
        return future.result()

    def end(self) -> None:
        """End the thread, which has nothing to do any more."""
        self._thread.shutdown()


def _tell(done: Event, token: EventLoopToken) -> None:
    with suppress(RunFinishedError):  # nobody waits
        from_thread.run_sync(done.set, token=token)


class Threads:
    """As many threads as are needed: so many for single calls, and one for each unit of work under way."""

    def __init__(self, count: int) -> None:
        self._turns = Semaphore(count)
        self._idle: list[Worker] = []
        self._all: list[Worker] = []

    async def call(self, function: Callable[..., T], /, *args: Any, **named: Any) -> T:
        """Call a function in any thread that is free."""
        async with self._turns:
            worker = self.take()
            try:
                return await worker.call(function, *args, **named)
            finally:
                self.give_back(worker)

    def take(self) -> Worker:
        """Take a thread that nobody else calls, until it is given back."""
        if not self._idle:
            self._all.append(Worker())
            self._idle.append(self._all[-1])
        return self._idle.pop()

    def give_back(self, worker: Worker) -> None:
        """Let others call a thread again."""
        self._idle.append(worker)

    async def end(self, each: Callable[[], None], last: Callable[[], None]) -> None:
        """End all threads: each does its part before, and one comes last."""
        final = self.take()
        for worker in self._all:
            if worker is not final:
                await worker.finish(each)
        await final.finish(last)
        for worker in self._all:
            worker.end()
