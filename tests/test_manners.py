"""What a small machine with a spinning disk may expect: files read from front to back, and a word now and then."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from inside import command

from mediaos_migrate import Site, marker
from mediaos_migrate.ledger import Ledger
from mediaos_migrate.moves import exporting
from mediaos_migrate.report import EVERY, Progress
from mediaos_migrate.stages import Stage


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A library of some windows of the reader."""
    (tmp_path / "config").mkdir()
    items = [{"id": f"m{n}", "kind": "movie", "title": f"Film {n}", "overview": f"{n} " * 400} for n in range(1000)]
    (tmp_path / "config" / "library.json").write_text(json.dumps({"items": items}, indent=2))
    return tmp_path / "config"


class Heard(io.FileIO):
    """A file that notes how much of it was read, and where its reader went back after the beginning."""

    read_bytes = 0
    went_back: list[tuple[int, int]]

    def readinto(self, buffer: Any) -> int | None:
        found = super().readinto(buffer)
        Heard.read_bytes += found or 0
        return found

    def readall(self) -> bytes:
        raise AssertionError("a file is never read at once")

    def seek(self, place: int, whence: int = 0) -> int:
        before = self.tell()
        after = super().seek(place, whence)
        if after < before:
            Heard.went_back.append((before, after))
        return after


def test_a_library_is_read_from_front_to_back(folder, monkeypatch):
    opened = io.open

    def open_(file: Any, mode: str = "r", *words: Any, **named: Any) -> Any:
        if mode == "rb" and str(file).endswith("library.json"):
            return io.BufferedReader(Heard(file))
        return opened(file, mode, *words, **named)

    monkeypatch.setattr(io, "open", open_)
    size = (folder / "library.json").stat().st_size
    for words in (["migrate"], ["validate"], ["export", "--to", folder.parent / "exported"]):
        Heard.read_bytes, Heard.went_back = 0, []
        assert command(*words, "--data", folder).code == 0
        assert Heard.went_back == []
        assert Heard.read_bytes >= size


class Listening(Progress):
    def __init__(self) -> None:
        self.heard: list[tuple[Any, ...]] = []

    def step(self, verb: str, what: str = "") -> None:
        self.heard.append((verb, what))

    def at(self, done: int, total: int) -> None:
        self.heard.append((done, total))


def test_an_export_says_how_far_it_is(folder, tmp_path, monkeypatch):
    assert command("migrate", "--data", folder).code == 0
    monkeypatch.setattr(exporting, "EVERY", 250)
    progress = Listening()
    exporting.export(Site.open(folder), tmp_path / "exported", progress)
    assert progress.heard == [("export", "library.json"), (0, 1000), (250, 1000), (500, 1000), (750, 1000)]
    assert EVERY > 250


def test_an_export_of_a_person_begins_with_a_word(folder, tmp_path):
    assert command("migrate", "--data", folder).code == 0
    told = command("export", "--to", tmp_path / "exported", "--data", folder)
    assert told.err == "write every file … (safe to interrupt)\n"


def test_a_flush_says_what_it_writes(folder):
    assert command("migrate", "--data", folder).code == 0
    with Site.open(folder) as site, site.locked(), site.writing() as connection:
        Ledger(connection).set_stage("library", Stage.LIVE, "for a test")
        marker.settle(site.state, Ledger(connection), site.owner)
    told = command("mirror", "flush", "--data", folder)
    assert (told.code, told.err) == (0, "write every file that is behind … (safe to interrupt)\n")
