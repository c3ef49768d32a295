"""The command for a database that is lost, damaged or old: recover."""

from __future__ import annotations

from typing import Annotated

import typer

from ..moves import recovering
from ..moves.bases import Source
from ..moves.recovering import Recovery
from ..show import recovered as show
from .answers import Answer, confirm
from .commands import At, at_site, modest
from .options import Yes, example, option


@modest
@at_site("recover", keyed=True)
def recover(
    at: At,
    *,
    source: Annotated[
        Source | None, option("--from", metavar="WAY", help="Make it anew from: files, backup or salvage.")
    ] = None,
    yes: Yes = False,
) -> Answer:
    """Make a database anew that is lost, damaged, or older than the files.

    Without --from it tells what is left and what each way would lose, and changes nothing (exit code 7). What is
    there is kept in the state folder before anything is touched. Stop the app first.
    """

    def choose(found: Recovery) -> Source | None:
        if source and not yes:
            confirm("\n".join([*show.weighed(found), f"Make the database anew from {source}?"]))
        return source

    with at.progress() as progress:
        result = recovering.recover(at.site, choose, progress)
    return Answer(show.payload(result), show.recovered(result), result.exit_code)


def add_to(app: typer.Typer) -> None:
    """Add this command."""
    app.command(
        short_help="Make a database anew that is lost, damaged or old.",
        epilog=example("recover", "recover --from files --yes"),
    )(recover)
