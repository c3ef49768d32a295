"""A backup may come from anywhere: whatever it says, nothing leaves the target and nothing is written before it is proved."""

import io
import json
import os
import shutil
import tarfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from conftest import FIXTURES, KEY
from inside import command

OUTSIDE = "outside"
REMEDY = "Use another backup; `mediaos-migrate backup list` names them."


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A site with one good backup, as a folder, as a file, and as a sealed file."""
    data = Path(shutil.copytree(FIXTURES / "mediaos", tmp_path_factory.mktemp("attacked") / "config"))
    assert command("migrate", "--data", data, key=KEY).code == 0
    shutil.rmtree(data / ".mediaos-migrate" / "backups")
    for more in ([], ["--archive"], ["--archive", "--encrypt"], ["--encrypt"]):
        assert command("backup", "create", "--data", data, *more, key=KEY).code == 0
    plain, archive, sealed_archive, sealed = sorted((data / ".mediaos-migrate" / "backups").iterdir())
    plain.rename(plain.with_name("plain"))
    archive.rename(archive.with_name("archive.tar"))
    sealed_archive.rename(archive.with_name("sealed-archive.tar"))
    sealed.rename(archive.with_name("sealed"))
    return data


@pytest.fixture
def data(made, tmp_path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "config"))


def backups(data: Path) -> Path:
    return data / ".mediaos-migrate" / "backups"


def tree(folder: Path) -> dict[str, str]:
    """Everything under a folder, but for our own locks."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != "lock":
            size = path.stat().st_size
            found[str(path.relative_to(folder))] = (
                sha256(path.read_bytes()).hexdigest() if size < 1 << 30 else str(size)
            )
    return found


# --- manifests that lie


def retell(folder: Path, change: Callable[[dict], object]) -> None:
    """Change a manifest, and its digest with it."""
    path = folder / "manifest.json"
    told = json.loads(path.read_bytes())
    change(told)
    path.write_text(json.dumps(told))
    (folder / "manifest.sha256").write_text(sha256(path.read_bytes()).hexdigest() + "  manifest.json\n")


def naming(name: str) -> Callable[[Path], None]:
    """A manifest that has a file of another name, which is there, as far as it can be."""

    def attack(folder: Path) -> None:
        retell(folder, lambda told: told["files"][0].update(name=name))
        target = folder / name
        if not target.exists() and not Path(name).is_absolute():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(folder / "downloaders.json", target)

    return attack


def link(folder: Path) -> None:
    (folder / "users.json").rename(folder.parent / OUTSIDE)
    (folder / "users.json").symlink_to(folder.parent / OUTSIDE)


def hard_link(folder: Path) -> None:
    os.link(folder / "users.json", folder.parent / OUTSIDE)


def device(folder: Path) -> None:
    (folder / "users.json").unlink()
    os.mkfifo(folder / "users.json")


def itself(folder: Path) -> None:
    folder.rename(folder.parent / OUTSIDE)
    folder.symlink_to(folder.parent / OUTSIDE)


def swelling(folder: Path) -> None:
    with (folder / "users.json").open("r+b") as stream:
        stream.truncate(1 << 40)  # sparse: nothing on this disk, a terabyte to copy


def strange(folder: Path) -> None:
    (folder / "extra.json").write_text("{}")


def crowd(folder: Path) -> None:
    for number in range(120):
        (folder / f"{number}.json").touch()


def flipped(folder: Path) -> None:
    text = bytearray((folder / "users.json").read_bytes())
    text[100] ^= 1
    (folder / "users.json").write_bytes(text)


