"""Writes files after their tables in a process of its own, so that no thread of the app waits for a large one.

It also finds out where each record lies, and tells: the next change of the same file is little work, for anybody.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from .. import pack
from ..documents.layout import Layout
from ..journal import Journal
from ..moves import mirroring
from ..secrets import Vault
from ..site import Site
from .host import Host

LARGE: Final = 4 << 20  # bytes of a file whose rewrite would be felt
_PATIENCE: Final = 5  # how much nicer than the app its helper is


def pays(site: Host) -> bool:
    """Tell whether one of the files that owe something is large, and has to be read to be written."""
    connection = site.connection()
    owing = Journal(connection).debts() if connection else {}
    unread = [name for name in owing if name in site.pack.documents and name not in (site.layouts or {})]
    files = (site.file(site.pack.document(name)) for name in unread)
    return any(file.is_file() and file.stat().st_size > LARGE for file in files)


def flush(site: Host) -> bool:
    """Pay all debts in another process; False when there could be none, or it failed: the debts tell."""
    if not Path(sys.executable or "").name.startswith("python"):  # a server that has Python inside would start itself
        return False
    key = site.vault.key if site.vault.has_key else None  # through a pipe, where nobody else sees it
    told = {"data": str(site.data), "db": str(site.db), "app": str(site.pack.folder), "key": key}
    home = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, (home, os.environ.get("PYTHONPATH"))))
    with suppress(OSError):
        done = subprocess.run(  # noqa: S603  ourselves
            [sys.executable, "-P", "-c", f"from {__name__} import main; main()"],
            input=json.dumps(told).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,  # a Ctrl-C is the app's
            check=False,
        )
        if done.returncode == 0:
            site.layouts = (site.layouts or {}) | _heard(done.stdout)
            return True
    return False


def _heard(said: bytes) -> dict[str, Layout]:
    """Read what the other process has found out: names and sizes in one line, then the layouts."""
    line, _, rest = said.partition(b"\n")
    found, at = {}, 0
    for name, size in json.loads(line or b"[]"):
        found[name] = Layout.from_bytes(rest[at : at + size])
        at += size
    return found


def _say(layouts: dict[str, Layout]) -> None:
    """Tell what `_heard` reads."""
    told = {name: bytes(layout) for name, layout in layouts.items()}
    line = json.dumps([(name, len(data)) for name, data in told.items()])
    sys.stdout.buffer.write(b"".join([line.encode(), b"\n", *told.values()]))


def main() -> None:
    """Be the other process."""
    told = json.loads(sys.stdin.buffer.read())
    os.nice(_PATIENCE)
    known = pack.load(told["app"])
    vault = Vault(told["key"], envelope=known.envelope, app=known.app)
    site = Site(Path(told["data"]), Path(told["db"]), known, vault)
    site.layouts = {}
    with site.shared(), site.writing() as connection:
        mirroring.flush(site, connection)
    _say(site.layouts)
