"""Whether a file can be what the app meant it to be, by evidence from outside the file."""

from __future__ import annotations

from typing import Final

from .. import backups
from ..errors import Suspect
from ..ledger import DAMAGED, MISSING, PRESENT, SKIPPED, Entry
from ..site import Site
from .surveyed import Survey

MANY: Final = 20  # a file that had this many records and lost half of them is suspect
RECORD: Final = 100  # bytes that a record has at least, to tell from its size how many a backup held


def doubt(site: Site, seen: Survey, entry: Entry | None, references: int) -> Suspect | None:
    """Say why a file is not to be believed until a person says so, or return None.

    The evidence: how many records it had when it was last accepted, how large its last backup is if nothing was
    accepted yet, and how many records of other documents refer to it although it is empty.
    """
    if entry is not None and entry.state in (PRESENT, DAMAGED):
        return None if entry.digest == seen.digest else _shrunk(seen, entry.count or 0, references)
    if entry is not None and entry.state != SKIPPED:
        return None
    return _smaller(site, seen) or (_referred(seen, references) if seen.state != MISSING else None)


def _shrunk(seen: Survey, had: int, references: int) -> Suspect | None:
    has = seen.count if seen.salvage else seen.count + len(seen.rest)
    lost = has * 2 <= had if had >= MANY else had and not has
    if not lost and not (seen.salvage and has < had):
        return None
    if seen.state == MISSING:
        records = "1 record" if had == 1 else f"{had:,} records"
        return _suspect(seen, f"is gone, and had {records} when it was last accepted", had=had, has=has)
    facts = {"had": had, "has": has} | ({"references": references} if references else {})
    more = f", and {_refer(references)} to what it lacks" if references else ""
    return _suspect(seen, f"has {has} of the {had} records last accepted{more}", **facts)


def _smaller(site: Site, seen: Survey) -> Suspect | None:
    """Hold a file that was never accepted against its last backup: a lost database must not hide a lost library."""
    sizes = [size for item in reversed(backups.all_of(site)) if (size := item.sizes.get(seen.document.file))]
    if not sizes or sizes[0] < MANY * RECORD or seen.size * 2 >= sizes[0]:
        return None
    has = "is gone" if seen.state == MISSING else f"has {seen.size:,} bytes"
    what = f"{has}, and its last backup has {sizes[0]:,} bytes"
    return _suspect(seen, what, size=seen.size, backup_size=sizes[0])


def _referred(seen: Survey, references: int) -> Suspect | None:
    if seen.count or not references:
        return None
    return _suspect(seen, f"is empty, and yet {_refer(references)} to it", references=references, has=0)


def _refer(references: int) -> str:
    return "1 record of another file refers" if references == 1 else f"{references:,} records of other files refer"


def _suspect(seen: Survey, what: str, **facts: int) -> Suspect:
    name = seen.document.name
    return Suspect(
        f"{seen.document.file} {what}.",
        f"Restore it from .mediaos-migrate/backups, or pass --accept-source {name}.",
        document=name,
        **facts,
    )
