-- SPDX-License-Identifier: EUPL-1.2
-- The desk: who changed an item last, and how it stood before, so that one step can be undone.
ALTER TABLE desk_items ADD COLUMN changed_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE desk_items ADD COLUMN changed_by TEXT NOT NULL DEFAULT '';
ALTER TABLE desk_items ADD COLUMN before TEXT NOT NULL DEFAULT '';
CREATE INDEX desk_items_by_state ON desk_items (tenant_id, desk_id, state, delivery_id);
CREATE TABLE notes (
  tenant_id TEXT NOT NULL, id TEXT NOT NULL, message_id TEXT NOT NULL, principal_id TEXT NOT NULL, text TEXT NOT NULL,
  created_at BIGINT NOT NULL, PRIMARY KEY (tenant_id, id));
CREATE INDEX notes_by_message ON notes (tenant_id, message_id, id);
