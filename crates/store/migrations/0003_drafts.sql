-- SPDX-License-Identifier: EUPL-1.2
-- Writing: what is not yet a message. The text is sealed under the tenant's key; octets of attachments lie in the blob
-- store, in pieces, so that an upload that broke off goes on where it stopped. A sent draft keeps its row, not its text.
-- What leaves from a box with four_eyes a second person releases.
ALTER TABLE mailboxes ADD COLUMN four_eyes BIGINT NOT NULL DEFAULT 0;
CREATE TABLE drafts (
  tenant_id TEXT NOT NULL, id TEXT NOT NULL, principal_id TEXT NOT NULL, mailbox_id TEXT NOT NULL, kind TEXT NOT NULL,
  answers TEXT NOT NULL, thread TEXT NOT NULL, recipients TEXT NOT NULL, copies TEXT NOT NULL, subject TEXT NOT NULL,
  body TEXT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL, send_at BIGINT NOT NULL, desk_id TEXT NOT NULL,
  message_id TEXT NOT NULL, released_by TEXT NOT NULL, created_at BIGINT NOT NULL, changed_at BIGINT NOT NULL, version BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, id));
CREATE INDEX drafts_by_principal ON drafts (tenant_id, principal_id, changed_at);
CREATE INDEX drafts_by_state ON drafts (tenant_id, state, changed_at) WHERE state = 'release';
CREATE INDEX drafts_by_message ON drafts (tenant_id, message_id) WHERE message_id <> '';
CREATE TABLE draft_parts (
  tenant_id TEXT NOT NULL, id TEXT NOT NULL, draft_id TEXT NOT NULL, name TEXT NOT NULL, media_type TEXT NOT NULL,
  size BIGINT NOT NULL, created_at BIGINT NOT NULL, PRIMARY KEY (tenant_id, id));
CREATE INDEX draft_parts_by_draft ON draft_parts (tenant_id, draft_id, id);
CREATE TABLE draft_pieces (
  tenant_id TEXT NOT NULL, id TEXT NOT NULL, part_id TEXT NOT NULL, start_at BIGINT NOT NULL, size BIGINT NOT NULL,
  sha256 TEXT NOT NULL, wrapped TEXT NOT NULL, PRIMARY KEY (tenant_id, id));
CREATE UNIQUE INDEX draft_pieces_in_order ON draft_pieces (tenant_id, part_id, start_at);
