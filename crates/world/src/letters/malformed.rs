// SPDX-License-Identifier: EUPL-1.2
//! Mail that breaks the rules, as it comes in real life or in attacks.
//!
//! Guarantees: each kind breaks exactly what its name says; octets may all be sent over SMTP. What a server
//! must do with them: take them over unchanged, mark them, and lose nothing.

use super::compose::{self, Coding, File, Naming, TextStyle};
use super::files::Shape;
use crate::seed::Seed;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Malformed {
    /// `multipart/mixed` without a boundary.
    MissingBoundary,
    /// The last delimiter is missing.
    Unclosed,
    /// All lines end in LF alone.
    BareLf,
    /// NUL octets in the text.
    Nul,
    /// No header at all.
    NoHeader,
    /// The header never ends.
    NoBody,
    /// Nothing but a line end.
    Empty,
    /// 3,000 header fields.
    HeaderBomb,
    /// A header field of 200,000 octets.
    LongHeader,
    /// A line of 100,000 octets in the text.
    LongLine,
    /// 100 multiparts one in the other.
    Deep,
    /// base64 with foreign characters and a wrong end.
    BrokenBase64,
    /// A character set that is not the one used.
    WrongCharset,
    /// Two of each: From, Subject, Message-ID, Content-Type.
    Doubled,
    /// Raw ISO-8859-1 in the header.
    RawHeader,
    /// The boundary of the outer multipart is used within, too.
    SameBoundary,
    /// Date and Message-ID that are none.
    Nonsense,
}

impl Malformed {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::MissingBoundary,
        Self::Unclosed,
        Self::BareLf,
        Self::Nul,
        Self::NoHeader,
        Self::NoBody,
        Self::Empty,
        Self::HeaderBomb,
        Self::LongHeader,
        Self::LongLine,
        Self::Deep,
        Self::BrokenBase64,
        Self::WrongCharset,
        Self::Doubled,
        Self::RawHeader,
        Self::SameBoundary,
        Self::Nonsense,
    ];

    /// The mail, from `from` to `to` with this Message-ID.
    #[must_use]
    pub fn make(self, from: &str, to: &str, id: &str, subject: &str, chance: &mut Seed) -> Vec<u8> {
        let mut head = Vec::new();
        compose::field(&mut head, "Date", "Mon, 23 Nov 2026 09:00:00 +0100");
        compose::field(&mut head, "Message-ID", &format!("<{id}>"));
        compose::field(&mut head, "From", &format!("<{from}>"));
        compose::field(&mut head, "To", &format!("<{to}>"));
        compose::field(&mut head, "Subject", &compose::words(subject, ' '));
        compose::field(&mut head, "MIME-Version", "1.0");
        let text =
            "Guten Tag,\n\ndiese Nachricht ist fehlerhaft, und das ist Absicht.\n\nMit freundlichen Grüßen\n";
        let plain = compose::text(text, "plain", TextStyle::Utf8Quoted);
        let file = File {
            name: "Anlage.pdf".to_owned(),
            naming: Naming::Quoted,
            media_type: "application/pdf".to_owned(),
            coding: Coding::Base64,
            octets: Shape::Pdf.make(3_000, chance),
        };
        let mut attachment = Vec::new();
        file.write(&mut attachment);
        let parts = [plain.clone(), attachment];
        let mixed = |out: &mut Vec<u8>| compose::multipart(out, "mixed", "=_grenze", &parts);
        let mut out = head.clone();
        match self {
            Self::MissingBoundary => {
                mixed(&mut out);
                out = replace(&out, b";\r\n boundary=\"=_grenze\"", b"");
            }
            Self::Unclosed => {
                mixed(&mut out);
                out.truncate(out.len() - b"--=_grenze--\r\n".len());
            }
            Self::BareLf => {
                mixed(&mut out);
                out = replace(&out, b"\r\n", b"\n");
            }
            Self::Nul => {
                compose::field(&mut out, "Content-Type", "text/plain; charset=us-ascii");
                out.extend_from_slice(b"\r\nvor\0dem\0und\0danach\r\n\0\0\0\r\n");
            }
            Self::NoHeader => out = b"\r\nNur Text, kein Kopf.\r\n".to_vec(),
            Self::NoBody => {
                compose::field(&mut out, "Content-Type", "text/plain");
                compose::field(&mut out, "X-Ende", "ohne Leerzeile");
            }
            Self::Empty => out = b"\r\n".to_vec(),
            Self::HeaderBomb => {
                for i in 0..3000 {
                    compose::field(&mut out, &format!("X-Bombe-{i}"), "tick, tick, tick");
                }
                out.extend_from_slice(&plain);
            }
            Self::LongHeader => {
                compose::field(&mut out, "X-Lang", &"lang ".repeat(40_000));
                out.extend_from_slice(&plain);
            }
            Self::LongLine => {
                compose::field(&mut out, "Content-Type", "text/plain");
                out.extend_from_slice(b"\r\n");
                out.extend_from_slice("x".repeat(100_000).as_bytes());
                out.extend_from_slice(b"\r\n");
            }
            Self::Deep => {
                let mut inner = plain.clone();
                for level in (0..100).rev() {
                    let mut around = Vec::new();
                    compose::multipart(&mut around, "mixed", &format!("=_ebene_{level}"), &[inner]);
                    inner = around;
                }
                out.extend_from_slice(&inner);
            }
            Self::BrokenBase64 => {
                let broken = b"Content-Type: application/pdf; name=\"kaputt.pdf\"\r\n\
                    Content-Transfer-Encoding: base64\r\n\r\nJVBERi0xLjc*%%KZWlu\xc3\xa4YmM=QQ\r\n===\r\n"
                    .to_vec();
                compose::multipart(&mut out, "mixed", "=_grenze", &[plain, broken]);
            }
            Self::WrongCharset => {
                compose::field(&mut out, "Content-Type", "text/plain; charset=utf-16le");
                compose::field(&mut out, "Content-Transfer-Encoding", "8bit");
                out.extend_from_slice(b"\r\nGr\xfc\xdfe aus M\xfcritz\r\n");
            }
            Self::Doubled => {
                out.extend_from_slice(&head);
                compose::field(&mut out, "Content-Type", "text/html");
                mixed(&mut out);
            }
            Self::RawHeader => {
                out.extend_from_slice(b"X-Ort: Gr\xfcnkordshagen\r\nSubject: Stra\xdfe\r\n");
                out.extend_from_slice(&plain);
            }
            Self::SameBoundary => {
                let mut inner = Vec::new();
                compose::multipart(&mut inner, "alternative", "=_grenze", &[plain.clone(), plain]);
                compose::multipart(&mut out, "mixed", "=_grenze", &[inner]);
            }
            Self::Nonsense => {
                out = format!(
                    "Date: vorgestern\r\nMessage-ID: <<>@@>\r\nFrom: @@@ <\r\nTo: <{to}>\r\n\
                     Subject: =?UTF-8?B?***?= =?x?Q?\r\n"
                )
                .into_bytes();
                out.extend_from_slice(&plain);
            }
        }
        out
    }
}

pub(super) fn replace(octets: &[u8], what: &[u8], with: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(octets.len());
    let mut rest = octets;
    while !rest.is_empty() {
        if let Some(tail) = rest.strip_prefix(what) {
            out.extend_from_slice(with);
            rest = tail;
        } else if let Some((first, tail)) = rest.split_first() {
            out.push(*first);
            rest = tail;
        }
    }
    out
}
