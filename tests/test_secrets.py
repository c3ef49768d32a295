"""Credentials: the app's envelope, when we seal, and what can be told without the key."""

import base64
import json
import shutil
import sqlite3
from contextlib import closing

import pytest
from conftest import FIXTURES, KEY
from hypothesis import given, settings
from hypothesis import strategies as st
from inside import OTHER_KEY, SHELF, command

from mediaos_migrate import pack
from mediaos_migrate.secrets import LOOKS_SEALED, PLAIN, SEALED, Vault, has_credential, looks_sealed

# Sealed by the app's own code: label -> (file, path, what it hides).
VECTORS = {
    "qbittorrent": ("downloaders.json", ("qbittorrent", "password"), "schlüssel-⚓-1907"),
    "sabnzbd": ("downloaders.json", ("sabnzbd", "apiKey"), "5ca1ab1e0ddba11c0de5ca1ab1e0ddba"),
    "prowlarr": ("indexers.json", ("prowlarr", "apiKey"), "badcab1efadedace0123456789abcdef"),
    "tmdb": ("metadata.json", ("tmdb", "apiKey"), "f00d5eed0c0ffee11dea15badd1ec0de"),
}
PLAIN_KEY = "invented-subtitle-key-7781"


@pytest.fixture(scope="module")
def vault():
    return Vault(KEY)


@pytest.fixture
def folder(tmp_path):
    """An empty data folder: what lies in it is up to the test."""
    made = tmp_path / "config"
    made.mkdir()
    return made


def put(folder, **documents):
    for name, value in documents.items():
        (folder / f"{name}.json").write_text(json.dumps(value, indent=2, ensure_ascii=False), encoding="utf-8")


def rows(folder, sql):
    with closing(sqlite3.connect(f"file:{folder / 'mediaos.db'}?mode=ro", uri=True)) as connection:
        return connection.execute(sql).fetchall()


def row(folder, sql):
    return rows(folder, sql)[0]


def exported(folder, key=None):
    to = folder.parent / "exported"
    assert command("export", "--to", to, "--data", folder, key=key).code == 0
    return {path.name: path.read_bytes() for path in to.iterdir()}


def files(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.json")}


# ── the envelope ──


@given(st.text(min_size=1))
@settings(deadline=None)
def test_what_is_sealed_opens_again(vault, text):
    assert vault.open(vault.seal(text)) == text


def test_half_a_surrogate_pair_survives_sealing(vault):
    assert vault.open(vault.seal("a\ud800b")) == "a\ud800b"


def test_equal_texts_are_sealed_differently(vault):
    assert vault.seal("hunter2") != vault.seal("hunter2")


@pytest.mark.parametrize("label", VECTORS)
def test_what_the_app_sealed_opens(vault, label):
    file, path, hidden = VECTORS[label]
    value = json.loads((FIXTURES / "mediaos" / file).read_text())
    for step in path:
        value = value[step]
    assert vault.open(value) == hidden


def test_an_envelope_is_salt_iv_tag_and_ciphertext(vault):
    assert len(base64.b64decode(vault.seal("x"))) == 32 + 16 + 16 + 1


def test_every_flipped_byte_is_refused(vault):
    data = base64.b64decode(vault.seal("hunter2"))
    for place in range(len(data)):
        spoilt = bytearray(data)
        spoilt[place] ^= 1
        assert vault.open(base64.b64encode(spoilt).decode()) is None


def test_every_truncation_is_refused(vault):
    data = base64.b64decode(vault.seal("hunter2"))
    assert [n for n in range(len(data)) if vault.open(base64.b64encode(data[:n]).decode()) is not None] == []


def test_another_key_opens_nothing(vault):
    assert Vault(OTHER_KEY).open(vault.seal("hunter2")) is None


def test_without_a_key_nothing_opens(vault):
    assert Vault(None).open(vault.seal("hunter2")) is None


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        ("A" * 86, False),
        ("A" * 87, True),
        ("-_" * 43, False),
        ("-_" * 44, True),
        ("A" * 86 + "=" + "A" * 10, False),
        ("A" * 87 + "=" * 3, True),
        ("A " * 86, False),
        ("A " * 87, True),
        ("Ä" * 200, False),
        ("correct horse battery staple " * 4, True),
        ("", False),
    ],
)
def test_what_looks_sealed_is_what_node_decodes_to_65_bytes(text, taken):
    assert looks_sealed(text) is taken


