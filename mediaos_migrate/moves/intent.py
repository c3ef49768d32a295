"""The one note that a restore is under way: written before its first step, gone after its last."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Self

from .. import files
from ..errors import NeedsPerson
from ..site import RESTORE, Site


@dataclass(frozen=True, slots=True)
class Intent:
    """A restore under way: which backup, which documents (all), and what was here before."""

    path: str
    backup: str
    documents: list[str] = field(default_factory=list)
    safety: str | None = None
    as_it_is: bool = False

    @classmethod
    def read(cls, site: Site) -> Self | None:
        """Return the restore that is under way, if there is one. Raises NeedsPerson when it cannot be read."""
        with suppress(FileNotFoundError):
            try:
                return cls(**json.loads((site.state / RESTORE).read_bytes()))
            except (ValueError, TypeError):
                raise NeedsPerson(f"{site.state / RESTORE} is damaged.", "Remove it, and restore a backup.") from None
        return None

    def write(self, site: Site) -> None:
        """Write it down, durably."""
        with files.replacing(site.state / RESTORE, site.owner) as stream:
            stream.write(json.dumps(asdict(self), indent=2).encode())

    @staticmethod
    def close(site: Site) -> None:
        """Say that it is done."""
        (site.state / RESTORE).unlink(missing_ok=True)
        files.sync_folder(site.state)
