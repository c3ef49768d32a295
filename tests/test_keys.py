"""Keys: which one is the site's, what it opens, sealing what is plain, and changing the key for good."""

import json
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from conftest import FIXTURES, KEY, clean_environment
from hypothesis import given, settings
from hypothesis import strategies as st
from inside import OTHER_KEY, command

from mediaos_migrate.pack import Hidden
from mediaos_migrate.secrets import Vault
from mediaos_migrate.stores.tokens import retold


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
    ["keys", "seal", "--yes"],
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


# ── check ──


def checked(folder, key=KEY, *more):
    return command("keys", "check", *more, "--data", folder, "--json", key=key)


def counts(folder, key=KEY):
    """Return how secrets stand: by document, home and member, what is not 0."""
    told = checked(folder, key).json["secrets"]
    return {
        (item["document"], item["home"], item["member"]): {
            state: item[state] for state in STATES if state != "hash" and item[state]
        }
        for item in told
        if not item["hash"]
    }


STATES = ("opens", "sealed_here", "plain", "hash", "unopened", "untried")


@pytest.mark.parametrize(("key", "code"), [(KEY, 0), (OTHER_KEY, 3), (None, 5)])
def test_checking_says_whether_every_secret_opens_and_touches_nothing(migrated, key, code):
    before = state_of(migrated)
    assert checked(migrated, key).code == code
    assert state_of(migrated) == before


def test_checking_counts_by_document_home_and_member(migrated):
    told = {(i["document"], i["home"], i["member"]): i for i in checked(migrated).json["secrets"]}
    file, table = told["indexers", "file", "apiKey"], told["indexers", "table", "apiKey"]
    assert [file[state] for state in STATES] == [1, 0, 1, 0, 0, 0]
    assert [table[state] for state in STATES] == [1, 1, 0, 0, 0, 0]
    assert file["keys"] == {"plain": ["p9o6l3k1j8h"], "unopened": [], "untried": []}
    assert told["users", "file", "passwordHash"]["hash"] == 6


def test_checking_works_before_there_is_a_database(tmp_path):
    folder = Path(shutil.copytree(FIXTURES / "mediaos", tmp_path / "config"))
    assert checked(folder).code == 0
    assert {item["home"] for item in checked(folder).json["secrets"]} == {"file"}


def test_only_the_documents_that_are_named_are_checked(migrated):
    assert {i["document"] for i in checked(migrated, KEY, "indexers").json["secrets"]} == {"indexers"}


def test_one_that_looks_sealed_and_does_not_open_is_named(migrated):
    change(migrated, "downloaders", lambda d: d["qbittorrent"].update(password=Vault(OTHER_KEY).seal("lost")))
    done = checked(migrated)
    (item,) = [i for i in done.json["secrets"] if i["unopened"]]
    assert (done.code, item["home"], item["member"], item["keys"]["unopened"]) == (
        3,
        "file",
        "password",
        ["qbittorrent"],
    )


# ── seal ──

CANARY = "c4n4ry-"


def change(folder, name, edit):
    file = folder / f"{name}.json"
    value = json.loads(file.read_text(encoding="utf-8"))
    edit(value)
    file.write_text(json.dumps(value, indent=2, ensure_ascii=False), encoding="utf-8")


def plainly(folder):
    """Put clear text where the app opens sealed values, and where it does not."""
    change(folder, "downloaders", lambda d: d["qbittorrent"].update(password=f"{CANARY}password"))
    change(folder, "indexers", lambda d: d["prowlarr"].update(apiKey=f"{CANARY}prowlarr-ü"))
    change(folder, "indexers", lambda d: d["indexers"].append({"name": "No id", "apiKey": f"{CANARY}lost"}))
    sealed = Vault(KEY).seal(f"{CANARY}held")
    change(folder, "indexers", lambda d: d["indexers"].append({"name": "No id either", "apiKey": sealed}))
    change(folder, "settings", lambda d: d.update(openSubtitlesApiKey=f"{CANARY}subtitles"))


