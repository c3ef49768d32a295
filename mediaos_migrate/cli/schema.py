"""The commands that move the versioned schema: status, up, down, baseline."""
# ruff: noqa: PLR0913  typer makes an option of each parameter

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from ..errors import Refused
from ..migrations import Applied, Loss
from ..moves import schema as moves
from ..show import schema as show
from .answers import Answer, confirm
from .commands import At, at_site
from .options import Yes, example, option

PENDING = 6

schema_app = typer.Typer(
    help="Move the database's schema up and down, step by step, and prove that it is what it should be.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

To = Annotated[int | None, option("--to", metavar="NUMBER", help="End at this number. [default: the last]")]
Wait = Annotated[float, option("--wait", metavar="SECONDS", help="Wait so long for another run to end. [default: 0]")]
Contract = Annotated[
    bool, option("--contract", help="Move on the ladder of rules that the data must satisfy (unique e-mails, titles).")
]
DryRun = Annotated[bool, option("--dry-run", help="Print the SQL, and run it for real on a copy.")]


@schema_app.command(
    "status",
    short_help="List the migrations: which are applied, which are pending.",
    epilog=example("schema status --check"),
)
@at_site("schema status")
def schema_status(
    at: At,
    *,
    check: Annotated[bool, option("--check", help="Exit with 6 when migrations are pending.")] = False,
) -> Answer:
    """List the migrations: applied, pending, changed since they were applied, or unknown to this release.

    Contract migrations are listed too; they are never counted by --check.
    """
    found = moves.status(at.site)
    code = 3 if not found.healthy else PENDING if check and found.expand.pending else 0
    return Answer(show.status(found), show.status_text(found), code)


@schema_app.command(
    "up", short_help="Apply the pending migrations.", epilog=example("schema up", "schema up --dry-run")
)
@at_site("schema up")
def schema_up(
    at: At,
    *,
    to: To = None,
    contract: Contract = False,
    dry_run: DryRun = False,
    wait: Wait = 0,
) -> Answer:
    """Apply the pending migrations, each in a transaction of its own; `migrate` does it by itself.

    A database that holds rows is backed up first.
    """
    site = at.site
    if dry_run:
        result = moves.rehearse_up(site, to, contract=contract)
    else:
        result = moves.up(site, to, contract=contract, wait=wait)
    return Answer(show.moved(result), show.moved_text(result, "applied"))


@schema_app.command(
    "down",
    short_help="Take migrations back, the last one first.",
    epilog=example("schema down", "schema down --to 8 --accept-loss --yes"),
)
@at_site("schema down")
def schema_down(
    at: At,
    *,
    to: Annotated[int | None, option("--to", metavar="NUMBER", help="Take back everything above this one.")] = None,
    steps: Annotated[
        int | None, option("--steps", metavar="COUNT", min=1, help="Take back so many. [default: 1]")
    ] = None,
    contract: Contract = False,
    accept_loss: Annotated[bool, option("--accept-loss", help="Let go of the rows that it names.")] = False,
    dry_run: DryRun = False,
    wait: Wait = 0,
    yes: Yes = False,
) -> Answer:
    """Take migrations back, the last one first; it names the rows that go with them.

    The files stay as they are: `migrate` fills the tables again with all that came from them. What only the
    database knew is in the backup that is made first.
    """

    def ask(planned: Sequence[Applied], losses: Sequence[Loss]) -> None:
        if losses and not accept_loss and not dry_run:
            named = "\n".join(f"  {loss.step}: {loss}" for loss in losses)
            raise Refused(
                f"Taking this back would lose:\n{named}",
                "Pass --accept-loss if that is what you want.",
                losses=[f"{loss.step}: {loss}" for loss in losses],
            )
        if planned and not yes and not dry_run:
            confirm(f"Take back {', '.join(map(str, planned))}?")

    site, way = at.site, moves.Way(to, steps, contract)
    result = moves.rehearse_down(site, way, ask) if dry_run else moves.down(site, way, ask, wait=wait)
    return Answer(show.moved(result), show.moved_text(result, "took back"))


@schema_app.command(
    "baseline",
    short_help="Adopt a database that was made by somebody else.",
    epilog=example("schema baseline 8 --db other.db"),
)
@at_site("schema baseline")
def schema_baseline(
    at: At,
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="The migration whose schema the database has.")],
    *,
    wait: Wait = 0,
) -> Answer:
    """Adopt a database that was made by somebody else, after proving that its schema equals that of a migration."""
    result = moves.baseline(at.site, number, wait=wait)
    return Answer(show.moved(result), show.moved_text(result, "adopted as applied:"))
