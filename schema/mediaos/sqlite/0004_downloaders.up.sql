-- Download clients, from downloaders.json: one row per block, an absent block is no row (C-2).

CREATE TABLE downloaders (
  id                  TEXT     NOT NULL PRIMARY KEY DEFAULT (lower(hex(randomblob(16)))), -- derived: a copy
  client_type         TEXT     NOT NULL UNIQUE, -- the key. Unknown clients are kept
  enabled             INTEGER, -- NULL is absent and means off (C-3)
  base_url            TEXT,    -- a disabled client has none (C-1)
  username            TEXT,
  encrypted_password  TEXT,    -- as the file has it, not always encrypted: see the state (C-4)
  encrypted_api_key   TEXT,
  category            TEXT,
  timeout_ms          INTEGER, -- no default: absent means 8000, and 0 is possible (C-3)
  config              TEXT     GENERATED ALWAYS AS (extra) VIRTUAL, -- what has no column (C-2)
  created_at          TEXT,
  updated_at          TEXT,

  -- Not json_extract: with trusted_schema=OFF, SQLite 3.40 refuses a whole database when one column calls it.
  encrypted_password_state TEXT GENERATED ALWAYS AS (CASE WHEN instr(secret_state, '"/password":"') THEN
    substr(secret_state, instr(secret_state, '"/password":"') + 13,
      instr(substr(secret_state, instr(secret_state, '"/password":"') + 13), '"') - 1) END) VIRTUAL,
  encrypted_api_key_state  TEXT GENERATED ALWAYS AS (CASE WHEN instr(secret_state, '"/apiKey":"') THEN
    substr(secret_state, instr(secret_state, '"/apiKey":"') + 11,
      instr(substr(secret_state, instr(secret_state, '"/apiKey":"') + 11), '"') - 1) END) VIRTUAL,

  position            INTEGER,
  extra               TEXT,
  members             TEXT,
  secret_state        TEXT
);

CREATE TRIGGER update_downloaders_updated_at
  AFTER UPDATE OF enabled, base_url, username, encrypted_password, encrypted_api_key,
                  category, timeout_ms, extra ON downloaders
  FOR EACH ROW
  WHEN NEW.updated_at IS OLD.updated_at
   AND (NEW.enabled, NEW.base_url, NEW.username, NEW.encrypted_password, NEW.encrypted_api_key,
        NEW.category, NEW.timeout_ms, NEW.extra)
    IS NOT
       (OLD.enabled, OLD.base_url, OLD.username, OLD.encrypted_password, OLD.encrypted_api_key,
        OLD.category, OLD.timeout_ms, OLD.extra)
  BEGIN
    UPDATE downloaders SET updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE id = NEW.id;
  END;
