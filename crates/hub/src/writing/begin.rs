// SPDX-License-Identifier: EUPL-1.2
//! How a draft begins: from nothing, as an answer, or to pass a message on.
//!
//! Guarantees: an answer leaves from the box its question came to and names it (RFC 5322 §3.6.4); reading the question
//! for it is recorded like any reading; what a hostile message says about itself ends up as words only.

use futures::StreamExt;
use poststelle_model::{
    Access, DeskId, DraftId, DraftKind, DraftState, Event, MailboxId, Message, MessageId, Part, TenantId,
    Timestamp,
};
use poststelle_store::drafts::{Draft, DraftWrite};
use poststelle_store::messages::{self, Inspection};
use poststelle_store::{Scope, StoreError, desk, tenants};
use serde_json::json;

use super::{Origin, RECIPIENTS_CAP, SUBJECT_CAP, TEXT_CAP, WriteError, about, refused};
use crate::change::Change;
use crate::content::{Content, Opened};
use crate::hub::Hub;
use crate::readable;
use crate::reading::Reading;
use crate::view::ViewError;

/// Of a quoted text at most this much is put into an answer, bytes.
const QUOTE_CAP: usize = TEXT_CAP / 2;
/// Stands above what is passed on.
const PASSED_ON: &str = "-------- Weitergeleitete Nachricht --------";
/// Octets of a body part that are read for it: HTML says little with many.
const HTML_CAP: usize = 512 * 1024;
/// Octets of a message in which its header is looked for.
const HEAD: u64 = 256 * 1024;

impl Hub {
    /// Begins a draft. What it answers or passes on is quoted in it.
    ///
    /// # Errors
    /// [`WriteError`]; as for reading and handling that message.
    pub async fn begin_draft(
        &self,
        access: &Access,
        tenant: TenantId,
        origin: Origin,
    ) -> Result<Draft, WriteError> {
        let now = self.clock.now();
        let mut draft = Draft {
            tenant,
            id: DraftId::new(self.ids()),
            owner: access.principal,
            mailbox: MailboxId::from_uuid(tenant.uuid()),
            kind: DraftKind::New,
            answers: None,
            thread: Vec::new(),
            recipients: String::new(),
            copies: String::new(),
            subject: String::new(),
            body: String::new(),
            state: DraftState::Open,
            reason: None,
            send_at: Timestamp(0),
            desk: None,
            message: None,
            released_by: None,
            created_at: now,
            changed_at: now,
            version: 1,
        };
        let mut writes = Vec::new();
        match origin {
            Origin::Box(mailbox) => {
                let known = access.writing_tenants().contains(&tenant) && access.may_write(tenant, mailbox);
                if !known || !self.senders(access).await?.iter().any(|s| s.mailbox == mailbox) {
                    return Err(ViewError::NotFound.into());
                }
                draft.mailbox = mailbox;
                draft.desk = self.own_desk(access, tenant, None, mailbox).await?;
            }
            Origin::Reply(id) | Origin::ReplyAll(id) | Origin::Forward(id) => {
                let allowed = self.authorise(access, tenant, id).await?;
                if !allowed.handles {
                    return Err(ViewError::ReadOnly.into());
                }
                let reply = !matches!(origin, Origin::Forward(_));
                self.record(&allowed, if reply { Reading::Seen } else { Reading::Attachments }).await?;
                let (message, content) = self.content(tenant, id).await?;
                let mut tx = self.db.read(Scope::Tenant(tenant)).await?;
                let inspection = messages::inspection(&mut tx, tenant, id).await?.unwrap_or_default();
                let boxes = messages::mailboxes(&mut tx, tenant, id).await?;
                let parts = messages::parts(&mut tx, tenant, id, 0, 1000).await?;
                let ours = tenants::addresses(&mut tx, tenant).await?;
                tx.rollback().await?;
                // The box it came to; of several the first that is also this person's.
                let first = message.mailbox.into_iter().chain(boxes);
                let mut own = first.filter(|b| access.may_write(tenant, *b));
                draft.mailbox = own.next().ok_or(WriteError::Refused(refused("PST-DRAFT-0010")))?;
                draft.kind = if reply { DraftKind::Reply } else { DraftKind::Forward };
                draft.answers = Some(id);
                draft.desk = self.own_desk(access, tenant, Some(id), draft.mailbox).await?;
                let opened = self.header(&message, &content).await?;
                draft.thread = self.thread_of(&opened, &inspection);
                let quoted = self.words(&message, &content, &parts).await?;
                let text = if reply {
                    let to = self.answer_to(&opened, &inspection);
                    if let Origin::ReplyAll(_) = origin {
                        let ours = ours.iter().map(|a| a.1.as_str());
                        let known: Vec<&str> = to.iter().map(String::as_str).chain(ours).collect();
                        let mut others = self.also_sent_to(&opened, &known);
                        others.truncate(RECIPIENTS_CAP.saturating_sub(to.len()));
                        draft.copies = others.join(", ");
                    }
                    draft.recipients = to.join(", ");
                    draft.subject = prefixed("AW: ", &["aw:", "re:"], &inspection.subject);
                    quote(&message, &inspection, &quoted)
                } else {
                    draft.subject = prefixed("WG: ", &["wg:", "fw:", "fwd:"], &inspection.subject);
                    enclose(&message, &inspection, &quoted)
                };
                draft.body = self.seal(&draft, &text).await?;
                if !reply {
                    writes = self.copy_parts(&draft, &content).await?;
                }
            }
        }
        let body = json!({
            "kind": draft.kind.as_str(),
            "mailbox": draft.mailbox.to_string(),
            "answers": draft.answers.map(|m| m.to_string()).unwrap_or_default(),
        });
        writes.insert(0, DraftWrite::Insert(draft.clone()));
        let change = Change {
            drafts: writes,
            evidence: vec![about(&draft, Event::Created, body)],
            ..Change::default()
        };
        self.write(change, &draft).await?;
        Ok(draft)
    }