def retold(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_bytes(path.read_bytes().replace(b'"manual"', b'"mANUAL"'))


def huge_manifest(folder: Path) -> None:
    retell(folder, lambda told: told.update(reason="x" * (1 << 20)))


def bad_database(folder: Path) -> None:
    text = (folder / "mediaos.db").read_bytes()
    text = text[:8192] + bytes(8192) + text[16384:]
    (folder / "mediaos.db").write_bytes(text)
    retell(folder, lambda told: told["database"].update(sha256=sha256(text).hexdigest()))


def other_app(folder: Path) -> None:
    retell(folder, lambda told: told.update(app="shelf"))


def lies(what: str) -> str:
    return f"The backup is not to be believed: {what}."


FOLDERS = {
    "an absolute name": (naming("/nowhere/x"), lies("it names '/nowhere/x', which is no file of MediaOS")),
    "a name that climbs": (
        naming("../../users.json"),
        lies("it names '../../users.json', which is no file of MediaOS"),
    ),
    "a name in other letters": (naming("USERS.JSON"), lies("it names 'USERS.JSON', which is no file of MediaOS")),
    "our own marker": (naming("marker.json"), lies("it names 'marker.json', which is no file of MediaOS")),
    "an empty name": (
        lambda folder: retell(folder, lambda told: told["files"][0].update(name="")),
        lies("it names '', which is no file of MediaOS"),
    ),
    "a file twice": (
        lambda folder: retell(folder, lambda told: told["files"].append(told["files"][0])),
        lies("it names a file twice"),
    ),
    "present and missing": (
        lambda folder: retell(folder, lambda told: told["missing"].append("users.json")),
        lies("it names a file twice"),
    ),
    "missing that climbs": (
        lambda folder: retell(folder, lambda told: told["missing"].append("../../secret")),
        lies("it names '../../secret', which is no file of MediaOS"),
    ),
    "a database that climbs": (
        lambda folder: retell(folder, lambda told: told["database"].update(name="../mediaos.db")),
        lies("it calls the database '../mediaos.db'"),
    ),
    "a database called as a file": (
        lambda folder: retell(folder, lambda told: told["database"].update(name="users.json")),
        lies("it calls the database 'users.json'"),
    ),
    "a symbolic link": (link, lies("'users.json' in it is no plain file")),
    "a hard link": (hard_link, lies("'users.json' in it is no plain file")),
    "a device": (device, lies("'users.json' in it is no plain file")),
    "a folder inside": (lambda folder: (folder / "deep").mkdir(), lies("'deep' in it is no plain file")),
    "a link instead of a folder": (itself, lies("plain is no folder")),
    "a size that lies": (
        lambda folder: retell(folder, lambda told: told["files"][0].update(size=1)),
        lies("downloaders.json has another size"),
    ),
    "a negative size": (
        lambda folder: retell(folder, lambda told: told["files"][0].update(size=-1)),
        lies("its manifest cannot be read at files.0.size"),
    ),
    "a terabyte of nothing": (swelling, lies("users.json has another size")),
    "a file too many": (strange, lies("it holds 'extra.json', of which its manifest says nothing")),
    "a crowd": (crowd, lies("it holds more than 100 members")),
    "a file less": (lambda folder: (folder / "users.json").unlink(), lies("users.json is missing")),
    "a flipped bit": (flipped, lies("users.json is not as it was saved")),
    "another manifest": (retold, lies("its manifest is not the one that was written")),
    "no digest": (lambda folder: (folder / "manifest.sha256").unlink(), lies("manifest.sha256 is missing")),
    "a huge manifest": (huge_manifest, lies("manifest.json is too large")),
    "no JSON": (
        lambda folder: (
            (folder / "manifest.json").write_text("["),
            (folder / "manifest.sha256").write_text(sha256(b"[").hexdigest()),
        ),
        lies("its manifest cannot be read"),
    ),
    "a damaged database": (bad_database, None),
    "another app": (other_app, "The backup belongs to the app `shelf`."),
    "a newer format": (
        lambda folder: retell(folder, lambda told: told.update(format=2, tool_version="9")),
        "The backup was made by mediaos-migrate 9.",
    ),
    "an unknown stage": (
        lambda folder: retell(folder, lambda told: told.update(stages={"library": "beyond"})),
        lies("its manifest cannot be read at stages.library"),
    ),
}


def refused(data: Path, name: str, message: str | None) -> None:
    """Hold that a restore is refused, that nothing was written, and that `verify` finds it too."""
    before = tree(data)
    told = command("backup", "restore", name, "--yes", "--json", "--data", data, key=KEY)
    assert (told.code, tree(data)) == (4, before), told.out
    if message:
        assert told.json["error"]["message"] == message
    assert command("backup", "verify", name, "--data", data, key=KEY).code == 3
    assert tree(data) == before
    assert not (data / ".mediaos-migrate" / "restore.json").exists()


@pytest.mark.parametrize("attack", FOLDERS)
def test_a_folder_that_lies_is_refused(attack, data):
    act, message = FOLDERS[attack]
    act(backups(data) / "plain")
    refused(data, "plain", message)


# --- archives that lie


def entries(path: Path) -> list[tuple[tarfile.TarInfo, bytes]]:
    with tarfile.open(path) as archive:
        return [(info, archive.extractfile(info).read()) for info in archive]


def rebuild(path: Path, found: list[tuple[tarfile.TarInfo, bytes]], form: int = tarfile.GNU_FORMAT) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for info, content in found:
            archive.addfile(info, io.BytesIO(content) if info.isreg() else None)
    path.write_bytes(out.getvalue())


def adding(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> Callable[[Path], None]:
    def attack(path: Path) -> None:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, target
        rebuild(path, [*entries(path), (info, b"")])

    return attack


def instead(name: str) -> Callable[[Path], None]:
    """Another name for the first file."""

    def attack(path: Path) -> None:
        found = entries(path)
        found[2][0].name = name
        rebuild(path, found)

    return attack


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-2000])


