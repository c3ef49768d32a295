-- Verification jobs. The app keeps them in memory only, so no file feeds this table (C-26).
-- What it does keep, the last result of each item, is in verify_results.

CREATE TABLE verify_jobs (
  id               TEXT NOT NULL PRIMARY KEY DEFAULT (lower(hex(randomblob(16)))),
  library_item_id  TEXT REFERENCES library_items(id) ON UPDATE CASCADE ON DELETE SET NULL,
  kind             TEXT,
  title            TEXT,
  phase            TEXT,
  status           TEXT DEFAULT 'pending' -- the plan says pending, the app says queued
                        CHECK (status IN ('pending', 'queued', 'running', 'completed', 'failed')),
  result           TEXT,
  started_at       TEXT,
  completed_at     TEXT,
  created_at       TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  error            TEXT
);

CREATE INDEX idx_verify_jobs_status          ON verify_jobs(status);
CREATE INDEX idx_verify_jobs_library_item_id ON verify_jobs(library_item_id);
CREATE INDEX idx_verify_jobs_created_at      ON verify_jobs(created_at DESC);
