"""How patient a site is: how long a document stays at a stage, and how often it must be found equal there."""

from __future__ import annotations

import tomllib
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
MOST: Final = 10**9  # of anything that can be waited for
WORDS: Final[dict[type, str]] = {int: "whole number", float: "number"}
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
        hours = _stages(found, "hours", float)
        looks, reads = (_stages(found, name, int) for name in ("looks", "reads"))
        return Policy(text, hours, looks, reads, _number("debts", found.get("debts", PRESETS["home"].debts), int))
    except OSError as error:
        raise UsageError(f"The policy {text} cannot be read: {error.strerror}.", "Choose home or ci.") from None
    except ValueError as error:
        raise UsageError(f"The policy {text} is none: {error}.", "Choose home or ci, or mend the file.") from None


def _check(found: dict[str, Any]) -> None:
    if unknown := sorted(set(found) - {*TABLES, "debts"}):
        raise ValueError(f"it has no `{unknown[0]}`, only {', '.join([*TABLES, 'debts'])}")


def _stages(found: dict[str, Any], name: str, kind: type[Number]) -> dict[Stage, Number]:
    """Read one table. Raises ValueError for a stage that is none, and for what is no number."""
    table = found.get(name, {})
    if not isinstance(table, dict):
        raise ValueError(f"`{name}` is a table with a number for each stage")  # noqa: TRY004  as all that is wrong in it
    if unknown := sorted(set(table) - set(map(str, Stage))):
        raise ValueError(f"`{unknown[0]}` is no stage, only {', '.join(Stage)}")
    return {Stage(stage): _number(f"{name}.{stage}", value, kind) for stage, value in table.items()}


def _number(name: str, value: Any, kind: type[Number]) -> Number:
    """Take a number that can be waited for: finite, not negative, whole where things are counted."""
    fits = not isinstance(value, bool) and isinstance(value, (kind, int)) and 0 <= value < MOST
    if not fits:
        raise ValueError(f"`{name}` must be a {WORDS[kind]} from 0 on, not {value!r}")
    return kind(value)
