// SPDX-License-Identifier: EUPL-1.2
//! What a header says about its message: a [`Summary`] and access to any field by name.
//!
//! Guarantees: works on at most [`Caps::max_header_bytes`] octets and never panics: addresses and dates are
//! read by the crate `mail-parser` on a cleaned copy of the few fields that need it, and a panic in there
//! is caught (the summary is then built from the remaining fields). Texts are decoded (RFC 2047, RFC 6532)
//! but otherwise as the sender wrote them: to be escaped on screen, never trusted.
//! Not guaranteed: that `From` has anything to do with who sent the message.

use std::panic::{AssertUnwindSafe, catch_unwind};

use mail_parser::{Address, HeaderName, HeaderValue, MessageParser};

use super::field::{Field, Fields};
use super::{Caps, text};

/// Longest text of one summary field; longer ones are cut.
const MAX_TEXT: usize = 8 * 1024;
/// Message ids read from `References` and `In-Reply-To`.
const MAX_IDS: usize = 200;

/// The octets of one header, up to the cap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    octets: Vec<u8>,
    max_mailboxes: usize,
}

/// Name and address of one mailbox (RFC 5322 §3.4).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mailbox {
    /// Display name, decoded.
    pub name: Option<String>,
    /// `local@domain` as written; empty if the field held no address.
    pub address: String,
}

/// The `Date` field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Date {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub unix: i64,
    /// Offset of the sender's clock as written, e.g. `+0200`.
    pub offset: String,
}

/// The fields of a header the hub shows and decides by.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// `Subject`.
    pub subject: Option<String>,
    /// `From`.
    pub from: Vec<Mailbox>,
    /// `To`.
    pub to: Vec<Mailbox>,
    /// `Cc`.
    pub cc: Vec<Mailbox>,
    /// `Reply-To`.
    pub reply_to: Vec<Mailbox>,
    /// `Sender`.
    pub sender: Option<Mailbox>,
    /// `Date`, if it can be read.
    pub date: Option<Date>,
    /// `Message-ID` without angle brackets.
    pub message_id: Option<String>,
    /// `In-Reply-To`, without angle brackets.
    pub in_reply_to: Vec<String>,
    /// `References`, without angle brackets.
    pub references: Vec<String>,
    /// `Auto-Submitted` (RFC 3834) in lower case, without parameters.
    pub auto_submitted: Option<String>,
    /// `Precedence` in lower case.
    pub precedence: Option<String>,
    /// A `List-*` field (RFC 2369, 2919) is there.
    pub is_list: bool,
    /// Number of `Received` fields: hops so far.
    pub received_count: u32,
    /// `Return-Path` without angle brackets; `Some("")` for `<>`.
    pub return_path: Option<String>,
    /// `Content-Type` as written, unfolded.
    pub content_type: Option<String>,
}

impl Summary {
    /// True if a machine must not answer: automatic, bulk, list or null return path (RFC 3834 §2).
    #[must_use]
    pub fn is_automatic(&self) -> bool {
        self.is_list
            || self.auto_submitted.as_deref().is_some_and(|v| v != "no")
            || matches!(self.precedence.as_deref(), Some("bulk" | "junk" | "list"))
            || self.return_path.as_deref() == Some("")
    }
}

impl Header {
    /// The header in `octets` (without or with the blank line), cut at the cap.
    #[must_use]
    pub fn new(octets: &[u8], caps: &Caps) -> Self {
        let octets = octets.get(..caps.max_header_bytes.min(octets.len())).unwrap_or_default();
        Self { octets: octets.to_vec(), max_mailboxes: caps.max_mailboxes }
    }

    pub(super) fn empty(caps: &Caps) -> Self {
        Self::new(&[], caps)
    }