@pytest.fixture(scope="module")
def at_stages(tmp_path_factory):
    """Sites with clear text, one at each stage, made when they are asked for."""
    made = {}

    def template(stage):
        if stage not in made:
            folder = made[stage] = Path(shutil.copytree(FIXTURES / "mediaos", tmp_path_factory.mktemp("at") / "config"))
            plainly(folder)
            assert command("migrate", "--data", folder, key=KEY).code == 0
            for name in ("downloaders", "indexers", "settings"):
                words = ["stage", "advance", name, "--to", stage, "--policy", "ci", "--host-reads-database"]
                assert stage == "off" or command(*words, "--data", folder, key=KEY).code == 0
        return made[stage]

    return template


@pytest.fixture(params=["off", "shadow", "live", "complete"])
def staged(request, at_stages, tmp_path):
    folder = Path(shutil.copytree(at_stages(request.param), tmp_path / "config"))
    return request.param, folder


def run_ok(*words, key=KEY):
    done = command(*words, key=key)
    assert done.code == 0, done.err
    assert CANARY not in done.out + done.err
    return done


def test_sealing_seals_what_the_app_opens_in_both_homes(staged):
    stage, folder = staged
    before = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")}
    run_ok("keys", "seal", "--yes", "--data", folder)
    found = counts(folder)
    assert found["downloaders", "table", "password"] == {"opens": 1}
    assert found["indexers", "table", "apiKey"] == {"opens": 1, "sealed_here": 1}
    assert found["settings", "table", "openSubtitlesApiKey"] == {"sealed_here": 1}
    assert found["indexers", "quarantine", "(raw text)"] == {"sealed_here": 2}
    if stage != "complete":
        assert found["downloaders", "file", "password"] == {"opens": 1}
        sealed = json.loads((folder / "indexers.json").read_text(encoding="utf-8"))["prowlarr"]["apiKey"]
        assert Vault(KEY).open(sealed) == f"{CANARY}prowlarr-ü"
        old = before["indexers.json"].replace(f"{CANARY}prowlarr-ü", sealed)
        assert (folder / "indexers.json").read_text(encoding="utf-8") == old
        assert run_ok("validate", "--data", folder).code == 0
    assert (folder / "settings.json").read_text(encoding="utf-8") == before["settings.json"]


def test_sealing_twice_does_nothing_more(staged):
    _, folder = staged
    run_ok("keys", "seal", "--yes", "--data", folder)
    before = {path: path.read_bytes() for path in folder.glob("*.json")}
    assert json.loads(run_ok("keys", "seal", "--yes", "--json", "--data", folder).out)["planned"] == []
    assert {path: path.read_bytes() for path in folder.glob("*.json")} == before


def test_what_was_truly_sealed_is_exported_sealed_and_the_rest_plain(at_stages, tmp_path):
    folder = Path(shutil.copytree(at_stages("off"), tmp_path / "config"))
    run_ok("keys", "seal", "--yes", "--data", folder)
    run_ok("export", "--to", tmp_path / "out", "--data", folder)
    for name in ("downloaders", "indexers", "settings"):
        assert (tmp_path / "out" / f"{name}.json").read_bytes() == (folder / f"{name}.json").read_bytes()


def test_sealing_asks_first_and_needs_a_key(migrated):
    assert command("keys", "seal", "--data", migrated).code == 4
    plainly(migrated)
    assert command("keys", "seal", "--data", migrated, key=KEY).code == 2
    assert CANARY in (migrated / "downloaders.json").read_text()


KILLS = [
    ("off", "reseal.intended"),
    ("off", "reseal.put"),
    ("off", "reseal.committed"),
    ("live", "reseal.committed"),
    ("live", "mirror.put"),
    ("live", "sealed"),
]


@pytest.mark.parametrize(("stage", "at"), KILLS)
def test_sealing_that_was_killed_is_completed_by_the_next(at_stages, tmp_path, stage, at):
    folder = Path(shutil.copytree(at_stages(stage), tmp_path / "config"))
    words = ["keys", "seal", "--yes", "--data", str(folder)]
    killed(words, f"{at}:1")
    run_ok(*words)
    assert counts(folder)["downloaders", "file", "password"] == {"opens": 1}
    assert counts(folder)["indexers", "table", "apiKey"] == {"opens": 1, "sealed_here": 1}
    assert run_ok("validate", "--data", folder).code == 0


