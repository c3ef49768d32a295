"""A drill as one page for a browser: the proof that one can keep, or send."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

from .. import __version__
from ..errors import MigrateError
from . import html
from .drilled import counted, notes, verdict
from .findings import now, place
from .html import bar, e, page
from .words import Lines

if TYPE_CHECKING:
    from ..drill import Act, Drill
    from ..site import Site

LOOKS: Final = {"nothing lost": "clean", "LOST": "differs", "FAILED": "unsure"}
PARTS: Final = {"nothing lost": "equal", "LOST": "unexplained", "FAILED": "unsure"}


def drilled(result: Drill, site: Site) -> Lines:
    """Tell a drill."""
    title = verdict(result).replace(";", ",").partition(",")[0]
    look = {0: "clean", 3: "differs"}.get(result.exit_code, "unsure")
    told = f"The worst day of {site.pack.name}, played on a copy of {counted(result)}; nothing of yours was touched."
    header = e("header", e("h1", title, class_=look), e("p", told, class_="soft"), _share(result))
    stages = [_stage(stage, list(acts)) for stage, acts in groupby(result.acts, key=lambda act: act.stage)]
    yield from page(title, header, e("main", _found(result), *stages, _left_out(result)), _footer(result, site))


def failed(error: MigrateError) -> Lines:
    """Tell why there was no drill."""
    yield from html.failed(error, "There was no drill")


def _share(result: Drill) -> ET.Element:
    """Draw how many acts lost nothing."""
    words = [act.word for act in result.acts]
    figure = bar({part: words.count(word) for word, part in PARTS.items()})
    for item, word in zip(figure.iter("li"), PARTS, strict=True):
        item.text = f"{words.count(word):,} acts: {word.lower()}"
    return figure


def _found(result: Drill) -> ET.Element | None:
    """Say what was lost, what failed, and how it was done."""
    wrong = [*(f"LOST: {each}" for each in result.lost), *(f"FAILED: {each}" for each in result.failed)]
    items = [e("li", e("strong", each)) for each in wrong] + [e("li", note) for note in notes(result)]
    return e("section", e("h2", "All in all"), e("ul", *items, class_="plain"))


def _stage(stage: str, acts: list[Act]) -> ET.Element:
    """Set out the acts that were played while a stage was reached."""
    rows = [
        e(
            "tr",
            e("th", act.name, e("small", f" {act.seconds:.1f}\N{NO-BREAK SPACE}s"), scope="row"),
            e("td", "; ".join(act.told), *(e("p", e("strong", each)) for each in (*act.lost, *act.failed))),
            e("td", e("span", act.word, class_=f"badge {LOOKS[act.word]}")),
        )
        for act in acts
    ]
    seconds = e("small", f"{sum(act.seconds for act in acts):.1f} s")
    return e("section", e("h2", f"At {stage}", seconds), e("table", e("tbody", *rows), class_="acts"))


def _left_out(result: Drill) -> ET.Element | None:
    """Name the steps at which a quick drill killed nobody."""
    items = [e("li", f"{move}: {', '.join(steps)}") for move, steps in result.left_out.items()]
    title = e("summary", "Left out by --quick: steps at which nobody was killed")
    return e("section", e("details", title, e("ul", *items, class_="plain"))) if items else None


def _footer(result: Drill, site: Site) -> ET.Element:
    """Say what was drilled, how and when."""
    told = {
        "Look": f"every record, in each home that has to say it, after each act; seed {result.seed}",
        "Data": place(site, ""),
        "Took": f"{result.seconds:.0f} s",
        "Made": f"{now()} by mediaos-migrate {__version__}",
    }
    pairs = (e(tag, text) for pair in told.items() for tag, text in zip(("dt", "dd"), pair, strict=True))
    return e("footer", e("dl", *pairs))
