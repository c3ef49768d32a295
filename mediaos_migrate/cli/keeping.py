"""The commands about what is kept: quarantine and evidence."""
# ruff: noqa: PLR0913  typer makes an option of each parameter

from __future__ import annotations

from typing import Annotated

import typer

from ..show import kept, looked, payload
from ..site import Site
from .answers import Answer, Said, answer, narrator
from .options import APP, DATA, App, Data, Db, Json, KeyFile, example, modest, option

quarantine_app = typer.Typer(help="Records that could not become rows.", no_args_is_help=True, rich_markup_mode=None)
evidence_app = typer.Typer(help="Verdicts that were kept.", no_args_is_help=True, rich_markup_mode=None)

Documents = Annotated[
    list[str] | None, typer.Argument(metavar="[DOCUMENT]...", help="Only these, as `library`. [default: all]")
]


@quarantine_app.command(
    "list",
    short_help="List what is in quarantine, and why.",
    epilog=example("quarantine list", "quarantine list library"),
)
def quarantine_list(
    document: Annotated[
        str | None, typer.Argument(metavar="[DOCUMENT]", help="Only this one, as `library`. [default: all]")
    ] = None,
    *,
    data: Data = DATA,
    db: Db = None,
    app: App = APP,
    json: Json = False,
) -> Said:
    """List the records that could not become rows: where they stand in the file, and why.

    None is lost: whole ones stand in every export, torn ones are kept here.
    """
    from ..moves import showing as moves

    def act() -> Answer:
        result = moves.quarantine(Site.open(data, db, app), document)
        return Answer(payload.held(result), looked.held(result))

    return answer("quarantine list", json, act)


@quarantine_app.command(
    "show",
    short_help="Show one record in quarantine, secrets as dots.",
    epilog=example("quarantine show 1"),
)
def quarantine_show(
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="Its number in `quarantine list`.")],
    *,
    data: Data = DATA,
    db: Db = None,
    app: App = APP,
    json: Json = False,
) -> Said:
    """Show one record in quarantine as it stands in the file, secrets as dots."""
    from ..moves import showing as moves

    def act() -> Answer:
        result = moves.quarantine(Site.open(data, db, app), None, number)
        return Answer(payload.held(result), looked.held_one(result[0]))

    return answer("quarantine show", json, act)


@quarantine_app.command(
    "requeue",
    short_help="Try the records in quarantine again.",
    epilog=example("quarantine requeue", "quarantine requeue library"),
)
@modest
def quarantine_requeue(
    documents: Documents = None,
    *,
    data: Data = DATA,
    db: Db = None,
    app: App = APP,
    key_file: KeyFile = None,
    json: Json = False,
) -> Said:
    """Try the records in quarantine again: those that have a usable key of their own by now become rows.

    Use it after the file was mended, the pack was changed, or the record with the same key was removed.
    """
    from ..moves import requeueing

    def act() -> Answer:
        with narrator(json) as progress:
            result = requeueing.requeue(Site.open(data, db, app, key_file), documents or [], progress)
        return Answer(kept.requeued(result), kept.tried(result))

    return answer("quarantine requeue", json, act)


@evidence_app.command(
    "list", short_help="List the verdicts, the oldest first.", epilog=example("evidence list", "evidence list library")
)
def evidence_list(
    documents: Documents = None,
    *,
    last: Annotated[
        int, option("--last", metavar="NUMBER", min=1, help="So many of each document. [default: 30]")
    ] = 30,
    data: Data = DATA,
    db: Db = None,
    app: App = APP,
    json: Json = False,
) -> Said:
    """List the verdicts that migrate, stage advance, repair and validate --record have kept.

    One stands for each document: the last, or a failed one until a whole clean look follows it in the same epoch.
    """
    from ..moves import proving

    def act() -> Answer:
        result = proving.verdicts(Site.open(data, db, app), documents or [], last)
        return Answer(kept.evidence(result), kept.listed(result))

    return answer("evidence list", json, act)


@evidence_app.command(
    "show", short_help="Show one verdict, and whether it still holds.", epilog=example("evidence show 1")
)
def evidence_show(
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="Its number in `evidence list`.")],
    *,
    data: Data = DATA,
    db: Db = None,
    app: App = APP,
    json: Json = False,
) -> Said:
    """Show all that is kept of one verdict: what it was true of, what it found, and whether it still holds."""
    from ..moves import proving

    def act() -> Answer:
        result = proving.verdict(Site.open(data, db, app), number)
        return Answer(kept.one(result), kept.told(result))

    return answer("evidence show", json, act)


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(quarantine_app, name="quarantine")
    app.add_typer(evidence_app, name="evidence")
