"""Which backups may go: by count, age and size together, and never what is still needed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Final

from .. import crash, files
from ..engines.sqlite import Connection, tables
from ..ledger import Ledger
from ..site import RESTORE, Site
from .checking import is_whole
from .places import PARTIAL, Backup, all_of


@dataclass(frozen=True, slots=True)
class Keep:
    """How many to keep: of all, and one for each of so many days, weeks and months; how old, how large together.

    Where no number says what to keep, all are kept, as far as age and size allow.
    """

    last: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    max_age: int | None = None  # days
    max_size: int | None = None  # bytes, of all together


AUTOMATIC: Final = Keep(last=10)
_PERIODS: Final[Sequence[tuple[str, str]]] = (("daily", "%Y-%m-%d"), ("weekly", "%G-%V"), ("monthly", "%Y-%m"))


@dataclass(frozen=True, slots=True)
class Plan:
    """Which backups stay, and why those do that no rule keeps; and which go."""

    kept: list[Backup]
    removed: list[Backup]
    needed: dict[str, str]


def plan(site: Site, connection: Connection | None, keep: Keep, *, automatic: bool = False) -> Plan:
    """Say which backups would go; of the automatic ones only, if that is said."""
    found = all_of(site)
    concerned = [backup for backup in found if backup.manifest.automatic] if automatic else found
    wanted = _wanted(concerned, keep, datetime.now(UTC))
    needed = _needed(site, connection, found)
    removed = [backup for backup in concerned if backup.name not in wanted and backup.name not in needed]
    if keep.max_size is not None:
        removed += _too_large([b for b in concerned if b not in removed], keep.max_size, needed)
    gone = {backup.name for backup in removed}
    kept = [backup for backup in found if backup.name not in gone]
    return Plan(kept, sorted(removed, key=lambda b: b.name), {n: why for n, why in needed.items() if n not in wanted})


def remove(backups: Iterable[Backup]) -> None:
    """Remove backups; one that is half removed has a name that says so, and goes with the next run."""
    for backup in backups:
        gone = backup.path.with_name(PARTIAL + backup.path.name)
        backup.path.rename(gone)
        files.sync_folder(gone.parent)
        crash.point("backup.unnamed")
        clear(gone)


def clear(path: Path) -> None:
    """Remove a folder or a file of ours."""
    with suppress(NotADirectoryError):
        shutil.rmtree(path)
        return
    path.unlink(missing_ok=True)


def made_at(backup: Backup) -> datetime:
    """Return when a backup was made, by its own word; one that says nonsense is taken to be new."""
    with suppress(ValueError):
        found = datetime.fromisoformat(backup.manifest.created_at)
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    return datetime.now(UTC)


def _wanted(found: Sequence[Backup], keep: Keep, now: datetime) -> set[str]:
    newest_first = list(reversed(found))
    rules = [getattr(keep, rule) for rule, _ in _PERIODS]
    if not keep.last and not any(rules):
        names = {backup.name for backup in found}
    else:
        names = {backup.name for backup in newest_first[: keep.last]}
        for (_, form), count in zip(_PERIODS, rules, strict=True):
            names |= _one_each(newest_first, count, lambda b, form=form: made_at(b).strftime(form))  # type: ignore[misc]
    if keep.max_age is not None:
        oldest = now - timedelta(days=keep.max_age)
        names -= {backup.name for backup in found if made_at(backup) < oldest}
    return names


def _one_each(newest_first: Sequence[Backup], count: int, period: Callable[[Backup], str]) -> set[str]:
    """Name the newest of each of the last so many periods that have any."""
    found: dict[str, str] = {}
    for backup in newest_first:
        found.setdefault(period(backup), backup.name)
    return set(list(found.values())[:count])


def _too_large(found: Sequence[Backup], limit: int, needed: dict[str, str]) -> list[Backup]:
    total, gone = sum(backup.size for backup in found), []
    for backup in found:
        if total > limit and backup.name not in needed:
            gone.append(backup)
            total -= backup.size
    return gone


def _needed(site: Site, connection: Connection | None, found: Sequence[Backup]) -> dict[str, str]:
    """Name the backups that must stay, and why."""
    newest_first = list(reversed(found))
    needed: dict[str, str] = {}

    whole = cache(lambda number: is_whole(newest_first[number]))

    def first(why: str, fits: Callable[[Backup], bool]) -> None:
        chosen = next((backup for n, backup in enumerate(newest_first) if fits(backup) and whole(n)), None)
        if chosen:
            needed.setdefault(chosen.name, why)

    first("the last good one", lambda _: True)
    first("the last good one with a database", lambda b: b.manifest.database is not None)
    for name in _restoring(site):
        needed.setdefault(name, "an interrupted restore needs it")
    for why, fits in _needs(connection) if connection is not None and Ledger.is_in(connection) else ():
        first(why, fits)
    return needed


def _needs(connection: Connection) -> Iterator[tuple[str, Callable[[Backup], bool]]]:
    """Say what the database needs of the backups, document by document."""
    ledger, there = Ledger(connection), tables(connection)
    for document, entry in ledger.documents().items():
        file, digest = entry.file, entry.digest
        kept = ledger.archived(document) if "_mm_archives" in there else None
        if digest:
            yield f"it holds {file} as it was last imported", _holds(file, digest)
        if kept and kept.digest:
            yield f"it holds {file} as it was put away", _holds(file, kept.digest)
        if ledger.stage(document).believes_table:
            yield f"it holds the last copy of {file}", _holds(file)


def _holds(file: str, digest: str | None = None) -> Callable[[Backup], bool]:
    """Tell of a backup whether it holds a file, at hand and with a digest if one is given."""
    if digest is None:
        return lambda backup: file in backup.sizes
    return lambda backup: not backup.archived and backup.digests.get(file) == digest


def _restoring(site: Site) -> list[str]:
    with suppress(OSError, ValueError, AttributeError):
        told = json.loads((site.state / RESTORE).read_bytes())
        return [str(name) for name in (told.get("backup"), told.get("safety")) if name]
    return []
