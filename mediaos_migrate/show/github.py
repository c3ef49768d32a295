"""A validation as workflow commands, which GitHub shows beside the lines they speak of."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..errors import MigrateError
from .findings import NOT_COMPARED, Level, clean, findings, here, verdict
from .words import Lines, many

if TYPE_CHECKING:
    from ..moves.validating import Validation
    from ..site import Site

COMMANDS: Final[dict[Level, str]] = {"error": "error", "warning": "warning", "note": "notice"}
DATA: Final = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
PROPERTY: Final = DATA | str.maketrans({":": "%3A", ",": "%2C"})


def validated(result: Validation, site: Site) -> Lines:
    """Tell what a validation found: one command for each finding, then a summary."""
    counts: Counter[str] = Counter()
    for found in findings(result, site):
        command = COMMANDS[found.level]
        counts[command] += 1
        title = f"{found.rule} in {found.document}" if found.document else found.rule
        yield _command(command, found.message, file=found.file, line=str(found.line), title=title)
    looked = [report for report in result.documents if report.state not in NOT_COMPARED]
    compared, equal = sum(report.compared for report in looked), sum(report.equal for report in looked)
    broken = f" ({', '.join(result.broken)})" if result.broken else ""
    told = ", ".join(many(counts[command], command) for command in COMMANDS.values())
    yield f"mediaos-migrate validate: {verdict(result)}{broken}; {equal:,} of {compared:,} records are equal; {told}."


def failed(error: MigrateError) -> Lines:
    """Tell why there was no validation."""
    where = {name: str(error.facts[name]) for name in ("file", "line") if name in error.facts}
    if "file" in where:
        where["file"] = here(Path(where["file"]))
    yield _command("error", f"{error.message}\n{error.remedy}".strip(), **where, title=type(error).__name__)


def _command(name: str, message: str, **properties: str) -> str:
    """Write a command, in which nothing can be taken for the end of it or for another."""
    given = ",".join(f"{key}={clean(value).translate(PROPERTY)}" for key, value in properties.items())
    return f"::{name} {given}::{clean(message).translate(DATA)}"
