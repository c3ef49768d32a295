DROP TRIGGER update_downloaders_updated_at;
DROP TABLE   downloaders;
