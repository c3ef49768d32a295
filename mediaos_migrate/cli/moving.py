"""The commands that carry data: rehearse, migrate, export."""
# ruff: noqa: PLR0913  typer makes an option of each parameter

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import MigrateError, UsageError
from ..show import payload, text
from ..site import Site
from . import pages
from .answers import Answer, Said, answer, narrator
from .commands import At, at_site, modest
from .options import (
    APP,
    DATA,
    AcceptData,
    AcceptSource,
    App,
    Data,
    Db,
    Json,
    KeyFile,
    Report,
    Salvage,
    Skip,
    Work,
    allowed,
    example,
    option,
)

if TYPE_CHECKING:
    from ..moves.surveyed import Options


def rehearse(
    *,
    data: Data = DATA,
    db: Db = None,
    app: App = APP,
    key_file: KeyFile = None,
    skip: Skip = [],  # noqa: B006  typer copies it
    salvage: Salvage = False,
    accept_source: AcceptSource = [],  # noqa: B006
    accept_data: AcceptData = False,
    work: Work = None,
    report: Report = None,
    json: Json = False,
) -> Said:
    """Go the whole way there and back on a copy of the data folder, and tell what a migration would do.

    Nothing of yours is touched. Options and exit codes are those of `migrate`.
    """
    options = allowed(skip, accept_source, salvage=salvage, accept_data=accept_data)
    return _rehearse(lambda: Site.open(data, db, app, key_file), options, (work, report), as_json=json)


def _rehearse(
    opened: Callable[[], Site], options: Options, places: tuple[Path | None, Path | None], *, as_json: bool
) -> Said:
    from ..moves import rehearsing
    from ..show import rehearsal

    work, report = places

    def act() -> Answer:
        site = opened()
        pages.check(report, site)
        try:
            with narrator(as_json) as progress:
                result = rehearsing.rehearse(site, options, work, progress)
        except MigrateError as error:
            pages.write(report, rehearsal.failed(error))
            raise
        pages.write(report, rehearsal.rehearsed(result, site))
        return Answer(payload.rehearsed(result), text.rehearsed(result), result.exit_code)

    return answer("rehearse", as_json, act)


def migrate(
    *,
    data: Data = DATA,
    db: Db = None,
    app: App = APP,
    key_file: KeyFile = None,
    skip: Skip = [],  # noqa: B006
    salvage: Salvage = False,
    accept_source: AcceptSource = [],  # noqa: B006
    accept_data: AcceptData = False,
    dry_run: Annotated[bool, option("--dry-run", help="Do it on a copy: the same as `rehearse`.")] = False,
    work: Work = None,
    report: Report = None,
    json: Json = False,
) -> Said:
    """Back up the files, bring the schema up, import every document, and compare both sides.

    The files stay as they are. Run it as often as you like: what is there already stays, and what was interrupted
    is completed.
    """
    options = allowed(skip, accept_source, salvage=salvage, accept_data=accept_data)
    if dry_run:
        return _rehearse(lambda: Site.open(data, db, app, key_file), options, (work, report), as_json=json)

    def act() -> Answer:
        if work or report:
            raise UsageError("A migration makes no copy.", "Leave --work and --report out, or pass --dry-run.")
        return _migrate(Site.open(data, db, app, key_file), options, json)

    return answer("migrate", json, act)


def _migrate(site: Site, options: Options, as_json: bool) -> Answer:  # noqa: FBT001
    from ..moves import migrating

    with narrator(as_json) as progress:
        result = migrating.migrate(site, options, progress)
    return Answer(payload.migrated(result), text.migrated(result), result.exit_code)


@at_site("export", keyed=True)
def export(
    at: At,
    *,
    to: Annotated[Path, option("--to", metavar="DIR", help="The folder to write the files into; it is made.")],
) -> Answer:
    """Write the files from the database into another folder.

    As long as no record changed, each file is byte for byte the one that was imported.
    """
    from ..moves import exporting

    with at.progress() as progress:
        result = exporting.export(at.site, to, progress)
    return Answer(payload.exported(result), text.exported(result, to))


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.command(
        short_help="Go the whole way there and back, on a copy.",
        epilog=example("rehearse --data /srv/mediaos/config"),
    )(modest(rehearse))
    app.command(
        short_help="Bring the files into the database, and prove it.",
        epilog=example("migrate --data /srv/mediaos/config", "migrate --skip users --salvage"),
    )(modest(migrate))
    app.command(
        short_help="Write the files again, from the database.",
        epilog=example("export --to /srv/mediaos/exported"),
    )(modest(export))
