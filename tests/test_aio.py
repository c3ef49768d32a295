"""An async app says the same words and gets the same answers; who is cancelled has written all or nothing."""

import asyncio
import inspect
import shutil
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest
from conftest import FIXTURES
from inside import command

from mediaos_migrate import aio, library
from mediaos_migrate.aio.threads import Threads, Worker
from mediaos_migrate.errors import Conflict, NoData, UsageError

FILM = "mgln17v4c7p0ka"
ONLY_SYNC = {
    "Site": {
        "close",
        "compare_aside",
        "connection",
        "failed",
        "in_step",
        "file",
        "fingerprint",
        "holding",
        "holds_data",
        "locked",
        "looking",
    }
    | {"migrations", "model", "other_folders", "owner", "release", "shared", "state", "stores", "unmapped", "view"}
    | {"wake", "follow", "writing", "engine_folder", "check_restored"},
    "UnitOfWork": {"add"},  # what repositories tell it
}

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def migrated(tmp_path_factory):
    folder = Path(shutil.copytree(FIXTURES / "mediaos", tmp_path_factory.mktemp("aio") / "config"))
    assert command("migrate", "--data", folder).code == 0
    words = ["stage", "advance", "library", "--to", "live", "--policy", "ci", "--host-reads-database"]
    assert command(*words, "--data", folder).code == 0
    return folder


@pytest.fixture
def folder(migrated, tmp_path):
    return Path(shutil.copytree(migrated, tmp_path / "config"))


def film(number: int) -> dict[str, object]:
    return {"id": f"film-{number}", "kind": "movie", "title": f"Film {number}"}


# ── the same words ──


def test_a_site_that_was_not_entered_says_so(folder):
    site = aio.Site.open(folder)
    for ask in (lambda: site.repository("library"), site.unit_of_work, lambda: site.jobs, lambda: site.sessions):
        with pytest.raises(UsageError, match="inside `async with`"):
            ask()


@pytest.mark.parametrize("name", aio.__all__)
def test_both_libraries_have_the_same_words(name):
    there, here = getattr(library, name), getattr(aio, name)
    words = {word for word in dir(there) if not word.startswith("_")} - ONLY_SYNC.get(name, set())
    assert {word for word in dir(here) if not word.startswith("_")} - {"begun"} == words
    for word in words:
        theirs, ours = (inspect.getattr_static(kind, word) for kind in (there, here))
        if not callable(theirs) and not isinstance(theirs, classmethod):
            assert type(ours) is type(theirs), word
            continue
        asked = [inspect.signature(getattr(kind, word)).parameters for kind in (there, here)]
        mine = {key: value for key, value in asked[1].items() if key != "threads"}
        assert [str(each) for each in mine.values()] == [str(each) for each in asked[0].values()], word


@pytest.mark.parametrize("name", ["Repository", "Jobs", "Sessions"])
def test_every_word_that_asks_the_database_is_awaited(name):
    kind = getattr(aio, name)
    for word, method in inspect.getmembers(kind, inspect.isfunction):
        asks = inspect.iscoroutinefunction(method) or inspect.isasyncgenfunction(method)
        assert asks or word.startswith("_"), word


async def test_a_repository_answers_as_the_blocking_one_does(folder):
    with library.Site.open(data=folder) as blocking:
        theirs = blocking.repository("library")
        async with aio.Site.open(data=folder) as site:
            ours = site.repository("library")
            assert await ours.list() == theirs.list()
            assert await ours.list({"kind": "movie"}, "-title", 3, None) == theirs.list({"kind": "movie"}, "-title", 3)
            assert [item async for item in ours.items()] == theirs.items()
            assert await ours.get(FILM) == theirs.get(FILM)
            assert (await ours.count(), await ours.exists(FILM), await ours.exists("nobody")) == (27, True, False)
            assert await ours.search("ferry") == theirs.search("ferry")
            typed = await site.repository("library", model=True).get(FILM)
            assert (ours.model, typed.id) == (type(typed), FILM)


