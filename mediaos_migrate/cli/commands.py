"""Makes commands of functions: the options that they share are added, and what they return or raise is told."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, wraps
from inspect import Parameter, get_annotations, signature
from pathlib import Path
from typing import Any, Final

from ..budget import Budget, granting
from ..report import Progress
from ..site import Site
from .answers import Answer, Said, answer, narrator
from .options import APP, DATA, App, Data, Db, Json, KeyFile, MaxMemory, Nice

_LAST: Final = 19  # of all niceness the greatest


@dataclass
class At:
    """Where a command acts, by the options that all commands share."""

    data: Path
    db: Path | None
    app: str
    key_file: Path | None
    json: bool

    @cached_property
    def site(self) -> Site:
        """The site, opened when it is first asked for."""
        return Site.open(self.data, self.db, self.app, self.key_file)

    def progress(self) -> Progress:
        """Return who tells the progress."""
        return narrator(self.json)


def at_site(command: str, *, keyed: bool = False) -> Callable[[Callable[..., Answer]], Callable[..., Said]]:
    """Make a command of a function from `At` to an answer; `keyed`: it opens secrets, and takes --key-file."""

    def make(act: Callable[..., Answer]) -> Callable[..., Said]:
        @wraps(act)
        def run(*words: Any, data: Path, db: Path | None, app: str, json: bool, **given: Any) -> Said:
            at = At(data, db, app, given.pop("key_file", None), json)
            return answer(command, json, lambda: act(at, *words, **given))

        return _with(run, act, [option for option in _SHARED if keyed or option.annotation is not KeyFile], own=1)

    return make


def modest(act: Callable[..., Said]) -> Callable[..., Said]:
    """Add to a command that carries data how much of the machine it may take: --max-memory and --nice."""

    @wraps(act)
    def run(*words: Any, max_memory: Budget | None, nice: bool, **given: Any) -> Said:
        if nice:
            os.nice(_LAST)  # Linux takes from it whose turn it is at the disk, too
        with granting(max_memory or Budget()):
            return act(*words, **given)

    return _with(run, act, _MODEST)


def _option(name: str, annotation: Any, default: Any) -> Parameter:
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


_SHARED: Final = [
    _option("data", Data, DATA),
    _option("db", Db, None),
    _option("app", App, APP),
    _option("key_file", KeyFile, None),
    _option("json", Json, default=False),
]
_MODEST: Final = [_option("max_memory", MaxMemory, None), _option("nice", Nice, default=False)]


def _with(
    run: Callable[..., Said], act: Callable[..., Any], added: list[Parameter], own: int = 0
) -> Callable[..., Said]:
    """Say of what runs a function that it takes its parameters, but for the first `own`, and those added."""
    first = signature(act, eval_str=True)
    taken = [*list(first.parameters.values())[own:], *added]
    run.__signature__ = first.replace(parameters=taken, return_annotation=Said)  # type: ignore[attr-defined]
    run.__annotations__ = get_annotations(act, eval_str=True) | {each.name: each.annotation for each in added}
    return run
