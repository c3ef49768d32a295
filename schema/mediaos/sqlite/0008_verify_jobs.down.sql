DROP INDEX idx_verify_jobs_created_at;
DROP INDEX idx_verify_jobs_library_item_id;
DROP INDEX idx_verify_jobs_status;
DROP TABLE verify_jobs;
