"""Comparing two streams of records, cheapest first: sums, then buckets, then keys, then what differs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

from deepdiff import DeepDiff

from .digest import BUCKETS, MODULUS, bucket, of_record
from .record import Record
from .report import CAP, Comparison, Discrepancy, Key, Kind
from .values import Secret, canonical, normal

GROUP: Final = 64  # buckets looked at in one pass when many differ: memory stays bounded

Stream = Callable[[], Iterable[Record]]
Opener = Callable[[str], str | None]


class Summary:
    """Count, order and 1,024 sums of digests of a stream; equal streams have equal summaries."""

    def __init__(self, records: Iterable[Record]) -> None:
        count = order = 0
        sums = [0] * BUCKETS
        for record in records:
            key = record.identity
            sums[hash(key) % BUCKETS] += of_record(key, record.value)
            order = hash((order, key))
            count += 1
        self.count, self.order, self.sums = count, order, [total % MODULUS for total in sums]

    def differing(self, other: Summary) -> list[int]:
        """Return the buckets in which two summaries differ."""
        return [n for n in range(BUCKETS) if self.sums[n] != other.sums[n]]


def compare(table: str, source: Stream, target: Stream, opener: Opener = lambda _: None) -> Comparison:
    """Compare what a file says (`source`) with what a table says (`target`), record by record.

    `opener` opens the app's envelopes, which differ at every save though they hide the same.
    """
    left, right = Summary(source()), Summary(target())
    buckets = left.differing(right)
    if not buckets:
        misplaced = _misplaced(source(), target()) if left.order != right.order else None
        return Comparison(table, left.count, left.count, out_of_order=misplaced)
    counts: dict[Kind, int] = {}
    kept: list[Discrepancy] = []
    for start in range(0, len(buckets), GROUP):
        for item in _drill(source, target, frozenset(buckets[start : start + GROUP]), opener):
            counts[item.kind] = counts.get(item.kind, 0) + 1
            if len(kept) < CAP:
                kept.append(item)
    equal = left.count - counts.get("missing", 0) - counts.get("changed", 0) - counts.get("unverifiable", 0)
    return Comparison(table, left.count, equal, counts, tuple(kept))


def _misplaced(source: Iterable[Record], target: Iterable[Record]) -> Key | None:
    pairs = zip(source, target, strict=False)
    return next((left.identity for left, right in pairs if left.identity != right.identity), None)


def _drill(source: Stream, target: Stream, buckets: frozenset[int], opener: Opener) -> Iterator[Discrepancy]:
    """Find what differs inside some buckets: first by digest, then the records themselves."""
    left, right = _digests(source(), buckets), _digests(target(), buckets)
    yield from (Discrepancy(key, "missing") for key in left if key not in right)
    yield from (Discrepancy(key, "extra") for key in right if key not in left)
    suspects = [key for key in left if key in right and left[key] != right[key]]
    for start in range(0, len(suspects), CAP):
        some = frozenset(suspects[start : start + CAP])
        values = _values(target(), some)
        for record in source():
            if record.identity in some and (item := _judge(record, values[record.identity], opener)):
                yield item


def _digests(records: Iterable[Record], buckets: frozenset[int]) -> dict[Key, int]:
    return {r.identity: of_record(r.identity, r.value) for r in records if bucket(r.identity) in buckets}


def _values(records: Iterable[Record], wanted: frozenset[Key]) -> dict[Key, Any]:
    return {record.identity: record.value for record in records if record.identity in wanted}


def _judge(source: Record, value: Any, opener: Opener) -> Discrepancy | None:
    """Say how two records differ, or None when they only hide the same in two envelopes."""
    left, right = _opened(source.value, opener), _opened(value, opener)
    if canonical(left) == canonical(right):
        return None
    if unverifiable(left, right):
        return Discrepancy(source.identity, "unverifiable", tuple(differing_fields(left, right)))
    return Discrepancy(source.identity, "changed", tuple(differing_fields(left, right)))


def _opened(value: Any, opener: Opener) -> Any:
    match value:
        case Secret() if isinstance(value.hidden, str) and not value.locked:
            opened = opener(value.hidden)
            return value if opened is None else Secret(opened)
        case dict():
            return {name: _opened(item, opener) for name, item in value.items()}
        case list():
            return [_opened(item, opener) for item in value]
    return value


def unverifiable(left: Any, right: Any) -> bool:
    """Tell whether two values could be equal: they differ only in secrets that nobody could open."""
    if isinstance(left, Secret) and isinstance(right, Secret):
        closed = right.locked or (left.state != "plain" and right.state != "plain")
        return closed or canonical(left) == canonical(right)
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(unverifiable(left[name], right[name]) for name in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(unverifiable, left, right))
    return canonical(left) == canonical(right)


def differing_fields(left: Any, right: Any) -> Sequence[str]:
    """Name the members in which two values differ, outermost first, never what they hold."""
    tree = DeepDiff(normal(left), normal(right), view="tree", threshold_to_diff_deeper=0)
    paths = {
        ".".join(str(step) for step in item.path(output_format="list")) or "(the value itself)"
        for items in tree.values()
        for item in items
    }
    return sorted(paths)[:CAP]
