// SPDX-License-Identifier: EUPL-1.2
//! Delivery status notifications: reads those that come back, writes ours (RFC 3464, RFC 6522).
//!
//! Guarantees: [`parse`] never panics, keeps within [`Caps`] and names the cap it hit; it takes what real
//! servers write (missing types, stray blank lines, bare addresses). [`Notice`] writes a `multipart/report`
//! with a German and an English text, the status and the header of the original, `Auto-Submitted` set.
//! The report must be sent with the null return path ([`NULL_RETURN_PATH`]) and never in answer to a message
//! that has one, or was made by a machine: [`may_notify`].
//!
//! Not guaranteed: that a report is true. It is an unsigned statement of some server; `relayed` means the
//! next hop does not report, so the end is unknown.

use std::fmt;
use std::io::Write;

use mail_builder::headers::Header as _;
use mail_builder::headers::content_type::ContentType;

use crate::build::{BuildError, Header, boundary, delimiter, text_part};
use crate::mime::{Fields, Mailbox, Split, Summary, text};

/// Envelope sender of a report (RFC 5321 §4.5.5).
pub const NULL_RETURN_PATH: &str = "";

/// Limits of [`parse`] and of what [`Notice`] returns of the original.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caps {
    /// Octets of the status part that are read.
    pub max_status_bytes: usize,
    /// Recipients that are read.
    pub max_recipients: usize,
    /// Octets of one value.
    pub max_value_bytes: usize,
    /// Octets of the original header that are returned.
    pub max_returned_bytes: usize,
}

impl Default for Caps {
    fn default() -> Self {
        Self {
            max_status_bytes: 1024 * 1024,
            max_recipients: 1_000,
            max_value_bytes: 2_000,
            max_returned_bytes: 32 * 1024,
        }
    }
}

/// What a server says happened to the mail for one recipient (RFC 3464 §2.3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Given up.
    Failed,
    /// Not yet; it still tries.
    Delayed,
    /// In the recipient's mailbox.
    Delivered,
    /// Handed to a server that does not report: the end is unknown.
    Relayed,
    /// Delivered to a list's or alias' many.
    Expanded,
}

impl Action {
    /// The keyword of RFC 3464.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Delayed => "delayed",
            Self::Delivered => "delivered",
            Self::Relayed => "relayed",
            Self::Expanded => "expanded",
        }
    }

    fn parse(value: &str) -> Option<Self> {
        let word = value.split([' ', '\t', '(', ';']).find(|w| !w.is_empty())?.to_ascii_lowercase();
        [Self::Failed, Self::Delayed, Self::Delivered, Self::Relayed, Self::Expanded]
            .into_iter()
            .find(|a| a.as_str() == word)
    }
}

/// Enhanced status code (RFC 3463).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Status {
    /// 2 success, 4 for now, 5 for good.
    pub class: u8,
    /// What it is about.
    pub subject: u16,
    /// What exactly.
    pub detail: u16,
}

impl Status {
    /// Reads `class.subject.detail`, wherever it stands at the beginning of a word.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        let word = value.split([' ', '\t', '(', ';']).find(|w| !w.is_empty())?;
        let mut numbers = word.splitn(3, '.');
        let class: u8 = numbers.next()?.parse().ok().filter(|c| matches!(c, 2 | 4 | 5))?;
        let mut small = || numbers.next()?.parse::<u16>().ok().filter(|n| *n < 1_000);
        Some(Self { class, subject: small()?, detail: small()? })
    }

    /// True if trying again makes no sense.
    #[must_use]
    pub fn is_permanent(self) -> bool {
        self.class == 5
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

/// The fields of one recipient. Addresses and names come without their type (`rfc822;`, `dns;`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recipient {
    /// Whom the reporting server meant.
    pub final_recipient: Option<String>,
    /// Whom the sender meant (ORCPT of RFC 3461).
    pub original_recipient: Option<String>,
    /// What happened; `None` if missing or unknown.
    pub action: Option<Action>,
    /// Why.
    pub status: Option<Status>,
    /// The server that refused or took it.
    pub remote_mta: Option<String>,
    /// What that server said, e.g. `550 5.1.1 unknown`.
    pub diagnostic_code: Option<String>,
    /// `Last-Attempt-Date` as written.
    pub last_attempt: Option<String>,
    /// `Will-Retry-Until` as written.
    pub will_retry_until: Option<String>,
}

/// A delivery status.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// ENVID of RFC 3461: what we gave the message on its way.
    pub original_envelope_id: Option<String>,
    /// The server that reports.
    pub reporting_mta: Option<String>,
    /// When that server got the message, as written.
    pub arrival_date: Option<String>,
    /// A block per recipient.
    pub recipients: Vec<Recipient>,
    /// Name of the cap of [`Caps`] that cut something off.
    pub cut: Option<&'static str>,
}

