-- One text for every SQL database. Times are Unix microseconds and ids are made by the program, so that clocks,
-- sequences and collations stay out of SQL. Every tenant table has tenant_id first in its primary key. {{clustered}}
-- marks tables that are read and written by key, which a dialect may keep in the order of the key; the others are kept
-- in the order of insertion, with their keys beside them.

CREATE TABLE accounts (
  tenant_id UUID NOT NULL,
  status TEXT NOT NULL,
  since BIGINT NOT NULL,
  plan TEXT NOT NULL,
  overrides TEXT NOT NULL,
  timezone TEXT NOT NULL,
  anchor_day BIGINT NOT NULL,
  day_start BIGINT NOT NULL,
  day_end BIGINT NOT NULL,
  runs_today BIGINT NOT NULL,
  month_start BIGINT NOT NULL,
  month_end BIGINT NOT NULL,
  tokens_used BIGINT NOT NULL,
  tokens_ahead BIGINT NOT NULL,
  concurrent_runs BIGINT NOT NULL,
  tokens_reserved BIGINT NOT NULL,
  workers BIGINT NOT NULL,
  api_keys BIGINT NOT NULL,
  owners BIGINT NOT NULL,
  next_lease_expiry BIGINT NOT NULL,
  next_key_expiry BIGINT NOT NULL,
  cancel_before BIGINT NOT NULL,
  audit_sequence BIGINT NOT NULL,
  generation BIGINT NOT NULL,
  last_now BIGINT NOT NULL,
  PRIMARY KEY (tenant_id)
) {{clustered}};

CREATE TABLE tenants (
  tenant_id UUID NOT NULL,
  slug TEXT NOT NULL,
  name TEXT NOT NULL,
  external_id TEXT,
  billing_email TEXT,
  status_reason TEXT,
  metadata TEXT NOT NULL,
  search TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (tenant_id)
) {{clustered}};

CREATE TABLE plans (
  name TEXT NOT NULL,
  limits TEXT NOT NULL,
  retired BIGINT NOT NULL,
  PRIMARY KEY (name)
) {{clustered}};

-- What is unique across tenants, keyed by its value: a slug, an external id, a user's external id.
CREATE TABLE directory (
  kind TEXT NOT NULL,
  value TEXT NOT NULL,
  owner UUID NOT NULL,
  PRIMARY KEY (kind, value)
) {{clustered}};

CREATE TABLE users (
  id UUID NOT NULL,
  external_id TEXT,
  email TEXT NOT NULL,
  name TEXT,
  default_tenant_id UUID,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (id)
) {{clustered}};
CREATE INDEX users_email ON users (email, id);

CREATE TABLE members (
  tenant_id UUID NOT NULL,
  user_id UUID NOT NULL,
  id UUID NOT NULL,
  role TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, user_id),
  FOREIGN KEY (tenant_id) REFERENCES accounts (tenant_id)
) {{clustered}};
CREATE UNIQUE INDEX members_id ON members (tenant_id, id);
CREATE INDEX members_user ON members (user_id);

CREATE TABLE operator_keys (
  id UUID NOT NULL,
  name TEXT NOT NULL,
  hash BYTEA NOT NULL,
  created_at BIGINT NOT NULL,
  revoked_at BIGINT,
  PRIMARY KEY (id),
  UNIQUE (hash)
) {{clustered}};

CREATE TABLE api_keys (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  name TEXT NOT NULL,
  key_prefix TEXT NOT NULL,
  hash BYTEA NOT NULL,
  family UUID NOT NULL,
  user_id UUID,
  permissions TEXT NOT NULL,
  allowed_workers TEXT,
  rate_limit_rpm BIGINT,
  max_concurrent_runs BIGINT,
  max_tokens_per_month BIGINT,
  expires_at BIGINT,
  status TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  revoked_at BIGINT,
  revoked_reason TEXT,
  rotated_to UUID,
  PRIMARY KEY (tenant_id, id),
  UNIQUE (tenant_id, hash),
  FOREIGN KEY (tenant_id) REFERENCES accounts (tenant_id)
);
CREATE INDEX api_keys_expiring ON api_keys (tenant_id, expires_at) WHERE status = 'active' AND expires_at IS NOT NULL;

-- How often keys are used: statistics, written apart from the keys so that neither overwrites the other.
CREATE TABLE api_key_uses (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  last_used_at BIGINT NOT NULL,
  total_requests BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, id)
) {{clustered}};

-- What the runs of a key family hold and have used, for keys with limits of their own.
CREATE TABLE key_uses (
  tenant_id UUID NOT NULL,
  family UUID NOT NULL,
  concurrent_runs BIGINT NOT NULL,
  tokens_reserved BIGINT NOT NULL,
  tokens_used BIGINT NOT NULL,
  month_start BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, family)
) {{clustered}};

CREATE TABLE workers (
  tenant_id UUID NOT NULL,
  worker_id TEXT NOT NULL,
  enabled BIGINT NOT NULL,
  first_used_at BIGINT,
  PRIMARY KEY (tenant_id, worker_id)
) {{clustered}};

