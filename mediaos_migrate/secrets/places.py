"""The places in a record where its pack says that a secret lies: walked through, changed, hidden."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..pack import Hidden, Part
from ..shapes import pointer
from ..values import Secret
from .naming import harmless

Change = Callable[[str, Any, Hidden], Any]


def secrets_in(part: Part, value: Any) -> Iterator[tuple[str, Any, Hidden]]:
    """Walk through the secrets of a record: path, value and what the pack says of it."""
    found: list[tuple[str, Any, Hidden]] = []

    def note(place: str, item: Any, hidden: Hidden) -> Any:
        found.append((place, item, hidden))
        return item

    changed_at(part, value, note)
    yield from found


def changed_at(part: Part, value: Any, change: Change) -> Any:
    """Copy a record with every secret in it changed: `change` hears path, value and what the pack says of it."""
    for hidden in part.hidden:
        value = _replace_at(value, hidden.at, hidden.kind, "", lambda place, found, h=hidden: change(place, found, h))
    return value


def _replace_at(value: Any, path: tuple[str, ...], kind: str, place: str, change: Callable[..., Any]) -> Any:
    """Copy a value with what lies at a path changed, unless it hides nothing."""
    if not path:
        return value if harmless(value, kind) else change(place, value)
    step, rest = path[0], path[1:]
    if isinstance(value, dict):
        steps = list(value) if step == "*" else [step] if step in value else []
        changed = {name: _replace_at(value[name], rest, kind, place + pointer(name), change) for name in steps}
        return value | changed if changed else value
    if isinstance(value, list) and step == "*":
        return [_replace_at(item, rest, kind, place + pointer(n), change) for n, item in enumerate(value)]
    return value


def veil_at(value: Any, path: tuple[str, ...], kind: str) -> Any:
    """Copy a value with the texts and lists hidden that stand in the way of a path."""
    if isinstance(value, dict) and path:
        steps = list(value) if path[0] == "*" else [path[0]] if path[0] in value else []
        return value | {name: veil_at(value[name], path[1:], kind) for name in steps}
    if isinstance(value, list) and path[:1] == ("*",):
        return [veil_at(item, path[1:], kind) for item in value]
    if isinstance(value, str) and kind == "url":
        return value if harmless(value, kind) else Secret(value)
    blocked = path and not isinstance(value, dict)
    return Secret(value) if (blocked or kind == "url") and not harmless(value, "") else value
