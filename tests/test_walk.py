"""Every fixture can be walked through all stages and back, and what was written on the way is in the files at the end."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from conftest import FIXTURES, KEY
from inside import SHELF, command

from mediaos_migrate import Site, pack
from mediaos_migrate.stages import Stage

WALKS = [
    *((name, "mediaos") for name in ("mediaos", "mediaos-clean", "mediaos-empty", "mediaos-v0.3")),
    ("shelf", SHELF),
]
MARK = "walkedThrough"


def write(folder: Path, app: str, stage: Stage) -> dict[str, list[Any]]:
    """Change the first record of each document that has one that can be; return what all of them say."""
    told = {}
    with Site.open(folder, app=app) as site:
        for name in site.pack.documents:
            repository = site.repository(name)
            for key, value in repository.items()[:1]:
                if isinstance(value, dict):
                    repository.update(key, {MARK: str(stage)})
            told[name] = [value for _, value in repository.items()]
        site.flush()
    return told


def said(folder: Path, app: str) -> dict[str, list[Any]]:
    """Return what the files say, by a site that knows nothing of a database."""
    bare = folder.parent / f"{folder.name}-bare"
    bare.mkdir()
    for document in pack.load(app).documents.values():
        if (folder / document.file).exists():
            shutil.copy(folder / document.file, bare)
    with Site.open(bare, app=app) as site:
        return {name: [value for _, value in site.repository(name).items()] for name in site.pack.documents}


@pytest.mark.parametrize(("fixture", "app"), WALKS, ids=[name for name, _ in WALKS])
def test_what_is_written_at_each_stage_is_in_the_files_after_a_rollback(tmp_path, monkeypatch, fixture, app):
    monkeypatch.setenv("ENCRYPTION_KEY", KEY)
    folder = Path(shutil.copytree(FIXTURES / fixture, tmp_path / "data"))
    words = ["--data", folder, "--app", app]
    assert command("migrate", *words, key=KEY).code == 0
    for stage in [each for each in Stage if each is not Stage.OFF]:
        moved = command("stage", "advance", "--policy", "ci", "--host-reads-database", *words, key=KEY)
        assert moved.code == 0, (stage, moved.err)
        told = write(folder, app, stage)
        assert command("validate", "--record", *words, key=KEY).code == 0, stage
        if fixture not in ("mediaos", "shelf"):
            continue
        back = Path(shutil.copytree(folder, tmp_path / f"back-{stage}"))
        assert command("rollback", "--yes", "--data", back, "--app", app, key=KEY).code == 0, stage
        assert said(back, app) == told, stage
    for stage in reversed([each for each in Stage if each is not Stage.COMPLETE]):
        moved = command("stage", "retreat", *words, key=KEY)
        assert moved.code == 0, (stage, moved.err)
        assert {s["stage"] for s in command("stage", "show", "--json", *words).json["stages"]} == {str(stage)}
    assert said(folder, app) == told
    assert any(json.dumps(MARK) in path.read_text(encoding="utf-8") for path in folder.glob("*.json")) or not any(
        told.values()
    )
