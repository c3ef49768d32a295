"""What the figures were measured on: the kind of machine and the versions, never its name or its folders."""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
import subprocess
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any


def describe(folder: Path) -> dict[str, Any]:
    """Describe this machine and the disk that a folder lies on."""
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
        "memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "disk": _disk(folder),
        "mediaos-migrate": version("mediaos-migrate"),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "sqlite-utils": version("sqlite-utils"),
        "deepdiff": version("deepdiff"),
        "node": _node(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or "unknown")


def _disk(folder: Path) -> str:
    """Tell the kind of disk as far as Linux knows it; a virtual one does not say what is below it."""
    number = folder.stat().st_dev
    device = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}")
    if not device.exists():
        return "memory" if _in_memory(folder) else "unknown"
    disk = device.resolve()
    if disk.name.startswith("vd"):
        return "virtual"
    flags = [place / "queue" / "rotational" for place in (disk, disk.parent)]
    flag = next((flag.read_text(encoding="ascii").strip() for flag in flags if flag.exists()), "")
    return {"0": "solid state", "1": "spinning"}.get(flag, "unknown")


def _in_memory(folder: Path) -> bool:
    try:
        mounts = [line.split() for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()]
    except OSError:
        return False
    above = {str(place) for place in (folder.resolve(), *folder.resolve().parents)}
    return max((len(m[1]), m[2]) for m in mounts if m[1] in above)[1] == "tmpfs"


def _node() -> str | None:
    found = shutil.which("node")
    if not found:
        return None
    return subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout.strip().lstrip("v")
