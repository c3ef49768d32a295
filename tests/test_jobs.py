"""A queue gives each job to one worker and loses none; a token that was revoked counts no more, in any process."""

import base64
import json
import multiprocessing
import os
import shutil
import signal
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from conftest import FIXTURES
from inside import SHELF, command

from mediaos_migrate import Site
from mediaos_migrate.errors import BadPack, CouldNotCheck, NoRecord, UsageError
from mediaos_migrate.journal import Debt, Journal
from mediaos_migrate.library import LostLease
from mediaos_migrate.library import sessions as blacklist
from mediaos_migrate.library.jobs import Jobs
from mediaos_migrate.library.service import instant
from mediaos_migrate.library.sessions import Sessions
from mediaos_migrate.pack import load

FILM = "mgln17v4c7p0ka"
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["mediaos_migrate.library"])


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def go(self, **amount: float) -> None:
        self.time += timedelta(**amount)


@pytest.fixture(scope="module")
def migrated(tmp_path_factory):
    folder = Path(shutil.copytree(FIXTURES / "mediaos", tmp_path_factory.mktemp("jobs") / "config"))
    assert command("migrate", "--data", folder).code == 0
    return folder


@pytest.fixture
def folder(migrated, tmp_path):
    return Path(shutil.copytree(migrated, tmp_path / "config"))


@pytest.fixture
def site(folder):
    with Site.open(data=folder) as site:
        yield site


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def jobs(site, clock):
    return Jobs(site, site.pack.services.jobs, clock)


@pytest.fixture
def sessions(site, clock):
    return Sessions(site, site.pack.services.sessions, clock)


def item(number: int) -> dict[str, str]:
    return {"id": f"item-{number}", "kind": "movie", "title": f"Item {number}"}


# ── jobs ──


def test_a_job_is_asked_for_taken_and_done(jobs, site):
    asked = jobs.enqueue(FILM, phase="player")
    assert (asked.item_id, asked.kind, asked.title, asked.phase) == (FILM, "movie", "The Ninth Ferry", "player")
    mine = jobs.claim("one")
    assert (mine.id, mine.status, mine.worker, mine.attempts) == (asked.id, "running", "one", 1)
    assert jobs.claim("two") is None
    done = jobs.complete(mine, {"issues": [{"kind": "codec"}], "size": 2.5})
    assert (done.status, done.result["size"], done.lease_until) == ("completed", 2.5, None)
    assert jobs.get(asked.id) == done
    link = site.connection().execute("SELECT library_item_id FROM verify_jobs").fetchone()[0]
    assert link == FILM


def test_an_item_that_is_in_no_library_has_jobs_too(jobs, site):
    assert jobs.enqueue(item(1)).item_id == "item-1"
    assert site.connection().execute("SELECT library_item_id FROM verify_jobs").fetchone()[0] is None


@pytest.mark.parametrize(
    ("wanted", "error"), [("nobody", NoRecord), ({"title": "No key"}, UsageError), (7, UsageError)]
)
def test_a_job_on_nothing_is_bad_usage(jobs, wanted, error):
    with pytest.raises(error):
        jobs.enqueue(wanted)
    assert jobs.list() == []


def test_an_item_has_one_open_job_unless_asked(jobs):
    first = jobs.enqueue(item(1))
    assert jobs.enqueue(item(1), priority=5).id == first.id
    assert jobs.claim("one").priority == 5
    assert jobs.enqueue(item(1)).id == first.id
    assert jobs.enqueue(item(1), phase="player").id != first.id
    assert jobs.enqueue({**item(1), "kind": "series"}).id != first.id
    assert jobs.enqueue(item(1), again=True).id != first.id
    jobs.complete(jobs.heartbeat(jobs.get(first.id)))
    assert jobs.stats().pending == 3


def test_a_job_that_is_done_may_be_asked_for_again(jobs):
    first = jobs.enqueue(item(1))
    jobs.complete(jobs.claim("one"))
    assert jobs.enqueue(item(1)).id != first.id


def test_the_highest_priority_comes_first_and_then_the_oldest(jobs, clock):
    for number, priority in enumerate([0, 5, -1, 5, 0]):
        jobs.enqueue(item(number), priority=priority)
        clock.go(seconds=1)
    order = [jobs.claim("one").title for _ in range(5)]
    assert order == ["Item 1", "Item 3", "Item 0", "Item 4", "Item 2"]


def test_a_job_that_the_app_calls_queued_is_taken_too(jobs, site):
    site.connection().execute("INSERT INTO verify_jobs (id, status) VALUES ('theirs', 'queued')")
    assert jobs.claim("one").id == "theirs"


