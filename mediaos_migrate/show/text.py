"""Results as lines of text that a person reads at two in the morning."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..errors import MigrateError
from ..migrations import Applied, Migration
from ..moves.exporting import Exported
from ..moves.inspecting import Diagnosis, Finding, Held, Shown, Status
from ..moves.migrating import Migration as Migrated
from ..moves.rehearsing import Rehearsal
from ..moves.validating import Validation
from ..report import DocumentReport, Key

Lines = Iterator[str]
FEW = 3


def table(rows: Sequence[Sequence[object]]) -> Lines:
    """Set rows under each other; the first is the heading, numbers stand to the right, None is blank."""
    cells = [["" if cell is None else str(cell) for cell in row] for row in rows]
    widths = [max(len(row[n]) for row in cells) for n in range(len(cells[0]))]
    right = [all(isinstance(row[n], int | None) for row in rows[1:]) for n in range(len(cells[0]))]
    for row in cells:
        padded = [
            cell.rjust(width) if on_right else cell.ljust(width)
            for cell, width, on_right in zip(row, widths, right, strict=True)
        ]
        yield "  ".join(padded).rstrip()


def many(number: int, noun: str) -> str:
    """Count something."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def size(number: int) -> str:
    """Say how many bytes, shortly."""
    amount = float(number)
    for unit in ("bytes", "KB", "MB"):
        if amount < 1000:  # noqa: PLR2004  the units are decimal
            return f"{amount:.0f} {unit}" if unit == "bytes" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"


def some(names: Sequence[str]) -> str:
    """Name the first few, and how many more there are."""
    rest = f" and {len(names) - FEW} more" if len(names) > FEW else ""
    return ", ".join(names[:FEW]) + rest


def spelled(key: Key) -> str:
    """Spell a key."""
    return " / ".join(key)


def failure(error: MigrateError) -> Lines:
    """Say what went wrong and what to do."""
    several = error.facts.get("errors", [])
    for each in several:
        yield each["message"]
        yield f"    {each['remedy']}"
    if not several:
        yield from error.message.splitlines()
    if error.remedy:
        yield error.remedy


def migrated(result: Migrated) -> Lines:
    """Tell what a migration did."""
    yield from _books(result.documents)
    yield ""
    if result.steps:
        yield f"Schema: {many(len(result.steps), 'migration')} applied, up to {result.steps[-1]}."
    if result.backup:
        yield f"Backup of the files: .mediaos-migrate/backups/{result.backup}"
    yield from _findings(result)
    if not result.changed and not result.exit_code:
        yield "Nothing to do: the database already says what the files say."
    yield _verdict(result.documents, result.exit_code)


def _books(documents: Sequence[DocumentReport]) -> Lines:
    """Show what became of the records; a column where nothing happened is left out."""
    columns = {
        "read": [r.books.read for r in documents],
        "inserted": [r.books.inserted for r in documents],
        "updated": [r.books.updated for r in documents],
        "unchanged": [r.books.unchanged for r in documents],
        "deleted": [r.books.deleted_count for r in documents],
        "quarantined": [r.books.quarantined for r in documents],
    }
    shown = {name: values for name, values in columns.items() if any(values) or name in ("read", "quarantined")}
    rows = [(r.document, r.state, *(values[n] for values in shown.values())) for n, r in enumerate(documents)]
    yield from table([("document", "state", *shown), *rows])


def _findings(result: Migrated) -> Lines:
    for report in result.documents:
        if report.books.deleted:
            keys = some([spelled(key) for key in report.books.deleted])
            yield f"{report.document}: gone from the file, and so from the database: {keys}"
    yield from _anomalies(result.documents)
    yield from (f"{report.document}: {report.note}" for report in result.documents if report.note)
    yield from _clear_text(result.key)
    yield from _unmapped(result.unmapped)
    yield from _differences(result.documents)


