// SPDX-License-Identifier: EUPL-1.2
//! Mails for measuring: one body made once, only a number changes; many parts; one huge part as a stream.
//!
//! Guarantees: a [`Fixed`] mail has exactly the size asked for and shares its body between all copies; a
//! [`Huge`] mail needs constant memory. Both are plain MIME that every mail program reads.

use std::io::{self, Read};
use std::pin::Pin;
use std::task::{Context, Poll};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use poststelle_crypto::DualHasher;
use poststelle_crypto::digest::Digests;
use tokio::io::{AsyncRead, ReadBuf};

use crate::load::Shot;
use crate::seed::Seed;

/// Octets of an encoded line of 76 characters with its end, and of what it holds.
const LINE: usize = 78;
const HELD: usize = 57;

/// The mail of the benches: `size` octets in all, some attachments, a number in subject, Message-ID and text.
#[derive(Debug, Clone)]
pub struct Fixed {
    from: String,
    to: Vec<String>,
    body: Bytes,
    /// Octets of filling in the last lines so that the size fits exactly.
    size: usize,
}

/// Width of the number in a [`Fixed`] mail.
const WIDTH: usize = 12;

impl Fixed {
    /// A mail of `size` octets with `attachments` attachments of equal length. The smallest possible size is
    /// about 1 KB plus 400 octets for each attachment; less gives that.
    #[must_use]
    pub fn new(size: usize, attachments: usize, to: &[&str]) -> Self {
        let mut mail = Self {
            from: "messung@buerger.example".to_owned(),
            to: to.iter().map(|t| (*t).to_owned()).collect(),
            body: Bytes::new(),
            size,
        };
        let room = size.saturating_sub(mail.head(0).len());
        mail.body = Bytes::from(body(room, attachments));
        mail
    }

    /// Octets of each mail.
    #[must_use]
    pub fn size(&self) -> usize {
        self.head(0).len() + self.body.len()
    }

    /// What was asked for.
    #[must_use]
    pub const fn asked(&self) -> usize {
        self.size
    }

    fn head(&self, n: u64) -> Vec<u8> {
        let to = self.to.iter().map(|t| format!("<{t}>")).collect::<Vec<_>>().join(",\r\n ");
        format!(
            "Date: Mon, 23 Nov 2026 08:15:00 +0100\r\n\
             Message-ID: <messung.{n:0WIDTH$}@buerger.example>\r\n\
             From: Wilma Beispiel <{}>\r\n\
             To: {to}\r\n\
             Subject: Bauantrag Nr. {n:0WIDTH$}\r\n\
             MIME-Version: 1.0\r\n\
             Content-Type: multipart/mixed; boundary=\"=_messung\"\r\n\
             X-Number: {n:0WIDTH$}\r\n\
             \r\n",
            self.from
        )
        .into_bytes()
    }

    /// Number `n`, ready to be sent; the body is shared.
    #[must_use]
    pub fn shot(&self, n: u64) -> Shot {
        Shot {
            from: self.from.clone(),
            to: self.to.clone(),
            head: self.head(n),
            body: self.body.clone(),
            eight_bit: false,
        }
    }

    /// Number `n` in one piece.
    #[must_use]
    pub fn octets(&self, n: u64) -> Vec<u8> {
        let mut octets = self.head(n);
        octets.extend_from_slice(&self.body);
        octets
    }
}

/// The bench mail in one piece: `size` octets, `attachments` attachments, number `n`. For many mails keep a
/// [`Fixed`] and take [`Fixed::shot`].
#[must_use]
pub fn fixed(size: usize, attachments: usize, n: u64) -> Vec<u8> {
    Fixed::new(size, attachments, &["poststelle@waren-mueritz.example"]).octets(n)
}

