-- SPDX-License-Identifier: EUPL-1.2
-- What lies open on a desk is a small part of all that ever lay there: lists and counts of open items read only this.
CREATE INDEX desk_items_open ON desk_items (tenant_id, desk_id, delivery_id, state, owner) WHERE state <> 'done';
DROP INDEX desk_items_by_desk;
