-- Storage that outlives pods: a directory of its own on the shared path of a data centre.
CREATE TABLE network_volumes (
  id TEXT PRIMARY KEY,               -- also the name of its directory
  workspace TEXT NOT NULL,
  name TEXT NOT NULL,                -- unique in the workspace
  size_gb BIGINT NOT NULL,           -- grows only
  data_center TEXT NOT NULL,
  ready BIGINT NOT NULL,             -- its directory is there
  created_at BIGINT NOT NULL,
  version BIGINT NOT NULL,
  UNIQUE (workspace, name)
);
CREATE INDEX network_volumes_to_make ON network_volumes (data_center, id) WHERE ready = 0;

-- Directories of deleted volumes that are still to be removed; a row goes when its directory is gone.
CREATE TABLE network_volume_removals (
  id TEXT PRIMARY KEY,
  data_center TEXT NOT NULL
);
CREATE INDEX network_volume_removals_of ON network_volume_removals (data_center, id);
