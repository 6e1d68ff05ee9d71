// SPDX-License-Identifier: EUPL-1.2
//! The end of DATA and dot-unstuffing (RFC 5321 §4.5.2, §4.1.1.4), streaming.
//!
//! Guarantees: only the octets CRLF `.` CRLF end a message (the CRLF of the DATA command counts as the
//! first one); `\n.\n`, `\n.\r\n`, `\r.\r`, `\r\n.\n` and the like are message octets. A dot is removed
//! only where it stands first in a line that began after CRLF. Bare CR and LF pass unchanged and are
//! reported. The work is done in place: octets are moved at most once, and not at all without stuffed dots.
//! Not here: any limit; the session counts.

use memchr::memchr;

/// What was seen in a whole message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Seen {
    /// Octets handed to the sink.
    pub octets: u64,
    /// A CR without LF or a LF without CR occurred.
    pub bare_line_ends: bool,
    /// An octet above 127 occurred.
    pub eight_bit: bool,
    /// A NUL octet occurred.
    pub nul: bool,
}

/// Streaming state of one message.
#[derive(Debug, Clone)]
pub struct Unstuff {
    line_start: bool,
    last_cr: bool,
    crs: u64,
    crlfs: u64,
    bare_lf: bool,
    seen: Seen,
}

/// Result of one pass over a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unstuffed {
    /// The first `keep` octets of the buffer are now message octets …
    pub keep: usize,
    /// … the first `consumed` octets of it are done with; the rest must be seen again with more behind it.
    pub consumed: usize,
    /// The end was reached.
    pub end: bool,
}

impl Default for Unstuff {
    fn default() -> Self {
        Self { line_start: true, last_cr: false, crs: 0, crlfs: 0, bare_lf: false, seen: Seen::default() }
    }
}

impl Unstuff {
    /// Looks at the octets received so far and not yet consumed, and compacts them in place.
    pub fn pass(&mut self, buf: &mut [u8]) -> Unstuffed {
        let (mut r, mut w) = (0, 0);
        let mut end = false;
        while let Some(rest) = buf.get(r..).filter(|b| !b.is_empty()) {
            if self.line_start {
                match rest {
                    [b'.', b'\r', b'\n', ..] => {
                        end = true;
                        r += 3;
                        break;
                    }
                    // Not enough to decide: leave it for the next pass.
                    [b'.'] | [b'.', b'\r'] => break,
                    [b'.', ..] => {
                        r += 1;
                        self.line_start = false;
                        continue;
                    }
                    _ => {}
                }
            }
            let (len, lf) = memchr(b'\n', rest).map_or((rest.len(), false), |i| (i + 1, true));
            let line = rest.get(..len).unwrap_or_default();
            if lf {
                let crlf = match line {
                    [.., b'\r', b'\n'] => true,
                    [_] => self.last_cr,
                    _ => false,
                };
                self.crlfs += u64::from(crlf);
                self.bare_lf |= !crlf;
                self.line_start = crlf;
                self.last_cr = false;
            } else {
                self.line_start = false;
                self.last_cr = line.last() == Some(&b'\r');
            }
            if w != r {
                buf.copy_within(r..r + len, w);
            }
            r += len;
            w += len;
        }
        self.look(buf.get(..w).unwrap_or_default());
        Unstuffed { keep: w, consumed: r, end }
    }

    fn look(&mut self, kept: &[u8]) {
        self.seen.octets += u64::try_from(kept.len()).unwrap_or(u64::MAX);
        self.crs += u64::try_from(memchr::memchr_iter(b'\r', kept).count()).unwrap_or(u64::MAX);
        self.seen.eight_bit |= !kept.is_ascii();
        self.seen.nul |= memchr(0, kept).is_some();
    }

