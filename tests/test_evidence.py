"""Each verdict that is kept says what it was true of, and a failed one stands until a whole look finds nothing."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from inside import command

from mediaos_migrate import __version__
from mediaos_migrate.evidence import CLEAN, DIFFERS, UNVERIFIABLE, Evidence, Verdict
from mediaos_migrate.ledger import Ledger


@pytest.fixture
def data(tmp_path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    items = [{"id": f"film{n:03d}", "kind": "movie", "title": f"Film {n}"} for n in range(30)]
    (folder / "library.json").write_text(json.dumps({"items": items}), encoding="utf-8")
    assert command("migrate", "--data", folder).code == 0
    return folder


def spoil(folder: Path, title: str) -> None:
    with closing(sqlite3.connect(folder / "mediaos.db", isolation_level=None)) as connection:
        connection.execute("UPDATE library_items SET title = ? WHERE id = 'film007'", (title,))


def kept(folder: Path, *words: str) -> list[dict]:
    return command("evidence", "list", "--data", folder, "--json", *words).json["evidence"]


def shown(folder: Path, number: int) -> dict:
    return command("evidence", "show", str(number), "--data", folder, "--json").json["evidence"][0]


def test_a_verdict_says_what_it_was_true_of(data):
    [first] = kept(data, "library")
    assert first["verdict"] == "clean"
    assert first["stands"]
    assert first["tool_version"] == __version__
    assert first["changes"]["library_items"] >= 1
    assert first["compared"] == 30
    assert shown(data, first["number"])["note"].startswith("it still holds")


def test_a_failed_verdict_names_what_differed_without_a_value(data):
    spoil(data, "A secret title")
    assert command("validate", "library", "--record", "--data", data).code == 3
    failed = kept(data, "library")[-1]
    assert failed["verdict"] == "differs"
    told = shown(data, failed["number"])
    assert told["found"][0]["key"] == "film007"
    assert told["found"][0]["members"][0]["path"] == "title"
    assert "secret" not in json.dumps(told)


def test_a_failed_verdict_stands_until_a_whole_look_finds_nothing(data):
    spoil(data, "spoilt")
    assert command("validate", "--record", "--data", data).code == 3
    failed = kept(data, "library")[-1]["number"]
    spoil(data, "Film 7")
    for narrow in (["--quick"], ["library", "--key", "film007"], ["users", "--record"]):
        command("validate", "--data", data, *narrow)
        assert [item["number"] for item in kept(data, "library") if item["stands"]] == [failed]
    why = command("stage", "why-not", "library", "--data", data).out
    assert f"verdict {failed} found differences" in why
    assert command("stage", "advance", "library", "--policy", "ci", "--data", data).code == 4
    assert command("validate", "--record", "--since-last", "--data", data).code == 0
    assert [item["verdict"] for item in kept(data, "library") if item["stands"]] == ["clean"]
    assert command("stage", "advance", "library", "--policy", "ci", "--data", data).code == 0


@pytest.mark.parametrize(
    ("history", "standing"),
    [
        ([CLEAN], CLEAN),
        ([DIFFERS], DIFFERS),
        ([DIFFERS, UNVERIFIABLE], DIFFERS),
        ([DIFFERS, CLEAN], CLEAN),
        ([DIFFERS, CLEAN, UNVERIFIABLE], UNVERIFIABLE),
        ([CLEAN, DIFFERS, UNVERIFIABLE, UNVERIFIABLE], DIFFERS),
        ([DIFFERS, "epoch", CLEAN], CLEAN),
        ([DIFFERS, "epoch", UNVERIFIABLE], UNVERIFIABLE),
        ([CLEAN, "epoch", DIFFERS, UNVERIFIABLE], DIFFERS),
    ],
)
def test_only_a_clean_look_clears_a_failed_one_of_its_epoch(history, standing):
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.row_factory = sqlite3.Row
        Ledger(connection).make("mediaos")
        evidence = Evidence(connection)
        for word in history:
            if word == "epoch":
                evidence.new_epoch()
            else:
                evidence.record(Verdict("library", word, None, "", None), {})
        assert evidence.last()["library"].verdict == standing


def test_an_unknown_verdict_is_refused(data):
    assert command("evidence", "show", "999", "--data", data).code == 2