/// Text and attachments in exactly `room` octets, if they fit.
fn body(room: usize, attachments: usize) -> Vec<u8> {
    let mut out = b"--=_messung\r\nContent-Type: text/plain; charset=utf-8\r\n\
        Content-Transfer-Encoding: quoted-printable\r\n\r\n\
        Sehr geehrte Damen und Herren,\r\n\r\nanbei erhalten Sie die Unterlagen zum Bauvorhaben in der \
        M=C3=BChlenstra=C3=9Fe=20\r\n12. Ich bitte um Eingangsbest=C3=A4tigung.\r\n\r\n\
        Mit freundlichen Gr=C3=BC=C3=9Fen\r\nWilma Beispiel\r\n"
        .to_vec();
    let end = b"\r\n--=_messung--\r\n";
    let heads: Vec<String> = (1..=attachments)
        .map(|i| {
            format!(
                "\r\n--=_messung\r\nContent-Type: application/pdf; name=\"Anlage {i}.pdf\"\r\n\
                 Content-Disposition: attachment; filename=\"Anlage {i}.pdf\"\r\n\
                 Content-Transfer-Encoding: base64\r\n\r\n"
            )
        })
        .collect();
    let fixed = out.len() + end.len() + heads.iter().map(String::len).sum::<usize>();
    let mut left = room.saturating_sub(fixed);
    let mut chance = Seed::new(0x6d65_7373);
    if attachments == 0 {
        fill_text(&mut out, left);
    }
    for (i, head) in heads.iter().enumerate() {
        out.extend_from_slice(head.as_bytes());
        let share = left / (attachments - i);
        left -= share;
        encoded(&mut out, share, &mut chance);
    }
    out.extend_from_slice(end);
    out
}

fn fill_text(out: &mut Vec<u8>, mut left: usize) {
    while left > 80 {
        out.extend_from_slice(&[b'x'; 70]);
        out.extend_from_slice(b"\r\n");
        left -= 72;
    }
    if left > 2 {
        out.resize(out.len() + left - 2, b'x');
        out.extend_from_slice(b"\r\n");
    }
}

/// `len` octets of base64 lines; blanks at the end of the last line make the length exact.
fn encoded(out: &mut Vec<u8>, len: usize, chance: &mut Seed) {
    let lines = len / LINE;
    let mut text = String::with_capacity(len);
    let mut first = b"%PDF-1.7\n".to_vec();
    for _ in 0..lines {
        let mut held = [0; HELD];
        chance.fill(&mut held);
        for (slot, octet) in held.iter_mut().zip(first.drain(..)) {
            *slot = octet;
        }
        STANDARD.encode_string(held, &mut text);
        text.push_str("\r\n");
    }
    // What is left is less than a line: RFC 2045 §6.8 ignores characters outside the alphabet.
    match len - lines * LINE {
        0 => {}
        rest if text.is_empty() => text.push_str(&" ".repeat(rest)),
        rest => {
            text.truncate(text.len() - 2);
            text.push_str(&" ".repeat(rest));
            text.push_str("\r\n");
        }
    }
    out.extend_from_slice(text.as_bytes());
}

/// A mail with `n` attachments of `size` octets each.
#[must_use]
pub fn many_parts(n: usize, size: usize, to: &str) -> Vec<u8> {
    let mut out = format!(
        "Date: Mon, 23 Nov 2026 08:20:00 +0100\r\nMessage-ID: <viele-teile.{n}@buerger.example>\r\n\
         From: <messung@buerger.example>\r\nTo: <{to}>\r\nSubject: {n} Anlagen\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=\"=_viele\"\r\n\r\n"
    )
    .into_bytes();
    let mut chance = Seed::new(n as u64);
    for i in 0..n {
        out.extend_from_slice(
            format!(
                "--=_viele\r\nContent-Type: application/octet-stream\r\n\
                 Content-Disposition: attachment; filename=\"teil-{i:05}.bin\"\r\n\
                 Content-Transfer-Encoding: base64\r\n\r\n"
            )
            .as_bytes(),
        );
        super::files::base64_lines(&chance.octets(size), &mut out);
    }
    out.extend_from_slice(b"--=_viele--\r\n");
    out
}

/// One mail with one huge attachment, as a stream; see [`huge`].
#[derive(Debug)]
pub struct Huge {
    head: Vec<u8>,
    held: u64,
    left: u64,
    chance: Seed,
    piece: Vec<u8>,
    at: usize,
    ended: bool,
    hasher: Option<DualHasher>,
    digests: Option<Digests>,
}

/// Octets of the attachment made at a time.
const PIECE: usize = HELD * 1000;

