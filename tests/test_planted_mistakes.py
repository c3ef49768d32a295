"""Mistakes, planted in a copy of the package, are found by the matrix, ten of them by cutting the power: it can fail."""

import shutil
from pathlib import Path

import pytest
from fault_driver import KILL, POWER
from faulty import driving

import mediaos_migrate

PACKAGE = Path(mediaos_migrate.__file__).parent
WRITING = "                os.fsync(stream.fileno())\n"
FOLDER = '        crash.point("file.renamed")\n        sync_folder(self._target.parent)\n'
INTEND = "                Journal(connection).intend(intent)\n"
NOTED = """\
            if connection is not None:
                with noting(self._site, self._counts(), alone=len(stages) == len(first) == 1):
                    self._write_tables(connection, stages, rewrites)
"""
# The last write waits for the next one, or for the end.
LATE = """\
                waiting = self._site.__dict__.setdefault("_waiting", [])
                for each in waiting:
                    each.run()
                waiting[:] = [Commit(self._site, changes)]
                close = type(self._site).close
                self._site.close = lambda: ([each.run() for each in waiting], close(self._site))
"""
# the mistake: file, what stands there, what shall stand there, and the row that must find it
MISTAKES = {
    "a file is not synced": ("files.py", WRITING, "", "write at off", POWER),
    "a folder is not synced": ("files.py", FOLDER, "", "write at off", POWER),
    "the database is synced now and then": (
        "engines/sqlite.py",
        '("wal", _FULL)',
        '("wal", 1)',
        "write at live",
        POWER,
    ),
    "the database is never synced": ("engines/sqlite.py", '("wal", _FULL)', '("wal", 0)', "write at live", POWER),
    "a write is acknowledged before it is committed": (
        "library/unit.py",
        "                Commit(self._site, changes).run()\n",
        LATE,
        "write at complete",
        POWER,
    ),
    "a file is put in place before that is intended": (
        "library/unit.py",
        f"{NOTED}            _put(rewrites)\n",
        f"            _put(rewrites)\n{NOTED}",
        "unit, files first",
        POWER,
    ),
    "no intent is written": ("library/unit.py", INTEND, "                pass\n", "unit, files first", KILL),
    "no debt is noted": (
        "library/unit.py",
        "for part, plan in planned.items() if stage.mirrors else ():",
        "for part, plan in planned.items() if False else ():",
        "write at live",
        KILL,
    ),
    "the rest of a unit is dropped when one file fails": (
        "library/unit.py",
        "                rewrite.kept = True\n",
        "                rewrite.kept = False\n",
        "unit, files first",
        "EIO on fsync",
    ),
    "a move is not announced beside the files": (
        "moves/staging.py",
        "    marker.write(site.state, ledger, site.owner, {document.name: stage})\n",
        "    marker.write(site.state, ledger, site.owner)\n",
        "advance to live",
        KILL,
    ),
    "a backup is named before it is whole": (
        "backups/taking.py",
        "    for name, content in own.items():\n",
        "    whole = partial.with_name(partial.name.removeprefix(PARTIAL))\n    partial.rename(whole)\n    partial = whole\n"
        "    for name, content in own.items():\n",
        "backup create",
        KILL,
    ),
    "a file that could not be written is thought to be": (
        "files.py",
        '        except BaseException:\n            self.drop()\n            raise\n        crash.point("file.written")',
        '        except OSError:\n            pass\n        crash.point("file.written")',
        "write at off",
        "ENOSPC",
    ),
}
# They break a promise that shows on the disk itself, before the next run; the others show in what that makes of it.
SEEN = {
    "a file is not synced",
    "a folder is not synced",
    "the database is synced now and then",
    "the database is never synced",
    "a write is acknowledged before it is committed",
}
# What a kill at a named step finds, a power cut finds too.
BY_POWER = [name for name, mistake in MISTAKES.items() if mistake[-1] is KILL]
CASES = [(name, mistake[-1]) for name, mistake in MISTAKES.items()] + [(name, POWER) for name in BY_POWER]


def test_ten_mistakes_are_for_the_power_cut_to_find():
    assert sum(fault is POWER for _, fault in CASES) >= 10


def planted(folder: Path, file: str, there: str, instead: str) -> Path:
    shutil.copytree(PACKAGE, folder / "mediaos_migrate", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(PACKAGE.parent / "schema", folder / "schema")
    path = folder / "mediaos_migrate" / file
    text = path.read_text(encoding="utf-8")
    assert text.count(there) == 1, f"{file} has changed: plant the mistake anew"
    path.write_text(text.replace(there, instead), encoding="utf-8")
    return folder


@pytest.mark.parametrize(("mistake", "fault"), CASES)
def test_a_planted_mistake_is_found(mistake, fault, tmp_path):
    file, there, instead, move, _ = MISTAKES[mistake]
    with driving(planted(tmp_path, file, there, instead)) as driver:
        told = driver.ask(move, fault, 0 if mistake in SEEN else 30, looks=50, first=True)
    assert told["wrong"] != []
