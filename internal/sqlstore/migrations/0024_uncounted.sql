-- How many open runs name a subject and are counted in no row of one: where there are none, a new row begins with nothing.
ALTER TABLE accounts ADD COLUMN uncounted_runs BIGINT NOT NULL DEFAULT 0;
UPDATE accounts SET uncounted_runs = (SELECT COUNT(*) FROM runs
  WHERE runs.tenant_id = accounts.tenant_id AND runs.status <= 2 AND runs.subject IS NOT NULL)
  - CAST(COALESCE((SELECT SUM(subjects.concurrent_runs) FROM subjects WHERE subjects.tenant_id = accounts.tenant_id), 0) AS BIGINT);
