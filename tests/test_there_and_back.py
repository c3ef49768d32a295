"""Any document of any shape comes back as it was: driven by hypothesis through the whole import and export."""

import json
import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mediaos_migrate.documents.reader import Reading
from mediaos_migrate.moves import exporting, migrating, validating
from mediaos_migrate.moves.surveyed import Options
from mediaos_migrate.site import Site
from mediaos_migrate.values import dumps

PACK = str(Path(__file__).parents[1] / "fixtures" / "packs" / "shelf")
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108  a thousand fsyncs are not the point here
MANY = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))

HOSTILE = ["extra", "position", "$key", "$value", "$document", "__proto__", "members", "2", "1", "", "id", "rowid"]
BOOK = ["shelf", "id", "title", "pages", "price", "lent", "addedAt", "state", "token", "author", "notes", "link"]
NUMBERS = ["0", "-0", "5", "5.0", "1e2", "1E+2", "1e400", "-1e-400", "9007199254740993", "9223372036854775807"]
NUMBERS += ["9223372036854775808", "-9223372036854775809", "1.10", "0.1", "1e-7", "12345678901234567890123", "1.5"]
STRINGS = [
    "",
    "a",
    "Ä",
    "\ud800",
    "a\udc00b",
    "a\x00b",
    "\U0001f600",
    "\u2028",
    "2024-02-29T23:59:59.999Z",
    "true",
    "5",
]
STRINGS += ["hunter2", "https://x.example/get?apikey=abc", "magnet:?xt=urn:btih:aa", "x" * 120, '"\\/\n\t']

names = st.sampled_from(HOSTILE + BOOK) | st.text(max_size=4)
strings = st.sampled_from(STRINGS) | st.text(max_size=6)


def spelled(text: str) -> str:
    return json.dumps(text)


scalars = st.sampled_from(["null", "true", "false", *NUMBERS]) | strings.map(spelled)


def objects(values, keys=names, **size):
    return st.dictionaries(keys, values, **size).map(
        lambda members: "{" + ",".join(f"{spelled(n)}:{v}" for n, v in members.items()) + "}"
    )


def lists(values, **size):
    return st.lists(values, **size).map(lambda items: "[" + ",".join(items) + "]")


values = st.recursive(scalars, lambda inner: objects(inner, max_size=4) | lists(inner, max_size=4), max_leaves=8)
books = objects(values, max_size=6) | st.builds(
    lambda key, rest: '{"shelf":' + key[0] + ',"id":' + key[1] + ("," + rest[1:] if rest != "{}" else "}"),
    st.tuples(st.sampled_from(['"A"', '"B"', "1"]), st.sampled_from(['"1"', '"2"', "1", "2", "1.0", '"x"', "null"])),
    objects(values, names.filter(lambda name: name not in ("shelf", "id")), max_size=6),
)
lines = lists(objects(values, st.sampled_from(["text", "done", "x"]), max_size=3) | values, max_size=3)
pages = objects(values | lines, st.sampled_from(["day", "mood", "lines", "y"]), max_size=4) | values


@st.composite
def listed(draw, under, entries):
    """An object with a list under a name, among siblings."""
    siblings = draw(st.dictionaries(names.filter(lambda name: name != under), values, max_size=3))
    members = [f"{spelled(name)}:{value}" for name, value in siblings.items()]
    place = draw(st.integers(0, len(members)))
    members.insert(place, f"{spelled(under)}:{draw(lists(entries, max_size=6))}")
    return "{" + ",".join(members) + "}"


FILES = {
    "books.json": listed("books", books | values),
    "diary.json": listed("pages", pages),
    "authors.json": objects(
        objects(values, st.sampled_from(["id", "name", "updatedAt", "z"]), max_size=4) | values, max_size=5
    ),
    "ratings.json": objects(values, max_size=6),
    "tags.json": objects(lists(scalars, max_size=5) | values, max_size=5),
    "prefs.json": values,
}
documents = st.fixed_dictionaries({}, optional=FILES).filter(bool)
keys = st.sampled_from([None, "a-key-of-thirty-two-characters-or-more"])


