"""The commands that move belief: stage, rollback, mirror, search."""
# ruff: noqa: PLR0913  typer makes an option of each parameter

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from .. import marker
from ..errors import CouldNotCheck
from ..ledger import Place
from ..report import DocumentReport
from ..show import staged
from ..site import Site
from ..stages import Home, Stage
from .answers import Answer, Said, confirm
from .commands import At, at_site, modest
from .options import AcceptSource, PolicyOption, Yes, example, option

stage_app = typer.Typer(
    help="Move documents from file believed to table believed, and back.", no_args_is_help=True, rich_markup_mode=None
)
mirror_app = typer.Typer(help="Write files after their tables.", no_args_is_help=True, rich_markup_mode=None)
search_app = typer.Typer(help="Full-text search.", no_args_is_help=True, rich_markup_mode=None)


Documents = Annotated[
    list[str] | None, typer.Argument(metavar="[DOCUMENT]...", help="Only these, as `library`. [default: all]")
]
To = Annotated[Stage | None, option("--to", metavar="STAGE", help="The stage to go to. [default: one step]")]
Hold = Annotated[
    bool | None,
    option("--hold/--no-hold", help="From now on keep these documents where they are, or let them go again."),
]
HostReads = Annotated[
    bool, option("--host-reads-database", help="Say that the app reads the database, though its pack says no.")
]


@at_site("stage show")
def show(at: At, documents: Documents = None) -> Answer:
    """Tell the stage of each document, since when, and what its file still lacks."""
    from ..moves import standing

    result = standing.show(at.site, documents or [])
    return Answer(staged.stood(result), staged.standing(result))


@at_site("stage why-not")
def why_not(
    at: At,
    documents: Documents = None,
    *,
    policy: PolicyOption = "home",
    host_reads_database: HostReads = False,
) -> Answer:
    """Tell what is missing for the next stage."""
    from ..moves import standing
    from ..moves.policy import policy as chosen

    asked = standing.Asked(chosen(policy), host_reads_database)
    result = standing.show(at.site, documents or [], asked)
    return Answer(staged.stood(result), staged.missing(result))


@at_site("stage price")
def price(at: At, documents: Documents = None) -> Answer:
    """Tell exactly what going back to the files now would lose."""
    from ..moves import standing

    result = standing.price(at.site, documents or [])
    return Answer(staged.price(result), staged.priced(result))


@at_site("stage advance", keyed=True)
def advance(
    at: At,
    documents: Documents = None,
    *,
    to: To = None,
    policy: PolicyOption = "home",
    host_reads_database: HostReads = False,
    retire_files: Annotated[
        bool, option("--retire-files", help="At `complete`, put the files away; a copy stays among the backups.")
    ] = False,
    fence: Annotated[
        bool, option("--fence", help="The same, with a folder in each file's place: no old program can write it again.")
    ] = False,
    hold: Hold = None,
    why: Annotated[str, option("--why", metavar="TEXT", help="Written down with the move.")] = "",
) -> Answer:
    """Move documents one step forward, on evidence: both homes equal, and the way back proved.

    Exit code 4: something is missing; `stage why-not` tells what.
    """
    from ..moves import staging, standing
    from ..moves.policy import policy as chosen

    place = Place.FENCED if fence else Place.RETIRED if retire_files else Place.KEPT
    asked = standing.Asked(chosen(policy), host_reads_database, place, why, hold)
    with at.progress() as progress:
        result = staging.advance(at.site, documents or [], to, asked, progress)
    return Answer(staged.steps(result), staged.stepped(result))


@at_site("stage retreat", keyed=True)
def retreat(
    at: At,
    documents: Documents = None,
    *,
    to: To = None,
    hold: Hold = None,
    why: Annotated[str, option("--why", metavar="TEXT", help="Written down with the move.")] = "",
) -> Answer:
    """Move documents one step back; what was believed in the table is in the files first, and proved."""
    from ..moves import staging, standing

    asked = standing.Asked(why=why, hold=hold)
    with at.progress() as progress:
        result = staging.retreat(at.site, documents or [], to, asked, progress)
    return Answer(staged.steps(result), staged.stepped(result))


