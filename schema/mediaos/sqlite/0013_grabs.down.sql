DROP TABLE grabs;