def compressed(path: Path) -> None:
    import gzip

    path.write_bytes(gzip.compress(path.read_bytes()))


def boast(path: Path) -> None:
    """A header that says its file has a terabyte."""
    data = path.read_bytes()
    info = tarfile.TarInfo.frombuf(data[:512], "utf-8", "strict")
    info.size = 1 << 40
    path.write_bytes(info.tobuf(tarfile.GNU_FORMAT) + data[512:])


def behind(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"more")


def far_behind(path: Path) -> None:
    with path.open("r+b") as stream:
        stream.truncate(1 << 40)


def many(path: Path) -> None:
    found = entries(path)
    rebuild(path, [*found, *((tarfile.TarInfo(f"{n}.json"), b"") for n in range(200))])


def long_name(path: Path) -> None:
    found = entries(path)
    found[2][0].name = "x" * 300
    rebuild(path, found)


def extended(path: Path) -> None:
    found = entries(path)
    found[2][0].pax_headers = {"size": "9" * 20}
    rebuild(path, found, tarfile.PAX_FORMAT)


ARCHIVES = {
    "an absolute name": (instead("/nowhere/x"), lies("'/nowhere/x' leads out of it")),
    "a name that climbs": (instead("../../users.json"), lies("'../../users.json' leads out of it")),
    "a symbolic link": (adding("a", tarfile.SYMTYPE, "/etc"), lies("'a' in it is no plain file")),
    "a hard link": (adding("a", tarfile.LNKTYPE, "users.json"), lies("'a' in it is no plain file")),
    "a device": (adding("a", tarfile.CHRTYPE), lies("'a' in it is no plain file")),
    "a pipe": (adding("a", tarfile.FIFOTYPE), lies("'a' in it is no plain file")),
    "a folder": (adding("a", tarfile.DIRTYPE), lies("'a' in it is no plain file")),
    "a sparse file": (adding("a", tarfile.GNUTYPE_SPARSE), None),
    "a file twice": (adding("users.json"), lies("it holds 'users.json' twice")),
    "a file twice in other letters": (adding("Users.json"), lies("it holds 'Users.json' twice")),
    "a file too many": (adding("extra.json"), lies("it holds 'extra.json', of which its manifest says nothing")),
    "a crowd": (many, lies("it holds more than 100 members")),
    "cut short": (cut, None),
    "compressed": (compressed, lies("it is no archive of ours, or it was cut short")),
    "a size that lies": (boast, None),
    "something behind its end": (behind, lies("something stands behind its end")),
    "a terabyte behind its end": (far_behind, lies("something stands behind its end")),
    "a long name": (long_name, lies("'././@LongLink' in it is no plain file")),
    "an extended header": (extended, None),
    "no archive": (lambda path: path.write_bytes(b"x" * 1024), lies("it is no archive of ours, or it was cut short")),
    "empty": (lambda path: path.write_bytes(b""), lies("it is no archive of ours, or it was cut short")),
}


