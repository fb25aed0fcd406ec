-- The audit's hash chain: an account holds the hash of its last row; a row holds the salt of the personal data in it, or
-- once that was erased its salted hash. Rows from before have none of it: the chain begins behind them.
ALTER TABLE accounts ADD COLUMN audit_hash BYTEA;
ALTER TABLE audit ADD COLUMN salt BYTEA;
ALTER TABLE audit ADD COLUMN personal_hash BYTEA;
