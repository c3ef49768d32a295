"""One installation: which folder is meant, what lies in it, and who may write to it."""

import json
import os
import shutil
import socket
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from conftest import FIXTURES
from inside import SHELF, command

import mediaos_migrate
from mediaos_migrate.errors import Locked, NoData, UsageError
from mediaos_migrate.site import Site

CLEAN = FIXTURES / "mediaos-clean"


@pytest.fixture
def app(tmp_path):
    """A checkout of the app, with its data where the app keeps it."""
    shutil.copytree(CLEAN, tmp_path / "app" / "config")
    return tmp_path / "app"


def put(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        shutil.copy(CLEAN / name, folder)
    return folder


# ── which folder is meant ──


def test_a_folder_that_does_not_exist_is_refused(tmp_path):
    told = command("migrate", "--data", tmp_path / "nowhere", "--json")
    assert (told.code, told.json["error"]["type"], told.json["error"]["message"]) == (
        4,
        "NoData",
        f"There is no folder {tmp_path / 'nowhere'}.",
    )
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_a_file_of_the_app_is_refused(tmp_path):
    (tmp_path / "holiday.jpg").touch()
    told = command("migrate", "--data", tmp_path)
    assert (told.code, told.err.splitlines()[-2]) == (4, f"{tmp_path} holds no file of MediaOS.")
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]


def test_a_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "config").touch()
    assert command("migrate", "--data", tmp_path / "config").code == 4


@pytest.mark.parametrize("other", ["packages/api/config", "app/config", "app-config", "CONFIG_DIR"])
def test_two_folders_with_data_are_never_guessed_between(app, other):
    put(app / other, "downloaders.json")
    told = command("migrate", "--data", app / "config", "--json")
    assert (told.code, told.json["error"]["type"]) == (4, "SeveralFolders")
    assert told.json["error"]["folders"] == [str(app / "config"), str(app / other)]
    assert not (app / "config" / "mediaos.db").exists()


@pytest.mark.parametrize("other", ["packages/api/config", "CONFIG_DIR"])
def test_two_folders_are_seen_from_either_of_them(app, other):
    put(app / other, "downloaders.json")
    told = command("migrate", "--data", app / other, "--json")
    assert told.json["error"]["folders"] == [str(app / other), str(app / "config")]


def test_a_folder_that_the_app_s_variable_names_is_another_one(app, tmp_path):
    elsewhere = put(tmp_path / "elsewhere", "downloaders.json")
    told = command("migrate", "--data", app / "config", "--json", CONFIG_DIR=str(elsewhere))
    assert told.json["error"]["folders"] == [str(app / "config"), str(elsewhere)]


def test_the_same_folder_by_another_name_is_no_other_one(app):
    (app / "app-config").symlink_to("config")
    assert command("migrate", "--data", app / "config", CONFIG_DIR=str(app / "app-config")).code == 0


def test_another_folder_without_data_is_none(app):
    (app / "packages" / "api" / "config").mkdir(parents=True)
    (app / "packages" / "api" / "config" / "notes.txt").touch()
    assert command("migrate", "--data", app / "config").code == 0


def test_data_that_is_only_in_another_folder_is_pointed_out(app):
    shutil.move(app / "config", app / "app-config")
    (app / "config").mkdir()
    told = command("migrate", "--data", app / "config", "--json")
    assert (told.code, told.json["error"]["folders"]) == (4, [str(app / "app-config")])


def test_a_folder_can_be_left_aside(app):
    put(app / "app-config", "downloaders.json")
    told = command("migrate", "--data", app / "config", "--accept-data", "--json")
    assert (told.code, told.json["other_folders"]) == (0, [str(app / "app-config")])


def test_a_folder_that_was_left_aside_is_remembered(app):
    put(app / "app-config", "downloaders.json")
    command("migrate", "--data", app / "config", "--accept-data")
    assert command("migrate", "--data", app / "config").code == 0


def test_a_further_folder_is_asked_about_again(app):
    put(app / "app-config", "downloaders.json")
    command("migrate", "--data", app / "config", "--accept-data")
    put(app / "CONFIG_DIR", "downloaders.json")
    assert command("migrate", "--data", app / "config").code == 4


def test_one_install_seen_through_two_folders_is_two_folders(tmp_path):
    """As the app leaves it: CONFIG_DIR moves downloaders.json, and nothing else."""
    main = put(tmp_path / "app-config", "downloaders.json", "library.json", "users.json")
    put(tmp_path / "CONFIG_DIR", "downloaders.json")
    assert [command("migrate", "--data", folder).code for folder in (main, tmp_path / "CONFIG_DIR")] == [4, 4]
    assert command("migrate", "--data", main, "--accept-data").code == 0


# ── what lies in it ──


def test_what_the_pack_does_not_know_is_reported(site_folder):
    (site_folder / "notes.txt").touch()
    (site_folder / "library.json.bak").touch()
    (site_folder / "posters").mkdir()
    told = [command(*words, "--data", site_folder, "--json") for words in (["status"], ["doctor"], ["migrate"])]
    assert [found.json["unmapped"] for found in told] == [["library.json.bak", "notes.txt", "posters/"]] * 3


