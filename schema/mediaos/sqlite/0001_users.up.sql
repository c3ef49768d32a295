-- Accounts, from users.json.
-- As in every table here: only the key is NOT NULL, JSON and instants are TEXT, flags are INTEGER,
-- for JSONB, DATETIME and BOOLEAN would rewrite values (C-29). What breaks a rule of the app is kept,
-- and reported by the rules in mapping.toml.

CREATE TABLE users (
  id             TEXT     NOT NULL PRIMARY KEY DEFAULT (lower(hex(randomblob(16)))), -- name in the map (C-21)
  email          TEXT,    -- case twins exist, login takes the first by position (C-20)
  password_hash  TEXT,
  role           TEXT,
  created_at     TEXT,
  updated_at     TEXT,
  last_login_at  TEXT,

  email_key      TEXT,    -- derived: lower-cased as JavaScript does, NOCASE knows ASCII only

  position       INTEGER, -- order in the file
  extra          TEXT,    -- members without a column, or that do not fit theirs
  members        TEXT,    -- names of the members in file order, NULL for the usual order
  secret_state   TEXT     -- how each secret is kept
);

CREATE INDEX idx_users_email     ON users(email);
CREATE INDEX idx_users_role      ON users(role);
CREATE INDEX idx_users_email_key ON users(email_key);

-- Never replaces a given value, a login is no update, and the inner UPDATE names no watched column,
-- so it cannot loop even with recursive_triggers=ON (C-18).
CREATE TRIGGER update_users_updated_at
  AFTER UPDATE OF email, password_hash, role ON users
  FOR EACH ROW
  WHEN NEW.updated_at IS OLD.updated_at
   AND (NEW.email, NEW.password_hash, NEW.role) IS NOT (OLD.email, OLD.password_hash, OLD.role)
  BEGIN
    UPDATE users SET updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE id = NEW.id;
  END;