@pytest.mark.parametrize("link", ["https://nzb.example/" + "a" * 200, "magnet:?xt=urn:btih:" + "a" * 200])
def test_a_long_link_does_not_look_sealed(link):
    assert not looks_sealed(link)


@pytest.mark.parametrize(
    "link",
    [
        "https://nzb.example/get?apikey=abc",
        "https://nzb.example/get?t=get&API_KEY=abc",
        "http://jackett.example:9117/dl/x/?jackett_apikey=abc&path=1",
        "https://tracker.example/announce?passkey=abc",
        "https://tracker.example/dl?id=7;torrent_pass=abc",
        "https://nzb.example/rss?r=abc",
        "http://keeper:hunter2@torrents.example:8080",
        "http://:hunter2@torrents.example",
        "magnet:?xt=urn:btih:aa&tr=https%3A%2F%2Ftracker.example%2Fannounce%3Fpasskey%3Dabc",
    ],
)
def test_a_link_with_a_personal_key_is_a_credential(link):
    assert has_credential(link)


@pytest.mark.parametrize(
    "link",
    [
        "https://nzb.example/get/82.nzb",
        "magnet:?xt=urn:btih:6125645de209c94cf1f7657cc4286d04bfe8813d&dn=Sunk",
        "https://nzb.example/get?apikey=",
        "https://nzb.example/key/secret/token",
        "http://torrents.example:8080/a@b",
    ],
)
def test_a_link_without_a_personal_key_is_none(link):
    assert not has_credential(link)


# ── states ──


@pytest.mark.parametrize(
    ("key", "value", "state"),
    [
        (KEY, "hunter2", PLAIN),
        (None, "hunter2", PLAIN),
        (KEY, 7, PLAIN),
        (KEY, Vault(KEY).seal("x"), SEALED),
        (None, Vault(KEY).seal("x"), LOOKS_SEALED),
        (OTHER_KEY, Vault(KEY).seal("x"), LOOKS_SEALED),
        (KEY, "correct horse battery staple " * 4, LOOKS_SEALED),
    ],
    ids=range(7),  # an envelope is another one in every process
)
def test_a_value_is_plain_or_sealed_or_looks_sealed(key, value, state):
    assert Vault(key).state(value) == state


@pytest.mark.parametrize(("key", "state"), [(KEY, "sealed"), (None, "looks-sealed"), (OTHER_KEY, "looks-sealed")])
def test_the_state_of_an_envelope_stands_beside_it(site_folder, key, state):
    command("migrate", "--data", site_folder, key=key)
    found = row(
        site_folder,
        "SELECT secret_state, encrypted_password_state, encrypted_api_key_state FROM downloaders "
        "WHERE client_type = 'qbittorrent'",
    )
    assert found == (json.dumps({"/password": state}, separators=(",", ":")), state, None)


@pytest.mark.parametrize(("key", "state"), [(KEY, "sealed-here"), (None, "plain"), (OTHER_KEY, "plain")])
def test_the_state_of_a_plain_key_says_who_sealed_it(site_folder, key, state):
    command("migrate", "--data", site_folder, key=key)
    found = row(site_folder, "SELECT encrypted_api_key_state FROM indexers WHERE id = 'p9o6l3k1j8h'")
    assert found == (state,)


def test_a_source_has_its_own_state_column(site_folder):
    command("migrate", "--data", site_folder, key=KEY)
    assert row(site_folder, "SELECT api_key_state FROM indexer_sources WHERE name = 'prowlarr'") == ("sealed",)


def test_envelopes_of_the_app_are_stored_as_they_are(site_folder):
    command("migrate", "--data", site_folder, key=KEY)
    written = json.loads((site_folder / "downloaders.json").read_text())["qbittorrent"]["password"]
    stored = row(site_folder, "SELECT encrypted_password FROM downloaders WHERE client_type = 'qbittorrent'")
    assert stored == (written,)


def test_a_password_hash_is_never_sealed(site_folder):
    command("migrate", "--data", site_folder, key=KEY)
    users = json.loads((site_folder / "users.json").read_text())
    assert dict(rows(site_folder, "SELECT id, password_hash FROM users")) == {
        name: user["passwordHash"] for name, user in users.items()
    }


# ── the sealing rule ──


def stored_subtitle_key(folder):
    body = row(folder, "SELECT body FROM config_documents WHERE name = 'settings'")[0]
    return json.loads(body)["openSubtitlesApiKey"]