/// A mail to `to` whose attachment has `bytes` octets, made while it is read.
#[must_use]
pub fn huge(bytes: u64, to: &str) -> Huge {
    let head = format!(
        "Date: Mon, 23 Nov 2026 08:30:00 +0100\r\nMessage-ID: <gross.{bytes}@buerger.example>\r\n\
         From: <messung@buerger.example>\r\nTo: <{to}>\r\nSubject: Bauantrag: Planunterlagen ({bytes} Byte)\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"=_gross\"\r\n\r\n\
         --=_gross\r\nContent-Type: text/plain\r\n\r\nDie Unterlagen sind umfangreich.\r\n\
         --=_gross\r\nContent-Type: application/octet-stream\r\n\
         Content-Disposition: attachment; filename=\"planunterlagen.bin\"\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n"
    )
    .into_bytes();
    Huge {
        piece: head.clone(),
        head,
        held: bytes,
        left: bytes,
        chance: Seed::new(bytes),
        at: 0,
        ended: false,
        hasher: Some(DualHasher::new()),
        digests: None,
    }
}

const HUGE_END: &[u8] = b"--=_gross--\r\n";

impl Huge {
    /// Octets of the whole mail.
    #[must_use]
    pub const fn size(&self) -> u64 {
        let (full, rest) = (self.held / HELD as u64, self.held % HELD as u64);
        let last = if rest == 0 { 0 } else { rest.div_ceil(3) * 4 + 2 };
        self.head.len() as u64 + full * LINE as u64 + last + HUGE_END.len() as u64
    }

    /// Digests of the attachment, once all was read.
    #[must_use]
    pub const fn digests(&self) -> Option<&Digests> {
        self.digests.as_ref()
    }

    fn next_piece(&mut self) {
        self.piece.clear();
        self.at = 0;
        if self.left == 0 {
            if !self.ended {
                self.ended = true;
                self.piece.extend_from_slice(HUGE_END);
                self.digests = self.hasher.take().map(DualHasher::finish);
            }
            return;
        }
        let len = usize::try_from(self.left).unwrap_or(usize::MAX).min(PIECE);
        self.left -= len as u64;
        let octets = self.chance.octets(len);
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&octets);
        }
        super::files::base64_lines(&octets, &mut self.piece);
    }
}

impl Read for Huge {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.at == self.piece.len() {
            self.next_piece();
        }
        let mut rest = self.piece.get(self.at..).unwrap_or_default();
        let n = rest.read(buf)?;
        self.at += n;
        Ok(n)
    }
}

impl AsyncRead for Huge {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let n = self.read(buf.initialize_unfilled())?;
        buf.advance(n);
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use poststelle_mail::mime::{Caps, Root, Splitter};

    fn split(octets: &[u8]) -> poststelle_mail::mime::Split {
        let mut splitter = Splitter::new(Root::Message, Caps::default());
        splitter.push(octets);
        splitter.finish()
    }

    #[test]
    fn the_bench_mail_has_the_size_asked_for() {
        for (size, attachments) in [(100_000, 2), (100_001, 2), (5_000, 0), (20_123, 3), (1_000_000, 1)] {
            let mail = Fixed::new(size, attachments, &["a@b.example"]);
            assert_eq!((mail.size(), mail.octets(7).len()), (size, size));
            let found = split(&mail.octets(99));
            assert_eq!(found.parts.len(), 2 + attachments, "{size}");
            assert!(found.defects.is_empty() && found.parts.iter().all(|p| p.defects.is_empty()));
            assert_eq!(found.header.summary().subject.as_deref(), Some("Bauantrag Nr. 000000000099"));
        }
    }

    #[test]
    fn many_and_huge() {
        assert_eq!(split(&many_parts(1000, 100, "a@b.example")).parts.len(), 1001);
        for bytes in [0, 1, 57, 1_000_001] {
            let mut stream = huge(bytes, "a@b.example");
            let size = stream.size();
            let mut all = Vec::new();
            stream.read_to_end(&mut all).unwrap();
            assert_eq!(all.len() as u64, size, "{bytes}");
            let found = split(&all);
            assert_eq!((found.parts.len(), found.parts[2].decoded_len), (3, bytes));
            assert_eq!(found.parts[2].sha256, Some(stream.digests().unwrap().sha256));
        }
    }
}
