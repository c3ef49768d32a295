"""Where a document's records live: the first home is believed, all are written."""

from __future__ import annotations

from enum import StrEnum


class Home(StrEnum):
    """The home that is said to be right."""

    FILE = "file"
    TABLE = "table"


class Stage(StrEnum):
    """The six stages of a document, in their order (the names are LaunchDarkly's)."""

    OFF = "off"
    DUALWRITE = "dualwrite"
    SHADOW = "shadow"
    LIVE = "live"
    RAMPDOWN = "rampdown"
    COMPLETE = "complete"

    @property
    def believes_table(self) -> bool:
        """Whether the table is what counts at this stage."""
        return self in (Stage.LIVE, Stage.RAMPDOWN, Stage.COMPLETE)

    @property
    def writes_both(self) -> bool:
        """Whether both homes are written."""
        return self not in (Stage.OFF, Stage.COMPLETE)

    @property
    def mirrors(self) -> bool:
        """Whether the file is written after the table."""
        return self.believes_table and self.writes_both

    @property
    def compares(self) -> bool:
        """Whether reads are compared with the other home."""
        return self in (Stage.SHADOW, Stage.LIVE)

    @property
    def next(self) -> Stage | None:
        """The stage one step forward."""
        order = list(Stage)
        return order[order.index(self) + 1] if self is not Stage.COMPLETE else None

    def before(self, other: Stage) -> bool:
        """Tell whether this stage comes before another."""
        order = list(Stage)
        return order.index(self) < order.index(other)
