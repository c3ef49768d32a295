"""Every rule of lint finds what it is for, says where, and can be allowed with a reason."""

from pathlib import Path

import pytest

from mediaos_migrate.migrations import Ladder, folder
from mediaos_migrate.migrations.lint import RULES, lint

ROOT = Path(__file__).parents[1]
FIRST = "CREATE TABLE films (id TEXT NOT NULL PRIMARY KEY, title TEXT, year INTEGER);\n"


def pack(path: Path, up: str, down: str = "", *, first: str = FIRST) -> Path:
    (path / "0001_films.up.sql").write_text(first)
    (path / "0001_films.down.sql").write_text("DROP TABLE films;\n")
    (path / "0002_more.up.sql").write_text(up)
    (path / "0002_more.down.sql").write_text(down)
    return path


CASES = {
    "drop-table": (
        "DROP TABLE films;",
        "CREATE TABLE films (id TEXT NOT NULL PRIMARY KEY, title TEXT, year INTEGER);",
        "films",
    ),
    "drop-column": ("ALTER TABLE films DROP COLUMN year;", "ALTER TABLE films ADD COLUMN year INTEGER;", "films.year"),
    "not-null": (
        "CREATE TABLE a (x);\nALTER TABLE films ADD COLUMN kind TEXT NOT NULL;",
        "ALTER TABLE films DROP COLUMN kind; DROP TABLE a;",
        "films.kind",
    ),
    "unique": ("CREATE UNIQUE INDEX one ON films(title);", "DROP INDEX one;", "one on films"),
    "rename": ("ALTER TABLE films RENAME TO movies;", "ALTER TABLE movies RENAME TO films;", "films"),
    "numeric-affinity": ("CREATE TABLE b (at DATETIME, body JSONB, on_ BOOLEAN);", "DROP TABLE b;", "at DATETIME"),
    "or-replace": (
        "INSERT OR REPLACE INTO films (id) VALUES ('x');",
        "",
        "INSERT OR REPLACE INTO films(id)VALUES('x');",
    ),
    "unguarded-trigger": (
        "CREATE TRIGGER t AFTER UPDATE ON films BEGIN UPDATE films SET year = 1 WHERE id = NEW.id; END;",
        "DROP TRIGGER t;",
        "t",
    ),
    "foreign-key-index": ("CREATE TABLE c (film TEXT REFERENCES films(id));", "DROP TABLE c;", "c.film"),
    "if-exists": ("CREATE TABLE IF NOT EXISTS d (x);", "DROP TABLE d;", "CREATE TABLE IF NOT EXISTS"),
    "transaction": ("VACUUM;", "", "VACUUM: it cannot run inside a transaction"),
    "not-inverse": ("CREATE TABLE e (x);", "", "leaves table e"),
    "broken": ("CREATE TABLE f (x REFERENCES;", "", 'near ";": syntax error'),
}


@pytest.mark.parametrize("rule", CASES)
def test_each_rule_finds_what_it_is_for(rule, tmp_path):
    up, down, what = CASES[rule]
    found = [finding for finding in lint(pack(tmp_path, up, down)) if finding.rule == rule]
    assert found[0].what == what
    assert found[0].why
    assert found[0].remedy


@pytest.mark.parametrize("rule", ["drop-table", "drop-column", "unique", "rename", "if-exists", "unguarded-trigger"])
def test_a_rule_can_be_allowed_on_its_line_with_a_reason(rule, tmp_path):
    up, down, _ = CASES[rule]
    assert [f.rule for f in lint(pack(tmp_path, f"{up} -- lint: allow {rule} because we looked\n", down))] == []


def test_allowing_a_rule_without_a_reason_is_a_finding(tmp_path):
    found = lint(pack(tmp_path, "DROP TABLE films; -- lint: allow drop-table\n", FIRST))
    assert [(f.rule, f.line) for f in found] == [("allow-without-reason", 1)]


def test_a_finding_names_file_and_line(tmp_path):
    up = "-- a comment\n\nCREATE TABLE a (x);\n\n-- why\nDROP TABLE films;\n"
    found = next(f for f in lint(pack(tmp_path, up)) if f.rule == "drop-table")
    assert str(found) == (
        "0002_more.up.sql:6: drop-table: films: the rows of a table go with it. Move them first, and say so beside it."
    )


