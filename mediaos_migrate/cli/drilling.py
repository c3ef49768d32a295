"""The command that plays the worst day: drill."""
# ruff: noqa: PLR0913  typer makes an option of each parameter

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from ..errors import UsageError
from ..show import drilled
from ..site import Site
from .answers import Answer, Said, answer, narrator
from .options import APP, DATA, App, Data, Db, Json, KeyFile, Work, example, option


class Form(StrEnum):
    """How a drill is told."""

    TEXT = "text"
    JSON = "json"


def drill(
    *,
    quick: Annotated[
        bool, option("--quick", help="Kill at one step of each move only, another one each time, and write little.")
    ] = False,
    work: Work = None,
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
    as_json = json or form is Form.JSON

    def act() -> Answer:
        from .. import drill as drilling

        if json and form not in (None, Form.JSON):
            raise UsageError("These options contradict each other.", "Leave one of them out.")
        site = Site.open(data, db, app, key_file)
        with narrator(as_json) as progress:
            result = drilling.drill(site, work, quick=quick, progress=progress)
        return Answer(drilled.payload(result), drilled.text(result, site.pack.name), result.exit_code)

    return answer("drill", as_json, act)


def add_to(app: typer.Typer) -> None:
    """Add this command."""
    app.command(
        short_help="Play the worst day, on a copy.",
        epilog=example("drill --quick", "drill --data /srv/mediaos/config --work /srv/scratch"),
    )(drill)
