-- SPDX-License-Identifier: EUPL-1.2
-- Texts a tenant's people write again and again.
CREATE TABLE text_blocks (
  tenant_id TEXT NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL, text TEXT NOT NULL, version BIGINT NOT NULL,
  changed_at BIGINT NOT NULL, changed_by TEXT NOT NULL, PRIMARY KEY (tenant_id, id));
CREATE UNIQUE INDEX text_blocks_by_name ON text_blocks (tenant_id, name);
