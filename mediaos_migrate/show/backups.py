"""Backups and restores, as lines of text and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .words import Lines, many, size, table

if TYPE_CHECKING:
    from ..backups import Backup
    from ..backups.keeping import Plan
    from ..moves.backing_up import Checked, Listed
    from ..moves.restoring import Plan as Restoring
    from ..moves.restoring import Restored
    from ..moves.scheduling import Schedule


def described(backup: Backup) -> dict[str, Any]:
    """Describe a backup."""
    told = backup.manifest.model_dump(mode="json", exclude={"format", "id", "state"})
    return {"name": backup.name, "archived": backup.archived, "size": backup.size, "error": None, **told}


def created(backup: Backup) -> dict[str, Any]:
    """Describe a backup that was made, or the last one, if nothing had changed since."""
    return {"backup": described(backup), "created": backup.fresh}


def created_text(backup: Backup) -> Lines:
    """Tell that a backup was made."""
    if not backup.fresh:
        yield f"Nothing has changed since the backup {backup.name}."
        return
    yield f"Backup {backup.name}: {_what(backup)}, {size(backup.size)}."


def _what(backup: Backup) -> str:
    told = backup.manifest
    parts = [many(len(told.files), "file")] if told.files or not told.database else []
    parts += ["the database"] if told.database else []
    return f"{' and '.join(parts)}{', sealed' if told.sealed else ''}"


def listed(found: Sequence[Listed]) -> dict[str, Any]:
    """Describe all backups."""
    return {
        "backups": [
            described(item.backup)
            if item.backup
            else {"name": item.name, "error": item.error.message if item.error else ""}
            for item in found
        ]
    }


def listed_text(found: Sequence[Listed]) -> Lines:
    """Tell which backups there are."""
    rows = [(item.name, _what(item.backup), size(item.backup.size)) for item in found if item.backup]
    if rows:
        yield from table([("backup", "holds", "size"), *rows])
    for item in found:
        if item.error:
            yield f"{item.name}: {item.error.message}"
    if not found:
        yield "There is no backup yet; `mediaos-migrate backup create` makes one."


def shown_text(backup: Backup) -> Lines:
    """Tell everything that is known of a backup."""
    told = backup.manifest
    yield f"{backup.name}: made at {told.created_at} by mediaos-migrate {told.tool_version}."
    if told.schema_version is not None:
        yield f"The schema was at {told.schema_version:04d}."
    for name, stage in told.stages.items():
        yield f"{name} was at `{stage}`."
    yield from table([("file", "size"), *((held.name, size(held.size)) for held in told.members)])
    if told.missing:
        yield f"There was no {', '.join(told.missing)}."
    if told.sealed:
        yield "It is sealed with the site's key."


def verified(found: Sequence[Checked]) -> dict[str, Any]:
    """Describe what reading backups back found."""
    return {
        "backups": [{"name": c.name, "findings": c.findings, "unchecked": c.unchecked} for c in found],
    }


def verified_text(found: Sequence[Checked]) -> Lines:
    """Tell what reading backups back found."""
    for item in found:
        if item.findings:
            yield f"{item.name}: damaged."
            yield from (f"    {finding}" for finding in item.findings)
        else:
            yield f"{item.name}: {item.unchecked or 'good'}"
    if not found:
        yield "There is no backup."


def pruned(plan: Plan, *, dry_run: bool) -> dict[str, Any]:
    """Describe which backups went."""
    return {
        "removed": [backup.name for backup in plan.removed],
        "kept": [backup.name for backup in plan.kept],
        "needed": plan.needed,
        "dry_run": dry_run,
    }


def pruned_text(plan: Plan, *, dry_run: bool) -> Lines:
    """Tell which backups went."""
    would = "would be removed" if dry_run else "removed"
    yield from (f"{backup.name}: {would}, {size(backup.size)}" for backup in plan.removed)
    yield from (f"{name}: stays, {why}" for name, why in plan.needed.items())
    yield f"{many(len(plan.removed), 'backup')} {would}, {len(plan.kept):,} kept."


def scheduled(made: Schedule) -> dict[str, Any]:
    """Describe the files of a clock."""
    folder = None if made.folder is None else str(made.folder)
    return {"clock": str(made.clock), "files": made.files, "folder": folder, "hint": made.hint}


def scheduled_text(made: Schedule) -> Lines:
    """Tell what the clock needs."""
    for name, text in made.files.items():
        if made.folder:
            yield f"Written: {made.folder / name}"
        else:
            yield f"# {name}"
            yield from text.splitlines()
    yield f"# {made.hint}" if made.folder is None else f"Now: {made.hint}"


def planned_text(plan: Restoring) -> Lines:
    """Tell what a restore is about to do."""
    what = ["the database"] if plan.database else []
    what += [many(len(plan.files), "file")] if plan.files else []
    yield f"{plan.name}, made at {plan.created_at}, brings back {' and '.join(what)}."
    if plan.removes:
        yield f"These files were not there then and are taken away: {', '.join(plan.removes)}."
    if plan.differs:
        yield f"The two homes of these differed then: {', '.join(plan.differs)}."


def restored(done: Restored, *, dry_run: bool) -> dict[str, Any]:
    """Describe a restore."""
    plan = done.plan
    return {
        "restored": {
            "name": plan.name,
            "created_at": plan.created_at,
            "documents": list(plan.documents),
            "files": list(plan.files),
            "removed": list(plan.removes),
            "database": plan.database,
            "stages": plan.stages,
            "differs": list(plan.differs),
        },
        "safety": None if done.safety is None else {"name": done.safety},
        "resumed": done.resumed,
        "dry_run": dry_run,
    }


def restored_text(done: Restored, *, dry_run: bool) -> Lines:
    """Tell what a restore did."""
    yield from planned_text(done.plan)
    if dry_run:
        yield "It was done on a copy; nothing of yours was changed."
        return
    if done.resumed:
        yield "The restore that was interrupted is complete."
    yield "Restored, and proved."
    if done.safety:
        yield f"What was here before: `mediaos-migrate backup restore {done.safety}` brings it back."
