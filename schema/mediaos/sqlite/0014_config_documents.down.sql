DROP TABLE config_documents;
