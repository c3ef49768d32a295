"""DeepDiff is slow, and looks only at lists that differ: fifteen differences in many records take fifteen calls."""

import json
import sqlite3
from contextlib import closing

from inside import command

from mediaos_migrate import differences

FILMS, PLANTED = 20_000, 15


def test_fifteen_differences_in_many_records_take_fifteen_calls(tmp_path, monkeypatch):
    calls, real = [], differences.DeepDiff

    def spy(*pair, **options):
        calls.append(pair)
        return real(*pair, **options)

    folder = tmp_path / "data"
    folder.mkdir()
    films = [
        {"id": f"f{n:05d}", "kind": "movie", "title": f"Film {n}", "metadata": {"cast": ["Ann", "Bob", n]}}
        for n in range(FILMS)
    ]
    (folder / "library.json").write_text(json.dumps({"items": films}), encoding="utf-8")
    assert command("migrate", "--data", folder).code == 0
    keys = [film["id"] for film in films[7 :: FILMS // PLANTED]][:PLANTED]
    with closing(sqlite3.connect(folder / "mediaos.db", isolation_level=None)) as connection:
        sql = "UPDATE library_items SET metadata = json_set(metadata, '$.cast[1]', 'Zoe') WHERE id = ?"
        connection.executemany(sql, [(key,) for key in keys])
    monkeypatch.setattr(differences, "DeepDiff", spy)
    told = command("validate", "--data", folder, "--json")
    found = told.document("library")
    assert (told.code, found["changed"], found["compared"]) == (3, keys, FILMS)
    assert {m["path"] for each in found["differences"] for m in each["members"]} == {"metadata.cast.1"}
    assert len(calls) <= PLANTED
