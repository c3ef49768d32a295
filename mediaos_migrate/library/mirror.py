"""Writes files after their tables, in the background: many changes share one rewrite, and no caller waits."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from .host import Host

QUIET: Final = 2.0  # seconds without a write, then the files are written
LONGEST: Final = 30.0  # seconds that a change waits at most
MANY: Final = 100  # changes that are enough for a rewrite at once


class Mirror:
    """One thread for a site, begun with the first write."""

    def __init__(self, site: Host) -> None:
        self._site = site
        self._changed = threading.Condition()
        self._waiting = 0
        self._stopped = self._failed = False
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        """Hear that something was written."""
        with self._changed:
            self._waiting += 1
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
        self._try(self._site.flush)  # nobody is left who could be kept waiting

    def _wait(self) -> bool:
        """Wait until a rewrite is due; False when it is time to end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._stopped, LONGEST if self._failed else None)
            waited = 0.0
            while not self._stopped and self._waiting < MANY and waited < LONGEST:
                before = self._waiting
                self._changed.wait(QUIET)
                if self._waiting == before:
                    break
                waited += QUIET
            self._waiting = 0
            return not self._stopped

    def _try(self, write: Callable[[], object]) -> None:
        self._failed = False
        try:
            write()
        except Exception as error:  # noqa: BLE001  the debt stays, and nobody is there to hear it
            self._failed = True  # and it is tried again
            self._site.failed(error)
