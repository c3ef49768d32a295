"""What many tests share: a data folder to work on, and the command as it is installed."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import pytest

from mediaos_migrate.moves import looks, surveying

FIXTURES: Final = Path(__file__).parents[1] / "fixtures"
COMMAND: Final = Path(sys.executable).with_name("mediaos-migrate")
KEY: Final = "mediaos-fixture-key-0123456789abcdef"  # the fixtures were sealed with it

Run = Callable[..., subprocess.CompletedProcess[str]]

# What takes long, modules or tests, is run as a sample, another one with each seed; `make test-all` leaves nothing out.
SHARES: Final = {
    "test_backup_attacks": 0.25,
    "test_backup_crash": 0.2,
    "test_backups": 0.2,
    "test_cli.py::test_no_file_whatever_brings_a_migration_down": 0.5,
    "test_complete": 0.3,
    "test_crash_writes": 0.2,
    "test_doctor.py::test_the_doctor_refuses_what_a_migration_refuses": 0.5,
    "test_engine.py::test_looking_never_touches": 0.4,
    "test_engine.py::test_looking_works_on_a_read_only_mount": 0.4,
    "test_drill_sites": 0.1,
    "test_example": 0.3,
    "test_fault_matrix": 0.2,
    "test_keys": 0.2,
    "test_models": 0.5,
    "test_planted_faults": 0.2,
    "test_planted_mistakes": 0.25,
    "test_power_cut.py::test_a_move_survives_a_power_cut_at_any_moment": 0.25,
    "test_laws": 0.5,
    "test_nothing_shows_a_secret": 0.5,
    "test_quarantine": 0.4,
    "test_recover": 0.2,
    "test_repository": 0.5,
    "test_rollback": 0.2,
    "test_scrub": 0.3,
    "test_shadow": 0.3,
    "test_walk": 0.25,
    "test_wiring": 0.25,
    "test_writer": 0.6,
}
ALL: Final = "MEDIAOS_MIGRATE_ALL_TESTS"
SMALL: Final = 3000  # tests: fewer were chosen by a person


# A key is derived slowly on purpose, and comes out the same each time: once for each salt is enough.
hashlib.pbkdf2_hmac = lru_cache(hashlib.pbkdf2_hmac)
hashlib.scrypt = lru_cache(hashlib.scrypt)


def pytest_configure() -> None:
    """Let no test fail because the machine is slow: Hypothesis would count seconds."""
    from hypothesis import HealthCheck, settings

    settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("patient")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave a sample of what takes long, if more than a module or two is run."""
    if os.environ.get(ALL) or len(items) < SMALL:
        return
    seed = getattr(config.option, "randomly_seed", 0)
    left = [item for item in items if _is_drawn(item, seed)]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(left)])
    items[:] = left


def _is_drawn(item: pytest.Item, seed: object) -> bool:
    test = item.nodeid.rpartition("/")[2].partition("[")[0]
    share = SHARES.get(test, SHARES.get(item.path.stem, 1.0))
    return random.Random(f"{seed} {item.nodeid}").random() < share


def clean_environment(**more: str) -> dict[str, str]:
    """Return an environment in which nothing but `more` steers the command."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("MEDIAOS_", "ENCRYPTION_"))}
    ours.pop("CONFIG_DIR", None)
    ours.pop("PYTHONDONTWRITEBYTECODE", None)  # thousands of processes compile us once, not each for itself
    path = f"{COMMAND.parent}{os.pathsep}{os.environ['PATH']}"
    return ours | {"PATH": path, "COLUMNS": "80", "LC_ALL": "C.UTF-8", "TZ": "UTC"} | more


@pytest.fixture(scope="session", autouse=True)
def _no_pause() -> Iterator[None]:
    """Look twice without a pause: it is for those who write meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(looks, "PAUSE", 0)
        patch.setattr(surveying, "PAUSE", 0)
        yield


@pytest.fixture
def site_folder(tmp_path: Path) -> Path:
    """Copy the folder with every awkward record to where the command looks by default."""
    return Path(shutil.copytree(FIXTURES / "mediaos", tmp_path / "config"))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run the installed command in the folder that holds `config`, without a key unless one is given."""

    def run(*arguments: object, key: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        given = {"ENCRYPTION_KEY": key} if key else {}
        return subprocess.run(
            [COMMAND, *map(str, arguments)],
            cwd=tmp_path,
            env=clean_environment(**given, **environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
        )

    return run


@pytest.fixture(scope="session")
def driver() -> Iterator[Any]:
    """Disturb moves in processes of their own (tests/faulty.py)."""
    from faulty import driving

    with driving() as driver:
        yield driver
