// SPDX-License-Identifier: EUPL-1.2
//! Composes outgoing messages and writes them as a stream.
//!
//! Guarantees: attachments are read and encoded piece by piece, so memory does not depend on their size;
//! the same input gives the same octets (Message-ID and Date come from the caller, the boundary from the
//! Message-ID), so that sending again after a lost answer sends the *same* message. Lines end with CRLF and
//! have at most 78 characters; everything but raw UTF-8 addresses is 7-bit. Control characters in names,
//! subjects and header values cannot begin a new field.
//!
//! Header encoding (RFC 2047, 2231, folding) is `mail-builder`'s; the multipart writer is our own because
//! that crate takes attachments only as whole buffers. Not here: signing, encryption, HTML bodies.
//!
//! Sources: RFC 5322 §3.6, RFC 2045 §6, RFC 2046 §5.1, RFC 2183, RFC 3834 (`Auto-Submitted`).

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mail_builder::headers::address::Address;
use mail_builder::headers::content_type::ContentType;
use mail_builder::headers::date::Date;
use mail_builder::headers::message_id::MessageId;
use mail_builder::headers::text::Text;
use mail_builder::mime::MimePart;
use poststelle_crypto::digest::sha256;

use crate::mime::Mailbox;

/// Octets that make one base64 line of 76 characters.
const LINE: usize = 57;
/// Lines encoded at a time.
const LINES: usize = 1_024;

/// Why a message could not be written.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// An address, a Message-ID or a header name that cannot stand in a header.
    #[error("not usable in a header field {field}: {value:?}")]
    Field {
        /// The field it was meant for.
        field: String,
        /// What was given.
        value: String,
    },
    /// An attachment could not be read.
    #[error("attachment {name:?} cannot be read")]
    Attachment {
        /// Its name.
        name: String,
        /// What the source said.
        #[source]
        source: io::Error,
    },
    /// The output could not be written.
    #[error("message cannot be written")]
    Output(#[from] io::Error),
}

/// One attachment: octets from somewhere, under a name.
pub struct Attachment {
    name: String,
    media_type: String,
    source: Source,
}

enum Source {
    Reader(Box<dyn Read + Send>),
    Path(PathBuf),
}

impl Attachment {
    /// An attachment read from a stream when the message is written.
    pub fn reader(
        name: impl Into<String>,
        media_type: impl Into<String>,
        reader: impl Read + Send + 'static,
    ) -> Self {
        let (name, media_type) = (name.into(), media_type.into());
        Self { name, media_type, source: Source::Reader(Box::new(reader)) }
    }

    /// An attachment from a file, opened when the message is written.
    pub fn path(name: impl Into<String>, media_type: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self { name: name.into(), media_type: media_type.into(), source: Source::Path(path.into()) }
    }

    /// A small attachment that is in memory anyway.
    pub fn bytes(name: impl Into<String>, media_type: impl Into<String>, octets: Vec<u8>) -> Self {
        Self::reader(name, media_type, io::Cursor::new(octets))
    }
}

/// A message in the making.
pub struct Composer {
    message_id: String,
    date: i64,
    from: Mailbox,
    addresses: Vec<(&'static str, Mailbox)>,
    subject: String,
    text: String,
    in_reply_to: Option<String>,
    references: Vec<String>,
    headers: Vec<(String, String)>,
    attachments: Vec<Attachment>,
}

impl Composer {
    /// A message from `from` with this Message-ID (without angle brackets) and date (seconds since 1970).
    pub fn new(from: Mailbox, message_id: impl Into<String>, date: i64) -> Self {
        Self {
            message_id: message_id.into(),
            date,
            from,
            addresses: Vec::new(),
            subject: String::new(),
            text: String::new(),
            in_reply_to: None,
            references: Vec::new(),
            headers: Vec::new(),
            attachments: Vec::new(),
        }
    }

    /// Adds a recipient to `To`.
    #[must_use]
    pub fn to(mut self, mailbox: Mailbox) -> Self {
        self.addresses.push(("To", mailbox));
        self
    }

    /// Adds a recipient to `Cc`.
    #[must_use]
    pub fn cc(mut self, mailbox: Mailbox) -> Self {
        self.addresses.push(("Cc", mailbox));
        self
    }

    /// Adds an address to `Reply-To`.
    #[must_use]
    pub fn reply_to(mut self, mailbox: Mailbox) -> Self {
        self.addresses.push(("Reply-To", mailbox));
        self
    }

    /// Sets the subject.
    #[must_use]
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = subject.into();
        self
    }

