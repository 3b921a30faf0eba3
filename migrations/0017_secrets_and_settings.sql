-- Values that pods' variables refer to by name, and what a person has set for themselves.
CREATE TABLE secrets (
  id TEXT PRIMARY KEY,
  workspace TEXT NOT NULL,
  name TEXT NOT NULL,                -- unique in the workspace: {{ RUNPOD_SECRET_name }}
  description TEXT NOT NULL,
  value_sealed TEXT NOT NULL,        -- sealed with the installation's key: orders of pods carry it in clear
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  version BIGINT NOT NULL,
  UNIQUE (workspace, name)
);

-- Not of a workspace: they follow the person into each.
CREATE TABLE account_settings (
  account TEXT PRIMARY KEY REFERENCES accounts (id),
  ssh_keys TEXT NOT NULL,            -- public keys, one a line
  language TEXT,                     -- en, ko; NULL: what the browser asks for
  version BIGINT NOT NULL
);
