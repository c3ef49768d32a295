"""A pack: every mistake in it is refused by file and line, and packs of one's own work like ours."""

import re
import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest
from conftest import FIXTURES
from inside import SHELF, command
from pydantic import ValidationError

from mediaos_migrate import pack
from mediaos_migrate.errors import BadPack, UsageError

GOOD = """\
app = "notes"
name = "Notes"

[documents.notes]
file = "notes.json"
shape = "map of objects"

[documents.notes.records]
table = "notes"
key = ["id"]

[documents.notes.records.columns]
id = "$key"
text = "text"
pinned = { member = "pinned", codec = "flag" }
body = { member = "body", codec = "json" }

[documents.list]
file = "list.json"
shape = "list of objects"
under = "items"

[documents.list.records]
table = "entries"
key = ["id"]

[documents.list.records.columns]
id = "id"
note = "note"
"""
SQL = """\
CREATE TABLE notes (id TEXT NOT NULL PRIMARY KEY, text TEXT, pinned INTEGER, body TEXT,
  position INTEGER, extra TEXT, members TEXT);
CREATE TABLE entries (id TEXT NOT NULL PRIMARY KEY, note TEXT, position INTEGER, extra TEXT, members TEXT);
"""


def write(path, text=GOOD, sql=SQL):
    (path / "sqlite").mkdir(parents=True)
    (path / "mapping.toml").write_text(text, encoding="utf-8")
    (path / "sqlite" / "0001_all.up.sql").write_text(sql)
    (path / "sqlite" / "0001_all.down.sql").write_text("DROP TABLE notes; DROP TABLE entries;")
    return path


def data(path):
    path.mkdir(exist_ok=True)
    (path / "notes.json").write_text('{\n  "a": {\n    "text": "hello",\n    "pinned": true\n  }\n}')
    return path


def refused(tmp_path, text):
    """Load a pack with a mistake; return what it is told, without the folder."""
    with pytest.raises(BadPack) as error:
        pack.load(str(write(tmp_path / "own", text)))
    return error.value.message.replace(f"{tmp_path / 'own'}/", "")


