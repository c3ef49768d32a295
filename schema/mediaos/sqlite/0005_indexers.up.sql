-- Search indexers, from the list in indexers.json. Its prowlarr and jackett blocks are in indexer_sources.

CREATE TABLE indexers (
  id                 TEXT     NOT NULL PRIMARY KEY DEFAULT (lower(hex(randomblob(16)))),
  name               TEXT,
  type               TEXT,    -- the member protocol, as the plan means it: torrent, usenet, both (C-5, C-6)
  base_url           TEXT,    -- synced indexers have none (C-7)
  encrypted_api_key  TEXT,    -- the app never encrypts this one: see the state (C-4)
  enabled            INTEGER,
  priority           REAL,    -- 1 is best, NULL is absent (C-8). 25 reads as 25.0 here and is 25 in the file:
                              -- the mapping spells numbers as JavaScript does
  config             TEXT     GENERATED ALWAYS AS (extra) VIRTUAL,
  created_at         TEXT,
  updated_at         TEXT,

  source_type        TEXT,    -- the member type: prowlarr, jackett, manual (C-5)
  protocol           TEXT     GENERATED ALWAYS AS (type) VIRTUAL,

  encrypted_api_key_state TEXT GENERATED ALWAYS AS (CASE WHEN instr(secret_state, '"/apiKey":"') THEN
    substr(secret_state, instr(secret_state, '"/apiKey":"') + 11,
      instr(substr(secret_state, instr(secret_state, '"/apiKey":"') + 11), '"') - 1) END) VIRTUAL,

  position           INTEGER,
  extra              TEXT,
  members            TEXT,
  secret_state       TEXT
);

CREATE INDEX idx_indexers_enabled  ON indexers(enabled);
CREATE INDEX idx_indexers_type     ON indexers(type);
CREATE INDEX idx_indexers_priority ON indexers(priority DESC);

CREATE TRIGGER update_indexers_updated_at
  AFTER UPDATE OF name, type, base_url, encrypted_api_key, enabled, priority, source_type, extra ON indexers
  FOR EACH ROW
  WHEN NEW.updated_at IS OLD.updated_at
   AND (NEW.name, NEW.type, NEW.base_url, NEW.encrypted_api_key,
        NEW.enabled, NEW.priority, NEW.source_type, NEW.extra)
    IS NOT
       (OLD.name, OLD.type, OLD.base_url, OLD.encrypted_api_key,
        OLD.enabled, OLD.priority, OLD.source_type, OLD.extra)
  BEGIN
    UPDATE indexers SET updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE id = NEW.id;
  END;
