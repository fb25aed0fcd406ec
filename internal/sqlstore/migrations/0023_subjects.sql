-- What the runs of one subject of a tenant hold and have used, while something limits it, and its own limits.
CREATE TABLE subjects (
  tenant_id UUID NOT NULL,
  subject TEXT NOT NULL,
  limits TEXT NOT NULL,
  reason TEXT,
  concurrent_runs BIGINT NOT NULL,
  tokens_reserved BIGINT NOT NULL,
  runs_used BIGINT NOT NULL,
  runs_ahead BIGINT NOT NULL,
  day_start BIGINT NOT NULL,
  day_end BIGINT NOT NULL,
  tokens_used BIGINT NOT NULL,
  tokens_ahead BIGINT NOT NULL,
  month_start BIGINT NOT NULL,
  month_end BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, subject)
) {{clustered}};
ALTER TABLE accounts ADD COLUMN subjects BIGINT NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN subject TEXT;
