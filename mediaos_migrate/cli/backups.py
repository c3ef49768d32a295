"""The commands on backups: create, list, show, verify, restore, prune, schedule."""
# ruff: noqa: PLR0913  typer makes an option of each parameter

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .. import budget
from ..backups import Wish
from ..backups.keeping import Keep
from ..errors import UsageError
from ..moves import backing_up, scheduling
from ..moves.scheduling import Clock, Every
from ..show import backups as show
from .answers import Answer, confirm
from .commands import At, at_site, modest
from .options import Yes, example, option

backup_app = typer.Typer(
    help="Copies of files and database that belong together.", no_args_is_help=True, rich_markup_mode=None
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="A backup's name, or the path of one that lies elsewhere.")]
Last = Annotated[int, option("--keep-last", metavar="N", min=0, help="Keep the last so many.")]
Daily = Annotated[int, option("--keep-daily", metavar="N", min=0, help="Keep the last one of each of so many days.")]
Weekly = Annotated[int, option("--keep-weekly", metavar="N", min=0, help="The same for weeks.")]
Monthly = Annotated[int, option("--keep-monthly", metavar="N", min=0, help="The same for months.")]


@at_site("backup create", keyed=True)
def create(
    at: At,
    *,
    reason: Annotated[str, option("--reason", metavar="WORD", help="Becomes part of its name. [default: manual]")] = (
        "manual"
    ),
    archive: Annotated[bool, option("--archive", help="Make one file of it, to be carried away.")] = False,
    encrypt: Annotated[bool, option("--encrypt", help="Seal it with the app's key.")] = False,
    if_changed: Annotated[bool, option("--if-changed", help="Only if the last one holds something else.")] = False,
) -> Answer:
    """Back up the files and the database, as they were at one moment.

    The app may go on; while it keeps writing, the backup is tried again.
    """
    wish = Wish(reason, automatic=False, archive=archive, seal=encrypt, if_changed=if_changed)
    made = backing_up.create(at.site, wish)
    return Answer(show.created(made), show.created_text(made))


@at_site("backup list")
def list_(at: At) -> Answer:
    """Name all backups, the oldest first."""
    found = backing_up.listed(at.site)
    return Answer(show.listed(found), show.listed_text(found))


@at_site("backup show")
def show_(at: At, name: Name) -> Answer:
    """Tell what a backup holds, and of what stages."""
    found = backing_up.show(at.site, name)
    return Answer({"backup": show.described(found)}, show.shown_text(found))


@at_site("backup verify", keyed=True)
def verify(
    at: At,
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Only these. [default: all]")] = None,
) -> Answer:
    """Read backups back, every byte, and open their databases.

    Exit code 3: one is damaged. 5: one is sealed, and there is no key.
    """
    with at.progress() as progress:
        found = backing_up.verify(at.site, names or [], progress)
    return Answer(show.verified(found), show.verified_text(found), backing_up.exit_code(found))


@at_site("backup restore", keyed=True)
def restore(
    at: At,
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="A backup's name, or its path.")] = "",
    *,
    document: Annotated[
        list[str], option("--document", metavar="DOCUMENT", help="Bring back only this; can be given again.")
    ] = [],  # noqa: B006  typer copies it
    as_it_is: Annotated[
        bool, option("--as-it-is", help="Also what was damaged, or differed, when the backup was made.")
    ] = False,
    resume: Annotated[bool, option("--resume", help="Complete a restore that was interrupted.")] = False,
    dry_run: Annotated[bool, option("--dry-run", help="Do it on a copy.")] = False,
    yes: Yes = False,
) -> Answer:
    """Bring files and database back to what they were, after a proof in scratch and a backup of what is there now.

    The app had better be stopped. An interrupted restore is completed by the next one.
    """
    from ..moves import restoring

    def ask(plan: restoring.Plan) -> None:
        if not yes:
            confirm("\n".join([*show.planned_text(plan), "Go on?"]))

    if bool(name) == resume:
        raise UsageError("A restore needs the name of a backup.", "See `mediaos-migrate backup list`.")
    site = at.site
    wanted = restoring.Wanted(name, tuple(document), as_it_is)
    with at.progress() as progress:
        if resume:
            done = restoring.resume(site, progress)
        elif dry_run:
            done = restoring.rehearse(site, wanted, progress)
        else:
            done = restoring.restore(site, wanted, ask, progress)
    return Answer(show.restored(done, dry_run=dry_run), show.restored_text(done, dry_run=dry_run))


