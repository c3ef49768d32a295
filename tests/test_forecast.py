"""What a migration will take is measured before it, in scratch, and held against what it took."""

from __future__ import annotations

import json
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from conftest import FIXTURES, KEY
from inside import SHELF, command

from mediaos_migrate import Site
from mediaos_migrate.moves import forecasting
from mediaos_migrate.moves.surveyed import Survey
from mediaos_migrate.secrets import Vault
from mediaos_migrate.shapes import Shape


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that is large enough for a sample of it to be migrated."""
    folder = tmp_path_factory.mktemp("large") / "config"
    folder.mkdir()
    items = [{"id": f"m{n}", "kind": "movie", "title": f"Film {n}", "overview": f"{n} " * 200} for n in range(3000)]
    (folder / "library.json").write_text(json.dumps({"items": items}, indent=2))
    assert (folder / "library.json").stat().st_size > forecasting.SMALL
    return folder


def stamps(folder: Path) -> dict[Path, Any]:
    return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in [folder, *folder.rglob("*")]}


def test_a_doctor_measures_in_scratch_and_leaves_nothing_there(large, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = stamps(large)
    told = command("doctor", "--data", large, "--json").json["forecast"]
    assert (stamps(large), list(tmp_path.iterdir())) == (before, [])
    assert told["seconds"] > 0
    assert told["disk"]["backup"] == told["disk"]["mirror"] == (large / "library.json").stat().st_size


def test_a_rehearsal_tells_how_far_the_forecast_was_off(large):
    told = command("rehearse", "--data", large, "--json").json
    said, off = told["forecast"], told["forecast_off"]
    stays = said["disk"]["database"] + said["disk"]["backup"]
    assert off["disk"] == told["disk"]["needed"] - stays
    assert abs(off["disk"]) < stays / 4
    assert said["seconds"] + off["seconds"] == pytest.approx(sum(told["timings"].values()), abs=0.01)
    assert abs(off["memory"]) < said["memory"] / 3


def test_a_person_reads_it_in_one_sentence(site_folder):
    told = command("rehearse", "--data", site_folder, key=KEY).out
    assert "The migration was foretold to take " in told
    told = command("doctor", "--data", site_folder, key=KEY).out
    assert "Forecast, measured on this machine: " in told
    assert "how often is not known yet." in told


def test_a_small_site_is_not_migrated_to_measure(site_folder, monkeypatch):
    monkeypatch.setattr(forecasting, "_Run", None)
    assert command("doctor", "--data", site_folder, "--json").json["forecast"]["seconds"] > 0


def test_where_nothing_can_be_tried_out_the_disk_is_taken_for_a_slow_one(large, tmp_path, monkeypatch):
    (tmp_path / "full").touch()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "full"))
    told = command("doctor", "--data", large, "--json")
    assert (told.code, told.json["forecast"]["seconds"] > forecasting.SLOW * forecasting.COMMITS) == (0, True)


def documents():
    for app, folder in (("mediaos", FIXTURES / "mediaos"), (SHELF, FIXTURES / "shelf")):
        with Site.open(folder, app=app) as site:
            for document in site.pack.documents.values():
                if site.file(document).is_file() and document.shape is not Shape.ONE:
                    yield pytest.param(site, document, id=f"{site.pack.app} {document.name}")


@pytest.mark.parametrize(("site", "document"), [*documents()])
@pytest.mark.parametrize("size", [1, 400])
def test_a_sample_is_a_whole_file_of_the_first_records(site, document, size, tmp_path):
    copy = Site(tmp_path, tmp_path / "mediaos.db", site.pack, Vault())
    written = forecasting._begin(site, Survey(document, "present"), copy, size)
    begun, whole = copy.file(document).read_bytes(), json.loads(site.file(document).read_bytes())
    sample = json.loads(begun)
    if document.under is not None:
        sample, whole = sample[document.under], whole[document.under]
    assert len(begun) == written
    assert len(sample) >= 1
    if isinstance(whole, list):
        assert sample == whole[: len(sample)]
    else:
        assert list(sample.items()) == list(whole.items())[: len(sample)]


# ── the mirror ──


def age(folder: Path, days: float) -> None:
    with closing(sqlite3.connect(folder / "mediaos.db", isolation_level=None)) as connection:
        connection.execute("UPDATE _mm_evidence SET at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now', ?)", (f"-{days} days",))


def test_a_young_site_has_no_rate_of_writes(site_folder):
    command("migrate", "--data", site_folder)
    told = command("doctor", "--data", site_folder, "--json").json["forecast"]
    assert (told["writes_per_day"], told["mirror_per_day"]) == (None, None)


def test_a_site_at_which_nothing_is_written_mirrors_nothing(site_folder):
    command("migrate", "--data", site_folder)
    age(site_folder, 10)
    told = command("doctor", "--data", site_folder, "--json").json["forecast"]
    assert (told["writes_per_day"], told["mirror_per_day"]) == (0, 0)


def test_what_a_mirror_writes_a_day_follows_from_the_writes_that_were_seen(site_folder):
    command("migrate", "--data", site_folder)
    with closing(sqlite3.connect(site_folder / "mediaos.db", isolation_level=None)) as connection:
        for number in range(30):
            connection.execute("UPDATE library_items SET title = ? WHERE rowid = 1", (str(number),))
    age(site_folder, 10)
    told = command("doctor", "--data", site_folder, "--json").json["forecast"]
    assert told["writes_per_day"] == pytest.approx(6, rel=0.01)  # the app's trigger notes the time of each
    size = (site_folder / "library.json").stat().st_size
    assert told["mirror_per_day"] == pytest.approx(told["writes_per_day"] * size, rel=0.01)


def test_a_rehearsal_tries_it_out_where_it_works(large, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere" / "else"))
    (tmp_path / "nowhere").touch()
    monkeypatch.setattr(forecasting, "SLOW", 1000.0)  # what is taken where nothing can be tried out
    told = command("rehearse", "--data", large, "--work", tmp_path / "work", "--json").json
    assert 0 < told["forecast"]["seconds"] < forecasting.COMMITS * 1000
