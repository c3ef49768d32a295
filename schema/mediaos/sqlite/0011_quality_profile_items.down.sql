DROP TABLE quality_profile_items;
