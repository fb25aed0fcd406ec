-- An idempotency key stands for one call of those that make runs, be it for one run or for a group.
UPDATE idempotency SET operation = 'run.create' WHERE operation = 'run.create_group' AND NOT EXISTS (
  SELECT 1 FROM idempotency one WHERE one.tenant_id = idempotency.tenant_id AND one.operation = 'run.create' AND one.key = idempotency.key);
