-- When each tenant last changed in a way that what servers keep in memory of it does not hold any more. The stamps grow in
-- the order of transactions, so that a server may ask for what came since it last asked.
CREATE TABLE invalidations (
  tenant_id UUID NOT NULL,
  stamp BIGINT NOT NULL,
  PRIMARY KEY (tenant_id)
) {{clustered}};
CREATE INDEX invalidations_stamp ON invalidations (stamp);
