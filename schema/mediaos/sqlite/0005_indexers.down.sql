DROP TRIGGER update_indexers_updated_at;
DROP INDEX   idx_indexers_priority;
DROP INDEX   idx_indexers_type;
DROP INDEX   idx_indexers_enabled;
DROP TABLE   indexers;
