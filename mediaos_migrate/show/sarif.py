"""A validation as SARIF 2.1.0, for code scanning."""

from __future__ import annotations

import json
import os
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from .. import __version__
from ..errors import MigrateError
from .findings import KINDS, Finding, clean, findings, here, now
from .words import Lines, spelled

if TYPE_CHECKING:
    from ..moves.validating import Validation
    from ..site import Site

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def validated(result: Validation, site: Site) -> Lines:
    """Tell what a validation found."""
    helps = {rule: (means, remedy) for rule, (_, means, remedy) in KINDS.items()}
    for meanings in result.meanings.values():  # of a rule that several documents have, the last word
        helps |= {rule: (said["means"], said.get("remedy", "")) for rule, said in meanings.items()}
    found = list(findings(result, site))
    helps |= {each.rule: (each.rule, "") for each in found if each.rule not in helps}
    yield from _log(helps, found, {"executionSuccessful": True, "exitCode": result.exit_code}, result.mode)


def failed(error: MigrateError) -> Lines:
    """Tell why there was no validation."""
    rule, file = type(error).__name__, error.facts.get("file", "")
    where = here(Path(file)) if file else ""
    found = Finding("error", rule, error.facts.get("document", ""), where, str(error), line=error.facts.get("line", 1))
    yield from _log({rule: (error.message, error.remedy)}, [found], {"executionSuccessful": False}, "")


def _log(helps: dict[str, tuple[str, str]], found: list[Finding], invocation: dict[str, Any], mode: str) -> Lines:
    rules = list(helps)
    run: dict[str, Any] = {
        "tool": {
            "driver": {
                "name": "mediaos-migrate",
                "version": __version__,
                "rules": [_rule(rule, *helps[rule]) for rule in rules],
            }
        },
        "invocations": [{**invocation, "endTimeUtc": now()}],
        "results": [_result(each, rules.index(each.rule)) for each in found],
    }
    if mode:
        run["properties"] = {"mode": mode}
    # ASCII only, whatever the terminal can show.
    yield from json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2).split("\n")


def _rule(rule: str, means: str, remedy: str) -> dict[str, Any]:
    level = KINDS[rule][0] if rule in KINDS else "note"
    return {
        "id": rule,
        "shortDescription": _message(means),
        "fullDescription": _message(means),  # GitHub takes no rule without
        "help": _message(f"{means} {remedy}".strip()),
        "defaultConfiguration": {"level": level},
    }


def _result(found: Finding, index: int) -> dict[str, Any]:
    result: dict[str, Any] = {"ruleId": found.rule, "ruleIndex": index, "level": found.level}
    result["message"] = _message(found.message)
    result["locations"] = [_location(found)]
    told = json.dumps([found.document, found.key, found.rule, found.detail])
    digest = sha256(told.encode()).hexdigest()
    # The second is the one that GitHub goes by; without it all of one line would be one alert.
    result["partialFingerprints"] = {"record/v1": digest, "primaryLocationLineHash": f"{digest[:16]}:1"}
    result["properties"] = {"document": clean(found.document), "key": [clean(part) for part in found.key]}
    return result


def _location(found: Finding) -> dict[str, Any]:
    # GitHub takes no result without a place: what has none is said of this folder.
    uri = quote(os.fsencode(found.file or "."))
    physical = {"artifactLocation": {"uri": uri}, "region": {"startLine": found.line}}
    location: dict[str, Any] = {"physicalLocation": physical}
    if found.document:
        name = clean(spelled(found.key) or found.document)
        whole = f"{found.document}/{name}" if found.key else name
        location["logicalLocations"] = [{"name": name, "fullyQualifiedName": whole, "kind": "object"}]
    return location


def _message(text: str) -> dict[str, str]:
    """Make a message in which nothing is taken for a placeholder or a link."""
    return {"text": clean(text).replace("{", "{{").replace("}", "}}").replace("](", "] (")}
