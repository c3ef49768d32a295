"""Disturbs the moves of the crash matrix, one in each child process, and tells what was lost.

A server of its own, because it forks and because the shim must be there before libc: LD_PRELOAD=shim.so python
tests/fault_driver.py SCRATCH. It reads one JSON object per line, {"move", "fault", "count", "looks", "seed"}, and answers with one.
"""

from __future__ import annotations

import ctypes
import errno
import gc
import json
import logging
import os
import random
import re
import shutil
import signal
import sqlite3
import sys
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any, Final

import power_cut
import promised
from fault_moves import MOVES, STARTS, Move, must, said, site, told, unit
from power_cut import ACK, CREATE, MKDIR, RENAME, SYNC, UNLINK, WRITE

from mediaos_migrate import backups, crash
from mediaos_migrate import files as ours
from mediaos_migrate.backups import checking, taking
from mediaos_migrate.errors import MigrateError
from mediaos_migrate.library import mirror
from mediaos_migrate.moves import looks, surveying

SCRATCH: Final = Path(sys.argv[1]) if __name__ == "__main__" else Path()
SHIM: Final = ctypes.CDLL(None)  # what was loaded before libc is found here
NEVER: Final = 1 << 30
CODES: Final = {0, 1, 2, 3, 4, 5, 6, 7, 130}
PACKAGE: Final = str(Path(ours.__file__).parent)


class DoesNotWork(Exception):
    """A move fails though nothing disturbs it."""


@dataclass(frozen=True)
class Fault:
    """What goes wrong: in which calls, as which error (0: half is written, -1: it dies), and whether for ever."""

    calls: int
    error: int
    for_ever: bool = False


FAULTS: Final = {
    "ENOSPC": Fault(WRITE | CREATE | MKDIR, errno.ENOSPC, for_ever=True),
    "EIO on write": Fault(WRITE, errno.EIO),
    "EIO on fsync": Fault(SYNC, errno.EIO),
    "short write": Fault(WRITE, 0),
    "EIO on rename": Fault(RENAME | UNLINK, errno.EIO),
    "SIGKILL at a call": Fault(~0, -1),
}
KILL: Final = "SIGKILL"
POWER: Final = "power cut"
SHARED: Final = ("file.", "backup.", "locked")  # steps of nearly every move: a sample tries some of them in each
SOME: Final = 0.3
HEARD: Final[list[int]] = []  # in a child: where to tell what was acknowledged, even if it is killed then


@dataclass
class Ended:
    """How a child ended."""

    signal: int = 0
    code: int | None = None
    raised: str = ""
    mistake: str = ""
    acks: int = 0
    fired: bool = False
    said: str = ""
    more: Any = None


def forked(act: Callable[[Ended], None]) -> Ended:
    """Run something in a process of its own."""
    reading, writing = os.pipe()
    gc.freeze()  # or the child copies every page by looking for garbage
    child = os.fork()
    if child == 0:
        os.close(reading)
        HEARD.append(writing)
        ended = Ended()
        try:
            _quietly(act, ended)
        finally:
            SHIM.fault_watch(b"/nowhere")
            with os.fdopen(writing, "w") as out:
                json.dump(vars(ended), out)
                out.flush()
                os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as stream:
        text = stream.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    ended = Ended(**json.loads(text.rpartition("\n")[2])) if status == 0 else Ended(signal=-status)
    if status:
        ended.acks = text.count("\n")
    return ended


def _quietly(act: Callable[[Ended], None], ended: Ended) -> None:
    try:
        act(ended)
    except (MigrateError, OSError, sqlite3.Error) as error:
        ended.raised = f"{type(error).__name__}: {error}"
    except BaseException:  # noqa: BLE001  that is what we look for
        ended.mistake = traceback.format_exc()


@cache
def start(name: str) -> Path:
    """Make a site to begin from, once."""
    folder = SCRATCH / "starts" / name.replace(" ", "-")
    begin = STARTS[name]
    if begin.before:
        shutil.copytree(start(begin.before), folder)
    else:
        folder.parent.mkdir(exist_ok=True)
    made = forked(lambda _: begin.make(folder))
    if made.mistake or made.raised:
        raise RuntimeError(f"{name}: {made.mistake or made.raised}")
    return folder


def fresh(move: Move) -> Path:
    """Lay a site out to be disturbed; always at the same place, so that a trace is one of any."""
    folder = SCRATCH / "site"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(start(move.begin), folder)
    return folder


