"""Files: replaced as a whole or not at all, and believed only when they stand still."""

import hashlib
import os
import shutil
import stat
from io import BytesIO
from pathlib import Path

import pytest
from inside import command

from mediaos_migrate import files


@pytest.fixture(params=[0o000, 0o022, 0o077])
def umask(request):
    before = os.umask(request.param)
    yield
    os.umask(before)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def replace(path, content=b"new", owner=None):
    with files.replacing(path, owner) as stream:
        stream.write(content)


# ── replacing ──


def test_a_replaced_file_has_the_new_content(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    replace(tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"new"


def test_nothing_is_left_beside_a_replaced_file(tmp_path):
    replace(tmp_path / "a")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("bits", [0o600, 0o640, 0o644, 0o666, 0o400])
def test_a_replaced_file_keeps_its_mode(tmp_path, umask, bits):
    (tmp_path / "a").write_bytes(b"old")
    (tmp_path / "a").chmod(bits)
    replace(tmp_path / "a")
    assert mode(tmp_path / "a") == bits


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_replaced_file_keeps_its_owner(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    os.chown(tmp_path / "a", 1234, 5678)
    replace(tmp_path / "a")
    status = (tmp_path / "a").stat()
    assert (status.st_uid, status.st_gid) == (1234, 5678)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_new_file_belongs_to_whom_it_is_for(tmp_path):
    replace(tmp_path / "a", owner=(1234, 5678))
    status = (tmp_path / "a").stat()
    assert (status.st_uid, status.st_gid) == (1234, 5678)


def test_who_may_not_give_files_away_writes_them_all_the_same(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError

    monkeypatch.setattr(os, "fchown", refuse)
    replace(tmp_path / "a", owner=(1234, 5678))
    replace(tmp_path / "a", b"newer")
    assert (tmp_path / "a").read_bytes() == b"newer"


def test_a_new_file_is_for_its_owner_only(tmp_path, umask):
    replace(tmp_path / "a")
    assert mode(tmp_path / "a") == 0o600


@pytest.mark.parametrize("link", ["target", "folder/target", "../outside"])
def test_a_symlinked_file_stays_a_symlink(tmp_path, link):
    place = tmp_path / "place"
    (place / "folder").mkdir(parents=True)
    (place / link).write_bytes(b"old")
    (place / "a").symlink_to(link)
    replace(place / "a")
    assert (place / "a").readlink() == Path(link)
    assert (place / link).read_bytes() == b"new"


def test_a_link_to_a_link_stays_one(tmp_path):
    (tmp_path / "c").write_bytes(b"old")
    (tmp_path / "b").symlink_to("c")
    (tmp_path / "a").symlink_to("b")
    replace(tmp_path / "a")
    assert ((tmp_path / "a").readlink(), (tmp_path / "c").read_bytes()) == (Path("b"), b"new")


def test_a_failing_write_leaves_the_old_file(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(TypeError):
        replace(tmp_path / "a", "no bytes")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"old"}


def test_a_failing_write_leaves_no_file_where_there_was_none(tmp_path):
    with pytest.raises(ZeroDivisionError), files.replacing(tmp_path / "a"):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("call", ["fsync", "fchmod"])
def test_a_disk_that_fails_leaves_the_old_file(tmp_path, monkeypatch, call):
    (tmp_path / "a").write_bytes(b"old")

    def fails(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, call, fails)
    with pytest.raises(OSError, match="Input/output error"):
        replace(tmp_path / "a")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"old"}


def test_a_file_that_cannot_be_renamed_leaves_the_old_one(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"old")

    def fails(*_):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(files.Path, "replace", fails)
    with pytest.raises(OSError, match="cross-device"):
        replace(tmp_path / "a")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"old"}


def test_the_content_and_the_name_are_synced_in_this_order(tmp_path, monkeypatch):
    done = []
    sync, rename = os.fsync, files.Path.replace

    def synced(descriptor):
        done.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        sync(descriptor)

    def renamed(*names):
        done.append("rename")
        return rename(*names)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(files.Path, "replace", renamed)
    replace(tmp_path / "a")
    assert done == ["file", "rename", "folder"]


def test_what_an_interrupted_write_left_is_written_over(tmp_path):
    (tmp_path / f".a{files.TEMPORARY}").write_bytes(b"half")
    replace(tmp_path / "a")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"new"}


def test_a_link_in_place_of_the_temporary_file_is_not_followed(tmp_path):
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / f".a{files.TEMPORARY}").symlink_to("precious")
    replace(tmp_path / "a")
    assert (tmp_path / "precious").read_bytes() == b"precious"


# ── making ──


def test_a_made_file_is_for_its_owner_only(tmp_path, umask):
    files.create(tmp_path / "a")
    assert mode(tmp_path / "a") == 0o600


