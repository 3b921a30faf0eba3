-- GPU types that the operator added to those every Gyre knows, and what a GPU of a type costs from when on. Rows of
-- prices in force are never changed: what a pod costs is read from them by the time it was made.
CREATE TABLE gpu_types (
  id TEXT PRIMARY KEY,               -- as the driver names it
  display_name TEXT NOT NULL,
  memory_gb BIGINT NOT NULL,
  pool TEXT,
  created_at BIGINT NOT NULL
);

CREATE TABLE gpu_prices (
  gpu_type TEXT NOT NULL,
  from_at BIGINT NOT NULL,
  secure BIGINT,                     -- millionths of a dollar an hour for one GPU; NULL: not offered at a price
  community BIGINT,
  secure_spot BIGINT,                -- lowest bids
  community_spot BIGINT,
  PRIMARY KEY (gpu_type, from_at)
);
