"""The commands about what is kept: quarantine and evidence."""

from __future__ import annotations

from typing import Annotated

import typer

from ..show import kept, looked, payload
from .answers import Answer
from .commands import At, at_site, modest
from .options import example, option

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
@at_site("quarantine list")
def quarantine_list(
    at: At,
    document: Annotated[
        str | None, typer.Argument(metavar="[DOCUMENT]", help="Only this one, as `library`. [default: all]")
    ] = None,
) -> Answer:
    """List the records that could not become rows: where they stand in the file, and why.

    None is lost: whole ones stand in every export, torn ones are kept here.
    """
    from ..moves import showing as moves

    result = moves.quarantine(at.site, document)
    return Answer(payload.held(result), looked.held(result))


@quarantine_app.command(
    "show",
    short_help="Show one record in quarantine, secrets as dots.",
    epilog=example("quarantine show 1"),
)
@at_site("quarantine show")
def quarantine_show(
    at: At,
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="Its number in `quarantine list`.")],
) -> Answer:
    """Show one record in quarantine as it stands in the file, secrets as dots."""
    from ..moves import showing as moves

    result = moves.quarantine(at.site, None, number)
    return Answer(payload.held(result), looked.held_one(result[0]))


@quarantine_app.command(
    "requeue",
    short_help="Try the records in quarantine again.",
    epilog=example("quarantine requeue", "quarantine requeue library"),
)
@modest
@at_site("quarantine requeue", keyed=True)
def quarantine_requeue(at: At, documents: Documents = None) -> Answer:
    """Try the records in quarantine again: those that have a usable key of their own by now become rows.

    Use it after the file was mended, the pack was changed, or the record with the same key was removed.
    """
    from ..moves import requeueing

    with at.progress() as progress:
        result = requeueing.requeue(at.site, documents or [], progress)
    return Answer(kept.requeued(result), kept.tried(result))


@evidence_app.command(
    "list", short_help="List the verdicts, the oldest first.", epilog=example("evidence list", "evidence list library")
)
@at_site("evidence list")
def evidence_list(
    at: At,
    documents: Documents = None,
    *,
    last: Annotated[
        int, option("--last", metavar="NUMBER", min=1, help="So many of each document. [default: 30]")
    ] = 30,
) -> Answer:
    """List the verdicts that migrate, stage advance, repair and validate --record have kept.

    One stands for each document: the last, or a failed one until a whole clean look follows it in the same epoch.
    """
    from ..moves import proving

    result = proving.verdicts(at.site, documents or [], last)
    return Answer(kept.evidence(result), kept.listed(result))


@evidence_app.command(
    "show", short_help="Show one verdict, and whether it still holds.", epilog=example("evidence show 1")
)
@at_site("evidence show")
def evidence_show(
    at: At,
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="Its number in `evidence list`.")],
) -> Answer:
    """Show all that is kept of one verdict: what it was true of, what it found, and whether it still holds."""
    from ..moves import proving

    result = proving.verdict(at.site, number)
    return Answer(kept.one(result), kept.told(result))


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(quarantine_app, name="quarantine")
    app.add_typer(evidence_app, name="evidence")
