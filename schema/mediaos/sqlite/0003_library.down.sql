DROP TRIGGER update_library_items_updated_at;
DROP INDEX   idx_library_kind_position;
DROP INDEX   idx_library_position;
DROP INDEX   idx_library_title_key;
DROP INDEX   idx_library_created_at;
DROP INDEX   idx_library_title;
DROP INDEX   idx_library_kind;
DROP TABLE   library_items;