def done(move: Move, folder: Path, *, again: bool = False) -> Callable[[Ended], None]:
    def act(ended: Ended) -> None:
        def ack(number: int) -> None:
            ended.acks += 1
            os.write(HEARD[-1], b"\n")
            SHIM.fault_ack(number)

        ended.code = move.run(folder, ack, again=again)

    return act


# ── what a site says ──

PASSING: Final = {
    "_mm_changes",
    "_mm_keys",
    "_mm_evidence",
    "_mm_summaries",
    "_mm_stage_log",
    "_mm_slow",
    "sqlite_sequence",
}
TIMES: Final = {"at", "id", "applied_at", "imported_at", "created_at", "updated_at", "duration_ms", "seconds", "seq"}
SEALED: Final = re.compile(r"[A-Za-z0-9+/=]{40,}")  # never the same twice
NUMBERS: Final = {"epoch", "changes", "evidence", "number", "backup", "since"}


def state(folder: Path, *, sealed: bool = False) -> dict[str, Any]:
    """Return all that a site says, but for times, random ids and the number of attempts."""
    says: dict[str, Any] = {}
    for path in folder.iterdir():
        if path.is_file() and not path.name.startswith("mediaos.db"):
            says[path.name] = path.read_bytes().decode()
        elif path.is_dir() and path.name != ".mediaos-migrate":
            says[path.name] = sorted(each.name for each in path.iterdir())
    if (folder / "mediaos.db").exists():
        says |= _tables(folder / "mediaos.db")
    ours = folder / ".mediaos-migrate"
    if (ours / "marker.json").exists():
        said = json.loads((ours / "marker.json").read_bytes())
        says["marker"] = [{k: v for k, v in said["stages"].items() if v != "off"}, said["moving"]]
    says["restoring"] = (ours / "restore.json").exists()
    return says if not sealed else {name: SEALED.sub("…", repr(value)) for name, value in says.items()}


def said_by(move: Move, folder: Path) -> dict[str, Any]:
    """Return what is to be the same, however a row was disturbed."""
    says = state(folder, sealed=move.keyed)
    return {name: value for name, value in says.items() if name not in move.ignores}


def _tables(path: Path) -> dict[str, Any]:
    with closing(sqlite3.connect(path)) as connection:
        says: dict[str, Any] = {"integrity": connection.execute("PRAGMA integrity_check").fetchone()[0]}
        says["foreign keys"] = connection.execute("PRAGMA foreign_key_check").fetchall()
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        for table in sorted(set(names) - PASSING):
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info([{table}])")]
            skipped = TIMES | NUMBERS if table.startswith("_mm_") else {"updated_at"}
            kept = ", ".join(f"[{name}]" for name in columns if name not in skipped)
            rows = connection.execute(f"SELECT {kept} FROM [{table}]").fetchall() if kept else []
            says[f"table {table}"] = sorted(map(repr, rows))
        return says


def different(wanted: dict[str, Any], found: dict[str, Any]) -> list[str]:
    return [
        _difference(name, wanted.get(name), found.get(name))
        for name in sorted(wanted.keys() | found.keys())
        if wanted.get(name) != found.get(name)
    ]


def _difference(name: str, wanted: Any, found: Any) -> str:
    if isinstance(wanted, list) and isinstance(found, list):
        wanted, found = [x for x in wanted if x not in found], [x for x in found if x not in wanted]
    return f"{name}: {str(found)[:300]} instead of {str(wanted)[:300]}"


def whole_backups(folder: Path) -> list[str]:
    """Name what is among the backups by its name and is none."""
    opened = site(folder)
    bad = []
    for path in (folder / ".mediaos-migrate" / "backups").glob("[!.]*"):
        try:
            whole = checking.is_whole(backups.find(opened, path.name))
        except MigrateError as error:
            if type(error).__name__ == "NeedsKey":
                continue
            whole = False
        if not whole:
            bad.append(f"the backup {path.name} is not whole")
    return bad


# ── one undisturbed run: what it ends in, and all it does to the disk ──


@dataclass
class Undisturbed:
    """What a move does when nothing goes wrong."""

    ends: dict[str, Any]  # what the site says then
    wanted: dict[str, Any]  # and once the operator has done what comes after
    operations: list[power_cut.Operation]
    points: list[str]
    functions: list[str]
    backups: int


