DROP TRIGGER update_users_updated_at;
DROP INDEX   idx_users_email_key;
DROP INDEX   idx_users_role;
DROP INDEX   idx_users_email;
DROP TABLE   users;
