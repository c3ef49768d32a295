"""A quick drill on every site of ours: each app, each way in which its files can be awkward."""

from pathlib import Path

import pytest
from conftest import FIXTURES, KEY
from inside import command

RECIPES = FIXTURES.parent / "examples" / "recipebox"
SITES = [
    ("mediaos", FIXTURES / "mediaos"),
    ("mediaos", FIXTURES / "mediaos-clean"),
    ("mediaos", FIXTURES / "mediaos-empty"),
    ("mediaos", FIXTURES / "mediaos-v0.3"),
    (str(RECIPES / "pack"), RECIPES / "data"),
]


@pytest.mark.parametrize(("app", "data"), SITES, ids=lambda value: Path(value).name)
def test_nothing_is_lost_on_the_worst_day_of_any_site(app, data, tmp_path):
    told = command("drill", "--quick", "--json", "--work", tmp_path, "--data", data, "--app", app, key=KEY)
    found = told.json["drill"]
    assert (told.code, found["lost"], found["failed"]) == (0, [], [])
    assert found["acts"][-1]["stage"] == "off"
