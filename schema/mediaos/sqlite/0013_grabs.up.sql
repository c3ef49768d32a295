-- The last grab of each item, from grabs.json. A grab without an item has the key ":" (C-27).

CREATE TABLE grabs (
  map_key       TEXT     NOT NULL PRIMARY KEY, -- kind:id, never split it: ids hold colons too
  kind          TEXT,
  item_id       TEXT,
  title         TEXT,    -- of the release, not of the item
  link          TEXT,    -- may carry the key of an indexer account
  protocol      TEXT,
  client        TEXT,
  ok            INTEGER,
  status        TEXT,    -- JSON: 200 is what the client answered, "uploaded" and "stored" keep their quotes
  status_type   TEXT     GENERATED ALWAYS AS (
    CASE WHEN status GLOB '"*' THEN 'string' WHEN status GLOB '[-0-9]*' THEN 'number' END) VIRTUAL,
  at            TEXT,
  category      TEXT,
  nzb_upload    TEXT,    -- JSON with the whole NZB in base64, megabytes at times: leave it out of SELECTs

  position      INTEGER,
  extra         TEXT,
  members       TEXT,
  secret_state  TEXT
);
