"""The moves of a drill: each once for real, and once on a copy for each step at which it is killed."""

from __future__ import annotations

from ..stages import Stage
from .children import Ended, Group, Limits
from .model import Model
from .play import Copy, Play
from .result import Act

LISTING = Limits(at="?")
FLUSH = ("mirror", "flush")


def move(play: Play, name: str, words: tuple[str, ...], stage: Stage, model: Model | None = None) -> bool:
    """Do a command to the site, which then is at a stage and says what a model says; and kill it at its steps.

    Returns whether it could be done.
    """
    with play.aside(play.main) as before:
        with play.act(name, stage) as act:
            ended = play.run(act, play.main, *words, limits=LISTING)
            if ended.code:
                return False
            _arrive(play.main, stage, model)
            play.check(act, play.main)
            act.told.append(f"`{' '.join(words)}` was done, in {len(ended.steps)} named steps")
        with play.act(f"Kill -9: {name.lower()}", stage) as act:
            for step in play.chosen(name.lower(), ended.steps):
                with play.aside(before) as copy:
                    _kill(play, act, copy, words, step)
                    _arrive(copy, stage, model)
                    play.check(act, copy)
            _count(act, ended, "the same command, once more, completed it")
    return True


def _arrive(copy: Copy, stage: Stage, model: Model | None) -> None:
    copy.stage, copy.in_step, copy.model = stage, True, model or copy.model


def _kill(play: Play, act: Act, copy: Copy, words: tuple[str, ...], step: str) -> None:
    ended = play.children.run(copy.site, *words, limits=Limits(at=step))
    if not ended.killed:
        act.failed.append(f"was not killed at {step}: it ended with {ended.code}: {ended.said}")
    act.kills += ended.killed
    play.run(act, copy, *words)


def _count(act: Act, ended: Ended, remedy: str) -> None:
    act.told.append(f"killed at {act.kills} of {len(ended.steps)} named steps; {remedy}")


def write(play: Play) -> None:
    """Write into the site through the library; and kill the writer at its steps."""
    stage = play.main.stage
    with play.aside(play.main) as before:
        with play.act("Write", stage) as act:
            ended, groups = play.write(play.main, LISTING)
            _settle(play, act, play.main)
            written = ended.acknowledged(groups)
            play.drill.unwritten = sorted({g[0].document for g in groups} - {w.document for w in written})
            if ended.code and not play.drill.unwritten:
                act.failed.append(f"a writer ended with {ended.code}: {ended.said}")
            play.check(act, play.main)
            act.told.append(f"{len(written)} records written and acknowledged")
        if not written:
            return
        with play.act("Kill -9: write", stage) as act:
            for step in play.chosen(f"write at {stage}", ended.steps):
                with play.aside(before) as copy:
                    _kill_writer(play, act, copy, step)
            _count(act, ended, "what was acknowledged is there")


def _settle(play: Play, act: Act, copy: Copy) -> None:
    """Bring both homes in step, where there are two."""
    if copy.site.db.exists():
        play.run(act, copy, *FLUSH)


def _kill_writer(play: Play, act: Act, copy: Copy, step: str) -> None:
    ended, groups = play.write(copy, Limits(at=step))
    if not ended.killed:
        act.failed.append(f"a writer was not killed at {step}: it ended with {ended.code}: {ended.said}")
    act.kills += ended.killed
    _settle(play, act, copy)
    play.check(act, copy, *_may_be(copy.model, groups, len(ended.out.splitlines())))


def _may_be(model: Model, groups: list[Group], done: int) -> list[Model]:
    """Return what may be said as well: what was being written when the writer was killed."""
    return [model.having(write) for write in (groups[done] if done < len(groups) else [])]
