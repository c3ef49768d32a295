"""The disasters that have nothing to do with a kill: disks, files, locks and databases that fail."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from ..errors import CouldNotCheck
from ..pack import Document
from ..site import Site
from ..stages import Stage
from .children import Children, Ended, Limits
from .disk import PAGE, Disk
from .model import Write, put
from .moving import FLUSH
from .play import Copy, Play
from .result import Act

HELD: Final = 1.0  # seconds for which the database is locked
BESIDE: Final = ("", "-wal", "-shm", "-journal")
BACKUP: Final = "drill"


def full_disk_of_migration(play: Play, begin: Copy) -> None:
    """Let the disk be full in the middle of a migration."""
    added = play.main.site.db.stat().st_size
    with play.act("Full disk: migrate", Stage.OFF) as act, play.aside(begin) as copy:

        def deed(children: Children, there: Copy, limits: Limits) -> Ended:
            return children.run(there.site, "migrate", limits=limits)

        _starve(play, act, copy, (added // 2, added // 8, 0), deed)
        play.run(act, copy, "migrate")
        copy.in_step = True
        play.check(act, copy)
        act.told.append("with room again, the same command completed it")


def full_disk(play: Play, act: Act, copy: Copy) -> None:
    """Let the disk be full while records are written."""

    def deed(children: Children, there: Copy, limits: Limits) -> Ended:
        return play.write(there, limits, children)[0]

    before = play.drill.writes
    _starve(play, act, copy, (8 * PAGE, 2 * PAGE, 0), deed)
    act.told.append(f"{play.drill.writes - before} writes were acknowledged before")
    play.run(act, copy, *FLUSH)
    play.check(act, copy)
    act.told.append("with room again, all is in step")


def _starve(
    play: Play, act: Act, copy: Copy, rooms: tuple[int, ...], deed: Callable[[Children, Copy, Limits], Ended]
) -> None:
    disk = Disk(play)
    play.drill.disk = disk.kind(copy)
    for room in rooms:
        ended = disk.starve(copy, room, deed)
        if ended.code:
            act.told.append(f"with {room:,} bytes left: {ended.said}")
            return
    act.failed.append("the disk was never full")


def foreign_edit(play: Play, act: Act, copy: Copy) -> None:
    """Let the app write one of its files in place, and the library another record of the same one."""
    document = play.wishes.documents(copy.model)[0]
    write = play.wishes.group(document, copy.model)[-1]
    edit(copy, document, write)
    ended, _ = play.write(copy)
    if ended.code and not play.drill.unwritten:
        act.failed.append(f"a writer ended with {ended.code}: {ended.said}")
    play.run(act, copy, *FLUSH)
    play.check(act, copy)
    act.told.append(f"{document.file} was changed by the app while records were written: both are there")


def edit(copy: Copy, document: Document, write: Write) -> None:
    """Write a file in place, as an app does that knows nothing of us."""
    value = put(document, copy.model.documents[document.name], write)
    copy.site.file(document).write_bytes(json.dumps(value, indent=2).encode())
    copy.model = copy.model.having(write)


def torn_file(play: Play, act: Act, copy: Copy) -> None:
    """Cut a file in half, as an app leaves it that dies while it writes."""
    document = play.wishes.documents(copy.model)[0]
    path = copy.site.file(document)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    if copy.stage.believes_table:
        play.run(act, copy, *FLUSH)
        told = "its other half came from the table"
    else:
        play.run(act, copy, "migrate", code=4)
        play.run(act, copy, "repair", document.name, "--believe", "table", "--yes")
        told = "it was refused, and written again from the table by `repair --believe table`"
    play.check(act, copy)
    act.told.append(f"half of {document.file} was gone; {told}")


def locked_database(play: Play, act: Act, copy: Copy) -> None:
    """Hold the database while records are written."""
    groups = play.wishes.groups(copy.model, few=play.drill.quick)
    with closing(sqlite3.connect(copy.site.db, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        play.children.begin(copy.site, groups)
        time.sleep(HELD)
        holder.execute("ROLLBACK")
    ended = play.children.end()
    play.acknowledge(copy, ended, groups)
    with copy.site.locked():
        play.run(act, copy, "migrate", code=4)
    play.run(act, copy, *FLUSH)
    play.check(act, copy)
    act.told.append(f"held for {HELD:.0f} s by another program: {len(ended.acknowledged(groups))} writes waited for it")
    act.told.append("while another run was at work, `migrate` refused")


def lost_database(play: Play, act: Act, copy: Copy) -> None:
    """Remove the database, and follow what the refusal says."""
    if copy.stage is Stage.COMPLETE:
        backup = back_up(play, act, copy)
        lose(copy)
        play.run(act, copy, "migrate", code=7)
        play.run(act, copy, "backup", "restore", backup, "--yes")
        told = "no empty one was made in its place: `migrate` refused; it was brought back from the backup"
    else:
        lose(copy)
        if copy.stage is Stage.OFF:
            play.run(act, copy, "migrate")
        else:
            play.run(act, copy, "migrate", code=7)
            act.told.append("no empty one was made in its place: `migrate` refused")
            play.run(act, copy, "recover", "--from", "files", "--yes")
        copy.in_step = True
        told = "it was made anew from the files, which had everything"
    play.check(act, copy)
    act.told.append(told)


def lose(copy: Copy) -> None:
    """Remove a database and all that SQLite keeps beside it."""
    for suffix in BESIDE:
        copy.site.db.with_name(copy.site.db.name + suffix).unlink(missing_ok=True)


def back_up(play: Play, act: Act, copy: Copy) -> str:
    """Make a backup and return its name."""
    play.run(act, copy, "backup", "create", "--reason", BACKUP)
    return newest(copy.site, BACKUP)


def newest(site: Site, reason: str) -> str:
    """Return the name of the newest backup that was made for a reason."""
    found = [path.name for path in (site.state / "backups").glob(f"[!.]*-{reason}")]
    if not found:
        raise CouldNotCheck(f"There is no backup that was made for `{reason}`.", "Please report it.")
    return max(found)


@dataclass(frozen=True, slots=True)
class Disaster:
    """What happens, and at which stages it is played."""

    name: str
    play: Callable[[Play, Act, Copy], None]
    stages: tuple[Stage, ...]
    needs_records: bool = True


DISASTERS: Final = (
    Disaster("Full disk: write", full_disk, (Stage.DUALWRITE, Stage.LIVE, Stage.COMPLETE)),
    Disaster("Foreign edit", foreign_edit, (Stage.DUALWRITE, Stage.LIVE)),
    Disaster("Torn file", torn_file, (Stage.DUALWRITE, Stage.LIVE)),
    Disaster("Locked database", locked_database, (Stage.DUALWRITE, Stage.LIVE)),
    Disaster("Lost database", lost_database, (Stage.DUALWRITE, Stage.LIVE, Stage.COMPLETE), needs_records=False),
)


def strike(play: Play) -> None:
    """Play the disasters of the stage at which the site is, each on a copy of its own."""
    for disaster in DISASTERS:
        if play.main.stage not in disaster.stages:
            continue
        with play.act(disaster.name, play.main.stage) as act, play.aside(play.main) as copy:
            if disaster.needs_records and not play.wishes.documents(copy.model):
                act.told.append("left out: the site has no records yet")
            else:
                disaster.play(play, act, copy)