def _anomalies(documents: Sequence[DocumentReport]) -> Lines:
    groups: dict[tuple[str, str], list[str]] = {}
    for report in documents:
        for item in report.anomalies:
            groups.setdefault((report.document, item.rule), []).append(spelled(item.key))
    if groups:
        yield "Kept exactly as they are, though they break a rule of the app (`mediaos-migrate doctor` explains each):"
        rows = [(f"  {document}", rule, some(keys)) for (document, rule), keys in groups.items()]
        yield from list(table([("  document", "rule", "records"), *rows]))[1:]
    more = sum(report.anomaly_count - len(report.anomalies) for report in documents)
    if more:
        yield f"  and {more:,} more"
    if groups:
        yield ""


def _unmapped(names: Sequence[str]) -> Lines:
    if names:
        yield f"Not migrated, because the pack does not know them: {', '.join(names)}."


def _clear_text(key: dict[str, Any]) -> Lines:
    plain = key.get("plain", 0)
    if not plain:
        return
    stand = "stands" if plain == 1 else "stand"
    if key.get("fits"):
        yield f"{many(plain, 'credential')} {stand} in clear text in the files; the database has them sealed."
    else:
        yield f"WARNING: {many(plain, 'credential')} {stand} in clear text in the files, and so in the database."
        yield "Give the app's key (ENCRYPTION_KEY or --key-file) and run it again to seal them in the database."


def _differences(documents: Sequence[DocumentReport]) -> Lines:
    for report in documents:
        for comparison in report.comparisons:
            for item in comparison.discrepancies:
                fields = f" in {', '.join(item.fields)}" if item.fields else ""
                yield f"{report.document}: {spelled(item.key)}: {_WORDS[item.kind]}{fields}"
            kept, total = len(comparison.discrepancies), sum(comparison.counts.values())
            if total > kept:
                yield f"{report.document}: and {total - kept:,} more"
            if comparison.out_of_order:
                yield f"{report.document}: the order differs, first at {spelled(comparison.out_of_order)}"


_WORDS = {
    "missing": "missing in the database",
    "extra": "only in the database",
    "changed": "differs",
    "unverifiable": "could not be compared without the key",
}


def _verdict(documents: Sequence[DocumentReport], exit_code: int) -> str:
    if exit_code:
        return {3: "Files and database differ."}.get(exit_code, "Not everything could be checked.")
    compared = sum(comparison.compared for report in documents for comparison in report.comparisons)
    return f"Files and database are equal: {many(compared, 'record')} compared."


def rehearsed(result: Rehearsal) -> Lines:
    """Tell what a rehearsal found."""
    migration = result.migration
    yield from _books(migration.documents)
    yield ""
    yield from _findings(migration)
    yield _verdict(migration.documents, migration.exit_code)
    same = sum(item.unchanged for item in result.exported)
    different = f"; different: {', '.join(result.different)}." if result.different else "."
    yield f"Exported again: {many(same, 'file')} byte for byte as they were{different}"
    back = "came up again the same" if result.schema_returns else "did not come up again the same"
    yield f"The schema went down and {back}."
    yield (
        f"It took {result.seconds:.1f} s and {size(result.peak_memory)} of memory; a migration adds "
        f"{size(result.disk_needed)} to the disk, which has {size(result.disk_free)} free."
    )
    ready = "ready to migrate" if result.exit_code == 0 else "do not migrate yet"
    yield f"Verdict: {ready}. This was a copy; nothing of yours was changed."


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
    yield _verdict(result.documents, result.exit_code)
    if any(report.differs for report in result.documents):
        yield "See both sides of one with `mediaos-migrate show DOCUMENT KEY`; `migrate` takes over what the files say."
    if any(report.unverifiable for report in result.documents):
        yield "Give the app's key (ENCRYPTION_KEY or --key-file) to compare what is sealed."


def exported(result: Sequence[Exported], folder: Path) -> Lines:
    """Tell which files were written."""
    rows = [(item.file, item.size if item.digest else None, _how(item)) for item in result]
    yield from table([("file", "bytes", "how"), *rows])
    yield ""
    written = sum(item.digest is not None for item in result)
    same = sum(item.unchanged for item in result)
    which = "all" if same == written else f"{same:,} of them"
    yield f"{many(written, 'file')} in {folder}, {which} byte for byte as last imported."


def _how(item: Exported) -> str:
    if not item.digest:
        return f"not written: {item.state}"
    return "as it was" if item.unchanged else "patched" if item.patched else "written anew"