# What is replaced by what in the good pack, and the exact message.
MISTAKES = {
    "an unknown key of the pack": (
        'name = "Notes"',
        'name = "Notes"\ncolour = "red"',
        "mapping.toml:3: colour: Extra inputs are not permitted",
    ),
    "an unknown key of a document": (
        'under = "items"',
        'under = "items"\nfiles = "x"',
        "mapping.toml:22: documents.list.files: Extra inputs are not permitted",
    ),
    "an unknown key of a part": (
        'table = "entries"',
        'tabel = "entries"\ntable = "entries"',
        "mapping.toml:24: documents.list.records.tabel: Extra inputs are not permitted",
    ),
    "a missing key of a part": (
        'table = "entries"\n',
        "",
        "mapping.toml:23: documents.list.records.table: Field required",
    ),
    "a misspelt codec": (
        'codec = "flag"',
        'codec = "bool"',
        "mapping.toml:15: documents.notes.records.columns.pinned.codec: Input should be 'text', 'integer', 'real', "
        "'flag', 'instant', 'json' or 'secret'",
    ),
    "an unknown key of a column": (
        'codec = "flag"',
        'codec = "flag", default = 1',
        "mapping.toml:15: documents.notes.records.columns.pinned.default: Extra inputs are not permitted",
    ),
    "a misspelt shape": (
        '"list of objects"',
        '"list of things"',
        "mapping.toml:20: documents.list.shape: Input should be 'list of objects', 'map of objects', "
        "'map of values', 'map of lists' or 'one value'",
    ),
    "a key that is no column": (
        'key = ["id"]\n\n[documents.list.records.columns]',
        'key = ["nr"]\n\n[documents.list.records.columns]',
        "mapping.toml:23: documents.list.records: `nr` is no column of `entries`",
    ),
    "no key": (
        'key = ["id"]\n\n[documents.list.records.columns]',
        "key = []\n\n[documents.list.records.columns]",
        "mapping.toml:25: documents.list.records.key: Tuple should have at least 1 item after validation, not 0",
    ),
    "a search column that is none": (
        'table = "entries"',
        'table = "entries"\nsearch = ["title"]',
        "mapping.toml:23: documents.list.records: `title` is no column of `entries`",
    ),
    "two columns of one member": (
        'note = "note"',
        'note = "note"\nagain = "note"',
        "mapping.toml:23: documents.list.records: members with two columns: note",
    ),
    "a view of what is no JSON": (
        'note = "note"',
        'note = "note"\n\n[documents.list.records.views]\nlook = { of = "note", path = ["a"] }',
        "mapping.toml:23: documents.list.records: the view `look` needs a json column, and `note` is none",
    ),
    "a column derived from none": (
        'note = "note"',
        'note = "note"\n\n[documents.list.records.derived]\nlow = { by = "lower", of = "title" }',
        "mapping.toml:23: documents.list.records: `title` is no column of `entries`",
    ),
    "a list without its member": (
        'under = "items"\n',
        "",
        "mapping.toml:18: documents.list: `under` names the member that holds the list, and belongs to lists of "
        "objects only",
    ),
    "a map with a member": (
        'shape = "map of objects"',
        'shape = "map of objects"\nunder = "x"',
        "mapping.toml:4: documents.notes: `under` names the member that holds the list, and belongs to lists of "
        "objects only",
    ),
    "a map whose key is not its name": (
        'id = "$key"',
        'id = "id"',
        "mapping.toml:4: documents.notes: the key of a map of objects holds `$key`",
    ),
    "a list whose key is a name": (
        'id = "id"\nnote',
        'id = "$key"\nnote',
        "mapping.toml:18: documents.list: there is no `$key` in a list of objects",
    ),
    "a need that does not exist": (
        'under = "items"',
        'under = "items"\nafter = ["books"]',
        "mapping.toml:1: `list` needs the document `books`, which does not exist",
    ),
    "two documents with one file": (
        '"list.json"',
        '"notes.json"',
        "mapping.toml:1: two documents share one file",
    ),
    "a document that calls itself otherwise": (
        'under = "items"',
        'under = "items"\nname = "entries"',
        "mapping.toml:1: `list` calls itself `entries`; a document has the name of its table",
    ),
    "a secret in another one": (
        'table = "notes"',
        'table = "notes"\nsecrets = [{ at = ["body"] }, { at = ["body", "pin"] }]',
        "mapping.toml:8: documents.notes.records: the secret at body.pin lies in the one at body",
    ),
    "a secret that is a key": (
        'id = "id"\nnote',
        'id = { member = "id", codec = "secret" }\nnote',
        "mapping.toml:23: documents.list.records: `id` is a secret and cannot be a key, nor be searched",
    ),
    "a file in another folder": (
        '"list.json"',
        '"../list.json"',
        "mapping.toml:19: documents.list.file: String should match pattern '^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$'",
    ),
    "a rule with a bad code": (
        'note = "note"',
        'note = "note"\n\n[[documents.list.records.rules]]\ncode = "Bad Code"\nmeans = "x"\nremedy = "y"',
        "mapping.toml:32: documents.list.records.rules.0.code: String should match pattern '^[a-z][a-z0-9-]*$'",
    ),
    "something unique without a column": (
        'note = "note"',
        'note = "note"\n\n[[documents.list.records.rules]]\ncode = "twice"\nmeans = "x"\nremedy = "y"\nunique = ["other"]',
        "mapping.toml:23: documents.list.records: `other` has to be unique, and so needs a column",
    ),
    "no name": ('name = "Notes"\n', "", "mapping.toml:1: name: Field required"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_refused_with_its_line(tmp_path, mistake):
    old, new, message = MISTAKES[mistake]
    assert old in GOOD
    assert refused(tmp_path, GOOD.replace(old, new)) == message


def test_needs_in_a_circle_are_refused(tmp_path):
    text = GOOD.replace('under = "items"', 'under = "items"\nafter = ["notes"]')
    text = text.replace('shape = "map of objects"', 'shape = "map of objects"\nafter = ["list"]')
    assert refused(tmp_path, text) == "mapping.toml:1: these documents need each other: notes, list"


def test_a_secret_column_that_is_named_again_is_refused(tmp_path):
    text = GOOD.replace('text = "text"', 'text = { member = "text", codec = "secret" }')
    text = text.replace('table = "notes"', 'table = "notes"\nsecrets = [{ at = ["text"] }]')
    message = "mapping.toml:8: documents.notes.records: the secret at text lies in the one at text"
    assert refused(tmp_path, text) == message


def test_all_mistakes_are_told_at_once(tmp_path):
    text = GOOD.replace('codec = "flag"', 'codec = "bool"').replace('"list of objects"', '"list of things"')
    assert [line.split(": ")[0] for line in refused(tmp_path, text).splitlines()] == [
        "mapping.toml:15",
        "mapping.toml:20",
    ]


HOSTILE = [
    'no"tes',
    "no]tes",
    "[notes]",
    "notes;",
    "notes; DROP TABLE x",
    "no tes",
    "no'tes",
    "1notes",
    "",
    "n\\u0000",
    "ñotes",
]
HOSTILE += ["n" * 64, "_mm_site", "notes--", "notes\\n"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_table_whose_name_could_be_more_than_a_name_is_refused(tmp_path, name):
    text = GOOD.replace('table = "entries"', f'table = "{name}"' if '"' not in name else f"table = '{name}'")
    assert refused(tmp_path, text).startswith("mapping.toml:24: documents.list.records.table: ")


@pytest.mark.parametrize("name", [name for name in HOSTILE if '"' not in name])
def test_a_column_whose_name_could_be_more_than_a_name_is_refused(tmp_path, name):
    text = GOOD.replace('note = "note"', f'"{name}" = "note"')
    assert "documents.list.records.columns." in refused(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (GOOD.replace('table = "entries"', "table = "), 24),
        (GOOD.replace('table = "entries"', 'table = "entries'), 24),
        (GOOD.replace("[documents.list]", "[documents.list"), 18),
        (GOOD + 'note = "note"\n', 30),
        (GOOD + "[documents.list]\n", 30),
        ("app = notes", 1),
    ],
    ids=["no value", "no quote", "no bracket", "a key twice", "a table twice", "no quotes"],
)
def test_broken_toml_is_refused_with_its_line(tmp_path, text, line):
    assert refused(tmp_path, text).startswith(f"mapping.toml:{line}: this is no TOML: ")


def test_toml_that_is_not_utf8_is_refused(tmp_path):
    folder = write(tmp_path / "own")
    (folder / "mapping.toml").write_bytes(b'app = "\xff"')
    with pytest.raises(BadPack, match=r"mapping\.toml:1: this is no TOML"):
        pack.load(str(folder))


def test_a_mapping_that_cannot_be_read_is_refused(tmp_path, monkeypatch):
    folder = write(tmp_path / "own")

    def fails(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", fails)
    with pytest.raises(BadPack, match=r"mapping\.toml cannot be read: Permission denied\."):
        pack.load(str(folder))


def test_a_mistake_is_bad_usage_on_the_command_line(tmp_path):
    folder = write(tmp_path / "own", GOOD.replace('codec = "flag"', 'codec = "bool"'))
    told = command("status", "--data", data(tmp_path / "data"), "--app", folder)
    assert (told.code, told.err.splitlines()[0].split(": ")[0]) == (2, f"{folder}/mapping.toml:15")


def test_a_pack_cannot_be_changed():
    with pytest.raises(ValidationError):
        pack.load("mediaos").app = "other"  # type: ignore[misc]


# ── order ──


def test_each_document_comes_after_those_it_needs():
    order = [document.name for document in pack.load("mediaos").ordered()]
    assert order.index("library") < order.index("wanted")
    assert sorted(order) == sorted(pack.load("mediaos").documents)


def test_an_unknown_document_is_told_with_all_that_are_known(tmp_path):
    with pytest.raises(UsageError) as error:
        pack.load(str(write(tmp_path / "own"))).document("books")
    assert str(error.value) == "Notes has no document `books`. Its documents are: notes, list."


# ── packs of one's own ──


def test_a_pack_of_one_s_own_goes_there_and_back(tmp_path):
    folder, own = data(tmp_path / "data"), write(tmp_path / "own")
    assert command("migrate", "--data", folder, "--app", own).code == 0
    assert command("export", "--to", tmp_path / "out", "--data", folder, "--app", own).code == 0
    assert (tmp_path / "out" / "notes.json").read_bytes() == (folder / "notes.json").read_bytes()
    assert not (tmp_path / "out" / "list.json").exists()


def test_a_pack_may_be_named_relative_to_the_current_folder(tmp_path, monkeypatch):
    write(tmp_path / "own")
    monkeypatch.chdir(tmp_path)
    assert command("status", "--data", data(tmp_path / "data"), "--app", "own").code == 0
    assert command("status", "--data", "data", "--app", "./own").code == 0


def test_a_built_in_pack_is_believed_before_a_folder_of_its_name(tmp_path, monkeypatch):
    write(tmp_path / "mediaos")
    monkeypatch.chdir(tmp_path)
    assert pack.load("mediaos").name == "MediaOS"


@pytest.mark.parametrize("name", ["nothing", ".", "..", "/", "./nothing", "../..", "mediaos/..", "schema"])
def test_an_unknown_pack_is_bad_usage(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as error:
        pack.load(name)
    assert str(error.value) == (
        f"There is no pack `{name}`. Name one of: {', '.join(pack.known())}, or a folder with a mapping.toml."
    )


LACKING = {
    "a column": (SQL.replace("note TEXT, ", ""), "names note, which the table `entries`"),
    "the position": (SQL.replace("position INTEGER, ", ""), "names position, which the table `notes`"),
    "extra and members": (
        SQL.replace(", extra TEXT, members TEXT", ""),
        "names extra, members, which the table `notes`",
    ),
}


@pytest.mark.parametrize("what", LACKING)
def test_a_table_that_lacks_something_is_told(tmp_path, what):
    sql, message = LACKING[what]
    own, folder = write(tmp_path / "own", sql=sql), data(tmp_path / "data")
    (folder / "list.json").write_text('{"items": []}')
    told = command("migrate", "--data", folder, "--app", own)
    assert told.code == 2
    assert message in told.err


def test_a_table_that_no_migration_makes_is_told(tmp_path):
    own, folder = write(tmp_path / "own", sql="CREATE TABLE other (x);"), data(tmp_path / "data")
    told = command("migrate", "--data", folder, "--app", own)
    assert (told.code in (2, 5), "`notes`" in told.err) == (True, True)


def test_a_table_that_lacks_something_is_left_empty(tmp_path):
    own, folder = write(tmp_path / "own", sql=LACKING["a column"][0]), data(tmp_path / "data")
    command("migrate", "--data", folder, "--app", own)
    with closing(sqlite3.connect(folder / "mediaos.db")) as connection:
        assert connection.execute("SELECT count(*) FROM entries").fetchone() == (0,)


# ── packs of other packages ──


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package, as pip would install it, that offers a pack."""
    place = tmp_path / "site-packages"
    write(place / "notes_pack" / "pack")
    (place / "notes_pack" / "__init__.py").write_text(
        "from pathlib import Path\n\nFOLDER = Path(__file__).parent / 'pack'\nTEXT = str(FOLDER)\n"
    )
    info = place / "notes_pack-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: notes-pack\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[mediaos_migrate.packs]\nnotes = notes_pack:FOLDER\nnotes-text = notes_pack:TEXT\n"
        "gone = notes_pack_that_is_gone:FOLDER\nnowhere = notes_pack:__name__\nmediaos = notes_pack:FOLDER\n"
    )
    monkeypatch.syspath_prepend(place)
    yield place
    sys.modules.pop("notes_pack", None)


@pytest.mark.parametrize("name", ["notes", "notes-text"])
def test_an_installed_package_offers_a_pack(package, tmp_path, name):
    assert command("migrate", "--data", data(tmp_path / "data"), "--app", name).code == 0


def test_an_installed_package_is_named_among_the_known_packs(package):
    assert pack.known() == ["mediaos", "gone", "notes", "notes-text", "nowhere"]


def test_no_package_takes_the_place_of_a_built_in_pack(package):
    assert pack.load("mediaos").name == "MediaOS"


def test_a_package_that_cannot_be_loaded_harms_nobody_else(package):
    assert pack.load("notes").name == "Notes"


def test_a_package_that_cannot_be_loaded_is_told(package):
    with pytest.raises(BadPack) as error:
        pack.load("gone")
    assert str(error.value) == (
        "The package that offers the pack `gone` cannot be loaded: ModuleNotFoundError. "
        "Install it again, or name the pack's folder."
    )


def test_a_package_that_offers_no_folder_is_told(package):
    with pytest.raises(BadPack, match=r"mapping\.toml cannot be read: No such file or directory\."):
        pack.load("nowhere")


# ── the packs in this repository ──


@pytest.mark.parametrize("name", ["mediaos", SHELF], ids=["mediaos", "shelf"])
def test_every_rule_says_what_it_means_and_what_to_do(name):
    rules = [rule for d in pack.load(name).documents.values() for part in d.parts for rule in part.rules]
    assert rules
    assert all(rule.means.endswith(".") and rule.remedy.endswith(".") for rule in rules)


def test_every_column_of_the_pack_of_mediaos_is_in_its_schema(tmp_path):
    folder = shutil.copytree(FIXTURES / "mediaos", tmp_path / "config")
    assert command("migrate", "--data", folder).code == 0


def test_no_pack_holds_code():
    kinds = {path.suffix for path in pack.built_in().rglob("*") if path.is_file()}
    assert kinds <= {".toml", ".sql", ".sum", ".md"}


def test_the_example_in_the_documentation_of_packs_is_one(tmp_path):
    lines = re.findall(r"^    (.*)$", pack.model.__doc__ or "", re.MULTILINE)
    assert pack.load(str(write(tmp_path / "own", "\n".join(lines)))).name == "Shelf"
