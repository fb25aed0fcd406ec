-- How many runs each server has admitted and denied in each minute, for whoever looks on: written with the statistics, and
-- kept for a day.
CREATE TABLE activity (
  minute BIGINT NOT NULL,
  server_id UUID NOT NULL,
  admitted BIGINT NOT NULL,
  denied BIGINT NOT NULL,
  PRIMARY KEY (minute, server_id)
) {{clustered}};

-- The latest denials of all tenants. Only the list of all repeats the condition, so that the index never serves one tenant.
CREATE INDEX denials_latest ON denials (id) WHERE code <> '';
