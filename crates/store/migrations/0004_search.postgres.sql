-- SPDX-License-Identifier: EUPL-1.2
-- The search: words of messages, derived from them and rebuilt by `poststelle search rebuild`. The one place where the
-- two databases differ (store::search). And the order of the books.
-- What is looked for is part of the policy: under row-level security PostgreSQL uses an index only for what the policy
-- itself asks or for what cannot leak, and a text search is not of that kind. With nothing asked there is nothing.
CREATE TABLE search (tenant_id TEXT NOT NULL, message_id TEXT NOT NULL, words TSVECTOR NOT NULL, PRIMARY KEY (tenant_id, message_id));
CREATE INDEX search_words ON search USING GIN (words);
CREATE POLICY search_match ON search AS RESTRICTIVE FOR SELECT
  USING (words @@ CAST(current_setting('app.search', true) AS tsquery));
CREATE INDEX messages_by_book ON messages (tenant_id, direction, accepted_at, id);
CREATE INDEX messages_by_conversation ON messages (tenant_id, conversation_id) WHERE conversation_id <> '';
