"""The wheel carries all it needs: built and installed without the network, it migrates from anywhere."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
from conftest import FIXTURES, KEY, clean_environment
from pages import PROGRESS, ROOT

PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "--no-input", "--no-cache-dir"]
FILES = sorted(path.name for path in (FIXTURES / "mediaos").iterdir())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel with what is installed here."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [*PIP, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder, ROOT], check=True
    )
    (found,) = folder.iterdir()
    return found


@pytest.fixture(scope="module")
def command(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel into an environment of its own, which borrows its dependencies from this one."""
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    subprocess.run([*PIP, f"--python={python}", "install", "--no-deps", "--no-index", wheel], check=True)
    # Only now: what is installed here would make pip believe that there is nothing to do.
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return folder / "bin" / "mediaos-migrate"


def call(command: Path, *arguments: object, folder: Path) -> str:
    """Run the installed command in a folder, with nothing of this project on its way."""
    environment = clean_environment(ENCRYPTION_KEY=KEY)
    for name in [name for name in environment if name.startswith(("PYTHON", "COV"))]:
        del environment[name]
    done = subprocess.run(
        [command, *map(str, arguments)], cwd=folder, env=environment, capture_output=True, text=True, encoding="utf-8"
    )
    assert (done.returncode, [line for line in done.stderr.splitlines() if not line.endswith(PROGRESS)]) == (0, [])
    return done.stdout


def test_the_wheel_carries_every_pack_and_no_test(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    schema = {f"mediaos_migrate/{path.relative_to(ROOT)}" for path in (ROOT / "schema").rglob("*") if path.is_file()}
    assert schema <= names
    assert {"mediaos_migrate/py.typed", "mediaos_migrate/show/output.schema.json"} <= names
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"mediaos_migrate"}


def test_the_wheel_carries_every_module(wheel: Path) -> None:
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "mediaos_migrate").rglob("*.py")}
    assert {name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".py")} == modules


def test_the_installed_command_is_the_wheels(command: Path, tmp_path: Path) -> None:
    python = command.with_name("python")
    script = "import mediaos_migrate, sys; print(mediaos_migrate.__file__)"
    assert Path(call(python, "-I", "-c", script, folder=tmp_path).strip()).is_relative_to(command.parents[1])


def test_an_installed_wheel_goes_there_and_back_from_anywhere(command: Path, site_folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert "equal" in call(command, "migrate", "--data", site_folder, folder=elsewhere)
    call(command, "export", "--data", site_folder, "--to", "exported", folder=elsewhere)
    exported = {path.name: path.read_bytes() for path in (elsewhere / "exported").iterdir()}
    assert exported == {name: (FIXTURES / "mediaos" / name).read_bytes() for name in FILES}


def test_building_leaves_the_working_tree_as_it_was(wheel: Path) -> None:
    assert not (ROOT / "build").exists()
    assert not list(ROOT.glob("*.egg-info"))
    assert os.fspath(wheel).endswith("-py3-none-any.whl")