    /// The octets looked at.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.octets
    }

    /// All fields in order.
    #[must_use]
    pub fn fields(&self) -> Fields<'_> {
        Fields::new(&self.octets)
    }

    /// Decoded values of every field of this name (case does not matter), in order.
    #[must_use]
    pub fn values(&self, name: &str) -> Vec<String> {
        self.fields().filter(|f| f.is(name)).map(|f| limited(f.text())).collect()
    }

    /// Decoded value of the first field of this name.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<String> {
        self.fields().find(|f| f.is(name)).map(|f| limited(f.text()))
    }

    /// Reads what the hub shows and decides by. The first of several equal fields counts.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let mut summary = Summary::default();
        for field in self.fields() {
            self.read(&mut summary, &field);
        }
        summary
    }

    fn read(&self, summary: &mut Summary, field: &Field<'_>) {
        let name = field.name.to_ascii_lowercase();
        match name.as_slice() {
            b"subject" => set(&mut summary.subject, || field.text()),
            b"from" => self.mailboxes(&mut summary.from, field),
            b"to" => self.mailboxes(&mut summary.to, field),
            b"cc" => self.mailboxes(&mut summary.cc, field),
            b"reply-to" => self.mailboxes(&mut summary.reply_to, field),
            b"sender" if summary.sender.is_none() => {
                let mut list = Vec::new();
                self.mailboxes(&mut list, field);
                summary.sender = list.into_iter().next();
            }
            b"date" if summary.date.is_none() => summary.date = date(field),
            b"message-id" if summary.message_id.is_none() => {
                summary.message_id = ids(&field.text()).into_iter().next();
            }
            b"in-reply-to" if summary.in_reply_to.is_empty() => summary.in_reply_to = ids(&field.text()),
            b"references" if summary.references.is_empty() => summary.references = ids(&field.text()),
            b"auto-submitted" => set(&mut summary.auto_submitted, || token(&field.text())),
            b"precedence" => set(&mut summary.precedence, || token(&field.text())),
            b"received" => summary.received_count = summary.received_count.saturating_add(1),
            b"return-path" => set(&mut summary.return_path, || strip(&field.text())),
            b"content-type" => set(&mut summary.content_type, || text::to_utf8(None, &field.unfolded())),
            _ if name.starts_with(b"list-") => summary.is_list = true,
            _ => {}
        }
    }

    fn mailboxes(&self, list: &mut Vec<Mailbox>, field: &Field<'_>) {
        if !list.is_empty() {
            return;
        }
        // Cut at a comma so that a list beyond the cap loses whole mailboxes only.
        let mut value = field.unfolded();
        let commas = memchr::memchr_iter(b',', &value).nth(self.max_mailboxes.saturating_mul(2));
        value.truncate(commas.unwrap_or(value.len()));
        let found = parsed(b"From", &value, |value| match value {
            HeaderValue::Address(Address::List(all)) => mailboxes(all),
            HeaderValue::Address(Address::Group(groups)) => {
                groups.iter().flat_map(|g| mailboxes(&g.addresses)).collect()
            }
            _ => Vec::new(),
        });
        *list = found.unwrap_or_default();
        list.truncate(self.max_mailboxes);
    }
}

fn mailboxes(all: &[mail_parser::Addr<'_>]) -> Vec<Mailbox> {
    let text = |t: &Option<std::borrow::Cow<'_, str>>| t.as_ref().map(|t| limited(t.to_string()));
    all.iter()
        .map(|a| Mailbox { name: text(&a.name), address: text(&a.address).unwrap_or_default() })
        .filter(|m| m.name.is_some() || !m.address.is_empty())
        .collect()
}

fn date(field: &Field<'_>) -> Option<Date> {
    parsed(b"Date", &field.unfolded(), |value| {
        let date = value.as_datetime().filter(|d| d.is_valid())?;
        let sign = if date.tz_before_gmt { '-' } else { '+' };
        Some(Date {
            unix: date.to_timestamp(),
            offset: format!("{sign}{:02}{:02}", date.tz_hour, date.tz_minute),
        })
    })
    .flatten()
}

/// Has `mail-parser` read one field; nothing if it panics or sees no such field.
fn parsed<T>(name: &'static [u8], value: &[u8], read: impl FnOnce(&HeaderValue<'_>) -> T) -> Option<T> {
    let mut line = name.to_vec();
    line.extend_from_slice(b": ");
    line.extend_from_slice(value);
    line.extend_from_slice(b"\r\n\r\n");
    catch_unwind(AssertUnwindSafe(|| {
        let message = MessageParser::default().parse_headers(&line)?;
        let name = HeaderName::parse(std::str::from_utf8(name).ok()?)?;
        message.header(name).map(read)
    }))
    .ok()
    .flatten()
}

