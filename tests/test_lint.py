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
    return reviewed(path)


def reviewed(path: Path) -> Path:
    """Write the history for the migrations as they are."""
    folder.write_integrity(path, folder.read_loosely(path))
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


STAMP = "BEGIN UPDATE films SET year = 1 WHERE id = NEW.id; END;"
DISGUISES = {  # the same mistakes, spelled so that a hasty eye overlooks them
    'ALTER TABLE films RENAME TO "my films";': ["rename: films"],
    'CREATE TABLE "my list" (x); DROP TABLE "my list";': ["drop-table: my list"],
    "DROP TABLE main.films;": ["drop-table: films"],
    'DROP TABLE "main"."films";': ["drop-table: films"],
    "DROP TABLE [films];": ["drop-table: films"],
    'ALTER TABLE films ADD COLUMN "my year" TEXT NOT NULL;': ["not-null: films.my year"],
    "ALTER TABLE films ADD year2 TEXT NOT NULL DEFAULT NULL;": ["not-null: films.year2"],
    "ALTER TABLE main.films DROP COLUMN `year`;": ["drop-column: films.year"],
    "CREATE UNIQUE INDEX main.[by title] ON `films`(title);": ["unique: by title on films"],
    f"CREATE TEMP TRIGGER t AFTER UPDATE ON main.films {STAMP}": ["unguarded-trigger: t"],
    f"CREATE TEMPORARY TRIGGER t UPDATE ON films {STAMP}": ["unguarded-trigger: t"],
    f'CREATE TRIGGER main."my t" AFTER UPDATE OF "title", year ON films {STAMP}': ["unguarded-trigger: my t"],
    f"CREATE TRIGGER t AFTER UPDATE ON films WHEN 1 {STAMP}": ["unguarded-trigger: t"],
    f"CREATE TRIGGER t AFTER UPDATE ON films WHEN 'a\nb' <> '' {STAMP}": ["unguarded-trigger: t"],
    'CREATE TRIGGER t UPDATE ON films BEGIN UPDATE OR IGNORE "Films" SET year = 1; END;': ["unguarded-trigger: t"],
    'CREATE TABLE b ("air date" DATE);': ["numeric-affinity: air date DATE"],
    "CREATE TABLE b (x DECIMAL(10, 2), y NUMERIC);": [
        "numeric-affinity: x DECIMAL(10, 2)",
        "numeric-affinity: y NUMERIC",
    ],
    'CREATE TEMP TABLE b (at "DateTime");': ["numeric-affinity: at DateTime"],
    "CREATE TABLE b AS SELECT CAST(title AS DECIMAL) AS x FROM films;": ["numeric-affinity: x NUM"],
    "ALTER TABLE films ADD COLUMN price MONEY;": ["numeric-affinity: price MONEY"],
    "CREATE UNIQUE INDEX IF NOT EXISTS one ON films(id);": [
        "if-exists: CREATE UNIQUE INDEX IF NOT EXISTS",
        "unique: one on films",
    ],
    'CREATE TABLE b (film TEXT REFERENCES films(id)); CREATE INDEX "by" ON b(lower(film));': [
        "foreign-key-index: b.film"
    ],
}


@pytest.mark.parametrize("up", DISGUISES)
def test_another_spelling_hides_no_mistake(up, tmp_path):
    found = [f for f in lint(pack(tmp_path, up)) if f.rule not in ("not-inverse", "broken")]
    assert sorted(f"{f.rule}: {f.what}" for f in found) == DISGUISES[up]


HARMLESS = {
    "CREATE TABLE b (at TEXT, n BIGINT, r DOUBLE, c VARCHAR(9), z BLOB, any);": "DROP TABLE b;",
    "CREATE TABLE b (x ANY, y TEXT) STRICT;": "DROP TABLE b;",
    "CREATE TABLE b (note TEXT DEFAULT 'only IF EXISTS, DATE, DROP TABLE films');": "DROP TABLE b;",
    "CREATE TABLE b (id INTEGER PRIMARY KEY REFERENCES films(id));": "DROP TABLE b;",
    f"CREATE TRIGGER t AFTER UPDATE ON films WHEN NEW.year IS NULL {STAMP}": "DROP TRIGGER t;",
    "CREATE TRIGGER t AFTER UPDATE ON films BEGIN SELECT 'UPDATE'; END;": "DROP TRIGGER t;",
    "CREATE TEMP TRIGGER t AFTER UPDATE ON main.films BEGIN SELECT 1; END;": "DROP TRIGGER t;",
    "ALTER TABLE films ADD COLUMN \"my year\" TEXT NOT NULL DEFAULT '';": 'ALTER TABLE films DROP COLUMN "my year";',
    'CREATE TABLE b ("my film" TEXT REFERENCES films(id)); CREATE INDEX i ON b("my film");': "DROP TABLE b;",
}


@pytest.mark.parametrize("up", HARMLESS)
def test_what_only_looks_like_a_mistake_is_no_finding(up, tmp_path):
    assert [str(finding) for finding in lint(pack(tmp_path, up, HARMLESS[up]))] == []


ALLOWED = "-- lint: allow numeric-affinity because it is a test\n-- lint: allow foreign-key-index because it is small\n"


def test_a_fault_is_found_in_the_step_that_brings_it_only(tmp_path):
    first = f"{FIRST}CREATE TABLE b (film TEXT REFERENCES films(id), {ALLOWED} at DATE);"
    pack(tmp_path, "ALTER TABLE b ADD COLUMN x TEXT;", "ALTER TABLE b DROP COLUMN x;", first=first)
    (tmp_path / "0001_films.down.sql").write_text("DROP TABLE b; DROP TABLE films;\n")
    assert [str(finding) for finding in lint(reviewed(tmp_path))] == []


def test_a_fault_is_allowed_at_the_table_that_has_it(tmp_path):
    up = "CREATE TABLE a (at TEXT);\nCREATE TABLE b (\n  at DATE -- lint: allow numeric-affinity because it is a test\n);"
    assert lint(pack(tmp_path, up, "DROP TABLE a; DROP TABLE b;")) == []


def test_a_reason_that_is_missing_is_found_once(tmp_path):
    up = "CREATE TABLE b (film TEXT REFERENCES films(id)); -- lint: allow foreign-key-index"
    assert [finding.rule for finding in lint(pack(tmp_path, up, "DROP TABLE b;"))] == ["allow-without-reason"]


def test_migrations_without_a_history_are_a_finding(tmp_path):
    (pack(tmp_path, "CREATE TABLE a (x);", "DROP TABLE a;") / "history.sum").unlink()
    assert [str(finding) for finding in lint(tmp_path)] == [
        f"{tmp_path.name}:1: no-history: {tmp_path}/history.sum is missing: a change after the review goes unseen. "
        "Write it with `schema lint --write`."
    ]


def test_a_ladder_without_migrations_needs_no_history(tmp_path):
    assert lint(tmp_path) == []


def test_every_rule_has_a_case():
    assert set(RULES) == {*CASES, "missing-down", "allow-without-reason", "integrity", "no-history"}


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
