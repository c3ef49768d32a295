-- The ordered list inside each quality profile (C-23).

CREATE TABLE quality_profile_items (
  profile_id  TEXT     NOT NULL REFERENCES quality_profiles(id) ON UPDATE CASCADE ON DELETE CASCADE,
  position    INTEGER  NOT NULL, -- place in the list
  quality     TEXT,
  allowed     INTEGER,
  preferred   INTEGER,

  extra       TEXT,
  members     TEXT,

  PRIMARY KEY (profile_id, position)
);
