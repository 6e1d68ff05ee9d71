// SPDX-License-Identifier: EUPL-1.2
//! Posteingangs- und Postausgangsbuch: what came and what went, in the order of acceptance.
//!
//! Guarantees: a page is read by one index, however long the book is. A book is a view of the messages, never a list
//! of its own: what is accepted stands in it.

use poststelle_model::{Direction, MailboxId, MessageId, TenantId, Timestamp};

use crate::bulk::args;
use crate::db::{Dialect, StoreError, Tx, parse_opt, text};
use crate::lines::{AFTER_ALL_IDS, Line, line};
use crate::search::{self, Query};

/// One line of a book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookLine {
    /// As in the list.
    pub line: Line,
    /// Recipients in the headers, as shown.
    pub recipients: String,
    /// SHA-256 of the original, hexadecimal.
    pub sha256: String,
    /// The box it came to or left from.
    pub mailbox: Option<MailboxId>,
}

/// Where a page begins: what was accepted before this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// When.
    pub at: Timestamp,
    /// Of several at once.
    pub id: MessageId,
}

/// Which lines of a book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// In or out.
    pub direction: Direction,
    /// Accepted at this moment or later.
    pub from: Timestamp,
    /// Accepted before this moment.
    pub until: Timestamp,
    /// With these words.
    pub query: Option<Query>,
}

/// The page is cut before anything is joined, as in `MESSAGE_PAGE`.
fn page_sql(hit: &str) -> String {
    format!(
        "SELECT m.id, m.direction, m.channel, m.size, m.transport, m.accepted_at, COALESCE(i.subject, ''), \
         COALESCE(i.sender_name, ''), COALESCE(i.sender_address, ''), COALESCE(i.urgent, 0), COALESCE(i.version, 0), \
         (SELECT COUNT(*) FROM parts p WHERE p.tenant_id = m.tenant_id AND p.message_id = m.id AND p.leaf = 1 \
         AND (p.raw_name <> '' OR p.disposition = 'attachment')), COALESCE(i.recipients, ''), m.sha256, m.mailbox_id \
         FROM (SELECT tenant_id, id, direction, channel, size, transport, accepted_at, sha256, mailbox_id FROM messages \
         WHERE tenant_id = $1 AND direction = $2 AND accepted_at >= $3 AND (accepted_at, id) < ($4, $5){hit} \
         ORDER BY accepted_at DESC, id DESC LIMIT $6) m \
         LEFT JOIN inspections i ON i.tenant_id = m.tenant_id AND i.message_id = m.id \
         ORDER BY m.accepted_at DESC, m.id DESC"
    )
}

/// One page of a book, newest first, from `before` on.
///
/// # Errors
/// When the database does not answer.
pub async fn page(
    tx: &mut Tx,
    tenant: TenantId,
    span: &Span,
    before: Option<Place>,
    limit: i64,
) -> Result<Vec<BookLine>, StoreError> {
    tx.allow(tenant)?;
    let (at, id) = match before.filter(|p| p.at < span.until) {
        Some(place) => (place.at, place.id.to_string()),
        // Before the very first moment that is too late.
        None => (Timestamp(span.until.0.saturating_sub(1)), AFTER_ALL_IDS.to_owned()),
    };
    let mut args = args![tenant, span.direction.as_str(), span.from, at, id, limit.clamp(1, 1000)];
    let hit = match &span.query {
        Some(query) => format!(" AND {}", search::ask(tx, tenant, query, &mut args).await?),
        None => String::new(),
    };
    let rows = tx.all_text(page_sql(&hit), args).await?;
    rows.iter()
        .map(|r| {
            Ok(BookLine {
                line: line(tenant, r)?,
                recipients: text(r, 12)?,
                sha256: text(r, 13)?,
                mailbox: parse_opt(r, 14, "messages.mailbox_id")?,
            })
        })
        .collect()
}

/// All statements of this module, for the test that prepares them.
pub(crate) fn built(dialect: Dialect) -> Vec<(String, String)> {
    let hit = format!(" AND {}", search::matching(dialect, 7));
    vec![("BOOK_PAGE".to_owned(), page_sql("")), ("BOOK_PAGE_HITS".to_owned(), page_sql(&hit))]
}