def test_a_silent_worker_loses_its_job_and_a_living_one_keeps_it(jobs, clock):
    jobs.enqueue(item(1))
    first = jobs.claim("one", lease=60)
    for _ in range(5):
        clock.go(seconds=50)
        first = jobs.heartbeat(first, lease=60)
        assert jobs.claim("two") is None
    clock.go(seconds=61)
    assert jobs.stats().lapsed == 1
    second = jobs.claim("two")
    assert (second.id, second.attempts) == (first.id, 2)
    for late in (jobs.heartbeat, jobs.complete, lambda job: jobs.fail(job, "late")):
        with pytest.raises(LostLease):
            late(first)
    assert jobs.complete(second).status == "completed"


def test_the_same_worker_is_not_taken_for_its_former_self(jobs, clock):
    jobs.enqueue(item(1))
    before = jobs.claim("one")
    clock.go(hours=1)
    jobs.claim("one")
    with pytest.raises(LostLease):
        jobs.complete(before)


def test_who_is_late_but_missed_by_nobody_may_still_end_its_job(jobs, clock):
    jobs.enqueue(item(1))
    job = jobs.claim("one")
    clock.go(hours=1)
    assert jobs.complete(job).status == "completed"


def test_a_failed_job_waits_longer_each_time_and_then_has_failed(jobs, clock):
    jobs.enqueue(item(1))
    pauses = []
    job = jobs.claim("one")
    for attempt in range(1, 5):
        assert (job.attempts, jobs.fail(job, "not yet").status) == (attempt, "pending")
        before = clock.time
        while (job := jobs.claim("one")) is None:
            clock.go(seconds=10)
        pauses.append((clock.time - before).seconds)
    assert pauses == [30, 60, 120, 240]
    last = jobs.fail(job, "the disk is gone")
    assert (last.status, last.error, last.attempts) == ("failed", "the disk is gone", 5)
    clock.go(days=1)
    assert jobs.claim("one") is None


def test_a_failure_for_good_is_not_tried_again(jobs):
    jobs.enqueue(item(1))
    assert jobs.fail(jobs.claim("one"), "no such file", retry=False).status == "failed"


def test_a_job_that_kills_its_workers_fails_in_the_end(jobs, clock):
    jobs.enqueue(item(1))
    taken = 0
    while jobs.claim("one"):
        taken += 1
        clock.go(hours=1)
    [job] = jobs.list()
    assert (taken, job.status, job.error) == (5, "failed", "its workers died")


def test_a_job_can_be_cancelled_until_it_is_done(jobs):
    waiting, running = jobs.enqueue(item(1), priority=-1), jobs.enqueue(item(2))
    mine = jobs.claim("one")
    assert (mine.id, jobs.cancel(waiting), jobs.cancel(running.id)) == (running.id, True, True)
    assert (jobs.cancel(waiting), jobs.cancel("nobody"), jobs.claim("two")) == (False, False, None)
    assert [job.cancelled for job in jobs.list(status="failed")] == [True, True]
    with pytest.raises(LostLease):
        jobs.complete(mine)


def test_jobs_are_listed_and_counted(jobs, clock):
    for number in range(4):
        jobs.enqueue(item(number))
        clock.go(seconds=1)
    jobs.complete(jobs.claim("one"))
    jobs.fail(jobs.claim("one"), "no", retry=False)
    jobs.claim("one")
    stats = jobs.stats()
    assert (stats.pending, stats.running, stats.completed, stats.failed, stats.lapsed) == (1, 1, 1, 1, 0)
    assert stats.oldest == "2026-01-01T00:00:03.000Z"
    assert [job.item_id for job in jobs.list()] == ["item-3", "item-2", "item-1", "item-0"]
    assert [job.item_id for job in jobs.list(limit=1)] == ["item-3"]
    assert [job.status for job in jobs.list(item="item-0")] == ["completed"]
    assert jobs.get("nobody") is None


def take_all(folder: Path, worker: str, told: "multiprocessing.Queue[list[str]]") -> None:
    with Site.open(data=folder) as site:
        taken = []
        while job := site.jobs.claim(worker):
            taken.append(job.id)
            site.jobs.complete(job)
    told.put(taken)


