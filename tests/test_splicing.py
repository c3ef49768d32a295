"""Who changes a few records of a file where they lie writes the same bytes as one that writes the whole file anew."""

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from inside import command

from mediaos_migrate import Site
from mediaos_migrate.documents.layout import Edit, Layout, splice
from mediaos_migrate.files import digest
from mediaos_migrate.moves import splicing

FILMS = [f"k{n}" for n in range(8)]
ACCOUNTS = [f"user_{n}" for n in range(4)]
NEW = ["n1", "n2", "n3"]


def film(key: str, title: str) -> dict[str, object]:
    return {"id": key, "kind": "movie", "title": f"{key} {title}", "tags": ["é", {"deep": [1, 2.50]}]}


def account(key: str, name: str) -> dict[str, object]:
    return {"id": key, "email": f"{key}@{name}.example", "role": "user", "note": {"n": name}}


def spelled(document: dict[str, object], style: object) -> str:
    if style is a_line_each:
        return a_line_each(document)
    return json.dumps(document, indent=style, separators=None if style else (",", ":"), ensure_ascii=False)


def a_line_each(document: dict[str, object]) -> str:
    """Spell a document with each of its records on a line of its own."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    for key in [*FILMS, *ACCOUNTS]:
        text = text.replace(f'{{"id":"{key}"', f'\n{{"id":"{key}"').replace(f'"{key}":\n', f'\n"{key}":')
    return text.replace("}],", "}\n],").replace('"}}}', '"}}\n}')


@pytest.fixture(
    scope="module", params=[2, "\t", None, a_line_each], ids=["two blanks", "tab", "one line", "a line each"]
)
def template(request, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("splice") / "data"
    folder.mkdir()
    documents = {
        "library": {"before": 1, "items": [film(key, "Ωld") for key in FILMS], "after": {"items": []}},
        "users": {key: account(key, "old") for key in ACCOUNTS},
    }
    for name, document in documents.items():
        (folder / f"{name}.json").write_text(spelled(document, request.param))
    assert command("migrate", "--data", folder).code == 0
    words = ["--to", "live", "--policy", "ci", "--host-reads-database"]
    assert command("stage", "advance", "library", "users", *words, "--data", folder).code == 0
    return folder


steps = st.lists(
    st.lists(
        st.tuples(
            st.sampled_from(["library", "users"]),
            st.sampled_from([*FILMS, *NEW]),
            st.sampled_from(["one", "two", "Ωld", None]),
        ),
        min_size=1,
        max_size=5,
    ),
    min_size=1,
    max_size=3,
)


def act(site: Site, changes: list[tuple[str, str, str | None]]) -> None:
    for document, name, value in changes:
        records = site.repository(document)
        key = name if document == "library" else name.replace("k", "user_")
        if value is not None:
            records.put(film(key, value) if document == "library" else account(key, value))
        elif records.exists(key):
            records.remove(key)


@settings(
    max_examples=12,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    deadline=None,
)
@given(steps=steps)
def test_a_splice_writes_the_bytes_that_a_whole_rewrite_writes(template, tmp_path_factory, steps):
    here = Path(shutil.copytree(template, tmp_path_factory.mktemp("case") / "data"))
    with Site.open(here) as site:
        site.wake = lambda _: None  # what is owed is written when this test says so
        for changes in steps:
            act(site, changes)
            whole = Path(shutil.copytree(here, tmp_path_factory.mktemp("whole") / "data"))
            assert command("mirror", "flush", "--data", whole).code == 0
            site.flush()
            for name in ("library.json", "users.json"):
                assert (here / name).read_bytes() == (whole / name).read_bytes()
    assert command("validate", "--data", here).code == 0


def test_records_that_are_changed_in_place_are_not_written_with_the_others(template, tmp_path, monkeypatch):
    here = Path(shutil.copytree(template, tmp_path / "data"))
    monkeypatch.setattr(splicing.Export, "write", None)  # a whole rewrite would call it
    with Site.open(here) as site:
        site.wake = lambda _: None
        for title in ("one", "two", "three"):
            act(site, [("library", "k3", title), ("library", "k7", title), ("library", f"n{title}", title)])
            site.flush()
        act(site, [("library", "k7", None)])
        site.flush()
    items = json.loads((here / "library.json").read_bytes())["items"]
    assert [item["id"] for item in items] == [*FILMS[:-1], "none", "ntwo", "nthree"]


@pytest.mark.parametrize("template", [a_line_each], indirect=True, ids=["a line each"])
def test_records_that_are_removed_and_added_in_place_leave_each_record_on_a_line_of_its_own(template, tmp_path):
    here = Path(shutil.copytree(template, tmp_path / "data"))
    with Site.open(here) as site:
        site.wake = lambda _: None
        act(site, [("library", "k7", None), ("users", "k3", None), ("library", "n1", "one"), ("users", "n1", "one")])
        site.flush()
        act(site, [("library", "n1", None), ("users", "n1", None)])
        site.flush()
    library, users = ((here / name).read_text().splitlines() for name in ("library.json", "users.json"))
    assert [line[:9] for line in library] == ['{"before"', *(f'{{"id":"{key}' for key in FILMS[:-1]), '],"after"']
    assert [line[:7] for line in users] == ["{", *(f'"{key}' for key in ACCOUNTS[:-1]), "}"]


def files_alone(template: Path, folder: Path) -> Path:
    """Copy the JSON files, which then are believed."""
    folder.mkdir()
    for name in ("library.json", "users.json"):
        shutil.copy(template / name, folder)
    return folder


@settings(
    max_examples=12,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    deadline=None,
)
@given(steps=steps)
def test_a_believed_file_is_spliced_to_the_bytes_of_a_whole_rewrite(template, tmp_path_factory, steps):
    here, whole = (files_alone(template, tmp_path_factory.mktemp("case") / "data") for _ in range(2))
    with Site.open(here) as site, Site.open(whole) as other:
        for name in ("library", "users"):
            other.view(other.pack.document(name)).site.layouts = None
        for changes in steps:
            act(site, changes)
            act(other, changes)
            for name in ("library.json", "users.json"):
                assert (here / name).read_bytes() == (whole / name).read_bytes()


def test_a_write_to_a_believed_file_does_not_write_the_others(template, tmp_path, monkeypatch):
    here = files_alone(template, tmp_path / "data")
    monkeypatch.setattr(splicing.Export, "write", None)  # a whole rewrite would call it
    with Site.open(here) as site:
        for title in ("one", "two", "three"):
            act(site, [("library", "k3", title), ("library", "k7", title), ("library", f"n{title}", title)])
        act(site, [("library", "k7", None)])
        monkeypatch.setattr(splicing, "FileStore", None)  # nor is the file read anew to know where records lie
        act(site, [("library", "k2", "four")])
    items = json.loads((here / "library.json").read_bytes())["items"]
    assert [item["id"] for item in items] == [*FILMS[:-1], "none", "ntwo", "nthree"]


def test_a_file_that_is_not_what_we_left_is_not_spliced(template, tmp_path):
    here = Path(shutil.copytree(template, tmp_path / "data"))
    path = here / "library.json"
    with Site.open(here) as site:
        site.wake = lambda _: None
        act(site, [("library", "k3", "one")])
        site.flush()
        path.write_text(path.read_text().replace("k5 Ωld", "k5 theirs"))
        act(site, [("library", "k3", "two")])
        site.flush()
        assert site.repository("library").get("k5")["title"] == "k5 theirs"
    titles = [item["title"] for item in json.loads(path.read_bytes())["items"]]
    assert "k3 two" in titles
    assert "k5 theirs" in titles


@settings(max_examples=100, deadline=None)
@given(data=st.data(), sizes=st.lists(st.integers(1, 9), min_size=1, max_size=9))
def test_a_layout_after_edits_is_that_of_the_new_version(tmp_path_factory, data, sizes):
    """Records are runs of one letter each, with a comma between them."""
    base = tmp_path_factory.getbasetemp() / "base"
    base.write_bytes(b"[" + b",".join(bytes([65 + n]) * size for n, size in enumerate(sizes)) + b"]")
    layout, at = Layout(digest(base)), 1
    for number, size in enumerate(sizes):
        layout.add((chr(65 + number),), at, at + size)
        at += size + 1
    edits = []
    for place in sorted(data.draw(st.sets(st.integers(0, len(sizes) - 1)))):
        key = (chr(65 + place),)
        if place and data.draw(st.booleans()):
            edits.append(Edit(layout.stops[place - 1], layout.stops[place], b"", place, key, None))
        else:
            new = key[0].encode() * data.draw(st.integers(1, 9))
            edits.append(Edit(layout.starts[place], layout.stops[place], new, place, key))
    for number in range(data.draw(st.integers(0, 2))):
        key, end = (chr(97 + number),), layout.stops[-1]
        edits.append(Edit(end, end, b"," + key[0].encode() * 3, len(layout), key, 1))
    made = base.with_name("made")
    with made.open("wb") as out:
        read, wrote = splice(base, out, edits)
    after, written = layout.after(edits, wrote), made.read_bytes()
    assert (read, wrote) == (digest(base), digest(made))
    runs = written.strip(b"[]").split(b",")
    assert [written[start:stop] for start, stop in zip(after.starts, after.stops, strict=True)] == runs
    assert after.places([(run[:1].decode(),) for run in runs]) == {(r[:1].decode(),): n for n, r in enumerate(runs)}
