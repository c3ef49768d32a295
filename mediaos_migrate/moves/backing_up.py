"""Making backups, looking at them, proving that they can be relied on, and letting old ones go."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from .. import backups
from ..backups import Backup, Wish, checking, keeping, places
from ..backups.keeping import Keep, Plan
from ..engines.sqlite import Connection
from ..errors import MigrateError, NeedsKey, NoData
from ..report import SILENT, Progress
from ..site import Site


@dataclass(frozen=True, slots=True)
class Listed:
    """A backup that is there; what cannot be read has its reason instead."""

    name: str
    backup: Backup | None = None
    error: MigrateError | None = None


@dataclass(frozen=True, slots=True)
class Checked:
    """What reading a backup back found; `unchecked` says why it could not be read at all."""

    name: str
    findings: list[str] = field(default_factory=list)
    unchecked: str | None = None


def create(site: Site, wish: Wish) -> Backup:
    """Back up files and database. Raises Locked, NotSettled, NeedsKey, or Refused when the disk is too small."""
    if not site.holds_data() and not site.db.exists():
        raise NoData(f"{site.data} holds nothing of {site.pack.name}.", "Name the data folder with --data.")
    with site.locked(wait=10), opened(site) as connection:
        return backups.take(site, connection, wish)


@contextmanager
def opened(site: Site) -> Iterator[Connection | None]:
    """Lend out the database, None where there is none yet."""
    if not site.db.exists() or not site.db.stat().st_size:
        yield None
        return
    with site.writing() as connection:
        yield connection


def listed(site: Site) -> list[Listed]:
    """Name all backups, oldest first, those too that cannot be read."""
    return [_look(path.name.removesuffix(".tar"), lambda p=path: places.load(p, site)) for path in places.paths(site)]  # type: ignore[misc]


def _look(name: str, load: Callable[[], Backup]) -> Listed:
    try:
        return Listed(name, load())
    except MigrateError as error:
        return Listed(name, error=error)


def show(site: Site, name: str) -> Backup:
    """Return one backup. Raises UsageError or Damaged."""
    return backups.find(site, name)


def verify(site: Site, names: Sequence[str] = (), progress: Progress = SILENT) -> list[Checked]:
    """Read backups back, every byte, and open their databases; nothing of the site is touched."""
    found = [_look(name, lambda n=name: backups.find(site, n)) for name in names] if names else listed(site)  # type: ignore[misc]
    for item in found:
        if names and item.error and item.error.exit_code == 2:  # noqa: PLR2004  there is no such backup
            raise item.error
    return [_check(site, item, progress) for item in found]


def _check(site: Site, item: Listed, progress: Progress) -> Checked:
    progress.step("verify", item.name)
    if item.backup is None:
        return Checked(item.name, [item.error.message if item.error else ""])
    try:
        return Checked(item.name, checking.findings(site, item.backup))
    except NeedsKey as error:
        return Checked(item.name, unchecked=error.message)
    except MigrateError as error:
        return Checked(item.name, [error.message])


def exit_code(checked: Sequence[Checked]) -> int:
    """Return 3 where damage was found, 5 where it could not be looked for."""
    if any(item.findings for item in checked):
        return 3
    return 5 if any(item.unchecked for item in checked) else 0


def prune(site: Site, keep: Keep) -> Plan:
    """Remove the backups that no rule keeps and nothing needs."""
    with site.locked(wait=10), opened(site) as connection:
        plan = keeping.plan(site, connection, keep)
        keeping.remove(plan.removed)
        return plan


def would_prune(site: Site, keep: Keep) -> Plan:
    """Say what `prune` would remove, and touch nothing."""
    if not site.db.exists() or not site.db.stat().st_size:
        return keeping.plan(site, None, keep)
    with site.looking() as connection:
        return keeping.plan(site, connection, keep)
