DROP INDEX idx_wanted_kind_norm;
DROP INDEX idx_wanted_library_item_id;
DROP INDEX idx_wanted_added_at;
DROP INDEX idx_wanted_status;
DROP TABLE wanted_items;