def test_a_file_that_is_there_is_not_made(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(FileExistsError):
        files.create(tmp_path / "a")


def test_making_a_file_follows_no_link(tmp_path):
    (tmp_path / "a").symlink_to("b")
    with pytest.raises(FileExistsError):
        files.create(tmp_path / "a")
    assert not (tmp_path / "b").exists()


def test_made_folders_are_for_their_owner_only(tmp_path, umask):
    files.make_folder(tmp_path / "a" / "b")
    assert (mode(tmp_path / "a"), mode(tmp_path / "a" / "b")) == (0o700, 0o700)


def test_a_folder_that_is_there_keeps_its_mode(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a").chmod(0o755)
    files.make_folder(tmp_path / "a")
    assert mode(tmp_path / "a") == 0o755


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_everything_of_ours_belongs_to_the_owner_of_the_data(site_folder):
    for path in [site_folder, *site_folder.iterdir()]:
        os.chown(path, 1234, 5678)
    assert command("migrate", "--data", site_folder).code == 0
    found = {(path.stat().st_uid, path.stat().st_gid) for path in site_folder.rglob("*")}
    assert found == {(1234, 5678)}


def test_everything_of_ours_is_for_its_owner_only(site_folder, umask):
    command("migrate", "--data", site_folder)
    ours = [site_folder / "mediaos.db", *(site_folder / ".mediaos-migrate").rglob("*")]
    assert {mode(path) for path in ours if path.is_file()} == {0o600}
    assert {mode(path) for path in ours if path.is_dir()} == {0o700}


def test_exported_files_are_for_their_owner_only(site_folder, umask):
    command("migrate", "--data", site_folder)
    command("export", "--to", site_folder.parent / "out", "--data", site_folder)
    assert {mode(path) for path in (site_folder.parent / "out").iterdir()} == {0o600}
    assert mode(site_folder.parent / "out") == 0o700


# ── copying ──


def test_a_copy_has_the_bytes_and_tells_their_digest(tmp_path):
    data = os.urandom(3 * files.CHUNK + 7)
    (tmp_path / "a").write_bytes(data)
    assert files.copy(tmp_path / "a", tmp_path / "b") == hashlib.sha256(data).hexdigest()
    assert (tmp_path / "b").read_bytes() == data


@pytest.mark.parametrize("data", [b"", b"x", b"x" * (files.CHUNK + 1)], ids=len)
def test_a_digest_is_that_of_all_bytes(tmp_path, data):
    (tmp_path / "a").write_bytes(data)
    assert files.digest(tmp_path / "a") == hashlib.sha256(data).hexdigest()


def test_what_is_read_is_digested_to_the_end():
    stream = files.Hashing(BytesIO(b"some bytes"))
    stream.read(4)
    stream.drain()
    assert (stream.digest, stream.size) == (hashlib.sha256(b"some bytes").hexdigest(), 10)


# ── settled ──


@pytest.fixture
def pauses(monkeypatch):
    """What happens while we wait: the test fills the list with acts, one for each pause."""
    acts = []
    monkeypatch.setattr(files.time, "sleep", lambda _: acts.pop(0)() if acts else None)
    return acts


def test_a_file_that_stands_still_is_settled(tmp_path, pauses):
    (tmp_path / "a").write_bytes(b"same")
    assert files.settled_digest(tmp_path / "a") == hashlib.sha256(b"same").hexdigest()


def test_a_file_that_changed_once_is_settled_as_it_is_then(tmp_path, pauses):
    path = tmp_path / "a"
    path.write_bytes(b"half")
    pauses += [lambda: path.write_bytes(b"whole")]
    assert files.settled_digest(path) == hashlib.sha256(b"whole").hexdigest()


def test_a_change_that_keeps_size_and_time_is_seen(tmp_path, pauses):
    path = tmp_path / "a"
    path.write_bytes(b"half")
    times = (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    pauses += [lambda: (path.write_bytes(b"full"), os.utime(path, ns=times))]
    assert files.settled_digest(path, looks=2) == hashlib.sha256(b"full").hexdigest()


def test_a_file_that_never_stands_still_is_not_settled(tmp_path, pauses):
    path = tmp_path / "a"
    path.write_bytes(b"0")
    pauses += [lambda n=n: path.write_bytes(b"%d" % n) for n in range(1, 30)]
    assert files.settled_digest(path, looks=20) is None


def test_a_file_that_changes_at_every_look_is_refused_and_nothing_is_written(site_folder, pauses):
    path = site_folder / "library.json"
    text = path.read_text()
    pauses += [lambda n=n: path.write_text(text + " " * n) for n in range(1, 3000)]
    told = command("migrate", "--data", site_folder, "--json")
    assert (told.code, told.json["error"]["type"]) == (4, "NotSettled")
    assert told.json["error"]["message"] == "library.json changed every time it was looked at."
    assert not (site_folder / "mediaos.db").exists()


def test_a_file_that_changed_once_is_taken_as_it_is_then(site_folder, pauses):
    path = site_folder / "quality.json"
    pauses += [lambda: path.write_text('{"series": {"allowed": [], "cutoff": ""}}')]
    told = command("migrate", "--data", site_folder, "--json")
    assert (told.code, told.document("quality")["inserted"]) == (0, 1)


def test_a_file_that_was_half_written_when_it_was_looked_at_is_looked_at_again(site_folder, pauses):
    path = site_folder / "library.json"
    text = path.read_text()
    path.write_text(text[:1000])
    pauses += [lambda: path.write_text(text)]
    told = command("migrate", "--data", site_folder, "--json")
    assert (told.code, told.document("library")["inserted"]) == (0, 27)


# ── leftovers ──


def test_what_an_interrupted_run_left_is_found(tmp_path):
    (tmp_path / f".users.json{files.TEMPORARY}").touch()
    (tmp_path / "users.json").touch()
    (tmp_path / ".hidden").touch()
    assert [path.name for path in files.leftovers(tmp_path)] == [f".users.json{files.TEMPORARY}"]


def test_what_an_interrupted_run_left_is_removed_by_the_next(site_folder):
    (site_folder / f".users.json{files.TEMPORARY}").touch()
    partial = site_folder / ".mediaos-migrate" / "backups" / ".partial-20250101T000000.000Z-migrate"
    shutil.copytree(site_folder, partial)
    command("migrate", "--data", site_folder)
    assert list(files.leftovers(site_folder)) == []
    assert not partial.exists()


def test_leftovers_are_not_reported_as_files_of_the_app(site_folder):
    (site_folder / f".users.json{files.TEMPORARY}").touch()
    assert command("status", "--data", site_folder, "--json").json["unmapped"] == []
