-- SPDX-License-Identifier: EUPL-1.2
-- The spine. Portable subset: TEXT and BIGINT only, NOT NULL, times in microseconds UTC, flags 0/1.
-- Business keys start with tenant_id. {rls} is filled for PostgreSQL by store::migrate.
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE tenants (
  id TEXT PRIMARY KEY, slug TEXT NOT NULL UNIQUE, name TEXT NOT NULL, log_origin TEXT NOT NULL,
  wrapped_key TEXT NOT NULL, wrapped_note_key TEXT NOT NULL, note_vkey TEXT NOT NULL,
  clearing_desk TEXT NOT NULL, created_at BIGINT NOT NULL, version BIGINT NOT NULL);
CREATE TABLE administrations (
  id TEXT PRIMARY KEY, slug TEXT NOT NULL UNIQUE, name TEXT NOT NULL, created_at BIGINT NOT NULL, version BIGINT NOT NULL);
CREATE TABLE mandates (
  tenant_id TEXT NOT NULL, administration_id TEXT NOT NULL, valid_from BIGINT NOT NULL, valid_until BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, administration_id, valid_from));
CREATE TABLE principals (
  id TEXT PRIMARY KEY, login TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, name TEXT NOT NULL, administration_id TEXT NOT NULL,
  password_hash TEXT NOT NULL, active BIGINT NOT NULL, failures BIGINT NOT NULL, locked_until BIGINT NOT NULL,
  created_at BIGINT NOT NULL, version BIGINT NOT NULL);
CREATE TABLE grants (
  principal_id TEXT NOT NULL, role TEXT NOT NULL, place TEXT NOT NULL, tenant_id TEXT NOT NULL, object_id TEXT NOT NULL,
  PRIMARY KEY (principal_id, role, place, tenant_id, object_id));
CREATE TABLE sessions (
  hash TEXT PRIMARY KEY, principal_id TEXT NOT NULL, csrf TEXT NOT NULL, created_at BIGINT NOT NULL, seen_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL, agent TEXT NOT NULL);
CREATE TABLE tokens (
  hash TEXT PRIMARY KEY, principal_id TEXT NOT NULL, tenant_id TEXT NOT NULL, name TEXT NOT NULL, created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL);
CREATE TABLE mailboxes (
  tenant_id TEXT NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL, active BIGINT NOT NULL, created_at BIGINT NOT NULL,
  version BIGINT NOT NULL, PRIMARY KEY (tenant_id, id));
CREATE TABLE addresses (
  channel TEXT NOT NULL, identifier TEXT NOT NULL, tenant_id TEXT NOT NULL, mailbox_id TEXT NOT NULL,
  PRIMARY KEY (channel, identifier));
CREATE INDEX addresses_by_mailbox ON addresses (tenant_id, mailbox_id);
CREATE TABLE desks (
  id TEXT PRIMARY KEY, administration_id TEXT NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL, created_at BIGINT NOT NULL,
  version BIGINT NOT NULL);
CREATE TABLE desk_tenants (tenant_id TEXT NOT NULL, desk_id TEXT NOT NULL, PRIMARY KEY (tenant_id, desk_id));
CREATE TABLE connectors (
  tenant_id TEXT NOT NULL, id TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, config TEXT NOT NULL,
  wrapped_secret TEXT NOT NULL, active BIGINT NOT NULL, version BIGINT NOT NULL, PRIMARY KEY (tenant_id, id));
CREATE TABLE rules (
  tenant_id TEXT NOT NULL, id TEXT NOT NULL, position BIGINT NOT NULL, name TEXT NOT NULL, condition TEXT NOT NULL,
  actions TEXT NOT NULL, active BIGINT NOT NULL, version BIGINT NOT NULL, PRIMARY KEY (tenant_id, id));
CREATE TABLE messages (
  tenant_id TEXT NOT NULL, id TEXT NOT NULL, direction TEXT NOT NULL, channel TEXT NOT NULL, mailbox_id TEXT NOT NULL,
  foreign_id TEXT NOT NULL, conflicts_with TEXT NOT NULL, in_reply_to TEXT NOT NULL, conversation_id TEXT NOT NULL,
  blob_id TEXT NOT NULL, size BIGINT NOT NULL, sha256 TEXT NOT NULL, sha512 TEXT NOT NULL, transport TEXT NOT NULL,
  accepted_at BIGINT NOT NULL, PRIMARY KEY (tenant_id, id));
CREATE UNIQUE INDEX messages_foreign ON messages (tenant_id, channel, foreign_id, sha256) WHERE foreign_id <> '';
CREATE TABLE message_keys (
  tenant_id TEXT NOT NULL, message_id TEXT NOT NULL, wrapped TEXT NOT NULL, PRIMARY KEY (tenant_id, message_id));
CREATE TABLE message_mailboxes (
  tenant_id TEXT NOT NULL, message_id TEXT NOT NULL, mailbox_id TEXT NOT NULL,
  PRIMARY KEY (tenant_id, message_id, mailbox_id));
