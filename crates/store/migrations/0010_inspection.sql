-- SPDX-License-Identifier: EUPL-1.2
-- The inspection station: sheets, what outside sources said, octets won from parts, and what is held back.
ALTER TABLE parts ADD COLUMN blob_id TEXT NOT NULL DEFAULT '';
ALTER TABLE parts ADD COLUMN header_at BIGINT NOT NULL DEFAULT -1;
CREATE TABLE sheets (
  tenant_id TEXT NOT NULL, message_id TEXT NOT NULL, version BIGINT NOT NULL, sheet TEXT NOT NULL, sha256 TEXT NOT NULL,
  created_at BIGINT NOT NULL, PRIMARY KEY (tenant_id, message_id, version));
CREATE TABLE findings (
  tenant_id TEXT NOT NULL, message_id TEXT NOT NULL, name TEXT NOT NULL, source TEXT NOT NULL, version TEXT NOT NULL,
  body TEXT NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (tenant_id, message_id, name));
CREATE TABLE derived (
  tenant_id TEXT NOT NULL, message_id TEXT NOT NULL, blob_id TEXT NOT NULL, part BIGINT NOT NULL, size BIGINT NOT NULL,
  sha256 TEXT NOT NULL, created_at BIGINT NOT NULL, PRIMARY KEY (tenant_id, message_id, blob_id));
CREATE TABLE quarantine (
  tenant_id TEXT NOT NULL, message_id TEXT NOT NULL, part BIGINT NOT NULL, cause TEXT NOT NULL, note TEXT NOT NULL,
  state TEXT NOT NULL, next_check BIGINT NOT NULL, proposed_by TEXT NOT NULL, words TEXT NOT NULL, decided_by TEXT NOT NULL,
  held_at BIGINT NOT NULL, changed_at BIGINT NOT NULL, version BIGINT NOT NULL, PRIMARY KEY (tenant_id, message_id, part));
CREATE INDEX quarantine_open ON quarantine (tenant_id, message_id) WHERE state IN ('held', 'proposed');
