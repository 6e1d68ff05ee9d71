// SPDX-License-Identifier: EUPL-1.2
//! MIME as a message format of the hub (RFC 5322, RFC 2045–2049); anything else is one part.
//!
//! Guarantees: parts are ranges over the original in document order, part 0 is the
//! whole; safe names are unique within the message; a mail that went round in
//! circles carries the defect `mail-loop`.

use poststelle_hub::content::{Decode, Opened, Opener, Opening, Report, ReportAction};
use poststelle_mail::mime::{self, Caps, Decoder, Kind, Root, Split, Splitter};
use poststelle_mail::{dsn, name};
use poststelle_model::message::Transport;
use poststelle_model::part::Encoding;
use poststelle_model::{Part, Timestamp};

/// Hops after which a mail counts as going round in circles (RFC 5321 §6.3).
const MAX_HOPS: u32 = 50;
/// Headers a rule can see.
const MAX_HEADERS: usize = 200;
/// Octets of one header value a rule can see.
const MAX_VALUE: usize = 1000;
/// Octets of subject and the like that are kept.
const MAX_FIELD: usize = 2000;

/// The format of mail, and of everything that is not mail: one part.
#[derive(Debug, Clone, Default)]
pub struct MailFormat {
    /// Caps of the splitter.
    pub caps: Caps,
}

struct Open {
    splitter: Splitter,
    is_mail: bool,
}

impl Opener for MailFormat {
    fn knows(&self, _media_type: &str) -> bool {
        true
    }

    fn open(&self, transport: &Transport) -> Box<dyn Opening> {
        let media_type = transport.media_type.as_str();
        let is_mail = media_type.is_empty() || media_type.to_ascii_lowercase().starts_with("message/rfc822");
        let root = if is_mail { Root::Message } else { Root::Entity { content_type: media_type.to_owned() } };
        Box::new(Open { splitter: Splitter::new(root, self.caps.clone()), is_mail })
    }

    fn decoder(&self, encoding: Encoding) -> Box<dyn Decode> {
        Box::new(PartDecoder(Decoder::new(match encoding {
            Encoding::Identity => mime::Encoding::Identity,
            Encoding::Base64 => mime::Encoding::Base64,
            Encoding::QuotedPrintable => mime::Encoding::QuotedPrintable,
        })))
    }

    fn text(&self, charset: &str, octets: &[u8]) -> String {
        mime::text::to_utf8((!charset.is_empty()).then_some(charset), octets)
    }

    fn report(&self, octets: &[u8]) -> Vec<Report> {
        let Ok(report) = dsn::parse(octets, &dsn::Caps::default()) else { return Vec::new() };
        let envelope_id = report.original_envelope_id.clone().unwrap_or_default();
        report
            .recipients
            .into_iter()
            .filter_map(|r| {
                let action = match r.action? {
                    dsn::Action::Failed => ReportAction::Failed,
                    dsn::Action::Delayed => ReportAction::Delayed,
                    dsn::Action::Delivered => ReportAction::Delivered,
                    dsn::Action::Relayed | dsn::Action::Expanded => ReportAction::Relayed,
                };
                Some(Report {
                    envelope_id: envelope_id.clone(),
                    recipient: r.final_recipient.or(r.original_recipient).unwrap_or_default(),
                    action,
                    status: r
                        .status
                        .map(|s| format!("{}.{}.{}", s.class, s.subject, s.detail))
                        .unwrap_or_default(),
                    diagnostic: r.diagnostic_code.unwrap_or_default(),
                })
            })
            .collect()
    }
}

struct PartDecoder(Decoder);

impl Decode for PartDecoder {
    fn push(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        self.0.push(octets, out);
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        self.0.finish(out);
    }
}

impl Opening for Open {
    fn push(&mut self, octets: &[u8]) {
        self.splitter.push(octets);
    }