def test_what_is_ours_is_not_reported(site_folder):
    command("migrate", "--data", site_folder)
    for suffix in ("-wal", "-shm", "-journal"):
        (site_folder / f"mediaos.db{suffix}").touch()
    assert Site.open(site_folder).unmapped() == []


def test_what_the_pack_does_not_know_stays_as_it_is(site_folder):
    (site_folder / "notes.txt").write_text("keep me")
    before = (site_folder / "notes.txt").stat()
    command("migrate", "--data", site_folder)
    assert (site_folder / "notes.txt").stat() == before


# ── defaults ──


def test_the_data_is_in_config_by_default(site_folder, monkeypatch):
    monkeypatch.chdir(site_folder.parent)
    assert command("migrate").code == 0
    assert (site_folder / "mediaos.db").exists()


def test_the_database_is_in_the_data_folder_by_default(site_folder):
    command("migrate", "--data", site_folder)
    assert (site_folder / "mediaos.db").exists()


def test_the_data_folder_may_come_from_the_environment(site_folder):
    assert command("migrate", MEDIAOS_MIGRATE_DATA=str(site_folder)).code == 0
    assert (site_folder / "mediaos.db").exists()


def test_the_database_may_come_from_the_environment(site_folder, tmp_path):
    assert command("migrate", "--data", site_folder, MEDIAOS_MIGRATE_DB=str(tmp_path / "x.db")).code == 0
    assert (tmp_path / "x.db").exists()
    assert not (site_folder / "mediaos.db").exists()


def test_the_app_may_come_from_the_environment(tmp_path):
    folder = shutil.copytree(FIXTURES / "shelf", tmp_path / "shelf")
    assert command("migrate", "--data", folder, MEDIAOS_MIGRATE_APP=SHELF).code == 0


def test_an_option_is_believed_before_the_environment(site_folder, tmp_path):
    nowhere = {f"MEDIAOS_MIGRATE_{name}": str(tmp_path / "nowhere") for name in ("DATA", "APP")}
    words = ["--data", site_folder, "--db", tmp_path / "x.db", "--app", "mediaos"]
    assert command("migrate", *words, MEDIAOS_MIGRATE_DB=str(tmp_path / "y.db"), **nowhere).code == 0
    assert [path.name for path in tmp_path.glob("*.db")] == ["x.db"]


