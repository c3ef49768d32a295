"""The stage of a drill: a copy of the site, further copies for each disaster, and what all of them have to say."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from ..errors import MigrateError
from ..moves import exporting
from ..report import Progress
from ..site import Site
from ..stages import Stage
from .children import FREE, Children, Ended, Group, Limits
from .model import Model, Said
from .result import Act, Drill
from .wishes import Wishes

SOME: Final = 1  # step of each move at which a quick drill kills


@dataclass
class Copy:
    """A site in scratch, and what it has to say."""

    site: Site
    model: Model
    stage: Stage = Stage.OFF
    in_step: bool = False  # at `off`: whether the table says what the file says

    @property
    def homes(self) -> list[str]:
        """Name the homes that have to say everything."""
        file = ["file"] if self.stage is not Stage.COMPLETE else []
        return file + (["table"] if self.in_step or self.stage is not Stage.OFF else [])


def placed(site: Site, folder: Path) -> Site:
    """Return the same site in another folder."""
    return Site(folder, folder / site.db.name, site.pack, site.vault)


class Play:
    """Runs acts on copies, and looks for every record after each."""

    def __init__(self, folder: Path, main: Copy, children: Children, told: Drill, progress: Progress) -> None:
        self.folder, self.main, self.children, self.drill, self._progress = folder, main, children, told, progress
        self.chance = random.Random(told.seed)  # noqa: S311  a sample is no secret
        self.wishes = Wishes(main.site.pack)
        self._known: dict[bytes, bytes] = {}
        self._number = 0

    @contextmanager
    def act(self, name: str, stage: Stage) -> Iterator[Act]:
        """Play one act; an error in it is told, and the drill goes on."""
        act, began = Act(name, str(stage)), time.perf_counter()
        self._progress.step(name.lower(), f"at {stage}")
        try:
            yield act
        except (MigrateError, OSError) as error:
            act.failed.append(str(error))
        act.seconds = time.perf_counter() - began
        self.drill.acts.append(act)

    @contextmanager
    def aside(self, copy: Copy) -> Iterator[Copy]:
        """Lend out a copy of a copy, for a disaster of its own."""
        self._number += 1
        place = self.folder / f"aside-{self._number}"
        shutil.copytree(copy.site.data, place, symlinks=True)
        try:
            yield replace(copy, site=placed(copy.site, place))
        finally:
            shutil.rmtree(place)

    def run(self, act: Act, copy: Copy, *words: str, code: int = 0, limits: Limits = FREE) -> Ended:
        """Run a command that has to end with a code."""
        ended = self.children.run(copy.site, *words, limits=limits)
        if ended.code != code:
            act.failed.append(f"`{' '.join(words)}` ended with {ended.code} instead of {code}: {ended.said}")
        return ended

    def write(self, copy: Copy, limits: Limits = FREE, children: Children | None = None) -> tuple[Ended, list[Group]]:
        """Write records through the library; what it acknowledges has to be there from then on."""
        groups = self.wishes.groups(copy.model, few=self.drill.quick)
        ended = (children or self.children).write(copy.site, groups, limits)
        self.acknowledge(copy, ended, groups)
        return ended, groups

    def acknowledge(self, copy: Copy, ended: Ended, groups: list[Group]) -> None:
        """Take in what was acknowledged."""
        found = ended.acknowledged(groups)
        self.drill.writes += len(found)
        copy.model = copy.model.having(*found)
        if copy.stage is Stage.OFF and found:
            copy.in_step = False

    def check(self, act: Act, copy: Copy, *others: Model) -> None:
        """Look for every record in each home that has to say it; `others` are what it may say just as well.

        All homes have to say the same of them.
        """
        said = {home: self.said(copy, home) for home in copy.homes}
        found = [{home: model.lost(each) for home, each in said.items()} for model in (copy.model, *others)]
        best = next((one for one in found if not any(one.values())), found[0])
        act.lost += [f"{record} in the {home}" for home, lost in best.items() for record in lost]
        act.checked += copy.model.count * len(said)

    def said(self, copy: Copy, home: str) -> Said:
        """Read one home: the files as they are, or the files that the table alone would give."""
        if home == "file":
            return Said.of(copy.site.data, copy.site.pack, self._known)
        written = self.folder / "written"
        blank = self.folder / "blank"  # without the old files to lay it over: from the table alone
        blank.mkdir(exist_ok=True)
        try:
            exporting.export(Site(blank, copy.site.db, copy.site.pack, copy.site.vault), written)
            return Said.of(written, copy.site.pack, self._known)
        finally:
            shutil.rmtree(written, ignore_errors=True)

    def chosen(self, move: str, steps: list[str]) -> list[str]:
        """Choose the steps of a move at which somebody is killed, and note which are left out."""
        some = sorted(self.chance.sample(steps, min(SOME, len(steps)))) if self.drill.quick else steps
        if left := [step for step in steps if step not in some]:
            self.drill.left_out[move] = left
        return some