async def test_what_is_written_is_in_both_homes_when_the_site_closes(folder):
    async with aio.Site.open(data=folder) as site:
        films = site.repository("library")
        assert await films.add(film(1)) == "film-1"
        await films.put({**film(1), "year": 2000})
        await films.update("film-1", {"year": 2001})
        await films.remove(FILM)
        with pytest.raises(Conflict):
            await films.add(film(1))
        assert [each.document for each in await site.flush() if each.paid] == ["library"]
    with library.Site.open(data=folder) as site:
        assert (site.repository("library").get("film-1")["year"], site.repository("library").get(FILM)) == (2001, None)
    assert command("validate", "library", "--data", folder).code == 0


async def test_jobs_sessions_and_health_are_there_too(folder):
    async with aio.Site.open(data=folder) as site:
        asked = await site.jobs.enqueue(FILM, priority=1)
        job = await site.jobs.heartbeat(await site.jobs.claim("one"))
        assert (await site.jobs.complete(job, 5)).result == 5
        assert await site.jobs.get(asked.id) == (await site.jobs.list())[0]
        again = await site.jobs.enqueue(FILM)
        assert (await site.jobs.cancel(again), await site.jobs.claim("one")) == (True, None)
        await site.jobs.enqueue(FILM)
        assert (await site.jobs.fail(await site.jobs.claim("one"), "no", retry=False)).error == "no"
        assert (await site.jobs.stats()).failed == 2
        await site.sessions.revoke("token", datetime.now(UTC))
        await site.sessions.revoke_all("user")
        assert (await site.sessions.is_revoked("token"), await site.sessions.purge_expired()) == (True, 0)
        assert (await site.health()).problems == []


def test_a_site_that_is_not_there_says_so():
    with pytest.raises(NoData):
        aio.Site.open(data="nowhere")


def test_without_anyio_it_says_what_to_install():
    code = "import sys; sys.modules['anyio'] = None; import mediaos_migrate.library; import mediaos_migrate.aio"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "pip install 'mediaos-migrate[aio]'" in done.stderr.splitlines()[-1]


# ── units of work ──


async def test_a_unit_of_work_is_written_as_a_whole_by_one_thread(folder, monkeypatch):
    seen = set()
    commit = library.UnitOfWork.commit
    begin = library.UnitOfWork.__init__

    def watched(unit, site):
        seen.add(threading.get_ident())
        begin(unit, site)

    def committed(unit):
        seen.add(threading.get_ident())
        commit(unit)

    monkeypatch.setattr(library.UnitOfWork, "__init__", watched)
    monkeypatch.setattr(library.UnitOfWork, "commit", committed)
    async with aio.Site.open(data=folder) as site:
        async with site.unit_of_work() as unit:
            films = unit.repository("library")
            for number in range(5):
                await films.add(film(number))
                assert await site.repository("library").count() == 27
            await site.repository("wanted", unit=unit).add({"id": "unit", "kind": "movie", "title": "Unit"})
        assert await site.repository("library").count() == 32
    assert len(seen) == 1
    assert threading.get_ident() not in seen


async def test_a_unit_can_be_committed_before_its_end(folder):
    async with aio.Site.open(data=folder) as site, site.unit_of_work() as unit:
        await unit.repository("library").add(film(1))
        await unit.commit()
        assert await site.repository("library").exists("film-1")


async def test_a_unit_that_fails_leaves_nothing(folder):
    async with aio.Site.open(data=folder) as site:

        async def work(last: object) -> aio.UnitOfWork:
            async with site.unit_of_work() as unit:
                await unit.repository("library").add(film(1))
                await unit.repository("library").add(last)
                return unit

        with pytest.raises(Conflict):
            await work({**film(2), "title": "The Ninth Ferry"})
        with pytest.raises(UsageError, match="no JSON"):
            await work(object())
        assert await site.repository("library").count() == 27
        unit = await work(film(3))
        with pytest.raises(UsageError):
            unit.repository("library")
        assert len(site._threads._idle) == len(site._threads._all)


async def test_more_units_than_threads_do_not_wait_for_each_other(folder):
    async with aio.Site.open(data=folder, threads=1) as site:
        begun = 0
        everybody = anyio.Event()

        async def work(number: int) -> None:
            nonlocal begun
            async with site.unit_of_work() as unit:
                begun += 1
                if begun == 6:
                    everybody.set()
                await everybody.wait()
                assert await site.repository("library").exists(FILM)
                await unit.repository("library").add(film(number))

        async with anyio.create_task_group() as tasks:
            for number in range(6):
                tasks.start_soon(work, number)
        assert await site.repository("library").count() == 33


