"""Every command: parse, call one move, show, exit."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import click
import typer

from .. import __version__, migrations
from ..engines.sqlite import failed
from ..errors import MigrateError, UsageError
from ..ledger import Ledger
from ..moves.preflight import Options
from ..report import Progress
from ..show import payload, text
from ..show.progress import Narrator
from ..site import Site
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
    Salvage,
    Skip,
    Yes,
)

SCHEMA: Final = Path(__file__).parents[1] / "show" / "output.schema.json"
INTERRUPTED: Final = 130
DEBUG: Final = "MEDIAOS_MIGRATE_DEBUG"
BROKEN_PIPE: Final = 141

app = typer.Typer(
    name="mediaos-migrate",
    help="Move an app's data from JSON files into a database and back, with nothing lost.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
schema_app = typer.Typer(help="The versioned schema.", no_args_is_help=True, rich_markup_mode=None)
quarantine_app = typer.Typer(help="Records that could not become rows.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(schema_app, name="schema")
app.add_typer(quarantine_app, name="quarantine")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command has to say, in both forms, and how it ends."""

    payload: dict[str, Any]
    lines: Iterable[str]
    exit_code: int = 0


def answer(command: str, as_json: bool, act: Callable[[], Answer]) -> None:  # noqa: FBT001  a command's own flag
    """Run a command and show its answer; an error becomes an answer too."""
    try:
        found = act()
    except (sqlite3.Error, OSError) as error:
        fail(command, as_json, failed(error))
    except MigrateError as error:
        fail(command, as_json, error)
    except Exception as error:  # our own mistake, and still no traceback: it might show what it must not
        if os.environ.get(DEBUG):
            raise
        fail(command, as_json, _mistake(error))
    else:
        if as_json:
            _print_json(payload.envelope(command, found.exit_code, None, found.payload))
        else:
            for line in found.lines:
                print(line)
        raise typer.Exit(found.exit_code)


def _mistake(error: Exception) -> MigrateError:
    place = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{type(error).__name__} in {Path(place.filename).name}, line {place.lineno}"
    return MigrateError(f"A mistake of ours: {where}.", f"Please report it; {DEBUG}=1 shows all of it.")


def fail(command: str, as_json: bool, error: MigrateError) -> None:  # noqa: FBT001
    """Show an error and end with its exit code."""
    if as_json:
        _print_json(payload.envelope(command, error.exit_code, error, {}))
    else:
        for line in text.failure(error):
            print(line, file=sys.stderr)
    raise typer.Exit(error.exit_code)


def _print_json(value: dict[str, Any]) -> None:
    # ASCII only: half a surrogate pair in a key has no other spelling.
    print(json.dumps(value, indent=2))


def narrator(as_json: bool) -> Progress:  # noqa: FBT001
    """Return who tells the progress: nobody when a script reads."""
    return Progress() if as_json else Narrator()


def _version(wanted: bool) -> None:  # noqa: FBT001  typer calls it so
    if wanted:
        print(f"mediaos-migrate {__version__}")
        raise typer.Exit


def _json_schema(wanted: bool) -> None:  # noqa: FBT001  typer calls it so
    if wanted:
        print(SCHEMA.read_text(encoding="utf-8"), end="")
        raise typer.Exit


@app.callback()
def root(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    json_schema: Annotated[
        bool,
        typer.Option("--json-schema", callback=_json_schema, is_eager=True, help="Print the JSON Schema of --json."),
    ] = False,
) -> None:
    """Move an app's data from JSON files into a database and back, with nothing lost."""


def _options(skip: list[str], accept_source: list[str], *, salvage: bool, accept_data: bool) -> Options:
    return Options(frozenset(skip), salvage, frozenset(accept_source), accept_data)


@app.command()
def migrate(
    *,
    data: Data = DATA,
    db: Db = None,
    app: App = APP,
    key_file: KeyFile = None,
    skip: Skip = [],  # noqa: B006  typer copies it
    salvage: Salvage = False,
    accept_source: AcceptSource = [],  # noqa: B006
    accept_data: AcceptData = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="The same as rehearse.")] = False,
    work: Annotated[Path | None, typer.Option("--work", help="Where a dry run works.")] = None,
    json: Json = False,
) -> None:
    """Back up the files, bring the schema up, import every document, and prove it. Safe to run again."""
    options = _options(skip, accept_source, salvage=salvage, accept_data=accept_data)
    if dry_run:
        answer("rehearse", json, lambda: _rehearse(Site.open(data, db, app, key_file), options, work, json))
    answer("migrate", json, lambda: _migrate(Site.open(data, db, app, key_file), options, json))


