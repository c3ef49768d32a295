-- What makes a queue of verify_jobs: which comes first, who has it, and until when.

ALTER TABLE verify_jobs ADD COLUMN item_id TEXT; -- as the app names the item, which may be in no library (C-26)
ALTER TABLE verify_jobs ADD COLUMN priority INTEGER DEFAULT 0; -- the highest first
ALTER TABLE verify_jobs ADD COLUMN attempts INTEGER DEFAULT 0;
ALTER TABLE verify_jobs ADD COLUMN due_at TEXT; -- not before; NULL is at once
ALTER TABLE verify_jobs ADD COLUMN worker TEXT;
ALTER TABLE verify_jobs ADD COLUMN lease_until TEXT; -- a running job whose worker is silent for so long is free again

CREATE INDEX idx_verify_jobs_item_id ON verify_jobs(item_id);
CREATE INDEX idx_verify_jobs_order ON verify_jobs(status, priority DESC, created_at);
