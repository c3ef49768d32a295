-- Files that are one value each: settings, metadata, organizer, monitor, verify, subtitle-automation (C-28).
-- No sha256 as C-28 has it: digests of file and record are in the ledger (_mm_documents, _mm_records).

CREATE TABLE config_documents (
  name          TEXT     NOT NULL PRIMARY KEY, -- stem of the file
  body          TEXT,    -- the whole value, of whatever type

  position      INTEGER,
  extra         TEXT,
  members       TEXT,
  secret_state  TEXT
);