CREATE TABLE inspections (
  tenant_id TEXT NOT NULL, message_id TEXT NOT NULL, version BIGINT NOT NULL, subject TEXT NOT NULL, sender_name TEXT NOT NULL,
  sender_address TEXT NOT NULL, recipients TEXT NOT NULL, sent_at BIGINT NOT NULL, header_id TEXT NOT NULL,
  automatic BIGINT NOT NULL, urgent BIGINT NOT NULL, defects TEXT NOT NULL, explanation TEXT NOT NULL,
  created_at BIGINT NOT NULL, PRIMARY KEY (tenant_id, message_id));
CREATE INDEX inspections_header ON inspections (tenant_id, header_id) WHERE header_id <> '';
CREATE TABLE parts (
  tenant_id TEXT NOT NULL, message_id TEXT NOT NULL, n BIGINT NOT NULL, parent BIGINT NOT NULL, path TEXT NOT NULL,
  leaf BIGINT NOT NULL, start_at BIGINT NOT NULL, length BIGINT NOT NULL, encoding TEXT NOT NULL, declared TEXT NOT NULL,
  detected TEXT NOT NULL, charset TEXT NOT NULL, raw_name TEXT NOT NULL, name TEXT NOT NULL, disposition TEXT NOT NULL,
  size BIGINT NOT NULL, sha256 TEXT NOT NULL, defects TEXT NOT NULL, PRIMARY KEY (tenant_id, message_id, n));
CREATE TABLE deliveries (
  tenant_id TEXT NOT NULL, id TEXT NOT NULL, message_id TEXT NOT NULL, rule_id TEXT NOT NULL, target TEXT NOT NULL,
  state TEXT NOT NULL, reason TEXT NOT NULL, foreign_id TEXT NOT NULL, attempts BIGINT NOT NULL,
  next_attempt BIGINT NOT NULL, expires_at BIGINT NOT NULL, created_at BIGINT NOT NULL, changed_at BIGINT NOT NULL,
  version BIGINT NOT NULL, PRIMARY KEY (tenant_id, id));
CREATE UNIQUE INDEX deliveries_once ON deliveries (tenant_id, message_id, rule_id, target);
CREATE INDEX deliveries_by_state ON deliveries (tenant_id, state) WHERE state IN ('planned', 'sending', 'deferred', 'unclear', 'parked', 'rejected', 'expired');
CREATE TABLE receipts (
  tenant_id TEXT NOT NULL, id TEXT NOT NULL, message_id TEXT NOT NULL, delivery_id TEXT NOT NULL, kind TEXT NOT NULL,
  carried_by TEXT NOT NULL, body TEXT NOT NULL, created_at BIGINT NOT NULL, PRIMARY KEY (tenant_id, id));
CREATE INDEX receipts_by_message ON receipts (tenant_id, message_id);
CREATE TABLE desk_items (
  tenant_id TEXT NOT NULL, delivery_id TEXT NOT NULL, desk_id TEXT NOT NULL, message_id TEXT NOT NULL, state TEXT NOT NULL,
  owner TEXT NOT NULL, due_at BIGINT NOT NULL, urgent BIGINT NOT NULL, created_at BIGINT NOT NULL, version BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, delivery_id));
CREATE INDEX desk_items_by_desk ON desk_items (tenant_id, desk_id, delivery_id);
CREATE INDEX desk_items_by_message ON desk_items (tenant_id, message_id);
CREATE TABLE evidence (
  tenant_id TEXT NOT NULL, subject TEXT NOT NULL, n BIGINT NOT NULL, event TEXT NOT NULL, at BIGINT NOT NULL, who TEXT NOT NULL,
  envelope TEXT NOT NULL, body TEXT NOT NULL, hash TEXT NOT NULL, pos BIGINT NOT NULL, PRIMARY KEY (tenant_id, subject, n));
CREATE UNIQUE INDEX evidence_pos ON evidence (tenant_id, pos) WHERE pos >= 0;
CREATE INDEX evidence_open ON evidence (tenant_id, at) WHERE pos < 0;
CREATE TABLE checkpoints (
  tenant_id TEXT NOT NULL, size BIGINT NOT NULL, root TEXT NOT NULL, frontier TEXT NOT NULL, note TEXT NOT NULL,
  fence BIGINT NOT NULL, created_at BIGINT NOT NULL, PRIMARY KEY (tenant_id, size));
CREATE TABLE jobs (
  id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, lane TEXT NOT NULL, kind TEXT NOT NULL, version BIGINT NOT NULL,
  subject TEXT NOT NULL, payload TEXT NOT NULL, available_at BIGINT NOT NULL, lease_token TEXT NOT NULL,
  attempts BIGINT NOT NULL, created_at BIGINT NOT NULL);
CREATE INDEX jobs_by_lane ON jobs (lane, available_at);
CREATE INDEX jobs_by_subject ON jobs (tenant_id, subject);
CREATE TABLE leases (name TEXT PRIMARY KEY, holder TEXT NOT NULL, fence BIGINT NOT NULL, until BIGINT NOT NULL);
CREATE TABLE alarms (
  tenant_id TEXT NOT NULL, id TEXT NOT NULL, topic TEXT NOT NULL, reason TEXT NOT NULL, raised_at BIGINT NOT NULL,
  cleared_at BIGINT NOT NULL, PRIMARY KEY (tenant_id, id));
CREATE UNIQUE INDEX alarms_open ON alarms (tenant_id, topic) WHERE cleared_at = 0;
