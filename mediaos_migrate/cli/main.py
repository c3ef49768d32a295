"""The command line: run one command, print what it says, exit."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any, Final, cast

import typer

from .. import __version__
from ..errors import UsageError
from . import backups, keeping, looking, moving, proving, sealing, staging, validating
from .answers import Interrupted, Said, failure
from .options import option, warnings
from .schema import schema_app

SCHEMA: Final = Path(__file__).parents[1] / "show" / "output.schema.json"
BROKEN_PIPE: Final = 141
# Typer brings a click of its own or uses the real one, depending on its version; this is the base of both's errors.
ClickException: Final = cast("type[Exception]", typer.BadParameter.__mro__[2])
# What stands in a key or a title must not steer the terminal.
CONTROL: Final = {code: f"\\u{code:04x}" for code in (*range(0x20), *range(0x7F, 0xA0), *range(0x2028, 0x202F))}

app = typer.Typer(
    name="mediaos-migrate",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
moving.add_to(app)
validating.add_to(app)
staging.add_to(app)
looking.add_to(app)
keeping.add_to(app)
backups.add_to(app)
sealing.add_to(app)
proving.add_to(schema_app)
app.add_typer(schema_app, name="schema")


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
    version: Annotated[bool, option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
    json_schema: Annotated[
        bool,
        option(
            "--json-schema", callback=_json_schema, is_eager=True, help="Print the JSON Schema of what --json prints."
        ),
    ] = False,
) -> None:
    """Move an app's data from JSON files into a database and back, with nothing lost.

    Begin with `mediaos-migrate rehearse`: it touches nothing.
    """


def main() -> None:
    """Run the command line; bad usage is an answer like any other."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    warnings.clear()
    sys.exit(_print(_run()))


def _run() -> Said:
    try:
        said = app(standalone_mode=False)
    except ClickException as error:
        return _usage(error)
    except (typer.Abort, KeyboardInterrupt):
        return failure("", _as_json(), Interrupted())
    # A command returns what it says; --help and --version end before any runs.
    return said if isinstance(said, Said) else Said(said or 0)


def _usage(error: Any) -> Said:
    names = [context.info_name for context in _contexts(error.ctx)]
    if type(error).__name__ == "NoArgsIsHelpError":
        return Said(UsageError.exit_code, error.format_message().splitlines())
    remedy = f"See `{' '.join(['mediaos-migrate', *names, '--help'])}`."
    return failure(" ".join(names), _as_json(), UsageError(error.format_message(), remedy))


def _contexts(context: Any) -> list[Any]:
    """Return the contexts of a command, outermost first, without the program itself."""
    if context is None or context.parent is None:
        return []
    return [*_contexts(context.parent), context]


def _as_json() -> bool:
    arguments = sys.argv[1:]
    return "--json" in (arguments[: arguments.index("--")] if "--" in arguments else arguments)


def _print(said: Said) -> int:
    try:
        for line in [*warnings, *said.err]:
            print(line.translate(CONTROL), file=sys.stderr)
        for line in said.out:
            print(line.translate(CONTROL))
        sys.stdout.flush()
    except OSError as error:
        # Whoever read it is gone, or the disk behind it is full; Python would try once more on leaving.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            return BROKEN_PIPE
        print(f"The output could not be written: {error.strerror}.", file=sys.stderr)
        return said.exit_code or 1
    return said.exit_code


if __name__ == "__main__":
    main()
