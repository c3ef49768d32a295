"""A damaged file is refused by name, with line, column and the way out."""

import pytest
from broken_files import BROKEN, FOLDER, MESSAGES, read_strictly
from hypothesis import given
from hypothesis import strategies as st
from json_texts import document, unhurried

from mediaos_migrate.documents import damage
from mediaos_migrate.documents.damage import damaged, locate
from mediaos_migrate.documents.faults import Fault
from mediaos_migrate.errors import Damaged
from mediaos_migrate.shapes import Shape

every_broken_file = pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.file)


def refusal(broken, folder):
    with pytest.raises(Damaged) as caught:
        read_strictly(broken.put(folder), broken.document)
    return caught.value


def test_every_broken_file_is_described():
    files = sorted(path.name for path in FOLDER.glob("*.*.json"))
    assert sorted(broken.file for broken in BROKEN) == files
    assert sorted(MESSAGES) == files


@every_broken_file
def test_a_broken_file_is_refused_with_line_and_column(broken, tmp_path):
    facts = refusal(broken, tmp_path).facts
    assert (facts["line"], facts["column"]) == (broken.line, broken.column)


@every_broken_file
def test_a_broken_file_is_refused_in_these_words(broken, tmp_path):
    error = refusal(broken, tmp_path)
    assert {"message": error.message, "remedy": error.remedy} == MESSAGES[broken.file]


@every_broken_file
def test_a_refusal_carries_its_facts(broken, tmp_path):
    error = refusal(broken, tmp_path)
    path = tmp_path / broken.document.file
    assert error.facts == {
        "file": str(path),
        "document": broken.document.name,
        "kind": error.kind,
        "line": broken.line,
        "column": broken.column,
        "offset": error.facts["offset"],
    }
    assert locate(path, error.facts["offset"]) == (broken.line, broken.column)
    assert str(error) == f"{error.message} {error.remedy}"


@pytest.mark.parametrize("salvage", [True, False])
def test_salvage_is_offered_only_where_it_helps(salvage, tmp_path):
    path = tmp_path / "sample.json"
    path.write_bytes(b"[")
    error = damaged(path, document(Shape.ONE), Fault("truncated", 1, "the end"), salvage=salvage)
    offered = ", or take what is complete with --salvage" if salvage else ""
    assert error.remedy == f"Restore it from a backup{offered}, or leave it out with --skip sample."


@unhurried
@given(
    pieces=st.lists(st.sampled_from(["a", "é", "日", "😀", "\n", "\r\n", " ", "\t"]), max_size=40),
    where=st.integers(0, 40),
    size=st.sampled_from([1, 2, 5, 1 << 20]),
)
def test_a_place_counts_lines_and_characters_from_one(pieces, where, size, tmp_path):
    before = "".join(pieces[:where])
    path = tmp_path / "text"
    path.write_bytes("".join(pieces).encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(damage, "_CHUNK", size)
        place = locate(path, len(before.encode()))
    assert place == (before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)


def test_a_place_behind_the_end_is_the_end(tmp_path):
    path = tmp_path / "text"
    path.write_bytes(b"a\nbc")
    assert locate(path, 99) == (2, 3)
