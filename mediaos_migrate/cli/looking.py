"""The commands that only look: status, health, doctor, show."""
# ruff: noqa: PLR0913  typer makes an option of each parameter

from __future__ import annotations

from typing import Annotated

import typer

from ..show import looked, payload
from ..site import Site
from .answers import Answer, Said, answer, narrator
from .options import (
    APP,
    DATA,
    AcceptData,
    App,
    Data,
    Db,
    Json,
    KeyFile,
    PolicyOption,
    Skip,
    allowed,
    example,
    modest,
    option,
)


def status(*, data: Data = DATA, db: Db = None, app: App = APP, json: Json = False) -> Said:
    """Tell where every document stands, and the one next step.

    Reads the database only, no document: `validate` tells whether they are still equal.
    """
    from ..moves import status as moves

    def act() -> Answer:
        result = moves.status(Site.open(data, db, app))
        return Answer(payload.status(result), looked.status(result))

    return answer("status", json, act)


def health(
    *, policy: PolicyOption = "home", data: Data = DATA, db: Db = None, app: App = APP, json: Json = False
) -> Said:
    """Tell how the database does: whole or not, its sizes, what the files lack, slow queries; touch nothing.

    Exit code 3: something is wrong, which the lines that begin with `problem` say. Reads the whole database.
    """
    from ..moves import health as moves
    from ..moves.policy import policy as chosen
    from ..show import health as show

    def act() -> Answer:
        result = moves.health(Site.open(data, db, app), chosen(policy))
        return Answer(show.payload(result), show.told(result), result.exit_code)

    return answer("health", json, act)


def doctor(
    *,
    data: Data = DATA,
    db: Db = None,
    app: App = APP,
    key_file: KeyFile = None,
    skip: Skip = [],  # noqa: B006  typer copies it
    accept_data: AcceptData = False,
    slow: Annotated[
        bool, option("--slow", help="Also name the queries that took long, with their plans, and the index they lack.")
    ] = False,
    json: Json = False,
) -> Said:
    """Look for whatever could stand in the way of a migration, or surprise afterwards, and touch nothing.

    Exit code 4: a migration would be refused, for the reasons that begin with `error`.
    """
    from ..moves import doctor as moves

    def act() -> Answer:
        options, site = allowed(skip, [], salvage=False, accept_data=accept_data), Site.open(data, db, app, key_file)
        with narrator(json) as progress:
            result = moves.diagnose(site, options, progress)
        if slow:
            from ..moves import slowness

            result.findings += slowness.findings(site)
        return Answer(payload.diagnosis(result), looked.diagnosis(result), result.exit_code)

    return answer("doctor", json, act)


def show(
    document: Annotated[str, typer.Argument(metavar="DOCUMENT", help="The document, as `library`.")],
    key: Annotated[
        list[str], typer.Argument(metavar="KEY...", help="The record's key; one word for each of its parts.")
    ],
    *,
    data: Data = DATA,
    db: Db = None,
    app: App = APP,
    key_file: KeyFile = None,
    json: Json = False,
) -> Said:
    """Show one record as the file and as the table have it, secrets as dots.

    Exit code 3: they differ.
    """
    from ..moves import showing as moves

    def act() -> Answer:
        result = moves.show_record(Site.open(data, db, app, key_file), document, tuple(key))
        return Answer(payload.shown(result), looked.shown(result), result.exit_code)

    return answer("show", json, act)


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
