"""The commands that look at the versioned schema, and help to write it: verify, dump, lint, new."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .. import pack
from ..errors import UsageError
from ..migrations import Ladder, folder
from ..migrations.lint import lint
from ..moves import schema as moves
from ..show import schema as show
from ..site import ENGINE
from .answers import Answer, Said, answer
from .commands import At, at_site
from .options import APP, App, Json, example, option
from .schema import Contract, schema_app


@schema_app.command(
    "verify", short_help="Prove that the schema is what its history says.", epilog=example("schema verify")
)
@at_site("schema verify")
def schema_verify(at: At) -> Answer:
    """Prove that the schema is what its history says: replays it, compares object by object, runs the verify files.

    Exits with 3 when something drifted, and prints a script that would mend it.
    """
    result = moves.verify(at.site)
    return Answer(show.verified(result), show.verified_text(result), result.exit_code)


@schema_app.command("dump", short_help="Print the schema as sorted SQL.", epilog=example("schema dump > schema.sql"))
@at_site("schema dump")
def schema_dump(at: At) -> Answer:
    """Print the schema as sorted SQL, to be kept in git and reviewed; without a database, what the pack would make."""
    statements = moves.dump(at.site)
    return Answer(show.dumped(statements), (line for sql in statements for line in sql.splitlines()))


@schema_app.command(
    "lint", short_help="Look for what a migration had better not do.", epilog=example("schema lint --app ./my-app")
)
def schema_lint(
    *,
    app: App = APP,
    write: Annotated[
        bool, option("--write", help="Accept the migrations as they are: write their integrity file anew.")
    ] = False,
    json: Json = False,
) -> Said:
    """Look for what a migration had better not do, and try each one out: up, down and up again.

    A finding is allowed on its line with `-- lint: allow RULE because REASON`. Exits with 3 when there are any.
    """

    def act() -> Answer:
        engine = _own(app) if write else pack.load(app).folder / ENGINE
        for ladder in Ladder if write else ():
            if found := folder.read_loosely(engine, ladder):
                folder.write_integrity(folder.folder_of(engine, ladder), found)
        findings = lint(engine)
        return Answer(show.linted(findings), show.linted_text(findings), 3 if findings else 0)

    return answer("schema lint", json, act)


@schema_app.command("new", short_help="Begin a new migration.", epilog=example("schema new add_ratings --app ./my-app"))
def schema_new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it does, in small_letters.")],
    *,
    app: App = APP,
    contract: Contract = False,
    json: Json = False,
) -> Said:
    """Begin a new migration: write its numbered up, down and verify files from a template."""

    def act() -> Answer:
        made = folder.new(_own(app), name, Ladder.CONTRACT if contract else Ladder.EXPAND)
        return Answer(show.made(made), show.made_text(made))

    return answer("schema new", json, act)


def _own(app: str) -> Path:
    """Return where a pack of one's own keeps its migrations; nobody writes into an installed one by accident."""
    known = pack.load(app)
    if known.folder != Path(app).resolve():
        raise UsageError("This writes into a pack's folder.", "Name it with --app, as in `--app ./schema/mediaos`.")
    return known.folder / ENGINE


def add_to(app: typer.Typer) -> None:
    """Add these commands, and those that move the schema."""
    app.add_typer(schema_app, name="schema")
