"""The commands that only look: status, health, doctor, show."""

from __future__ import annotations

from typing import Annotated

import typer

from ..show import looked, payload
from .answers import Answer
from .commands import At, at_site, modest
from .options import (
    AcceptData,
    PolicyOption,
    Skip,
    allowed,
    example,
    option,
)


@at_site("status")
def status(at: At) -> Answer:
    """Tell where every document stands, and the one next step.

    Reads the database only, no document: `validate` tells whether they are still equal.
    """
    from ..moves import status as moves

    result = moves.status(at.site)
    return Answer(payload.status(result), looked.status(result))


@at_site("health")
def health(
    at: At,
    *,
    policy: PolicyOption = "home",
) -> Answer:
    """Tell how the database does: whole or not, its sizes, what the files lack, slow queries; touch nothing.

    Exit code 3: something is wrong, which the lines that begin with `problem` say. Reads the whole database.
    """
    from ..moves import health as moves
    from ..moves.policy import policy as chosen
    from ..show import health as show

    result = moves.health(at.site, chosen(policy))
    return Answer(show.payload(result), show.told(result), result.exit_code)


@at_site("doctor", keyed=True)
def doctor(
    at: At,
    *,
    skip: Skip = [],  # noqa: B006  typer copies it
    accept_data: AcceptData = False,
    slow: Annotated[
        bool, option("--slow", help="Also name the queries that took long, with their plans, and the index they lack.")
    ] = False,
) -> Answer:
    """Look for whatever could stand in the way of a migration, or surprise afterwards, and touch nothing.

    Exit code 4: a migration would be refused, for the reasons that begin with `error`.
    """
    from ..moves import doctor as moves

    options, site = allowed(skip, [], salvage=False, accept_data=accept_data), at.site
    with at.progress() as progress:
        result = moves.diagnose(site, options, progress)
    if slow:
        from ..moves import slowness

        result.findings += slowness.findings(site)
    return Answer(payload.diagnosis(result), looked.diagnosis(result), result.exit_code)


@at_site("show", keyed=True)
def show(
    at: At,
    document: Annotated[str, typer.Argument(metavar="DOCUMENT", help="The document, as `library`.")],
    key: Annotated[
        list[str], typer.Argument(metavar="KEY...", help="The record's key; one word for each of its parts.")
    ],
) -> Answer:
    """Show one record as the file and as the table have it, secrets as dots.

    Exit code 3: they differ.
    """
    from ..moves import showing as moves

    result = moves.show_record(at.site, document, tuple(key))
    return Answer(payload.shown(result), looked.shown(result), result.exit_code)


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.command(
        short_help="Tell where every document stands, and the one next step.",
        epilog=example("status --data /srv/mediaos/config"),
    )(status)
    app.command(
        short_help="Tell how the database does, and what is slow.",
        epilog=example("health", "health --json --policy ci"),
    )(health)
    app.command(
        short_help="Look for what could stand in the way of a migration.",
        epilog=example("doctor --data /srv/mediaos/config"),
    )(modest(doctor))
    app.command(
        short_help="Show one record as the file and as the table have it.",
        epilog=example("show library mgb696g1xq41z8", "show wanted movie 17"),
    )(show)
