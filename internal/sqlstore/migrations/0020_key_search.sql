-- Keys are found by what is shown of their secrets: the beginning, in bytes, since texts have an order of each database's own,
-- and the last characters, which keys from before have not.
ALTER TABLE api_keys ADD COLUMN key_suffix TEXT;
ALTER TABLE api_keys ADD COLUMN begins BYTEA;
UPDATE api_keys SET begins = {{bytes:key_prefix}};
CREATE INDEX api_keys_begin ON api_keys (begins, tenant_id, id) WHERE begins IS NOT NULL AND created_at >= 0;
CREATE INDEX api_keys_begin_of ON api_keys (tenant_id, begins, id) WHERE begins IS NOT NULL AND created_at >= 0;
CREATE INDEX api_keys_end ON api_keys (key_suffix, tenant_id, id) WHERE key_suffix IS NOT NULL;
CREATE INDEX api_keys_end_of ON api_keys (tenant_id, key_suffix, id) WHERE key_suffix IS NOT NULL;
