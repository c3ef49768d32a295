"""A process that runs commands in forks of its own, so that a drill can kill them: one JSON object a line asks for one.

`{"words": […]}` is a command, `{"site": {…}, "writes": […]}` writes through the library. With it come `out` and `err`
(files), `key` (for `--key-file -`), `at` (the step to be killed at) and `size` (the largest file it may write).
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import resource
import sys
import traceback
from contextlib import suppress
from typing import Any, Final

from .. import backups, budget, cli, crash, drill, library, moves
from .main import main

OURS: Final = 70  # the exit code of a mistake of ours that no command has told


def serve() -> None:
    """Run what is asked for, one after the other, and answer each with how it ended."""
    for package in (moves, library, backups, cli):  # once for all forks
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    for line in sys.stdin:
        child = os.fork()
        if not child:
            _run(json.loads(line))
        ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os.write(1, f"{ended}\n".encode())


def _run(asked: dict[str, Any]) -> None:
    """Do what is asked, in a child; this never returns."""
    code = OURS
    try:
        _prepare(asked)
        code = _act(asked)
    except BaseException:  # noqa: BLE001  a child must end here, whatever happened
        with suppress(OSError):
            os.write(2, traceback.format_exc().encode("utf-8", "replace"))
    finally:
        os._exit(code)


def _prepare(asked: dict[str, Any]) -> None:
    """Connect standard input, output and errors, and set the step to be killed at."""
    reading, writing = os.pipe()
    os.write(writing, asked.get("key", "").encode())
    os.close(writing)
    os.dup2(reading, 0)
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(asked[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
    os.environ[crash.VARIABLE] = asked.get("at", "")
    importlib.reload(crash)
    if size := asked.get("size"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def _act(asked: dict[str, Any]) -> int:
    if "writes" in asked:
        with budget.granting(budget.Budget(int(os.environ[budget.VARIABLE]))):
            return drill.write(asked["site"], asked["writes"])
    sys.argv = ["mediaos-migrate", *asked["words"]]
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


if __name__ == "__main__":
    serve()
