"""What stands in the way of a migration, or would surprise afterwards, is said before anything is done."""

import json
import os
import shutil
import sqlite3
import subprocess
from contextlib import closing

import pytest
from conftest import FIXTURES, KEY
from inside import OTHER_KEY, command

from benchmarks import library
from mediaos_migrate import room
from mediaos_migrate.moves import doctor

BROKEN = FIXTURES / "broken"


@pytest.fixture
def clean(tmp_path):
    """The folder that fits the plan without conflict, its files for their owner only."""
    folder = shutil.copytree(FIXTURES / "mediaos-clean", tmp_path / "config")
    for path in folder.iterdir():
        path.chmod(0o600)
    return folder


def findings(folder, *words, key=None):
    """Return what a doctor says, as (level, code, where), without what is true of this machine."""
    told = command("doctor", *words, "--data", folder, "--json", key=key).json["findings"]
    return [(f["level"], f["code"], f["where"]) for f in told if f["code"] not in ("sqlite", "network")]


def test_nothing_is_wrong_with_a_clean_folder(clean):
    assert findings(clean, key=KEY) == []


def test_what_is_good_to_know_does_not_change_the_exit_code(site_folder):
    assert command("doctor", "--data", site_folder).code == 0


# ── damaged files ──


def test_every_damaged_file_is_found_at_once(clean):
    shutil.copy(BROKEN / "library.truncated.json", clean / "library.json")
    shutil.copy(BROKEN / "users.array.json", clean / "users.json")
    assert [found for found in findings(clean, key=KEY) if found[0] == "error"] == [
        ("error", "wrong-container", "users.json"),
        ("error", "truncated", "library.json"),
    ]


def test_a_damaged_file_makes_it_4(clean):
    shutil.copy(BROKEN / "library.truncated.json", clean / "library.json")
    assert command("doctor", "--data", clean).code == 4


def test_a_damaged_file_is_told_with_line_column_and_the_way_out(clean):
    shutil.copy(BROKEN / "library.truncated.json", clean / "library.json")
    found = command("doctor", "--data", clean, "--json").json["findings"]
    error = next(item for item in found if item["level"] == "error")
    assert "line 11, column 20" in error["message"]
    assert "--salvage" in error["remedy"]


def test_a_damaged_file_that_is_left_out_is_no_error(clean):
    shutil.copy(BROKEN / "library.truncated.json", clean / "library.json")
    assert command("doctor", "--skip", "library", "--data", clean).code == 0


@pytest.mark.parametrize("path", sorted(BROKEN.glob("*.json")), ids=lambda path: path.name)
def test_the_doctor_refuses_what_a_migration_refuses(tmp_path, path):
    folder = tmp_path / "config"
    folder.mkdir()
    shutil.copy(path, folder / f"{path.name.split('.')[0]}.json")
    told = command("doctor", "--data", folder, "--json")
    assert (told.code, command("migrate", "--data", folder).code) == (4, 4)


def test_a_file_that_lost_most_of_its_records_is_suspect(site_folder):
    command("migrate", "--data", site_folder)
    (site_folder / "library.json").write_text('{"items": [{"id": "x", "kind": "movie", "title": "X"}]}')
    assert ("error", "suspect", "library.json") in findings(site_folder)


def test_a_file_that_is_gone_is_suspect(site_folder):
    command("migrate", "--data", site_folder)
    (site_folder / "library.json").unlink()
    assert ("error", "suspect", "library.json") in findings(site_folder)


def test_a_reference_into_a_file_that_could_not_be_read_is_not_doubted(clean):
    shutil.copy(BROKEN / "library.truncated.json", clean / "library.json")
    assert "not-in-library" not in [code for _, code, _ in findings(clean)]


def test_a_reference_into_a_file_that_is_left_out_is_not_doubted(clean):
    assert "not-in-library" not in [code for _, code, _ in findings(clean, "--skip", "library")]


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read everything")
def test_a_file_that_cannot_be_read_is_an_error(clean):
    (clean / "library.json").chmod(0)
    assert command("doctor", "--data", clean).code == 4


