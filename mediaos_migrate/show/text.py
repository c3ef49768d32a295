"""Results as lines of text that a person reads at two in the morning."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import MigrateError
from ..report import Discrepancy, DocumentReport
from .words import Lines, many, size, some, spelled, table, unmapped

if TYPE_CHECKING:
    from ..moves.exporting import Exported
    from ..moves.migrating import Migration as Migrated
    from ..moves.rehearsing import Rehearsal
    from ..moves.validating import Validation


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
    yield from _findings(result)
    if result.steps:
        yield f"Schema: {many(len(result.steps), 'migration')} applied, up to {result.steps[-1]}."
    if result.backup:
        yield f"Backup of the files: .mediaos-migrate/backups/{result.backup}"
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
    yield from _notes(result.documents)
    yield from _clear_text(result.key)
    yield from unmapped(result.unmapped)
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


def _notes(documents: Sequence[DocumentReport]) -> Lines:
    notes: dict[str, list[str]] = {}
    for report in documents:
        notes.setdefault(report.note, []).append(report.document)
    yield from (f"{some(names)}: {note}" for note, names in notes.items() if note)


def _clear_text(key: dict[str, Any]) -> Lines:
    plain = key.get("plain", 0)
    if not plain:
        return
    stand = "stands" if plain == 1 else "stand"
    if key.get("fits"):
        yield f"{many(plain, 'credential')} {stand} in clear text in the files; the database has them sealed."
    else:
        also = ", and so in the database" if key.get("clear_text") else ""
        yield f"WARNING: {many(plain, 'credential')} {stand} in clear text in the files{also}."
        if key.get("given"):
            yield "The key that was given is not the one that sealed what is in files or database."
        else:
            yield "Give the app's key (ENCRYPTION_KEY or --key-file) and run it again to seal them in the database."


def _differences(documents: Sequence[DocumentReport]) -> Lines:
    for report in documents:
        for comparison in report.comparisons:
            for item in (each for each in comparison.discrepancies if each.kind != "explained"):
                fields = dict.fromkeys(d.path for d in item.differences if not d.rule)
                told = f" in {', '.join(sorted(fields))}" if fields else ""
                yield f"{report.document}: {spelled(item.key)}: {_word(item)}{told}"
            kept = sum(item.kind != "explained" for item in comparison.discrepancies)
            total = sum(count for kind, count in comparison.counts.items() if kind != "explained")
            if total > kept:
                yield f"{report.document}: and {total - kept:,} more"
            if comparison.out_of_order:
                yield f"{report.document}: the order differs, first at {spelled(comparison.out_of_order)}"


def _is_sealed(item: Discrepancy) -> bool:
    return any(difference.way == "secret" for difference in item.differences)


def _word(item: Discrepancy) -> str:
    if item.kind == "unverifiable":
        why = "without the key" if _is_sealed(item) else "because it keeps changing"
        return f"could not be compared {why}"
    return _WORDS[item.kind]


_WORDS = {
    "missing": "missing in the database",
    "extra": "only in the database",
    "changed": "differs",
}


def _verdict(documents: Sequence[DocumentReport], exit_code: int, *, quick: bool = False) -> str:
    if any(report.differs for report in documents):
        return "Files and database differ."
    if exit_code:
        return {3: "Anomalies were found that were said to count."}.get(exit_code, "Not everything could be checked.")
    total = sum(report.compared for report in documents)
    if quick:
        return f"Nothing has changed since {many(total, 'record')} were found equal; only a deep look is evidence."
    before = sum(report.compared for report in documents if report.state == "unchanged")
    more = f", {before:,} unchanged since they were" if before else ""
    return f"Files and database are equal: {many(total - before, 'record')} compared{more}."


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
    if result.schema_returns:
        yield "The schema went down and came up again the same."
    else:
        yield "The schema did not come up again as it was: `mediaos-migrate schema verify` names what is not of it."
    yield (
        f"It took {result.seconds:.1f} s and {size(result.peak_memory)} of memory; a migration adds "
        f"{size(result.disk_needed)} to the disk, which has {size(result.disk_free)} free."
    )
    yield forecast_held(result)
    ready = "ready to migrate" if result.exit_code == 0 else "do not migrate yet"
    yield f"Verdict: {ready}. This was a copy; nothing of yours was changed."


def forecast_held(result: Rehearsal) -> str:
    """Say what was foretold, and what came."""
    said, off = result.forecast, result.off
    return (
        f"The migration was foretold to take {said.seconds:.1f} s, {size(said.memory)} of memory and "
        f"{size(said.disk.stays)} of disk; it took {said.seconds + off['seconds']:.1f} s, "
        f"{size(result.migrating_memory)} and {size(result.disk_needed)}."
    )


def validated(result: Validation) -> Lines:
    """Tell what a validation found."""
    yield from _comparisons(result.documents)
    yield ""
    if result.resumed:
        yield "An interrupted run was completed."
    yield from _notes(result.documents)
    yield from _differences(result.documents)
    yield from _explanations(result)
    yield from unmapped(result.unmapped)
    yield from (f"--fail-on {rule}: {_records(result, rule)}" for rule in result.broken)
    yield _verdict(result.documents, result.exit_code, quick=result.mode == "quick")
    if any(report.differs for report in result.documents):
        yield (
            "See both sides of one with `mediaos-migrate show DOCUMENT KEY`; at `off` `migrate` takes over what the "
            "files say, later `repair` settles it."
        )
    unsure = {_is_sealed(item) for report in result.documents for item in report.unsure}
    if True in unsure:
        yield "Give the app's key (ENCRYPTION_KEY or --key-file) to compare what is sealed."
    if False in unsure:
        yield "Look again when the app is at rest."


def _comparisons(documents: Sequence[DocumentReport]) -> Lines:
    columns = {
        "compared": [r.compared for r in documents],
        "equal": [r.equal for r in documents],
        "missing": [r.count("missing") for r in documents],
        "extra": [r.count("extra") for r in documents],
        "changed": [r.count("changed") for r in documents],
        "explained": [r.count("explained") for r in documents],
        "unverifiable": [r.count("unverifiable") for r in documents],
    }
    shown = {name: found for name, found in columns.items() if any(found) or name in _ALWAYS}
    rows = [(r.document, r.state, *(found[n] for found in shown.values())) for n, r in enumerate(documents)]
    yield from table([("document", "state", *shown), *rows])


_ALWAYS = ("compared", "equal", "missing", "extra", "changed")


def _explanations(result: Validation) -> Lines:
    for report in result.documents:
        for rule, count in report.explained.items():
            reason = result.meaning(report.document, rule).get("means", "")
            yield f"{report.document}: {many(count, 'difference')} explained by {rule}: {reason}"


def _records(result: Validation, rule: str) -> str:
    keys = [f"{r.document} {spelled(a.key)}" for r in result.documents for a in r.anomalies if a.rule == rule]
    return some(keys)


def exported(result: Sequence[Exported], folder: Path) -> Lines:
    """Tell which files were written."""
    rows = [(item.file, item.size if item.digest else None, _how(item)) for item in result]
    yield from table([("file", "bytes", "how"), *rows])
    yield ""
    written = sum(item.digest is not None for item in result)
    same = sum(item.unchanged for item in result)
    if not written:
        yield "No file was written: the database holds no document yet."
        return
    which = "all" if same == written else f"{same:,} of them"
    yield f"{many(written, 'file')} in {folder}, {which} byte for byte as last imported."


def _how(item: Exported) -> str:
    if not item.digest:
        return f"not written: {item.state}"
    return "as it was" if item.unchanged else "patched" if item.patched else "written anew"
