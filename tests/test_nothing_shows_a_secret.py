"""No command shows a credential: not in its results, not in its errors, whatever form the file has."""

import base64
import json
import os
import traceback
from pathlib import Path
from urllib.parse import quote

import pytest
from conftest import KEY
from inside import OTHER_KEY, Result, command

from mediaos_migrate.mapping import Mapper
from mediaos_migrate.moves import migrating
from mediaos_migrate.moves.surveyed import Options
from mediaos_migrate.secrets import Vault, envelopes
from mediaos_migrate.site import Site
from mediaos_migrate.stores.file import FileStore
from mediaos_migrate.stores.table import TableStore
from mediaos_migrate.values import Secret

WORD = "c4n4ry"  # is part of every invented credential here
FOREIGN = "šęćŕęţ/ń"  # reads differently once it is escaped
NUMBER = 774411774411


def spellings(text: str) -> set[str]:
    """Return the ways in which a text could be shown."""
    found = {text, json.dumps(text)[1:-1], quote(text), quote(text, safe=""), ascii(text)[1:-1]}
    for shift in range(3):  # base64 of a longer text that holds this one, whatever stands before it
        coded = base64.b64encode(b" " * shift + text.encode()).decode().rstrip("=")
        found.add(coded[4 if shift else 0 : -1])
    return found


SHOWN = {spelling for text in (WORD, FOREIGN, str(NUMBER), KEY, OTHER_KEY) for spelling in spellings(text)}


def shown(*texts: str) -> set[str]:
    return {spelling for text in texts for spelling in SHOWN if spelling in text}


def link(name: str) -> str:
    return f"https://nzb.example/get?apikey={WORD}-{name}"


def put(folder: Path, **documents: object) -> None:
    folder.mkdir(exist_ok=True)
    for name, value in documents.items():
        (folder / f"{name}.json").write_text(json.dumps(value, indent=2, ensure_ascii=False), encoding="utf-8")


WRONG_SHAPES = [NUMBER, [f"{WORD}-list"], {"deep": {"er": f"{WORD}-object"}}, [[FOREIGN]], f"{WORD} {FOREIGN} \"\\ '"]


def all_places() -> dict[str, object]:
    """A credential in every place that the pack names, in its right form and in every wrong one."""
    seal = Vault(KEY).seal
    blocks = {
        "qbittorrent": {"baseUrl": f"http://keeper:{WORD}@q.example", "password": f"{WORD}-password"},
        "sabnzbd": {"apiKey": seal(f"{WORD}-sealed"), "password": FOREIGN},
        "text": f"{WORD}-instead-of-a-block",
        "list": [f"{WORD}-in-a-list"],
    }
    for number, wrong in enumerate(WRONG_SHAPES):
        blocks[f"odd-{number}"] = {"apiKey": wrong, "password": wrong, "baseUrl": [link("in-a-list")]}
    indexers = [
        {"id": "good", "name": "Good", "apiKey": f"{WORD}-indexer", "baseUrl": link("indexer")},
        {"id": "good", "name": "Twin", "apiKey": f"{WORD}-twin"},
        {"name": "No id", "apiKey": f"{WORD}-lost", "baseUrl": link("lost")},
        {"id": None, "name": "Null id", "apiKey": [FOREIGN]},
        f"{WORD}-instead-of-an-indexer",
        [f"{WORD}-in-a-list"],
        NUMBER,
    ]
    sources = {"prowlarr": {"apiKey": f"{WORD}-prowlarr", "baseUrl": link("p")}, "jackett": [f"{WORD}-jackett"]}
    grabs = {
        "movie:1": {"kind": "movie", "id": "1", "link": link("grab")},
        "movie:2": {"link": [link("list")]},
        "movie:3": {"link": {"url": link("object")}},
        "movie:4": link("instead-of-a-grab"),
        "movie:5": {"link": f"magnet:?xt=urn:btih:aa&tr=https%3A%2F%2Ft.example%2F%3Fpasskey%3D{WORD}"},
        "movie:\u0000": {"link": link("no-key")},
    }
    hashed = f"{WORD}:{FOREIGN}"
    users = {
        "u1": {"id": "u1", "email": "u@x.example", "passwordHash": hashed, "role": f"{'r' * 30}"},
        "u2": {"id": "u2", "email": "u@x.example", "passwordHash": [hashed]},
        "u3": hashed,
        "u4": [hashed],
        "u\ud800": {"passwordHash": hashed},
    }
    return {
        "downloaders": blocks,
        "indexers": {**sources, "indexers": indexers},
        "grabs": grabs,
        "users": json.loads(json.dumps(users).replace("\\ud800", "\\u0000")),
    }