/// Why a status part is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DsnError {
    /// Not one recipient block with a recipient, an action or a status.
    #[error("the delivery status names no recipient")]
    NoRecipient,
}

/// Numbers of the parts of a report inside a [`Split`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts {
    /// `message/delivery-status`: decode it and give it to [`parse`].
    pub status: u32,
    /// The text for people.
    pub text: Option<u32>,
    /// The returned original or its header; its `Message-ID` helps to find which mail is meant.
    pub returned: Option<u32>,
}

/// Finds a delivery report among the parts of a message.
#[must_use]
pub fn find(split: &Split) -> Option<Parts> {
    let is = |n: u32, types: &[&str]| {
        usize::try_from(n)
            .ok()
            .and_then(|n| split.parts.get(n))
            .is_some_and(|p| types.contains(&p.media_type.as_str()))
    };
    let status = split.parts.iter().find(|p| {
        let report = p.parent.is_some_and(|parent| is(parent, &["multipart/report"]));
        report && is(p.n, &["message/delivery-status", "message/global-delivery-status"])
    })?;
    let sibling = |types: &[&str]| {
        split.parts.iter().find(|p| p.parent == status.parent && is(p.n, types)).map(|p| p.n)
    };
    let returned = [
        "message/rfc822",
        "message/global",
        "text/rfc822-headers",
        "message/rfc822-headers",
        "message/global-headers",
    ];
    Some(Parts {
        status: status.n,
        text: sibling(&["text/plain", "multipart/alternative", "text/html"]),
        returned: sibling(&returned),
    })
}

/// Reads the (decoded) content of a `message/delivery-status` part.
///
/// # Errors
/// [`DsnError::NoRecipient`] if it says nothing about anyone.
pub fn parse(octets: &[u8], caps: &Caps) -> Result<Report, DsnError> {
    let mut report = Report::default();
    let mut rest = octets;
    if rest.len() > caps.max_status_bytes {
        rest = rest.get(..caps.max_status_bytes).unwrap_or_default();
        report.cut = Some("max_status_bytes");
    }
    let mut recipients: Vec<Recipient> = Vec::new();
    while let Some((block, after)) = next_block(rest) {
        rest = after;
        let mut recipient = Recipient::default();
        for field in Fields::new(block) {
            let value = field.text();
            read(&mut report, &mut recipient, field.name, value, caps);
        }
        if recipient == Recipient::default() {
            continue;
        }
        if recipients.len() >= caps.max_recipients {
            report.cut = Some("max_recipients");
            break;
        }
        recipients.push(recipient);
    }
    report.recipients = recipients;
    let says = |r: &Recipient| r.final_recipient.is_some() || r.action.is_some() || r.status.is_some();
    if report.recipients.iter().any(says) { Ok(report) } else { Err(DsnError::NoRecipient) }
}

fn read(report: &mut Report, recipient: &mut Recipient, name: &[u8], mut value: String, caps: &Caps) {
    if text::cut(&mut value, caps.max_value_bytes) {
        report.cut = Some("max_value_bytes");
    }
    let slot = match name.to_ascii_lowercase().as_slice() {
        b"action" => return recipient.action = recipient.action.or(Action::parse(&value)),
        b"status" => return recipient.status = recipient.status.or(Status::parse(&value)),
        b"original-envelope-id" => &mut report.original_envelope_id,
        b"arrival-date" => &mut report.arrival_date,
        b"last-attempt-date" => &mut recipient.last_attempt,
        b"will-retry-until" => &mut recipient.will_retry_until,
        typed => {
            value = untyped(&value);
            match typed {
                b"reporting-mta" => &mut report.reporting_mta,
                b"final-recipient" => &mut recipient.final_recipient,
                b"original-recipient" => &mut recipient.original_recipient,
                b"remote-mta" => &mut recipient.remote_mta,
                b"diagnostic-code" => &mut recipient.diagnostic_code,
                _ => return,
            }
        }
    };
    if slot.is_none() && !value.is_empty() {
        *slot = Some(value);
    }
}

/// `rfc822; a@b` → `a@b`; also strips angle brackets some servers write.
fn untyped(value: &str) -> String {
    let is_type =
        |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    let value = match value.split_once(';') {
        Some((kind, value)) if is_type(kind.trim()) => value.trim(),
        _ => value.trim(),
    };
    value.strip_prefix('<').and_then(|v| v.strip_suffix('>')).unwrap_or(value).to_owned()
}

