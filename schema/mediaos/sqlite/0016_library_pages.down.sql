DROP INDEX idx_library_year_position;
DROP INDEX idx_library_title_position;