def test_a_key_that_opens_the_envelopes_seals_what_is_plain(site_folder, vault):
    command("migrate", "--data", site_folder, key=KEY)
    assert vault.open(stored_subtitle_key(site_folder)) == PLAIN_KEY


def test_any_key_seals_where_there_is_no_envelope(folder):
    put(folder, settings={"openSubtitlesApiKey": PLAIN_KEY})
    command("migrate", "--data", folder, key=OTHER_KEY)
    assert Vault(OTHER_KEY).open(stored_subtitle_key(folder)) == PLAIN_KEY


def test_a_key_that_opens_no_envelope_seals_nothing(site_folder):
    command("migrate", "--data", site_folder, key=OTHER_KEY)
    assert stored_subtitle_key(site_folder) == PLAIN_KEY


def test_a_key_that_opens_no_envelope_is_reported(site_folder):
    told = command("doctor", "--data", site_folder, "--json", key=OTHER_KEY)
    finding = next(item for item in told.json["findings"] if item["code"] == "key")
    assert finding["message"] == "The key opens none of 4 sealed values."


def test_without_a_key_plain_credentials_are_kept_as_they_are(site_folder):
    command("migrate", "--data", site_folder)
    assert stored_subtitle_key(site_folder) == PLAIN_KEY


def test_plain_credentials_are_anomalies(site_folder):
    told = command("migrate", "--data", site_folder, "--json")
    rules = [
        (item["document"], found["key"])
        for item in told.json["documents"]
        for found in item["anomalies"]
        if found["rule"] == "plaintext-secret"
    ]
    assert rules == [
        ("indexers", "p9o6l3k1j8h"),
        ("grabs", "movie:mgb696g1xq41z8"),
        ("settings", "settings"),
    ]


def test_running_again_with_the_key_seals_what_was_plain(site_folder, vault):
    command("migrate", "--data", site_folder)
    assert command("migrate", "--data", site_folder, key=KEY).code == 0
    assert vault.open(stored_subtitle_key(site_folder)) == PLAIN_KEY
    key = row(site_folder, "SELECT encrypted_api_key FROM indexers WHERE id = 'p9o6l3k1j8h'")[0]
    link = row(site_folder, "SELECT link FROM grabs WHERE map_key = 'movie:mgb696g1xq41z8'")[0]
    assert vault.open(key) == "invented-indexer-key"
    assert vault.open(link) == "https://nzb.example/get/81.nzb?apikey=invented-link-key-4410"


def test_running_a_third_time_with_the_key_changes_nothing(site_folder):
    command("migrate", "--data", site_folder)
    command("migrate", "--data", site_folder, key=KEY)
    assert command("migrate", "--data", site_folder, "--json", key=KEY).json["changed"] is False


def test_one_changed_account_is_one_update_also_with_the_key(site_folder):
    command("migrate", "--data", site_folder, key=KEY)
    users = json.loads((site_folder / "users.json").read_text())
    users["user_1759276800000_h1h1h1h1h"]["role"] = "admin"
    put(site_folder, users=users)
    told = command("migrate", "--data", site_folder, "--json", key=KEY).document("users")
    assert (told["updated"], told["unchanged"]) == (1, 5)


def test_a_long_link_with_a_key_is_no_envelope_that_the_key_should_open(folder):
    link = "https://nzb.example/" + "long/" * 30 + "get?apikey=" + "s" * 20
    put(folder, grabs={"movie:1": {"kind": "movie", "id": "1", "link": link}})
    told = command("migrate", "--data", folder, "--json", key=KEY)
    assert told.json["key"] == {
        "given": True,
        "looks-sealed": 0,
        "opened": 0,
        "plain": 1,
        "fits": True,
        "clear_text": False,
    }


def test_a_second_key_does_not_seal_beside_the_first(folder):
    put(folder, settings={"openSubtitlesApiKey": PLAIN_KEY}, metadata={"tmdb": {"apiKey": "invented-film-key"}})
    command("migrate", "--data", folder, key=KEY)
    put(folder, metadata={"tmdb": {"apiKey": "invented-film-key"}, "language": "en"})
    command("migrate", "--data", folder, key=OTHER_KEY)
    assert command("migrate", "--data", folder, key=KEY).code == 0
    assert exported(folder, KEY) == files(folder)


# ── what can be told ──