/// Cuts off the next block of fields; blocks are parted by blank lines.
fn next_block(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let start = octets.iter().position(|b| !matches!(b, b'\r' | b'\n'))?;
    let block = octets.get(start..)?;
    let mut at = 0;
    while let Some(step) = memchr::memchr2(b'\r', b'\n', block.get(at..).unwrap_or_default()) {
        let end = at + step;
        let crlf = block.get(end..end + 2) == Some(b"\r\n");
        at = end + if crlf { 2 } else { 1 };
        if matches!(block.get(at), Some(b'\r' | b'\n')) {
            return block.split_at_checked(at);
        }
    }
    Some((block, &[]))
}

/// True if the sender of this message may be sent a report: the envelope sender is not null and no machine
/// made the message, so that no loop can form (RFC 3834 §2, RFC 5321 §6.1).
#[must_use]
pub fn may_notify(envelope_sender: &str, summary: &Summary) -> bool {
    let sender = envelope_sender.trim_matches(['<', '>', ' ']);
    let local = sender.split('@').next().unwrap_or_default().to_ascii_lowercase();
    !sender.is_empty()
        && !matches!(local.as_str(), "mailer-daemon" | "noreply" | "no-reply")
        && !Summary { return_path: None, ..summary.clone() }.is_automatic()
}

/// A report of ours about a message that could not (yet) be delivered.
#[derive(Debug, Clone)]
pub struct Notice {
    /// Who reports, e.g. the hub's postmaster.
    pub from: Mailbox,
    /// The original envelope sender.
    pub to: Mailbox,
    /// Message-ID of the report, without brackets.
    pub message_id: String,
    /// When, in seconds since 1970.
    pub date: i64,
    /// Message-ID of the original, for `References`.
    pub original_message_id: Option<String>,
    /// What happened, in German: one or two sentences for the sender.
    pub german: String,
    /// The same in English.
    pub english: String,
    /// The status; `reporting_mta` is the hub's name.
    pub report: Report,
    /// Header octets of the original.
    pub original_header: Vec<u8>,
}

impl Notice {
    /// Writes the report; send it with [`NULL_RETURN_PATH`].
    ///
    /// # Errors
    /// A value that cannot stand in a header, or an output that fails.
    pub fn write_to(&self, caps: &Caps, output: &mut impl Write) -> Result<(), BuildError> {
        let mut header = Header::new(&self.message_id, self.date)?;
        header.addresses("From", [&self.from])?;
        header.addresses("To", [&self.to])?;
        header.text("Subject", self.subject())?;
        if let Some(id) =
            self.original_message_id.as_ref().filter(|id| id.bytes().all(|b| b.is_ascii_graphic()))
        {
            // A strange id of the sender's must not keep us from reporting.
            header.ids("References", std::slice::from_ref(id)).or_else(|error| match error {
                BuildError::Field { .. } => Ok(()),
                other => Err(other),
            })?;
        }
        header.text("Auto-Submitted", "auto-replied")?;
        let mut out = header.finish();
        let boundary = boundary(&self.message_id);
        let content_type = ContentType::new("multipart/report")
            .attribute("report-type", "delivery-status")
            .attribute("boundary", boundary.as_str());
        out.extend_from_slice(b"Content-Type: ");
        content_type.write_header(&mut out, 14);
        out.extend_from_slice(b"\r\n");
        delimiter(&mut out, &boundary);
        out.extend_from_slice(&text_part(&self.text()));
        out.extend_from_slice(b"\r\n");
        delimiter(&mut out, &boundary);
        out.extend_from_slice(b"Content-Type: message/delivery-status\r\n\r\n");
        out.extend_from_slice(self.status().as_bytes());
        out.extend_from_slice(b"\r\n");
        delimiter(&mut out, &boundary);
        let returned = self.original_header.get(..caps.max_returned_bytes).unwrap_or(&self.original_header);
        out.extend_from_slice(
            b"Content-Type: text/rfc822-headers\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n",
        );
        quoted_printable(returned, &mut out);
        out.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        output.write_all(&out)?;
        Ok(())
    }

