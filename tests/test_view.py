"""A believed file is read again only when it may be another one than before, and then always."""

import json
import os

import pytest
from inside import SHELF, command

from mediaos_migrate import Site, files
from mediaos_migrate.moves import mirroring


@pytest.fixture
def site(tmp_path):
    (tmp_path / "authors.json").write_text(json.dumps({"ann": {"id": "ann", "name": "Ann"}}), encoding="utf-8")
    assert command("migrate", "--data", tmp_path, "--app", SHELF).code == 0
    with Site.open(tmp_path, app=SHELF) as opened:
        opened.shadow.rate = 0.0
        yield opened


@pytest.fixture
def looks(monkeypatch):
    """Count how often a file is read to the end."""
    found = []
    real = mirroring.digest_of
    monkeypatch.setattr(mirroring, "digest_of", lambda *given: found.append(given) or real(*given))
    return found


@pytest.fixture
def long_ago(monkeypatch):
    """Let every change be old enough to be told from the next one by its time."""
    monkeypatch.setattr(files, "RACY", float("-inf"))
    monkeypatch.setattr(files, "file_system", lambda _: "ext4")


def name(site):
    return site.repository("authors").get("ann")["name"]


def rename(site, new):
    """Change a file in its place as another program would that keeps its size and its times."""
    path = site.data / "authors.json"
    before = path.stat()
    path.write_text(path.read_text(encoding="utf-8").replace(name(site), new), encoding="utf-8")
    while path.stat().st_ctime_ns == before.st_ctime_ns:  # a clock that ticks: see `files.RACY`
        os.utime(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_file_that_nobody_changed_is_read_once(site, looks, long_ago):
    for _ in range(3):
        assert name(site) == "Ann"
    assert not looks  # but for the one that made the tables


def test_whoever_changes_it_is_noticed_whatever_times_it_bears(site, long_ago):
    for new in ("Bea", "Cid", "Dan"):
        rename(site, new)
        assert name(site) == new


def test_what_was_written_here_is_read_here(site, long_ago):
    assert name(site) == "Ann"
    site.repository("authors").put({"id": "ann", "name": "Eve"})
    assert name(site) == "Eve"
    rename(site, "Fay")
    assert name(site) == "Fay"


def test_a_file_that_was_just_changed_is_read_each_time(site, looks, monkeypatch):
    monkeypatch.setattr(files, "RACY", float("inf"))
    for count in (0, 1, 2):
        assert name(site) == "Ann"
        assert len(looks) == count


def test_where_the_time_of_a_change_may_not_be_noted_a_file_is_read_each_time(site, looks, long_ago, monkeypatch):
    monkeypatch.setattr(files, "file_system", lambda _: "nfs4")
    for count in (0, 1, 2):
        assert name(site) == "Ann"
        assert len(looks) == count


def test_a_file_that_is_gone_bears_no_stamp(tmp_path, long_ago):
    assert files.stamp(tmp_path / "none") is None
