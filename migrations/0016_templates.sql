-- What pods are made from. The settings are JSON (templates/template.hpp); columns are what rows are found by.
CREATE TABLE templates (
  id TEXT PRIMARY KEY,
  workspace TEXT NOT NULL,
  name TEXT NOT NULL,                -- unique in the workspace
  spec TEXT NOT NULL,                -- JSON
  registry_auth TEXT REFERENCES registry_auths (id),
  is_public BIGINT NOT NULL,         -- community: every workspace may use it
  is_official BIGINT NOT NULL,       -- of the installation's operator, shown as RunPod's own
  created_at BIGINT NOT NULL,
  version BIGINT NOT NULL,
  UNIQUE (workspace, name)
);
CREATE INDEX templates_public ON templates (created_at, id) WHERE is_public = 1;
CREATE INDEX templates_official ON templates (created_at, id) WHERE is_official = 1;
CREATE INDEX templates_by_registry_auth ON templates (registry_auth) WHERE registry_auth IS NOT NULL;
