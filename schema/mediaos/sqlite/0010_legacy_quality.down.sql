DROP TABLE legacy_quality;
