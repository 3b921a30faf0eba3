-- Spot pods: what they bid.
ALTER TABLE pods ADD COLUMN bid BIGINT;  -- millionths of a dollar an hour for each GPU; NULL: on demand
CREATE INDEX pods_spot ON pods (state) WHERE bid IS NOT NULL;
