-- Large amounts recorded of a meter in the month that is named, by which no sum goes beyond its numbers.
ALTER TABLE meters ADD COLUMN heavy BIGINT NOT NULL DEFAULT 0;
ALTER TABLE meters ADD COLUMN heavy_month BIGINT NOT NULL DEFAULT 0;
