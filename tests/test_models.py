"""A model shows what a record holds, refuses nothing that an app could store, and gives back what it was given."""

import json
import shutil
from pathlib import Path

import pytest
from conftest import FIXTURES
from hypothesis import given
from hypothesis import strategies as st
from inside import SHELF, command
from pydantic import BaseModel, ValidationError

from mediaos_migrate import Site
from mediaos_migrate.library.models import _name, model_of
from mediaos_migrate.pack import load
from mediaos_migrate.pack.part import Column
from mediaos_migrate.stores.file import SIBLINGS

PACKS = {"mediaos": load("mediaos"), "shelf": load(SHELF)}
LIBRARY = model_of(PACKS["mediaos"].document("library"))
USERS = model_of(PACKS["mediaos"].document("users"))
ROOTED = {"settings", "metadata", "organizer", "monitor", "verify", "subtitle-automation", "ratings", "tags", "prefs"}

PARTS = [
    (app, document.name, part)
    for app, pack in PACKS.items()
    for document in pack.documents.values()
    for part in ("records", *((SIBLINGS,) if document.siblings else ()))
]

text = st.text(st.characters(categories=("L", "N", "P", "Cs", "Cc")), max_size=6)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)
ODD = [
    "class",
    "copy",
    "model_dump",
    "model_config",
    "_order",
    "__class__",
    "",
    "self",
    "class_",
    "copy_",
    "a b",
    "\ud800",
]


def exactly(value: object) -> str:
    """Spell a value with the order of its members, and 5 apart from 5.0 and True."""
    return json.dumps(value)


@pytest.fixture(scope="module")
def migrated(tmp_path_factory):
    folder = Path(shutil.copytree(FIXTURES / "mediaos", tmp_path_factory.mktemp("models") / "config"))
    assert command("migrate", "--data", folder).code == 0
    return folder


@pytest.fixture
def site(migrated, tmp_path):
    with Site.open(data=shutil.copytree(migrated, tmp_path / "config")) as site:
        yield site


# ── what it shows ──


def test_members_are_typed_as_their_columns_are():
    film = LIBRARY.model_validate({"id": "a", "title": "Dune", "year": 2021, "fileSize": 2**40, "metadata": {"x": 1}})
    assert (film.title, film.year, film.fileSize, film.metadata, film.posterUrl) == (
        "Dune",
        2021,
        2**40,
        {"x": 1},
        None,
    )
    kinds = {
        name: field["anyOf"][0].get("type")
        for name, field in LIBRARY.model_json_schema()["properties"].items()
        if "anyOf" in field
    }
    assert (kinds["title"], kinds["year"], kinds["id"]) == ("string", "integer", "string")


def test_nothing_is_demanded_and_unknown_members_are_there():
    assert LIBRARY().model_dump() == {}
    assert LIBRARY.model_validate({"rating": 5}).rating == 5


def test_the_items_of_a_child_table_are_a_list():
    profiles = model_of(PACKS["mediaos"].document("quality-profiles"))
    assert profiles.model_validate({"qualities": [{"quality": "720p"}]}).qualities == [{"quality": "720p"}]


@pytest.mark.parametrize(("app", "document", "part"), PARTS)
def test_every_mapping_has_a_model_named_after_it(app, document, part):
    model = model_of(PACKS[app].document(document), part)
    assert model.__name__.isidentifier()
    assert ("root" in model.model_fields) == (document in ROOTED)


def test_a_document_without_siblings_has_no_model_of_them():
    with pytest.raises(KeyError):
        model_of(PACKS["mediaos"].document("library"), SIBLINGS)


def test_a_name_that_is_taken_gets_a_near_one():
    assert [_name(member) for member in ("title", "class", "copy", "_x", "a-b", "1a", "", "ä")] == [
        *("title", "class_", "copy_", "x_", "a_b_", "1a_"),
        *("member_", "ä"),
    ]


# ── there and back ──


def test_every_record_of_every_fixture_comes_back_as_it_was(site):
    seen = 0
    for name, document in site.pack.documents.items():
        for part in ("records", *((SIBLINGS,) if document.siblings else ())):
            plain, typed = site.repository(name, part), site.repository(name, part, model=True)
            for (key, record), (same, model) in zip(plain.items(), typed.items(), strict=True):
                assert (key, isinstance(model, BaseModel)) == (same, True)
                assert exactly(model.model_dump()) == exactly(record)
                if "\\ud83c" not in exactly(record):  # pydantic spells JSON in UTF-8, which has no half of a pair
                    assert exactly(json.loads(model.model_dump_json())) == exactly(record)
                seen += 1
    assert seen == 90


