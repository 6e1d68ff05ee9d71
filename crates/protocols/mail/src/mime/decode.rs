// SPDX-License-Identifier: EUPL-1.2
//! Transfer decoding of a body, push-style (RFC 2045 §6.7 and §6.8).
//!
//! Guarantees: constant memory; the output does not depend on how the input was cut; never fails. Base64 is
//! read the way mail programs read it: foreign characters are passed over, a missing tail is tolerated.
//! After padding, further lines count only while they are clean base64 (encoders that pad every line);
//! from the first that is not (a footer some list server added) the rest is ignored. Quoted-printable keeps
//! what it cannot decode. Either way [`Decoder::defect`] says that something was wrong.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::word::hex;
use super::{Defect, Encoding};

/// Whole groups without padding: the only thing the fast path takes.
const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// Longest line looked at after padding; a longer one is no base64 line.
const MAX_LINE: usize = 1_024;
/// Longest run of blanks at a line end that is removed as transport padding.
const MAX_BLANKS: usize = 1_000;

/// Decodes one body, piece by piece.
#[derive(Debug)]
pub struct Decoder {
    mode: Mode,
    broken: bool,
}

#[derive(Debug)]
enum Mode {
    Identity,
    Base64(Base64),
    Qp(Qp),
}

impl Decoder {
    /// A decoder for one body.
    #[must_use]
    pub fn new(encoding: Encoding) -> Self {
        let mode = match encoding {
            Encoding::Identity => Mode::Identity,
            Encoding::Base64 => Mode::Base64(Base64::default()),
            Encoding::QuotedPrintable => Mode::Qp(Qp::default()),
        };
        Self { mode, broken: false }
    }

    /// True if output equals input, so that a caller may skip the copy.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        matches!(self.mode, Mode::Identity)
    }

    /// Decodes the next octets; appends at most `input.len()` + 1,024 octets to `out`.
    pub fn push(&mut self, input: &[u8], out: &mut Vec<u8>) {
        match &mut self.mode {
            Mode::Identity => out.extend_from_slice(input),
            Mode::Base64(state) => state.push(input, out, &mut self.broken),
            Mode::Qp(state) => state.push(input, out, &mut self.broken),
        }
    }

    /// The input is complete: appends what was still held back.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        match &mut self.mode {
            Mode::Identity => {}
            Mode::Base64(state) => state.finish(out, &mut self.broken),
            Mode::Qp(state) => state.finish(out, &mut self.broken),
        }
    }

    /// What was wrong so far.
    #[must_use]
    pub fn defect(&self) -> Option<Defect> {
        match self.mode {
            Mode::Base64(_) if self.broken => Some(Defect::BrokenBase64),
            Mode::Qp(_) if self.broken => Some(Defect::BrokenQuotedPrintable),
            _ => None,
        }
    }
}

#[derive(Debug, Default)]
struct Base64 {
    /// Bits of the unfinished group, and how many characters they came from.
    bits: u32,
    have: u8,
    phase: Phase,
    /// The current line, once padding was seen.
    line: Vec<u8>,
    /// Output of the slow path on its way out; at most one piece of input long.
    scratch: Vec<u8>,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Data,
    Padded,
    Stopped,
}