@at_site("backup prune")
def prune(
    at: At,
    *,
    keep_last: Last = 0,
    keep_daily: Daily = 0,
    keep_weekly: Weekly = 0,
    keep_monthly: Monthly = 0,
    max_age: Annotated[
        int | None, option("--max-age", metavar="DAYS", min=0, help="Remove what is older than so many days.")
    ] = None,
    max_size: Annotated[
        str | None, option("--max-size", metavar="SIZE", help="Keep all together below a size, as 500M or 2G.")
    ] = None,
    dry_run: Annotated[bool, option("--dry-run", help="Tell what would go, and touch nothing.")] = False,
) -> Answer:
    """Remove old backups: what no --keep asks for, and what is too old or too much.

    The last good one stays whatever is said, and so does what a stage, the database or a restore still needs.
    """
    keep = Keep(
        keep_last,
        keep_daily,
        keep_weekly,
        keep_monthly,
        max_age,
        None if max_size is None else budget.size(max_size),
    )
    if keep == Keep():
        raise UsageError("Nothing says what to keep.", "Pass --keep-last, --max-age, --max-size or another rule.")
    site = at.site
    plan = backing_up.would_prune(site, keep) if dry_run else backing_up.prune(site, keep)
    return Answer(show.pruned(plan, dry_run=dry_run), show.pruned_text(plan, dry_run=dry_run))


@at_site("backup schedule", keyed=True)
def schedule(
    at: At,
    *,
    clock: Annotated[Clock, option("--clock", metavar="NAME", help="systemd or cron. [default: systemd]")] = (
        Clock.SYSTEMD
    ),
    every: Annotated[Every, option("--every", metavar="TIME", help="hour, day or week. [default: day]")] = Every.DAY,
    keep_last: Last = 0,
    keep_daily: Daily = 7,
    keep_weekly: Weekly = 4,
    keep_monthly: Monthly = 6,
    install: Annotated[bool, option("--install", help="Write the files, instead of printing them.")] = False,
    into: Annotated[
        Path | None,
        option("--into", metavar="DIR", help="Where to write them. [default: systemd's folder of this user]"),
    ] = None,
) -> Answer:
    """Print, or install, a systemd timer or a line for cron that backs up whatever has changed, and prunes.

    With --key-file the backups are sealed; the key itself stands nowhere.
    """
    keep = Keep(keep_last, keep_daily, keep_weekly, keep_monthly)
    made = scheduling.schedule(at.site, clock, every, keep, at.key_file)
    if install:
        made = scheduling.install(made, into)
    return Answer(show.scheduled(made), show.scheduled_text(made))


add = backup_app.command
add(short_help="Back up files and database.", epilog=example("backup create", "backup create --archive --encrypt"))(
    modest(create)
)
add("list", short_help="Name all backups.", epilog=example("backup list --json"))(list_)
add("show", short_help="Tell what a backup holds.", epilog=example("backup show 20261121T031700.000Z-manual"))(show_)
add(short_help="Prove that backups can be relied on.", epilog=example("backup verify"))(modest(verify))
add(
    short_help="Bring files and database back.",
    epilog=example(
        "backup restore 20261121T031700.000Z-manual --dry-run",
        "backup restore 20261121T031700.000Z-manual --document library",
        "backup restore --resume",
    ),
)(modest(restore))
add(short_help="Remove old backups.", epilog=example("backup prune --keep-daily 7 --keep-monthly 6 --dry-run"))(prune)
add(short_help="Make backups by the clock.", epilog=example("backup schedule --install"))(schedule)


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(backup_app, name="backup")