SINGLES = {
    "right": {
        "settings": {"openSubtitlesApiKey": f"{WORD}-subtitles", "uiScale": 1.5},
        "metadata": {"tmdb": {"apiKey": FOREIGN}},
    },
    "object": {
        "settings": {"openSubtitlesApiKey": {"value": f"{WORD}-subtitles"}},
        "metadata": {"tmdb": {"apiKey": [NUMBER, f"{WORD}-film"]}},
    },
    "text": {"settings": f"{WORD}-instead-of-settings", "metadata": {"tmdb": f"{WORD}-instead-of-a-block"}},
    "list": {"settings": [{"openSubtitlesApiKey": f"{WORD}"}], "metadata": {"tmdb": [{"apiKey": FOREIGN}]}},
}

RECORDS = [
    *(("downloaders", name) for name in ("qbittorrent", "sabnzbd", "text", "list", *(f"odd-{n}" for n in range(5)))),
    *(("indexers", name) for name in ("good", "prowlarr", "jackett")),
    *(("grabs", f"movie:{number}") for number in range(1, 6)),
    *(("users", f"u{number}") for number in range(1, 5)),
    *((name, other) for name in ("settings", "metadata") for other in ("settings", "metadata")),
]


@pytest.fixture(autouse=True)
def _few_rounds(monkeypatch):
    """Derive keys with a hundredth of the app's rounds: what is shown does not depend on it."""
    monkeypatch.setattr(envelopes, "ROUNDS", 1000)


@pytest.fixture(params=SINGLES)
def folder(request, tmp_path):
    put(tmp_path / "config", **all_places(), **SINGLES[request.param])
    return tmp_path / "config"


@pytest.fixture
def one_folder(tmp_path):
    """The folder with the single values in their right form."""
    put(tmp_path / "config", **all_places(), **SINGLES["right"])
    return tmp_path / "config"


def everything_said(folder: Path, key: str | None) -> list[str]:
    """Run every command in every form; return all that they print."""
    commands: list[list[object]] = [
        ["status"],
        ["doctor"],
        ["validate"],
        ["schema", "status"],
        ["quarantine", "list"],
        ["export", "--to", folder.parent / f"exported-{(key or 'plain')[:7]}"],
        *(["show", document, name] for document, name in RECORDS),
        *(["quarantine", "show", number] for number in range(1, 10)),
    ]
    said = []
    for words in commands:
        for form in ([], ["--json"]):
            result = command(*words, *form, "--data", folder, key=key)
            said += [result.out, result.err]
    return said


@pytest.mark.parametrize("first", [None, KEY, OTHER_KEY], ids=["plain", "sealed", "wrong key"])
def test_no_command_shows_a_secret(folder, first, tmp_path):
    said = []
    for form in ([], ["--json"]):
        for words in (["doctor"], ["rehearse", "--work", tmp_path / "work"], ["migrate"]):
            result = command(*words, *form, "--data", folder, key=first)
            assert result.code in (0, 5)
            said += [result.out, result.err]
    assert shown(*said, *everything_said(folder, first)) == set()


@pytest.mark.parametrize("later", [None, OTHER_KEY], ids=["without a key", "wrong key"])
def test_no_command_shows_a_secret_that_another_key_sealed(folder, later):
    command("migrate", "--data", folder, key=KEY)
    assert shown(*everything_said(folder, later)) == set()


def test_no_difference_shows_a_secret(folder):
    command("migrate", "--data", folder, key=KEY)
    for path in folder.glob("*.json"):
        path.write_text(path.read_text().replace(WORD, f"{WORD}-changed").replace(FOREIGN, f"{FOREIGN}!"))
    for key in (None, KEY, OTHER_KEY):
        assert command("validate", "--data", folder, key=key).code in (3, 5)
        assert shown(*everything_said(folder, key)) == set()
        result = command("migrate", "--data", folder, "--json", key=key)
        assert shown(result.out, result.err) == set()


