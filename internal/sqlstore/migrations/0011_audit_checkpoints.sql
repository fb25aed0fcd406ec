-- Where the chain of a pruned audit begins, and up to which row what was pruned is gone.
CREATE TABLE audit_checkpoints (
  tenant_id UUID NOT NULL,
  sequence BIGINT NOT NULL,
  hash BYTEA,
  chained_from BIGINT NOT NULL,
  pruned BIGINT NOT NULL,
  older_than BIGINT NOT NULL,
  at BIGINT NOT NULL,
  key_id TEXT,
  signature TEXT,
  removed BIGINT NOT NULL,
  PRIMARY KEY (tenant_id)
) {{clustered}};

-- What was begun and takes more than one transaction. Whichever server sweeps the tenant goes on with it.
CREATE TABLE chores (
  tenant_id UUID NOT NULL,
  kind TEXT NOT NULL,
  began_at BIGINT NOT NULL,
  detail TEXT,
  PRIMARY KEY (tenant_id, kind)
) {{clustered}};