@given(value=st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
@settings(deadline=None)
def test_changing_secrets_in_text_leaves_every_other_byte(value):
    text = json.dumps({"a": value, "p": "plain", "b": {"p": [value, "x"]}, "é": value}, indent=1)
    hidden = [(("p",), Hidden(at=("p",))), (("b", "p", "*"), Hidden(at=("b", "p", "*")))]
    told, count = retold(text, hidden, lambda found, _: "SEALED" if found in ("plain", "x") else None)
    want = {"a": value, "p": "SEALED", "b": {"p": [swapped(value), "SEALED"]}, "é": value}
    assert (told, count >= 2) == (json.dumps(want, indent=1), True)


def swapped(value):
    return "SEALED" if value in ("plain", "x") else value


# ── rotate ──


@pytest.fixture
def new_key(tmp_path):
    file = tmp_path / "new.key"
    file.write_text(OTHER_KEY + "\n")
    file.chmod(0o600)
    return file


def all_fresh(folder):
    """Tell whether all secrets open with the new key, and none is sealed with the old one."""
    told = checked(folder, OTHER_KEY)
    return (told.code, told.json["key"]) == (0, {"given": True, "current": True, "rotating": False})


def test_after_a_rotation_everything_opens_with_the_new_key_only(staged, new_key):
    stage, folder = staged
    before = counts(folder)
    run_ok("keys", "rotate", "--yes", "--new-key-file", new_key, "--data", folder)
    assert all_fresh(folder)
    assert counts(folder, OTHER_KEY) == before
    if stage != "complete":
        run_ok("validate", "--data", folder, key=OTHER_KEY)
        sealed = json.loads((folder / "downloaders.json").read_text(encoding="utf-8"))["sabnzbd"]["apiKey"]
        assert Vault(OTHER_KEY).open(sealed) == "5ca1ab1e0ddba11c0de5ca1ab1e0ddba"
    assert command("migrate", "--data", folder, key=KEY).code == 4


def test_a_rotation_there_and_back_exports_what_was_there(migrated, new_key, tmp_path):
    old = tmp_path / "old.key"
    old.write_text(KEY)
    old.chmod(0o600)
    run_ok("keys", "rotate", "--yes", "--new-key-file", new_key, "--data", migrated)
    run_ok("keys", "rotate", "--yes", "--new-key-file", old, "--data", migrated, key=OTHER_KEY)
    assert checked(migrated).code == 0
    assert {path.name: open_all(path) for path in migrated.glob("*.json")} == {
        path.name: open_all(path) for path in (FIXTURES / "mediaos").glob("*.json")
    }


def open_all(file):
    return re.sub(r'"[\w+/]{87,}=*"', lambda m: Vault(KEY).open(m[0].strip('"')) or m[0], file.read_text("utf-8"))


STEPS = [
    "rotate.begun",
    "reseal.intended:2",
    "reseal.put:2",
    "import.written:1",
    "import.committed:1",
    "recovered:1",
    "reseal.written:2",
    "reseal.committed:2",
    "rotate.document:1",
    "rotate.document:2",
    "rotate.ended",
]
TABLE_STEPS = ["reseal.written:2", "reseal.committed:1", "mirror.intended:1", "mirror.put:2", "mirror.settled:1"]
CRASHES = [("off", at) for at in STEPS] + [("live", at) for at in TABLE_STEPS] + [("complete", "reseal.committed:2")]


@pytest.mark.parametrize(("stage", "at"), CRASHES)
def test_a_rotation_that_was_killed_is_completed_by_the_next(at_stages, new_key, tmp_path, stage, at):
    folder = Path(shutil.copytree(at_stages(stage), tmp_path / "config"))
    words = ["keys", "rotate", "--yes", "--new-key-file", str(new_key), "--data", str(folder)]
    killed(words, at)
    for key in (KEY, OTHER_KEY):  # neither is refused until it is done, though neither opens everything
        assert command("migrate", "--data", folder, key=key).code in ((4, 0) if at == "rotate.ended" else (0, 3, 5))
    run_ok(*words)
    assert all_fresh(folder)
    if stage != "complete":
        run_ok("validate", "--data", folder, key=OTHER_KEY)


def killed(words, at):
    env = clean_environment(ENCRYPTION_KEY=KEY, MEDIAOS_MIGRATE_CRASH_AT=at)
    done = subprocess.run([sys.executable, "-m", "mediaos_migrate", *words], env=env, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr


def test_a_file_that_was_put_back_meanwhile_is_sealed_anew_as_well(at_stages, new_key, tmp_path):
    folder = Path(shutil.copytree(at_stages("off"), tmp_path / "config"))
    old = (folder / "downloaders.json").read_bytes()
    words = ["keys", "rotate", "--yes", "--new-key-file", str(new_key), "--data", str(folder)]
    killed(words, "rotate.document:2")
    (folder / "downloaders.json").write_bytes(old)
    assert json.loads(run_ok(*words, "--json").out)["resumed"] is True
    assert all_fresh(folder)


def test_a_rotation_under_way_leads_to_one_key_only(at_stages, new_key, tmp_path):
    folder = Path(shutil.copytree(at_stages("off"), tmp_path / "config"))
    words = ["keys", "rotate", "--yes", "--new-key-file", str(new_key), "--data", str(folder)]
    killed(words, "rotate.document:1")
    new_key.write_text("a-third-key-of-more-than-thirty-two-characters")
    assert command(*words, key=KEY).code == 4
    assert command("keys", "seal", "--yes", "--data", folder, key=KEY).code == 4


def test_a_secret_that_opens_with_neither_key_stops_everything(migrated, new_key):
    lost = Vault("a-third-key-of-more-than-thirty-two-characters").seal("lost")
    change(migrated, "downloaders", lambda d: d["qbittorrent"].update(password=lost))
    before = {path: data for path, data in state_of(migrated).items() if path.suffix == ".json"}
    words = ["keys", "rotate", "--yes", "--new-key-file", new_key, "--data", migrated]
    done = command(*words, "--json", key=KEY)
    told = done.json["error"]["secrets"]
    assert (done.code, told) == (
        4,
        [{"document": "downloaders", "home": "file", "key": ["qbittorrent"], "member": "password"}],
    )
    assert {path: data for path, data in state_of(migrated).items() if path.suffix == ".json"} == before
    assert rows(migrated, "SELECT role FROM _mm_keys") == [("current",)]


def test_a_new_key_that_others_can_read_is_refused(migrated, new_key):
    new_key.chmod(0o640)
    done = command("keys", "rotate", "--yes", "--new-key-file", new_key, "--data", migrated, key=KEY)
    assert (done.code, f"chmod 600 {new_key}" in done.err) == (4, True)


@pytest.mark.parametrize(("key", "code"), [(None, 4), (OTHER_KEY, 2), ("x" * 40, 4)], ids=["none", "the new", "wrong"])
def test_a_rotation_needs_the_old_key(migrated, new_key, key, code):
    assert command("keys", "rotate", "--yes", "--new-key-file", new_key, "--data", migrated, key=key).code == code


def test_a_key_comes_from_standard_input(migrated):
    done = subprocess.run(
        [sys.executable, "-m", "mediaos_migrate", "keys", "check", "--key-file", "-", "--data", migrated],
        input=KEY + "\n",
        env=clean_environment(),
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_torn_file_whose_secrets_would_have_to_change_is_refused(tmp_path, new_key):
    folder = Path(shutil.copytree(FIXTURES / "mediaos", tmp_path / "config"))
    file = folder / "indexers.json"
    file.write_bytes(file.read_bytes()[:-40])
    assert command("migrate", "--salvage", "--data", folder, key=KEY).code == 0
    before = file.read_bytes()
    assert checked(folder).code == 0
    done = command("keys", "rotate", "--yes", "--new-key-file", new_key, "--data", folder, key=KEY)
    assert (done.code, "indexers" in done.err, file.read_bytes() == before) == (4, True, True)
    assert rows(folder, "SELECT role FROM _mm_keys") == [("current",)]
