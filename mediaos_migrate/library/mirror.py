"""Writes files after their tables, in the background: many changes share one rewrite, and no caller waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from .host import Host

QUIET: Final = 2.0  # seconds without a write, then the files are written
LONGEST: Final = 30.0  # seconds that a change waits at most
MANY: Final = 100  # changes that are enough for a rewrite at once
REST: Final = 4  # times as long as a rewrite took until the next begins: under load it takes a fifth of the time


class Mirror:
    """One thread for a site, begun with the first write."""

    def __init__(self, site: Host) -> None:
        self._site = site
        self._changed = threading.Condition()
        self._waiting = 0
        self._stopped = self._failed = False
        self._took = 0.0  # seconds, by the last rewrite
        self._thread: threading.Thread | None = None

    def wake(self, changes: int) -> None:
        """Hear that so much was written."""
        with self._changed:
            self._waiting += changes
            if self._thread is None and not self._stopped:
                self._thread = threading.Thread(target=self._run, name="mediaos-migrate-mirror", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def stop(self) -> None:
        """Write what is owed, and end."""
        with self._changed:
            self._stopped = True
            thread, self._thread = self._thread, None
            self._changed.notify_all()
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _run(self) -> None:
        while self._wait():
            self._try(self._site.follow)
        self._try(self._site.follow)

    def _wait(self) -> bool:
        """Wait until a rewrite is due; False when it is time to end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._stopped, LONGEST if self._failed else None)
            end = time.monotonic() + LONGEST
            while not self._stopped and self._waiting < MANY and (left := end - time.monotonic()) > 0:
                if not self._changed.wait(min(QUIET, left)):
                    break
            self._changed.wait_for(lambda: self._stopped, min(self._took * REST, LONGEST))
            self._waiting = 0
            return not self._stopped

    def _try(self, write: Callable[[], object]) -> None:
        self._failed, began = False, time.monotonic()
        try:
            write()
            self._took = time.monotonic() - began
        except Exception as error:  # noqa: BLE001  the debt stays, and nobody is there to hear it
            self._failed = True  # and it is tried again
            self._site.failed(error)
