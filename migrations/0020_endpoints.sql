-- Serverless endpoints as they are defined: what their workers run and when there are how many. The definition is JSON
-- (serverless/endpoint.hpp); columns are what rows are found by.
CREATE TABLE endpoints (
  id TEXT PRIMARY KEY,
  workspace TEXT NOT NULL,
  account TEXT NOT NULL,             -- who made it
  name TEXT NOT NULL,                -- need not be unique
  spec TEXT NOT NULL,                -- JSON
  release BIGINT NOT NULL,           -- what workers run has changed so many times
  created_at BIGINT NOT NULL,
  version BIGINT NOT NULL
);
CREATE INDEX endpoints_by_workspace ON endpoints (workspace, name, id);

-- What an endpoint is made of, so that nothing in use is deleted.
CREATE TABLE endpoint_uses (
  endpoint TEXT NOT NULL REFERENCES endpoints (id),
  kind TEXT NOT NULL,                -- template, network_volume
  thing TEXT NOT NULL,               -- its id
  PRIMARY KEY (endpoint, kind, thing)
);
CREATE INDEX endpoint_uses_by_thing ON endpoint_uses (kind, thing);

-- Each release as it was; the last hundred of an endpoint are kept.
CREATE TABLE endpoint_releases (
  endpoint TEXT NOT NULL REFERENCES endpoints (id),
  release BIGINT NOT NULL,
  spec TEXT NOT NULL,
  account TEXT NOT NULL,             -- who made it
  created_at BIGINT NOT NULL,
  PRIMARY KEY (endpoint, release)
);
