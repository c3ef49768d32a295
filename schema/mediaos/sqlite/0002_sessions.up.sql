-- Revoked tokens. The app stores no session anywhere, so no file feeds this table.

CREATE TABLE sessions (
  id          TEXT NOT NULL PRIMARY KEY DEFAULT (lower(hex(randomblob(16)))),
  user_id     TEXT REFERENCES users(id) ON UPDATE CASCADE ON DELETE CASCADE,
  token_hash  TEXT, -- not UNIQUE: two logins within one second give the same token
  expires_at  TEXT, -- compare with instants of the form below only (C-17)
  created_at  TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  revoked_at  TEXT
);

CREATE INDEX idx_sessions_token_hash ON sessions(token_hash);
CREATE INDEX idx_sessions_user_id    ON sessions(user_id);
CREATE INDEX idx_sessions_expires_at ON sessions(expires_at);
