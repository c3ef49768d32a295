"""Two envelopes: the app's own, and ours, which opens at its own place only."""

import base64
import json
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from conftest import FIXTURES, KEY
from hypothesis import given, settings
from hypothesis import strategies as st
from inside import OTHER_KEY, command

from mediaos_migrate.secrets import Place, Vault
from mediaos_migrate.secrets.envelopes import AppEnvelope, BoundEnvelope

HERE = Place("books", "/token", ("novels", "1"))
APP, OURS = AppEnvelope(KEY), BoundEnvelope(KEY, "shelf")
NODE = """
const c = require("crypto"), [text, key] = JSON.parse(require("fs").readFileSync(0, "utf8"));
const d = Buffer.from(text, "base64"), salt = d.subarray(0, 32), iv = d.subarray(32, 48), tag = d.subarray(48, 64);
const k = c.pbkdf2Sync(key, salt, 100000, 32, "sha256"), o = c.createDecipheriv("aes-256-gcm", k, iv);
o.setAuthTag(tag);
process.stdout.write(Buffer.concat([o.update(d.subarray(64)), o.final()]));
"""


@pytest.mark.parametrize("envelope", [APP, OURS], ids=["the app's", "ours"])
@given(text=st.text())
@settings(deadline=None, max_examples=50)
def test_what_an_envelope_seals_it_opens(envelope, text):
    assert envelope.open(envelope.seal(text, HERE), HERE) == text or (envelope is APP and not text)


@given(place=st.tuples(st.text(), st.text(), st.lists(st.text(), max_size=3).map(tuple)).map(lambda t: Place(*t)))
@settings(deadline=None, max_examples=50)
def test_our_envelope_opens_at_its_own_place_only(place):
    assert (OURS.open(OURS.seal("hunter2", HERE), place) == "hunter2") is (place == HERE)


@pytest.mark.parametrize("other", [BoundEnvelope(OTHER_KEY, "shelf"), BoundEnvelope(KEY, "books"), APP])
def test_our_envelope_opens_for_its_own_key_and_app_only(other):
    assert other.open(OURS.seal("hunter2", HERE), HERE) is None


def test_our_envelope_is_version_key_id_nonce_ciphertext_and_tag():
    data = base64.b64decode(OURS.seal("hunter2", HERE).removeprefix("mm1:"))
    assert (data[0], len(data)) == (1, 1 + 4 + 12 + 7 + 16)


def test_every_flipped_byte_of_our_envelope_is_refused():
    data = base64.b64decode(OURS.seal("hunter2", HERE).removeprefix("mm1:"))
    for place in range(len(data)):
        spoilt = bytearray(data)
        spoilt[place] ^= 1
        assert OURS.open("mm1:" + base64.b64encode(spoilt).decode(), HERE) is None


def test_no_nonce_is_used_twice():
    sealed = [base64.b64decode(OURS.seal("hunter2", HERE).removeprefix("mm1:"))[5:17] for _ in range(500)]
    assert len(set(sealed)) == len(sealed)


@pytest.mark.skipif(not shutil.which("node"), reason="there is no Node")
@pytest.mark.parametrize("text", ["hunter2", "schlüssel-⚓-1907", "x" * 500])
def test_what_we_seal_the_app_opens(text):
    told = json.dumps([Vault(KEY).seal(text), KEY])
    done = subprocess.run(["node", "-e", NODE], input=told, capture_output=True, text=True, check=True)
    assert done.stdout == text


def test_a_vault_with_two_keys_opens_both_and_seals_with_the_first():
    both = Vault(KEY, also=OTHER_KEY)
    old = Vault(OTHER_KEY).seal("hunter2")
    assert (both.open(old), both.fresh(old), Vault(KEY).open(both.seal("hunter2"))) == ("hunter2", False, "hunter2")


@pytest.fixture(scope="module")
def bound(tmp_path_factory):
    """A pack of an app that is written with our library, and a migrated folder of it."""
    base = tmp_path_factory.mktemp("bound")
    shutil.copytree(FIXTURES / "packs" / "shelf", base / "pack")
    mapping = base / "pack" / "mapping.toml"
    mapping.write_text(mapping.read_text().replace('name            = "Shelf"', 'name = "Shelf"\nenvelope = "bound"'))
    shutil.copytree(FIXTURES / "shelf", base / "shelf")
    books = base / "shelf" / "books.json"
    given = '"token": "hunter2", "notes": {"a": {"pin": 774411}}, "link": "http://a:b@c", "pages": 312'
    books.write_text(books.read_text().replace('"pages": 312', given))
    done = command("migrate", "--app", base / "pack", "--data", base / "shelf", key=KEY)
    assert done.code == 0, done.err
    return base


@pytest.fixture
def place(bound, tmp_path):
    return Path(shutil.copytree(bound, tmp_path / "place"))


def sealed(place):
    with closing(sqlite3.connect(place / "shelf" / "mediaos.db")) as connection:
        sql = 'SELECT rowid, token FROM books WHERE instr(secret_state, \'"/token":"sealed-here"\')'
        return connection.execute(sql).fetchall()


def test_a_pack_chooses_the_bound_envelope(place):
    assert [token[:4] for _, token in sealed(place)] == ["mm1:"] * len(sealed(place)) != []


def test_a_bound_secret_goes_there_and_back(place):
    to = place / "out"
    done = command("export", "--to", to, "--app", place / "pack", "--data", place / "shelf", key=KEY)
    assert done.code == 0, done.err
    assert {p.name: p.read_bytes() for p in to.iterdir()} == {
        p.name: p.read_bytes() for p in (place / "shelf").glob("*.json")
    }


def test_a_ciphertext_that_was_moved_to_another_row_is_detected(place):
    (row, token), *_ = sealed(place)
    with closing(sqlite3.connect(place / "shelf" / "mediaos.db")) as connection:
        other = connection.execute("SELECT rowid FROM books WHERE rowid != ?", (row,)).fetchone()[0]
        connection.execute(
            "UPDATE books SET token = ?, secret_state = json_object('/token', 'sealed-here') WHERE rowid = ?",
            (token, other),
        )
        connection.commit()
    where = ["--app", place / "pack", "--data", place / "shelf"]
    assert command("export", "--to", place / "out", *where, key=KEY).code == 4
    assert command("validate", *where, key=KEY).code in (3, 5)