async def test_many_tasks_at_once_lose_no_write(folder):
    async with aio.Site.open(data=folder) as site, anyio.create_task_group() as tasks:
        for number in range(40):
            tasks.start_soon(site.repository("library").add, film(number))
    with library.Site.open(data=folder) as site:
        assert site.repository("library").count() == 67
    assert command("validate", "library", "--data", folder).code == 0


# ── cancelled ──


async def test_a_unit_that_is_cancelled_is_rolled_back(folder):
    async with aio.Site.open(data=folder) as site:
        with anyio.CancelScope() as scope:
            async with site.unit_of_work() as unit:
                await unit.repository("library").add(film(1))
                scope.cancel()
                await anyio.sleep_forever()
        with anyio.CancelScope() as scope:
            async with site.unit_of_work() as unit:
                await unit.repository("library").add(film(2))
                scope.cancel()  # and nothing is awaited before the block ends
        assert scope.cancelled_caught
        assert await site.repository("library").count() == 27
        assert len(site._threads._idle) == len(site._threads._all)


async def test_a_unit_that_is_cancelled_before_it_begins_takes_no_thread(folder):
    async with aio.Site.open(data=folder) as site:
        with anyio.CancelScope() as scope:
            scope.cancel()
            async with site.unit_of_work():
                pytest.fail("it must not begin")
        assert site._threads._all == []


async def test_who_is_cancelled_before_a_call_has_not_called():
    worker, called = Worker(), []
    with anyio.CancelScope() as scope:
        scope.cancel()
        await worker.call(called.append, 1)
    worker.end()
    assert (scope.cancelled_caught, called) == (True, [])


async def test_who_is_cancelled_in_a_call_hears_of_it_when_it_has_ended():
    worker, ended = Worker(), []
    begun, go_on = threading.Event(), threading.Event()

    def write() -> None:
        begun.set()
        go_on.wait(60)
        ended.append(True)

    async def cancel() -> None:
        await anyio.to_thread.run_sync(begun.wait)
        tasks.cancel_scope.cancel()
        go_on.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(cancel)
        await worker.call(write)
    assert ended == [True]
    worker.end()


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_asyncios_own_cancel_waits_for_the_end_too():
    worker, ended = Worker(), []
    begun, go_on = threading.Event(), threading.Event()

    def write() -> None:
        begun.set()
        go_on.wait(60)
        ended.append(True)

    task = asyncio.create_task(worker.call(write))
    await anyio.to_thread.run_sync(begun.wait)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == [True]
    worker.end()


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_unit_whose_task_asyncio_cancels_is_rolled_back(folder):
    async with aio.Site.open(data=folder) as site:
        waiting = asyncio.Event()

        async def work() -> None:
            async with site.unit_of_work() as unit:
                await unit.repository("library").add(film(1))
                waiting.set()
                await asyncio.sleep(3600)

        task = asyncio.create_task(work())
        await waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await site.repository("library").count() == 27


async def test_a_site_that_is_cancelled_is_closed_and_its_writes_are_there(folder):
    with anyio.CancelScope() as scope:
        async with aio.Site.open(data=folder) as site:
            await site.repository("library").add(film(1))
            scope.cancel()
            await anyio.sleep_forever()
    assert site._inner._opened == []
    assert "film-1" in (folder / "library.json").read_text("utf-8")


# ── threads ──


async def test_threads_are_used_again_and_each_ends_with_its_part():
    threads, parts = Threads(2), []
    seen = {await threads.call(threading.get_ident) for _ in range(5)}
    first, second = threads.take(), threads.take()
    seen.add(await second.call(threading.get_ident))
    threads.give_back(first)
    threads.give_back(second)
    assert len(seen) == 2
    await threads.end(lambda: parts.append(threading.get_ident()), lambda: parts.append("last"))
    assert parts[-1] == "last"
    assert set(parts[:-1]) < seen


async def test_what_a_call_raises_is_raised_to_the_caller():
    threads = Threads(1)
    with pytest.raises(ZeroDivisionError):
        await threads.call(lambda: 1 / 0)
    assert await threads.call(lambda: 5) == 5
    await threads.end(lambda: None, lambda: None)
