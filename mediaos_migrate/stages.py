"""Where a document's records live: the first home is believed, all are written."""

from __future__ import annotations

from enum import StrEnum


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
