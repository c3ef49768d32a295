DROP INDEX idx_users_email_unique;