def _migrate(site: Site, options: Options, as_json: bool) -> Answer:  # noqa: FBT001
    from ..moves import inspecting, migrating

    with narrator(as_json) as progress:
        result = migrating.migrate(site, options, progress)
    meaning = _meaning(site, inspecting.meanings)
    return Answer(payload.migrated(result), text.migrated(result, meaning), result.exit_code)


def _meaning(site: Site, meanings: Callable[..., tuple[str, str]]) -> text.Meaning:
    return lambda document, rule: meanings(site, document, rule)


@app.command()
def rehearse(
    *,
    data: Data = DATA,
    db: Db = None,
    app: App = APP,
    key_file: KeyFile = None,
    skip: Skip = [],  # noqa: B006
    salvage: Salvage = False,
    accept_source: AcceptSource = [],  # noqa: B006
    accept_data: AcceptData = False,
    work: Annotated[
        Path | None,
        typer.Option("--work", help="Where the copy is made.", show_default="the temporary folder"),
    ] = None,
    json: Json = False,
) -> None:
    """Go the whole way there and back on a copy; the site itself stays as it is."""
    options = _options(skip, accept_source, salvage=salvage, accept_data=accept_data)
    answer("rehearse", json, lambda: _rehearse(Site.open(data, db, app, key_file), options, work, json))


def _rehearse(site: Site, options: Options, work: Path | None, as_json: bool) -> Answer:  # noqa: FBT001
    from ..moves import inspecting, rehearsing

    with narrator(as_json) as progress:
        result = rehearsing.rehearse(site, options, work, progress)
    meaning = _meaning(site, inspecting.meanings)
    return Answer(payload.rehearsed(result), text.rehearsed(result, meaning), result.exit_code)


@app.command()
def validate(
    documents: Annotated[list[str] | None, typer.Argument(metavar="[DOCUMENT]...", help="Only these.")] = None,
    *,
    data: Data = DATA,
    db: Db = None,
    app: App = APP,
    key_file: KeyFile = None,
    json: Json = False,
) -> None:
    """Compare files and database, record by record; touches neither."""
    from ..moves import validating

    def act() -> Answer:
        with narrator(json) as progress:
            result = validating.validate(Site.open(data, db, app, key_file), documents or [], progress)
        return Answer(payload.validated(result), text.validated(result), result.exit_code)

    answer("validate", json, act)


@app.command()
def export(
    *,
    to: Annotated[Path, typer.Option("--to", help="The folder to write the files into.")],
    data: Data = DATA,
    db: Db = None,
    app: App = APP,
    key_file: KeyFile = None,
    json: Json = False,
) -> None:
    """Write the files, from the database: byte for byte what they were, but for what changed."""
    from ..moves import exporting

    def act() -> Answer:
        result = exporting.export(Site.open(data, db, app, key_file), to)
        return Answer(payload.exported(result), text.exported(result))

    answer("export", json, act)


@app.command()
def status(*, data: Data = DATA, db: Db = None, app: App = APP, json: Json = False) -> None:
    """Tell where every document stands, and the one next step."""
    from ..moves import inspecting

    def act() -> Answer:
        result = inspecting.status(Site.open(data, db, app))
        return Answer(payload.status(result), text.status(result))

    answer("status", json, act)


@app.command()
def doctor(
    *,
    data: Data = DATA,
    db: Db = None,
    app: App = APP,
    key_file: KeyFile = None,
    skip: Skip = [],  # noqa: B006
    accept_data: AcceptData = False,
    json: Json = False,
) -> None:
    """Look for what could stand in the way of a migration, or surprise afterwards."""
    from ..moves import inspecting

    def act() -> Answer:
        options = _options(skip, [], salvage=False, accept_data=accept_data)
        with narrator(json) as progress:
            result = inspecting.diagnose(Site.open(data, db, app, key_file), options, progress)
        return Answer(payload.diagnosis(result), text.diagnosis(result), result.exit_code)

    answer("doctor", json, act)


@app.command()
def show(
    document: Annotated[str, typer.Argument(metavar="DOCUMENT")],
    key: Annotated[
        list[str], typer.Argument(metavar="KEY...", help="The record's key; one word for each of its parts.")
    ],
    *,
    data: Data = DATA,
    db: Db = None,
    app: App = APP,
    key_file: KeyFile = None,
    json: Json = False,
) -> None:
    """Show both homes of one record, secrets as dots."""
    from ..moves import inspecting

    def act() -> Answer:
        result = inspecting.show_record(Site.open(data, db, app, key_file), document, tuple(key))
        return Answer(payload.shown(result), text.shown(result), result.exit_code)

    answer("show", json, act)


