"""After a power cut at any moment nothing is lost that was promised, whatever part of the rest reached the disk.

The disks are made from a trace of all that a move did (tests/power_cut.py): what was synced is there, of the rest
anything, torn at sectors. `make test` looks at more than 2,000 of them and recovers from about 300, `make test-all` recovers
from all of them, MEDIAOS_FAULTS=all from more.
"""

import os
import random

import pytest
from conftest import ALL as WHOLE
from fault_driver import POWER
from fault_moves import MOVES
from faulty import ALL, reproduced
from power_cut import ACK, CREATE, RENAME, SYNC, WAYS, WRITE, Chooser, Disk, Operation

SOME, MANY, MOST = 6, -(-2500 // len(MOVES)), 80  # disks for each move
LOOKS = -(-2000 // len(MOVES))
COUNT = MOST if ALL else MANY if os.environ.get(WHOLE) else SOME


@pytest.mark.parametrize("move", MOVES)
def test_a_move_survives_a_power_cut_at_any_moment(driver, move):
    told = driver.ask(move, POWER, COUNT, looks=max(MANY, COUNT))
    assert told["wrong"] == [], reproduced(move, POWER)
    assert told["tried"] >= COUNT // 2
    assert told["looked"] >= LOOKS


# ── the disks themselves ──


def disks(folder, operations):
    """Return what may be on the disk after the last operation."""
    disk = Disk(folder)
    for operation in operations:
        disk.do(operation)
    return [disk.image(Chooser(*way, random.Random(1))) for way in WAYS]


def test_what_was_synced_is_there_whatever_else_is_lost(tmp_path):
    replaced = [
        Operation(CREATE, "new", "", b"", 0),
        Operation(WRITE, "new", "", b"x" * 2000, 0),
        Operation(SYNC, "new", "", b"", 0),
        Operation(RENAME, "new", "old", b"", 0),
        Operation(SYNC, ".", "", b"", 0),
        Operation(ACK, "", "", b"", 0),
    ]
    (tmp_path / "old").write_bytes(b"before")
    assert disks(tmp_path, replaced) == [{"old": b"x" * 2000}] * len(WAYS)
    without_folder = disks(tmp_path, replaced[:-2])
    assert {"old": b"before"} in without_folder
    without_file = [image["old"] for image in disks(tmp_path, [*replaced[:2], *replaced[3:]])]
    assert b"" in without_file


def test_what_was_not_synced_is_torn_at_sectors(tmp_path):
    torn = set()
    (tmp_path / "file").write_bytes(b"")
    for seed in range(200):
        disk = Disk(tmp_path)
        disk.do(Operation(WRITE, "file", "", b"x" * 2000, 0))
        torn.add(len(disk.image(Chooser(None, None, random.Random(seed)))["file"]))
    assert torn == {0, 512, 1024, 1536, 2000}
