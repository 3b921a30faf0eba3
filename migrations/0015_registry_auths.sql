-- Credentials for image registries, and what of the workspace a pod was made with (so that nothing in use is deleted).
CREATE TABLE registry_auths (
  id TEXT PRIMARY KEY,
  workspace TEXT NOT NULL,
  name TEXT NOT NULL,                -- unique in the workspace
  username TEXT NOT NULL,
  password_sealed TEXT NOT NULL,     -- sealed with the installation's key: each pull needs it in clear
  created_at BIGINT NOT NULL,
  UNIQUE (workspace, name)
);

CREATE TABLE pod_uses (
  pod TEXT NOT NULL REFERENCES pods (id),
  kind TEXT NOT NULL,                -- template, registry_auth
  thing TEXT NOT NULL,               -- its id
  PRIMARY KEY (pod, kind)            -- a pod uses at most one of each kind; the row goes when the pod is deleted
);
CREATE INDEX pod_uses_by_thing ON pod_uses (kind, thing);
