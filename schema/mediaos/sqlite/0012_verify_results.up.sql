-- The last verification of each item, from verify-results.json. No link: many items are gone (C-26).

CREATE TABLE verify_results (
  map_key       TEXT     NOT NULL PRIMARY KEY, -- kind:id, never split it: ids hold colons too
  kind          TEXT,    -- of the item. A kind inside issues is that of the issue
  item_id       TEXT,
  phase         TEXT,
  top_severity  TEXT,
  analyzed_at   TEXT,
  title         TEXT,
  path          TEXT,
  issues        TEXT,

  position      INTEGER,
  extra         TEXT,
  members       TEXT
);