fn set(slot: &mut Option<String>, read: impl FnOnce() -> String) {
    if slot.is_none() {
        *slot = Some(limited(read()));
    }
}

fn limited(mut value: String) -> String {
    text::cut(&mut value, MAX_TEXT);
    value
}

/// First word in lower case, without parameters or comments.
fn token(value: &str) -> String {
    value.split([';', '(', ' ', '\t']).next().unwrap_or_default().to_lowercase()
}

fn strip(value: &str) -> String {
    let value = value.trim();
    value.strip_prefix('<').and_then(|v| v.strip_suffix('>')).unwrap_or(value).trim().to_owned()
}

/// `<id> <id> …`; a lone id without brackets is tolerated.
fn ids(value: &str) -> Vec<String> {
    if !value.contains('<') {
        return value.split_whitespace().take(1).map(|id| limited(id.to_owned())).collect();
    }
    value
        .split('<')
        .skip(1)
        .filter_map(|id| id.split('>').next())
        .map(|id| limited(id.split_whitespace().collect()))
        .filter(|id| !id.is_empty())
        .take(MAX_IDS)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> Header {
        Header::new(text.as_bytes(), &Caps::default())
    }

    #[test]
    fn summary() {
        let text = "Return-Path: <>\r\nReceived: from a\r\n by b\r\nReceived: from c\r\n\
            From: =?utf-8?Q?B=C3=BCrgerb=C3=BCro?= <post@schwerin.example>\r\n\
            To: \"Muster, Erika\" <e@x.example>, b@x.example\r\n\
            Cc: Gruppe: c@x.example, d@x.example;\r\n\
            Subject: =?iso-8859-1?Q?Gr=FC=DFe?=\r\n zum Antrag\r\n\
            Date: Sat, 21 Nov 2026 10:00:00 +0100\r\n\
            Message-ID: <abc@x.example>\r\nReferences: <1@x>\r\n\t<2@x>\r\nIn-Reply-To: 2@x\r\n\
            Auto-Submitted: Auto-Replied; x=y\r\nList-Id: <l.example>\r\n\
            X-Note: =?utf-8?B?w6Q=?=\r\nx-note: zwei\r\n";
        let header = header(text);
        let s = header.summary();
        assert_eq!(s.subject.as_deref(), Some("Grüße zum Antrag"));
        assert_eq!(
            s.from,
            [Mailbox { name: Some("Bürgerbüro".into()), address: "post@schwerin.example".into() }]
        );
        assert_eq!(s.to.len(), 2);
        assert_eq!(s.to[0].name.as_deref(), Some("Muster, Erika"));
        assert_eq!(
            s.cc.iter().map(|m| m.address.as_str()).collect::<Vec<_>>(),
            ["c@x.example", "d@x.example"]
        );
        assert_eq!(s.date, Some(Date { unix: 1_795_251_600, offset: "+0100".into() }));
        assert_eq!(s.message_id.as_deref(), Some("abc@x.example"));
        assert_eq!(s.references, ["1@x", "2@x"]);
        assert_eq!(s.in_reply_to, ["2@x"]);
        assert_eq!(s.auto_submitted.as_deref(), Some("auto-replied"));
        assert_eq!((s.received_count, s.is_list, s.is_automatic()), (2, true, true));
        assert_eq!(s.return_path.as_deref(), Some(""));
        assert_eq!(header.values("X-NOTE"), ["ä", "zwei"]);
    }

    #[test]
    fn raw_eight_bit_and_nonsense() {
        let s = Header::new(b"Subject: Gr\xfc\xdfe\nFrom: \nDate: morgen\nTo: ,;<>\n", &Caps::default())
            .summary();
        assert_eq!(s.subject.as_deref(), Some("Grüße"));
        assert_eq!((s.from, s.date), (Vec::new(), None));
        assert_eq!(header("").summary(), Summary::default());
    }

    #[test]
    fn mailbox_cap() {
        let caps = Caps { max_mailboxes: 3, ..Caps::default() };
        let text = format!("To: {}\r\n", vec!["a@b.example"; 5_000].join(", "));
        assert_eq!(Header::new(text.as_bytes(), &caps).summary().to.len(), 3);
    }
}