    fn subject(&self) -> &'static str {
        let any = |action| self.report.recipients.iter().any(|r| r.action == Some(action));
        if any(Action::Failed) {
            "Unzustellbar / Undeliverable"
        } else if any(Action::Delayed) {
            "Zustellung verzögert / Delivery delayed"
        } else {
            "Zustellbericht / Delivery report"
        }
    }

    fn text(&self) -> String {
        let mut lines = String::new();
        for recipient in &self.report.recipients {
            let status = recipient.status.map(|s| format!(" ({s})")).unwrap_or_default();
            let action = recipient.action.map_or("", Action::as_str);
            let address = recipient.final_recipient.as_deref().unwrap_or("?");
            lines.push_str(&format!("  {address}: {action}{status}\n"));
            if let Some(code) = &recipient.diagnostic_code {
                lines.push_str(&format!("    {code}\n"));
            }
        }
        format!(
            "{}\n\nBetroffene Empfänger:\n{lines}\nDiese Nachricht wurde automatisch erstellt.\n\n\
             ----------------------------------------------------------------\n\n\
             {}\n\nRecipients concerned:\n{lines}\nThis message was generated automatically.\n",
            self.german.trim(),
            self.english.trim()
        )
    }

    fn status(&self) -> String {
        let mut out = String::new();
        let mta = self.report.reporting_mta.as_deref().unwrap_or("localhost");
        line(&mut out, "Original-Envelope-Id", "", self.report.original_envelope_id.as_deref());
        line(&mut out, "Reporting-MTA", "dns; ", Some(mta));
        line(&mut out, "Arrival-Date", "", self.report.arrival_date.as_deref());
        for recipient in &self.report.recipients {
            let address = recipient.final_recipient.as_deref().unwrap_or("unknown");
            let original = recipient.original_recipient.as_deref();
            let action = recipient.action.unwrap_or(Action::Failed).as_str();
            let status = recipient.status.unwrap_or(Status { class: 5, subject: 0, detail: 0 }).to_string();
            out.push_str("\r\n");
            line(&mut out, "Original-Recipient", address_type(original.unwrap_or_default()), original);
            line(&mut out, "Final-Recipient", address_type(address), Some(address));
            line(&mut out, "Action", "", Some(action));
            line(&mut out, "Status", "", Some(&status));
            line(&mut out, "Remote-MTA", "dns; ", recipient.remote_mta.as_deref());
            line(&mut out, "Diagnostic-Code", "smtp; ", recipient.diagnostic_code.as_deref());
            line(&mut out, "Last-Attempt-Date", "", recipient.last_attempt.as_deref());
            line(&mut out, "Will-Retry-Until", "", recipient.will_retry_until.as_deref());
        }
        out
    }
}

/// One field of a status block, if it has a value.
fn line(out: &mut String, name: &str, kind: &str, value: Option<&str>) {
    if let Some(value) = value {
        out.push_str(&format!("{name}: {kind}{}\r\n", folded(&ascii(value))));
    }
}

/// RFC 6533 §3 for addresses that are not ASCII.
fn address_type(address: &str) -> &'static str {
    if address.is_ascii() { "rfc822; " } else { "utf-8; " }
}

/// Printable ASCII; everything else as `\x{HEX}` (RFC 6533 §3).
fn ascii(value: &str) -> String {
    let mut out = String::new();
    for c in value.trim().chars() {
        match c {
            ' '..='~' => out.push(c),
            '\r' | '\n' | '\t' => out.push(' '),
            c => out.push_str(&format!("\\x{{{:X}}}", u32::from(c))),
        }
    }
    out
}

/// Folds a long value at blanks so that no line is longer than about 76 characters where blanks allow.
fn folded(value: &str) -> String {
    let mut out = String::new();
    let mut column = 20;
    for word in value.split(' ') {
        if column + word.len() > 74 && column > 20 {
            out.push_str("\r\n ");
            column = 1;
        } else if !out.is_empty() {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += word.len();
    }
    out
}

/// Text as quoted-printable with CRLF line ends (RFC 2045 §6.7).
fn quoted_printable(octets: &[u8], out: &mut Vec<u8>) {
    let mut column = 0;
    let mut rest = octets.iter().copied().peekable();
    while let Some(octet) = rest.next() {
        if octet == b'\n' || octet == b'\r' {
            if octet == b'\r' {
                rest.next_if_eq(&b'\n');
            }
            out.extend_from_slice(b"\r\n");
            column = 0;
            continue;
        }
        let at_end = matches!(rest.peek(), None | Some(b'\r' | b'\n'));
        let plain = matches!(octet, b'!'..=b'<' | b'>'..=b'~') || (matches!(octet, b' ' | b'\t') && !at_end);
        let width = if plain { 1 } else { 3 };
        if column + width > 75 {
            out.extend_from_slice(b"=\r\n");
            column = 0;
        }
        if plain {
            out.push(octet);
        } else {
            out.extend_from_slice(format!("={octet:02X}").as_bytes());
        }
        column += width;
    }
}

#[cfg(test)]
#[path = "dsn_tests.rs"]
mod tests;