def test_a_changed_plain_credential_is_noticed_with_the_key(site_folder):
    command("migrate", "--data", site_folder, key=KEY)
    text = (site_folder / "settings.json").read_text().replace(PLAIN_KEY, "another-subtitle-key")
    (site_folder / "settings.json").write_text(text)
    told = command("validate", "--data", site_folder, "--json", key=KEY)
    assert (told.code, told.document("settings")["fields"]) == (
        3,
        [{"key": "settings", "kind": "changed", "fields": ["openSubtitlesApiKey"]}],
    )


def test_a_changed_plain_credential_cannot_be_judged_without_the_key(site_folder):
    command("migrate", "--data", site_folder, key=KEY)
    text = (site_folder / "settings.json").read_text().replace(PLAIN_KEY, "another-subtitle-key")
    (site_folder / "settings.json").write_text(text)
    told = command("validate", "--data", site_folder, "--json")
    assert (told.code, told.document("settings")["unverifiable"]) == (5, ["settings"])


def test_an_unchanged_sealed_credential_cannot_be_judged_without_the_key(site_folder):
    command("migrate", "--data", site_folder, key=KEY)
    told = command("validate", "--data", site_folder, "--json")
    assert (told.code, told.document("settings")["unverifiable"]) == (5, ["settings"])
    assert told.document("library")["unverifiable"] == []


def test_what_differs_beside_a_sealed_credential_is_found_without_the_key(site_folder):
    command("migrate", "--data", site_folder, key=KEY)
    text = (site_folder / "settings.json").read_text().replace("1.5", "2.5")
    (site_folder / "settings.json").write_text(text)
    told = command("validate", "--data", site_folder, "--json")
    assert (told.code, told.document("settings")["changed"]) == (3, ["settings"])


def test_a_new_envelope_of_an_equal_value_is_no_difference(site_folder, vault):
    command("migrate", "--data", site_folder, key=KEY)
    downloaders = json.loads((site_folder / "downloaders.json").read_text())
    downloaders["qbittorrent"]["password"] = vault.seal("schlüssel-⚓-1907")
    put(site_folder, downloaders=downloaders)
    assert command("validate", "downloaders", "--data", site_folder, key=KEY).code == 0


def test_a_new_envelope_cannot_be_judged_without_the_key(site_folder, vault):
    command("migrate", "--data", site_folder)
    downloaders = json.loads((site_folder / "downloaders.json").read_text())
    downloaders["qbittorrent"]["password"] = vault.seal("schlüssel-⚓-1907")
    put(site_folder, downloaders=downloaders)
    assert command("validate", "downloaders", "--data", site_folder).code == 5


def test_show_tells_a_difference_that_the_dots_hide(site_folder):
    command("migrate", "--data", site_folder, key=KEY)
    text = (site_folder / "settings.json").read_text().replace(PLAIN_KEY, "another-subtitle-key")
    (site_folder / "settings.json").write_text(text)
    assert command("show", "settings", "settings", "--data", site_folder, key=KEY).code == 3
    assert command("show", "settings", "settings", "--data", site_folder).code == 5


def test_a_record_is_shown_by_the_document_it_is_of(site_folder):
    command("migrate", "--data", site_folder)
    told = command("show", "settings", "metadata", "--data", site_folder)
    assert (told.code, told.err.splitlines()[0]) == (2, "settings has no record metadata.")


# ── the way back ──


def test_the_export_gives_plain_credentials_back(site_folder):
    command("migrate", "--data", site_folder, key=KEY)
    assert exported(site_folder, KEY) == files(site_folder)


def test_the_export_names_the_fields_that_need_the_key(site_folder):
    command("migrate", "--data", site_folder, key=KEY)
    told = command("export", "--to", site_folder.parent / "out", "--data", site_folder, "--json")
    assert (told.code, told.json["error"]["type"], told.json["error"]["fields"]) == (4, "NeedsKey", ["apiKey"])
    assert not (site_folder.parent / "out").exists()


@pytest.mark.parametrize("key", [None, OTHER_KEY])
def test_the_export_refuses_without_the_key_that_sealed(site_folder, key):
    command("migrate", "--data", site_folder, key=KEY)
    assert command("export", "--to", site_folder.parent / "out", "--data", site_folder, key=key).code == 4


def test_an_export_needs_no_key_for_what_the_app_sealed(site_folder):
    command("migrate", "--data", site_folder)
    assert exported(site_folder) == files(site_folder)


