DROP TRIGGER update_quality_profiles_updated_at;
DROP TABLE   quality_profiles;