    /// What was seen so far; complete after the end.
    pub fn seen(&self) -> Seen {
        Seen { bare_line_ends: self.bare_lf || self.crs != self.crlfs, ..self.seen }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `wire` cut at every `step` octets; gives message, rest, seen.
    fn feed(wire: &[u8], step: usize) -> Option<(Vec<u8>, Vec<u8>, Seen)> {
        let mut unstuff = Unstuff::default();
        let (mut buf, mut out) = (Vec::new(), Vec::new());
        for (i, piece) in wire.chunks(step).enumerate() {
            buf.extend_from_slice(piece);
            let done = unstuff.pass(&mut buf);
            out.extend_from_slice(&buf[..done.keep]);
            buf.drain(..done.consumed);
            if done.end {
                buf.extend(wire.chunks(step).skip(i + 1).flatten());
                return Some((out, buf, unstuff.seen()));
            }
            assert!(buf.len() <= 2, "holds back at most two octets");
        }
        None
    }

    fn all_steps(wire: &[u8], message: &[u8], rest: &[u8], bare: bool) {
        for step in 1..=wire.len() {
            let (out, left, seen) = feed(wire, step).unwrap_or_else(|| panic!("no end, step {step}"));
            assert_eq!((out.as_slice(), left.as_slice()), (message, rest), "step {step}");
            assert_eq!(seen.bare_line_ends, bare, "step {step}");
            assert_eq!(seen.octets, message.len() as u64);
        }
    }

    #[test]
    fn ends_and_stuffing() {
        all_steps(b".\r\nQUIT\r\n", b"", b"QUIT\r\n", false);
        all_steps(b"a\r\n.\r\n", b"a\r\n", b"", false);
        all_steps(b"..\r\n...\r\n.a\r\n\r\n.\r\nX", b".\r\n..\r\na\r\n\r\n", b"X", false);
        all_steps(b"a.\r\n b.\r\n.\r\n", b"a.\r\n b.\r\n", b"", false);
        all_steps(b"\r\n\r\n.\r\n.\r\n", b"\r\n\r\n", b".\r\n", false);
    }

    #[test]
    fn nothing_else_ends_a_message() {
        for fake in [
            &b"\n.\n"[..],
            b"\n.\r\n",
            b"\r.\r",
            b"\r.\r\n",
            b"\r\n.\x00\r\n",
            b"\r\n\x00.\r\n",
            b"\n\n.\n\n",
            b"\r\r\n.\r",
            b"\n.\r",
            b"\r.\n",
            b"\r\n.\rx",
            b"\0.\0",
            b"\r\n .\r\n",
            b"\r\n. \r\n",
        ] {
            let mut wire = b"x".to_vec();
            wire.extend_from_slice(fake);
            wire.extend_from_slice(b"MAIL FROM:<evil@example.org>\r\n.\r\nQUIT\r\n");
            for step in 1..=wire.len() {
                let (out, rest, _) = feed(&wire, step).unwrap();
                assert_eq!(rest, b"QUIT\r\n", "{fake:?} step {step}");
                assert!(out.ends_with(b"MAIL FROM:<evil@example.org>\r\n"));
            }
        }
        // A stuffed dot before a bare line end is still only a stuffed dot.
        all_steps(b"a\r\n.\nb\r\n.\r\n", b"a\r\n\nb\r\n", b"", true);
        all_steps(b"a\r\n.\rb\r\n.\r\n", b"a\r\n\rb\r\n", b"", true);
        all_steps(b"a\n.\nb\r\n.\r\n", b"a\n.\nb\r\n", b"", true);
        all_steps(b"a\r.\rb\r\n.\r\n", b"a\r.\rb\r\n", b"", true);
    }

    #[test]
    fn flags() {
        let (_, _, seen) = feed(b"a\0\xff\r\n.\r\n", 4).unwrap();
        assert!(seen.nul && seen.eight_bit && !seen.bare_line_ends);
        let (_, _, seen) = feed(b"a\rb\r\n.\r\n", 2).unwrap();
        assert!(seen.bare_line_ends);
        assert!(feed(b"endless\r\n.", 3).is_none());
    }
}
