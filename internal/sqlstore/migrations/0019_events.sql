-- What somebody should hear of, as it happened. The list of all tenants repeats the condition of its index.
CREATE TABLE events (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  type TEXT NOT NULL,
  at BIGINT NOT NULL,
  data TEXT NOT NULL,
  PRIMARY KEY (tenant_id, id)
);
CREATE INDEX events_all ON events (id) WHERE at >= 0;

-- Which thresholds of an account's quotas were told in the present periods, and at which ones a plan tells.
ALTER TABLE accounts ADD COLUMN marks BYTEA;
ALTER TABLE plans ADD COLUMN thresholds TEXT;
