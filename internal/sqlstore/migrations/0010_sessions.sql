-- Who is signed in to the console, by the SHA-256 of what the browser holds. A row names the key that was signed in with,
-- which is asked for at each request: a session never outlives its key. tenant_id is NULL for operators.
CREATE TABLE sessions (
  hash BYTEA NOT NULL,
  key_hash BYTEA NOT NULL,
  tenant_id UUID,
  api_key_id UUID,
  operator_key_id UUID,
  created_at BIGINT NOT NULL,
  seen_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  ends_at BIGINT NOT NULL,
  PRIMARY KEY (hash)
) {{clustered}};
CREATE INDEX sessions_expired ON sessions (expires_at);
