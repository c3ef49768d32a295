"""The commands about keys and secrets: keys check, seal, rotate, and scrub."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import Refused, UsageError
from ..secrets import STDIN, open_to_others, read_key
from ..show import keyed
from .answers import Answer, confirm
from .commands import At, at_site, modest
from .options import Yes, example, option

if TYPE_CHECKING:
    from ..moves.keychecking import Found
    from ..moves.rotating import Rotated

keys_app = typer.Typer(help="How secrets are sealed, and with which key.", no_args_is_help=True, rich_markup_mode=None)

NewKeyFile = Annotated[
    Path, option("--new-key-file", metavar="FILE", help="The file that holds the new key (`-`: standard input).")
]
Documents = Annotated[
    list[str] | None, typer.Argument(metavar="[DOCUMENT]...", help="Only these, as `indexers`. [default: all]")
]


@at_site("keys check", keyed=True)
def check(at: At, documents: Documents = None) -> Answer:
    """Look at every secret, in file, table and quarantine: does it open, is it plain, who sealed it. Touches nothing.

    Ends with 3 if something does not open with the key, with 5 if there is no key and something needs one.
    """
    from ..moves import keychecking

    result = keychecking.check(at.site, documents or ())
    return Answer(keyed.check(result), keyed.checked(result), result.exit_code)


@at_site("keys seal", keyed=True)
def seal(
    at: At,
    *,
    yes: Yes = False,
) -> Answer:
    """Seal what stands in clear text: in the table always, in the file where the app itself opens sealed values.

    The plan comes first. Both homes are backed up before, and compared afterwards.
    """
    from ..moves import sealing

    def ask(planned: list[Found]) -> None:
        if planned and not yes:
            lines = "\n".join(keyed.planned(planned, "seal"))
            confirm(f"{lines}\nSeal them? (The app must not write meanwhile.)")

    with at.progress() as progress:
        result = sealing.seal(at.site, ask, progress)
    return Answer(keyed.seal(result), keyed.sealed(result))


@at_site("keys rotate", keyed=True)
def rotate(
    at: At,
    *,
    new_key_file: NewKeyFile,
    yes: Yes = False,
) -> Answer:
    """Seal every secret with a new key, so that the app opens them once it has that key.

    Stop the app before, and start it with the new key after. If it is interrupted, run it again with both keys.
    The old key comes from ENCRYPTION_KEY or --key-file.
    """
    from ..moves import rotating

    site = at.site
    new = _new_key(new_key_file, at.key_file)

    def ask(plan: Rotated) -> None:
        if plan.planned and not yes:
            lines = "\n".join(keyed.planned(plan.planned, "seal anew"))
            confirm(f"{lines}\nStop {site.pack.name} now; from the first file on it must run with the new key. Go on?")

    with at.progress() as progress:
        result = rotating.rotate(site, new, ask, progress)
    lines = keyed.rotated(result, site.pack.name, site.pack.key_variable)
    return Answer(keyed.rotate(result), lines)


@at_site("scrub", keyed=True)
def scrub(
    at: At,
    *,
    seal: Annotated[
        bool, option("--seal", help="Seal what the app opens, in copies; wipe the database's rest.")
    ] = False,
    shred: Annotated[bool, option("--shred", help="Write zeros over copies and remove them; wipe the rest.")] = False,
    backups: Annotated[bool, option("--backups", help="With --shred: whole backups of ours as well.")] = False,
    yes: Yes = False,
) -> Answer:
    """Find plain secrets outside the live files: in old copies, backups, free pages and the log of the database.

    Tells where, never what. Ends with 3 if something was found and left. With the key it also finds, byte by byte,
    the plain text of what is sealed today.
    """
    from ..moves import scrubbing

    site = at.site

    def ask(found: scrubbing.Scrubbed) -> None:
        if not yes:
            lines = "\n".join(keyed.traces(found, site.data))
            confirm(f"{lines}\n{'Shred' if shred else 'Seal'} these, and wipe the database's free pages?")

    with at.progress() as progress:
        result = scrubbing.scrub(site, scrubbing.Wanted(seal, shred, backups), ask, progress)
    return Answer(keyed.scrub(result, site.data), keyed.scrubbed(result, site.data), result.exit_code)


def _new_key(file: Path, old: Path | None) -> str:
    if file == STDIN == old:
        raise UsageError("Both keys cannot come from standard input.", "Put one of them into a file.")
    if open_to_others(file):
        raise Refused(f"Others can read the key file {file}.", f"Run `chmod 600 {file}`, and the command again.")
    found = read_key(file, None)
    assert found is not None  # noqa: S101  a file was named
    return found


for name, act, help_, typed in (
    ("check", modest(check), "Tell how every secret stands.", ["keys check", "keys check indexers"]),
    ("seal", modest(seal), "Seal what stands in clear text.", ["keys seal"]),
    ("rotate", modest(rotate), "Seal everything with a new key.", ["keys rotate --new-key-file /root/new.key"]),
):
    keys_app.command(name, short_help=help_, epilog=example(*typed))(act)


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.command(
        short_help="Find plain secrets that were left behind.",
        epilog=example("scrub", "scrub --seal", "scrub --shred --backups"),
    )(modest(scrub))
    app.add_typer(keys_app, name="keys")