    /// Sets the text of the message.
    #[must_use]
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.text = text.into();
        self
    }

    /// The thread the message goes on (Message-IDs without brackets), oldest first; before [`Self::in_reply_to`].
    #[must_use]
    pub fn references(mut self, ids: impl IntoIterator<Item = String>) -> Self {
        self.references.extend(ids);
        self
    }

    /// The message answers that one (Message-ID without brackets); also added to `References`.
    #[must_use]
    pub fn in_reply_to(mut self, message_id: impl Into<String>) -> Self {
        let id = message_id.into();
        self.references.push(id.clone());
        self.in_reply_to = Some(id);
        self
    }

    /// Adds a further field, e.g. `Auto-Submitted` or `X-Poststelle-Message`.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Marks the message as made by a machine (RFC 3834): `auto-generated` or `auto-replied`.
    #[must_use]
    pub fn auto_submitted(self, keyword: &str) -> Self {
        self.header("Auto-Submitted", keyword)
    }

    /// Adds an attachment. `message/*` is sent as `application/octet-stream`: RFC 2046 forbids encoding it,
    /// and without encoding it would not arrive octet by octet.
    #[must_use]
    pub fn attach(mut self, attachment: Attachment) -> Self {
        self.attachments.push(attachment);
        self
    }

    /// Writes the message; gives the number of octets.
    ///
    /// # Errors
    /// A value that cannot stand in a header, an attachment that cannot be read, an output that fails. What
    /// was written until then is no message and must be thrown away.
    pub fn write_to(self, output: &mut impl Write) -> Result<u64, BuildError> {
        let mut output = Counting { inner: output, octets: 0 };
        let mut header = self.common_header()?;
        let text = text_part(&self.text);
        if self.attachments.is_empty() {
            header.extend_from_slice(&text);
            output.write_all(&header)?;
            return Ok(output.octets);
        }
        let boundary = boundary(&self.message_id);
        field(
            &mut header,
            "Content-Type",
            &ContentType::new("multipart/mixed").attribute("boundary", boundary.as_str()),
        );
        header.extend_from_slice(b"\r\n");
        delimiter(&mut header, &boundary);
        header.extend_from_slice(&text);
        output.write_all(&header)?;
        for attachment in self.attachments {
            write_attachment(attachment, &boundary, &mut output)?;
        }
        output.write_all(format!("\r\n--{boundary}--\r\n").as_bytes())?;
        Ok(output.octets)
    }

    /// All fields but those that describe the body.
    fn common_header(&self) -> Result<Vec<u8>, BuildError> {
        let mut header = Header::new(&self.message_id, self.date)?;
        header.addresses("From", [&self.from])?;
        for name in ["Reply-To", "To", "Cc"] {
            header.addresses(name, self.addresses.iter().filter(|(n, _)| *n == name).map(|(_, m)| m))?;
        }
        header.text("Subject", &self.subject)?;
        if let Some(id) = &self.in_reply_to {
            header.ids("In-Reply-To", std::slice::from_ref(id))?;
        }
        header.ids("References", &self.references)?;
        for (name, value) in &self.headers {
            header.text(name, value)?;
        }
        Ok(header.finish())
    }
}

/// The fields every message of ours begins with.
pub(crate) struct Header {
    out: Vec<u8>,
}

impl Header {
    pub(crate) fn new(message_id: &str, date: i64) -> Result<Self, BuildError> {
        let mut header = Self { out: Vec::new() };
        field(&mut header.out, "Date", &Date::new(date));
        header.ids("Message-ID", &[message_id.to_owned()])?;
        Ok(header)
    }

    pub(crate) fn addresses<'a>(
        &mut self,
        name: &str,
        all: impl IntoIterator<Item = &'a Mailbox>,
    ) -> Result<(), BuildError> {
        let mut list = Vec::new();
        for mailbox in all {
            let bad = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '<' | '>' | ',' | ';');
            let address = &mailbox.address;
            // A quoted local part may contain much; those addresses are rare enough to be refused.
            if !address.contains('@') || address.contains(bad) {
                return Err(BuildError::Field { field: name.to_owned(), value: address.clone() });
            }
            let display = mailbox.name.as_deref().map(printable).filter(|n| !n.is_empty());
            list.push(Address::new_address(display, address.as_str()));
        }
        if !list.is_empty() {
            field(&mut self.out, name, &Address::new_list(list));
        }
        Ok(())
    }

    pub(crate) fn ids(&mut self, name: &str, ids: &[String]) -> Result<(), BuildError> {
        if ids.is_empty() {
            return Ok(());
        }
        for id in ids {
            if id.is_empty() || !id.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'<' | b'>')) {
                return Err(BuildError::Field { field: name.to_owned(), value: id.clone() });
            }
        }
        field(&mut self.out, name, &MessageId::new_list(ids.iter().map(String::as_str)));
        Ok(())
    }

    pub(crate) fn text(&mut self, name: &str, value: &str) -> Result<(), BuildError> {
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_graphic() && b != b':') {
            return Err(BuildError::Field { field: name.to_owned(), value: value.to_owned() });
        }
        field(&mut self.out, name, &Text::new(printable(value)));
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.out.extend_from_slice(b"MIME-Version: 1.0\r\n");
        self.out
    }
}

