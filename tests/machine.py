"""Drives a site through writes, foreign edits, stage moves and kills, and holds it against a plain dictionary.

A program of its own, because it forks: python tests/machine.py EXAMPLES STEPS [SEED]
"""

import contextlib
import io
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import hypothesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from mediaos_migrate import Site, crash
from mediaos_migrate.errors import NeedsPerson
from mediaos_migrate.library import mirror
from mediaos_migrate.moves import looks, migrating, mirroring, repairing, staging, surveying, validating
from mediaos_migrate.moves.policy import PRESETS
from mediaos_migrate.moves.standing import Asked
from mediaos_migrate.moves.surveyed import Options
from mediaos_migrate.stages import Home, Stage

looks.PAUSE = surveying.PAUSE = 0
mirror.QUIET = mirror.LONGEST = 3600  # files are written when a step says so
mirror.MANY = 10**9
KEYS: Final = [f"k{n}" for n in range(6)]
STAGES: Final = list(Stage)
ASKED: Final = Asked(PRESETS["ci"], host_reads_database=True)
SCRATCH: Final = Path(tempfile.mkdtemp(prefix="machine-"))
keys = st.sampled_from(KEYS)
titles = st.text(alphabet='abcÄß"\\\u2028 ', max_size=4)
points = st.integers(1, 14)


def film(key: str, title: str) -> dict[str, str]:
    return {"id": key, "kind": "movie", "title": f"{title} {key}"}


def template() -> Path:
    """Make a site that was migrated, once."""
    folder = SCRATCH / "template"
    folder.mkdir()
    items = [film(key, "base") for key in KEYS[:4]]
    (folder / "library.json").write_text(json.dumps({"items": items}, indent=2), encoding="utf-8")
    migrating.migrate(Site.open(folder), Options())
    return folder


