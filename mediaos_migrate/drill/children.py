"""Real processes that a drill kills, starves of disk, and asks what they had acknowledged."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

from .. import budget, scratch
from ..crash import VARIABLE
from ..errors import CouldNotCheck
from ..site import Site
from .model import Write

MODULE: Final = "mediaos_migrate.cli.forked"
SERVER: Final = "server"  # the folder in scratch where they say what they have to say
ROOT: Final = Path(__file__).parents[2]
STEP: Final = "step "
LISTED: Final = "?"  # the step to be killed at: none, but all are named

Group = list[Write]  # candidates: the first that the app's rules allow is written


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended: its exit code (negative: by which signal), and what it said."""

    code: int
    out: str
    err: str

    @property
    def killed(self) -> bool:
        """Whether it was killed, as it should be."""
        return self.code == -signal.SIGKILL

    @property
    def steps(self) -> list[str]:
        """The names of the steps that it passed, each once."""
        named = (line.removeprefix(STEP) for line in self.err.splitlines() if line.startswith(STEP))
        return list(dict.fromkeys(name.partition(":")[0] for name in named))

    @property
    def said(self) -> str:
        """The first thing that it had to say, steps aside."""
        lines = [line for line in self.err.splitlines() if line and not line.startswith(STEP) and " … (" not in line]
        return lines[0].rstrip(".") if lines else "it said nothing"

    def acknowledged(self, groups: Sequence[Group]) -> list[Write]:
        """Return what it had written for sure, even if it was killed then."""
        found = (line.split() for line in self.out.splitlines())
        return [groups[int(words[0])][int(words[1])] for words in found if words[1].isdigit()]


@dataclass(frozen=True, slots=True)
class Limits:
    """What befalls a process: the step at which it is killed, and the largest file that it may write."""

    at: str = ""
    size: int = 0


FREE: Final = Limits()


class Children:
    """Runs commands and writes, each in a process of its own."""

    def __init__(self, folder: Path, site: Site, within: Sequence[str] = ()) -> None:
        folder.mkdir(exist_ok=True)
        self._folder, self._key, self._app = folder, site.vault.key, str(site.pack.folder)
        variables = (*site.pack.folder_variables, site.pack.key_variable, VARIABLE)
        env = {name: value for name, value in os.environ.items() if name not in variables}
        env[budget.VARIABLE] = str(budget.granted().memory)
        words = [*within, sys.executable, "-P", "-m", MODULE]
        self._server = subprocess.Popen(  # noqa: S603  it is ourselves
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=env | {"PYTHONPATH": str(ROOT), "TMPDIR": str(folder), "PYTHONWARNINGS": "ignore"},
            cwd=folder,
            pass_fds=[scratch.holder(folder.parent)],
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.communicate()

    def run(self, site: Site, *words: str, limits: Limits = FREE) -> Ended:
        """Run a command on a site."""
        told = ["--data", str(site.data), "--db", str(site.db), "--app", self._app]
        key = ["--key-file", "-"] if self._key else []
        self._send({"words": [*words, *told, *key]}, limits)
        return self.end()

    def write(self, site: Site, groups: Sequence[Group], limits: Limits = FREE) -> Ended:
        """Write records through the library, one after the other."""
        self.begin(site, groups, limits)
        return self.end()

    def begin(self, site: Site, groups: Sequence[Group], limits: Limits = FREE) -> None:
        """Begin to write, and do not wait for it."""
        where = {"data": str(site.data), "db": str(site.db), "app": self._app, "key_file": "-" if self._key else None}
        self._send({"site": where, "writes": [[asdict(write) for write in group] for group in groups]}, limits)

    def _send(self, what: dict[str, Any], limits: Limits) -> None:
        out, err = self._folder / "out", self._folder / "err"
        asked = what | {"out": str(out), "err": str(err), "key": self._key, "at": limits.at, "size": limits.size}
        assert self._server.stdin  # noqa: S101  for mypy: it is a pipe
        self._server.stdin.write(json.dumps(asked).encode() + b"\n")
        self._server.stdin.flush()

    def end(self) -> Ended:
        """Wait for what was begun."""
        assert self._server.stdout  # noqa: S101  the same
        code = self._server.stdout.readline()
        if not code:
            raise CouldNotCheck("The process that runs the drill's commands has ended.", "Run the drill once more.")
        texts = [(self._folder / name).read_text(encoding="utf-8", errors="replace") for name in ("out", "err")]
        return Ended(int(code), *texts)
