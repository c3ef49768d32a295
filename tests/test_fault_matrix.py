"""Every move survives every fault: nothing is lost, and doing it once more ends as if nothing had happened.

Real processes and real faults, made by a shim before libc (tests/faults). CI tries a sample, the same each time;
MEDIAOS_FAULTS=all tries every place, MEDIAOS_FAULTS_SEED=2 another sample.
"""

import pytest
from fault_driver import FAULTS, KILL
from fault_moves import MOVES
from faulty import ALL, EVERY, reproduced


def survives(driver, move, fault, count):
    told = driver.ask(move, fault, EVERY if ALL else count)
    assert told["wrong"] == [], reproduced(move, fault)
    return told["tried"]


@pytest.mark.parametrize("move", MOVES)
def test_a_move_that_is_killed_at_any_named_step_is_completed_by_the_next_run(driver, move):
    survives(driver, move, KILL, 0)


@pytest.mark.parametrize("move", MOVES)
def test_a_move_survives_every_fault(driver, move):
    for fault in FAULTS if ALL else list(FAULTS)[:4]:
        assert survives(driver, move, fault, 1), fault


def test_the_shim_sees_what_sqlite_and_python_write(driver):
    told = driver.ask("write at live", "look")
    assert {"mediaos.db-wal", ".authors.json.mediaos-migrate-tmp"} <= set(told["paths"])
    assert told["calls"].keys() >= {"write", "sync", "rename", "create", "unlink"}
