-- Bytes and requests that the proxy has carried to pods, by hour; for billing. An hour is its first millisecond.
CREATE TABLE proxy_usage (
  workspace TEXT NOT NULL,
  pod TEXT NOT NULL,
  hour BIGINT NOT NULL,
  bytes_in BIGINT NOT NULL,   -- to the pod
  bytes_out BIGINT NOT NULL,  -- from the pod
  requests BIGINT NOT NULL,
  PRIMARY KEY (workspace, pod, hour)
);
CREATE INDEX proxy_usage_hour ON proxy_usage (hour);
