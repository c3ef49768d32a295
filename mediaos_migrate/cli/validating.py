"""The command that proves: validate."""
# ruff: noqa: PLR0913  typer makes an option of each parameter

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from ..errors import UsageError
from ..show import payload, text
from ..site import Site
from .answers import Answer, Said, answer, narrator
from .commands import modest
from .options import APP, DATA, AcceptSource, App, Data, Db, Json, KeyFile, example, option


class Form(StrEnum):
    """How a validation is told."""

    TEXT = "text"
    JSON = "json"
    JUNIT = "junit"
    SARIF = "sarif"
    GITHUB = "github"
    HTML = "html"


def validate(
    documents: Annotated[
        list[str] | None, typer.Argument(metavar="[DOCUMENT]...", help="Only these, as `library`. [default: all]")
    ] = None,
    *,
    only: Annotated[
        list[str], option("--document", metavar="DOCUMENT", help="Only this one; can be given again.")
    ] = [],  # noqa: B006
    key: Annotated[
        list[str],
        option("--key", metavar="KEY", help="Only this record of one document (`movie / 17` for a key of two parts)."),
    ] = [],  # noqa: B006
    quick: Annotated[
        bool, option("--quick", help="Read no record: compare digests with what the last deep look found.")
    ] = False,
    deep: Annotated[bool, option("--deep", help="Look at every record in both homes. [default]")] = False,
    since_last: Annotated[
        bool, option("--since-last", help="Look only at documents that changed since they were last found equal.")
    ] = False,
    record: Annotated[
        bool, option("--record", help="Keep the verdicts as evidence; goes on where an interrupted run stopped.")
    ] = False,
    fail_on: Annotated[
        list[str], option("--fail-on", metavar="RULE", help="Exit with 3 if this anomaly is found; can be given again.")
    ] = [],  # noqa: B006
    accept_source: AcceptSource = [],  # noqa: B006
    form: Annotated[Form | None, option("--format", help="How to tell it. [default: text]")] = None,
    data: Data = DATA,
    db: Db = None,
    app: App = APP,
    key_file: KeyFile = None,
    json: Json = False,
) -> Said:
    """Compare files and database, record by record, and touch neither.

    Exit code 0: all are equal, but for what a rule of the pack explains. 3: something differs. 4: a file is damaged
    or lost too much to be believed. 5: something could not be checked, which is never the same as equal.
    """
    from ..moves import validating

    as_json = json or form is Form.JSON
    teller = _tellers().get(form) if form and not as_json else None

    def act() -> Answer:
        if (quick and deep) or (json and form not in (None, Form.JSON)):
            raise UsageError("These options contradict each other.", "Leave one of them out.")
        site = Site.open(data, db, app, key_file)
        query = validating.Query(
            tuple(dict.fromkeys([*(documents or []), *only])),
            frozenset(key),
            quick=quick,
            since_last=since_last,
            record=record,
            fail_on=frozenset(fail_on),
            accept_source=frozenset(accept_source),
        )
        with narrator(as_json or teller is not None) as progress:
            result = validating.validate(site, query, progress)
        lines = teller.validated(result, site) if teller else text.validated(result)
        return Answer(payload.validated(result), lines, result.exit_code)

    return answer("validate", as_json, act, teller.failed if teller else None)


def _tellers() -> dict[Form, Any]:
    """Load the forms for machines and browsers, each with `validated` and `failed`."""
    from ..show import github, html, junit, sarif

    return {Form.JUNIT: junit, Form.SARIF: sarif, Form.GITHUB: github, Form.HTML: html}


def add_to(app: typer.Typer) -> None:
    """Add this command."""
    app.command(
        short_help="Compare files and database, record by record.",
        epilog=example("validate", "validate library wanted --json", "validate --quick --format junit"),
    )(modest(validate))
