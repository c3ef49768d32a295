DROP TABLE settings;
DROP TABLE cooks;
DROP TABLE recipes;
