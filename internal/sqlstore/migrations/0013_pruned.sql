-- Of which kinds old rows of a tenant were deleted: those before a time may be missing.
CREATE TABLE pruned (
  tenant_id UUID NOT NULL,
  kind TEXT NOT NULL,
  until_at BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, kind)
) {{clustered}};
