"""The worst day, from the first migration to the last restore, on a copy of the site."""

from __future__ import annotations

import secrets
import tempfile
import time
from pathlib import Path
from typing import Final

from .. import room
from ..errors import Refused
from ..ledger import Ledger
from ..moves import migrating, rehearsing
from ..moves.surveyed import Options
from ..report import SILENT, Progress
from ..site import Site
from ..stages import Stage
from .children import SERVER, Children
from .disasters import back_up, full_disk_of_migration, newest, strike
from .model import Model, Said
from .moving import move, write
from .play import Copy, Play
from .result import Drill

PURPOSE: Final = "drill"
SIDE: Final = ("--policy", "ci", "--host-reads-database")  # nobody waits on a copy, and the drill is its host


def drill(site: Site, work: Path | None = None, *, quick: bool = False, progress: Progress = SILENT) -> Drill:
    """Play the worst day on a copy; the site stays as it is. Raises Refused when there is no room for it."""
    began = time.perf_counter()
    _check_place(site, work)
    with rehearsing.workplace(PURPOSE, work) as folder:
        progress.step("copy", "the site")
        copy = rehearsing.copy_site(site, folder)
        with Children(folder / SERVER, copy) as children:
            told = Drill(0, 0, secrets.randbelow(1_000_000), quick)
            play = Play(folder, Copy(copy, Model(site.pack, {})), children, told, progress)
            _worst_day(play)
    told.seconds = time.perf_counter() - began
    return told


def _check_place(site: Site, work: Path | None) -> None:
    """Raise what a migration of the site would be refused for, or that there is no room for a drill."""
    surveys = migrating.look(site, Options(), migrating.Migration(), SILENT)
    if work and site.data.resolve() in (work.resolve(), *work.resolve().parents):
        raise Refused(f"{work} lies in the data folder, which a drill leaves alone.", "Name another with --work.")
    size = max(sum(seen.size for seen in surveys), site.db.stat().st_size if site.db.exists() else 0)
    room.for_drill(work or Path(tempfile.gettempdir()), size).check("Name a folder on a larger disk with --work.")


def _worst_day(play: Play) -> None:
    """Go through all stages, and have every disaster at those where it is another one."""
    begin(play)
    write(play)
    with play.aside(play.main) as files:
        if not move(play, "Migrate", ("migrate",), Stage.OFF):
            return
        full_disk_of_migration(play, files)
    for stage in list(Stage)[1:]:
        if not move(play, f"Advance to {stage}", ("stage", "advance", "--to", str(stage), *SIDE), stage):
            return
        write(play)
        strike(play)
    restore(play)
    move(play, "Rollback", ("rollback", "--yes"), Stage.OFF)


def begin(play: Play) -> None:
    """Read what the site says, and take it back to its files if it has gone further."""
    main = play.main
    with play.act("Begin", main.stage) as act:
        main.model = _said(play)
        play.drill.documents, play.drill.records = len(main.model.documents), main.model.count
        if main.site.db.exists():
            play.run(act, main, "rollback", "--yes", "--discard-database")
            act.told.append("the copy was taken back to its files")
        play.check(act, main)
        act.told.append(f"records: {main.model.count:,}, files: {len(main.model.documents)}")


def _said(play: Play) -> Model:
    """Read each document where it is believed."""
    main = play.main
    files = Said.of(main.site.data, main.site.pack, {})
    found = {name: files.value(name) for name in files.files}
    if main.site.db.exists():
        with main.site.looking() as connection:
            believed = [name for name, stage in Ledger(connection).stages().items() if stage.believes_table]
        tables = play.said(main, "table")
        found |= {name: tables.value(name) for name in believed if name in tables.files}
    return Model(main.site.pack, found)


def restore(play: Play) -> None:
    """Go back to a backup, and forward again to what was there before: the one that every restore makes."""
    before = play.main.model
    with play.act("Back up", play.main.stage) as act:
        name = back_up(play, act, play.main)
        play.check(act, play.main)
        act.told.append("files and database, as one pair")
    with play.act("Write", play.main.stage) as act:
        play.write(play.main)
        play.check(act, play.main)
        act.told.append("more than the backup holds")
    after = play.main.model
    move(play, "Restore", ("backup", "restore", name, "--yes"), play.main.stage, before)
    with play.act("Restore what was there before", play.main.stage) as act:
        saved = newest(play.main.site, "restore")
        play.run(act, play.main, "backup", "restore", saved, "--yes")
        play.main.model = after
        play.check(act, play.main)
        act.told.append("from the backup that the restore had made: also what was written since is there")
