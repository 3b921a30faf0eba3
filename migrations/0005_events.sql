-- What happened, in order. The id is the position in the feed: given by the one writer, so that a reader who has seen
-- event 7 never meets an event 6 that was committed later. No foreign keys: history outlives what it speaks of.
CREATE TABLE events (
  id BIGINT PRIMARY KEY,
  workspace TEXT NOT NULL,
  at BIGINT NOT NULL,
  kind TEXT NOT NULL,
  pod TEXT,
  host TEXT,
  reason TEXT,
  args TEXT NOT NULL,
  data TEXT NOT NULL
);
CREATE INDEX events_by_workspace ON events (workspace, id);
CREATE INDEX events_by_pod ON events (pod, id) WHERE pod IS NOT NULL;
CREATE INDEX events_by_time ON events (at);
