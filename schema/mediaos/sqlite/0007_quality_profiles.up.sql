-- Named quality profiles, from quality-profiles.json. Their lists are in quality_profile_items.

CREATE TABLE quality_profiles (
  id                   TEXT     NOT NULL PRIMARY KEY DEFAULT (lower(hex(randomblob(16)))),
  name                 TEXT,    -- not UNIQUE: every new profile starts as "New Profile" (C-22)
  description          TEXT,    -- this and the next three are in no file and stay empty,
  min_quality          TEXT,    -- for nothing in an ordered list says what is least or most (C-23)
  max_quality          TEXT,
  preferred_qualities  TEXT,
  config               TEXT     GENERATED ALWAYS AS (extra) VIRTUAL,
  created_at           TEXT,
  updated_at           TEXT,

  cutoff               TEXT,
  upgrade_allowed      INTEGER,
  min_size             REAL,    -- fractions occur
  max_size             REAL,

  position             INTEGER,
  extra                TEXT,
  members              TEXT
);

CREATE TRIGGER update_quality_profiles_updated_at
  AFTER UPDATE OF name, description, min_quality, max_quality, preferred_qualities,
                  cutoff, upgrade_allowed, min_size, max_size, extra ON quality_profiles
  FOR EACH ROW
  WHEN NEW.updated_at IS OLD.updated_at
   AND (NEW.name, NEW.description, NEW.min_quality, NEW.max_quality, NEW.preferred_qualities,
        NEW.cutoff, NEW.upgrade_allowed, NEW.min_size, NEW.max_size, NEW.extra)
    IS NOT
       (OLD.name, OLD.description, OLD.min_quality, OLD.max_quality, OLD.preferred_qualities,
        OLD.cutoff, OLD.upgrade_allowed, OLD.min_size, OLD.max_size, OLD.extra)
  BEGIN
    UPDATE quality_profiles SET updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE id = NEW.id;
  END;
