-- When pods stop, or are deleted, by themselves; NULL: never.
ALTER TABLE pods ADD COLUMN stop_at BIGINT;
ALTER TABLE pods ADD COLUMN terminate_at BIGINT;
CREATE INDEX pods_stop_at ON pods (stop_at) WHERE stop_at IS NOT NULL;
CREATE INDEX pods_terminate_at ON pods (terminate_at) WHERE terminate_at IS NOT NULL;
