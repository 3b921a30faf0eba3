-- Pods: what is wanted (wish, state), what was ordered (generation, run), and what was last seen of it.
CREATE TABLE pods (
  id TEXT PRIMARY KEY,
  workspace TEXT NOT NULL,
  account TEXT NOT NULL,                 -- who made it
  name TEXT NOT NULL,
  state TEXT NOT NULL,
  reason TEXT NOT NULL,                  -- code, or '' when there is nothing to say
  reason_args TEXT NOT NULL,             -- JSON object
  reason_until BIGINT,
  generation BIGINT NOT NULL,            -- of the order in force; grows with every change of what is wanted
  run BIGINT NOT NULL,                   -- which incarnation of its containers
  host TEXT REFERENCES hosts (id),       -- where it runs, or where its volume is
  zero_gpu BIGINT NOT NULL,              -- started without its GPUs
  wish TEXT NOT NULL,                    -- JSON, pods/pod_wish.hpp
  seen TEXT NOT NULL,                    -- JSON, the last facts worth keeping
  host_name TEXT NOT NULL,               -- podHostId
  key_sealed TEXT NOT NULL,              -- its own API key (RUNPOD_API_KEY), sealed: orders carry it, api_keys has the digest
  queue_order BIGINT,                    -- place in the queue, while queued
  created_at BIGINT NOT NULL,
  state_changed_at BIGINT NOT NULL,
  started_at BIGINT,                     -- when the containers of this run were first all up
  version BIGINT NOT NULL
);
CREATE INDEX pods_by_workspace ON pods (workspace, created_at, id);
CREATE INDEX pods_by_host ON pods (host, state);
CREATE INDEX pods_by_state ON pods (state, queue_order);