AWKWARD = [
    {"openSubtitlesApiKey": 7781},
    {"openSubtitlesApiKey": True},
    {"openSubtitlesApiKey": 1.50},
    {"openSubtitlesApiKey": ["invented", {"nested": "key"}]},
    {"openSubtitlesApiKey": {"value": "invented", "deep": [{"er": None}]}},
    {"openSubtitlesApiKey": "half \ud800 a pair"},
    {"openSubtitlesApiKey": "tape\x00hiss"},
    {"openSubtitlesApiKey": " "},
    {"openSubtitlesApiKey": ""},
    {"openSubtitlesApiKey": None},
    {"openSubtitlesApiKey": []},
]


@pytest.mark.parametrize("value", AWKWARD, ids=lambda value: ascii(value["openSubtitlesApiKey"]))
@pytest.mark.parametrize("key", [None, KEY], ids=["without a key", "with the key"])
def test_a_credential_of_any_form_comes_back(folder, value, key):
    (folder / "settings.json").write_text(json.dumps(value, indent=2))
    assert command("migrate", "--data", folder, key=key).code == 0
    assert exported(folder, key) == files(folder)


def test_a_number_as_a_credential_is_sealed(folder):
    put(folder, settings={"openSubtitlesApiKey": 77817781})
    command("migrate", "--data", folder, key=KEY)
    state = row(folder, "SELECT secret_state FROM config_documents")[0]
    assert (json.loads(state), Vault(KEY).open(stored_subtitle_key(folder))) == (
        {"/openSubtitlesApiKey": "sealed-here-json"},
        "77817781",
    )


def test_a_nested_credential_is_sealed(folder):
    put(folder, metadata={"tmdb": {"apiKey": "invented-film-key", "language": "en"}})
    command("migrate", "--data", folder, key=KEY)
    body = json.loads(row(folder, "SELECT body FROM config_documents")[0])
    assert (Vault(KEY).open(body["tmdb"]["apiKey"]), body["tmdb"]["language"]) == ("invented-film-key", "en")


def test_a_credential_among_members_without_a_column_is_sealed(folder, vault):
    put(folder, downloaders={"sabnzbd": {"password": ["invented", "password"]}})
    command("migrate", "--data", folder, key=KEY)
    found = row(folder, "SELECT encrypted_password, extra FROM downloaders")
    sealed = found[0] or json.loads(found[1])["password"]
    assert vault.open(sealed) == '["invented","password"]'


def test_a_link_in_another_shape_is_sealed(folder, vault):
    put(folder, grabs={"movie:1": {"link": ["https://nzb.example/get?apikey=invented-link-key"]}})
    command("migrate", "--data", folder, key=KEY)
    assert (
        vault.open(row(folder, "SELECT link FROM grabs")[0]) == '["https://nzb.example/get?apikey=invented-link-key"]'
    )


def test_a_password_in_an_address_is_sealed(folder, vault):
    put(folder, downloaders={"deluge": {"baseUrl": "http://keeper:hunter2@deluge.example"}})
    command("migrate", "--data", folder, key=KEY)
    assert vault.open(row(folder, "SELECT base_url FROM downloaders")[0]) == "http://keeper:hunter2@deluge.example"


def test_a_secret_under_every_member_is_sealed(tmp_path, vault):
    folder = tmp_path / "shelf"
    folder.mkdir()
    notes = [{"pin": "1907"}, {"pin": 1908}, {"text": "no pin"}, "pin"]
    put(folder, books={"books": [{"shelf": "A", "id": "1", "notes": notes}]})
    command("migrate", "--data", folder, "--app", SHELF, key=KEY)
    kept = json.loads(row(folder, "SELECT extra FROM books")[0])["notes"]
    assert [vault.open(kept[n]["pin"]) for n in (0, 1)] == ["1907", "1908"]
    assert kept[2:] == notes[2:]


