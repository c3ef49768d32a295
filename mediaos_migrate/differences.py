"""Where two values of one record differ, in which way, and whether a named rule explains it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import chain
from typing import Any, Final

from .pack import Explanation
from .report import Difference, Way
from .values import Number, Secret, canonical, dumps, normal

WHOLE: Final = "(the value itself)"
LONG: Final = 500  # items; DeepDiff's time grows with the square (16 s for 10,000), so longer lists are paired by place

# What holds for every app, because the canonical form of a record says so.
BUILT_IN: Final = (
    Explanation(code="number-spelling", way="number-spelling", reason="5.0 and 5 are the same number to every reader."),
)

JAVASCRIPT_ORDER: Final = Explanation(
    code="javascript-order", way="order", reason="JavaScript walks through members named like numbers first, in order."
)

Path = tuple[Any, ...]
Found = tuple[Path, Way, Any, Any]


def differences(left: Any, right: Any, rules: Sequence[Explanation] = BUILT_IN) -> list[Difference]:
    """Name what differs between a record in the file (`left`) and in the table (`right`), never what it holds."""
    return [
        Difference(".".join(map(str, path)) or WHOLE, way, _explained(path, way, (one, other), rules))
        for path, way, one, other in _walk((), left, right)
    ]


def _walk(path: Path, left: Any, right: Any) -> Iterator[Found]:
    if isinstance(left, dict) and isinstance(right, dict):
        for name in dict.fromkeys((*left, *right)):
            if name in left and name in right:
                yield from _walk((*path, name), left[name], right[name])
            else:
                there = left.get(name, right.get(name))
                way: Way = "secret" if isinstance(there, Secret) else "absent-null"
                yield (*path, name), way, left.get(name), right.get(name)
    elif canonical(left) == canonical(right):
        yield from _spellings(path, left, right)
    elif isinstance(left, list) and isinstance(right, list):
        yield from _lists(path, left, right)
    else:
        yield path, _way(left, right), left, right


def _spellings(path: Path, left: Any, right: Any) -> Iterator[Found]:
    """Find the numbers that are spelled in two ways in two values that are equal."""
    if isinstance(left, dict):
        yield from chain.from_iterable(_spellings((*path, name), left[name], right[name]) for name in left)
    elif isinstance(left, list):
        pairs = enumerate(zip(left, right, strict=True))
        yield from chain.from_iterable(_spellings((*path, n), one, other) for n, (one, other) in pairs)
    elif isinstance(left, int | float | Number) and dumps(left) != dumps(right):
        yield path, "number-spelling", left, right


def _lists(path: Path, left: list[Any], right: list[Any]) -> Iterator[Found]:
    if sorted(map(canonical, left)) == sorted(map(canonical, right)):
        yield path, "order", left, right
    elif max(len(left), len(right)) > LONG or _by_place(left) or _by_place(right):
        yield from _places(path, left, right)
    else:
        found = list(_paired(path, left, right))
        yield from found or _places(path, left, right)


def _places(path: Path, left: list[Any], right: list[Any]) -> Iterator[Found]:
    """Compare two lists item by item."""
    for number, (one, other) in enumerate(zip(left, right, strict=False)):
        yield from _walk((*path, number), one, other)
    shorter, longer = sorted((len(left), len(right)))
    if longer - shorter > LONG:
        yield path, "absent-null", left, right
        return
    for number in range(shorter, longer):
        one, other = (items[number] if number < len(items) else None for items in (left, right))
        yield (*path, number), "absent-null", one, other


def _paired(path: Path, left: list[Any], right: list[Any]) -> Iterator[Found]:
    """Let DeepDiff find which items of two lists belong together."""
    from deepdiff import DeepDiff

    tree = DeepDiff(
        normal(left), normal(right), view="tree", threshold_to_diff_deeper=0, ignore_private_variables=False
    )
    for kind, items in tree.items():
        for item in items:
            there = not kind.endswith(("_added", "_removed"))
            one, other = (item.t1, item.t2) if there else (None, None)
            yield (*path, *item.path(output_format="list")), _way(one, other), one, other


def _by_place(value: Any) -> bool:
    """Tell what DeepDiff must not see: secrets, and flags, which are the numbers 0 and 1 to it."""
    if isinstance(value, dict):
        return any(map(_by_place, value.values()))
    return any(map(_by_place, value)) if isinstance(value, list) else isinstance(value, Secret | bool)


def _way(left: Any, right: Any) -> Way:
    if isinstance(left, Secret) or isinstance(right, Secret):
        return "secret"
    if left is None or right is None:
        return "absent-null"
    if isinstance(left, str) and isinstance(right, str):
        return "instant" if instant(left) and instant(right) else "text"
    return "value" if _kind(left) is _kind(right) else "type"


def _kind(value: Any) -> type:
    return float if isinstance(value, int | float | Number) and not isinstance(value, bool) else type(value)


def instant(text: str) -> datetime | None:
    """Read a moment in time; None when the text is none, or does not say in which zone."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def _explained(path: Path, way: Way, pair: tuple[Any, Any], rules: Sequence[Explanation]) -> str:
    """Return the code of the first rule that explains a difference, or nothing."""
    return next((rule.code for rule in rules if rule.way == way and _covers(rule, path) and _near(rule, pair)), "")


def _covers(rule: Explanation, path: Path) -> bool:
    return not rule.members or any(
        len(steps) <= len(path) and all(step in ("*", str(found)) for step, found in zip(steps, path, strict=False))
        for steps in (member.split(".") for member in rule.members)
    )


def _near(rule: Explanation, pair: tuple[Any, Any]) -> bool:
    """Tell whether two instants are as near to each other as a rule asks; of other things it asks nothing."""
    if rule.way != "instant":
        return True
    one, other = (instant(str(each)) for each in pair)
    return one is not None and other is not None and abs((one - other).total_seconds()) <= rule.within_seconds
