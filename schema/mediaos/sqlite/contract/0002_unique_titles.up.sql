-- Holds the table to the app's own rule: one item per kind and title, whatever its case (C-14).

CREATE UNIQUE INDEX idx_library_title_unique ON library_items(kind, title_key); -- lint: allow unique because this ladder is for it