def test_a_secret_in_a_child_table_is_sealed(tmp_path, vault):
    own = tmp_path / "own"
    shutil.copytree(SHELF, own)
    text = (own / "mapping.toml").read_text()
    (own / "mapping.toml").write_text(text.replace('text = "text"', 'text = { member = "text", codec = "secret" }'))
    (own / "sqlite" / "0003_state.up.sql").write_text("ALTER TABLE diary ADD COLUMN secret_state TEXT;")
    (own / "sqlite" / "0003_state.down.sql").write_text("ALTER TABLE diary DROP COLUMN secret_state;")
    for path in own.rglob("history.sum"):
        path.unlink()
    folder = tmp_path / "shelf"
    folder.mkdir()
    put(folder, diary={"pages": [{"day": "1", "lines": [{"text": "my invented secret"}, {"done": True}]}]})
    assert command("migrate", "--data", folder, "--app", own, key=KEY).code == 0
    assert vault.open(row(folder, "SELECT text FROM diary_lines ORDER BY position")[0]) == "my invented secret"
    told = command("show", "diary", "1", "--data", folder, "--app", own)
    assert "my invented secret" not in told.out
    assert command("export", "--to", tmp_path / "out", "--data", folder, "--app", own, key=KEY).code == 0
    assert (tmp_path / "out" / "diary.json").read_bytes() == (folder / "diary.json").read_bytes()


def quarantined(folder):
    put(
        folder,
        indexers={
            "indexers": [
                {"id": "a", "apiKey": "first-invented-key"},
                {"id": "a", "apiKey": "twin-invented-key"},
                {"name": "no id", "apiKey": "lost-invented-key"},
            ]
        },
    )


def test_quarantined_records_are_sealed(folder, vault):
    quarantined(folder)
    command("migrate", "--data", folder, key=KEY)
    held = rows(folder, "SELECT raw, raw_state FROM _mm_quarantine ORDER BY id")
    assert [json.loads(vault.open(raw))["apiKey"] for raw, _ in held] == ["twin-invented-key", "lost-invented-key"]
    assert {state for _, state in held} == {"sealed-here"}


def test_sealed_quarantine_comes_back_in_its_place(folder):
    quarantined(folder)
    command("migrate", "--data", folder, key=KEY)
    assert exported(folder, KEY) == files(folder)


def test_sealed_quarantine_needs_the_key(folder):
    quarantined(folder)
    command("migrate", "--data", folder, key=KEY)
    told = command("export", "--to", folder.parent / "out", "--data", folder)
    assert (told.code, told.err.splitlines()[0]) == (
        4,
        "indexers holds values that were sealed in the database: apiKey, its quarantine.",
    )


def test_quarantine_of_a_document_without_secrets_is_not_sealed(folder):
    put(folder, library={"items": [{"kind": "movie", "title": "no id"}]})
    command("migrate", "--data", folder, key=KEY)
    assert row(folder, "SELECT raw_state FROM _mm_quarantine") == ("plain",)


def test_quarantine_is_sealed_when_the_key_comes_later(folder, vault):
    put(folder, indexers={"indexers": [{"name": "no id", "apiKey": "lost-invented-key"}]})
    command("migrate", "--data", folder)
    command("migrate", "--data", folder, key=KEY)
    assert json.loads(vault.open(row(folder, "SELECT raw FROM _mm_quarantine")[0]) or "{}")["apiKey"] == (
        "lost-invented-key"
    )


# ── the key ──


def test_the_key_may_come_from_a_file(site_folder, tmp_path, vault):
    (tmp_path / "key").write_text(KEY + "\n")
    assert command("migrate", "--data", site_folder, "--key-file", tmp_path / "key").code == 0
    assert vault.open(stored_subtitle_key(site_folder)) == PLAIN_KEY


def test_a_key_file_is_believed_before_the_variable(site_folder, tmp_path, vault):
    (tmp_path / "key").write_text(KEY)
    command("migrate", "--data", site_folder, "--key-file", tmp_path / "key", key=OTHER_KEY)
    assert vault.open(stored_subtitle_key(site_folder)) == PLAIN_KEY


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "The key in the key file {} is shorter than 32 characters, which the app refuses."),
        (b"x" * 31, "The key in the key file {} is shorter than 32 characters, which the app refuses."),
        (b"\xff" * 40, "The key file {} cannot be read: it is not UTF-8."),
        (None, "The key file {} cannot be read: No such file or directory."),
    ],
    ids=["empty", "short", "not UTF-8", "missing"],
)
def test_an_unusable_key_file_is_bad_usage(site_folder, tmp_path, content, message):
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
        path.chmod(0o600)
    told = command("migrate", "--data", site_folder, "--key-file", path)
    assert (told.code, told.err.splitlines()[0]) == (2, message.format(path))


def test_a_short_key_is_bad_usage(site_folder):
    told = command("migrate", "--data", site_folder, key="x" * 31)
    assert (told.code, told.err.splitlines()[0]) == (
        2,
        "The key in the variable ENCRYPTION_KEY is shorter than 32 characters, which the app refuses.",
    )


