-- Machine types, who may use how many of them until when, and the requests for that.
CREATE TABLE machine_types (
  id TEXT PRIMARY KEY,
  workspace TEXT NOT NULL,               -- of the operator: a machine type belongs to the installation
  name TEXT NOT NULL,
  description TEXT NOT NULL,
  gpu_type TEXT NOT NULL,                -- '' with gpu_count 0, or for any type
  gpu_count BIGINT NOT NULL,
  vcpus BIGINT NOT NULL,
  memory_gb BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  retired_at BIGINT,                     -- deleted: kept for the requests and pods that name it
  version BIGINT NOT NULL
);
CREATE UNIQUE INDEX machine_types_by_name ON machine_types (name) WHERE retired_at IS NULL;

CREATE TABLE quota_requests (
  id TEXT PRIMARY KEY,
  workspace TEXT NOT NULL,
  account TEXT NOT NULL,                 -- who asked
  machine_type TEXT NOT NULL REFERENCES machine_types (id),
  amount BIGINT NOT NULL,
  starts_at BIGINT NOT NULL,
  ends_at BIGINT NOT NULL,
  why TEXT NOT NULL,                     -- the requester's words
  state TEXT NOT NULL,
  decided_by TEXT,                       -- the account that approved, rejected or cancelled it
  decided_at BIGINT,
  decision TEXT NOT NULL,                -- the administrator's words; '' for none
  created_at BIGINT NOT NULL,
  version BIGINT NOT NULL
);
CREATE INDEX quota_requests_by_workspace ON quota_requests (workspace, created_at, id);
CREATE INDEX quota_requests_by_state ON quota_requests (state, created_at, id);
CREATE INDEX quota_requests_by_machine_type ON quota_requests (machine_type, state);

CREATE TABLE quota_grants (
  id TEXT PRIMARY KEY,
  workspace TEXT NOT NULL,
  machine_type TEXT NOT NULL REFERENCES machine_types (id),
  amount BIGINT NOT NULL,
  starts_at BIGINT NOT NULL,
  ends_at BIGINT NOT NULL,
  request TEXT REFERENCES quota_requests (id),
  granted_by TEXT NOT NULL,
  over BIGINT NOT NULL,                  -- 1 once its end was told or it was revoked; before its end it counts by the clock
  created_at BIGINT NOT NULL
);
CREATE INDEX quota_grants_by_workspace ON quota_grants (workspace, over, machine_type);
CREATE INDEX quota_grants_by_end ON quota_grants (over, ends_at);
CREATE INDEX quota_grants_by_machine_type ON quota_grants (machine_type, over);

ALTER TABLE pods ADD COLUMN machine_type TEXT;  -- what of the quota the pod uses while it is not stopped
CREATE INDEX pods_by_machine_type ON pods (machine_type, workspace, state);
