DROP INDEX idx_verify_jobs_order;
DROP INDEX idx_verify_jobs_item_id;
ALTER TABLE verify_jobs DROP COLUMN lease_until;
ALTER TABLE verify_jobs DROP COLUMN worker;
ALTER TABLE verify_jobs DROP COLUMN due_at;
ALTER TABLE verify_jobs DROP COLUMN attempts;
ALTER TABLE verify_jobs DROP COLUMN priority;
ALTER TABLE verify_jobs DROP COLUMN item_id;
