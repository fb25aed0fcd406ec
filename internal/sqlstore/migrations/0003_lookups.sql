-- Where a tenant is believed to have one row, PostgreSQL finds an index on the whole key no better than another that only
-- begins with the tenant, by which a lookup would read every row of the tenant; and where a table is believed to have two
-- rows, it may walk it by any index that begins with something that is looked up. So there is one index by key, the
-- primary key, and the others have a condition: they serve only who repeats it.

DROP INDEX members_id;
CREATE UNIQUE INDEX members_id ON members (tenant_id, id) WHERE id IS NOT NULL;
DROP INDEX members_user;
CREATE INDEX members_user ON members (user_id) WHERE role <> '';

-- The unique constraint on the hashes can't be dropped everywhere, so the table is made anew.
ALTER TABLE api_keys RENAME TO old_api_keys;
CREATE TABLE api_keys (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  name TEXT NOT NULL,
  key_prefix TEXT NOT NULL,
  hash BYTEA NOT NULL,
  family UUID NOT NULL,
  user_id UUID,
  permissions TEXT NOT NULL,
  allowed_workers TEXT,
  rate_limit_rpm BIGINT,
  max_concurrent_runs BIGINT,
  max_tokens_per_month BIGINT,
  expires_at BIGINT,
  status TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  revoked_at BIGINT,
  revoked_reason TEXT,
  rotated_to UUID,
  CONSTRAINT api_keys_key PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id) REFERENCES accounts (tenant_id)
);
INSERT INTO api_keys (tenant_id, id, name, key_prefix, hash, family, user_id, permissions, allowed_workers, rate_limit_rpm,
  max_concurrent_runs, max_tokens_per_month, expires_at, status, created_at, revoked_at, revoked_reason, rotated_to)
SELECT tenant_id, id, name, key_prefix, hash, family, user_id, permissions, allowed_workers, rate_limit_rpm,
  max_concurrent_runs, max_tokens_per_month, expires_at, status, created_at, revoked_at, revoked_reason, rotated_to
FROM old_api_keys;
DROP TABLE old_api_keys;
CREATE UNIQUE INDEX api_keys_hash ON api_keys (tenant_id, hash) WHERE hash IS NOT NULL;
CREATE INDEX api_keys_expiring ON api_keys (tenant_id, expires_at) WHERE status = 'active' AND expires_at IS NOT NULL;
