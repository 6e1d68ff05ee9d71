-- SPDX-License-Identifier: EUPL-1.2
-- Who stands in for whom, from day to day; one deputy at a time. And the changes people made, newest first.
CREATE TABLE deputies (
  id TEXT PRIMARY KEY, principal_id TEXT NOT NULL, deputy_id TEXT NOT NULL, begins_at BIGINT NOT NULL, ends_at BIGINT NOT NULL,
  created_at BIGINT NOT NULL);
CREATE INDEX deputies_by_principal ON deputies (principal_id, ends_at);
CREATE INDEX deputies_by_deputy ON deputies (deputy_id, ends_at);
CREATE INDEX evidence_changes ON evidence (tenant_id, at, subject, n)
  WHERE event IN ('Created', 'Changed', 'Ended') AND substr(subject, 1, 6) <> 'draft:' AND substr(subject, 1, 8) <> 'message:';
