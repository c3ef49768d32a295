"""What an operation found out, as frozen values that can be kept, compared and shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal, Self

CAP: Final = 200  # discrepancies and anomalies kept with their key; all are counted

Key = tuple[str, ...]
Kind = Literal["missing", "extra", "changed", "unverifiable"]


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """One key on which the two homes disagree, and the members that differ (never their values)."""

    key: Key
    kind: Kind
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """What comparing the records of one part found: missing in the table, extra in it, changed."""

    table: str
    compared: int
    equal: int
    counts: dict[Kind, int] = field(default_factory=dict)
    discrepancies: tuple[Discrepancy, ...] = ()
    out_of_order: Key | None = None  # the first key that stands elsewhere

    @property
    def clean(self) -> bool:
        """Everything was compared and nothing differs."""
        return not self.counts and self.out_of_order is None


@dataclass(frozen=True, slots=True)
class Anomaly:
    """A record that breaks one of the app's own rules; it is kept all the same."""

    rule: str
    key: Key
    detail: str = ""


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
            set(comparison.counts) - {"unverifiable"} or comparison.out_of_order for comparison in self.comparisons
        )

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
        """Hear how much of the step is done, in bytes."""


SILENT: Final = Progress()