    fn finish(self: Box<Self>) -> Opened {
        let split = self.splitter.finish();
        let mut opened = if self.is_mail { from_header(&split) } else { Opened::default() };
        opened.defects.extend(split.defects.iter().map(|d| d.code().to_owned()));
        opened.report_part = dsn::find(&split).map(|p| i64::from(p.status));
        opened.parts = parts(&split);
        opened
    }
}

fn cut(text: &str, max: usize) -> String {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    // PostgreSQL takes no NUL in text.
    text.get(..end).unwrap_or_default().replace('\0', "\u{fffd}")
}

fn from_header(split: &Split) -> Opened {
    let summary = split.header.summary();
    let from = summary.from.first().cloned().unwrap_or_default();
    let shown = |list: &[mime::Mailbox]| {
        list.iter().take(50).map(|m| m.address.clone()).collect::<Vec<_>>().join(", ")
    };
    let mut headers = Vec::new();
    for field in split.header.fields().take(MAX_HEADERS) {
        let name = String::from_utf8_lossy(field.name).to_ascii_lowercase();
        headers.push((cut(&name, 100), cut(&field.text(), MAX_VALUE)));
    }
    let urgent = headers.iter().any(|(name, value)| {
        let value = value.trim().to_ascii_lowercase();
        (name == "importance" && value == "high")
            || (name == "x-priority" && value.starts_with('1'))
            || (name == "priority" && value == "urgent")
    });
    let mut defects = Vec::new();
    if summary.received_count > MAX_HOPS {
        defects.push("mail-loop".to_owned());
    }
    Opened {
        subject: cut(summary.subject.as_deref().unwrap_or_default(), MAX_FIELD),
        sender_name: cut(from.name.as_deref().unwrap_or_default(), MAX_FIELD),
        sender_address: cut(&from.address, MAX_FIELD),
        recipients: cut(&shown(&[summary.to.as_slice(), summary.cc.as_slice()].concat()), MAX_FIELD),
        sent_at: Timestamp(summary.date.as_ref().map_or(0, |d| d.unix.saturating_mul(1_000_000))),
        header_id: cut(summary.message_id.as_deref().unwrap_or_default(), 500),
        answers: summary
            .in_reply_to
            .iter()
            .chain(summary.references.iter().rev())
            .take(20)
            .cloned()
            .collect(),
        automatic: summary.is_automatic(),
        urgent,
        headers,
        defects,
        ..Opened::default()
    }
}

fn parts(split: &Split) -> Vec<Part> {
    let name_of = |p: &mime::Entity| name::safe_file_name(p.raw_name.as_deref(), &p.media_type, p.n);
    let names = name::unique(split.parts.iter().map(name_of));
    split
        .parts
        .iter()
        .zip(names)
        .map(|(p, name)| Part {
            n: i64::from(p.n),
            parent: p.parent.map_or(-1, i64::from),
            path: p.path.clone(),
            leaf: p.kind == Kind::Leaf,
            blob: None,
            header: i64::try_from(p.header.start).unwrap_or(-1),
            start: i64::try_from(p.body.start).unwrap_or(i64::MAX),
            len: i64::try_from(p.body.end.saturating_sub(p.body.start)).unwrap_or(i64::MAX),
            encoding: match p.encoding {
                mime::Encoding::Identity => Encoding::Identity,
                mime::Encoding::Base64 => Encoding::Base64,
                mime::Encoding::QuotedPrintable => Encoding::QuotedPrintable,
            },
            declared: cut(&p.media_type, 200),
            detected: p.detected.unwrap_or_default().to_owned(),
            charset: cut(p.charset.as_deref().unwrap_or_default(), 100),
            raw_name: cut(p.raw_name.as_deref().unwrap_or_default(), 1024),
            name,
            disposition: cut(p.disposition.as_deref().unwrap_or_default(), 40),
            size: i64::try_from(p.decoded_len).unwrap_or(i64::MAX),
            sha256: p.sha256.map(|d| poststelle_crypto::digest::hex(&d)).unwrap_or_default(),
            defects: p.defects.iter().map(|d| d.code().to_owned()).collect(),
        })
        .collect()
}
