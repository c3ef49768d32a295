"""The sample folders beside the repository behave as their README says; skipped where they are not at hand."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from conftest import KEY
from inside import OTHER_KEY, command

SAMPLES = Path(__file__).parents[2] / "shared" / "samples"
SEALED_WITH = "mediaos-other-fixture-key-fedcba9876543210"  # the wrong-key fixture

pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason="the samples are not beside the repository")


def copy(tmp_path, name):
    return shutil.copytree(SAMPLES / name, tmp_path / "config", copy_function=shutil.copyfile)


def sample(tmp_path, folder, name):
    made = tmp_path / "config"
    made.mkdir()
    document = name.split(".")[0]
    shutil.copyfile(SAMPLES / folder / name, made / f"{document}.json")
    return made, document


def ask(folder, question):
    with closing(sqlite3.connect(folder / "mediaos.db")) as connection:
        return connection.execute(question).fetchall()


def exported(folder, key=None):
    told = command("export", "--to", folder.parent / "out", "--data", folder, key=key)
    assert told.code == 0, told.err
    return {path.name: path.read_bytes() for path in (folder.parent / "out").iterdir()}


def files(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.json")}


@pytest.mark.parametrize("key", [None, KEY, OTHER_KEY], ids=["no key", "the key", "another key"])
@pytest.mark.parametrize("name", ["mediaos", "mediaos-clean", "mediaos-v0.3", "mediaos-empty"])
def test_a_folder_goes_there_and_back(tmp_path, name, key):
    folder = copy(tmp_path, name)
    assert command("rehearse", "--data", folder, key=key).code == 0
    assert command("migrate", "--data", folder, key=key).code == 0
    assert command("validate", "--data", folder, key=key).code == 0
    assert command("migrate", "--data", folder, "--json", key=key).json["changed"] is False
    assert exported(folder, key) == files(folder)


def test_every_file_of_the_app_is_carried(tmp_path):
    folder = copy(tmp_path, "mediaos")
    told = command("migrate", "--data", folder, "--json").json
    assert {item["file"] for item in told["documents"] if item["state"] == "present"} == set(files(folder))
    assert (len(files(folder)), told["unmapped"]) == (15, [])


def test_the_clean_folder_fits_the_plan_without_conflict(tmp_path):
    told = command("migrate", "--data", copy(tmp_path, "mediaos-clean"), "--json", key=KEY).json
    assert [(item["anomalies"], item["quarantined"]) for item in told["documents"]] == [([], 0)] * 15


# ── awkward records: what is asked of the database, and the answer ──

AWKWARD = {
    "accounts that differ in case are both kept, in the order of the file": (
        "SELECT count(*), count(DISTINCT email), count(DISTINCT email_key) FROM users WHERE email LIKE 'pat@%'",
        [(2, 2, 1)],
    ),
    "an address is lower-cased beyond ASCII": (
        "SELECT email_key LIKE 'ünal@%' FROM users WHERE email LIKE 'ÜNAL@%'",
        [(1,)],
    ),
    "the key is the name in the map, and another id stays": (
        "SELECT extra LIKE '%_mismatch\"%' FROM users WHERE id LIKE '%\\_realkeyxx' ESCAPE '\\'",
        [(1,)],
    ),
    "unknown members of an account are kept": (
        "SELECT count(*) FROM users WHERE extra LIKE '%displayName%' OR extra LIKE '%preferences%'",
        [(1,)],
    ),
    "an account without a last login is accepted": (
        "SELECT last_login_at FROM users WHERE id LIKE '%\\_7x' ESCAPE '\\'",
        [(None,)],
    ),
    "titles that differ in case or kind are three rows": (
        "SELECT kind, title FROM library_items WHERE title_key = 'dune' ORDER BY position",
        [("movie", "Dune"), ("movie", "dune"), ("book", "Dune")],
    ),
    "one title of two kinds is no conflict": (
        "SELECT kind FROM library_items WHERE title = 'Fargo' ORDER BY kind",
        [("movie",), ("series",)],
    ),
    "titles are not normalised": (
        "SELECT count(*), count(DISTINCT title) FROM library_items WHERE title LIKE 'Am%lie'",
        [(2, 2)],
    ),
    "blanks and empty titles are kept": (
        "SELECT count(*) FROM library_items WHERE title = '' OR title = 'Andor '",
        [(2,)],
    ),
    "no time is read from an id that has none": (
        "SELECT created_hint FROM library_items WHERE id = 'tt1375666' OR id LIKE 'urn:%'",
        [(None,), (None,)],
    ),
    "the largest exact number is kept": (
        "SELECT count(*) FROM library_items WHERE file_size = 9007199254740991",
        [(1,)],
    ),
    "null stays apart from absent": (
        "SELECT poster_url, extra -> 'posterUrl' FROM library_items WHERE extra LIKE '%\"posterUrl\":null%'",
        [(None, "null")],
    ),
    "an unknown kind is kept": ("SELECT count(*) FROM library_items WHERE kind = 'audiobook'", [(1,)]),
    "a client that is off needs no address": (
        "SELECT enabled, base_url FROM downloaders WHERE client_type = 'nzbget'",
        [(0, None)],
    ),
    "a timeout of 0 and a category in any script are kept": (
        "SELECT timeout_ms, category FROM downloaders WHERE timeout_ms = 0",
        [(0, "tv-日本")],
    ),
    "an unknown client is kept": ("SELECT count(*) FROM downloaders WHERE client_type = 'transmission'", [(1,)]),
    "services are no indexers": (
        "SELECT name FROM indexer_sources ORDER BY position",
        [("prowlarr",), ("jackett",)],
    ),
    "both is a protocol, and a plain key is called plain": (
        "SELECT type, encrypted_api_key_state FROM indexers WHERE type = 'both'",
        [("both", "plain")],
    ),
    "an indexer needs no address": ("SELECT count(*) FROM indexers WHERE base_url IS NULL", [(6,)]),
    "an indexer may share its name": ("SELECT count(*) FROM indexers WHERE name = 'My Tracker'", [(2,)]),
    "one id of two kinds is two rows": (
        "SELECT kind FROM wanted_items WHERE id = '42' ORDER BY position",
        [("movie",), ("series",)],
    ),
    "what leads nowhere has no link": ("SELECT count(*) FROM wanted_items WHERE library_item_id IS NULL", [(6,)]),
    "ids differ by case": (
        "SELECT id FROM wanted_items WHERE id LIKE 'gone-item' ORDER BY position",
        [("gone-item",), ("Gone-Item",)],
    ),
    "unknown members of a wanted item are kept": (
        "SELECT count(*) FROM wanted_items WHERE extra LIKE '%note%' AND extra LIKE '%qualityProfileId%'",
        [(1,)],
    ),
    "the older settings have their own table": ("SELECT count(*) FROM legacy_quality", [(5,)]),
    "two profiles have one name": ("SELECT count(*) FROM quality_profiles WHERE name = 'New Profile'", [(2,)]),
    "half a megabyte and no qualities are kept": (
        "SELECT count(*) FROM quality_profiles WHERE min_size = 0.5",
        [(1,)],
    ),
    "all results are kept": ("SELECT count(*) FROM verify_results", [(7,)]),
    "twins of a result are two": (
        "SELECT count(*) FROM verify_results a JOIN verify_results b ON b.map_key = replace(a.map_key, 'movie:', 'movies:')"
        " WHERE a.map_key LIKE 'movie:%'",
        [(1,)],
    ),
    "all grabs are kept, also the one whose key is a colon": (
        "SELECT count(*), sum(map_key = ':') FROM grabs",
        [(8, 1)],
    ),
    "settings are kept whole": (
        "SELECT body ->> 'uiScale' IS NOT NULL, secret_state FROM config_documents WHERE name = 'settings'",
        [(1, '{"/openSubtitlesApiKey":"plain"}')],
    ),
}


@pytest.fixture(scope="module")
def awkward(tmp_path_factory):
    folder = copy(tmp_path_factory.mktemp("awkward"), "mediaos")
    assert command("migrate", "--data", folder).code == 0
    return folder


@pytest.mark.parametrize("case", AWKWARD)
def test_an_awkward_record_is_imported_without_loss(awkward, case):
    question, answer = AWKWARD[case]
    assert ask(awkward, question) == answer


def test_what_breaks_a_rule_of_the_app_is_reported(awkward):
    told = command("doctor", "--data", awkward, "--json").json["documents"]
    found = {(item["document"], anomaly["rule"]) for item in told for anomaly in item["anomalies"]}
    assert found >= {
        ("users", "duplicate-email"),
        ("users", "key-differs"),
        ("library", "duplicate-title"),
        ("library", "unknown-kind"),
        ("indexers", "plaintext-secret"),
        ("indexers", "duplicate-name"),
        ("settings", "plaintext-secret"),
        ("wanted", "not-in-library"),
        ("wanted", "mixed-kinds"),
        ("quality-profiles", "duplicate-name"),
        ("verify-results", "mixed-kinds"),
    }


def test_of_three_equal_titles_only_the_pair_of_one_kind_is_reported(awkward):
    library = next(
        item
        for item in command("doctor", "--data", awkward, "--json").json["documents"]
        if item["document"] == "library"
    )
    titles = [anomaly["key"] for anomaly in library["anomalies"] if anomaly["rule"] == "duplicate-title"]
    assert len(titles) == 2


# ── present and empty is not missing ──


def test_empty_files_stay_empty_and_missing_ones_missing(tmp_path):
    folder = copy(tmp_path, "mediaos-empty")
    told = command("migrate", "--data", folder, "--json").json
    states = {item["document"]: item["state"] for item in told["documents"]}
    assert [name for name, state in states.items() if state == "present"] == ["users", "library", "quality-profiles"]
    assert exported(folder) == files(folder)


def test_an_early_install_has_no_accounts(tmp_path):
    folder = copy(tmp_path, "mediaos-v0.3")
    command("migrate", "--data", folder)
    missing = {name for (name,) in ask(folder, "SELECT document FROM _mm_documents WHERE state = 'missing'")}
    assert missing >= {"users", "settings"}
    assert "users.json" not in exported(folder)


# ── credentials, each under its real name: without a key, and with one ──

CREDENTIALS = {
    "downloaders.plaintext.json": (
        {"/password": "plain", "/apiKey": "plain"},
        {"/password": "sealed-here", "/apiKey": "sealed-here"},
    ),
    "downloaders.legacy-partial.json": (
        {"/password": "plain", "/apiKey": "plain"},
        {"/password": "sealed-here", "/apiKey": "sealed-here"},
    ),
    "downloaders.long-plaintext-password.json": ({"/password": "looks-sealed"}, {"/password": "looks-sealed"}),
    "downloaders.wrong-key.json": ({"/password": "looks-sealed"}, {"/password": "looks-sealed"}),
    "downloaders.sab-key-lost.json": ({}, {}),
    "metadata.tmdb-v4-plaintext.json": ({"/tmdb/apiKey": "looks-sealed"}, {"/tmdb/apiKey": "looks-sealed"}),
}


@pytest.mark.parametrize("key", [None, KEY], ids=["no key", "the key"])
@pytest.mark.parametrize("name", CREDENTIALS)
def test_credentials_are_classified_and_come_back(tmp_path, name, key):
    folder, document = sample(tmp_path, "mediaos-credentials", name)
    assert command("migrate", "--data", folder, key=key).code == 0
    table = "downloaders" if document == "downloaders" else "config_documents"
    states = {}
    for (text,) in ask(folder, f"SELECT secret_state FROM {table} WHERE secret_state IS NOT NULL"):
        states |= json.loads(text)
    assert states == CREDENTIALS[name][key is not None]
    assert exported(folder, key) == files(folder)


def test_every_sample_of_credentials_has_a_case():
    assert {path.name for path in (SAMPLES / "mediaos-credentials").iterdir()} == set(CREDENTIALS)


@pytest.mark.parametrize("name", ["downloaders.wrong-key.json", "downloaders.long-plaintext-password.json"])
def test_a_value_that_the_key_does_not_open_is_reported_loudly(tmp_path, name):
    folder, document = sample(tmp_path, "mediaos-credentials", name)
    told = command("migrate", "--data", folder, "--json", key=KEY)
    assert [found["rule"] for found in told.document(document)["anomalies"]] == ["unopened-secret"]


def test_the_key_it_was_sealed_with_opens_it(tmp_path):
    folder, _ = sample(tmp_path, "mediaos-credentials", "downloaders.wrong-key.json")
    told = command("doctor", "--data", folder, "--json", key=SEALED_WITH).json["key"]
    assert told == {"given": True, "looks-sealed": 1, "opened": 1, "plain": 0, "fits": True}


# ── damage, each under its real name: what is found, and what salvage takes ──

DAMAGED = {  # None: salvage is of no use either; else read, inserted, quarantined
    "library.zero-byte.json": ("empty", None),
    "library.truncated.json": ("truncated", (11, 10, 1)),
    "library.tail-garbage.json": ("trailing", (3, 2, 1)),
    "library.bom.json": ("bom", (18, 18, 0)),
    "library.bare-array.json": ("wrong-container", None),
    "library.items-null.json": ("wrong-container", None),
    "users.null.json": ("wrong-container", None),
    "users.array.json": ("wrong-container", None),
    "library.latin1.json": ("not-utf8", (1, 0, 1)),
    "library.duplicate-keys.json": ("duplicate", (1, 0, 1)),
    "library.race-A-extra-brace.json": ("trailing", (102, 101, 1)),
    "library.race-B-old-tail.json": ("trailing", (2, 1, 1)),
}
LOADS = {  # read, inserted, quarantined
    "library.lone-surrogate.json": (1, 1, 0),
    "library.nul-in-title.json": (1, 1, 0),
    "library.items-not-objects.json": (5, 1, 4),
    "wanted.duplicate-composite.json": (2, 1, 1),
    "wanted.odd-timestamps.json": (6, 6, 0),
}


def books(told, document):
    found = told.document(document)
    return (found["read"], found["inserted"], found["quarantined"])


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_refused_with_its_place(tmp_path, name):
    folder, document = sample(tmp_path, "mediaos-damaged", name)
    before = sorted(folder.rglob("*"))
    for words in ("migrate", "rehearse", "doctor"):
        assert command(words, "--data", folder).code == 4
    error = command("migrate", "--data", folder, "--json").json["error"]
    assert (error["type"], error["kind"], error["document"]) == ("Damaged", DAMAGED[name][0], document)
    assert error["message"].startswith(f"{document}.json ")
    assert f"line {error['line']}, column {error['column']}" in error["message"]
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("name", DAMAGED)
def test_salvage_takes_what_is_whole(tmp_path, name):
    folder, document = sample(tmp_path, "mediaos-damaged", name)
    told = command("migrate", "--salvage", "--data", folder, "--json")
    if DAMAGED[name][1] is None:
        assert told.code == 4
    else:
        assert (told.code, books(told, document)) == (0, DAMAGED[name][1])


@pytest.mark.parametrize("name", LOADS)
def test_what_the_app_can_load_is_imported_and_comes_back(tmp_path, name):
    folder, document = sample(tmp_path, "mediaos-damaged", name)
    told = command("migrate", "--data", folder, "--json")
    assert (told.code, books(told, document)) == (0, LOADS[name])
    assert exported(folder) == files(folder)


def test_every_sample_of_damage_has_a_case():
    assert {path.name for path in (SAMPLES / "mediaos-damaged").iterdir()} == {*DAMAGED, *LOADS}


# ── one install, seen through two folders ──


@pytest.mark.parametrize("name", ["app-config", "CONFIG_DIR"])
def test_two_folders_of_one_install_are_never_guessed_between(tmp_path, name):
    place = copy(tmp_path, "mediaos-split")
    told = command("migrate", "--data", place / name, "--json")
    assert (told.code, told.json["error"]["type"]) == (4, "SeveralFolders")
    assert {Path(folder).name for folder in told.json["error"]["folders"]} == {"app-config", "CONFIG_DIR"}


def test_one_of_the_two_folders_can_be_chosen(tmp_path):
    folder = copy(tmp_path, "mediaos-split") / "app-config"
    assert command("migrate", "--accept-data", "--data", folder).code == 0
    assert exported(folder) == files(folder)
