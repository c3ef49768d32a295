"""The options that commands share, each also an environment variable."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[
    Path,
    typer.Option("--data", envvar="MEDIAOS_MIGRATE_DATA", help="The app's data folder.", show_default="./config"),
]
Db = Annotated[
    Path | None,
    typer.Option(
        "--db",
        envvar="MEDIAOS_MIGRATE_DB",
        help="The database.",
        show_default="mediaos.db in the data folder",
    ),
]
App = Annotated[
    str,
    typer.Option("--app", envvar="MEDIAOS_MIGRATE_APP", help="The app: a pack's name, or a folder with one."),
]
KeyFile = Annotated[
    Path | None,
    typer.Option("--key-file", help="A file with the app's key, instead of its environment variable."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, also on failure.")]
Skip = Annotated[list[str], typer.Option("--skip", metavar="DOCUMENT", help="Leave a document out.")]
Salvage = Annotated[
    bool, typer.Option("--salvage", help="Take what can be taken of damaged files, quarantine the rest.")
]
AcceptSource = Annotated[
    list[str],
    typer.Option("--accept-source", metavar="DOCUMENT", help="Believe a file that lost many records."),
]
AcceptData = Annotated[bool, typer.Option("--accept-data", help="Leave other folders that hold data aside.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]

DATA = Path("config")
APP = "mediaos"
