"""Comparing two homes of records, cheapest first: sums, then buckets, then keys, then what differs."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice, zip_longest
from typing import Any, Final, Self

from .differences import BUILT_IN, JAVASCRIPT_ORDER, differences
from .digest import BUCKETS, MODULUS, Hashes, bucket, of_key, of_record
from .pack import Explanation
from .record import Record
from .report import CAP, Comparison, Difference, Discrepancy, Key, Kind
from .spill import Side, Spill
from .values import Secret, canonical, dumps

_WIDTH: Final = 16
_CLOSED: Final = ("sealed", "looks-sealed")  # states of a secret that nobody opened
_ASIDE: Final = 5_000  # records kept aside while their twins are looked for in another order
_SHOWN: Final = 4_000  # characters of a record that are shown as a whole
_INDEX: Final = re.compile(r"(?:0|[1-9][0-9]{0,9})\Z")  # a name that JavaScript takes for a number (up to 2^32 - 2)

Stream = Callable[[], Iterable[Record]]


class Summary:
    """Count, order and 1,024 sums of digests of a home; equal homes have equal summaries."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self.count, self._order, self._sums = 0, blake2b(digest_size=_WIDTH), [0] * BUCKETS
        self._ordered: bytes | None = None  # of a summary that was read back
        for record in records:
            self.add(record)

    def add(self, record: Record) -> None:
        """Take in one more record."""
        key = of_key(record.identity if record.unfit else record.key)
        self._sums[bucket(key)] += int.from_bytes(of_record(key, record.value))
        self._order.update(b"%d:%b" % (len(key), key))
        self.count += 1

    @property
    def order(self) -> bytes:
        """A digest of the keys in their order."""
        return self._order.digest() if self._ordered is None else self._ordered

    @property
    def sums(self) -> list[int]:
        """For each bucket the sum of its records' digests, modulo 2^128."""
        return [total % MODULUS for total in self._sums]

    def differing(self, other: Summary) -> list[int]:
        """Return the buckets in which two summaries differ."""
        return [n for n, (mine, theirs) in enumerate(zip(self.sums, other.sums, strict=True)) if mine != theirs]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Summary) and bytes(self) == bytes(other)

    __hash__ = None  # type: ignore[assignment]

    def __bytes__(self) -> bytes:
        return b"".join([self.count.to_bytes(8), self.order, *(total.to_bytes(_WIDTH) for total in self.sums)])

    @staticmethod
    def spells(data: object) -> bool:
        """Tell whether this is what `bytes` may have given."""
        return isinstance(data, bytes) and len(data) == 8 + _WIDTH * (1 + BUCKETS)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read back what `bytes` gave. Raises ValueError when it is anything else."""
        if not cls.spells(data):
            raise ValueError("no summary")
        found = cls()
        pieces = [data[at : at + _WIDTH] for at in range(8 + _WIDTH, len(data), _WIDTH)]
        found.count, found._ordered = int.from_bytes(data[:8]), data[8 : 8 + _WIDTH]
        found._sums = [int.from_bytes(piece) for piece in pieces]
        return found


@dataclass(frozen=True, slots=True)
class Home:
    """One side of a comparison: its records, as often as asked, and their summary if it is known already."""

    records: Stream
    known: Summary | None = None

    def summary(self) -> Summary:
        """Return the summary, made now if it is not known."""
        return self.known or Summary(self.records())


@dataclass(frozen=True, slots=True)
class Lens:
    """How records are looked at.

    `opens` opens the app's envelopes, `veils` makes a value fit to be shown, `rules` explain differences, and
    `named` says that the records have names in a map, whose order JavaScript changes, `certain` that no rule and no
    secret can make equal what has different digests, `ordered` that the order counts.
    """

    opens: Callable[[str], str | None] = lambda _: None
    veils: Callable[[Any], Any] | None = None
    rules: Sequence[Explanation] = ()
    named: bool = False
    certain: bool = False
    ordered: bool = True


def compare(table: str, source: Home, target: Home, lens: Lens | None = None) -> Comparison:
    """Compare what a file says (`source`) with what a table says (`target`), record by record.

    Two envelopes that hide the same are equal: they differ at every save of the app.
    """
    return _Compare(source, target, lens or Lens()).run(table)


class _Compare:
    """One comparison under way: what was counted, and what is kept of it."""

    def __init__(self, source: Home, target: Home, lens: Lens) -> None:
        self._source, self._target, self._lens = source, target, lens
        self._rules = (*BUILT_IN, *lens.rules)
        self._counts: dict[Kind, int] = {}
        self._explained: dict[str, int] = {}
        self._kept: list[Discrepancy] = []
        self._lone = Hashes()  # keys that only one home has

    def run(self, table: str) -> Comparison:
        left, right = self._source.summary(), self._target.summary()
        if buckets := left.differing(right):
            self._drill(frozenset(buckets))
        misplaced = self._misplaced() if left.order != right.order and self._lens.ordered else None
        differing = sum(count for kind, count in self._counts.items() if kind != "extra")
        states = (bytes(left), bytes(right))
        equal = left.count - differing
        return Comparison(table, left.count, equal, self._counts, tuple(self._kept), misplaced, self._explained, states)

    def _misplaced(self) -> Key | None:
        """Find the first record out of order, unless it is only the order that JavaScript gives a map."""
        self._lone.sort()
        homes = (self._source, self._target)
        pairs = zip(*map(self._common, homes), strict=False)
        found = next((one.identity for one, other in pairs if one.identity != other.identity), None)
        if found and self._lens.named and any(_as_javascript(self._common(home)) for home in homes):
            rest = [(r.identity for r in self._common(home) if not _is_index(r)) for home in homes]
            if all(one == other for one, other in zip(*rest, strict=False)):
                self._explained[JAVASCRIPT_ORDER.code] = 1
                return None
        return found

    def _common(self, home: Home) -> Iterator[Record]:
        """Walk through the records that the other home has too."""
        return (record for record in home.records() if of_key(record.identity) not in self._lone)

    def _drill(self, buckets: frozenset[int]) -> None:
        """Find what differs inside some buckets: first by digest, then the records themselves."""
        with Spill() as spill:
            spill.fill("left", _digests(self._source.records(), buckets))
            if twice := spill.fill("right", _digests(self._target.records(), buckets)):
                self._counts["extra"] = twice
            self._alone(spill, "left", "missing", self._source)
            self._alone(spill, "right", "extra", self._target)
            self._changed(spill)

    def _alone(self, spill: Spill, side: Side, kind: Kind, home: Home) -> None:
        """Count the records that only one home has, and keep the first of them."""
        first: set[bytes] = set()
        for key in spill.only(side):
            self._lone.add(key)
            self._counts[kind] = self._counts.get(kind, 0) + 1
            if len(self._kept) + len(first) < CAP:
                first.add(key)
        for record in islice((r for r in home.records() if of_key(r.identity) in first), len(first)):
            one, other = (record, None) if side == "left" else (None, record)
            self._keep(kind, (), one, other, spill)

    def _changed(self, spill: Spill) -> None:
        """Look at the records that both homes have with different digests."""
        suspects, waiting = Hashes(), 0
        for key in spill.changed():
            suspects.add(key)
            waiting += 1
        suspects.sort()
        for left, right in self._pairs(suspects) if waiting else ():
            if self._lens.certain and len(self._kept) >= CAP:
                break  # the rest differs for certain, and no more of it would be kept
            before, after = spill.digests(of_key(left.identity))
            if before != after:  # else only its hash is that of a suspect
                self._judge(left, right, spill)
                waiting -= 1
        if waiting:
            kind: Kind = "changed" if self._lens.certain else "unverifiable"
            self._counts[kind] = self._counts.get(kind, 0) + waiting

    def _pairs(self, suspects: Hashes) -> Iterator[tuple[Record, Record]]:
        """Walk through both homes at once and join what may differ.

        Twins in different places are kept aside for each other; when those are too many, some are not joined.
        """
        aside: tuple[dict[Key, Record], dict[Key, Record]] = ({}, {})
        homes = [(r for r in h.records() if of_key(r.identity) in suspects) for h in (self._source, self._target)]
        for both in zip_longest(*homes):
            for side, record in enumerate(both):
                if record is None:
                    continue
                twin = aside[1 - side].pop(record.identity, None)
                if twin is not None:
                    yield (twin, record) if side else (record, twin)
                elif len(aside[side]) < _ASIDE:
                    aside[side][record.identity] = record

    def _judge(self, left: Record, right: Record, spill: Spill) -> None:
        """Say how two records differ; nothing when they only hide the same in two envelopes."""
        one, other = _opened(left.value, self._lens.opens), _opened(right.value, self._lens.opens)
        if canonical(one) == canonical(other):
            return
        assumed = _assumed(one, other)
        found = tuple(differences(one, assumed, self._rules))
        kind: Kind = "changed"
        if canonical(one) == canonical(assumed):
            kind, found = "unverifiable", tuple(differences(one, other))
        elif found and all(difference.rule for difference in found):
            kind = "explained" if canonical(assumed) == canonical(other) else "unverifiable"
            for rule in {difference.rule for difference in found}:
                self._explained[rule] = self._explained.get(rule, 0) + 1
        self._counts[kind] = self._counts.get(kind, 0) + 1
        if len(self._kept) < CAP:
            self._keep(kind, found, left, right, spill)

    def _keep(
        self, kind: Kind, found: tuple[Difference, ...], left: Record | None, right: Record | None, spill: Spill
    ) -> None:
        key = (left or right).identity  # type: ignore[union-attr]  # one of them is there
        shown = self._shown(left, found), self._shown(right, found)
        offset = left.start if left else None
        self._kept.append(Discrepancy(key, kind, found, offset, shown, spill.digests(of_key(key))))

    def _shown(self, record: Record | None, found: tuple[Difference, ...]) -> Any:
        """Make a record fit to be shown; of a long one only the members that differ."""
        if record is None or self._lens.veils is None:
            return None
        value = self._lens.veils(record.value)
        if not isinstance(value, dict) or len(dumps(value)) <= _SHOWN:
            return value
        named = {difference.path.partition(".")[0] for difference in found}
        return {name: item for name, item in value.items() if name in named and len(dumps(item)) <= _SHOWN}


def _is_index(record: Record) -> bool:
    return bool(_INDEX.match(record.element.name or ""))


def _as_javascript(records: Iterable[Record]) -> bool:
    """Tell whether the names stand as JavaScript walks them: numbers first, ascending."""
    last = -1
    for record in records:
        if not _is_index(record):
            last = sys.maxsize
        elif int(record.element.name or 0) <= last:
            return False
        else:
            last = int(record.element.name or 0)
    return True


def _digests(records: Iterable[Record], buckets: frozenset[int]) -> Iterator[tuple[bytes, bytes]]:
    for record in records:
        key = of_key(record.identity)
        if bucket(key) in buckets:
            yield key, of_record(key, record.value)


def _opened(value: Any, opener: Callable[[str], str | None]) -> Any:
    match value:
        case Secret() if isinstance(value.hidden, str) and not value.locked:
            opened = opener(value.hidden)
            return value if opened is None else Secret(opened)
        case dict():
            return {name: _opened(item, opener) for name, item in value.items()}
        case list():
            return [_opened(item, opener) for item in value]
    return value


def _assumed(left: Any, right: Any) -> Any:
    """Return `right` with every secret that nobody can judge taken from `left`."""
    if isinstance(left, Secret) and isinstance(right, Secret):
        closed = left.state in _CLOSED and right.state in _CLOSED
        return left if right.locked or closed else right
    if isinstance(left, dict) and isinstance(right, dict):
        return {name: _assumed(left[name], item) if name in left else item for name, item in right.items()}
    if isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        return [_assumed(one, other) for one, other in zip(left, right, strict=True)]
    return right
