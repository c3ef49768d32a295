"""How patient a site is: how long a document stays at a stage before it may go forward."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ..errors import UsageError
from ..stages import Stage


@dataclass(frozen=True, slots=True)
class Policy:
    """How long a document stays where it is before it may go forward, in hours since it came there."""

    name: str
    hours: dict[Stage, float] = field(default_factory=dict)
    debts: int = 1000  # more than so many changes that a file lacks are an alarm


PRESETS: Final = {
    "home": Policy("home", {Stage.DUALWRITE: 24, Stage.SHADOW: 24 * 7, Stage.LIVE: 24 * 7, Stage.RAMPDOWN: 24}),
    "ci": Policy("ci"),
}


def policy(text: str) -> Policy:
    """Return a preset, or read a policy from a TOML file: `debts = 100` and `[hours]` with a number for each stage."""
    if text in PRESETS:
        return PRESETS[text]
    try:
        found = tomllib.loads(Path(text).read_text(encoding="utf-8"))
        hours = {Stage(name): float(value) for name, value in found.get("hours", {}).items()}
        return Policy(text, hours, int(found.get("debts", 1000)))
    except OSError as error:
        raise UsageError(f"The policy {text} cannot be read: {error.strerror}.", "Choose home or ci.") from None
    except (ValueError, TypeError) as error:
        raise UsageError(f"The policy {text} is none: {error}.", "Choose home or ci, or mend the file.") from None
