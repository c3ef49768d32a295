"""A page for a browser, written where the operator wants it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from .. import files
from ..errors import Refused, UsageError
from ..site import Site


def check(report: Path | None, site: Site) -> None:
    """Raise UsageError or Refused when no page can be written there."""
    if report and not report.parent.is_dir():
        raise UsageError(f"There is no folder {report.parent}.", "Make it, or name another file with --report.")
    if report and site.data.resolve() in report.resolve().parents:
        raise Refused(f"{report} lies in the data folder, which is left alone.", "Name another place with --report.")


def write(report: Path | None, lines: Iterable[str]) -> None:
    """Write a page as a whole, if one is wanted."""
    if report:
        with files.replacing(report, files.owner_of(report.parent)) as stream:
            stream.write("\n".join([*lines, ""]).encode())
