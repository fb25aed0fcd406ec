-- An event says what it corrects. A mark knows where its event stands (0 in marks from before: what they stand for can't
-- be corrected) and how much of it has been taken back.
ALTER TABLE usage_events ADD COLUMN corrects TEXT;
ALTER TABLE usage_marks ADD COLUMN time BIGINT NOT NULL DEFAULT 0;
ALTER TABLE usage_marks ADD COLUMN corrected BIGINT NOT NULL DEFAULT 0;
