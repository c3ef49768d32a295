DROP INDEX idx_sessions_expires_at;
DROP INDEX idx_sessions_user_id;
DROP INDEX idx_sessions_token_hash;
DROP TABLE sessions;
