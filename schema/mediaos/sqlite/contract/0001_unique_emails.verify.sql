-- Accounts that share an address.

SELECT id, email FROM users
 WHERE email_key IN (SELECT email_key FROM users GROUP BY email_key HAVING count(*) > 1)
 ORDER BY email_key, position;