-- No foreign keys on runs, usage and audit: one to the account halves the rate of admissions.
CREATE TABLE runs (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  worker_id TEXT NOT NULL,
  api_key_id UUID,
  user_id UUID,
  task TEXT NOT NULL,
  status BIGINT NOT NULL,
  success BIGINT,
  error TEXT,
  total_tokens BIGINT,
  reserved_tokens BIGINT NOT NULL,
  tokens_so_far BIGINT NOT NULL,
  total_latency_ms BIGINT,
  stages_completed BIGINT,
  recoveries BIGINT,
  policy_violations BIGINT,
  cost_micros BIGINT,
  parent_run_id UUID,
  attempt BIGINT NOT NULL,
  is_retry BIGINT NOT NULL,
  late BIGINT NOT NULL,
  over_soft_limit BIGINT NOT NULL,
  cancel_requested BIGINT NOT NULL,
  lease BIGINT NOT NULL,
  lease_expires_at BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  started_at BIGINT,
  completed_at BIGINT,
  family UUID,
  payloads BIGINT NOT NULL,
  fingerprint BYTEA,
  PRIMARY KEY (tenant_id, id)
);
-- Open runs by lease; status 1 is queued and 2 running.
CREATE INDEX runs_open ON runs (tenant_id, lease_expires_at) WHERE status <= 2;

-- kind: 1 input, 2 output, 4 replay token.
CREATE TABLE run_payloads (
  tenant_id UUID NOT NULL,
  run_id UUID NOT NULL,
  kind BIGINT NOT NULL,
  body BYTEA NOT NULL,
  PRIMARY KEY (tenant_id, run_id, kind)
);

CREATE TABLE meters (
  tenant_id UUID NOT NULL,
  name TEXT NOT NULL,
  unit TEXT NOT NULL,
  PRIMARY KEY (tenant_id, name)
) {{clustered}};

-- Keyed by time, so that the one index serves ranges of time, which is how events are read.
CREATE TABLE usage_events (
  tenant_id UUID NOT NULL,
  time BIGINT NOT NULL,
  id UUID NOT NULL,
  meter TEXT NOT NULL,
  amount BIGINT NOT NULL,
  unit TEXT NOT NULL,
  recorded_at BIGINT NOT NULL,
  worker_id TEXT,
  api_key_id UUID,
  run_id UUID,
  event_id TEXT,
  metadata TEXT,
  PRIMARY KEY (tenant_id, time, id)
);

-- Event ids that have been counted.
CREATE TABLE usage_marks (
  tenant_id UUID NOT NULL,
  event_id TEXT NOT NULL,
  fingerprint BYTEA NOT NULL,
  usage_id UUID NOT NULL,
  recorded_at BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, event_id)
);

CREATE TABLE usage_rollups (
  tenant_id UUID NOT NULL,
  dimension TEXT NOT NULL,
  bucket BIGINT NOT NULL,
  meter TEXT NOT NULL,
  value TEXT NOT NULL,
  total BIGINT NOT NULL,
  events BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, dimension, bucket, meter, value)
) {{clustered}};

CREATE TABLE periods (
  tenant_id UUID NOT NULL,
  start_at BIGINT NOT NULL,
  end_at BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, start_at)
) {{clustered}};

-- What idempotent operations came to.
CREATE TABLE idempotency (
  tenant_id UUID NOT NULL,
  operation TEXT NOT NULL,
  key TEXT NOT NULL,
  fingerprint BYTEA NOT NULL,
  result TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, operation, key)
);

-- hash and previous_hash wait for the chain.
CREATE TABLE audit (
  tenant_id UUID NOT NULL,
  sequence BIGINT NOT NULL,
  id UUID NOT NULL,
  at BIGINT NOT NULL,
  actor TEXT NOT NULL,
  action TEXT NOT NULL,
  resource_type TEXT NOT NULL,
  resource_id TEXT NOT NULL,
  old TEXT,
  new TEXT,
  request_id TEXT,
  ip TEXT,
  user_agent TEXT,
  hash BYTEA,
  previous_hash BYTEA,
  PRIMARY KEY (tenant_id, sequence)
);

CREATE TABLE denials (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  at BIGINT NOT NULL,
  code TEXT NOT NULL,
  quota TEXT,
  scope TEXT,
  limit_value BIGINT,
  current_value BIGINT,
  worker_id TEXT,
  api_key_id UUID,
  reason TEXT NOT NULL,
  PRIMARY KEY (tenant_id, id)
);

CREATE TABLE denial_counts (
  tenant_id UUID NOT NULL,
  minute BIGINT NOT NULL,
  code TEXT NOT NULL,
  quota TEXT NOT NULL,
  denials BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, minute, code, quota)
) {{clustered}};

-- The transactions that were committed, where a commit's outcome may have to be looked up.
CREATE TABLE batches (
  id UUID NOT NULL,
  PRIMARY KEY (id)
);
