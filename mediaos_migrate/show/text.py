"""Results as lines of text that a person reads at two in the morning."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence

from ..errors import MigrateError
from ..migrations import Applied, Migration
from ..moves.exporting import Exported
from ..moves.inspecting import Diagnosis, Held, Shown, Status
from ..moves.migrating import Migration as Migrated
from ..moves.rehearsing import Rehearsal
from ..moves.validating import Validation
from ..report import Anomaly, DocumentReport, Key

Lines = Iterator[str]
Meaning = Callable[[str, str], tuple[str, str]]
FEW = 3


def table(rows: Sequence[Sequence[object]]) -> Lines:
    """Set rows under each other; the first is the heading, numbers stand to the right."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[n]) for row in cells) for n in range(len(cells[0]))]
    right = [all(isinstance(row[n], int) for row in rows[1:]) for n in range(len(cells[0]))]
    for row in cells:
        padded = [
            cell.rjust(width) if on_right else cell.ljust(width)
            for cell, width, on_right in zip(row, widths, right, strict=True)
        ]
        yield "  ".join(padded).rstrip()


def failure(error: MigrateError) -> Lines:
    """Say what went wrong and what to do."""
    yield from error.message.splitlines()
    if error.remedy:
        yield error.remedy


def _key(key: Key) -> str:
    return " / ".join(key)


def migrated(result: Migrated, meaning: Meaning) -> Lines:
    """Tell what a migration did."""
    heading = ("document", "state", "read", "inserted", "updated", "unchanged", "deleted", "quarantined")
    rows = [
        (
            r.document,
            r.state,
            r.books.read,
            r.books.inserted,
            r.books.updated,
            r.books.unchanged,
            r.books.deleted_count,
            r.books.quarantined,
        )
        for r in result.documents
    ]
    yield from table([heading, *rows])
    yield ""
    if result.steps:
        yield f"Schema: {len(result.steps)} migrations applied, up to {result.steps[-1]}."
    if result.backup:
        yield f"Backup of the files: .mediaos-migrate/backups/{result.backup}"
    for report in result.documents:
        if report.books.deleted:
            yield f"{report.document}: gone from the file and deleted: {_some([_key(k) for k in report.books.deleted])}"
    yield from _anomalies(result.documents, meaning)
    yield from _unmapped(result.unmapped)
    yield from _secrets(result)
    yield from _differences(result.documents)
    if not result.changed and not result.exit_code:
        yield "Nothing to do: the database already says what the files say."
    yield _verdict(result.exit_code)


def _verdict(exit_code: int) -> str:
    return {
        0: "Files and database are equal.",
        3: "Files and database differ.",
        5: "Not everything could be checked.",
    }.get(exit_code, "")


def _secrets(result: Migrated) -> Lines:
    plain = result.key.get("plain", 0)
    if not plain:
        return
    if result.key.get("fits"):
        yield f"{plain} credentials stand in clear text in the files; in the database they are sealed."
    else:
        yield f"WARNING: {plain} credentials stand in clear text, in the files and so in the database."
        yield "Give the app's key (ENCRYPTION_KEY or --key-file) and run it again to seal them in the database."


def _unmapped(names: Sequence[str]) -> Lines:
    if names:
        yield f"Not migrated, because the pack does not know them: {', '.join(names)}."


def _anomalies(documents: Sequence[DocumentReport], meaning: Meaning) -> Lines:
    for report in documents:
        rules: dict[str, list[Anomaly]] = {}
        for item in report.anomalies:
            rules.setdefault(item.rule, []).append(item)
        for rule, items in rules.items():
            yield f"{report.document}: {rule}: {_some([_key(item.key) for item in items])}"
            yield f"    {meaning(report.document, rule)[0]}"


def _some(names: Sequence[str]) -> str:
    rest = f" and {len(names) - FEW} more" if len(names) > FEW else ""
    return ", ".join(names[:FEW]) + rest


def _differences(documents: Sequence[DocumentReport]) -> Lines:
    for report in documents:
        for comparison in report.comparisons:
            for item in comparison.discrepancies:
                fields = f" in {', '.join(item.fields)}" if item.fields else ""
                yield f"{report.document}: {_key(item.key)}: {_WORDS[item.kind]}{fields}"
            kept, total = len(comparison.discrepancies), sum(comparison.counts.values())
            if total > kept:
                yield f"{report.document}: and {total - kept} more"
            if comparison.out_of_order:
                yield f"{report.document}: the order differs, first at {_key(comparison.out_of_order)}"


_WORDS = {
    "missing": "missing in the database",
    "extra": "only in the database",
    "changed": "differs",
    "unverifiable": "could not be compared without the key",
}