def status(result: Status) -> Lines:
    """Tell where a site stands."""
    rows = [
        (
            item.document,
            item.stage,
            item.state,
            item.count,
            item.quarantined or None,
            f"{item.verdict} {item.verified_at}" if item.verdict else None,
        )
        for item in result.documents
    ]
    shown = [n for n in range(6) if n < 3 or any(row[n] is not None for row in rows)]  # noqa: PLR2004  name, stage, state
    heading = ("document", "stage", "state", "records", "quarantined", "last verdict")
    yield from table([[row[n] for n in shown] for row in [heading, *rows]])
    yield ""
    total = result.schema_version + result.schema_pending
    yield f"Schema: {result.schema_version} of {many(total, 'migration')} applied."
    yield from _unmapped(result.unmapped)
    yield f"Next: {result.next_step}"


def diagnosis(result: Diagnosis) -> Lines:
    """Tell what a doctor found, what is alike in one paragraph."""
    groups: dict[tuple[str, ...], list[Finding]] = {}
    for finding in result.findings:
        file = finding.where.partition(" ")[0]
        groups.setdefault((finding.level, finding.code, file, finding.message, finding.remedy), []).append(finding)
    for (level, code, file, message, remedy), findings in groups.items():
        records = [finding.where.partition(" ")[2] for finding in findings]
        yield f"{level}: {code}: {file}" + (f": {some(records)}" if records[0] else "")
        yield from (f"    {line}" for line in (message, remedy) if line)
    counts = [many(sum(f.level == level for f in result.findings), level) for level in ("error", "warning", "note")]
    yield ""
    yield f"{', '.join(counts)}."
    yield f"A migration needs about {size(result.disk_needed)} of disk; {size(result.disk_free)} are free."
    yield "A migration would be refused." if result.exit_code else "A migration can be run."


def shown(result: Shown) -> Lines:
    """Set both homes of a record under each other, or show it once when they say the same."""
    homes = [("the file", result.in_file, result.file), ("the table", result.in_table, result.table)]
    if result.exit_code == 0:
        homes = [("file and table", True, result.file)]
    for home, there, value in homes:
        yield f"In {home}:" if there else f"Not in {home}."
        if there:
            yield from (f"  {line}" for line in json.dumps(value, indent=2, ensure_ascii=False).splitlines())
    fields = [field for found in result.comparison.discrepancies for field in found.fields]
    where = f" in {', '.join(fields)}" if fields else ""
    yield {
        0: "Both say the same.",
        5: f"Only the app's key (ENCRYPTION_KEY or --key-file) could tell whether they differ{where}.",
    }.get(result.exit_code, f"They differ{where}.")


def held(result: Sequence[Held]) -> Lines:
    """List what is in quarantine."""
    if not result:
        yield "Nothing is in quarantine."
        return
    rows = [(item.id, item.document, item.pointer, item.offset, item.reason) for item in result]
    yield from table([("number", "document", "pointer", "offset", "reason"), *rows])
    yield ""
    yield "See one with `mediaos-migrate quarantine show NUMBER`."


def held_one(result: Held) -> Lines:
    """Show one quarantined record."""
    where = f"{result.document} {result.pointer}".rstrip()
    yield f"{where}, byte {result.offset}: {result.reason}"
    raw = result.raw if isinstance(result.raw, str) else json.dumps(result.raw, indent=2, ensure_ascii=False)
    yield from (f"  {line}".rstrip() for line in raw.split("\n"))


def schema_status(applied: Sequence[Applied], pending: Sequence[Migration]) -> Lines:
    """Tell where the schema stands."""
    rows = [(step, "applied", step.applied_at) for step in applied]
    rows += [(step, "pending", "") for step in pending]  # type: ignore[misc]
    yield from table([("migration", "state", "at"), *rows])
    yield ""
    yield "The schema is up to date." if not pending else f"{many(len(pending), 'migration')} pending."


def schema_moved(steps: Sequence[Applied | Migration], word: str) -> Lines:
    """Tell which steps were taken or taken back."""
    yield from (f"{word} {step}" for step in steps)
    if not steps:
        yield "Nothing to do."
