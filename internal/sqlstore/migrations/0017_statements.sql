-- A month that has ended knows until when its statement takes events (0: 72 hours after its end) and in which zone it began.
ALTER TABLE periods ADD COLUMN final_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE periods ADD COLUMN timezone TEXT NOT NULL DEFAULT '';
