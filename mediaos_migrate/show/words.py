"""Small pieces of text: tables, counts, sizes, keys."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..report import Key

Lines = Iterator[str]
FEW = 3


def table(rows: Sequence[Sequence[object]]) -> Lines:
    """Set rows under each other; the first is the heading, numbers stand to the right, None is blank."""
    cells = [["" if cell is None else str(cell) for cell in row] for row in rows]
    widths = [max(len(row[n]) for row in cells) for n in range(len(cells[0]))]
    right = [all(isinstance(row[n], int | None) for row in rows[1:]) for n in range(len(cells[0]))]
    for row in cells:
        padded = [
            cell.rjust(width) if on_right else cell.ljust(width)
            for cell, width, on_right in zip(row, widths, right, strict=True)
        ]
        yield "  ".join(padded).rstrip()


def many(number: int, noun: str) -> str:
    """Count something."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def size(number: int) -> str:
    """Say how many bytes, shortly."""
    amount = float(number)
    for unit in ("bytes", "KB", "MB"):
        if amount < 1000:  # noqa: PLR2004  the units are decimal
            return f"{amount:.0f} {unit}" if unit == "bytes" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"


def some(names: Sequence[str]) -> str:
    """Name the first few, and how many more there are."""
    rest = f" and {len(names) - FEW} more" if len(names) > FEW else ""
    return ", ".join(names[:FEW]) + rest


def spelled(key: Key) -> str:
    """Spell a key."""
    return " / ".join(key)


def unmapped(names: Sequence[str]) -> Lines:
    """Name what was not migrated."""
    if names:
        yield f"Not migrated, because the pack does not know them: {', '.join(names)}."