@cache
def undisturbed(name: str) -> Undisturbed:
    move = MOVES[name]
    folder = fresh(move)
    log = SCRATCH / "operations"
    log.unlink(missing_ok=True)

    def act(ended: Ended) -> None:
        points: list[str] = []
        functions: set[str] = set()

        def point(name: str) -> None:
            points.append(f"{name}:{sum(p.startswith(name + ':') for p in points) + 1}")

        def profile(frame: FrameType, event: str, _: Any) -> None:
            if event == "call" and frame.f_code.co_filename.startswith(PACKAGE):
                functions.add(f"{frame.f_code.co_filename[len(PACKAGE) + 1 :]}:{frame.f_code.co_qualname}")

        crash.point = point
        SHIM.fault_watch(os.fsencode(folder))
        SHIM.fault_note(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
        sys.setprofile(profile)
        try:
            done(move, folder)(ended)
        finally:
            sys.setprofile(None)
            SHIM.fault_note(-1)
            ended.more = [points, sorted(functions)]

    ended = forked(act)
    if ended.code not in move.ends or not ended.acks:
        raise DoesNotWork(f"{name} does not work: {vars(ended)}")
    _check_homes(name, folder)
    operations = list(power_cut.read(log.read_bytes(), folder))
    made = len(list((folder / ".mediaos-migrate" / "backups").glob("[!.]*")))
    ends = said_by(move, folder)
    if move.after:
        forked(lambda _: must(folder, *move.after))
    return Undisturbed(ends, said_by(move, folder), operations, *ended.more, made)


def _check_homes(name: str, folder: Path) -> None:
    """Raise DoesNotWork when a write that nobody disturbed leaves homes that differ."""
    move = MOVES[name]
    if move.act and move.begin in ("dualwrite", "shadow", "live", "rampdown", "mixed"):
        checked = forked(lambda ended: vars(ended).update(code=told(folder, "validate")))
        if checked.code:
            raise DoesNotWork(f"{name} does not work: the homes differ afterwards")


# ── one disturbed run ──


def lost(name: str, folder: Path, acks: int, *, ended: bool) -> list[str]:
    """Tell what is missing before anybody has mended anything."""
    move, whole = MOVES[name], undisturbed(name)
    found = []
    if ended and not move.act:
        found += [f"done, and not there: {d}" for d in different(whole.ends, said_by(move, folder))]
        here = len(list((folder / ".mediaos-migrate" / "backups").glob("[!.]*")))
        found += [f"done, and {here} of {whole.backups} backups are there"] if here < whole.backups else []
    if move.act:
        keys, others = _keys(folder)
        if move.act is unit and ("new0" in keys) != ("new0" in others):
            found.append("half of a unit of work is there")
        found += [f"{key} is lost" for key in (*move.keys, *(f"new{n}" for n in range(acks))) if key not in keys]
    return found


def _keys(folder: Path) -> list[set[str]]:
    """Return the keys of two documents, as the library has them once it has recovered."""
    with site(folder) as opened:
        opened.flush()
        return [{key for key, _ in opened.repository(name).items()} for name in ("authors", "ratings")]


def mended(name: str, folder: Path, acks: int, *, ended: bool) -> list[str]:
    """Look at what is lost, do the move once more, and tell what is not as it would be had nothing happened."""
    move = MOVES[name]
    found: list[str] = []

    def look(ended_so: Ended) -> None:
        ended_so.more = lost(name, folder, acks, ended=ended)
        ended_so.code = move.run(folder, lambda _: None, again=True)
        ended_so.said = said[0] if said else ""
        if move.proof and move.prove(folder):
            ended_so.more.append(f"{' '.join(move.proof)}: {said}")

    looked = forked(look)
    found += looked.more or []
    if looked.mistake or looked.raised or looked.code not in move.ends | move.again:
        found.append(f"the next run: {looked.mistake or looked.raised or (looked.code, looked.said)}")
    return [*found, *different(undisturbed(name).wanted, said_by(move, folder)), *whole_backups(folder)]


def disturbed(name: str, fault: str, nth: int | str) -> list[str]:
    """Let one fault happen to one move, and tell what is wrong afterwards."""
    move = MOVES[name]
    folder = fresh(move)

    def act(ended: Ended) -> None:
        SHIM.fault_watch(os.fsencode(folder))
        if fault == KILL:
            crash._WANTED = str(nth)  # type: ignore[misc]
            crash._passed.clear()
        else:
            what = FAULTS[fault]
            SHIM.fault_arm(what.calls, what.error, int(nth), int(what.for_ever))
        try:
            done(move, folder)(ended)
        finally:
            ended.fired = bool(SHIM.fault_fired())
            SHIM.fault_arm(0, 0, 0, 0)

    ended = forked(act)
    found = []
    if ended.mistake:
        found.append(ended.mistake)
    if fault == KILL and ended.signal != signal.SIGKILL:
        found.append("was not killed")
    elif not fault.startswith(KILL) and ended.signal:
        found.append(f"ended by signal {ended.signal}")
    if ended.code is not None and ended.code not in CODES:
        found.append(f"ended with {ended.code}")
    if fault == "short write" and ended.code not in move.ends:
        found.append(f"a short write is no failure: {ended.code} {ended.raised}")
    return [*found, *mended(name, folder, ended.acks, ended=ended.code in move.ends)]


def counted(name: str, fault: str) -> list[int | str]:
    """Return every place where a fault can happen in a move."""
    whole = undisturbed(name)
    if fault == KILL:
        return list(whole.points)
    calls = FAULTS[fault].calls
    return list(range(1, 1 + sum(bool(o.call & calls and o.call != ACK) for o in whole.operations)))


def cut(name: str, looks: int, count: int, seed: int, *, first: bool) -> dict[str, Any]:
    """Cut the power during a move: look at disks as they may be then, and let the next run recover from some."""
    whole, begin = undisturbed(name), start(MOVES[name].begin)
    disks = list(power_cut.images(begin, whole.operations, random.Random(f"{seed} {name}"), max(looks, count)))
    last = max(n for n, operation in enumerate(whole.operations) if operation.call == ACK)
    wrong = []
    for number, (at, image) in enumerate(disks):
        acks = sum(operation.call == ACK for operation in whole.operations[:at])
        found = list(promised.broken(MOVES[name], image, acks, SCRATCH / "looked")) if number < looks else []
        if number < count:
            found += recovered(name, image, acks, ended=at > last)
        if found:
            wrong.append(f"cut after {at} of {len(whole.operations)}: {found}")
            if first:
                break
    return {"looked": min(looks, len(disks)), "tried": min(count, len(disks)), "wrong": wrong}


def recovered(name: str, image: power_cut.Image, acks: int, *, ended: bool) -> list[str]:
    """Let the next run recover from a disk, and tell what is wrong then."""
    folder = SCRATCH / "site"
    shutil.rmtree(folder, ignore_errors=True)
    power_cut.lay_out(image, folder)
    return mended(name, folder, acks, ended=ended)


def answer(asked: dict[str, Any]) -> dict[str, Any]:
    name, fault, count, seed = asked["move"], asked["fault"], asked["count"], asked["seed"]
    first = asked.get("first", False)  # one mistake is enough
    if fault == "look":
        whole = undisturbed(name)
        return {
            "points": whole.points,
            "functions": whole.functions,
            "paths": sorted({operation.path for operation in whole.operations}),
            "calls": dict(Counter(power_cut.NAMES[operation.call] for operation in whole.operations)),
        }
    if fault == POWER:
        return cut(name, asked["looks"], count, seed, first=first)
    places = counted(name, fault)
    chance = random.Random(f"{seed} {name} {fault}")
    if fault == KILL and count < len(places):
        steps = {place.partition(":")[0]: place for place in reversed(places)}  # type: ignore[union-attr]
        chosen = [place for step, place in steps.items() if not step.startswith(SHARED) or chance.random() < SOME]
    else:
        chosen = sorted(chance.sample(places, min(count, len(places))))
    wrong = []
    for place in chosen:
        if found := disturbed(name, fault, place):
            wrong.append(f"at {place}: {found}")
            if first:
                break
    return {"tried": len(chosen), "wrong": wrong}


def main() -> None:
    """Answer line by line."""
    looks.PAUSE = surveying.PAUSE = taking.PAUSE = 0
    mirror.QUIET = mirror.LONGEST = 3600.0  # type: ignore[misc]  # files are written when a move says so
    logging.disable()
    for line in sys.stdin:
        try:
            answered = answer(json.loads(line))
        except DoesNotWork as error:
            answered = {"tried": 1, "wrong": [str(error)]}
        except Exception:  # noqa: BLE001  whoever asked must hear it
            answered = {"failed": traceback.format_exc()}
        sys.stdout.write(json.dumps(answered) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
