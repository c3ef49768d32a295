"""What a table says of a record that is about to be written over is told by what changes in its row."""

import shutil
import tempfile
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from test_there_and_back import HOSTILE, PACK, STRINGS, spelled, values

from mediaos_migrate.engines.sqlite import quoted
from mediaos_migrate.journal import Debt, Journal
from mediaos_migrate.mapping import Mapper, NoKey
from mediaos_migrate.moves import migrating
from mediaos_migrate.moves.surveyed import Options
from mediaos_migrate.pack.loading import load
from mediaos_migrate.pack.part import Part
from mediaos_migrate.record import Record
from mediaos_migrate.shapes import Element
from mediaos_migrate.site import Site
from mediaos_migrate.values import canonical, loads

PACKS = {PACK: ("ratings.json", "{}"), "mediaos": ("library.json", '{"items": []}')}
ODD = [
    None,
    5,
    1.5,
    b"\x00",
    "",
    "5",
    "[1,  2]",
    "{}",
    "null",
    "2024-02-29T23:59:59.999Z",
]  # what a foreign hand leaves


@cache
def site_of(pack):
    """A site that is as good as empty, its schema made."""
    folder = Path(tempfile.mkdtemp()) / "data"
    folder.mkdir()
    file, text = PACKS[pack]
    (folder / file).write_text(text)
    site = Site.open(folder, app=pack)
    migrating.migrate(site, Options())
    return site


@pytest.fixture(scope="module", autouse=True)
def _tidy():
    yield
    for pack in PACKS:
        shutil.rmtree(site_of(pack).data.parent)


def _places():
    for pack in PACKS:
        for document in load(pack).documents.values():
            for number, part in enumerate(document.parts):
                yield pytest.param(pack, document.name, number, id=f"{part.table} {document.name} {number}")


FITTING = {
    "text": st.sampled_from(["", "a", "Ä"]).map(spelled),
    "secret": st.sampled_from(["", "hunter2"]).map(spelled),
    "integer": st.integers(0, 2).map(str),
    "real": st.sampled_from(["0.5", "5", "1.5"]),
    "flag": st.sampled_from(["true", "false"]),
    "instant": st.sampled_from(["2024-02-29T23:59:59.999Z", "1970-01-01T00:00:00.000Z"]).map(spelled),
    "json": st.sampled_from(["{}", "[]", '{"a":[1.50]}', "0", "null", "[[]]"]),
}


def _object(members):
    return "{" + ",".join(f"{spelled(member)}:{value}" for member, value in members.items()) + "}"


def members_of(part):
    named = [column.member for column in part.columns.values() if not column.member.startswith("$")]
    return [*named, *part.echo, *(child.member for child in part.children.values())]


def record_of(document, part, text):
    value = loads(text)
    name = "k" if document.shape.named else None
    return Record(Mapper(document, part).key_of(name, value), value, Element(name, value, ""), 0)