def test_twenty_processes_never_take_one_job_twice(folder):
    with Site.open(data=folder) as site:
        asked = {site.jobs.enqueue(item(number)).id for number in range(60)}
    told = FORKS.Queue()
    workers = [FORKS.Process(target=take_all, args=(folder, f"worker-{n}", told)) for n in range(20)]
    for worker in workers:
        worker.start()
    taken = [job for _ in workers for job in told.get(timeout=120)]
    for worker in workers:
        worker.join()
    assert (len(taken), set(taken)) == (60, asked)
    with Site.open(data=folder) as site:
        assert {job.attempts for job in site.jobs.list(status="completed")} == {1}


def take_and_die(folder: Path) -> None:
    with Site.open(data=folder) as site:
        site.jobs.claim("doomed")
        os.kill(os.getpid(), signal.SIGKILL)


def test_the_job_of_a_killed_worker_returns(folder):
    with Site.open(data=folder) as site:
        asked = site.jobs.enqueue(item(1))
        worker = FORKS.Process(target=take_and_die, args=(folder,))
        worker.start()
        worker.join()
        assert worker.exitcode == -signal.SIGKILL
        assert (site.jobs.get(asked.id).worker, site.jobs.claim("heir")) == ("doomed", None)
        later = Jobs(site, site.pack.services.jobs, lambda: datetime.now(UTC) + timedelta(minutes=2))
        assert (later.claim("heir").id, later.get(asked.id).attempts) == (asked.id, 2)


# ── sessions ──


def web_token(user: str, issued: datetime, **more: object) -> str:
    claims = {"sub": user, "iat": int(issued.timestamp()), **more}
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJIUzI1NiJ9.{body}.c2lnbmF0dXJl"


def rows(folder: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(folder / "mediaos.db")) as connection:
        return connection.execute("SELECT user_id, token_hash, expires_at, revoked_at FROM sessions").fetchall()


def test_a_revoked_token_counts_no_more_and_only_its_digest_is_kept(sessions, folder, clock):
    token = web_token("u", clock.time)
    assert not sessions.is_revoked(token)
    sessions.revoke(token, clock.time + timedelta(minutes=15))
    assert sessions.is_revoked(token)
    assert not sessions.is_revoked(web_token("u", clock.time, role="admin"))
    assert rows(folder) == [
        (None, sha256(token.encode()).hexdigest(), "2026-01-01T00:15:00.000Z", "2026-01-01T00:00:00.000Z")
    ]


def test_revoking_twice_is_as_good_as_once_and_the_later_end_holds(sessions, folder, clock):
    for end in (100, 900, 500):
        sessions.revoke("token", clock.time.timestamp() + end)
    assert [row[2] for row in rows(folder)] == ["2026-01-01T00:15:00.000Z"]


def test_all_tokens_of_a_user_end_and_those_issued_afterwards_do_not(sessions, clock):
    clock.go(seconds=0.5)
    before, same, other = (web_token(u, clock.time - timedelta(seconds=s)) for u, s in (("u", 60), ("u", 0), ("v", 60)))
    sessions.revoke_all("u")
    after = web_token("u", clock.time + timedelta(seconds=1))
    assert [sessions.is_revoked(token) for token in (before, same, other, after)] == [True, True, False, False]
    clock.go(seconds=10)
    sessions.revoke_all("u")
    assert [sessions.is_revoked(token) for token in (before, other, after)] == [True, False, True]


@pytest.mark.parametrize(
    "token", ["", "a.b.c", "...", "a.bnVsbA.c", "ü.ß", "\ud800", "a.eyJzdWIiOjd9.c", "a." + "W" * 9999]
)
def test_whatever_calls_itself_a_token_can_be_asked_for_and_revoked(sessions, token, clock):
    assert not sessions.is_revoked(token)
    sessions.revoke(token, clock.time)
    assert sessions.is_revoked(token)


@pytest.mark.parametrize("issued", [None, "yesterday", 1e300, float("nan"), True])
def test_a_token_that_does_not_say_when_it_was_issued_ends_with_its_user(sessions, clock, issued):
    sessions.revoke_all("u")
    assert sessions.is_revoked(web_token("u", clock.time, iat=issued))


def test_only_what_has_expired_is_forgotten(sessions, site, folder, clock):
    sessions.revoke("short", clock.time + timedelta(minutes=15))
    sessions.revoke("long", clock.time + timedelta(days=7))
    sessions.revoke_all("u")
    site.connection().execute("INSERT INTO sessions (token_hash, expires_at) VALUES ('theirs', '2025-01-01 00:00:00')")
    clock.go(minutes=16)
    assert sessions.purge_expired() == 0, "another machine's clock may be behind"
    clock.go(minutes=5)
    assert (sessions.purge_expired(), sessions.is_revoked("long"), len(rows(folder))) == (1, True, 3)
    clock.go(days=8)
    assert (sessions.purge_expired(), [row[1] for row in rows(folder)]) == (2, ["theirs"])


