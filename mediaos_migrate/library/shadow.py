"""Compares what was read with the other home, in the background: the caller neither waits for it nor hears of it."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from typing import Final

from ..engines.sqlite import Connection, transaction
from ..ledger import EQUAL, Ledger
from ..stages import Stage
from .forks import Work
from .host import Host
from .query import Query
from .reads import Read, at_rest, way_of, ways_of_keys, with_file

LOG: Final = logging.getLogger("mediaos_migrate")
KEPT: Final = 1_000  # reads that wait to be compared at most; more are left out
REST: Final = 9  # times as long as the last comparisons took until the next begin …
LONGEST: Final = 60.0  # … and so many seconds at most


class Shadow:
    """One thread for a site, begun with the first read that is to be compared.

    `rate` says how many of the reads are: 1.0 all, 0.1 one in ten.
    """

    def __init__(self, site: Host, rate: float = 0.1) -> None:
        self._site, self.rate = site, rate
        self._reads: deque[Read] = deque(maxlen=KEPT)
        self._woken = threading.Condition()
        self._work = Work()
        self._stopped = False
        self._thread: threading.Thread | None = None

    def saw(self, read: Read) -> None:
        """Hear of a read; most are forgotten at once."""
        if self._stopped or random.random() >= self.rate:  # noqa: S311  a sample is no secret
            return
        with self._woken:
            self._reads.append(read)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="mediaos-migrate-shadow", daemon=True)
                self._thread.start()
            self._woken.notify()

    def stop(self) -> None:
        """Compare what waits, and end."""
        with self._woken:
            self._stopped = True
            thread, self._thread = self._thread, None
            self._woken.notify()
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _run(self) -> None:
        while True:
            with self._woken:
                self._woken.wait_for(lambda: self._reads or self._stopped)
                if not self._reads:
                    return
            began = time.monotonic()
            self.drain()
            with self._woken:  # a comparison may read a whole file: the caller is to have the processor, too
                self._woken.wait_for(lambda: self._stopped, min(REST * (time.monotonic() - began), LONGEST))

    def drain(self) -> None:
        """Compare all reads that wait now, and count how they came out."""
        reads = [self._reads.popleft() for _ in range(len(self._reads))]
        by_document: dict[str, list[Read]] = {}
        for read in reads:
            by_document.setdefault(read.document.name, []).append(read)
        for name, mine in by_document.items():
            try:
                self._count(name, mine)
            except Exception as error:  # noqa: BLE001  a comparison never disturbs whoever reads
                LOG.info("reads of %s were not compared: %s", name, type(error).__name__)

    def _count(self, name: str, reads: Sequence[Read]) -> None:
        with self._work.under_way():
            connection = self._site.connection()
            stage = Stage.OFF if connection is None else Ledger(connection).stage(name)
        found = self._site.compare_aside(reads) if stage is Stage.LIVE else None  # a large file: in another process
        if connection is None or not stage.compares:
            return
        with self._work.under_way():
            counts = Counter(self._compared(connection, stage, reads)) if found is None else found
            self._note(connection, name, stage, counts)

    def _compared(self, connection: Connection, stage: Stage, reads: Sequence[Read]) -> Iterable[str]:
        return with_file(self._site, connection, reads) if stage is Stage.LIVE else self._shadowed(connection, reads)

    def _note(self, connection: Connection, name: str, stage: Stage, counts: Counter[str]) -> None:
        with transaction(connection):
            if Ledger(connection).stage(name) is stage:
                Ledger(connection).count_reads(name, counts)
        if set(counts) - {EQUAL}:
            LOG.warning("reads of %s differ between file and table: %s", name, dict(counts))

    def _shadowed(self, connection: Connection, reads: Iterable[Read]) -> Iterable[str]:
        """Compare with the table while the file is believed; what differs is looked at again while nobody writes."""
        for read in reads:
            way = self._with_table(read)
            if way != EQUAL:
                with self._site.holding(read.document.name):
                    if at_rest(self._site, connection, read.document) is None:
                        continue
                    way = self._with_table(read)
            yield way

    def _with_table(self, read: Read) -> str:
        connection, view = self._site.connection(), self._site.view(read.document)
        if connection is None:
            return EQUAL
        with view.current() as made:
            believed, table = view.stores(made)[read.part], self._site.stores(connection, read.document)[read.part]
            if read.question is not None:
                lists = [[record.key for record in Query(store).page(*read.question)] for store in (believed, table)]
                return ways_of_keys(*lists)
            pairs = [(believed.get([key]).get(key), table.get([key]).get(key)) for key in read.keys]
        return next((way for pair in pairs if (way := way_of(*pair)) != EQUAL), EQUAL)
