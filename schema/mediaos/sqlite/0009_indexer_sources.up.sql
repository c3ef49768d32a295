-- The services that indexers are synced from: the blocks beside the list in indexers.json (C-9).

CREATE TABLE indexer_sources (
  name           TEXT     NOT NULL PRIMARY KEY, -- prowlarr, jackett, or whatever else stands there
  enabled        INTEGER,
  base_url       TEXT,
  api_key        TEXT,    -- as the file has it: see the state (C-4)
  sync_enabled   INTEGER,

  api_key_state  TEXT     GENERATED ALWAYS AS (CASE WHEN instr(secret_state, '"/apiKey":"') THEN
    substr(secret_state, instr(secret_state, '"/apiKey":"') + 11,
      instr(substr(secret_state, instr(secret_state, '"/apiKey":"') + 11), '"') - 1) END) VIRTUAL,

  position       INTEGER,
  extra          TEXT,
  members        TEXT,
  secret_state   TEXT
);