def test_nothing_is_forgotten_while_the_clock_is_behind(sessions, site, clock):
    sessions.revoke("token", clock.time)
    clock.go(days=30)
    sessions.revoke("newer", clock.time + timedelta(days=7))
    clock.go(days=-20)
    assert (sessions.purge_expired(), sessions.is_revoked("token")) == (0, True)


def test_a_session_that_was_not_revoked_is_none_of_these(sessions, site):
    digest = sha256(b"token").hexdigest()
    site.connection().execute("INSERT INTO sessions (token_hash) VALUES (?)", (digest,))
    assert not sessions.is_revoked("token")


def test_an_account_that_goes_does_not_take_its_revocations_with_it(sessions, site, clock):
    [user] = site.connection().execute("SELECT id FROM users LIMIT 1").fetchone()
    token = web_token(user, clock.time)
    sessions.revoke(token, clock.time)
    sessions.revoke_all(user)
    site.connection().execute("DELETE FROM users")
    assert sessions.is_revoked(token)


def revoke_elsewhere(folder: Path, token: str) -> None:
    with Site.open(data=folder) as site:
        site.sessions.revoke(token, datetime.now(UTC))


def test_what_another_process_revokes_counts_here_at_once(folder):
    with Site.open(data=folder) as site:
        assert not site.sessions.is_revoked("token")
        other = FORKS.Process(target=revoke_elsewhere, args=(folder, "token"))
        other.start()
        other.join()
        assert (other.exitcode, site.sessions.is_revoked("token")) == (0, True)


def test_an_answer_from_memory_is_what_the_database_says(site, folder, monkeypatch):
    """Whoever writes, in whatever way, and whatever is undone."""
    monkeypatch.setattr(blacklist, "KEPT", 2)
    sessions, here = site.sessions, site.connection()
    with closing(sqlite3.connect(folder / "mediaos.db", isolation_level=None)) as elsewhere:
        for connection in (here, elsewhere):
            for token in ("a", "b", "c"):  # one more than is kept
                assert not sessions.is_revoked(token)
                sessions.revoke(token, 4_000_000_000)
                assert sessions.is_revoked(token)
                connection.execute("UPDATE sessions SET revoked_at = NULL")
                assert not sessions.is_revoked(token)
            connection.execute("DELETE FROM sessions")
        here.execute("BEGIN IMMEDIATE")
        assert not sessions.is_revoked("a")
        here.execute("INSERT INTO sessions (token_hash, revoked_at) VALUES (?, '2026')", (sha256(b"a").hexdigest(),))
        assert sessions.is_revoked("a")
        here.execute("ROLLBACK")
        assert not sessions.is_revoked("a")


def test_a_moment_has_a_time_zone_and_one_spelling():
    assert instant(0) == "1970-01-01T00:00:00.000Z"
    east = datetime.fromisoformat("2026-01-01T01:00:00.1239+02:00")
    assert instant(east) == "2025-12-31T23:00:00.123Z"
    with pytest.raises(UsageError):
        instant(datetime(2026, 1, 1))  # noqa: DTZ001  what is refused


# ── both ──


def test_the_price_of_going_back_counts_them(site, folder):
    site.jobs.enqueue(item(1))
    site.sessions.revoke("a", 0)
    site.sessions.revoke_all("u")
    told = command("stage", "price", "--json", "--data", folder)
    assert told.json["only_in_database"] == {"sessions": 2, "verify_jobs": 1}


def test_the_price_of_some_documents_counts_theirs_alone(site, folder):
    site.jobs.enqueue(item(1))
    with site.writing() as connection:
        for name in ("library", "users"):
            Journal(connection).owe(name, "records", [Debt(("a",), "put")])
    for names, debts in ((["library"], {"library": 1}), ([], {"library": 1, "users": 1}), (["grabs"], {})):
        told = command("stage", "price", *names, "--json", "--data", folder)
        assert (told.json["debts"], bool(told.json["only_in_database"])) == (debts, not names)


def test_an_import_leaves_them_alone(folder):
    with Site.open(data=folder) as site:
        job = site.jobs.enqueue(FILM)
        site.sessions.revoke("a", datetime.now(UTC))
    (folder / "library.json").write_text((folder / "library.json").read_text("utf-8").replace(FILM, "another"), "utf-8")
    assert command("migrate", "--data", folder).code == 0
    with Site.open(data=folder) as site:
        assert (site.jobs.claim("one").id, site.sessions.is_revoked("a")) == (job.id, True)


