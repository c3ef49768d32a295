DROP TABLE indexer_sources;