def readable(folder: Path) -> list[Path]:
    """Find what of ours others than the owner may read: all but the app's own files."""
    ours = [path for path in folder.rglob("*") if path.parent != folder or path.suffix not in (".json", ".key")]
    return [path for path in ours if path.stat().st_mode & 0o077]


def test_going_back_leaves_and_shows_no_secret(one_folder, tmp_path, monkeypatch):
    new = tmp_path / "new.key"
    new.write_text(OTHER_KEY, encoding="utf-8")
    new.chmod(0o600)
    old_mask = os.umask(0)
    said = []

    def run(*words: object, code: int = 0, key: str = KEY) -> Result:
        result = command(*words, "--data", one_folder, key=key)
        said.extend([result.out, result.err])
        assert result.code == code, result.err
        return result

    try:
        run("migrate")
        run("backup", "create", "--json")
        run("backup", "create", "--archive", "--encrypt", "--reason", "sealed")
        name = run("backup", "list", "--json").json["backups"][-1]["name"]
        run("backup", "restore", name, "--yes")
        for form in ([], ["--json"]):
            (one_folder / "mediaos.db").write_bytes(b"no database" * 500)
            run("recover", *form, code=7)
            run("recover", "--from", "backup", "--yes", *form)
        run("keys", "check")
        run("keys", "seal", "--yes")
        run("scrub", code=3)
        run("keys", "rotate", "--new-key-file", new, "--yes")
        run("rollback", "--discard-database", "--yes", key=OTHER_KEY)
    finally:
        os.umask(old_mask)
    assert shown(*said) == set()
    assert readable(one_folder) == []


SECRET = f'"password": "{WORD}-{FOREIGN}"'
BLOCK = '{\n  "qbittorrent": {' + SECRET + '},\n  "nzbget": {' + SECRET + "}\n}"
DAMAGE = {
    "truncated in a secret": BLOCK[:-12].encode(),
    "truncated after a secret": BLOCK[: BLOCK.index("}")].encode(),
    "no comma": BLOCK.replace("},", "}").encode(),
    "single quotes": BLOCK.replace('"', "'").encode(),
    "no quotes": BLOCK.replace(f'"{WORD}', WORD).encode(),
    "text behind": (BLOCK + f"\n{WORD} {FOREIGN}").encode(),
    "another document behind": (BLOCK + BLOCK).encode(),
    "an old tail": (BLOCK + f'{WORD}-tail"}}}}').encode(),
    "a comment": BLOCK.replace("},", f"}}, // {WORD}").encode(),
    "a line end in a secret": BLOCK.replace(f"-{FOREIGN}", f"\n{FOREIGN}").encode(),
    "a NUL in a secret": BLOCK.replace(f"-{FOREIGN}", f"\x00{FOREIGN}").encode(),
    "a bad escape in a secret": BLOCK.replace(f"-{FOREIGN}", f"\\q{FOREIGN}").encode(),
    "a byte that is no UTF-8": BLOCK.replace(FOREIGN, "ä").encode("latin-1"),
    "UTF-16": BLOCK.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf" + BLOCK.encode(),
    "a member twice": BLOCK.replace(SECRET, f"{SECRET}, {SECRET}", 1).encode(),
    "a name twice": BLOCK.replace("nzbget", "qbittorrent").encode(),
    "NaN beside it": BLOCK.replace(SECRET, f'{SECRET}, "timeoutMs": NaN', 1).encode(),
    "nested too deeply": BLOCK.replace(SECRET, f'{SECRET}, "x": {"[" * 300}"{WORD}"{"]" * 300}', 1).encode(),
    "a list": json.dumps([f"{WORD}"]).encode(),
    "a text": json.dumps(FOREIGN).encode(),
}


