"""The options that commands share; the common ones are also environment variables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from .. import budget
from ..budget import Budget
from ..errors import UsageError
from ..secrets import open_to_others

if TYPE_CHECKING:
    from ..moves.surveyed import Options

warnings: Final[list[str]] = []  # what is said beside an answer, on standard error
DATA: Final = Path("config")
APP: Final = "mediaos"


def option(*names: str, help: str, **settings: Any) -> Any:  # noqa: A002  typer's own word
    """Describe an option; its help tells default and environment variable in our words."""
    return typer.Option(*names, help=help, show_default=False, show_envvar=False, **settings)


def example(*commands: str) -> str:
    """Return the end of a help text: commands as one would type them."""
    lines = [f"  mediaos-migrate {command}" for command in commands]
    return "\n".join(["\b", "Example:" if len(lines) == 1 else "Examples:", *lines])


def _guarded(file: Path | None) -> Path | None:
    """Warn of a key that others can read."""
    if file and open_to_others(file):
        warnings.append(f"Others can read the key file {file}; `chmod 600 {file}` makes it yours alone.")
    return file


def _budget(text: str) -> Budget:
    try:
        return Budget.of(text)
    except UsageError as error:
        raise typer.BadParameter(f"{error.message} {error.remedy}") from None


Data = Annotated[
    Path,
    option(
        "--data",
        metavar="DIR",
        envvar="MEDIAOS_MIGRATE_DATA",
        help="The app's data folder. [default: ./config; also MEDIAOS_MIGRATE_DATA]",
    ),
]
Db = Annotated[
    Path | None,
    option(
        "--db",
        metavar="PATH",
        envvar="MEDIAOS_MIGRATE_DB",
        help="The database. [default: mediaos.db in the data folder; also MEDIAOS_MIGRATE_DB]",
    ),
]
App = Annotated[
    str,
    option(
        "--app",
        metavar="NAME",
        envvar="MEDIAOS_MIGRATE_APP",
        help="The app: a pack's name, or a folder with a mapping.toml. [default: mediaos; also MEDIAOS_MIGRATE_APP]",
    ),
]
KeyFile = Annotated[
    Path | None,
    option(
        "--key-file",
        metavar="FILE",
        callback=_guarded,
        help="Read the app's secret key from a file (`-`: standard input), instead of ENCRYPTION_KEY.",
    ),
]
Json = Annotated[bool, option("--json", help="Print one JSON object, also on failure.")]
Skip = Annotated[
    list[str], option("--skip", metavar="DOCUMENT", help="Leave a document out for now; can be given again.")
]
Salvage = Annotated[
    bool, option("--salvage", help="Take what is whole in a damaged file, and put the rest into quarantine.")
]
AcceptSource = Annotated[
    list[str],
    option(
        "--accept-source",
        metavar="DOCUMENT",
        help="Believe a file although most of its records are gone; can be given again.",
    ),
]
AcceptData = Annotated[
    bool, option("--accept-data", help="Use this data folder although another one holds data too; it is remembered.")
]
Work = Annotated[
    Path | None,
    option("--work", metavar="DIR", help="Where the copy is made. [default: the temporary folder]"),
]
Report = Annotated[
    Path | None, option("--report", metavar="FILE", help="Also write what was found, as a page for a browser.")
]
PolicyOption = Annotated[
    str, option("--policy", metavar="NAME", help="How long a stage lasts: home, ci, or a TOML file. [default: home]")
]
MaxMemory = Annotated[
    Budget | None,
    option(
        "--max-memory",
        metavar="SIZE",
        envvar=budget.VARIABLE,
        parser=_budget,
        help="Take no more memory, as 96M or 1G. [default: 128M; also MEDIAOS_MIGRATE_MAX_MEMORY]",
    ),
]
Nice = Annotated[bool, option("--nice", help="Let other programs go first, at the processor and at the disk.")]
Yes = Annotated[bool, option("--yes", "-y", help="Do not ask.")]


def allowed(skip: list[str], accept_source: list[str], *, salvage: bool, accept_data: bool) -> Options:
    """Gather what the operator allows."""
    from ..moves.surveyed import Options

    return Options(frozenset(skip), salvage, frozenset(accept_source), accept_data)
