-- Where a tenant is believed to have one row, PostgreSQL finds two indexes equally good: one on the whole key, and one
-- that only begins with the tenant. Then it takes the one that was made last. Without these it would be members_id, or
-- the one on the hashes of keys, and a lookup would read every row of the tenant.

DROP INDEX members_user;
CREATE INDEX members_user ON members (user_id, tenant_id);
CREATE INDEX api_keys_id ON api_keys (id, tenant_id);
