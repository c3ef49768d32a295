"""Keys: which one is the site's, what it opens, sealing what is plain, and changing the key for good."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from conftest import FIXTURES, KEY
from inside import OTHER_KEY, command


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A migrated site, made once."""
    folder = Path(shutil.copytree(FIXTURES / "mediaos", tmp_path_factory.mktemp("keys") / "config"))
    assert command("migrate", "--data", folder, key=KEY).code == 0
    return folder


@pytest.fixture
def migrated(template, tmp_path):
    return Path(shutil.copytree(template, tmp_path / "config"))


def state_of(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"}


def rows(folder, sql):
    with closing(sqlite3.connect(folder / "mediaos.db")) as connection:
        return connection.execute(sql).fetchall()


# ── which key ──

WRITING = [
    ["migrate"],
    ["mirror", "flush"],
    ["repair", "--believe", "file", "--yes"],
    ["quarantine", "requeue"],
    ["stage", "advance", "library", "--policy", "ci"],
    ["search", "build"],
]


@pytest.mark.parametrize("words", WRITING, ids=lambda words: " ".join(words[:2]))
def test_a_key_that_is_not_the_sites_is_refused_before_anything_is_written(migrated, words):
    before = state_of(migrated)
    done = command(*words, "--data", migrated, "--json", key=OTHER_KEY)
    assert (done.code, done.json["error"]["type"]) == (4, "WrongKey")
    assert {path: data for path, data in state_of(migrated).items() if path.name != "lock"} == {
        path: data for path, data in before.items() if path.name != "lock"
    }


def test_the_fingerprint_of_a_key_is_slow_and_salted_and_another_one_each_time(template, tmp_path):
    (one,) = rows(template, "SELECT role, length(salt), length(fingerprint), fingerprint FROM _mm_keys")
    other = Path(shutil.copytree(FIXTURES / "mediaos", tmp_path / "other"))
    assert command("migrate", "--data", other, key=KEY).code == 0
    assert one[:3] == ("current", 16, 32)
    assert rows(other, "SELECT fingerprint FROM _mm_keys") != [one[3:]]


def test_a_key_that_opens_nothing_is_not_noted(tmp_path):
    folder = Path(shutil.copytree(FIXTURES / "mediaos", tmp_path / "config"))
    assert command("migrate", "--data", folder, key=OTHER_KEY).code == 0
    assert rows(folder, "SELECT * FROM _mm_keys") == []


def test_a_key_file_that_others_can_read_is_used_with_a_warning(migrated, tmp_path):
    file = tmp_path / "key"
    file.write_text(KEY)
    file.chmod(0o644)
    done = command("migrate", "--data", migrated, "--key-file", file, "--json")
    assert (done.code, done.json["key"]["fits"]) == (0, True)
    assert done.err == f"Others can read the key file {file}; `chmod 600 {file}` makes it yours alone.\n"
    file.chmod(0o600)
    assert command("migrate", "--data", migrated, "--key-file", file, "--json").err == ""