@quarantine_app.command("list")
def quarantine_list(
    document: Annotated[str | None, typer.Argument(metavar="[DOCUMENT]")] = None,
    *,
    data: Data = DATA,
    db: Db = None,
    app: App = APP,
    json: Json = False,
) -> None:
    """List what is in quarantine, and why."""
    from ..moves import inspecting

    def act() -> Answer:
        result = inspecting.quarantine(Site.open(data, db, app), document)
        return Answer(payload.held(result), text.held(result))

    answer("quarantine list", json, act)


@quarantine_app.command("show")
def quarantine_show(
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="As in `quarantine list`.")],
    *,
    data: Data = DATA,
    db: Db = None,
    app: App = APP,
    json: Json = False,
) -> None:
    """Show one quarantined record, secrets as dots."""
    from ..moves import inspecting

    def act() -> Answer:
        result = inspecting.quarantine(Site.open(data, db, app), None, number)
        return Answer(payload.held(result), text.held_one(result[0]))

    answer("quarantine show", json, act)


@schema_app.command("status")
def schema_status(
    *,
    data: Data = DATA,
    db: Db = None,
    app: App = APP,
    check: Annotated[bool, typer.Option("--check", help="Exit with 6 when migrations are pending.")] = False,
    json: Json = False,
) -> None:
    """List the migrations that were applied, and those that are pending."""

    def act() -> Answer:
        site = Site.open(data, db, app)
        applied: list[migrations.Applied] = []
        pending = site.migrations
        if site.db.exists() and site.db.stat().st_size:
            with site.looking() as connection:
                applied, pending = migrations.applied(connection), migrations.pending(connection, pending)
        code = 6 if check and pending else 0
        return Answer(payload.schema_status(applied, pending), text.schema_status(applied, pending), code)

    answer("schema status", json, act)


@schema_app.command("up")
def schema_up(
    *,
    data: Data = DATA,
    db: Db = None,
    app: App = APP,
    to: Annotated[int | None, typer.Option("--to", help="Stop after this number.")] = None,
    json: Json = False,
) -> None:
    """Apply the pending migrations."""

    def act() -> Answer:
        site = Site.open(data, db, app)
        with site.locked(), site.writing() as connection:
            Ledger(connection).found(site.pack.app)
            steps = migrations.up(connection, site.migrations, to)
        return Answer(payload.schema_moved(steps), text.schema_moved(steps, "applied"))

    answer("schema up", json, act)


@schema_app.command("down")
def schema_down(
    *,
    data: Data = DATA,
    db: Db = None,
    app: App = APP,
    to: Annotated[int | None, typer.Option("--to", help="Take back everything above this number.")] = None,
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="Take back so many.")] = None,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Take migrations back, the last one first (by default one)."""

    def act() -> Answer:
        site = Site.open(data, db, app)
        with site.locked(), site.looking() as connection:
            taken = len(migrations.applied(connection))
        target = to if to is not None else max(taken - (steps or 1), 0)
        _confirm(f"Take back {taken - target} migrations, with the tables they made?", yes=yes)
        with site.locked(), site.writing() as connection:
            done = migrations.down(connection, target)
        return Answer(payload.schema_moved(done), text.schema_moved(done, "took back"))

    answer("schema down", json, act)


def _confirm(question: str, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError("This needs a confirmation, and nobody can be asked.", "Pass --yes.")
    if not typer.confirm(question, err=True):
        raise MigrateError("Nothing was changed.", "")


def main() -> None:
    """Run the command line; bad usage is an answer like any other."""
    try:
        code = app(standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.format_message())
        code = 2
    except click.ClickException as error:
        code = _usage(error)
    except (KeyboardInterrupt, click.Abort):
        print("Interrupted; run the command again to complete it.", file=sys.stderr)
        code = INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = BROKEN_PIPE
    sys.exit(code)


def _usage(error: click.ClickException) -> int:
    command = " ".join(argument for argument in sys.argv[1:3] if not argument.startswith("-"))
    wrong = UsageError(error.format_message(), "See `mediaos-migrate --help`.")
    if "--json" in sys.argv:
        _print_json(payload.envelope(command, wrong.exit_code, wrong, {}))
    else:
        error.show()
    return wrong.exit_code


if __name__ == "__main__":
    main()