def test_a_missing_down_is_a_finding(tmp_path):
    (tmp_path / "0001_films.up.sql").write_text(FIRST)
    assert [f.rule for f in lint(tmp_path)] == ["missing-down"]


def test_a_foreign_key_that_is_added_to_a_table_wants_an_index_too(tmp_path):
    up = "ALTER TABLE films ADD COLUMN sequel TEXT REFERENCES films(id);"
    found = lint(pack(tmp_path, up, "ALTER TABLE films DROP COLUMN sequel;"))
    assert [(finding.rule, finding.what) for finding in found] == [("foreign-key-index", "films.sequel")]


def test_an_update_that_replaces_is_a_finding(tmp_path):
    assert [f.rule for f in lint(pack(tmp_path, "UPDATE OR REPLACE films SET id = 'x';"))] == ["or-replace"]


def test_a_guarded_trigger_is_no_finding(tmp_path):
    up = (
        "CREATE TRIGGER t AFTER UPDATE OF title ON films WHEN NEW.year IS OLD.year\n"
        "BEGIN UPDATE films SET year = 1 WHERE id = NEW.id; END;"
    )
    assert lint(pack(tmp_path, up, "DROP TRIGGER t;")) == []


def test_every_rule_has_a_case():
    assert set(RULES) == {*CASES, "missing-down", "allow-without-reason", "integrity"}


@pytest.mark.parametrize("engine", ["schema/mediaos/sqlite", "fixtures/packs/shelf/sqlite"])
def test_our_own_packs_are_clean(engine):
    assert [str(finding) for finding in lint(ROOT / engine)] == []


@pytest.mark.parametrize("engine", ["schema/mediaos/sqlite", "fixtures/packs/shelf/sqlite"])
@pytest.mark.parametrize("ladder", list(Ladder))
def test_our_own_packs_have_one_reviewed_history(engine, ladder):
    migrations = folder.read_loosely(ROOT / engine, ladder)
    written = folder.folder_of(ROOT / engine, ladder) / folder.INTEGRITY
    assert not migrations or written.read_text() == folder.integrity(migrations)


def test_two_branches_that_add_a_number_collide_in_the_first_line(tmp_path):
    base = folder.integrity(folder.read_loosely(pack(tmp_path, "CREATE TABLE a (x);", "DROP TABLE a;")))
    (tmp_path / "0003_ours.up.sql").write_text("CREATE TABLE ours (x);")
    (tmp_path / "0003_ours.down.sql").write_text("DROP TABLE ours;")
    ours = folder.integrity(folder.read_loosely(tmp_path))
    (tmp_path / "0003_ours.up.sql").write_text("CREATE TABLE theirs (x);")
    theirs = folder.integrity(folder.read_loosely(tmp_path))
    assert len({text.splitlines()[0] for text in (base, ours, theirs)}) == 3


def test_a_changed_file_does_not_fit_the_history(tmp_path):
    folder.write_integrity(tmp_path, folder.read_loosely(pack(tmp_path, "CREATE TABLE a (x);", "DROP TABLE a;")))
    (tmp_path / "0002_more.up.sql").write_text("CREATE TABLE a (x, y);")
    found = lint(tmp_path)
    assert found[0].what == f"{tmp_path}/history.sum does not fit the migrations beside it: 0002_more."


def test_comments_and_layout_fit_the_history_all_the_same(tmp_path):
    folder.write_integrity(tmp_path, folder.read_loosely(pack(tmp_path, "CREATE TABLE a (x);", "DROP TABLE a;")))
    (tmp_path / "0002_more.up.sql").write_text("-- why\r\nCREATE  TABLE a\r\n( x ) ; /* so */\r\n")
    assert lint(tmp_path) == []


def test_the_template_of_a_new_migration_is_clean_and_its_recipe_runs(tmp_path):
    engine = pack(tmp_path, "CREATE INDEX idx_films_title ON films(title);", "DROP INDEX idx_films_title;")
    up, down, verify = folder.new(engine, "with_rating")
    assert [path.name for path in (up, down, verify)] == [
        "0003_with_rating.up.sql",
        "0003_with_rating.down.sql",
        "0003_with_rating.verify.sql",
    ]
    assert lint(engine) == []
    recipe = [line.removeprefix("--   ") for line in up.read_text().splitlines() if line.startswith("--   ")]
    up.write_text("\n".join(recipe))
    down.write_text("\n".join(recipe))
    assert [finding.rule for finding in lint(engine)] == ["integrity"]
