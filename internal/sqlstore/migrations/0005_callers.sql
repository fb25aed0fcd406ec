-- Operator keys with a displayable start, permissions (NULL is everything) and an end.
ALTER TABLE operator_keys ADD COLUMN key_prefix TEXT;
ALTER TABLE operator_keys ADD COLUMN permissions TEXT;
ALTER TABLE operator_keys ADD COLUMN expires_at BIGINT;
ALTER TABLE operator_keys ADD COLUMN revoked_reason TEXT;