def rehearsed(result: Rehearsal, meaning: Meaning) -> Lines:
    """Tell what a rehearsal found."""
    yield from migrated(result.migration, meaning)
    same = sum(item.unchanged for item in result.exported)
    yield f"Exported {same} files byte for byte as they were" + (
        f"; different: {', '.join(result.different)}." if result.different else "."
    )
    yield (
        "The schema went down and came up again the same." if result.schema_returns else "The schema did not come back."
    )
    yield (
        f"It took {result.seconds:.1f} s and {_size(result.peak_memory)} of memory; a migration adds "
        f"{_size(result.disk_needed)} to the disk, which has {_size(result.disk_free)} free."
    )
    yield "Verdict: ready to migrate." if result.exit_code == 0 else "Verdict: do not migrate yet."


def _size(number: int) -> str:
    size = float(number)
    for unit in ("bytes", "KB", "MB", "GB"):
        if size < 1000 or unit == "GB":  # noqa: PLR2004  the units are decimal
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return ""


def validated(result: Validation) -> Lines:
    """Tell what a validation found."""
    heading = ("document", "state", "compared", "equal", "missing", "extra", "changed")
    rows = [
        (
            r.document,
            r.state,
            sum(c.compared for c in r.comparisons),
            sum(c.equal for c in r.comparisons),
            r.count("missing"),
            r.count("extra"),
            r.count("changed"),
        )
        for r in result.documents
    ]
    yield from table([heading, *rows])
    yield ""
    yield from (f"{r.document}: {r.note}" for r in result.documents if r.note)
    yield from _differences(result.documents)
    yield from _unmapped(result.unmapped)
    yield _verdict(result.exit_code)


def exported(result: Sequence[Exported]) -> Lines:
    """Tell which files were written."""
    rows = [
        (
            item.file,
            item.size,
            "as it was" if item.unchanged else "patched" if item.patched else "written anew",
        )
        if item.digest
        else (item.file, 0, item.state)
        for item in result
    ]
    yield from table([("file", "bytes", "how"), *rows])


def status(result: Status) -> Lines:
    """Tell where a site stands."""
    rows = [
        (
            item.document,
            item.stage,
            item.state,
            "" if item.count is None else str(item.count),
            str(item.quarantined or ""),
            f"{item.verdict} {item.verified_at}" if item.verdict else "",
        )
        for item in result.documents
    ]
    yield from table([("document", "stage", "state", "records", "quarantined", "last verdict"), *rows])
    yield ""
    pending = f", {result.schema_pending} migrations pending" if result.schema_pending else ""
    yield f"Schema: at {result.schema_version}{pending}."
    yield from _unmapped(result.unmapped)
    yield f"Next: {result.next_step}"


def diagnosis(result: Diagnosis) -> Lines:
    """Tell what a doctor found."""
    for finding in result.findings:
        yield f"{finding.level}: {finding.where}: {finding.message}"
        if finding.remedy:
            yield f"    {finding.remedy}"
    counts = [sum(f.level == level for f in result.findings) for level in ("error", "warning", "note")]
    yield ""
    yield f"{counts[0]} errors, {counts[1]} warnings, {counts[2]} notes."
    yield "A migration would be refused." if result.exit_code else "A migration can be run."


def shown(result: Shown) -> Lines:
    """Set both homes of a record under each other."""
    for home, there, value in (
        ("file", result.in_file, result.file),
        ("table", result.in_table, result.table),
    ):
        yield f"In the {home}:" if there else f"Not in the {home}."
        if there:
            yield from (f"  {line}" for line in json.dumps(value, indent=2, ensure_ascii=False).splitlines())
    yield "Both say the same." if result.exit_code == 0 else "They differ."


def held(result: Sequence[Held]) -> Lines:
    """List what is in quarantine."""
    if not result:
        yield "Nothing is in quarantine."
        return
    rows = [(item.id, item.document, item.pointer, item.offset, item.reason) for item in result]
    yield from table([("number", "document", "pointer", "offset", "reason"), *rows])


def held_one(result: Held) -> Lines:
    """Show one quarantined record."""
    yield f"{result.document}{result.pointer} at byte {result.offset}: {result.reason}"
    raw = result.raw if isinstance(result.raw, str) else json.dumps(result.raw, indent=2, ensure_ascii=False)
    yield raw


def schema_status(applied: Sequence[Applied], pending: Sequence[Migration]) -> Lines:
    """Tell where the schema stands."""
    yield from (f"applied  {step}  {step.applied_at}" for step in applied)
    yield from (f"pending  {step}" for step in pending)
    yield "The schema is up to date." if not pending else f"{len(pending)} migrations are pending."


def schema_moved(steps: Sequence[Applied | Migration], word: str) -> Lines:
    """Tell which steps were taken or taken back."""
    yield from (f"{word} {step}" for step in steps)
    if not steps:
        yield "Nothing to do."