/// One field; the value folds and encodes itself.
fn field(out: &mut Vec<u8>, name: &str, value: &impl mail_builder::headers::Header) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    value.write_header(out, name.len() + 2);
}

/// Control characters become blanks: nothing in a value can end a line.
fn printable(value: &str) -> String {
    let clean: String = value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    clean.trim().to_owned()
}

/// A boundary that cannot occur in base64 or quoted-printable, the same for the same message.
pub(crate) fn boundary(message_id: &str) -> String {
    let digest = sha256(message_id.as_bytes());
    let hex: String = digest.iter().take(12).map(|b| format!("{b:02x}")).collect();
    format!("=_ps_{hex}")
}

pub(crate) fn delimiter(out: &mut Vec<u8>, boundary: &str) {
    out.extend_from_slice(b"--");
    out.extend_from_slice(boundary.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// A whole text part, header fields first: 7-bit or quoted-printable, lines of at most 76 characters.
pub(crate) fn text_part(text: &str) -> Vec<u8> {
    let mut lines = text.replace("\r\n", "\n").replace('\r', "\n").replace('\n', "\r\n");
    if !lines.ends_with("\r\n") {
        lines.push_str("\r\n");
    }
    let mut out = Vec::new();
    MimePart::new(ContentType::new("text/plain").attribute("charset", "utf-8"), lines).write_part(&mut out);
    out
}

fn write_attachment(
    attachment: Attachment,
    boundary: &str,
    output: &mut impl Write,
) -> Result<(), BuildError> {
    let Attachment { name, media_type, source } = attachment;
    let failed = |source| BuildError::Attachment { name: name.clone(), source };
    let mut reader: Box<dyn Read + Send> = match source {
        Source::Reader(reader) => reader,
        Source::Path(path) => Box::new(File::open(path).map_err(failed)?),
    };
    let token =
        |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b));
    let known = media_type
        .split_once('/')
        .is_some_and(|(a, b)| token(a) && token(b) && a != "message" && a != "multipart");
    let media_type = if known { media_type.as_str() } else { "application/octet-stream" };
    let file = printable(&name);
    let mut head = b"\r\n".to_vec();
    delimiter(&mut head, boundary);
    field(&mut head, "Content-Type", &ContentType::new(media_type).attribute("name", file.as_str()));
    field(
        &mut head,
        "Content-Disposition",
        &ContentType::new("attachment").attribute("filename", file.as_str()),
    );
    head.extend_from_slice(b"Content-Transfer-Encoding: base64\r\n\r\n");
    output.write_all(&head)?;
    let mut octets = vec![0; LINE * LINES];
    let mut lines = String::new();
    loop {
        let have = fill(&mut reader, &mut octets).map_err(failed)?;
        lines.clear();
        for line in octets.get(..have).unwrap_or_default().chunks(LINE) {
            STANDARD.encode_string(line, &mut lines);
            lines.push_str("\r\n");
        }
        output.write_all(lines.as_bytes())?;
        if have < octets.len() {
            return Ok(());
        }
    }
}

/// Reads until the buffer is full or the source ends.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut have = 0;
    while let Some(room) = buffer.get_mut(have..).filter(|r| !r.is_empty()) {
        match reader.read(room) {
            Ok(0) => break,
            Ok(n) => have += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(have)
}

struct Counting<'a, W> {
    inner: &'a mut W,
    octets: u64,
}

