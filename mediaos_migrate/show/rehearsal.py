"""A rehearsal as one page for a browser: what was proved on the copy, and what it cost."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from ..errors import MigrateError
from ..moves.validating import Validation
from . import html
from .html import bar, document, e, footer, not_checked, page, parts
from .text import forecast_held
from .words import Lines, size

if TYPE_CHECKING:
    from ..moves.rehearsing import Rehearsal
    from ..site import Site


def rehearsed(result: Rehearsal, site: Site) -> Lines:
    """Tell what a rehearsal found."""
    ready = result.exit_code == 0
    title = "A migration can be run" if ready else "A migration had better not be run"
    totals: Counter[str] = Counter()
    for report in result.migration.documents:
        totals.update(parts(report))
    told = f"{site.pack.name} was migrated on a copy, taken back, and held against the files; nothing was touched."
    header = e("header", e("h1", title, class_="clean" if ready else "differs"), e("p", told, class_="soft"))
    header.append(bar(totals))
    proof = Validation(result.migration.documents, result.migration.unmapped, "rehearsal", meanings=result.meanings)
    documents = [document(report, proof) for report in proof.documents]
    yield from page(title, header, e("main", _measured(result), *documents, not_checked(proof)), footer(proof, site))


def _measured(result: Rehearsal) -> ET.Element:
    """Set out what was proved on the copy, how long it took and what it needed."""
    back = len([item for item in result.exported if item.digest])
    facts = {
        "Files that came back byte for byte": f"{back - len(result.different):,} of {back:,}",
        "Files that did not": ", ".join(result.different) or "none",
        "Schema down and up again": "the same" if result.schema_returns else "NOT the same",
        "Whole rehearsal": f"{result.seconds:.1f} s",
        **{f"Step: {step}": f"{seconds:.1f} s" for step, seconds in result.migration.timings.items()},
        "Memory at its peak": size(result.peak_memory),
        "Forecast": forecast_held(result),
        "Disk that a migration adds": f"{size(result.disk_needed)} of {size(result.disk_free)} free",
    }
    rows = (e("tr", e("th", name, scope="row"), e("td", fact)) for name, fact in facts.items())
    return e("section", e("h2", "On the copy"), e("table", e("tbody", *rows), class_="rules"))


def failed(error: MigrateError) -> Lines:
    """Tell why there was no rehearsal."""
    yield from html.failed(error)
