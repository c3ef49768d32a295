"""A process of ours beside the app's: writes large files after their tables, and compares what was read with them.

So no thread of the app waits for one, nor for its interpreter. The process keeps where each record lies, which makes
the next look at the same file, or change of it, little work; it ends with the app. It rests while it compares, which
nobody waits for, until a line on its standard input says that somebody does.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import IO, Any, Final

from .. import pack
from ..engines.sqlite import Connection
from ..errors import MigrateError
from ..journal import Journal
from ..moves import mirroring
from ..pack import Document
from ..secrets import Vault
from ..site import Site
from .host import Host
from .reads import Read, with_file

LARGE: Final = 4 << 20  # bytes of a file that would be felt by whoever shares the interpreter with its reader
_NICER: Final = 5  # than the app
_WORKS, _RESTS = 0.01, 0.03  # seconds: what compares takes a quarter of a processor, which may be the only one
_PATIENCE: Final = 20.0  # seconds that debts wait for a comparison that rests

Answer = Mapping[str, Any]


class Aside:
    """Asks the process, which begins with the first question; for several threads."""

    def __init__(self, site: Host) -> None:
        self._site, self._lock, self._telling = site, threading.Lock(), threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._hurried = False

    def pays(self) -> bool:
        """Tell whether one of the files that owe something is large."""
        connection = self._site.connection()
        owing = Journal(connection).debts() if connection else {}
        known = self._site.pack.documents
        return any(self.serves(known[name]) for name in owing if name in known)

    def serves(self, document: Document) -> bool:
        """Tell whether a document's file is large."""
        with suppress(OSError):
            return self._site.file(document).stat().st_size > LARGE
        return False

    def flush(self) -> bool:
        """Pay all debts; False when that could not be, or failed: the debts tell."""
        if self._lock.acquire(timeout=_PATIENCE):
            self._lock.release()
        else:
            self._urge()
        return self._ask({"do": "flush"}) is not None

    def compare(self, reads: Iterable[Read]) -> Counter[str] | None:
        """Compare reads with their file, and count how they came out; None when that could not be, or failed."""
        told = [(read.document.name, read.part, read.keys) for read in reads]
        found = self._ask({"do": "compare", "reads": told, "gently": not self._hurried})
        return None if found is None else Counter(found["counts"])

    def hurry(self) -> None:
        """Let it rest no more: from now on somebody waits for its end."""
        self._hurried = True
        self._urge()

    def _urge(self) -> None:
        with suppress(OSError, ValueError):
            if (process := self._process) and process.stdin:
                self._tell(process.stdin, None)

    def stop(self) -> None:
        """Let the process end."""
        with self._lock:
            self._end()
        self._hurried = False

    def forsake(self) -> None:
        """Let go of what is another process's child, after a fork."""
        if self._process is not None:
            self._process.returncode = 0  # nobody here may wait for it
            _close(self._process)

    def _ask(self, question: Answer) -> Answer | None:
        with self._lock:
            with suppress(OSError, ValueError):
                process = self._process or self._begin()
                if process is None or process.stdin is None or process.stdout is None:
                    return None
                self._tell(process.stdin, question)
                found: Answer = json.loads(process.stdout.readline())
                return found if found["ok"] else None
            self._end()
        return None

    def _begin(self) -> subprocess.Popen[str] | None:
        if not Path(sys.executable or "").name.startswith("python"):  # a server that has Python inside starts itself
            return None
        path = os.pathsep.join(filter(None, (str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH"))))
        # It is ours to end from here on, whether it listens or not.
        process = self._process = subprocess.Popen(  # noqa: S603  ourselves
            [sys.executable, "-P", "-c", f"from {__name__} import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path},
            encoding="utf-8",
            start_new_session=True,  # a Ctrl-C is the app's
        )
        site = self._site
        key = site.vault.key if site.vault.has_key else None  # through a pipe, where nobody else sees it
        told = {"data": str(site.data), "db": str(site.db), "app": str(site.pack.folder), "key": key}
        if process.stdin is not None:
            self._tell(process.stdin, told)
        return process

    def _tell(self, stream: IO[str], what: Answer | None) -> None:
        with self._telling:
            _tell(stream, what)

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            _close(process)
            process.wait()


def _tell(stream: IO[str], what: Answer | None) -> None:
    stream.write(json.dumps(what) + "\n")
    stream.flush()


def _close(process: subprocess.Popen[str]) -> None:
    for stream in (process.stdin, process.stdout):
        with suppress(OSError):
            if stream is not None:
                stream.close()


def main() -> None:
    """Be the other process."""
    asked = open(0, "rb", buffering=0)  # noqa: SIM115  so that what waits there can be seen
    told = json.loads(asked.readline())
    os.nice(_NICER)
    known = pack.load(told["app"])
    vault = Vault(told["key"], envelope=known.envelope, app=known.app)
    site = Site(Path(told["data"]), Path(told["db"]), known, vault)
    site.layouts = {}
    for line in asked:
        question = json.loads(line)
        if question is None:
            continue
        try:
            answer = {"ok": True, **_answer(site, question)}
        except (MigrateError, sqlite3.Error, OSError):
            answer = {"ok": False}
        _tell(sys.stdout, answer)


def _answer(site: Site, question: Answer) -> Answer:
    """Do what was asked."""
    if question["do"] == "flush":
        with site.shared(), site.writing() as connection:
            mirroring.flush(site, connection)
            return {}
    told = question["reads"]
    reads = [Read(site.pack.document(name), part, tuple(map(tuple, keys))) for name, part, keys in told]
    with site.writing() as connection, gently(connection) if question["gently"] else nullcontext():
        return {"counts": dict(Counter(with_file(site, connection, reads)))}


@contextmanager
def gently(connection: Connection, listening: int = 0) -> Iterator[None]:
    """Rest again and again, but in no transaction; no more once something is heard on this descriptor, or it ended."""

    def rest(*_: object) -> None:
        if not connection.in_transaction and select.select([listening], [], [], _RESTS)[0]:
            signal.setitimer(signal.ITIMER_PROF, 0)

    signal.signal(signal.SIGPROF, rest)
    signal.setitimer(signal.ITIMER_PROF, _WORKS, _WORKS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