def killed(at: int, act: Callable[[Callable[[], None]], None]) -> int:
    """Run something in a child that is killed at a step; return how often it had said `done`."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        passed = 0

        def point(name: str) -> None:
            nonlocal passed
            passed += 1
            if passed == at:
                os.kill(os.getpid(), signal.SIGKILL)

        crash.point = point
        with contextlib.suppress(BaseException), contextlib.redirect_stderr(io.StringIO()):
            act(lambda: os.write(writing, b"."))  # type: ignore[arg-type,return-value]
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading, "rb") as stream:
        return len(stream.read())


class Machine(RuleBasedStateMachine):
    """One site, and the dictionary that it must equal."""

    made = 0
    steps = 0

    def __init__(self) -> None:
        super().__init__()
        Machine.made += 1
        self.folder = SCRATCH / f"site{Machine.made}"
        shutil.copytree(TEMPLATE, self.folder)
        self.model = {key: film(key, "base") for key in KEYS[:4]}
        self.stage = Stage.OFF
        self.owed: set[str] = set()  # keys that the table has changed since the file was written
        self.site = Site.open(self.folder)

    def teardown(self) -> None:
        self.site.close()
        shutil.rmtree(self.folder)

    @property
    def library(self):
        return self.site.repository("library")

    def wrote(self, *keys: str) -> None:
        if self.stage.mirrors:
            self.owed.update(keys)

    # ── writes ──

    @rule(key=keys, title=titles)
    def put(self, key, title):
        self.library.put(film(key, title))
        self.model[key] = film(key, title)
        self.wrote(key)

    @precondition(lambda self: self.model)
    @rule(data=st.data(), title=titles)
    def update(self, data, title):
        key = data.draw(st.sampled_from(sorted(self.model)))
        change = {"title": f"{title} {key}", "extra": None}
        self.library.update(key, change)
        self.model[key] = {**self.model[key], **change}
        self.wrote(key)

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def remove(self, data):
        key = data.draw(st.sampled_from(sorted(self.model)))
        self.library.remove(key)
        del self.model[key]
        self.wrote(key)

    @rule(first=keys, second=keys, title=titles)
    def unit(self, first, second, title):
        with self.site.unit_of_work() as unit:
            unit.repository("library").put(film(first, title))
            unit.repository("library").put(film(second, title + "2"))
        self.model[first] = film(first, title)
        self.model[second] = film(second, title + "2")
        self.wrote(first, second)

    @rule(wanted=st.lists(st.tuples(keys, titles), min_size=1, max_size=3), at=points)
    def write_and_be_killed(self, wanted, at):
        def act(done):
            with Site.open(self.folder) as site:
                for key, title in wanted:
                    site.repository("library").put(film(key, title))
                    done()
                site.flush()

        acknowledged = killed(at, act)
        states = [dict(self.model)]
        for key, title in wanted:
            states.append({**states[-1], key: film(key, title)})
        possible = states[acknowledged : acknowledged + 2]
        found = {item["id"]: item for item in self.library.list()}
        assert found in possible, (found, possible)
        assert list(found) in [list(state) for state in possible]
        self.model = found
        self.wrote(*(key for key, _ in wanted))
        if self.stage.mirrors:
            self.flush()

    # ── the app, and others ──

    @rule(key=keys, title=titles)
    def foreign_edit(self, key, title):
        if self.stage is Stage.COMPLETE or self.owed - {key}:
            self.flush()
        path = self.folder / "library.json"
        items = {item["id"]: item for item in json.loads(path.read_text(encoding="utf-8"))["items"]}
        before = items.get(key)
        items[key] = film(key, title)
        if self.stage is Stage.COMPLETE:
            return
        path.write_text(json.dumps({"items": list(items.values())}, indent=2, ensure_ascii=False), encoding="utf-8")
        if key in self.owed and items[key] not in (before, self.model.get(key)):
            try:
                self.site.flush()
            except NeedsPerson:
                repairing.repair(Site.open(self.folder), repairing.Wanted(Home.TABLE), lambda _: None)
                self.owed.clear()
                return
            raise AssertionError("both changed a record, and nobody was asked")
        if not (key in self.owed and items[key] == before):
            self.model[key] = film(key, title)
        self.flush()

    # ── the way there and back ──

    @rule()
    def flush(self):
        self.site.flush()
        self.owed.clear()

    @rule(at=points)
    def flush_and_be_killed(self, at):
        def act(_):
            place = Site.open(self.folder)
            with place.locked(wait=10), place.writing() as connection:
                mirroring.flush(place, connection)

        killed(at, act)
        self.flush()

    def prepare(self):
        """What a person does before a move forward."""
        if self.stage is Stage.OFF:
            migrating.migrate(Site.open(self.folder), Options(accept_source=frozenset({"library"})))
        elif not self.stage.believes_table:
            self.in_step()
        self.flush()
        if self.stage is not Stage.COMPLETE:
            self.clean()

    def in_step(self):
        place = Site.open(self.folder)
        with place.locked(wait=10), place.writing() as connection, place.holding("library"):
            mirroring.in_step(place, connection, place.pack.document("library"))

    def clean(self):
        found = validating.validate(
            Site.open(self.folder),
            validating.Query(("library",), record=True, accept_source=frozenset({"library"})),
        )
        assert found.exit_code == 0, found

    @precondition(lambda self: self.stage.next)
    @rule()
    def advance(self):
        self.prepare()
        staging.advance(Site.open(self.folder), ["library"], None, ASKED)
        self.stage = self.stage.next

    @precondition(lambda self: self.stage.next)
    @rule(at=points)
    def advance_and_be_killed(self, at):
        self.prepare()
        killed(at, lambda _: staging.advance(Site.open(self.folder), ["library"], None, ASKED))
        self.moved({self.stage, self.stage.next})

    @precondition(lambda self: self.stage is not Stage.OFF)
    @rule(data=st.data())
    def retreat(self, data):
        to = data.draw(st.sampled_from(STAGES[: STAGES.index(self.stage)]))
        staging.retreat(Site.open(self.folder), ["library"], to)
        self.stage = to
        self.owed.clear()

    @precondition(lambda self: self.stage is not Stage.OFF)
    @rule(at=points)
    def retreat_and_be_killed(self, at):
        before = STAGES[STAGES.index(self.stage) - 1]
        killed(at, lambda _: staging.retreat(Site.open(self.folder), ["library"]))
        self.moved({self.stage, before})

    def moved(self, possible: set[Stage]) -> None:
        connection = self.site.connection()
        assert connection is not None
        row = connection.execute("SELECT stage FROM _mm_stages WHERE document = 'library'").fetchone()
        self.stage = Stage(row[0]) if row else Stage.OFF
        assert self.stage in possible
        self.flush()

    @precondition(lambda self: self.stage is not Stage.OFF)
    @rule()
    def validate(self):
        self.flush()
        if self.stage.writes_both and not self.stage.believes_table:
            self.in_step()
        self.clean()

    @rule()
    def restart(self):
        self.site.close()
        self.owed.clear()
        self.site = Site.open(self.folder)

    @invariant()
    def the_site_says_what_the_dictionary_says(self):
        Machine.steps += 1
        found = self.library.list()
        assert found == list(self.model.values()), (self.stage, found, self.model)
        if not self.stage.believes_table:
            items = json.loads((self.folder / "library.json").read_text(encoding="utf-8"))["items"]
            assert items == found


if __name__ == "__main__":
    TEMPLATE = template()
    examples, length = int(sys.argv[1]), int(sys.argv[2])
    chosen = settings(
        max_examples=examples,
        stateful_step_count=length,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
    )
    if len(sys.argv) > 3:
        Machine = hypothesis.seed(int(sys.argv[3]))(Machine)  # type: ignore[misc]
    try:
        run_state_machine_as_test(Machine, settings=chosen)
        sys.stdout.write(f"{Machine.steps} steps\n")
    finally:
        shutil.rmtree(SCRATCH)
