"""What the looking commands found, as lines of text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..report import LISTED
from .words import Lines, many, size, some, table, unmapped

if TYPE_CHECKING:
    from ..moves.doctor import Diagnosis, Finding
    from ..moves.forecasting import Forecast
    from ..moves.showing import Held, Shown
    from ..moves.status import Status


def status(result: Status) -> Lines:
    """Tell where a site stands."""
    rows = [
        (
            item.document,
            item.stage,
            f"{item.state}, skipped" if item.skipped and item.state != "skipped" else item.state,
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
    yield from unmapped(result.unmapped)
    yield f"Next: {result.next_step}"


def diagnosis(result: Diagnosis) -> Lines:
    """Tell what a doctor found, what is alike in one paragraph."""
    files = {seen.document.file for seen in result.surveys}
    groups: dict[tuple[str, ...], list[str]] = {}
    for finding in result.findings:
        place, record = _place(finding, files)
        groups.setdefault((finding.level, finding.code, place, finding.message, finding.remedy), []).append(record)
    for (level, code, place, message, remedy), records in groups.items():
        yield f"{level}: {code}: {place}" + (f": {some(records)}" if records[0] else "")
        yield from (f"    {line}" for line in (message, remedy) if line)
    counts = [many(sum(f.level == level for f in result.findings), level) for level in ("error", "warning", "note")]
    yield ""
    yield f"{', '.join(counts)}."
    yield f"A migration needs about {size(result.disk_needed)} of disk; {size(result.disk_free)} are free."
    yield from _forecast(result.forecast)
    yield "A migration would be refused." if result.exit_code else "A migration can be run."


def _forecast(said: Forecast) -> Lines:
    """Say what a migration will take, and what comes after it."""
    disk = said.disk
    yield (
        f"Forecast, measured on this machine: {said.seconds:.1f} s and {size(said.memory)} of memory. On the disk "
        f"{size(disk.database)} of database and {size(disk.backup)} of backup stay; its log takes up to "
        f"{size(disk.log)} meanwhile."
    )
    often = (
        "how often is not known yet"
        if said.mirror_per_day is None or said.writes_per_day is None
        else f"at the {said.writes_per_day:,.0f} changes a day seen so far at most {size(said.mirror_per_day)} a day"
    )
    yield f"Once the table is believed, the largest file is rewritten with {size(disk.mirror)}; {often}."


def _place(finding: Finding, files: set[str]) -> tuple[str, str]:
    """Take a place apart into a file and a record in it; any other place is one piece."""
    file, _, record = finding.where.partition(" ")
    return (file, record) if file in files else (finding.where, "")


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
    if len(result) >= LISTED:
        yield f"These are the first {LISTED:,}; `mediaos-migrate status` counts all of them."
    yield "See one with `mediaos-migrate quarantine show NUMBER`."


def held_one(result: Held) -> Lines:
    """Show one quarantined record."""
    where = f"{result.document} {result.pointer}".rstrip()
    yield f"{where}, byte {result.offset}: {result.reason}"
    raw = result.raw if isinstance(result.raw, str) else json.dumps(result.raw, indent=2, ensure_ascii=False)
    yield from (f"  {line}".rstrip() for line in raw.split("\n"))
