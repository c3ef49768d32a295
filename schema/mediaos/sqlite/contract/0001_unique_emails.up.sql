-- Holds the table to the app's own rule: one account per e-mail address, whatever its case (C-20).
-- A contract step: files that break the rule can no longer be imported, so it is only taken when it is asked for.

CREATE UNIQUE INDEX idx_users_email_unique ON users(email_key); -- lint: allow unique because this ladder is for it
