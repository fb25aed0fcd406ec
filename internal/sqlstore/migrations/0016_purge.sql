-- A purge finds the sessions of a tenant.
CREATE INDEX sessions_tenant ON sessions (tenant_id, hash) WHERE tenant_id IS NOT NULL;
