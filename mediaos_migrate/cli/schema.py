"""The commands of the versioned schema: status, up, down."""
# ruff: noqa: PLR0913  typer makes an option of each parameter

from __future__ import annotations

import sys
from typing import Annotated

import typer

from .. import migrations
from ..errors import MigrateError, UsageError
from ..ledger import Ledger
from ..show import payload, text
from ..site import Site
from .answers import Answer, Said, answer
from .options import APP, DATA, App, Data, Db, Json, Yes, example, option

PENDING = 6

schema_app = typer.Typer(
    help="Move the database's schema up and down, step by step.", no_args_is_help=True, rich_markup_mode=None
)


@schema_app.command(
    "status",
    short_help="List the migrations: which are applied, which are pending.",
    epilog=example("schema status --check"),
)
def schema_status(
    *,
    data: Data = DATA,
    db: Db = None,
    app: App = APP,
    check: Annotated[bool, option("--check", help="Exit with 6 when migrations are pending.")] = False,
    json: Json = False,
) -> Said:
    """List the migrations that were applied, and those that are pending."""

    def act() -> Answer:
        site = Site.open(data, db, app)
        applied: list[migrations.Applied] = []
        pending = site.migrations
        if site.db.exists() and site.db.stat().st_size:
            with site.looking() as connection:
                applied, pending = migrations.applied(connection), migrations.pending(connection, pending)
        code = PENDING if check and pending else 0
        return Answer(payload.schema_status(applied, pending), text.schema_status(applied, pending), code)

    return answer("schema status", json, act)


@schema_app.command("up", short_help="Apply the pending migrations.", epilog=example("schema up"))
def schema_up(
    *,
    data: Data = DATA,
    db: Db = None,
    app: App = APP,
    to: Annotated[int | None, option("--to", metavar="NUMBER", help="Stop after this one. [default: the last]")] = None,
    json: Json = False,
) -> Said:
    """Apply the pending migrations, each in a transaction of its own; `migrate` does it by itself."""

    def act() -> Answer:
        site = Site.open(data, db, app)
        with site.locked(), site.writing() as connection:
            Ledger(connection).found(site.pack.app)
            steps = migrations.up(connection, site.migrations, to)
        return Answer(payload.schema_moved(steps), text.schema_moved(steps, "applied"))

    return answer("schema up", json, act)


@schema_app.command(
    "down",
    short_help="Take migrations back, the last one first.",
    epilog=example("schema down", "schema down --to 8 --yes"),
)
def schema_down(
    *,
    data: Data = DATA,
    db: Db = None,
    app: App = APP,
    to: Annotated[int | None, option("--to", metavar="NUMBER", help="Take back everything above this one.")] = None,
    steps: Annotated[
        int | None, option("--steps", metavar="COUNT", min=1, help="Take back so many. [default: 1]")
    ] = None,
    yes: Yes = False,
    json: Json = False,
) -> Said:
    """Take migrations back, the last one first, with the tables they made and what is in them.

    The files stay as they are; `migrate` fills the tables again.
    """

    def act() -> Answer:
        if to is not None and steps is not None:
            raise UsageError("--to and --steps are two ways to say how far.", "Give one of them.")
        site = Site.open(data, db, app)
        with site.looking() as connection:
            applied = migrations.applied(connection)
        target = to if to is not None else max(len(applied) - (steps or 1), 0)
        doomed = [str(step) for step in applied if step.number > target]
        if doomed and not yes:
            _confirm(f"Take back {', '.join(doomed)}, with the tables they made and what is in them?")
        with site.locked(), site.writing() as connection:
            done = migrations.down(connection, target)
        return Answer(payload.schema_moved(done), text.schema_moved(done, "took back"))

    return answer("schema down", json, act)


def _confirm(question: str) -> None:
    if not sys.stdin.isatty():
        raise UsageError("This needs a confirmation, and nobody can be asked.", "Pass --yes.")
    if not typer.confirm(question, err=True):
        raise MigrateError("Nothing was changed.", "")
