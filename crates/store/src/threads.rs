// SPDX-License-Identifier: EUPL-1.2
//! Threads: which message of the same tenant another one answers.
//!
//! Guarantees: one read per message, however many answer to the same Message-ID; only messages of the tenant are found.
//! A Message-ID is whatever the sender wrote: a thread is a help for readers, never a proof. An answer that was processed
//! before its question stays without it.

use poststelle_model::{ConversationId, DeskId, MailboxId, MessageId, TenantId};

use crate::bulk::{Value, args};
use crate::db::{StoreError, Tx, parse, parse_opt};
use crate::lines::{self, Line};
use crate::sql;

/// Message-IDs that are looked for.
pub const ASKED: usize = 8;

/// Where a message belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thread {
    /// The message it answers.
    pub in_reply_to: MessageId,
    /// The conversation of both; the first message gives it its id.
    pub conversation: ConversationId,
}

/// The thread of a message that names these Message-IDs, nearest first; the nearest one known decides.
///
/// # Errors
/// When the database does not answer.
pub async fn find(tx: &mut Tx, tenant: TenantId, answers: &[String]) -> Result<Option<Thread>, StoreError> {
    tx.allow(tenant)?;
    let mut args: Vec<Value> = args![tenant];
    let asked = answers.iter().map(String::as_str).filter(|id| !id.is_empty());
    args.extend(asked.chain(std::iter::repeat("")).take(ASKED).map(Value::from));
    let Some(row) = tx.one(sql::THREAD_FIND, args).await? else { return Ok(None) };
    let in_reply_to: MessageId = parse(&row, 0, "messages.id")?;
    let conversation = parse_opt(&row, 1, "messages.conversation_id")?;
    let conversation = conversation.unwrap_or_else(|| ConversationId::from_uuid(in_reply_to.uuid()));
    Ok(Some(Thread { in_reply_to, conversation }))
}

/// The newest messages of a conversation, newest first, its first message among them; with `within` only those that lie
/// in one of its boxes or on one of its desks.
///
/// # Errors
/// When the database does not answer.
pub async fn conversation(
    tx: &mut Tx,
    tenant: TenantId,
    of: ConversationId,
    within: Option<(&[MailboxId], &[DeskId])>,
    limit: i64,
) -> Result<Vec<Line>, StoreError> {
    tx.allow(tenant)?;
    let first = Some(MessageId::from_uuid(of.uuid()));
    let (sql, args) = lines::page_parts(tenant, within, first, limit);
    lines::run(tx, tenant, conversation_sql(&sql), args).await
}

/// The messages are picked by the index of conversations (`conversation_id <> ''` lets both databases use it): with an
/// OR SQLite walks through all messages of the tenant instead.
fn conversation_sql(page: &str) -> String {
    page.replace(
        "id < $2",
        "id IN (SELECT c.id FROM messages c WHERE c.tenant_id = $1 AND c.conversation_id = $2 AND c.conversation_id <> '' \
         UNION ALL SELECT CAST($2 AS TEXT))",
    )
}

/// All statements of this module that are built, for the test that prepares them.
pub(crate) fn built() -> Vec<(String, String)> {
    let pages =
        [("CONVERSATION", sql::MESSAGE_PAGE.to_owned()), ("CONVERSATION_WITHIN", lines::page_within_sql(2))];
    pages.map(|(name, page)| (name.to_owned(), conversation_sql(&page))).to_vec()
}

/// Puts messages into their threads.
///
/// # Errors
/// When the database does not answer.
pub async fn join(tx: &mut Tx, found: &[(TenantId, MessageId, Thread)]) -> Result<(), StoreError> {
    for (tenant, id, thread) in found {
        tx.allow(*tenant)?;
        tx.run(sql::THREAD_JOIN, args![thread.in_reply_to, thread.conversation, *tenant, *id]).await?;
    }
    Ok(())
}
