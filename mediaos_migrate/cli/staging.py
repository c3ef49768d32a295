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
from .answers import Answer, Said, answer, confirm, narrator
from .options import APP, DATA, AcceptSource, App, Data, Db, Json, KeyFile, PolicyOption, Yes, example, modest, option

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


def show(documents: Documents = None, *, data: Data = DATA, db: Db = None, app: App = APP, json: Json = False) -> Said:
    """Tell the stage of each document, since when, and what its file still lacks."""
    from ..moves import standing

    def act() -> Answer:
        result = standing.show(Site.open(data, db, app), documents or [])
        return Answer(staged.stood(result), staged.standing(result))

    return answer("stage show", json, act)


def why_not(
    documents: Documents = None,
    *,
    policy: PolicyOption = "home",
    host_reads_database: HostReads = False,
    data: Data = DATA,
    db: Db = None,
    app: App = APP,
    json: Json = False,
) -> Said:
    """Tell what is missing for the next stage."""
    from ..moves import standing
    from ..moves.policy import policy as chosen

    def act() -> Answer:
        asked = standing.Asked(chosen(policy), host_reads_database)
        result = standing.show(Site.open(data, db, app), documents or [], asked)
        return Answer(staged.stood(result), staged.missing(result))

    return answer("stage why-not", json, act)


def price(*, data: Data = DATA, db: Db = None, app: App = APP, json: Json = False) -> Said:
    """Tell exactly what going back to the files now would lose."""
    from ..moves import standing

    def act() -> Answer:
        result = standing.price(Site.open(data, db, app))
        return Answer(staged.price(result), staged.priced(result))

    return answer("stage price", json, act)


def advance(
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
    data: Data = DATA,
    db: Db = None,
    app: App = APP,
    key_file: KeyFile = None,
    json: Json = False,
) -> Said:
    """Move documents one step forward, on evidence: both homes equal, and the way back proved.

    Exit code 4: something is missing; `stage why-not` tells what.
    """
    from ..moves import staging, standing
    from ..moves.policy import policy as chosen

    def act() -> Answer:
        place = Place.FENCED if fence else Place.RETIRED if retire_files else Place.KEPT
        asked = standing.Asked(chosen(policy), host_reads_database, place, why, hold)
        with narrator(json) as progress:
            result = staging.advance(Site.open(data, db, app, key_file), documents or [], to, asked, progress)
        return Answer(staged.steps(result), staged.stepped(result))

    return answer("stage advance", json, act)


def retreat(
    documents: Documents = None,
    *,
    to: To = None,
    hold: Hold = None,
    why: Annotated[str, option("--why", metavar="TEXT", help="Written down with the move.")] = "",
    data: Data = DATA,
    db: Db = None,
    app: App = APP,
    key_file: KeyFile = None,
    json: Json = False,
) -> Said:
    """Move documents one step back; what was believed in the table is in the files first, and proved."""
    from ..moves import staging, standing

    def act() -> Answer:
        asked = standing.Asked(why=why, hold=hold)
        with narrator(json) as progress:
            result = staging.retreat(Site.open(data, db, app, key_file), documents or [], to, asked, progress)
        return Answer(staged.steps(result), staged.stepped(result))

    return answer("stage retreat", json, act)


def rollback(
    documents: Documents = None,
    *,
    discard_database: Annotated[
        bool, option("--discard-database", help="Remove the database at the end; a backup of it stays.")
    ] = False,
    why: Annotated[str, option("--why", metavar="TEXT", help="Written down with the moves.")] = "",
    yes: Yes = False,
    data: Data = DATA,
    db: Db = None,
    app: App = APP,
    key_file: KeyFile = None,
    json: Json = False,
) -> Said:
    """Go back to the files, whatever the stage, with everything that was written since.

    The price is named first: rows that only the database can hold. They are written to only-in-database.json in the
    state folder, so that even they are not lost.
    """
    from ..moves import rolling_back

    def ask(found: rolling_back.Rollback) -> None:
        if (found.stages or discard_database) and not yes:
            confirm("\n".join([*staged.due(found), "Go back to the files?"]))

    def act() -> Answer:
        wanted = rolling_back.Wanted(tuple(documents or ()), why, discard_database)
        with narrator(json) as progress:
            result = rolling_back.rollback(Site.open(data, db, app, key_file), wanted, ask, progress)
        return Answer(staged.rollback(result), staged.rolled_back(result))

    return answer("rollback", json, act)


def flush(*, data: Data = DATA, db: Db = None, app: App = APP, key_file: KeyFile = None, json: Json = False) -> Said:
    """Write every file that is behind its table, and finish what a crash left open."""
    from ..moves import mirroring

    def act() -> Answer:
        site = Site.open(data, db, app, key_file)
        _must_exist(site)
        with narrator(json) as progress, site.locked(wait=10), site.writing() as connection:
            result = mirroring.flush(site, connection, progress)
        return Answer(staged.mirrored(result), staged.flushed(result))

    return answer("mirror flush", json, act)


def repair(
    documents: Documents = None,
    *,
    believe: Annotated[Home, option("--believe", metavar="HOME", help="The home that is right: file or table.")],
    accept_source: AcceptSource = [],  # noqa: B006
    yes: Yes = False,
    data: Data = DATA,
    db: Db = None,
    app: App = APP,
    key_file: KeyFile = None,
    json: Json = False,
) -> Said:
    """Settle what differs: say which home is right, and the other is made to say the same.

    The plan comes first. Both homes are backed up before, and compared afterwards.
    """
    from ..moves import repairing

    def ask(planned: Sequence[DocumentReport]) -> None:
        if planned and not yes:
            lines = "\n".join(staged.planned(planned, believe))
            confirm(f"{lines}\nMake the {'table' if believe is Home.FILE else 'file'} say what the {believe} says?")

    def act() -> Answer:
        site = Site.open(data, db, app, key_file)
        _must_exist(site)
        with narrator(json) as progress:
            wanted = repairing.Wanted(believe, tuple(documents or ()), frozenset(accept_source))
            result = repairing.repair(site, wanted, ask, progress)
        return Answer(staged.repair(result), staged.repaired(result, believe), result.exit_code)

    return answer("repair", json, act)


def build(*, data: Data = DATA, db: Db = None, app: App = APP, json: Json = False) -> Said:
    """Make the full-text tables, which are kept in step from then on. What is there stays."""
    from ..engines.sqlite import transaction
    from ..stores import search

    def act() -> Answer:
        site = Site.open(data, db, app)
        _must_exist(site)
        parts = [part for document in site.pack.documents.values() for part in document.parts if part.search]
        with site.locked(wait=10), site.writing() as connection, transaction(connection):
            made = [part.table for part in parts if not search.is_built(connection, part)]
            for part in parts:
                search.build(connection, part)
        lines = [f"Full text of {table}: built." for table in made] or ["Nothing to do: the full text is there."]
        return Answer({"built": made}, lines)

    return answer("search build", json, act)


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
