-- The older quality settings, one row per kind, from quality.json.
-- Searches still read them and nothing relates them to quality_profiles: never turn one into the other (C-24).

CREATE TABLE legacy_quality (
  kind      TEXT     NOT NULL PRIMARY KEY, -- plural, as the app writes it
  allowed   TEXT,
  cutoff    TEXT,

  position  INTEGER,
  extra     TEXT,
  members   TEXT
);
