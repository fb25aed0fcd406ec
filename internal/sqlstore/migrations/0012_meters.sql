-- What a meter is: in a tenant, and for all tenants under the platform's id. Meters from before have events.
ALTER TABLE meters ADD COLUMN aggregation TEXT NOT NULL DEFAULT 'sum';
ALTER TABLE meters ADD COLUMN fixed BIGINT NOT NULL DEFAULT 1;
ALTER TABLE meters ADD COLUMN display_name TEXT;
ALTER TABLE meters ADD COLUMN price_micros BIGINT;
ALTER TABLE meters ADD COLUMN price_per BIGINT NOT NULL DEFAULT 0;
ALTER TABLE meters ADD COLUMN dimensions TEXT;

-- The prices that a meter had, for statements. NULL is none of its own.
CREATE TABLE meter_prices (
  tenant_id UUID NOT NULL,
  meter TEXT NOT NULL,
  from_at BIGINT NOT NULL,
  price_micros BIGINT,
  price_per BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, meter, from_at)
) {{clustered}};

-- The values of kept dimensions that are told apart in a month; the row of '' counts them.
CREATE TABLE usage_values (
  tenant_id UUID NOT NULL,
  meter TEXT NOT NULL,
  dimension TEXT NOT NULL,
  month BIGINT NOT NULL,
  value TEXT NOT NULL,
  known BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, meter, dimension, month, value)
) {{clustered}};

-- The largest amounts in a quarter of an hour, of meters that aggregate by them.
CREATE TABLE usage_peaks (
  tenant_id UUID NOT NULL,
  dimension TEXT NOT NULL,
  bucket BIGINT NOT NULL,
  meter TEXT NOT NULL,
  value TEXT NOT NULL,
  peak BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, dimension, bucket, meter, value)
) {{clustered}};

-- The kept dimensions of an event, a JSON object.
ALTER TABLE usage_events ADD COLUMN dimensions TEXT;

-- Rollups become one row an hour: total and events are those of the hour, and what of them is in its second, third and
-- last quarter stands beside.
ALTER TABLE usage_rollups ADD COLUMN total_1 BIGINT NOT NULL DEFAULT 0;
ALTER TABLE usage_rollups ADD COLUMN events_1 BIGINT NOT NULL DEFAULT 0;
ALTER TABLE usage_rollups ADD COLUMN total_2 BIGINT NOT NULL DEFAULT 0;
ALTER TABLE usage_rollups ADD COLUMN events_2 BIGINT NOT NULL DEFAULT 0;
ALTER TABLE usage_rollups ADD COLUMN total_3 BIGINT NOT NULL DEFAULT 0;
ALTER TABLE usage_rollups ADD COLUMN events_3 BIGINT NOT NULL DEFAULT 0;
INSERT INTO usage_rollups (tenant_id, dimension, bucket, meter, value, total, events,
    total_1, events_1, total_2, events_2, total_3, events_3)
  SELECT tenant_id, dimension, bucket - bucket % 3600000000, meter, value, SUM(total), SUM(events),
    SUM(CASE WHEN bucket % 3600000000 = 900000000 THEN total ELSE 0 END), SUM(CASE WHEN bucket % 3600000000 = 900000000 THEN events ELSE 0 END),
    SUM(CASE WHEN bucket % 3600000000 = 1800000000 THEN total ELSE 0 END), SUM(CASE WHEN bucket % 3600000000 = 1800000000 THEN events ELSE 0 END),
    SUM(CASE WHEN bucket % 3600000000 = 2700000000 THEN total ELSE 0 END), SUM(CASE WHEN bucket % 3600000000 = 2700000000 THEN events ELSE 0 END)
  FROM usage_rollups WHERE bucket % 3600000000 <> 0
  GROUP BY tenant_id, dimension, bucket - bucket % 3600000000, meter, value
  ON CONFLICT (tenant_id, dimension, bucket, meter, value) DO UPDATE SET
    total = usage_rollups.total + excluded.total, events = usage_rollups.events + excluded.events,
    total_1 = excluded.total_1, events_1 = excluded.events_1, total_2 = excluded.total_2, events_2 = excluded.events_2,
    total_3 = excluded.total_3, events_3 = excluded.events_3;
DELETE FROM usage_rollups WHERE bucket % 3600000000 <> 0;