@pytest.mark.parametrize(("key", "form"), [(None, []), (KEY, ["--json"])], ids=["text", "json, with the key"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_no_damaged_file_shows_a_secret(tmp_path, damage, key, form):
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "downloaders.json").write_bytes(DAMAGE[damage])
    commands = [["doctor"], ["migrate"], ["rehearse"], ["migrate", "--salvage"], ["validate"], ["status"]]
    commands += [["quarantine", "list"], *(["quarantine", "show", number] for number in range(1, 4))]
    said = []
    for words in (*commands, ["show", "downloaders", "qbittorrent"]):
        result = command(*words, *form, "--data", folder, key=key)
        said += [result.out, result.err]
    assert shown(*said) == set()


UNNAMED = {
    "settings": {"tmdbApiKey": WORD, "headers": {"Authorization": WORD}, "proxy": f"http://me:{WORD}@proxy.example"},
    "downloaders": {"qbittorrent": {"token": WORD, "x-api-key": [WORD], "cookie": NUMBER}, "nzbget": WORD},
    "library": {"items": [{"id": "one", "accessToken": WORD}, {"accessToken": WORD}, {"page": f"x?token={WORD}"}]},
}


@pytest.mark.parametrize("form", [[], ["--json"]], ids=["text", "json"])
def test_what_only_looks_like_a_credential_is_not_shown_either(tmp_path, form):
    put(tmp_path / "data", **UNNAMED)
    at = [*form, "--data", tmp_path / "data"]
    assert command("migrate", *at).code == 0
    asked = [("show", *place) for place in (["settings", "settings"], ["downloaders", "qbittorrent"])]
    asked += [("show", "downloaders", "nzbget"), ("show", "library", "one")]
    asked += [("quarantine", "show", "1"), ("quarantine", "show", "2"), ("quarantine", "list")]
    for each in asked:
        told = command(*each, *at)
        assert (told.code, shown(told.out, told.err)) == (0, set()), each


# ── our own mistakes ──


FORCED = [
    (TableStore, "insert"),
    (TableStore, "rows"),
    (Mapper, "row"),
    (Vault, "store"),
    (FileStore, "_record"),
]


@pytest.mark.parametrize(("owner", "name"), FORCED, ids=lambda item: getattr(item, "__name__", item))
@pytest.mark.parametrize("form", [[], ["--json"]], ids=["text", "json"])
def test_a_mistake_of_ours_shows_no_secret(one_folder, monkeypatch, owner, name, form):
    def fails(*arguments: object, **more: object) -> None:
        raise RuntimeError(f"something with {WORD} in {arguments!r}")

    monkeypatch.setattr(owner, name, fails)
    result = command("migrate", *form, "--data", one_folder, key=KEY)
    assert (result.code, shown(result.out, result.err)) == (1, set())
    assert "A mistake of ours: RuntimeError" in result.out + result.err


@pytest.mark.parametrize(("owner", "name"), FORCED, ids=lambda item: getattr(item, "__name__", item))
def test_a_traceback_shows_no_secret(one_folder, monkeypatch, owner, name):
    def fails(*arguments: object, **more: object) -> None:
        raise RuntimeError("something")

    monkeypatch.setattr(owner, name, fails)
    site = Site(one_folder, one_folder / "mediaos.db", Site.open(one_folder).pack, Vault(KEY))
    with pytest.raises(RuntimeError) as caught:
        migrating.migrate(site, Options())
    assert shown("".join(traceback.format_exception(caught.value))) == set()


@pytest.mark.parametrize("spell", [repr, str, ascii, "{}".format, "{:>40}".format, "%s".__mod__, "%r".__mod__])
def test_a_secret_is_dots_however_it_is_spelled(spell):
    assert spell(Secret(WORD)).strip() in ("••••••", ascii("••••••")[1:-1])


def test_what_holds_a_secret_is_spelled_with_dots():
    assert repr({"password": Secret(WORD, "sealed-here")}) == "{'password': ••••••}"


def test_a_secret_is_no_json():
    with pytest.raises(TypeError):
        json.dumps({"password": Secret(WORD)})


def test_a_record_shows_no_secret_when_it_is_printed(one_folder):
    site = Site.open(one_folder)
    for document in site.pack.documents.values():
        if site.file(document).exists():
            for _, record in FileStore(site.file(document), document, site.vault).all():
                if record.key[:1] in (("qbittorrent",), ("good",), ("movie:1",), ("u1",)):
                    assert shown(repr(record)) == set()