@pytest.mark.parametrize(("app", "document", "part"), PARTS)
def test_whatever_an_app_could_store_comes_back_as_it_was(app, document, part):
    described = PACKS[app].document(document)
    model = model_of(described, part)
    mapping = described.records if part == "records" else described.siblings
    members = sorted({column.member for column in mapping.columns.values()} | {*mapping.echo, *ODD})
    objects = st.dictionaries(st.sampled_from(members) | text, values, max_size=8)

    @given(values if "root" in model.model_fields else objects)
    def test(record):
        assert exactly(model.model_validate(record).model_dump()) == exactly(record)

    test()


@pytest.mark.parametrize("member", ODD[:-1])
def test_a_member_of_any_name_may_be_a_column(member):
    records = PACKS["mediaos"].document("library").records
    more = records.model_copy(update={"columns": {**records.columns, "more": Column(member=member)}})
    model = model_of(PACKS["mediaos"].document("library").model_copy(update={"records": more}))
    for record in ({"id": "a", member: "x", "title": "T"}, {member: None}, {member: 5}, {f"{member}_": 1}):
        assert exactly(model.model_validate(record).model_dump()) == exactly(record)


@pytest.mark.parametrize("value", [None, 5, "text", [], True])
def test_what_is_no_object_is_no_model_of_one(value):
    with pytest.raises(ValidationError):
        LIBRARY.model_validate(value)


def test_a_change_is_dumped_in_its_place_and_something_new_at_the_end():
    film = LIBRARY.model_validate({"title": "Dune", "rating": 5, "year": None, "id": "a"})
    film.year, film.title, film.seen, film.kind = 1984, "Dune!", True, "movie"
    assert exactly(film.model_dump()) == exactly(
        {"title": "Dune!", "rating": 5, "year": 1984, "id": "a", "kind": "movie", "seen": True}
    )
    del film.rating
    assert "rating" not in film.model_dump()


def test_what_is_left_out_on_wish_is_left_out():
    user = USERS.model_validate({"id": "a", "email": "a@b", "passwordHash": "00:11", "more": {"x": 1, "y": 2}})
    assert user.model_dump(exclude={"passwordHash": True, "more": {"x"}}) == {
        "id": "a",
        "email": "a@b",
        "more": {"y": 2},
    }
    assert user.model_dump(include={"email"}) == {"email": "a@b"}
    assert "00:11" not in user.model_dump_json(exclude={"passwordHash"})


# ── in a repository ──


def test_a_repository_gives_models_on_wish(site):
    library = site.repository("library", model=True)
    assert library.model is site.repository("library").model
    film = library.get("mgln17v4c7p0ka")
    assert isinstance(film, library.model)
    assert film.title == "The Ninth Ferry"
    assert library.get("nobody") is None
    found = [*library.list(where={"title": "The Ninth Ferry"}), *library.search("ninth ferry")]
    assert [each.id for each in found] == [film.id, film.id]
    assert isinstance(site.repository("library").get(film.id), dict)


def test_records_are_given_as_models_or_as_json(site):
    library = site.repository("library", model=True)
    key = library.add(library.model(kind="movie", title="Made"))
    made = library.get(key)
    assert (made.id, made.title) == (key, "Made")
    made.year = 2020
    assert library.put(made) == key
    library.update(key, library.model(quality="1080p"))
    library.update(key, {"source": "DVD"})
    assert library.get(key).model_dump() == {
        "id": key,
        "kind": "movie",
        "title": "Made",
        "year": 2020,
        "quality": "1080p",
        "source": "DVD",
    }


def test_writing_a_model_back_changes_no_byte(site):
    before = (site.data / "library.json").read_bytes()
    library = site.repository("library", model=True)
    for film in library.list():
        library.put(film)
    assert (site.data / "library.json").read_bytes() == before


def test_a_record_that_is_no_object_comes_out_as_it_is(site):
    users = site.repository("users", model=True)
    users.put("only text", key="odd")
    assert (users.get("odd"), users.get("user_1759276800000_h1h1h1h1h").email) == (*("only text", "noor@pier.example"),)
