-- Keys know where they may be used from and which key they replaced; in_overlap marks one that is still good beside its
-- successor, against whose place in api_keys it counts.
ALTER TABLE api_keys ADD COLUMN allowed_ips TEXT;
ALTER TABLE api_keys ADD COLUMN rotated_from UUID;
ALTER TABLE api_keys ADD COLUMN in_overlap BIGINT NOT NULL DEFAULT 0;

-- Keys that will expire are listed by when they do: those of one tenant, and those of all. Only the list of all
-- repeats the condition of the second index, which so never serves one tenant.
DROP INDEX api_keys_expiring;
CREATE INDEX api_keys_expiring ON api_keys (tenant_id, expires_at, id, in_overlap)
  WHERE status = 'active' AND expires_at IS NOT NULL;
CREATE INDEX api_keys_expiry ON api_keys (expires_at, tenant_id, id)
  WHERE status = 'active' AND expires_at IS NOT NULL AND created_at >= 0;
