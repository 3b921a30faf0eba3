-- People, the workspaces that own everything, and the ways in. Secrets are never here: digests of keys and tokens
-- (SHA-256 of 256 random bits), slow hashes of passwords.
CREATE TABLE accounts (
  id TEXT PRIMARY KEY,
  email TEXT UNIQUE,                -- lower case; NULL until the person has given one
  name TEXT NOT NULL,
  password_hash TEXT,               -- Argon2id; NULL: no log-in by password
  is_operator BIGINT NOT NULL,      -- runs this installation: adds hosts, sees all of them
  status TEXT NOT NULL,             -- active, suspended
  created_at BIGINT NOT NULL
);

CREATE TABLE workspaces (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL,               -- personal, team, institution
  name TEXT NOT NULL,
  created_at BIGINT NOT NULL
);

CREATE TABLE memberships (
  workspace TEXT NOT NULL REFERENCES workspaces (id),
  account TEXT NOT NULL REFERENCES accounts (id),
  role TEXT NOT NULL,               -- basic, billing, dev, admin
  created_at BIGINT NOT NULL,
  PRIMARY KEY (workspace, account)
);
CREATE INDEX memberships_by_account ON memberships (account);

CREATE TABLE sessions (
  id TEXT PRIMARY KEY,
  workspace TEXT NOT NULL,
  account TEXT NOT NULL,
  digest TEXT NOT NULL UNIQUE,
  created_at BIGINT NOT NULL,
  last_seen_at BIGINT NOT NULL,     -- written at most once a minute
  FOREIGN KEY (workspace, account) REFERENCES memberships (workspace, account) ON DELETE CASCADE
);
CREATE INDEX sessions_by_account ON sessions (account);
CREATE INDEX sessions_by_last_seen ON sessions (last_seen_at);

CREATE TABLE api_keys (
  id TEXT PRIMARY KEY,
  workspace TEXT NOT NULL,
  account TEXT NOT NULL,            -- who made it, or whose pod it was made for
  name TEXT NOT NULL,
  digest TEXT NOT NULL UNIQUE,
  last_characters TEXT NOT NULL,    -- to tell keys apart in a list
  scope TEXT NOT NULL,              -- read, read_write, pod
  pod TEXT,                         -- with scope pod; such a key is deleted with its pod
  enabled BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  last_used_at BIGINT,              -- written at most once a minute
  revoked_at BIGINT,                -- final
  FOREIGN KEY (workspace, account) REFERENCES memberships (workspace, account) ON DELETE CASCADE
);
CREATE INDEX api_keys_by_workspace ON api_keys (workspace, id);
CREATE INDEX api_keys_by_pod ON api_keys (pod) WHERE pod IS NOT NULL;

CREATE TABLE one_time_logins (
  digest TEXT PRIMARY KEY,
  account TEXT NOT NULL REFERENCES accounts (id),
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL        -- a used one is deleted
);
CREATE INDEX one_time_logins_by_account ON one_time_logins (account);

-- Failed log-ins per e-mail and per address. The subject is a digest: what was typed by mistake is not kept.
CREATE TABLE login_throttle (
  subject TEXT PRIMARY KEY,
  failures BIGINT NOT NULL,
  blocked_until BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);
CREATE INDEX login_throttle_by_time ON login_throttle (updated_at);
