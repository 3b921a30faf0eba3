-- Data centres that the operator adds beside LOCAL, which is always there; a row LOCAL says more about it.
CREATE TABLE data_centers (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  location TEXT NOT NULL,   -- for people, such as Seoul; empty: nobody has said
  country TEXT NOT NULL,    -- ISO 3166-1 alpha-2; empty: nobody has said
  created_at BIGINT NOT NULL
);
ALTER TABLE hosts ADD COLUMN data_center TEXT NOT NULL DEFAULT 'LOCAL';
ALTER TABLE join_tokens ADD COLUMN data_center TEXT NOT NULL DEFAULT 'LOCAL';  -- of the host that joins with it
