"""Ten mistakes, planted in a copy of the package, are found by the matrix: it can fail."""

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
# the mistake: file, what stands there, what shall stand there, and the row that must find it
MISTAKES = {
    "a file is not synced": ("files.py", WRITING, "", "write at off", POWER),
    "a folder is not synced": ("files.py", FOLDER, "", "write at off", POWER),
    "the database is synced now and then": (
        "engines/sqlite.py",
        '("wal", "FULL")',
        '("wal", "NORMAL")',
        "write at live",
        POWER,
    ),
    "the database is never synced": ("engines/sqlite.py", '("wal", "FULL")', '("wal", "OFF")', "write at live", POWER),
    "no intent is written": ("library/unit.py", INTEND, "                pass\n", "unit, files first", KILL),
    "no debt is noted": (
        "library/unit.py",
        "                if stage.mirrors:\n                    _owe(",
        "                if False:\n                    _owe(",
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


def planted(folder: Path, file: str, there: str, instead: str) -> Path:
    shutil.copytree(PACKAGE, folder / "mediaos_migrate", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(PACKAGE.parent / "schema", folder / "schema")
    path = folder / "mediaos_migrate" / file
    text = path.read_text(encoding="utf-8")
    assert text.count(there) == 1, f"{file} has changed: plant the mistake anew"
    path.write_text(text.replace(there, instead), encoding="utf-8")
    return folder


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_planted_mistake_is_found(mistake, tmp_path):
    file, there, instead, move, fault = MISTAKES[mistake]
    with driving(planted(tmp_path, file, there, instead)) as driver:
        told = driver.ask(move, fault, 30, first=True)
    assert told["wrong"] != []
