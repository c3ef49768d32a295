"""A backup by the clock: a systemd timer, or a line for cron."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from .. import files
from ..backups.keeping import Keep
from ..errors import UsageError
from ..pack import word_for
from ..site import Site

NAME: Final = "mediaos-migrate-backup"
USER_UNITS: Final = Path(".config/systemd/user")


class Clock(StrEnum):
    """Who keeps the time."""

    SYSTEMD = "systemd"
    CRON = "cron"


class Every(StrEnum):
    """How often."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"


_WHEN: Final = {  # for systemd and for cron
    Every.HOUR: ("hourly", "17 * * * *"),
    Every.DAY: ("*-*-* 03:17:00", "17 3 * * *"),
    Every.WEEK: ("Sun *-*-* 03:17:00", "17 3 * * 0"),
}


@dataclass(frozen=True, slots=True)
class Schedule:
    """The files that a clock needs, by name, and where they go or went."""

    clock: Clock
    files: dict[str, str]
    folder: Path | None = None
    hint: str = ""


def schedule(site: Site, clock: Clock, every: Every, keep: Keep, key_file: Path | None = None) -> Schedule:
    """Write down a timer that makes a backup if anything changed, and lets old ones go."""
    commands = [_command(site, "create", "--reason", "schedule", "--if-changed")]
    if key_file:
        commands[0] += ["--encrypt", "--key-file", str(key_file.resolve())]
    rules = {"--keep-last": keep.last, "--keep-daily": keep.daily, "--keep-weekly": keep.weekly}
    rules |= {"--keep-monthly": keep.monthly}
    kept = [word for name, count in rules.items() if count for word in (name, str(count))]
    if kept:
        commands.append([*_command(site, "prune"), *kept])
    calendar, line = _WHEN[every]
    if clock is Clock.CRON:
        text = " && ".join(shlex.join(command) for command in commands).replace("%", "\\%")
        return Schedule(clock, {NAME: f"{line} {text}\n"}, hint="Add the line with `crontab -e`.")
    service = "".join(f"ExecStart={' '.join(map(_systemd, command))}\n" for command in commands)
    units = {
        f"{NAME}.service": f"[Unit]\nDescription=Backup of {site.pack.name}\n\n[Service]\nType=oneshot\n{service}",
        f"{NAME}.timer": (
            f"[Unit]\nDescription=Backups of {site.pack.name}\n\n[Timer]\nOnCalendar={calendar}\n"
            "Persistent=true\n\n[Install]\nWantedBy=timers.target\n"
        ),
    }
    return Schedule(clock, units, hint=f"systemctl --user daemon-reload && systemctl --user enable --now {NAME}.timer")


def install(made: Schedule, folder: Path | None) -> Schedule:
    """Write the files into a folder, by default systemd's own for this user. Raises UsageError."""
    if folder is None and made.clock is Clock.CRON:
        raise UsageError("A line for cron has no place of its own.", "Name a folder with --into, or use `crontab -e`.")
    place = folder or Path.home() / USER_UNITS
    place.mkdir(parents=True, exist_ok=True)
    for name, text in made.files.items():
        with files.replacing(place / name) as stream:
            stream.write(text.encode())
    return Schedule(made.clock, made.files, place, made.hint)


def _command(site: Site, *words: str) -> list[str]:
    """Return a command that says where everything is, for a clock starts it anywhere."""
    program = Path(sys.executable).with_name("mediaos-migrate")
    whose = ["--data", str(site.data.resolve()), "--db", str(site.db.resolve()), "--app", word_for(site.pack)]
    return [str(program), "backup", *words, *whose]


def _systemd(word: str) -> str:
    """Quote a word as a systemd unit reads it."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if escaped != word or not word.strip() or " " in word or "'" in word else word