@at_site("rollback", keyed=True)
def rollback(
    at: At,
    documents: Documents = None,
    *,
    discard_database: Annotated[
        bool, option("--discard-database", help="Remove the database at the end; a backup of it stays.")
    ] = False,
    why: Annotated[str, option("--why", metavar="TEXT", help="Written down with the moves.")] = "",
    yes: Yes = False,
) -> Answer:
    """Go back to the files, whatever the stage, with everything that was written since.

    The price is named first: rows that only the database can hold. They are written to only-in-database.json in the
    state folder, so that even they are not lost.
    """
    from ..moves import rolling_back

    def ask(found: rolling_back.Rollback) -> None:
        if (found.stages or discard_database) and not yes:
            confirm("\n".join([*staged.due(found), "Go back to the files?"]))

    wanted = rolling_back.Wanted(tuple(documents or ()), why, discard_database)
    with at.progress() as progress:
        result = rolling_back.rollback(at.site, wanted, ask, progress)
    return Answer(staged.rollback(result), staged.rolled_back(result))


@at_site("mirror flush", keyed=True)
def flush(at: At) -> Answer:
    """Write every file that is behind its table, and finish what a crash left open."""
    from ..moves import mirroring

    site = at.site
    _must_exist(site)
    with at.progress() as progress, site.locked(wait=10), site.writing() as connection:
        result = mirroring.flush(site, connection, progress)
    return Answer(staged.mirrored(result), staged.flushed(result))


@at_site("repair", keyed=True)
def repair(
    at: At,
    documents: Documents = None,
    *,
    believe: Annotated[Home, option("--believe", metavar="HOME", help="The home that is right: file or table.")],
    accept_source: AcceptSource = [],  # noqa: B006
    yes: Yes = False,
) -> Answer:
    """Settle what differs: say which home is right, and the other is made to say the same.

    The plan comes first. Both homes are backed up before, and compared afterwards.
    """
    from ..moves import repairing

    def ask(planned: Sequence[DocumentReport]) -> None:
        if planned and not yes:
            lines = "\n".join(staged.planned(planned, believe))
            confirm(f"{lines}\nMake the {'table' if believe is Home.FILE else 'file'} say what the {believe} says?")

    site = at.site
    _must_exist(site)
    with at.progress() as progress:
        wanted = repairing.Wanted(believe, tuple(documents or ()), frozenset(accept_source))
        result = repairing.repair(site, wanted, ask, progress)
    return Answer(staged.repair(result), staged.repaired(result, believe), result.exit_code)


@at_site("search build")
def build(at: At) -> Answer:
    """Make the full-text tables, which are kept in step from then on. What is there stays."""
    from ..engines.sqlite import transaction
    from ..stores import search

    site = at.site
    _must_exist(site)
    parts = [part for document in site.pack.documents.values() for part in document.parts if part.search]
    with site.locked(wait=10), site.writing() as connection, transaction(connection):
        made = [part.table for part in parts if not search.is_built(connection, part)]
        for part in parts:
            search.build(connection, part)
    lines = [f"Full text of {table}: built." for table in made] or ["Nothing to do: the full text is there."]
    return Answer({"built": made}, lines)


def _must_exist(site: Site) -> None:
    if not site.db.exists():
        marker.check_lost(site.state, site.db)
        raise CouldNotCheck(f"There is no database at {site.db}.", "Run `mediaos-migrate migrate` first.")


_STAGES: list[tuple[str, Callable[..., Said], str, str]] = [
    ("show", show, "Tell the stage of each document.", "stage show"),
    ("why-not", why_not, "Tell what is missing for the next stage.", "stage why-not library --policy ci"),
    ("price", price, "Tell what going back now would lose.", "stage price"),
    ("advance", modest(advance), "Move documents forward, on evidence.", "stage advance library --policy ci"),
    ("retreat", modest(retreat), "Move documents back, on a proof.", "stage retreat library --to off"),
]


for name, act, help_, typed in _STAGES:
    stage_app.command(name, short_help=help_, epilog=example(typed))(act)
mirror_app.command("flush", short_help="Pay every debt now.", epilog=example("mirror flush"))(modest(flush))
search_app.command("build", short_help="Make the full-text tables.", epilog=example("search build"))(modest(build))


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.command(
        short_help="Settle what differs: say which home is right.", epilog=example("repair library --believe file")
    )(modest(repair))
    app.command(
        short_help="Go back to the files, whatever the stage.", epilog=example("rollback", "rollback library --yes")
    )(modest(rollback))
    app.add_typer(stage_app, name="stage")
    app.add_typer(mirror_app, name="mirror")
    app.add_typer(search_app, name="search")
