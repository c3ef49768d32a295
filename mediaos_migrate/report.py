"""What an operation found out, as frozen values that can be kept, compared and shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal, Self

CAP: Final = 200  # discrepancies of a table, and anomalies of a rule, kept with their key; all are counted
EVERY: Final = 4096  # records between two words about the progress
LISTED: Final = 1_000  # quarantined records that are listed at once

Key = tuple[str, ...]
Kind = Literal["missing", "extra", "changed", "explained", "unverifiable"]
Way = Literal["text", "value", "number-spelling", "type", "absent-null", "order", "instant", "secret"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One member that differs: where in the record, in which way, and the rule that explains it, if one does."""

    path: str
    way: Way
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """One key on which the two homes disagree, and how.

    `offset` is where the record begins in the file (bytes), `shown` the record in the file and in the table fit to
    be shown, `digests` those of both: what still has the same two stood still.
    """

    key: Key
    kind: Kind
    differences: tuple[Difference, ...] = ()
    offset: int | None = None
    shown: tuple[Any, Any] = (None, None)
    digests: tuple[bytes | None, bytes | None] = (None, None)
    line: int | None = None

    @property
    def fields(self) -> tuple[str, ...]:
        """The members that differ, in order and each once."""
        return tuple(sorted({difference.path for difference in self.differences}))


@dataclass(frozen=True, slots=True)
class Comparison:
    """What comparing the records of one part found: missing in the table, extra in it, changed, explained."""

    table: str
    compared: int
    equal: int
    counts: dict[Kind, int] = field(default_factory=dict)
    discrepancies: tuple[Discrepancy, ...] = ()
    out_of_order: Key | None = None  # the first key that stands elsewhere
    explained: dict[str, int] = field(default_factory=dict)  # how often each rule explained a difference
    states: tuple[bytes, bytes] = (b"", b"")  # the summaries of file and table

    @property
    def clean(self) -> bool:
        """Everything was compared, and nothing differs but what a rule explains."""
        return not self.counts.keys() - {"explained"} and self.out_of_order is None


@dataclass(frozen=True, slots=True)
class Anomaly:
    """A record that breaks one of the app's own rules; it is kept all the same.

    `offset` is where the record begins in the file (bytes).
    """

    rule: str
    key: Key
    detail: str = ""
    offset: int | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Books:
    """What became of the records of a document; they balance, or the import is undone."""

    read: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    quarantined: int = 0
    deleted: tuple[Key, ...] = ()
    deleted_count: int = 0

    @property
    def balanced(self) -> bool:
        """Every record that was read is accounted for."""
        return self.read == self.inserted + self.updated + self.unchanged + self.quarantined

    @property
    def changed(self) -> bool:
        """Whether the table was changed at all."""
        return bool(self.inserted or self.updated or self.deleted_count)


@dataclass(frozen=True, slots=True)
class DocumentReport:
    """One document in a report: its state, its books, what differs, what breaks a rule."""

    document: str
    file: str
    state: str
    tables: tuple[str, ...] = ()
    books: Books = Books()
    comparisons: tuple[Comparison, ...] = ()
    anomalies: tuple[Anomaly, ...] = ()
    anomaly_count: int = 0
    note: str = ""
    quarantined: int = 0  # records in quarantine now

    @property
    def clean(self) -> bool:
        """The two homes are equal."""
        return all(comparison.clean for comparison in self.comparisons)

    @property
    def unverifiable(self) -> bool:
        """Something could not be compared."""
        return any("unverifiable" in comparison.counts for comparison in self.comparisons)

    @property
    def differs(self) -> bool:
        """Something was compared and differs."""
        return any(
            set(comparison.counts) - {"unverifiable", "explained"} or comparison.out_of_order
            for comparison in self.comparisons
        )

    @property
    def compared(self) -> int:
        """How many records of the file were compared."""
        return sum(comparison.compared for comparison in self.comparisons)

    @property
    def equal(self) -> int:
        """How many of them the table has exactly so."""
        return sum(comparison.equal for comparison in self.comparisons)

    @property
    def explained(self) -> dict[str, int]:
        """How often each rule explained a difference."""
        found: dict[str, int] = {}
        for comparison in self.comparisons:
            for rule, count in comparison.explained.items():
                found[rule] = found.get(rule, 0) + count
        return found

    @property
    def unsure(self) -> list[Discrepancy]:
        """The records that could not be compared, as many as were kept."""
        return [d for c in self.comparisons for d in c.discrepancies if d.kind == "unverifiable"]

    def keys(self, kind: Kind) -> list[Key]:
        """Return the keys of one kind of difference, as many as were kept."""
        return [d.key for c in self.comparisons for d in c.discrepancies if d.kind == kind]

    def count(self, kind: Kind) -> int:
        """Count the differences of one kind."""
        return sum(comparison.counts.get(kind, 0) for comparison in self.comparisons)


class Progress:
    """Hears how far a run is; this one keeps silent."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def step(self, verb: str, what: str = "") -> None:
        """Hear that a step begins."""

    def at(self, done: int, total: int) -> None:
        """Hear how much of the step is done, of how much."""


SILENT: Final = Progress()