impl<W: Write> Write for Counting<'_, W> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(octets)?;
        self.octets += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime::{Caps, Root, Split, Splitter};

    fn mailbox(name: &str, address: &str) -> Mailbox {
        Mailbox { name: Some(name.to_owned()), address: address.to_owned() }
    }

    fn composer() -> Composer {
        Composer::new(
            mailbox("Hansestadt Rostock, Bürgerservice", "post@rostock.example"),
            "m1@hub.example",
            1_795_251_600,
        )
        .to(mailbox("Erika Musterfrau", "erika@example.org"))
        .to(Mailbox { name: None, address: "zweite@example.org".into() })
        .subject(
            "Ihr Antrag auf eine sehr, sehr lange Bezeichnung – Aktenzeichen 12/2026, Straße und Hausnummer",
        )
        .text("Guten Tag,\n\nanbei die Unterlagen.\n.\nMit freundlichen Grüßen\n-- \nBürgerservice")
    }

    fn split(octets: &[u8]) -> Split {
        let mut splitter = Splitter::new(Root::Message, Caps::default());
        splitter.push(octets);
        splitter.finish()
    }

    fn write(composer: Composer) -> Vec<u8> {
        let mut out = Vec::new();
        let octets = composer.write_to(&mut out).unwrap();
        assert_eq!(octets, out.len() as u64);
        for line in out.split(|b| *b == b'\n') {
            assert!(line.is_empty() || line.ends_with(b"\r"), "{}", line.escape_ascii());
            assert!(line.len() <= 79 && line.is_ascii(), "{}", line.escape_ascii());
        }
        out
    }

    #[test]
    fn reads_back() {
        let big = vec![0xabu8; 1_000_000];
        let composer = composer()
            .in_reply_to("anfrage@example.org")
            .auto_submitted("auto-generated")
            .header("X-Poststelle-Message", "0190")
            .attach(Attachment::bytes("Bescheid über Gebühren.pdf", "application/pdf", b"%PDF-1.7".to_vec()))
            .attach(Attachment::reader("original.eml", "message/rfc822", io::Cursor::new(big.clone())))
            .attach(Attachment::bytes(
                format!("{}.txt", "langer Name ".repeat(12)),
                "a b/c\r\nX: y",
                Vec::new(),
            ));
        let out = write(composer);
        let split = split(&out);
        assert_eq!(split.defects, []);
        let summary = split.header.summary();
        assert_eq!(summary.from, [mailbox("Hansestadt Rostock, Bürgerservice", "post@rostock.example")]);
        assert_eq!(summary.to.len(), 2);
        assert!(summary.subject.is_some_and(|s| s.contains("Straße und Hausnummer")));
        assert_eq!(summary.message_id.as_deref(), Some("m1@hub.example"));
        assert_eq!(summary.in_reply_to, ["anfrage@example.org"]);
        assert_eq!(summary.date.map(|d| d.unix), Some(1_795_251_600));
        assert_eq!(summary.auto_submitted.as_deref(), Some("auto-generated"));
        assert_eq!(split.header.value("x-poststelle-message").as_deref(), Some("0190"));
        let names: Vec<_> = split.parts.iter().map(|p| p.raw_name.clone().unwrap_or_default()).collect();
        assert_eq!(names[2..4], ["Bescheid über Gebühren.pdf", "original.eml"]);
        assert!(names[4].starts_with("langer Name langer") && names[4].ends_with(".txt"), "{}", names[4]);
        assert_eq!(split.parts[3].media_type, "application/octet-stream");
        assert_eq!(split.parts[3].decoded_len, big.len() as u64);
        assert_eq!(split.parts[3].sha256, Some(sha256(&big)));
        assert_eq!(
            (split.parts[4].media_type.as_str(), split.parts[4].decoded_len),
            ("application/octet-stream", 0)
        );
    }

    #[test]
    fn same_input_same_octets() {
        let attach = || Attachment::bytes("a.txt", "text/plain", b"x".to_vec());
        assert_eq!(write(composer().attach(attach())), write(composer().attach(attach())));
        let plain = write(composer());
        let split = split(&plain);
        assert_eq!(split.parts.len(), 1);
        assert_eq!(split.parts[0].charset.as_deref(), Some("utf-8"));
        assert!(split.parts[0].head.ends_with("Bürgerservice\r\n".as_bytes()));
    }

    #[test]
    fn nothing_begins_a_field() {
        let out = write(composer().subject("a\r\nBcc: x@y.example").header("X-A", "b\nBcc: z"));
        assert!(!String::from_utf8_lossy(&out).contains("\r\nBcc"));
        let bad = |c: Composer| c.write_to(&mut Vec::new()).unwrap_err().to_string();
        assert!(bad(composer().to(mailbox("x", "a@b\r\nBcc: c"))).contains("To"));
        assert!(bad(composer().header("X: y\r\nBcc", "c")).contains("Bcc"));
        assert!(bad(Composer::new(mailbox("x", "a@b"), "m\r\n", 0)).contains("Message-ID"));
        assert!(
            bad(composer().attach(Attachment::path("weg.pdf", "application/pdf", "/nicht/da")))
                .contains("weg.pdf")
        );
    }

    /// Writes nothing, counts; a big attachment must not be collected anywhere.
    #[test]
    fn streams() {
        let big = io::repeat(7).take(50_000_000);
        let composer = composer().attach(Attachment::reader("gross.bin", "application/octet-stream", big));
        let octets = composer.write_to(&mut io::sink()).unwrap();
        assert!(octets > 50_000_000 / 57 * 78);
    }
}
