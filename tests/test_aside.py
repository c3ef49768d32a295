"""Large files are written and compared in a process beside the app's, and nothing is lost with that process."""

import os
import shutil
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from conftest import FIXTURES
from inside import command

from mediaos_migrate import Site
from mediaos_migrate.library import aside, reads
from mediaos_migrate.library.reads import Read, with_file
from mediaos_migrate.stores.file import FileStore


@pytest.fixture(scope="module")
def at_live(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("aside") / "data"
    shutil.copytree(FIXTURES / "mediaos", folder)
    assert command("migrate", "--data", folder).code == 0
    words = ["--to", "live", "--policy", "ci", "--host-reads-database"]
    assert command("stage", "advance", "library", *words, "--data", folder).code == 0
    return folder


@pytest.fixture
def data(at_live, tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(aside, "LARGE", 10)
    return Path(shutil.copytree(at_live, tmp_path / "data"))


def change(site: Site, year: int) -> str:
    site.shadow.rate = 0.0  # a comparison would begin a process, too
    key = site.repository("library").list(limit=1)[0]["id"]
    site.repository("library").update(key, {"year": year})
    return key


def in_file(folder: Path, key: str) -> int:
    exported = command("show", "library", key, "--data", folder, "--json").json
    return exported["file"]["year"]


def test_the_process_beside_writes_what_is_owed_again_and_again(data):
    with Site.open(data) as site:
        site.wake = lambda _: None
        for year in (1901, 1902, 1903):
            key = change(site, year)
            assert site._aside.pays()
            assert site._aside.flush()
            assert in_file(data, key) == year
        assert not site.layouts  # nobody here had to read the file


def test_a_process_beside_that_was_killed_begins_anew(data):
    with Site.open(data) as site:
        site.wake = lambda _: None
        key = change(site, 1901)
        assert site._aside.flush()
        process = site._aside._process
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        change(site, 1902)
        assert not site._aside.flush()
        assert site._aside.flush()
        assert in_file(data, key) == 1902


def test_what_the_process_beside_cannot_do_is_raised_by_whoever_asks_then(data):
    with Site.open(data) as site:
        site.wake = lambda _: None
        key = change(site, 1901)
        text = (data / "library.json").read_text(encoding="utf-8")
        (data / "library.json").write_text(text.replace(key, "another", 1), encoding="utf-8")
        change(site, 1902)
        assert not site._aside.flush()
        with pytest.raises(Exception, match="changed by another program"):
            site.follow()
        site.repository("library").put({"id": "another", "kind": "movie", "title": "Made so that it ends"})


def test_closing_the_site_ends_the_process_beside(data):
    with Site.open(data) as site:
        change(site, 1901)
        assert site._aside.flush()
        process = site._aside._process
    assert process.poll() == 0


def test_after_a_fork_each_has_a_process_of_its_own(data):
    with Site.open(data) as site:
        site.wake = lambda _: None
        key = change(site, 1901)
        assert site._aside.flush()
        child = os.fork()
        if not child:
            code = 1
            try:
                change(site, 1902)
                code = 0 if site._aside.flush() else 2
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert in_file(data, key) == 1902
        change(site, 1903)
        assert site._aside.flush()
        assert in_file(data, key) == 1903


def test_reads_of_a_large_file_are_compared_beside(data):
    with Site.open(data) as site:
        site.shadow.rate = 1.0
        found = site.repository("library").list(limit=3)
        site.repository("library").get(found[0]["id"])
        site.repository("library").get("nobody")
    told = command("stage", "show", "library", "--data", data, "--json").json["stages"][0]["reads"]
    assert told == {"equal": 5}


def rests(connection, listening: int, enough: int) -> int:
    """Work until there were so many rests, or the timer that makes them is off; return their number."""
    count = 0
    with aside.gently(connection, listening):
        rest = signal.getsignal(signal.SIGPROF)

        def counted(*given):
            nonlocal count
            count += 1
            rest(*given)

        signal.signal(signal.SIGPROF, counted)
        while count < enough and signal.getitimer(signal.ITIMER_PROF)[1]:
            pass
    assert signal.getitimer(signal.ITIMER_PROF) == (0.0, 0.0)
    return count


def test_what_compares_rests_until_somebody_waits_for_it(monkeypatch):
    monkeypatch.setattr(aside, "_RESTS", 0)
    reading, writing = os.pipe()
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        assert rests(connection, reading, 5) == 5
        os.write(writing, b"null\n")
        assert rests(connection, reading, 5) == 1
        connection.execute("BEGIN")  # what is locked is not kept from others
        assert rests(connection, reading, 5) == 5
        connection.execute("ROLLBACK")
        os.close(writing)
        assert os.read(reading, 9) == b"null\n"
        assert rests(connection, reading, 5) == 1  # whoever asked is gone
    os.close(reading)


def test_the_process_beside_answers_whether_it_is_hurried_or_not(data, monkeypatch):
    asked = []
    with Site.open(data) as site:
        real = site._aside._ask
        monkeypatch.setattr(site._aside, "_ask", lambda question: asked.append(question["gently"]) or real(question))
        some = [Read(site.pack.document("library"), "records", (("nobody",),))]
        for _ in range(2):
            assert site._aside.compare(some) == {"equal": 1}
            site._aside.hurry()
    assert asked == [True, False]


def test_a_file_that_is_rewritten_while_it_is_compared_says_nothing(data, monkeypatch):
    real = reads._in_file
    with Site.open(data) as site:
        site.wake = lambda _: None
        document = site.pack.document("library")
        key = change(site, 1901)
        site.flush()

        def read_and_lose_it(*given):
            found = real(*given)
            change(site, 1902)
            site.flush()
            return found

        monkeypatch.setattr(reads, "_in_file", read_and_lose_it)
        assert list(with_file(site, site.connection(), [Read(document, "records", ((key,),))])) == []


def test_a_layout_finds_nothing_in_a_file_that_is_another_one_by_now(data):
    with Site.open(data) as site:
        document = site.pack.document("library")
        file = FileStore(site.file(document), document, site.vault)
        keys = [(record["id"],) for record in site.repository("library").list(limit=3)]
        layout = file.layout()
        assert [record.key for record in file.find(layout, keys)] == keys
        site.file(document).write_bytes(b"[" * 100_000)
        assert list(file.find(layout, keys)) == []
        site.file(document).write_bytes(b"")
        assert list(file.find(layout, keys)) == []