# ── the folder ──


def test_a_second_folder_with_data_is_an_error(tmp_path):
    for name in ("config", "app-config"):
        shutil.copytree(FIXTURES / "mediaos-clean", tmp_path / name)
    found = findings(tmp_path / "config")
    assert ("error", "severalfolders", str(tmp_path / "config")) in found
    assert command("doctor", "--data", tmp_path / "config", "--accept-data").code == 0


def test_a_folder_without_data_is_an_error(tmp_path):
    assert command("doctor", "--data", tmp_path).code == 4


def test_what_the_pack_does_not_know_is_noted(clean):
    (clean / "notes.txt").touch()
    assert ("note", "unmapped", "notes.txt") in findings(clean, key=KEY)


def test_files_with_secrets_that_everybody_can_read_are_noted(clean):
    for path in clean.iterdir():
        path.chmod(0o644)
    found = [where for level, code, where in findings(clean, key=KEY) if (level, code) == ("note", "mode")]
    assert found == ["users.json", "downloaders.json", "indexers.json", "grabs.json", "settings.json", "metadata.json"]


def test_a_network_file_system_is_a_warning(clean, monkeypatch):
    monkeypatch.setattr(doctor, "network_file_system", lambda path: "nfs4")
    told = command("doctor", "--data", clean, "--json").json["findings"]
    found = next(item for item in told if item["code"] == "network")
    assert (found["level"], found["message"]) == ("warning", "It lies on nfs4; the database will use no WAL there.")


def test_too_little_disk_is_an_error(clean, monkeypatch):
    monkeypatch.setattr(room.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 10, 0))
    told = command("doctor", "--data", clean, "--json")
    assert (told.code, [f["code"] for f in told.json["findings"] if f["level"] == "error"]) == (4, ["disk"])


