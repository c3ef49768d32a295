"""Kills a migration at every step that it names, runs it once more, and prints what came out differently.

A program of its own, because it forks: python tests/crash_driver.py APP FIXTURE SCRATCH [KEY]
"""

import contextlib
import io
import json
import os
import shutil
import signal
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

from mediaos_migrate import crash
from mediaos_migrate.moves import migrating, surveying
from mediaos_migrate.moves.surveyed import Options
from mediaos_migrate.site import Site

surveying.PAUSE = 0


def state(folder: Path) -> list[str]:
    """Return all that a site says, but for times, random ids and sealed values."""
    with contextlib.closing(sqlite3.connect(folder / "mediaos.db")) as connection:
        tables = [
            row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY 1")
        ]
        told = []
        for table in sorted(
            set(tables) - {"_mm_changes", "_mm_keys"}
        ):  # counts of what a killed run did as well, and salts
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info([{table}])")]
            skipped = (
                {"at", "id", "applied_at", "imported_at", "created_at", "duration_ms", "changes", "seconds"}
                if table.startswith("_mm_")
                else set()
            )
            kept = ", ".join(f"[{name}]" for name in columns if name not in skipped)
            rows = [f"{table}: {tuple(row)}" for row in connection.execute(f"SELECT DISTINCT {kept} FROM [{table}]")]
            told += sorted(rows) if table.startswith("_mm_") else rows  # documents are proved in whichever order
    told += sorted(path.name for path in folder.iterdir())
    told += [str(sorted(p.name for p in b.iterdir())) for b in (folder / ".mediaos-migrate" / "backups").iterdir()]
    return told


def forked(act: Callable[[], None]) -> int:
    """Run something in a process of its own; return how it ended."""
    child = os.fork()
    if child == 0:
        with contextlib.redirect_stderr(io.StringIO()):
            try:
                act()
            except BaseException:  # noqa: BLE001  a child must end here, whatever happened
                os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def migrate(app: str, folder: Path, at: str = "") -> int:
    """Migrate in a process of its own, to be killed at a step."""

    def act() -> None:
        crash._WANTED = at  # type: ignore[misc]
        crash._passed.clear()
        migrating.migrate(Site.open(folder, app=app), Options())

    return forked(act)


def steps(app: str, folder: Path) -> list[str]:
    """Name every step of a migration, in order."""
    told = io.StringIO()
    with contextlib.redirect_stderr(told):
        crash._WANTED = "?"  # type: ignore[misc]
        migrating.migrate(Site.open(folder, app=app), Options())
    crash._WANTED = ""  # type: ignore[misc]
    return [line.removeprefix("step ") for line in told.getvalue().splitlines() if line.startswith("step ")]


def main(app: str, fixture: str, scratch: str) -> None:
    """Print a JSON object: the steps, and what went wrong at which."""
    base = Path(scratch)
    shutil.copytree(fixture, base / "whole")
    names = steps(app, base / "whole")
    wanted = state(base / "whole")
    wrong: dict[str, list[str]] = {}
    for name in names:
        folder = base / "killed"
        shutil.copytree(fixture, folder)
        if migrate(app, folder, name) != -signal.SIGKILL:
            wrong[name] = ["was not killed"]
        elif migrate(app, folder) != 0:
            wrong[name] = ["the next run failed"]
        elif different := sorted(set(wanted) ^ set(state(folder))):
            wrong[name] = different[:5]
        shutil.rmtree(folder)
    sys.stdout.write(json.dumps({"steps": names, "wrong": wrong}))


if __name__ == "__main__":
    main(*sys.argv[1:4])