def test_paths_may_be_relative_to_the_current_folder(site_folder, monkeypatch, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert command("migrate", "--data", "../config", "--db", "here.db").code == 0
    assert command("validate", "--data", "../config", "--db", "here.db").code == 0
    assert (tmp_path / "elsewhere" / "here.db").exists()


def test_a_database_elsewhere_leaves_only_our_own_folder_in_the_data(site_folder, tmp_path):
    before = {path.name for path in site_folder.iterdir()}
    command("migrate", "--data", site_folder, "--db", tmp_path / "x.db")
    assert {path.name for path in site_folder.iterdir()} - before == {".mediaos-migrate"}


def test_a_database_in_a_folder_that_does_not_exist_is_bad_usage(site_folder, tmp_path):
    told = command("migrate", "--data", site_folder, "--db", tmp_path / "no" / "where.db")
    assert (told.code, told.err.splitlines()[-2:]) == (
        2,
        [f"There is no folder {tmp_path / 'no'}.", "Make it, or name another place with --db."],
    )
    assert not (tmp_path / "no").exists()


def test_the_files_of_the_app_are_left_as_they_are(site_folder):
    before = {path.name: (path.read_bytes(), path.stat()) for path in site_folder.iterdir()}
    command("migrate", "--data", site_folder)
    after = {name: ((site_folder / name).read_bytes(), (site_folder / name).stat()) for name in before}
    assert {name: (data, status.st_mtime_ns, status.st_mode) for name, (data, status) in after.items()} == {
        name: (data, status.st_mtime_ns, status.st_mode) for name, (data, status) in before.items()
    }


# ── the lock ──


def test_the_lock_says_who_holds_it_and_since_when(site_folder):
    site = Site.open(site_folder)
    with site.locked(), pytest.raises(Locked) as error, Site.open(site_folder).locked():
        pass
    message = error.value.message
    assert message.startswith(f"The site is in use by process {os.getpid()} on {socket.gethostname()} since 20")
    assert message.endswith("Z.")


def test_a_lock_that_was_given_back_is_free(site_folder):
    site = Site.open(site_folder)
    with site.locked():
        pass
    with site.locked():
        assert (site.state / "lock").read_text().startswith(f"process {os.getpid()}")
    assert (site.state / "lock").read_text() == ""


def test_the_lock_is_given_back_after_a_failure(site_folder):
    site = Site.open(site_folder)
    with pytest.raises(ZeroDivisionError), site.locked():
        raise ZeroDivisionError
    with site.locked():
        pass


def test_a_lock_file_that_a_killed_run_left_is_free(site_folder):
    (site_folder / ".mediaos-migrate").mkdir()
    (site_folder / ".mediaos-migrate" / "lock").write_text("process 1 on elsewhere since long ago")
    with Site.open(site_folder).locked():
        pass


def test_two_data_folders_never_write_one_database_at_once(site_folder, tmp_path):
    other, elsewhere = tmp_path / "other", tmp_path / "elsewhere.db"
    other.mkdir()
    for database in (elsewhere, site_folder / "mediaos.db"):
        with Site.open(site_folder, database).locked(), pytest.raises(Locked), Site.open(other, database).locked():
            pass
        with Site.open(other, database).locked(), pytest.raises(Locked), Site.open(site_folder, database).locked():
            pass


def test_one_site_is_locked_once_whatever_its_folder_is_called(site_folder, tmp_path):
    (tmp_path / "link").symlink_to(site_folder)
    with Site.open(tmp_path / "link").locked(), pytest.raises(Locked), Site.open(site_folder).locked():
        pass
    with Site.open(site_folder, tmp_path / "link" / "mediaos.db").locked():
        pass


# ── from Python ──


def test_a_site_is_opened_as_the_library_promises(site_folder):
    with mediaos_migrate.Site.open(data=site_folder, db=site_folder / "x.db", app="mediaos") as site:
        assert (site.data, site.db, site.pack.name) == (site_folder, site_folder / "x.db", "MediaOS")


def test_opening_a_site_touches_nothing(site_folder):
    before = sorted(site_folder.rglob("*"))
    with mediaos_migrate.Site.open(str(site_folder)):
        pass
    assert sorted(site_folder.rglob("*")) == before


def test_opening_no_folder_is_an_error(tmp_path):
    with pytest.raises(NoData):
        Site.open(tmp_path / "nowhere")


def test_opening_an_unknown_app_is_an_error(tmp_path):
    with pytest.raises(UsageError):
        Site.open(tmp_path, app="nothing")


def test_every_document_has_its_file_in_the_data_folder(site_folder):
    site = Site.open(site_folder)
    files = {site.file(document) for document in site.pack.documents.values()}
    assert files == set(site_folder.glob("*.json"))


def test_folders_may_be_given_as_text(site_folder):
    assert Site.open(str(site_folder)).data == Path(site_folder)


def test_a_document_that_is_a_folder_is_refused(site_folder):
    (site_folder / "quality.json").unlink()
    (site_folder / "quality.json").mkdir()
    told = command("migrate", "--data", site_folder, "--json")
    assert (told.code, "quality.json" in told.json["error"]["message"]) == (4, True)


def test_a_document_behind_a_link_is_read_through_it(site_folder, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    shutil.move(site_folder / "quality.json", tmp_path / "elsewhere")
    (site_folder / "quality.json").symlink_to(tmp_path / "elsewhere" / "quality.json")
    told = command("migrate", "--data", site_folder, "--json")
    assert (told.code, told.document("quality")["read"]) == (0, 5)
    assert (site_folder / "quality.json").is_symlink()


def test_a_link_that_leads_nowhere_is_a_missing_file_as_it_is_for_the_app(site_folder):
    (site_folder / "quality.json").unlink()
    (site_folder / "quality.json").symlink_to("gone.json")
    told = command("migrate", "--data", site_folder, "--json")
    assert (told.code, told.document("quality")["state"]) == (0, "missing")


def test_a_link_that_led_to_records_and_leads_nowhere_now_is_suspect(site_folder, tmp_path):
    shutil.move(site_folder / "quality.json", tmp_path / "elsewhere.json")
    (site_folder / "quality.json").symlink_to(tmp_path / "elsewhere.json")
    command("migrate", "--data", site_folder)
    (tmp_path / "elsewhere.json").unlink()
    told = command("migrate", "--data", site_folder, "--json")
    assert (told.code, told.json["error"]["type"]) == (4, "Suspect")


def test_a_site_s_answer_is_the_same_from_anywhere(site_folder, monkeypatch, tmp_path):
    told = json.loads(command("status", "--data", site_folder, "--json").out)
    monkeypatch.chdir("/")
    assert json.loads(command("status", "--data", site_folder, "--json").out) == told


FOREIGN = [
    "migrate",
    "mirror flush",
    "search build",
    "stage advance",
    "stage retreat",
    "rollback --yes",
    "repair --believe file --yes",
    "schema up",
    "schema down --to 1 --yes",
    "backup create",
    "backup restore gone --yes",
    "keys seal",
    "quarantine requeue",
    "recover --yes",
]


@pytest.mark.parametrize("words", FOREIGN)
def test_a_command_that_meets_a_foreign_database_leaves_no_folder(tmp_path, words):
    folder = put(tmp_path / "config", "users.json")
    with closing(sqlite3.connect(folder / "mediaos.db")) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    assert command(*words.split(), "--data", folder).code in (2, 4)
    assert {each.name for each in folder.iterdir()} == {"users.json", "mediaos.db"}
