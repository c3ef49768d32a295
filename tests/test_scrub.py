"""Scrub: plain secrets that sealing left behind are found, named by their place, and sealed or shredded if asked to."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from conftest import FIXTURES, KEY
from inside import OTHER_KEY, command

from mediaos_migrate.secrets import Vault

CANARY = "c4n4ry-password"
LATER = "c4n4ry-of-another-time"


def put(file, password):
    """Write a downloaders file with a password."""
    value = {"qbittorrent": {"enabled": True, "baseUrl": "http://q.example", "password": password}}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(value, indent=2))


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A site whose password was plain, was sealed since, and whose backups went."""
    folder = Path(shutil.copytree(FIXTURES / "mediaos-clean", tmp_path_factory.mktemp("scrub") / "config"))
    put(folder / "downloaders.json", CANARY)
    assert command("migrate", "--data", folder, key=KEY).code == 0
    assert command("keys", "seal", "--yes", "--data", folder, key=KEY).code == 0
    shutil.rmtree(folder / ".mediaos-migrate" / "backups")
    return folder


@pytest.fixture
def folder(template, tmp_path):
    return Path(shutil.copytree(template, tmp_path / "config"))


def scrub(folder, *words, key=KEY):
    done = command("scrub", *words, "--json", "--data", folder, key=key)
    text = command("scrub", "--data", folder, key=key)
    assert "c4n4ry" not in done.out + done.err + text.out + text.err
    return done


def found(done):
    return {item["file"]: (item["kind"], item["members"], item["texts"], item["done"]) for item in done.json["found"]}


def state_of(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_nothing_is_left_where_nothing_was_left(folder):
    done = scrub(folder)
    assert (done.code, done.json["found"]) == (0, [])


PLACES = {
    "downloaders.json.bak": "copy",
    "downloaders (copy).json": "copy",
    "old/downloaders.json": "copy",
    ".mediaos-migrate/conflicts/downloaders-0123456789abcdef.json": "conflict",
    ".mediaos-migrate/backups/20260101T000000.000Z-migrate/downloaders.json": "backup",
}


@pytest.mark.parametrize(("place", "kind"), PLACES.items())
def test_a_plain_secret_in_an_old_copy_is_found_and_nothing_is_touched(folder, place, kind):
    put(folder / place, LATER)  # nobody knows this text any more: its place says what it is
    before = state_of(folder)
    done = scrub(folder)
    assert (done.code, found(done)) == (3, {place: (kind, {"password": 1}, 0, "left")})
    assert state_of(folder) == before


@pytest.mark.parametrize("name", ["notes.txt", "export.json", ".mediaos-migrate/reports/old.html"])
def test_the_text_of_a_sealed_secret_is_found_in_any_file(folder, name):
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(f"x{'y' * 3_000_000}{CANARY}")
    done = scrub(folder)
    assert (done.code, [texts for _, _, texts, _ in found(done).values()]) == (3, [1])


def test_what_is_sealed_in_a_copy_is_no_finding(folder):
    put(folder / "downloaders.json.bak", Vault(KEY).seal(CANARY))
    assert scrub(folder).code == 0


def test_sealing_a_copy_changes_the_secret_only(folder):
    copy = folder / "downloaders.json.bak"
    put(copy, LATER)
    text = copy.read_text()
    done = scrub(folder, "--seal", "--yes")
    sealed = json.loads(copy.read_text())["qbittorrent"]["password"]
    assert (done.code, found(done)["downloaders.json.bak"][3]) == (0, "sealed")
    assert (Vault(KEY).open(sealed), copy.read_text()) == (LATER, text.replace(LATER, sealed))


def test_what_the_app_does_not_open_is_left_by_sealing(folder):
    (folder / "settings.json.bak").write_text('{"openSubtitlesApiKey": "c4n4ry-subtitles"}')
    done = scrub(folder, "--seal", "--yes")
    assert (done.code, found(done)["settings.json.bak"][3]) == (3, "left")


def test_shredding_removes_copies(folder):
    for place in PLACES:
        put(folder / place, LATER)
    done = scrub(folder, "--shred", "--yes")
    assert (done.code, {item["kind"] for item in done.json["found"] if item["done"] == "left"}) == (3, {"backup"})
    assert [place for place in PLACES if (folder / place).exists()] == [place for place in PLACES if "backups" in place]


def test_backups_go_as_a_whole_and_only_when_they_are_named(folder):
    place = folder / ".mediaos-migrate" / "backups" / "20260101T000000.000Z-migrate"
    put(place / "downloaders.json", LATER)
    (place / "manifest.json").write_text("{}")
    done = scrub(folder, "--shred", "--backups", "--yes")
    assert (done.code, place.exists()) == (0, False)


def test_a_file_with_another_link_is_left(folder, tmp_path):
    put(folder / "downloaders.json.bak", LATER)
    (tmp_path / "linked").hardlink_to(folder / "downloaders.json.bak")
    assert (scrub(folder, "--shred", "--yes").code, LATER in (tmp_path / "linked").read_text()) == (3, True)


def test_free_pages_of_the_database_are_found_and_wiped(folder):
    with closing(sqlite3.connect(folder / "mediaos.db")) as connection:
        connection.execute("PRAGMA secure_delete = OFF")
        connection.execute("CREATE TABLE loose (x TEXT)")
        connection.executemany("INSERT INTO loose VALUES (?)", [(f"{CANARY} {n} " + "x" * 900,) for n in range(200)])
        connection.commit()
        connection.execute("DROP TABLE loose")
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = state_of(folder)
    done = scrub(folder)
    assert (done.code, found(done)["mediaos.db"]) == (3, ("database", {}, 1, "left"))
    assert state_of(folder) == before
    assert found(scrub(folder, "--seal", "--yes"))["mediaos.db"][3] == "wiped"
    assert CANARY.encode() not in (folder / "mediaos.db").read_bytes()
    assert command("validate", "--data", folder, key=KEY).code == 0


def test_the_log_of_the_database_is_found_and_wiped(folder):
    (folder / "mediaos.db-wal").write_bytes(CANARY.encode())
    (folder / "mediaos.db-shm").write_bytes(b"")
    done = command("scrub", "--json", "--data", folder, key=KEY)
    assert "mediaos.db-wal" in found(done)


def test_a_secret_that_may_stand_plain_in_the_table_is_no_finding(tmp_path):
    folder = Path(shutil.copytree(FIXTURES / "mediaos-clean", tmp_path / "config"))
    put(folder / "downloaders.json", CANARY)
    assert command("migrate", "--data", folder).code == 0
    shutil.rmtree(folder / ".mediaos-migrate" / "backups")
    assert scrub(folder, key=None).code == 0


def test_nothing_is_done_unasked_or_with_a_wrong_key(folder):
    put(folder / "downloaders.json.bak", LATER)
    before = state_of(folder)
    assert command("scrub", "--shred", "--data", folder, key=KEY).code == 2
    assert command("scrub", "--shred", "--seal", "--yes", "--data", folder, key=KEY).code == 2
    assert command("scrub", "--seal", "--yes", "--data", folder, key=OTHER_KEY).code == 4
    assert state_of(folder) == before