fn sextet(byte: u8) -> Option<u32> {
    match byte {
        b'A'..=b'Z' => Some(u32::from(byte - b'A')),
        b'a'..=b'z' => Some(u32::from(byte - b'a') + 26),
        b'0'..=b'9' => Some(u32::from(byte - b'0') + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

impl Base64 {
    fn push(&mut self, mut input: &[u8], out: &mut Vec<u8>, broken: &mut bool) {
        // One zero-filled stretch, cut back at the end; 3 more for a group begun earlier.
        let mut used = out.len();
        out.resize(used + input.len() / 4 * 3 + 6, 0);
        let mut slow_out = std::mem::take(&mut self.scratch);
        while !input.is_empty() && self.phase == Phase::Data {
            let end = memchr::memchr2(b'\n', b'\r', input).unwrap_or(input.len());
            let (line, rest) = input.split_at_checked(end).unwrap_or((input, &[]));
            let (whole, tail) = line.split_at_checked(line.len() & !3).unwrap_or((line, &[]));
            let fast = self.have == 0
                && match out.get_mut(used..used + whole.len() / 4 * 3) {
                    Some(room) => ENGINE.decode_slice(whole, room).is_ok(),
                    None => false,
                };
            let slow = if fast {
                used += whole.len() / 4 * 3;
                tail
            } else {
                line
            };
            if !slow.is_empty() {
                slow_out.clear();
                let left = self.slow(slow, &mut slow_out, broken);
                if let Some(room) = out.get_mut(used..used + slow_out.len()) {
                    room.copy_from_slice(&slow_out);
                }
                used += slow_out.len();
                if self.phase != Phase::Data {
                    input = input.get(end - left..).unwrap_or_default();
                    break;
                }
            }
            let breaks = rest.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
            input = rest.get(breaks..).unwrap_or_default();
        }
        self.scratch = slow_out;
        out.truncate(used);
        if self.phase == Phase::Padded {
            self.padded(input, out, broken);
        }
    }

    /// Character by character within one line; returns how many octets of it are left after padding.
    fn slow(&mut self, line: &[u8], out: &mut Vec<u8>, broken: &mut bool) -> usize {
        for (i, &byte) in line.iter().enumerate() {
            if let Some(value) = sextet(byte) {
                self.bits = self.bits << 6 | value;
                self.have += 1;
                if self.have == 4 {
                    let [_, a, b, c] = self.bits.to_be_bytes();
                    out.extend_from_slice(&[a, b, c]);
                    self.bits = 0;
                    self.have = 0;
                }
            } else if byte == b'=' && self.have >= 2 {
                self.flush(out);
                self.phase = Phase::Padded;
                return line.len() - i - 1;
            } else if !matches!(byte, b' ' | b'\t') {
                *broken = true;
            }
        }
        0
    }

    /// Gives out the whole octets of an unfinished group.
    fn flush(&mut self, out: &mut Vec<u8>) {
        let [_, a, b, c] = (self.bits << (6 * (4 - u32::from(self.have)))).to_be_bytes();
        match self.have {
            2 => out.push(a),
            3 => out.extend_from_slice(&[a, b]),
            4 => out.extend_from_slice(&[a, b, c]),
            _ => {}
        }
        self.bits = 0;
        self.have = 0;
    }

    /// After padding: whole lines of clean base64 still count.
    fn padded(&mut self, input: &[u8], out: &mut Vec<u8>, broken: &mut bool) {
        for &byte in input {
            match byte {
                b'\r' | b'\n' => self.padded_line(out, broken),
                b' ' | b'\t' | b'=' if self.line.is_empty() => {}
                _ if self.line.len() < MAX_LINE => self.line.push(byte),
                _ => self.phase = Phase::Stopped,
            }
            if self.phase == Phase::Stopped {
                *broken = true;
                return;
            }
        }
    }

    fn padded_line(&mut self, out: &mut Vec<u8>, broken: &mut bool) {
        if self.line.is_empty() {
            return;
        }
        *broken = true;
        let blanks = self.line.iter().rev().take_while(|b| matches!(b, b' ' | b'\t')).count();
        let line = self.line.get(..self.line.len() - blanks).unwrap_or_default();
        let padding = line.iter().rev().take_while(|b| **b == b'=').count();
        let data = line.get(..line.len() - padding).unwrap_or_default();
        if padding > 2 || line.len() % 4 != 0 || !data.iter().all(|b| sextet(*b).is_some()) {
            self.phase = Phase::Stopped;
            return;
        }
        let data = data.to_vec();
        self.slow(&data, out, broken);
        self.flush(out);
        self.line.clear();
    }

    fn finish(&mut self, out: &mut Vec<u8>, broken: &mut bool) {
        match self.phase {
            Phase::Data => {
                *broken |= self.have != 0;
                self.flush(out);
            }
            Phase::Padded => self.padded_line(out, broken),
            Phase::Stopped => {}
        }
    }
}

#[derive(Debug, Default)]
struct Qp {
    /// Literal blanks (and a CR) that are dropped if the line ends here.
    blanks: Vec<u8>,
    /// An unfinished escape: `=` and what followed so far.
    escape: Vec<u8>,
}

impl Qp {
    fn push(&mut self, mut input: &[u8], out: &mut Vec<u8>, broken: &mut bool) {
        while let Some(&first) = input.first() {
            if !self.escape.is_empty() {
                if self.escaped(first, out, broken) {
                    input = input.get(1..).unwrap_or_default();
                }
                continue;
            }
            let end = memchr::memchr2(b'=', b'\n', input).unwrap_or(input.len());
            let (text, rest) = input.split_at_checked(end).unwrap_or((input, &[]));
            self.literal(text, out);
            match rest.first() {
                Some(b'\n') => self.line_end(out),
                Some(_) => {
                    out.append(&mut self.blanks);
                    self.escape.push(b'=');
                }
                None => {}
            }
            input = rest.get(1..).unwrap_or_default();
        }
    }

    /// Text without `=` and LF: gives out all but the blanks at its end.
    fn literal(&mut self, text: &[u8], out: &mut Vec<u8>) {
        let held = text.iter().rev().take_while(|b| matches!(b, b' ' | b'\t' | b'\r')).count();
        let (solid, blanks) = text.split_at_checked(text.len() - held).unwrap_or((text, &[]));
        if !solid.is_empty() {
            out.append(&mut self.blanks);
            out.extend_from_slice(solid);
        }
        // A run beyond the cap is content, whatever follows; the part over the cap goes out at once.
        let room = MAX_BLANKS.saturating_sub(self.blanks.len());
        let over = blanks.len().saturating_sub(room);
        if over > 0 {
            let mut all = std::mem::take(&mut self.blanks);
            all.extend_from_slice(blanks);
            let keep = all.split_off(over);
            out.extend_from_slice(&all);
            self.blanks = keep;
        } else {
            self.blanks.extend_from_slice(blanks);
        }
    }

    fn line_end(&mut self, out: &mut Vec<u8>) {
        let cr = self.blanks.last() == Some(&b'\r');
        self.blanks.clear();
        out.extend_from_slice(if cr { b"\r\n" } else { b"\n" });
    }

    /// One octet after `=`; false if it is not part of the escape and must be read again.
    fn escaped(&mut self, byte: u8, out: &mut Vec<u8>, broken: &mut bool) -> bool {
        match (self.escape.len(), byte) {
            // soft line break, with blanks some relay added
            (_, b'\n') if self.escape.iter().skip(1).all(|b| matches!(b, b' ' | b'\t' | b'\r')) => {
                self.escape.clear();
                true
            }
            (n, b' ' | b'\t' | b'\r')
                if n < MAX_BLANKS && self.escape.iter().skip(1).all(|b| matches!(b, b' ' | b'\t')) =>
            {
                self.escape.push(byte);
                true
            }
            // a lone CR after `=` was a soft break of a program that knows no LF
            (2.., _) if self.escape.last() == Some(&b'\r') => {
                self.escape.clear();
                false
            }
            (1, _) if byte.is_ascii_hexdigit() => {
                self.escape.push(byte);
                true
            }
            (2, _) => match (hex(self.escape.get(1)), hex(Some(&byte))) {
                (Some(high), Some(low)) => {
                    out.push(high << 4 | low);
                    self.escape.clear();
                    true
                }
                _ => self.give_up(out, broken),
            },
            _ => self.give_up(out, broken),
        }
    }

    fn give_up(&mut self, out: &mut Vec<u8>, broken: &mut bool) -> bool {
        *broken = true;
        let escape = std::mem::take(&mut self.escape);
        out.push(b'=');
        // Blanks after the `=` may still turn out to be padding of the line's end.
        self.literal(escape.get(1..).unwrap_or_default(), out);
        false
    }

    fn finish(&mut self, out: &mut Vec<u8>, broken: &mut bool) {
        match self.escape.len() {
            0 => out.append(&mut self.blanks),
            // `=` at the very end: a soft break before nothing
            1 => {}
            _ if self.escape.iter().skip(1).all(|b| matches!(b, b' ' | b'\t' | b'\r')) => {}
            _ => {
                self.give_up(out, broken);
                out.append(&mut self.blanks);
            }
        }
        self.escape.clear();
        self.blanks.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(encoding: Encoding, input: &[u8], step: usize) -> (Vec<u8>, bool) {
        let mut decoder = Decoder::new(encoding);
        let mut out = Vec::new();
        for piece in input.chunks(step) {
            decoder.push(piece, &mut out);
        }
        decoder.finish(&mut out);
        (out, decoder.defect().is_some())
    }

    fn check(encoding: Encoding, input: &str, want: &[u8], broken: bool) {
        for step in [1, 2, 3, 5, 7, 1_000_000] {
            let (got, defect) = run(encoding, input.as_bytes(), step);
            assert_eq!(String::from_utf8_lossy(&got), String::from_utf8_lossy(want), "{input:?} by {step}");
            assert_eq!(defect, broken, "{input:?} by {step}");
        }
    }

    #[test]
    fn base64() {
        let b = Encoding::Base64;
        check(b, "", b"", false);
        check(b, "SGFsbG8=", b"Hallo", false);
        check(b, "SGFs\r\nbG8=\r\n", b"Hallo", false);
        check(b, "SGFs\nbG8sIFdlbHQ", b"Hallo, Welt", true);
        check(b, "SG Fsb\tG8=", b"Hallo", false);
        check(b, "SG*Fsb-G8=", b"Hallo", true);
        check(b, "SGFsbG8", b"Hallo", true);
        check(b, "S", b"", true);
        check(b, "SGFsbA==\r\nbw==\r\n", b"Hallo", true);
        check(b, "SGFsbG8=\r\n____________\r\nListenfuss\r\n", b"Hallo", true);
        check(b, "SGFsbG8=====", b"Hallo", false);
        check(b, "=SGFsbG8=", b"Hallo", true);
        check(b, "SGFsbG9=", b"Hallo", false);
    }

    #[test]
    fn base64_many_lines() {
        let data: Vec<u8> = (0..100_000u32).flat_map(|i| i.to_le_bytes()).collect();
        let text = base64::engine::general_purpose::STANDARD.encode(&data);
        let lines: Vec<&str> = text.as_bytes().chunks(76).map(|l| std::str::from_utf8(l).unwrap()).collect();
        for eol in ["\r\n", "\n", "\r", ""] {
            for step in [1, 77, 4096] {
                assert_eq!(run(Encoding::Base64, lines.join(eol).as_bytes(), step), (data.clone(), false));
            }
        }
    }

    #[test]
    fn quoted_printable() {
        let q = Encoding::QuotedPrintable;
        check(q, "Gr=C3=BC=c3=9fe", "Grüße".as_bytes(), false);
        check(q, "ab=\r\ncd=\nef", b"abcdef", false);
        check(q, "ab= \t\r\ncd", b"abcd", false);
        check(q, "ab  \r\ncd\t\n", b"ab\r\ncd\n", false);
        check(q, "ab =20\r\n", b"ab  \r\n", false);
        check(q, "a=3Db==3D=ZZ=4", b"a=b===ZZ=4", true);
        check(q, "a=", b"a", false);
        check(q, "a=\rb", b"ab", false);
        check(q, "a= b", b"a= b", true);
        check(q, "a\rb", b"a\rb", false);
        let long = format!("a{}\r\n", " ".repeat(1_500));
        let want = format!("a{}\r\n", " ".repeat(501));
        check(q, &long, want.as_bytes(), false);
    }
}
