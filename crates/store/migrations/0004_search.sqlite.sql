-- SPDX-License-Identifier: EUPL-1.2
-- The search: words of messages, derived from them and rebuilt by `poststelle search rebuild`. The one place where the
-- two databases differ (store::search). And the order of the books.
CREATE TABLE search (doc INTEGER PRIMARY KEY, tenant_id TEXT NOT NULL, message_id TEXT NOT NULL, UNIQUE (tenant_id, message_id));
CREATE VIRTUAL TABLE search_words USING fts5(words, content='', contentless_delete=1, tokenize='ascii');
CREATE INDEX messages_by_book ON messages (tenant_id, direction, accepted_at, id);
CREATE INDEX messages_by_conversation ON messages (tenant_id, conversation_id) WHERE conversation_id <> '';
