-- What was answered to a request that came with an Idempotency-Key; kept for a day.
CREATE TABLE idempotency_keys (
  workspace_id TEXT NOT NULL,
  idempotency_key TEXT NOT NULL,
  operation TEXT NOT NULL,       -- "POST /v1/pods"
  request_digest TEXT NOT NULL,  -- sha256 of all that the answer depended on
  status BIGINT NOT NULL,
  headers TEXT NOT NULL,         -- JSON object; the few that a client needs again
  body TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (workspace_id, idempotency_key)
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
