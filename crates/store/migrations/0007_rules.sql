-- SPDX-License-Identifier: EUPL-1.2
-- Rules are prepared in a draft and released as a whole; every released set is kept. A tenant's hand-overs by target.
CREATE TABLE rule_sets (
  tenant_id TEXT NOT NULL, two_persons BIGINT NOT NULL, draft TEXT NOT NULL, base BIGINT NOT NULL, changed_by TEXT NOT NULL,
  changed_at BIGINT NOT NULL, proposed_by TEXT NOT NULL, version BIGINT NOT NULL, PRIMARY KEY (tenant_id));
CREATE TABLE rule_releases (
  tenant_id TEXT NOT NULL, version BIGINT NOT NULL, rules TEXT NOT NULL, released_by TEXT NOT NULL, proposed_by TEXT NOT NULL,
  released_at BIGINT NOT NULL, PRIMARY KEY (tenant_id, version));
CREATE INDEX deliveries_to_connectors ON deliveries (tenant_id, target, state, changed_at)
  WHERE substr(target, 1, 10) = 'connector:';
