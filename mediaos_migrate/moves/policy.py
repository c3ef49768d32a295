"""How patient a site is: how long a document stays at a stage, and how often it must be found equal there."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from ..errors import UsageError
from ..stages import Stage


@dataclass(frozen=True, slots=True)
class Policy:
    """What a document's stage must have seen before it may go forward.

    `hours` since it came there, `looks` (clean verdicts of the present epoch), `reads` that were compared with the
    other home and found equal. More `debts` (changes that a file lacks) are an alarm.
    """

    name: str
    hours: dict[Stage, float] = field(default_factory=dict)
    looks: dict[Stage, int] = field(default_factory=dict)
    reads: dict[Stage, int] = field(default_factory=dict)
    debts: int = 1000


TABLES: Final = ("hours", "looks", "reads")
Number = TypeVar("Number", int, float)

PRESETS: Final = {
    "home": Policy(
        "home",
        {Stage.DUALWRITE: 24, Stage.SHADOW: 24 * 7, Stage.LIVE: 24 * 7, Stage.RAMPDOWN: 24},
        looks={Stage.DUALWRITE: 1, Stage.SHADOW: 3, Stage.LIVE: 3},
    ),
    "ci": Policy("ci"),
}


def policy(text: str) -> Policy:
    """Return a preset, or read a policy from a TOML file.

    `debts = 100`, and tables `[hours]`, `[looks]`, `[reads]` with a number for each stage.
    """
    if text in PRESETS:
        return PRESETS[text]
    try:
        found = tomllib.loads(Path(text).read_text(encoding="utf-8"))
        _check(found)
        hours, looks, reads = (found.get(table, {}) for table in TABLES)
        debts = int(found.get("debts", PRESETS["home"].debts))
        return Policy(text, _stages(hours, float), _stages(looks, int), _stages(reads, int), debts)
    except OSError as error:
        raise UsageError(f"The policy {text} cannot be read: {error.strerror}.", "Choose home or ci.") from None
    except (ValueError, TypeError, AttributeError) as error:
        raise UsageError(f"The policy {text} is none: {error}.", "Choose home or ci, or mend the file.") from None


def _check(found: dict[str, Any]) -> None:
    if unknown := sorted(set(found) - {*TABLES, "debts"}):
        raise ValueError(f"it has no `{unknown[0]}`, only {', '.join([*TABLES, 'debts'])}")


def _stages(table: dict[str, Any], kind: Callable[[Any], Number]) -> dict[Stage, Number]:
    return {Stage(name): kind(value) for name, value in table.items()}
