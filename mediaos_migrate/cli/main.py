"""The command line: run one command, print what it says, exit."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any, Final, cast

import typer

from .. import __version__
from ..errors import UsageError
from .answers import Interrupted, Said, failure
from .options import option, warnings

# Where each command is defined: a module is imported when one of its commands is called for, or to list them all.
HOMES: Final = {
    "moving": ("rehearse", "migrate", "export"),
    "validating": ("validate",),
    "staging": ("repair", "rollback", "stage", "mirror", "search"),
    "looking": ("status", "health", "doctor", "show"),
    "keeping": ("quarantine", "evidence"),
    "backups": ("backup",),
    "recovering": ("recover",),
    "sealing": ("scrub", "keys"),
    "drilling": ("drill",),
    "proving": ("schema",),
}
SCHEMA: Final = Path(__file__).parents[1] / "show" / "output.schema.json"
BROKEN_PIPE: Final = 141
# Typer brings a click of its own or uses the real one, depending on its version; this is the base of both's errors.
ClickException: Final = cast("type[Exception]", typer.BadParameter.__mro__[2])
# What stands in a key or a title must not steer the terminal.
CONTROL: Final = {code: f"\\u{code:04x}" for code in (*range(0x20), *range(0x7F, 0xA0), *range(0x2028, 0x202F))}


def _version(wanted: bool) -> None:  # noqa: FBT001  typer calls it so
    if wanted:
        print(f"mediaos-migrate {__version__}")
        raise typer.Exit


def _json_schema(wanted: bool) -> None:  # noqa: FBT001  typer calls it so
    if wanted:
        print(SCHEMA.read_text(encoding="utf-8"), end="")
        raise typer.Exit


def _root(
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


def command_line(modules: Iterable[str] = HOMES) -> typer.Typer:
    """Make the command line, with the commands of some modules or of all."""
    app = typer.Typer(
        name="mediaos-migrate",
        add_completion=False,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    app.callback()(_root)
    for module in modules:
        import_module(f".{module}", __package__).add_to(app)
    return app


def _needed(arguments: Sequence[str]) -> list[str]:
    """Name the module of the command that was typed; all of them where it is none."""
    typed = "".join(arguments[:1])
    return [module for module, commands in HOMES.items() if typed in commands] or list(HOMES)


def main() -> None:
    """Run the command line; bad usage is an answer like any other."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    warnings.clear()
    sys.exit(_print(_run()))


def _run() -> Said:
    try:
        said = command_line(_needed(sys.argv[1:]))(standalone_mode=False)
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
    told = error.format_message().replace(": Value error, ", ": ")
    return failure(" ".join(names), _as_json(), UsageError(told, remedy))


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
