"""Results as plain JSON: the keys that scripts rely on (see output.schema.json)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ..errors import MigrateError
from ..evidence import Verdict
from ..report import Anomaly, Discrepancy, DocumentReport, Key, Kind

if TYPE_CHECKING:
    from ..moves.doctor import Diagnosis
    from ..moves.exporting import Exported
    from ..moves.migrating import Migration as Migrated
    from ..moves.rehearsing import Rehearsal
    from ..moves.showing import Held, Shown
    from ..moves.status import Status
    from ..moves.validating import Validation

Payload = dict[str, Any]


def envelope(command: str, exit_code: int, error: MigrateError | None, result: Payload) -> Payload:
    """Wrap a result in what every command's output has."""
    return {
        "command": command,
        "ok": exit_code == 0,
        "exit_code": exit_code,
        "error": None if error is None else failure(error),
        **result,
    }


def failure(error: MigrateError) -> Payload:
    """Describe an error with its facts."""
    return {"type": type(error).__name__, "message": error.message, "remedy": error.remedy, **error.facts}


def key_of(key: Key) -> str | list[str]:
    """Spell a key: a string, or a list for a composite one."""
    return key[0] if len(key) == 1 else list(key)


def document(report: DocumentReport) -> Payload:
    """Describe what happened to one document."""
    kinds: tuple[Kind, ...] = ("missing", "extra", "changed", "explained", "unverifiable")
    found: Payload = {
        "document": report.document,
        "file": report.file,
        "state": report.state,
        "tables": list(report.tables),
        "read": report.books.read or report.compared,
        "inserted": report.books.inserted,
        "updated": report.books.updated,
        "unchanged": report.books.unchanged,
        "quarantined": report.quarantined,
        "deleted": [key_of(key) for key in report.books.deleted],
        "deleted_count": report.books.deleted_count,
        "compared": report.compared,
        "equal": report.equal,
    }
    for kind in kinds:
        found[kind] = [key_of(key) for key in report.keys(kind)]
        found[f"{kind}_count"] = report.count(kind)
    found["fields"] = [
        {"key": key_of(d.key), "kind": d.kind, "fields": list(d.fields)}
        for comparison in report.comparisons
        for d in comparison.discrepancies
        if d.fields
    ]
    found["differences"] = [difference(item) for c in report.comparisons for item in c.discrepancies]
    found["explained_by"] = report.explained
    out_of_order = [c.out_of_order for c in report.comparisons if c.out_of_order]
    found["out_of_order"] = [key_of(key) for key in out_of_order]
    found["anomalies"] = [anomaly(item) for item in report.anomalies]
    found["anomalies_count"] = report.anomaly_count
    found["note"] = report.note
    return found


def difference(item: Discrepancy) -> Payload:
    """Describe one record that differs: how, where in the file, and both sides with secrets as dots."""
    return {
        "key": key_of(item.key),
        "kind": item.kind,
        "line": item.line,
        "members": [{"path": d.path, "way": d.way, "rule": d.rule or None} for d in item.differences],
        "file": item.shown[0],
        "table": item.shown[1],
    }


def anomaly(item: Anomaly) -> Payload:
    """Describe one anomaly."""
    return {"rule": item.rule, "key": key_of(item.key), "detail": item.detail, "line": item.line}


def migrated(result: Migrated) -> Payload:
    """Describe a migration."""
    return {
        "changed": result.changed,
        "documents": [document(report) for report in result.documents],
        "timings": {step: round(result.timings.get(step, 0.0), 6) for step in TIMINGS},
        "migrations": result.steps,
        "backup": {"name": result.backup} if result.backup else None,
        "unmapped": result.unmapped,
        "other_folders": result.other_folders,
        "key": result.key,
    }


TIMINGS = ("preflight", "backup", "schema", "import", "validate")


def rehearsed(result: Rehearsal) -> Payload:
    """Describe a rehearsal."""
    return {
        **migrated(result.migration),
        "backup": None,  # the copy's went with the copy
        "exported": exported(result.exported)["files"],
        "different": result.different,
        "schema_returns": result.schema_returns,
        "seconds": round(result.seconds, 3),
        "peak_memory": result.peak_memory,
        "disk": {"needed": result.disk_needed, "free": result.disk_free},
        "forecast": result.forecast.told(),
        "forecast_off": result.off,
    }


def validated(result: Validation) -> Payload:
    """Describe a validation."""
    return {
        "mode": result.mode,
        "resumed": result.resumed,
        "documents": [document(report) for report in result.documents],
        "broken": result.broken,
        "rules": result.meanings,
        "trend": {name: [_verdict(each) for each in found] for name, found in result.trend.items() if found},
        "unmapped": result.unmapped,
    }


def _verdict(item: Verdict) -> Payload:
    return {"at": item.at, "verdict": item.verdict, **item.report}


def exported(result: Sequence[Exported]) -> Payload:
    """Describe an export."""
    return {"files": [asdict(item) for item in result]}


def status(result: Status) -> Payload:
    """Describe where a site stands."""
    return {
        "schema": {"version": result.schema_version, "pending": result.schema_pending},
        "documents": [{**asdict(item), "stage": str(item.stage)} for item in result.documents],
        "next": result.next_step,
        "unmapped": result.unmapped,
    }


def diagnosis(result: Diagnosis) -> Payload:
    """Describe what a doctor found."""
    return {
        "findings": [asdict(finding) for finding in result.findings],
        "documents": [
            {
                "document": seen.document.name,
                "file": seen.document.file,
                "state": seen.state,
                "read": seen.count,
                "size": seen.size,
                "quarantined": seen.unfit,
                "anomalies": [anomaly(item) for item in seen.anomalies],
                "anomalies_count": seen.anomaly_count,
            }
            for seen in result.surveys
        ],
        "unmapped": result.unmapped,
        "key": result.key,
        "disk": {"needed": result.disk_needed, "free": result.disk_free},
        "forecast": result.forecast.told(),
    }


def shown(result: Shown) -> Payload:
    """Describe one record in both homes."""
    return {
        "document": result.document,
        "key": key_of(result.key),
        "file": result.file,
        "table": result.table,
        "in_file": result.in_file,
        "in_table": result.in_table,
        "equal": result.exit_code == 0,
    }


def held(result: Sequence[Held]) -> Payload:
    """Describe what is in quarantine."""
    return {"quarantine": [asdict(item) for item in result]}