@pytest.mark.parametrize("ask", [lambda site: site.jobs.claim("x"), lambda site: site.sessions.is_revoked("x")])
def test_without_their_table_they_could_not_be_asked_and_nothing_is_made(tmp_path, ask):
    folder = Path(shutil.copytree(FIXTURES / "mediaos", tmp_path / "config"))
    with Site.open(data=folder) as site, pytest.raises(CouldNotCheck):
        ask(site)
    assert not (folder / "mediaos.db").exists()
    assert command("schema", "up", "--to", "1", "--data", folder).code == 0
    with Site.open(data=folder) as site, pytest.raises(CouldNotCheck, match="schema up"):
        ask(site)


@pytest.mark.parametrize("name", ["jobs", "sessions"])
def test_an_app_without_them_has_none(tmp_path, name):
    folder = shutil.copytree(FIXTURES / "shelf", tmp_path / "data")
    with Site.open(data=folder, app=SHELF) as site, pytest.raises(UsageError, match=f"Shelf has no {name}"):
        getattr(site, name)


@pytest.mark.parametrize("items", ["nothing", "prefs", "books"])
def test_a_pack_whose_jobs_are_about_no_list_of_objects_is_refused(tmp_path, items):
    pack = Path(shutil.copytree(SHELF, tmp_path / "pack"))
    text = (pack / "mapping.toml").read_text("utf-8")
    (pack / "mapping.toml").write_text(f'{text}\n[services.jobs]\ntable = "jobs"\nitems = "{items}"\n', "utf-8")
    with pytest.raises(BadPack, match="jobs are about"):
        load(str(pack))


NOT_TOLD = {
    "a token": lambda sessions, jobs: sessions.revoke(None, 1.8e9),
    "a token to look for": lambda sessions, jobs: sessions.is_revoked(b"bytes"),
    "a user whose tokens say a number": lambda sessions, jobs: sessions.revoke_all(42),
    "a user": lambda sessions, jobs: sessions.revoke_all(None),
    "a moment in words": lambda sessions, jobs: sessions.revoke("t", "soon"),
    "no moment": lambda sessions, jobs: sessions.revoke("t", None),
    "a moment that is no number": lambda sessions, jobs: sessions.revoke("t", float("nan")),
    "a moment beyond all calendars": lambda sessions, jobs: sessions.revoke("t", 1e30),
    "a priority in words": lambda sessions, jobs: jobs.enqueue(item(1), priority="high"),
    "a worker without a name": lambda sessions, jobs: jobs.claim(None),
    "a worker who is half a character": lambda sessions, jobs: jobs.claim("\ud800"),
    "a lease in words": lambda sessions, jobs: jobs.claim("w", lease="long"),
    "a lease that has ended": lambda sessions, jobs: jobs.claim("w", lease=-1),
    "a lease that is no number": lambda sessions, jobs: jobs.claim("w", lease=float("nan")),
    "a lease beyond all calendars": lambda sessions, jobs: jobs.claim("w", lease=1e300),
    "a phase that is a number": lambda sessions, jobs: jobs.enqueue(item(1), phase=5),
    "an error that is half a character": lambda sessions, jobs: jobs.fail(jobs.claim("w"), "\ud800"),
    "an error that is none": lambda sessions, jobs: jobs.fail(jobs.claim("w"), None),
    "a job that is a number": lambda sessions, jobs: jobs.get(5),
    "a job that is half a character": lambda sessions, jobs: jobs.cancel("\ud800"),
    "a limit in words": lambda sessions, jobs: jobs.list(limit="few"),
    "a limit below nothing": lambda sessions, jobs: jobs.list(limit=-1),
    "a state that is half a character": lambda sessions, jobs: jobs.list(status="\ud800"),
    "a result that is no JSON": lambda sessions, jobs: jobs.complete(jobs.claim("w"), {1, 2}),
    "a result without an end": lambda sessions, jobs: jobs.complete(jobs.claim("w"), float("inf")),
}


@pytest.mark.parametrize("wrong", NOT_TOLD.values(), ids=NOT_TOLD)
def test_what_a_service_cannot_take_is_bad_usage_and_changes_nothing(sessions, jobs, wrong):
    jobs.enqueue(item(0))
    with pytest.raises(UsageError):
        wrong(sessions, jobs)
    assert [job.priority for job in jobs.list(item=item(0)["id"])] == [0]
    assert jobs.list("completed", item=item(0)["id"]) == []