@pytest.mark.parametrize(("pack", "name", "number"), list(_places()))
@given(data=st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_record_as_it_was_is_told_by_its_edit(pack, name, number, data):
    site = site_of(pack)
    document = site.pack.document(name)
    part = document.parts[number]
    keys = [part.columns[column].member for column in part.key]
    fixed = {member: st.just('"a"') for member in keys if not member.startswith("$")}
    fitting = {c.member: FITTING[c.codec] for c in part.columns.values() if not c.member.startswith("$")}
    odd = st.dictionaries(st.sampled_from([*members_of(part), *HOSTILE[:4]]), values, max_size=2)
    usual = st.fixed_dictionaries({}, optional=fitting)
    objects = st.tuples(usual, odd, st.fixed_dictionaries(fixed)).map(lambda some: some[0] | some[1] | some[2])
    old_members, changed = data.draw(objects), data.draw(st.tuples(usual, odd).map(lambda some: some[0] | some[1]))
    gone = data.draw(st.sets(st.sampled_from(sorted(old_members)))) if old_members else set()
    new_members = {m: v for m, v in (old_members | changed).items() if m not in gone or m in fixed}
    either = values | st.sampled_from(STRINGS).map(spelled)
    old_text, new_text = (
        data.draw(either) if data.draw(st.integers(0, 9)) == 0 else _object(members | dict.fromkeys(fixed, '"a"'))
        for members in (old_members, new_members)
    )
    with site.writing() as connection:
        store = list(site.stores(connection, document).values())[number]
        connection.execute("SAVEPOINT s")
        try:
            old = record_of(document, part, old_text)
            new = record_of(document, part, new_text)
            if old.key != new.key:
                return
            store.insert([old])
            columns = [column for column in (*part.columns, *part.views, "extra", "members") if column not in part.key]
            if columns and data.draw(st.booleans()):
                column = quoted(data.draw(st.sampled_from(columns)))
                connection.execute(f"UPDATE {quoted(part.table)} SET {column} = ?", (data.draw(st.sampled_from(ODD)),))
            row = store.rows_of([old.key])[old.key]
            said = store.before(new.value, store.compare(new, row))
            if said is not None:
                assert canonical(said) == canonical(store.get([old.key])[old.key].value)
            store.write([store.compare(new, row)])
            assert canonical(store.get([new.key])[new.key].value) == canonical(new.value)
        except NoKey:
            return
        finally:
            connection.execute("ROLLBACK TO s")
            connection.execute("RELEASE s")


def test_a_plain_change_of_one_member_reads_nothing_anew():
    site = site_of("mediaos")
    document = site.pack.document("library")
    old = record_of(document, document.records, '{"id":"a","title":"x","year":1990,"metadata":{"b":[1.50]},"more":0}')
    new = old._replace(value=old.value | {"year": 1991})
    with site.writing() as connection:
        store = site.stores(connection, document)["records"]
        store.insert([old])
        assert store.before(new.value, store.compare(new, store.rows_of([old.key])[old.key])) == old.value
        store.remove([old.key])


def test_the_base_of_a_merge_is_what_the_file_says_by_now():
    site = site_of("mediaos")
    first, second, third = (Debt(("a",), "put", base) for base in (None, b"1" * 16, b"2" * 16))
    with site.writing() as connection:
        journal = Journal(connection)
        journal.owe("library", "records", [first])
        written = journal.upto("library")
        journal.owe("library", "records", [second, third])
        assert journal.bases("library") == {("records", ("a",)): None}
        journal.pay("library", written)  # the mirror wrote what the table said after the first change
        assert journal.bases("library") == {("records", ("a",)): b"1" * 16}
        seen = connection.execute("SELECT document, part, key, digest FROM _mm_records").fetchall()
        assert list(map(tuple, seen)) == [("library", "records", '["a"]', b"1" * 16)]
        journal.pay("library", journal.upto("library"))
        assert journal.bases("library") == {}


def test_a_change_sets_the_stamp_of_its_row_along_and_one_that_changes_nothing_does_not():
    site = site_of("mediaos")
    document = site.pack.document("library")
    old = record_of(document, document.records, '{"id":"a","title":"x","year":1990}')
    stamp = "SELECT updated_at, updated_at GLOB '????-??-??T??:??:??.???Z' FROM library_items"
    counted = "SELECT count FROM _mm_changes WHERE name = 'library_items'"
    with site.writing() as connection:
        store = site.stores(connection, document)["records"]
        store.insert([old])
        for record, stamped in ((old, None), (old._replace(position=7), None), (old._replace(value={"id": "a"}), 1)):
            before = connection.execute(counted).fetchone()[0]
            store.update([record])
            assert connection.execute(stamp).fetchone()[1] == stamped
            assert connection.execute(counted).fetchone()[0] - before == (record is not old)  # the row is written once
        store.remove([old.key])


@pytest.mark.parametrize("stamp", ["title", "id", "extra", "members", "position", "secret_state", "rowid"])
def test_a_stamp_has_no_other_meaning(stamp):
    with pytest.raises(ValidationError, match="another meaning"):
        Part(table="t", key=("id",), columns={"id": "id", "title": "title"}, stamp=stamp)
