-- Copies between a pod's own volume and a bucket.
CREATE TABLE cloud_syncs (
  id TEXT PRIMARY KEY,               -- also what its host's agent knows it by
  workspace TEXT NOT NULL,
  account TEXT NOT NULL,             -- who asked
  pod TEXT NOT NULL,                 -- whose volume
  host TEXT NOT NULL,                -- where that is
  state TEXT NOT NULL,
  reason TEXT NOT NULL,              -- why it is in this state; '' while there is nothing to say
  reason_args TEXT NOT NULL,
  wish TEXT NOT NULL,                -- what is copied where, as JSON
  credentials_sealed TEXT NOT NULL,  -- for the bucket; '' once it has ended
  generation BIGINT NOT NULL,        -- of the newest order
  on_host BIGINT NOT NULL,           -- its host may have something of it
  removing BIGINT NOT NULL,          -- it has ended, and what its host keeps for its log shall go, too
  hidden BIGINT NOT NULL,            -- its owner has taken it out of the list; the row goes when its host has nothing of it
  exit_code BIGINT,
  created_at BIGINT NOT NULL,
  started_at BIGINT,
  ended_at BIGINT,
  version BIGINT NOT NULL
);
CREATE INDEX cloud_syncs_by_workspace ON cloud_syncs (workspace, created_at);
CREATE INDEX cloud_syncs_by_pod ON cloud_syncs (pod);
CREATE INDEX cloud_syncs_on_host ON cloud_syncs (on_host, ended_at);
