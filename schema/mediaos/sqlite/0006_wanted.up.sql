-- What is still looked for, from wanted.json.

CREATE TABLE wanted_items (
  id               TEXT     NOT NULL DEFAULT (lower(hex(randomblob(16)))), -- unique within its kind only (C-10)
  library_item_id  TEXT     REFERENCES library_items(id)                   -- derived: a soft link (C-11)
                            ON UPDATE SET NULL ON DELETE SET NULL,
  title            TEXT,
  kind             TEXT     NOT NULL,         -- as written: movie and movies are two kinds (C-12)
  status           TEXT     DEFAULT 'wanted'  -- no file has it, so it is never exported (C-13)
                            CHECK (status IN ('wanted', 'searching', 'found', 'failed')),
  search_query     TEXT,
  last_search_at   TEXT,    -- a view of metadata.at
  added_at         TEXT,
  metadata         TEXT,    -- the member lastScan

  kind_norm        TEXT,    -- derived: singular and lower-cased, for queries only (C-12)

  position         INTEGER,
  extra            TEXT,
  members          TEXT,

  PRIMARY KEY (kind, id)
);

CREATE INDEX idx_wanted_status          ON wanted_items(status);
CREATE INDEX idx_wanted_added_at        ON wanted_items(added_at DESC);
CREATE INDEX idx_wanted_library_item_id ON wanted_items(library_item_id);
CREATE INDEX idx_wanted_kind_norm       ON wanted_items(kind_norm, id);