@pytest.fixture
def small_disk(tmp_path):
    """A file system of one megabyte."""
    place = tmp_path / "small"
    place.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place]
    if os.geteuid() or shutil.which("mount") is None or subprocess.run(words, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_migration_that_would_fill_the_disk_is_refused_before_anything_is_written(small_disk):
    items = [{"id": f"f{n}", "kind": "movie", "title": f"Film {n}"} for n in range(8000)]
    (small_disk / "library.json").write_text(json.dumps({"items": items}))
    assert command("doctor", "--data", small_disk).code == 4
    told = command("migrate", "--data", small_disk, "--json")
    assert (told.code, told.json["error"]["message"].split(" ")[:3]) == (4, ["The", "disk", "of"])
    assert [path.name for path in small_disk.iterdir()] == ["library.json"]


def test_the_disk_of_the_database_counts_too(small_disk, tmp_path):
    data, database = tmp_path / "data", small_disk / "new.db"
    data.mkdir()
    items = [{"id": f"f{n}", "kind": "movie", "title": f"Film {n}"} for n in range(12000)]
    (data / "library.json").write_text(json.dumps({"items": items}))
    for verb in ("doctor", "migrate"):
        told = command(verb, "--data", data, "--db", database)
        assert (told.code, f"The disk of {small_disk} has" in told.out + told.err) == (4, True)
    assert not database.exists()
    assert command("migrate", "--data", data).code == 0


def test_a_rehearsal_that_would_fill_its_disk_is_refused(small_disk, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    items = [{"id": f"f{n}", "kind": "movie", "title": f"Film {n}"} for n in range(12000)]
    (data / "library.json").write_text(json.dumps({"items": items}))
    told = command("rehearse", "--data", data, "--work", small_disk)
    assert (told.code, told.err.splitlines()[-1]) == (4, "Name a folder on a larger disk with --work.")
    assert list(small_disk.iterdir()) == []


@pytest.mark.parametrize("inside", [".", "work", ".mediaos-migrate/work"])
def test_a_rehearsal_never_works_in_the_data_folder(clean, inside):
    told = command("rehearse", "--data", clean, "--work", clean / inside)
    assert (told.code, told.err.splitlines()[-1].endswith("Name another with --work.")) == (4, True)
    assert not (clean / inside / "data").exists()


def test_a_disk_that_fills_up_loses_nothing(small_disk, monkeypatch):
    """The forecast may be wrong: then the step is undone, and the next run completes it."""
    items = [{"id": f"f{n}", "kind": "movie", "title": f"Film {n}"} for n in range(2500)]
    (small_disk / "library.json").write_text(json.dumps({"items": items}))
    before = (small_disk / "library.json").read_bytes()
    (small_disk / "ballast").write_bytes(b"x" * 500_000)
    monkeypatch.setattr(room, "BACKUP", 0)
    monkeypatch.setattr(room, "DATABASE", 0)
    told = command("migrate", "--data", small_disk)
    assert (told.code, "disk is full" in told.err) == (1, True)
    assert (small_disk / "library.json").read_bytes() == before
    (small_disk / "ballast").unlink()
    assert command("status", "--data", small_disk).code == 0


# ── the database ──


def test_a_database_that_is_not_ours_is_an_error(clean):
    with closing(sqlite3.connect(clean / "mediaos.db")) as connection:
        connection.execute("CREATE TABLE recipes (name)")
    assert ("error", "notours", str(clean / "mediaos.db")) in findings(clean, key=KEY)
    assert command("doctor", "--data", clean).code == 4


def test_a_migrated_folder_is_as_good_as_a_new_one(clean):
    command("migrate", "--data", clean, key=KEY)
    assert findings(clean, key=KEY) == []


# ── the key ──


def test_a_key_that_opens_nothing_is_a_warning(clean):
    assert ("warning", "key", "ENCRYPTION_KEY") in findings(clean, key=OTHER_KEY)


def test_no_key_is_a_note_where_values_are_sealed(clean):
    assert ("note", "key", "ENCRYPTION_KEY") in findings(clean)


def test_no_key_is_nothing_where_no_value_is_sealed(tmp_path):
    folder = shutil.copytree(FIXTURES / "mediaos-v0.3", tmp_path / "config")
    assert "key" not in [code for _, code, _ in findings(folder)]


def test_how_the_key_fits_is_told_in_numbers(site_folder):
    told = command("doctor", "--data", site_folder, "--json", key=KEY).json["key"]
    assert told == {"given": True, "looks-sealed": 4, "opened": 4, "plain": 3, "fits": True}


# ── the app's own rules ──


def test_every_record_that_breaks_a_rule_is_a_warning_with_its_meaning(site_folder):
    told = command("doctor", "--data", site_folder, "--json").json["findings"]
    warnings = {item["code"] for item in told if item["level"] == "warning"}
    assert warnings >= {
        "duplicate-email",
        "key-differs",
        "duplicate-title",
        "unknown-kind",
        "duplicate-name",
        "mixed-kinds",
        "not-in-library",
        "plaintext-secret",
        "unfit-value",
    }
    assert all(item["message"] and item["remedy"] for item in told if item["level"] == "warning")


def test_the_doctor_makes_nothing(site_folder):
    before = sorted(site_folder.rglob("*"))
    command("doctor", "--data", site_folder)
    assert sorted(site_folder.rglob("*")) == before


def test_a_migration_has_room_for_what_each_byte_of_a_file_adds_to_the_database_and_to_its_log(tmp_path):
    sizes, grown = [], []
    for count in (1, 4000):
        folder = tmp_path / str(count)
        folder.mkdir()
        library.write(folder / "library.json", count)
        assert command("migrate", "--data", folder).code == 0
        sizes.append((folder / "library.json").stat().st_size)
        grown.append((folder / "mediaos.db").stat().st_size)
    assert 2 * (grown[1] - grown[0]) <= room.DATABASE * (sizes[1] - sizes[0])  # the log holds it once more
