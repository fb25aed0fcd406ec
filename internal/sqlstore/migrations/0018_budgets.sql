-- The month of a key's tokens knows its end, and what lies behind it already.
ALTER TABLE key_uses ADD COLUMN tokens_ahead BIGINT NOT NULL DEFAULT 0;
ALTER TABLE key_uses ADD COLUMN month_end BIGINT NOT NULL DEFAULT 0;
UPDATE key_uses SET month_end = COALESCE((SELECT accounts.month_end FROM accounts
  WHERE accounts.tenant_id = key_uses.tenant_id AND accounts.month_start = key_uses.month_start), 0);

-- What runs cost this month. A run that was canceled and reported later counts in the month of its end here.
ALTER TABLE accounts ADD COLUMN spend_used BIGINT NOT NULL DEFAULT 0;
UPDATE accounts SET spend_used = COALESCE((SELECT CAST(SUM(runs.cost_micros) AS BIGINT) FROM runs
  WHERE runs.tenant_id = accounts.tenant_id AND runs.cost_micros > 0
  AND runs.completed_at >= accounts.month_start AND runs.completed_at < accounts.month_end), 0);
