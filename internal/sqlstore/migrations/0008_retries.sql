-- A run knows the run that retries it: there is one at most.
ALTER TABLE runs ADD COLUMN retried_by UUID;
