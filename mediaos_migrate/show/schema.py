"""What the schema commands found, as JSON and as text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..migrations import Applied, History, Migration
from ..migrations.lint import Finding
from ..moves.schema import Moved, Schema, Verified
from .words import Lines, many

Payload = dict[str, Any]


def _step(step: Applied | Migration) -> Payload:
    return {"number": step.number, "name": step.name}


def _ladder(history: History) -> Payload:
    return {
        "applied": [{**_step(step), "applied_at": step.applied_at} for step in history.applied],
        "pending": [_step(step) for step in history.pending],
        "missing": [_step(step) for step in history.missing],
        "changed": [_step(new) for _, new in history.changed],
    }


def status(found: Schema) -> Payload:
    """Describe where both ladders stand."""
    return {**_ladder(found.expand), "contract": _ladder(found.contract)}


def status_text(found: Schema) -> Lines:
    """Tell where both ladders stand."""
    yield from _ladder_text(found.expand)
    yield from _ladder_text(found.contract)
    pending = len(found.expand.pending)
    yield (
        f"{many(pending, 'migration')} pending: `mediaos-migrate schema up`."
        if pending
        else "The schema is up to date."
    )
    if not found.healthy:
        yield "What was applied is not what the pack says: `mediaos-migrate schema up` tells how."


def _ladder_text(history: History) -> Lines:
    changed = {new.number for _, new in history.changed}
    unknown = {step.number for step in history.missing}
    for step in history.applied:
        word = "changed" if step.number in changed else "unknown" if step.number in unknown else "applied"
        yield f"{word}  {step}  {step.applied_at}"
    yield from (f"pending  {step}" for step in history.pending)


def moved(result: Moved) -> Payload:
    """Describe which steps were taken or taken back."""
    return {
        "steps": [_step(step) for step in result.steps],
        "losses": [
            {"step": loss.step, "table": loss.table, "column": loss.column, "count": loss.count}
            for loss in result.losses
        ],
        "backup": None if result.backup is None else {"name": result.backup},
        "dry_run": result.sql is not None,
        "sql": result.sql,
    }


def moved_text(result: Moved, word: str) -> Lines:
    """Tell which steps were taken or taken back."""
    if result.sql is not None:
        yield from result.sql.splitlines()
        yield ""
        word = f"on a copy: {word}"
    yield from (f"{word} {step}" for step in result.steps)
    yield from losses_text(result)
    if result.backup:
        yield f"Backup of the database: .mediaos-migrate/backups/{result.backup}"
    if not result.steps:
        yield "Nothing to do."


def losses_text(result: Moved) -> Lines:
    """Tell what is lost with the steps taken back."""
    yield from (f"{loss.step}: {loss} go with it" for loss in result.losses)


def verified(result: Verified) -> Payload:
    """Describe how the live schema differs from its history."""
    return {
        "checked": result.checked,
        "findings": result.findings,
        "drift": [{"kind": item.kind, "type": item.type, "name": item.name, "how": item.how} for item in result.drift],
        "repair": result.repair or None,
    }


def verified_text(result: Verified) -> Lines:
    """Tell how the live schema differs from its history, and offer a script."""
    yield from (f"wrong: {finding}" for finding in result.findings)
    yield from (f"drift: {item}" for item in result.drift)
    if result.drift:
        yield ""
        yield "-- This would mend it; read it before you run it, with the app stopped and a backup made:"
        yield from result.repair.splitlines()
        yield ""
    yield (
        "The schema is what its history says." if result.exit_code == 0 else "The schema is not what its history says."
    )


def linted(findings: Sequence[Finding]) -> Payload:
    """Describe what lint found."""
    return {
        "findings": [
            {"rule": f.rule, "file": f.file, "line": f.line, "what": f.what, "why": f.why, "remedy": f.remedy}
            for f in findings
        ]
    }


def linted_text(findings: Sequence[Finding]) -> Lines:
    """Tell what lint found."""
    yield from map(str, findings)
    yield f"{many(len(findings), 'finding')}." if findings else "Nothing to find fault with."


def made(paths: Sequence[Path]) -> Payload:
    """Describe which files were written."""
    return {"files": [str(path) for path in paths]}


def made_text(paths: Sequence[Path]) -> Lines:
    """Tell which files were written, and what comes next."""
    yield from (f"wrote {path}" for path in paths)
    yield "Fill them, then run `mediaos-migrate schema lint --write`."


def dumped(statements: Sequence[str]) -> Payload:
    """Describe the schema as SQL."""
    return {"sql": list(statements)}
