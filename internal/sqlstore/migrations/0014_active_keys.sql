-- A list of the good keys does not get past all that were revoked since. With the status in the key the condition of the
-- list says more here than in the primary key, which else would seem as good to a planner; only the list repeats the other
-- condition, so that the index serves nothing else.
CREATE INDEX api_keys_active ON api_keys (tenant_id, status, id) WHERE status = 'active' AND created_at >= 0;
