"""The laws of the design, over every pack and every fixture."""

import shutil
from contextlib import closing
from pathlib import Path

import pytest

from mediaos_migrate.documents.reader import Reading
from mediaos_migrate.engines import sqlite
from mediaos_migrate.moves import exporting, migrating, rehearsing, validating
from mediaos_migrate.moves.surveyed import Options
from mediaos_migrate.site import Site
from mediaos_migrate.values import dumps

FIXTURES = Path(__file__).parents[1] / "fixtures"
KEY = "mediaos-fixture-key-0123456789abcdef"
HOMES = [
    ("mediaos", "mediaos"),
    ("mediaos", "mediaos-clean"),
    ("mediaos", "mediaos-empty"),
    ("mediaos", "mediaos-v0.3"),
    (str(FIXTURES / "packs" / "shelf"), "shelf"),
]


@pytest.fixture(params=HOMES, ids=lambda home: home[1])
def home(request, tmp_path):
    """Every law holds for every pack and fixture: its app, and a copy of its files."""
    app, name = request.param
    folder = tmp_path / "config"
    shutil.copytree(FIXTURES / name, folder)
    return app, folder


@pytest.fixture(params=[None, KEY], ids=["without a key", "with the key"])
def site(request, home, monkeypatch):
    monkeypatch.delenv("ENCRYPTION_KEY", raising=False)
    if request.param:
        monkeypatch.setenv("ENCRYPTION_KEY", request.param)
    return Site.open(home[1], app=home[0])


def contents(folder: Path, site: Site) -> dict[str, bytes]:
    names = {document.file for document in site.pack.documents.values()}
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name in names}


def pieces(site: Site, folder: Path) -> dict[str, list[tuple]]:
    """Return every value of every file, token for token, with the order of members and entries."""
    return {
        document.name: [(piece.role, piece.name, dumps(piece.value)) for piece in Reading(path, document)]
        for document in site.pack.documents.values()
        if (path := folder / document.file).exists()
    }


def everything(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(folder)): (path.read_bytes() if path.is_file() else b"", path.stat().st_mtime_ns)
        for path in folder.rglob("*")
    }


def dump(site: Site) -> list[str]:
    """Return all that a database says, but for times and random parts."""
    with closing(sqlite.sqlite3.connect(site.db)) as connection:
        lines = list(connection.iterdump())
    return [line for line in lines if "_mm_" not in line]


def test_the_books_balance_and_both_homes_are_equal(site):
    result = migrating.migrate(site, Options())
    assert result.exit_code == 0
    assert all(report.books.balanced and report.clean for report in result.documents)


def test_there_and_back_gives_every_byte(site, tmp_path):
    before = contents(site.data, site)
    migrating.migrate(site, Options())
    exporting.export(site, tmp_path / "out")
    assert contents(tmp_path / "out", site) == before
    assert contents(site.data, site) == before


def test_the_database_alone_gives_every_value(site, tmp_path):
    migrating.migrate(site, Options())
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(site.db, alone)
    exporting.export(Site(alone, alone / site.db.name, site.pack, site.vault), tmp_path / "out")
    assert pieces(site, tmp_path / "out") == pieces(site, site.data)


def test_running_again_changes_nothing(site):
    migrating.migrate(site, Options())
    before = dump(site)
    result = migrating.migrate(site, Options())
    assert not result.changed
    assert result.backup is None
    assert dump(site) == before


def test_a_rehearsal_leaves_the_site_as_it_was(site, tmp_path):
    before = everything(site.data)
    result = rehearsing.rehearse(site, Options(), tmp_path / "work")
    assert (result.exit_code, result.different, result.schema_returns) == (0, [], True)
    assert everything(site.data) == before
    assert list((tmp_path / "work").iterdir()) == []


def test_a_validation_leaves_the_site_as_it_was(site):
    migrating.migrate(site, Options())
    before = everything(site.data)
    assert validating.validate(site).exit_code == 0
    assert everything(site.data) == before


def test_every_step_of_the_schema_has_an_inverse(site, tmp_path):
    copy = Site(site.data, tmp_path / "schema.db", site.pack, site.vault)
    migrating.migrate(copy, Options())
    with copy.writing() as connection:
        assert rehearsing._down_and_up(copy, connection)


def test_a_row_that_changed_is_found_and_named(site):
    migrating.migrate(site, Options())
    changed = {}
    with closing(sqlite.open_database(site.db)) as connection:
        for document in site.pack.documents.values():
            part = document.records
            where = "WHERE name = ?" if part.document_key else ""
            keys = ", ".join(part.key)
            row = connection.execute(
                f"SELECT {keys} FROM {part.table} {where} ORDER BY position LIMIT 1",
                (document.name,) if where else (),
            ).fetchone()
            if row is None or document.shape == "map of lists":
                continue
            changed[document.name] = tuple(row)
            connection.execute(
                f"UPDATE {part.table} SET extra = '{{\"changed\":true}}', members = NULL "
                f"WHERE {' AND '.join(f'{name} = ?' for name in part.key)}",
                tuple(row),
            )
            for name, column in part.columns.items():
                if column.member == "$value":
                    connection.execute(f"UPDATE {part.table} SET {name} = NULL WHERE {part.key[0]} = ?", tuple(row)[:1])
    result = validating.validate(site)
    found = {report.document: report.keys("changed") for report in result.documents if report.differs}
    assert found == {name: [key] for name, key in changed.items()}


def test_migrating_again_mends_a_table_that_a_foreign_hand_changed(site):
    migrating.migrate(site, Options())
    before = dump(site)
    with closing(sqlite.open_database(site.db)) as connection:
        for document in site.pack.documents.values():
            connection.execute(f"DELETE FROM {document.records.table}")
    result = migrating.migrate(site, Options())
    assert result.exit_code == 0
    if not site.vault.has_key:
        assert sorted(dump(site)) == sorted(before)


def test_every_file_that_appears_or_goes_is_followed(site, tmp_path):
    migrating.migrate(site, Options())
    for document in site.pack.documents.values():
        site.file(document).unlink(missing_ok=True)
    first = next(item for item in site.pack.documents.values() if item.shape == "map of objects")
    accept = Options(accept_source=frozenset(site.pack.documents))
    site.file(first).write_text("{}")
    result = migrating.migrate(site, accept)
    assert result.exit_code == 0
    exporting.export(site, tmp_path / "out")
    assert set(contents(tmp_path / "out", site)) == {first.file}
