"""The command that plays the worst day: drill."""
# ruff: noqa: PLR0913  typer makes an option of each parameter

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from ..errors import MigrateError, UsageError
from ..show import drilled
from ..site import Site
from . import pages
from .answers import Answer, Said, answer, narrator
from .commands import modest
from .options import APP, DATA, App, Data, Db, Json, KeyFile, Report, Work, example, option


class Form(StrEnum):
    """How a drill is told."""

    TEXT = "text"
    JSON = "json"
    HTML = "html"


def drill(
    *,
    quick: Annotated[
        bool, option("--quick", help="Kill at one step of each move only, another one each time, and write little.")
    ] = False,
    work: Work = None,
    report: Report = None,
    form: Annotated[Form | None, option("--format", help="How to tell it. [default: text]")] = None,
    data: Data = DATA,
    db: Db = None,
    app: App = APP,
    key_file: KeyFile = None,
    json: Json = False,
) -> Said:
    """Play the worst day on a copy: kill, starve, tear, lock and lose, and look for every record after each.

    Nothing of yours is touched. Exit code 0: nothing was lost. 3: something was, and it is named. 5: not all of it
    could be played.
    """
    from .. import drill as drilling
    from ..show import worst_day

    as_json = json or form is Form.JSON

    def act() -> Answer:
        if json and form not in (None, Form.JSON):
            raise UsageError("These options contradict each other.", "Leave one of them out.")
        site = Site.open(data, db, app, key_file)
        pages.check(report, site)
        try:
            with narrator(as_json or form is Form.HTML) as progress:
                result = drilling.drill(site, work, quick=quick, progress=progress)
        except MigrateError as error:
            pages.write(report, worst_day.failed(error))
            raise
        page = list(worst_day.drilled(result, site)) if report or form is Form.HTML else []
        pages.write(report, page)
        lines = page if form is Form.HTML else drilled.text(result, site.pack.name)
        return Answer(drilled.payload(result), lines, result.exit_code)

    return answer("drill", as_json, act, worst_day.failed if form is Form.HTML else None)


def add_to(app: typer.Typer) -> None:
    """Add this command."""
    app.command(
        short_help="Play the worst day, on a copy.",
        epilog=example("drill --quick", "drill --work /srv/scratch --report drill.html"),
    )(modest(drill))
