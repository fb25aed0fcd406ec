-- For how long after their end the statements of an account's present month, and of months that end before it is next written, take
-- events. Zero is what the platform's account has, which the first server that knows of this column sets to its own grace.
ALTER TABLE accounts ADD COLUMN statement_grace BIGINT NOT NULL DEFAULT 0;
