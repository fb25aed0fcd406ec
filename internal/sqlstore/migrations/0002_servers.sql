-- The servers that share the database, and when each was last heard of by the database's own clock.
CREATE TABLE servers (
  id UUID NOT NULL,
  name TEXT NOT NULL,
  started_at BIGINT NOT NULL,
  seen_at BIGINT NOT NULL,
  PRIMARY KEY (id)
) {{clustered}};
