// SPDX-License-Identifier: EUPL-1.2
//! Dot-stuffing of a body on its way out (RFC 5321 §4.5.2), streaming.
//!
//! Guarantees: the receiver, removing one dot from every line that begins with one, gets the body octet for
//! octet, plus a final CRLF when it was missing. A body is refused when a dot stands between bare line ends in
//! a way that lax servers take for the end of the message (SMTP smuggling).
//! Not here: I/O; no octets are copied except to insert a dot.

use memchr::memchr_iter;

/// The body imitates the end of a message with bare CR or LF.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a single dot between bare line ends")]
pub struct Unsafe;

/// Streaming state of one body.
#[derive(Debug, Clone)]
pub struct Stuff {
    /// The last two octets.
    last: [u8; 2],
    /// The last octet is a dot behind a bare CR or LF.
    bare_dot: bool,
    empty: bool,
}

impl Default for Stuff {
    fn default() -> Self {
        Self { last: *b"\r\n", bare_dot: false, empty: true }
    }
}

impl Stuff {
    /// Looks at the next piece of the body. `None`: send it as it is; else send this instead.
    ///
    /// # Errors
    /// [`Unsafe`]: give up the message before its end.
    pub fn pass(&mut self, piece: &[u8]) -> Result<Option<Vec<u8>>, Unsafe> {
        let Some(&first) = piece.first() else { return Ok(None) };
        self.empty = false;
        if self.bare_dot && is_line_end(first) {
            return Err(Unsafe);
        }
        self.bare_dot = false;
        let before = |i: usize, back: usize| match i.checked_sub(back) {
            Some(at) => piece.get(at).copied(),
            // back - i is 1 or 2: counted from the end of what came before.
            None => self.last.get((2 + i).saturating_sub(back)).copied(),
        };
        let mut out: Option<Vec<u8>> = None;
        let mut copied = 0;
        let mut bare_dot = false;
        for dot in memchr_iter(b'.', piece) {
            match (before(dot, 2), before(dot, 1)) {
                (Some(b'\r'), Some(b'\n')) => {
                    let out = out.get_or_insert_with(|| Vec::with_capacity(piece.len() + 64));
                    out.extend_from_slice(piece.get(copied..=dot).unwrap_or_default());
                    copied = dot;
                }
                (_, Some(b'\r' | b'\n')) => match piece.get(dot + 1) {
                    Some(&next) if is_line_end(next) => return Err(Unsafe),
                    Some(_) => {}
                    None => bare_dot = true,
                },
                _ => {}
            }
        }
        self.bare_dot = bare_dot;
        self.last = match *piece {
            [only] => [self.last[1], only],
            [.., a, b] => [a, b],
            [] => self.last,
        };
        if let Some(out) = &mut out {
            out.extend_from_slice(piece.get(copied..).unwrap_or_default());
        }
        Ok(out)
    }

    /// What ends the message: a CRLF if one is missing, then dot and CRLF.
    ///
    /// # Errors
    /// [`Unsafe`], as above.
    pub fn end(&self) -> Result<&'static [u8], Unsafe> {
        if self.bare_dot {
            Err(Unsafe)
        } else if self.empty || self.last == *b"\r\n" {
            Ok(b".\r\n")
        } else {
            Ok(b"\r\n.\r\n")
        }
    }
}

fn is_line_end(b: u8) -> bool {
    b == b'\r' || b == b'\n'
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::server::Unstuff;
    use proptest::prelude::*;

    fn stuffed(body: &[u8], step: usize) -> Result<Vec<u8>, Unsafe> {
        let mut stuff = Stuff::default();
        let mut wire = Vec::new();
        for piece in body.chunks(step.max(1)) {
            match stuff.pass(piece)? {
                Some(out) => wire.extend_from_slice(&out),
                None => wire.extend_from_slice(piece),
            }
        }
        wire.extend_from_slice(stuff.end()?);
        Ok(wire)
    }

    #[test]
    fn examples() {
        for (body, wire) in [
            (&b""[..], &b".\r\n"[..]),
            (b".", b"..\r\n.\r\n"),
            (b"a\r\n.\r\nb", b"a\r\n..\r\nb\r\n.\r\n"),
            (b"a\r\n..b\r\n", b"a\r\n...b\r\n.\r\n"),
            (b"a\n.b\r.c", b"a\n.b\r.c\r\n.\r\n"),
            (b"a\r", b"a\r\r\n.\r\n"),
        ] {
            for step in 1..=body.len().max(1) {
                assert_eq!(stuffed(body, step).unwrap(), wire, "{body:?} {step}");
            }
        }
    }

    #[test]
    fn smuggling_shapes_are_refused() {
        for body in [&b"a\n.\nb"[..], b"a\n.\r\nb", b"a\r.\rb", b"a\r.\nb", b"a\r.\r\nb", b"a\n.", b"a\r."] {
            for step in 1..=body.len() {
                assert_eq!(stuffed(body, step), Err(Unsafe), "{body:?} {step}");
            }
        }
    }

    proptest! {
        #[test]
        fn what_goes_out_comes_in(
            body in prop::collection::vec(prop::sample::select(&b"\r\n.a\r\n."[..]), 0..60),
            step in 1usize..9,
            back in 1usize..9,
        ) {
            let Ok(wire) = stuffed(&body, step) else { return Ok(()) };
            let mut unstuff = Unstuff::default();
            let (mut buf, mut out, mut ended) = (Vec::new(), Vec::new(), false);
            for piece in wire.chunks(back) {
                prop_assert!(!ended, "ended early");
                buf.extend_from_slice(piece);
                let done = unstuff.pass(&mut buf);
                out.extend_from_slice(&buf[..done.keep]);
                buf.drain(..done.consumed);
                ended = done.end;
            }
            prop_assert!(ended && buf.is_empty());
            let mut want = body.clone();
            if !want.is_empty() && !want.ends_with(b"\r\n") {
                want.extend_from_slice(b"\r\n");
            }
            prop_assert_eq!(out, want);
        }
    }
}