def test_an_empty_variable_is_no_key(site_folder):
    assert command("migrate", "--data", site_folder, ENCRYPTION_KEY="").code == 0


def test_a_key_that_is_not_utf8_is_bad_usage(site_folder):
    assert command("migrate", "--data", site_folder, ENCRYPTION_KEY="\udcff" * 40).code == 2


# ── on disk ──


def everything_written(folder):
    """Return the bytes of the database and of what SQLite keeps beside it."""
    return b"".join(path.read_bytes() for path in folder.iterdir() if path.name.startswith("mediaos.db"))


SEALED_HERE = [PLAIN_KEY, "invented-indexer-key", "invented-link-key-4410"]


def test_the_database_never_holds_what_was_sealed(site_folder):
    command("migrate", "--data", site_folder, key=KEY)
    written = everything_written(site_folder)
    assert [text for text in SEALED_HERE if text.encode() in written] == []


def test_the_database_forgets_what_was_plain_when_it_is_sealed(site_folder):
    command("migrate", "--data", site_folder)
    assert all(text.encode() in everything_written(site_folder) for text in SEALED_HERE)
    command("migrate", "--data", site_folder, key=KEY)
    written = everything_written(site_folder)
    assert [text for text in SEALED_HERE if text.encode() in written] == []


def test_the_database_forgets_a_large_quarantined_record_when_it_is_sealed(folder):
    put(folder, indexers={"indexers": [{"name": "no id", "apiKey": "lost-invented-key", "x": "y" * 20_000}]})
    command("migrate", "--data", folder)
    put(folder, indexers={"indexers": [{"name": "still no id", "apiKey": "lost-invented-key", "x": "y" * 20_000}]})
    command("migrate", "--data", folder, key=KEY)
    assert b"lost-invented-key" not in everything_written(folder)


def test_nothing_that_the_app_sealed_is_opened_into_the_database(site_folder):
    command("migrate", "--data", site_folder, key=KEY)
    written = everything_written(site_folder)
    assert [hidden for _, _, hidden in VECTORS.values() if hidden.encode() in written] == []


# ── what a pack calls secret ──


def test_the_pack_of_mediaos_names_every_secret():
    named = {
        (document.name, *hidden.at)
        for document in pack.load("mediaos").documents.values()
        for part in document.parts
        for hidden in part.hidden
    }
    assert named == {
        ("users", "passwordHash"),
        ("downloaders", "password"),
        ("downloaders", "apiKey"),
        ("downloaders", "baseUrl"),
        ("indexers", "apiKey"),
        ("indexers", "baseUrl"),
        ("grabs", "link"),
        ("settings", "openSubtitlesApiKey"),
        ("metadata", "tmdb", "apiKey"),
    }


def test_a_value_that_was_changed_without_the_key_never_leaves_stale(site_folder, tmp_path):
    command("migrate", "--data", site_folder, key=KEY)
    text = (site_folder / "settings.json").read_text().replace(PLAIN_KEY, "another-subtitle-key")
    (site_folder / "settings.json").write_text(text)
    told = command("migrate", "--data", site_folder, "--json")
    assert (told.code, told.document("settings")["unverifiable"]) == (5, ["settings"])
    for key in (None, KEY):
        told = command("export", "--to", tmp_path / "out", "--data", site_folder, "--json", key=key)
        assert (told.code, told.json["error"]["type"], (tmp_path / "out").exists()) == (4, "NeedsKey", False)
    assert command("migrate", "--data", site_folder, key=KEY).code == 0
    assert command("export", "--to", tmp_path / "out", "--data", site_folder, key=KEY).code == 0
    assert (tmp_path / "out" / "settings.json").read_text() == text


def test_torn_text_that_is_not_utf8_is_sealed_too(folder, vault):
    path = folder / "downloaders.json"
    path.write_bytes(b'{"a": {"enabled": true}, "b": {"password": "deep-secret-\xff')
    assert command("migrate", "--data", folder, "--salvage", key=KEY).code == 0
    assert b"deep-secret" not in (folder / "mediaos.db").read_bytes()
    with sqlite3.connect(folder / "mediaos.db") as database:
        (sealed,) = database.execute("SELECT raw FROM _mm_quarantine").fetchone()
    assert vault.open(sealed).encode("utf-8", "surrogateescape") == b'"b": {"password": "deep-secret-\xff'
