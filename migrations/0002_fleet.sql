-- Hosts, their GPUs, what of them is given to pods, and the tokens a new host joins with.
CREATE TABLE hosts (
  id TEXT PRIMARY KEY,
  workspace TEXT NOT NULL,               -- who supplies it
  name TEXT NOT NULL,
  state TEXT NOT NULL,                   -- registered, listed, draining, retired
  online BIGINT NOT NULL,
  fingerprint TEXT NOT NULL,             -- sha256 of the agent's newest certificate
  previous_fingerprint TEXT NOT NULL,    -- of the one before, until the agent has changed over; '' without
  os TEXT NOT NULL, kernel TEXT NOT NULL, architecture TEXT NOT NULL,
  agent_version TEXT NOT NULL, boot_id TEXT NOT NULL, public_address TEXT NOT NULL,
  cpus DOUBLE PRECISION NOT NULL, memory_bytes BIGINT NOT NULL, disk_bytes BIGINT NOT NULL,
  driver_version TEXT NOT NULL, cuda_version TEXT NOT NULL,
  engine_name TEXT NOT NULL, engine_version TEXT NOT NULL,
  engine_reachable BIGINT NOT NULL, engine_error TEXT NOT NULL,
  disk_free_bytes BIGINT NOT NULL,
  created_at BIGINT NOT NULL, last_seen_at BIGINT, version BIGINT NOT NULL
);
CREATE INDEX hosts_by_workspace ON hosts (workspace, id);

-- A GPU is given to at most one pod: the row has room for one.
CREATE TABLE host_gpus (
  host TEXT NOT NULL REFERENCES hosts (id),
  uuid TEXT NOT NULL,
  position BIGINT NOT NULL,
  type_id TEXT NOT NULL, bus TEXT NOT NULL, memory_bytes BIGINT NOT NULL,
  simulated BIGINT NOT NULL,
  present BIGINT NOT NULL,               -- the agent still shows it
  pod TEXT,
  PRIMARY KEY (host, uuid)
);
CREATE INDEX host_gpus_by_pod ON host_gpus (pod);

-- What a pod holds of its host. The shares of vCPU and memory end when its containers are gone, those of disk when its
-- volume is.
CREATE TABLE allocations (
  pod TEXT PRIMARY KEY,
  host TEXT NOT NULL REFERENCES hosts (id),
  vcpus DOUBLE PRECISION NOT NULL, memory_bytes BIGINT NOT NULL, disk_bytes BIGINT NOT NULL
);
CREATE INDEX allocations_by_host ON allocations (host);

CREATE TABLE join_tokens (
  digest TEXT PRIMARY KEY,               -- sha256 of the token; the token itself is shown once
  workspace TEXT NOT NULL,
  name TEXT NOT NULL,
  created_by TEXT NOT NULL,
  created_at BIGINT NOT NULL, expires_at BIGINT NOT NULL,
  used_at BIGINT, host TEXT
);
