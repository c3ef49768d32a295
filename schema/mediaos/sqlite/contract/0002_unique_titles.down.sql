DROP INDEX idx_library_title_unique;
