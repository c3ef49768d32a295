"""What a drill found: act by act what happened, how long it took, and what was lost."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Act:
    """One disaster, and what came of it."""

    name: str
    stage: str
    told: list[str] = field(default_factory=list)
    checked: int = 0  # records that were found in a home, each time and in each home that has to say them
    kills: int = 0
    seconds: float = 0.0
    lost: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)  # what did not end as it should, though nothing was lost by it

    @property
    def word(self) -> str:
        """How it ended."""
        return "LOST" if self.lost else "FAILED" if self.failed else "nothing lost"


@dataclass(slots=True)
class Drill:
    """A whole drill."""

    documents: int
    records: int
    seed: int
    quick: bool
    disk: str = ""  # how the disk was made to be full
    acts: list[Act] = field(default_factory=list)
    writes: int = 0  # that were acknowledged
    left_out: dict[str, list[str]] = field(default_factory=dict)  # steps of each move at which nobody was killed
    unwritten: list[str] = field(default_factory=list)  # documents with records into which nothing was written
    seconds: float = 0.0

    @property
    def kills(self) -> int:
        """How many processes were killed."""
        return sum(act.kills for act in self.acts)

    @property
    def checked(self) -> int:
        """How often a record was looked for, and found."""
        return sum(act.checked for act in self.acts)

    @property
    def lost(self) -> list[str]:
        """What was lost, with the act in which it was."""
        return [f"{act.name} at {act.stage}: {each}" for act in self.acts for each in act.lost]

    @property
    def failed(self) -> list[str]:
        """What did not end as it should."""
        return [f"{act.name} at {act.stage}: {each}" for act in self.acts for each in act.failed]

    @property
    def exit_code(self) -> int:
        """0 only when nothing was lost, and all could be played."""
        return 3 if self.lost else 5 if self.failed else 0