def site_in(folder: Path, key: str | None) -> Site:
    site = Site.open(folder, app=PACK)
    site.vault.__init__(key)
    return site


def parsed(site: Site, folder: Path) -> dict[str, list[str]]:
    """Every piece of every file, token for token."""
    return {
        document.file: [f"{piece.role} {piece.name!a} {dumps(piece.value)}" for piece in Reading(path, document)]
        for document in site.pack.documents.values()
        if (path := folder / document.file).exists()
    }


@given(documents, keys)
@MANY
def test_what_goes_in_comes_out(files, key):
    with tempfile.TemporaryDirectory(dir=MEMORY) as name:
        folder = Path(name) / "data"
        folder.mkdir()
        for file, text in files.items():
            (folder / file).write_text(text, encoding="utf-8")
        site = site_in(folder, key)
        result = migrating.migrate(site, Options())
        assert result.exit_code == 0
        assert all(report.books.balanced for report in result.documents)
        exporting.export(site, Path(name) / "out")
        assert {path.name: path.read_text("utf-8") for path in (Path(name) / "out").iterdir()} == files
        alone = Path(name) / "alone"
        alone.mkdir()
        shutil.copy(site.db, alone)
        exporting.export(site_in(alone, key), Path(name) / "bare")
        assert parsed(site, Path(name) / "bare") == parsed(site, folder)


@given(documents, documents, keys)
@MANY
def test_any_change_of_the_files_is_followed_exactly(before, after, key):
    with tempfile.TemporaryDirectory(dir=MEMORY) as name:
        folder = Path(name) / "data"
        folder.mkdir()
        for file, text in before.items():
            (folder / file).write_text(text, encoding="utf-8")
        site = site_in(folder, key)
        migrating.migrate(site, Options())
        for file in before:
            (folder / file).unlink()
        for file, text in after.items():
            (folder / file).write_text(text, encoding="utf-8")
        result = migrating.migrate(site, Options(accept_source=frozenset(site.pack.documents)))
        assert result.exit_code == 0
        assert validating.validate(site_in(folder, key)).exit_code == 0
        exporting.export(site, Path(name) / "out")
        assert {path.name: path.read_text("utf-8") for path in (Path(name) / "out").iterdir()} == after


def test_what_only_the_database_knows_survives_a_change_of_the_file(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "books.json").write_text('{"books":[{"shelf":"A","id":"1","title":"x"},{"shelf":"A","id":"2"}]}')
    site = site_in(folder, None)
    migrating.migrate(site, Options())
    with site.writing() as connection:
        connection.execute("UPDATE books SET opinion = 'good'")
    (folder / "books.json").write_text('{"books":[{"shelf":"A","id":"0"},{"shelf":"A","id":"1","title":"y"}]}')
    result = migrating.migrate(site, Options())
    books = next(report.books for report in result.documents if report.document == "books")
    assert (books.inserted, books.updated, books.unchanged, books.deleted) == (1, 1, 0, (("A", "2"),))
    with site.looking() as connection:
        rows = connection.execute("SELECT id, title, opinion FROM books ORDER BY position").fetchall()
    assert [tuple(row) for row in rows] == [("0", None, None), ("1", "y", "good")]


def test_only_the_bytes_of_changed_records_differ(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    text = (
        '{ "books": [ {"id":"1",  "shelf":"A"},\n\t{"shelf":"A","id":"2","pages":5.0} , {"shelf": "A","id": "3"}\n] }\n'
    )
    (folder / "books.json").write_text(text)
    site = site_in(folder, None)
    migrating.migrate(site, Options())
    with site.writing() as connection:
        connection.execute("UPDATE books SET title = 'new' WHERE id = '3'")
    exporting.export(site, tmp_path / "out")
    changed = text.replace('{"shelf": "A","id": "3"}', '{"shelf": "A","id": "3","title": "new"}')
    assert (tmp_path / "out" / "books.json").read_text() == changed
