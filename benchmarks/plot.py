"""The plot: how the cost grows with the number of records.

`python -m benchmarks.plot` draws it of the figures that were kept, in an environment of its own: matplotlib brings
numpy, which sqlite-utils takes in where it finds it, and every command of ours would start 0.2 s later while it is
measured.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from .contest import Results
from .measured import KEPT, PLOT, Measured
from .rows import IMPORT

TIMES: Final = {
    "sqlite-utils": ("sqlite-utils insert", "tab:gray"),
    "migrate": ("migrate, the whole command", "tab:blue"),
    IMPORT: ("migrate: import", "tab:cyan"),
    "validate": ("validate", "tab:green"),
    "floor": ("floor", "black"),
    "validate --quick": ("validate --quick", "tab:olive"),
}
MEMORY: Final = {
    "sqlite-utils": ("sqlite-utils insert", "tab:gray"),
    "by-hand": ("json.load, executemany", "tab:orange"),
    "migrate": ("migrate", "tab:blue"),
    "validate": ("validate", "tab:green"),
}
WRITES: Final = {
    "rewrite": ("the app's way: whole file", "tab:gray"),
    "live put-alone: p50": ("put at live", "tab:blue"),
}


def plot(measured: Measured, path: Path) -> None:
    """Draw three panels: seconds, memory, and one write. Needs the extra `bench`."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (times, memory, writes) = plt.subplots(1, 3, figsize=(15, 4.5), layout="constrained")
    for name, (label, color) in TIMES.items():
        _line(times, [(r.size, r.of(name)) for r in measured.carrying], label, color)
    for name, (label, color) in MEMORY.items():
        _line(memory, [(r.size, _megabytes(r, name)) for r in measured.carrying], label, color)
    for name, (label, color) in WRITES.items():
        _line(writes, [(r.size, r.of(name)) for r in measured.growing], label, color)
    memory.axhline(128, color="tab:red", linestyle=":", label="128 MB")
    _dress(times, "time to carry and check a library", "seconds")
    _dress(memory, "peak memory", "MB")
    _dress(writes, "one write", "seconds")
    figure.savefig(path, dpi=110, metadata={"Software": None})


def _megabytes(results: Results, name: str) -> float | None:
    found = results.memory_of(name)
    return None if found is None else found / 1_000_000


def _line(axes: Any, points: list[tuple[int, float | None]], label: str, color: str) -> None:
    there = [(size, value) for size, value in points if value is not None]
    if there:
        axes.plot(*zip(*there, strict=True), marker="o", label=label, color=color)


def _dress(axes: Any, title: str, unit: str) -> None:
    axes.set(title=title, xlabel="records", ylabel=unit, xscale="log", yscale="log")
    axes.grid(visible=True, which="major", alpha=0.3)
    axes.legend(fontsize="small")


if __name__ == "__main__":
    plot(Measured.read(KEPT), PLOT)