@pytest.mark.parametrize("attack", ARCHIVES)
def test_an_archive_that_lies_is_refused(attack, data):
    act, message = ARCHIVES[attack]
    act(backups(data) / "archive.tar")
    refused(data, "archive", message)


# --- sealed backups that were changed


def resealed(folder: Path, change: Callable[[Path], None]) -> None:
    """Change a sealed backup, and let its manifest tell the new sizes and digests: who lacks the key can do that."""
    change(folder)

    def tell(told: dict) -> None:
        for held in [*told["files"], told["database"]]:
            content = (folder / f"{held['name']}.sealed").read_bytes()
            held.update(size=len(content), sha256=sha256(content).hexdigest())

    retell(folder, tell)


def swap(folder: Path) -> None:
    (folder / "users.json.sealed").rename(folder / "x")
    (folder / "quality.json.sealed").rename(folder / "users.json.sealed")
    (folder / "x").rename(folder / "quality.json.sealed")


def shorten(folder: Path) -> None:
    path = folder / "mediaos.db.sealed"
    path.write_bytes(path.read_bytes()[: 72 + (1 << 20) + 16])


SEALED = {
    "two files swapped": swap,
    "chunks cut off": shorten,
    "a header only": lambda f: (f / "users.json.sealed").write_bytes((f / "users.json.sealed").read_bytes()[:72]),
    "plain instead": lambda f: (f / "users.json.sealed").write_bytes(b"{}"),
}


@pytest.mark.parametrize("attack", SEALED)
def test_a_sealed_backup_that_was_changed_is_refused(attack, data):
    resealed(backups(data) / "sealed", SEALED[attack])
    refused(data, "sealed", lies("its manifest is not the one that was sealed"))


@pytest.mark.parametrize("name", ["sealed", "sealed-archive"])
def test_a_sealed_backup_opens_with_its_own_key_only(name, data):
    before = tree(data)
    other = command(
        "backup", "restore", name, "--yes", "--data", data, key="another-key-of-more-than-thirty-two-characters"
    )
    none = command("backup", "restore", name, "--yes", "--data", data)
    assert (other.code, none.code, tree(data)) == (4, 4, before)
    assert command("backup", "verify", name, "--data", data).code == 5
    assert command("backup", "verify", name, "--data", data, key=KEY).code == 0


def test_nothing_of_a_sealed_backup_can_be_read_without_its_key(data):
    secrets = [b"Ninth Ferry", b"SQLite format 3", b"prowlarr"]
    for path in [backups(data) / "sealed-archive.tar", *(backups(data) / "sealed").iterdir()]:
        assert not [word for word in secrets if word in path.read_bytes()]


def test_what_is_good_is_not_refused(data):
    (data / "users.json").unlink()
    for name in ("plain", "archive", "sealed", "sealed-archive"):
        assert command("backup", "restore", name, "--yes", "--data", data, key=KEY).code == 0
    assert (data / "users.json").read_bytes() == (FIXTURES / "mediaos" / "users.json").read_bytes()
