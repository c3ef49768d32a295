-- The three files of the recipe box. `position`, `extra` and `members` keep what a column cannot say.

CREATE TABLE recipes (
  id        TEXT NOT NULL PRIMARY KEY,
  title     TEXT,
  cook      TEXT,
  minutes   INTEGER,
  tags      TEXT,
  position  INTEGER,
  extra     TEXT,
  members   TEXT
);

CREATE INDEX idx_recipes_cook ON recipes(cook);
CREATE INDEX idx_recipes_title ON recipes(title);

CREATE TABLE cooks (
  id        TEXT NOT NULL PRIMARY KEY,
  name      TEXT,
  email     TEXT,
  position  INTEGER,
  extra     TEXT,
  members   TEXT
);

CREATE TABLE settings (
  name          TEXT NOT NULL PRIMARY KEY,
  body          TEXT,
  position      INTEGER,
  extra         TEXT,
  members       TEXT,
  secret_state  TEXT
);
