-- SPDX-License-Identifier: EUPL-1.2
-- Accounts: a password somebody else set is used once; a second factor (RFC 6238) with recovery codes; a session that
-- is not through yet waits at a step.
ALTER TABLE principals ADD COLUMN must_change BIGINT NOT NULL DEFAULT 0;
ALTER TABLE principals ADD COLUMN wrapped_totp TEXT NOT NULL DEFAULT '';
ALTER TABLE principals ADD COLUMN totp_step BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN waits_for TEXT NOT NULL DEFAULT '';
CREATE INDEX sessions_by_principal ON sessions (principal_id, expires_at);
CREATE TABLE recovery_codes (
  principal_id TEXT NOT NULL, hash TEXT NOT NULL, PRIMARY KEY (principal_id, hash));