    /// The desk a letter is written from, where it comes back to when it cannot be sent: where the message lies and the
    /// person works; else one of theirs, that of the box's name before others.
    async fn own_desk(
        &self,
        access: &Access,
        tenant: TenantId,
        message: Option<MessageId>,
        mailbox: MailboxId,
    ) -> Result<Option<DeskId>, StoreError> {
        let mut tx = self.db.read(Scope::Tenant(tenant)).await?;
        let mine = |id: &DeskId| access.may_handle(tenant, &[], &[*id]);
        if let Some(message) = message
            && let Some(id) = desk::desks_of(&mut tx, tenant, message).await?.into_iter().find(mine)
        {
            return Ok(Some(id));
        }
        let mut desks = tenants::desks(&mut tx, tenant).await?;
        let boxes = tenants::mailboxes(&mut tx, tenant).await?;
        let name = boxes.into_iter().find(|b| b.0 == mailbox).map(|b| b.1).unwrap_or_default();
        desks.sort_by_key(|d| (d.kind == "clearing", d.name != name));
        Ok(desks.into_iter().map(|d| d.id).find(mine))
    }

    /// The text of a message as a person reads it, at most [`QUOTE_CAP`] octets of it.
    async fn words(
        &self,
        message: &Message,
        content: &dyn Content,
        parts: &[Part],
    ) -> Result<String, WriteError> {
        let Some(part) = readable::body_part(parts) else { return Ok(String::new()) };
        let Some(opener) = self.opener(&message.transport.media_type) else { return Ok(String::new()) };
        let mut octets = Vec::new();
        let mut stream = content.part(part).await.map_err(|e| WriteError::Refused(e.reason))?;
        while let Some(piece) = stream.next().await {
            octets.extend_from_slice(&piece.map_err(|e| WriteError::Refused(e.reason))?);
            if octets.len() > HTML_CAP {
                octets.truncate(HTML_CAP);
                break;
            }
        }
        let words = opener.text(&part.charset, &octets);
        Ok(if part.declared == "text/html" { readable::from_html(&words) } else { readable::block(&words) })
    }

    /// What stands in the header of a message.
    async fn header(&self, message: &Message, content: &dyn Content) -> Result<Opened, WriteError> {
        let Some(opener) = self.opener(&message.transport.media_type) else { return Ok(Opened::default()) };
        let mut opening = opener.open(&message.transport);
        let mut octets = content.head(HEAD).await.map_err(|e| WriteError::Refused(e.reason))?;
        let mut seen = 0;
        while let Some(piece) = octets.next().await {
            let piece = piece.map_err(|e| WriteError::Refused(e.reason))?;
            seen += piece.len() as u64;
            let end = usize::try_from(HEAD).unwrap_or(usize::MAX).min(piece.len());
            opening.push(piece.get(..end).unwrap_or_default());
            if seen >= HEAD {
                break;
            }
        }
        Ok(opening.finish())
    }

    /// Message-IDs of the thread a message goes on, oldest first, its own last (RFC 5322 §3.6.4).
    fn thread_of(&self, opened: &Opened, inspection: &Inspection) -> Vec<String> {
        let mut thread: Vec<String> = Vec::new();
        for id in opened.answers.iter().rev().chain([&inspection.header_id]) {
            if self.letters.is_message_id(id) {
                thread.retain(|known| known != id);
                thread.push(id.clone());
            }
        }
        // An answer must name its question, or nothing.
        if thread.last() != Some(&inspection.header_id) { Vec::new() } else { thread }
    }

    /// Whom an answer goes to: where the sender wants it, else the sender.
    fn answer_to(&self, opened: &Opened, inspection: &Inspection) -> Vec<String> {
        let wanted = opened.headers.iter().find(|(name, _)| name == "reply-to");
        let wanted = wanted.and_then(|(_, value)| self.letters.recipients(value).ok()).unwrap_or_default();
        let sender = self.letters.recipients(&inspection.sender_address).unwrap_or_default();
        let to = if wanted.is_empty() { sender } else { wanted };
        to.into_iter().take(RECIPIENTS_CAP).map(|c| c.address).collect()
    }

