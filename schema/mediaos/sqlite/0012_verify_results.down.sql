DROP TABLE verify_results;