    /// Who else a message went to openly, without `known`. A header that is no list of addresses names nobody.
    fn also_sent_to(&self, opened: &Opened, known: &[&str]) -> Vec<String> {
        let lists = opened.headers.iter().filter(|(name, _)| name == "to" || name == "cc");
        let mut others: Vec<String> = Vec::new();
        for found in lists.flat_map(|(_, value)| self.letters.recipients(value).unwrap_or_default()) {
            let new = |k: &str| !k.eq_ignore_ascii_case(&found.address);
            if known.iter().all(|k| new(k)) && others.iter().all(|o| new(o)) {
                others.push(found.address);
            }
        }
        others
    }
}

/// At most `cap` bytes, whole characters.
fn cut(text: &str, cap: usize) -> &str {
    let mut end = text.len().min(cap);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

fn plain_line(text: &str, cap: usize) -> String {
    cut(text, cap).chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim().to_owned()
}

fn prefixed(prefix: &str, known: &[&str], subject: &str) -> String {
    let subject = plain_line(subject, SUBJECT_CAP - prefix.len());
    let lower = subject.to_lowercase();
    if known.iter().any(|k| lower.starts_with(k)) { subject } else { format!("{prefix}{subject}") }
}

fn sender(inspection: &Inspection) -> String {
    let (name, address) =
        (plain_line(&inspection.sender_name, 200), plain_line(&inspection.sender_address, 300));
    if name.is_empty() { address } else { format!("{name} <{address}>") }
}

/// A text as quotation below an answer.
fn quote(message: &Message, inspection: &Inspection, text: &str) -> String {
    let when = if inspection.sent_at > Timestamp(0) { inspection.sent_at } else { message.accepted_at };
    let mut out = format!("\n\nAm {} schrieb {}:\n", when.berlin(), sender(inspection));
    for line in cut(text, QUOTE_CAP).lines() {
        if out.len() + line.len() + 3 > QUOTE_CAP {
            out.push_str("> […]\n");
            break;
        }
        out.push_str(if line.is_empty() { ">" } else { "> " });
        out.push_str(line);
        out.push('\n');
    }
    out
}

/// A text below what is passed on.
fn enclose(message: &Message, inspection: &Inspection, text: &str) -> String {
    let when = if inspection.sent_at > Timestamp(0) { inspection.sent_at } else { message.accepted_at };
    let shown = cut(text, QUOTE_CAP);
    let end = if shown.len() < text.len() { "\n[…]" } else { "" };
    format!(
        "\n\n{PASSED_ON}\nVon: {}\nDatum: {}\nAn: {}\nBetreff: {}\n\n{shown}{end}\n",
        sender(inspection),
        when.berlin(),
        plain_line(&inspection.recipients, 1000),
        plain_line(&inspection.subject, SUBJECT_CAP),
    )
}

/// A text with `block` where a person would write it: above what is quoted or passed on, else at the end.
#[must_use]
pub fn above_quotation(text: &str, block: &str) -> String {
    let lines: Vec<&str> = text.split('\n').collect();
    let quotation = lines.iter().enumerate().position(|(at, line)| {
        *line == PASSED_ON
            || (line.ends_with(':') && lines.get(at + 1).is_some_and(|next| next.starts_with('>')))
    });
    let (before, after) = lines.split_at(quotation.unwrap_or(lines.len()));
    let (before, after) = (before.join("\n"), after.join("\n"));
    let mut out = before.trim_end().to_owned();
    if !out.is_empty() {
        out.push_str("\n\n");
    }
    out.push_str(block);
    out.push('\n');
    if !after.is_empty() {
        out.push('\n');
        out.push_str(&after);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_stands_above_the_quotation() {
        assert_eq!(above_quotation("", "Gruß"), "Gruß\n");
        assert_eq!(above_quotation("Guten Tag,\n", "Gruß"), "Guten Tag,\n\nGruß\n");
        let quoted = "Guten Tag,\n\nAm 2. März schrieb Erna:\n> Frage:\n> Wann?\n";
        let with = "Guten Tag,\n\nGruß\n\nAm 2. März schrieb Erna:\n> Frage:\n> Wann?\n";
        assert_eq!(above_quotation(quoted, "Gruß"), with);
        assert_eq!(
            above_quotation(&format!("\n\n{PASSED_ON}\nVon: x"), "Gruß"),
            format!("Gruß\n\n{PASSED_ON}\nVon: x")
        );
    }

    #[test]
    fn subjects_are_prefixed_once() {
        assert_eq!(prefixed("AW: ", &["aw:", "re:"], "Hecke"), "AW: Hecke");
        assert_eq!(prefixed("AW: ", &["aw:", "re:"], "Re: Hecke\r\nBcc: x"), "Re: Hecke  Bcc: x");
        assert!(prefixed("AW: ", &["aw:"], &"ü".repeat(SUBJECT_CAP)).len() <= SUBJECT_CAP);
    }
}
