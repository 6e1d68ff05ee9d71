// SPDX-License-Identifier: EUPL-1.2
//! Reading ASN.1 in DER (ITU-T X.690) without copying, and making DER of BER first ([`normalise`]).
//!
//! Guarantees: every element remembers its octets exactly as they lie in the input, so what was signed is hashed as it
//! was sent and never encoded anew; nothing panics; nesting, number of elements and length are capped. Does not: know
//! any schema, accept tag numbers above 30, or check what DER demands beyond lengths (order of SETs, defaults): such
//! liberties do not change what an element says. Writing is in [`write`].

mod ber;
pub mod oid;
pub mod time;
pub mod write;

pub use ber::{Normalised, normalise};
pub use oid::Oid;

/// Tags of X.690 §8.1.2 with the constructed bit where it belongs.
pub mod tag {
    #![allow(missing_docs)]
    pub const BOOLEAN: u8 = 0x01;
    pub const INTEGER: u8 = 0x02;
    pub const BIT_STRING: u8 = 0x03;
    pub const OCTET_STRING: u8 = 0x04;
    pub const NULL: u8 = 0x05;
    pub const OID: u8 = 0x06;
    pub const ENUMERATED: u8 = 0x0a;
    pub const UTF8_STRING: u8 = 0x0c;
    pub const T61_STRING: u8 = 0x14;
    pub const IA5_STRING: u8 = 0x16;
    pub const UTC_TIME: u8 = 0x17;
    pub const GENERALIZED_TIME: u8 = 0x18;
    pub const UNIVERSAL_STRING: u8 = 0x1c;
    pub const BMP_STRING: u8 = 0x1e;
    pub const SEQUENCE: u8 = 0x30;
    pub const SET: u8 = 0x31;

    /// Context tag, primitive.
    #[must_use]
    pub const fn context(n: u8) -> u8 {
        0x80 | n
    }

    /// Context tag, constructed.
    #[must_use]
    pub const fn constructed(n: u8) -> u8 {
        0xa0 | n
    }
}

/// Octets that are not the structure they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not well formed: {0}")]
pub struct Malformed(
    /// What was found wrong; names the structure, never its content.
    pub &'static str,
);

/// Result of reading.
pub type Read<T> = Result<T, Malformed>;

/// One element: tag, content, and the octets it was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node<'a> {
    /// Identifier octet.
    pub tag: u8,
    /// Content octets.
    pub content: &'a [u8],
    /// Identifier, length and content as they lie in the input.
    pub whole: &'a [u8],
}

/// Reads elements one after another.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

/// Identifier and length of the first element: tag, header length, content length (`None` = indefinite).
fn header(octets: &[u8]) -> Read<(u8, usize, Option<usize>)> {
    let (&tag, rest) = octets.split_first().ok_or(Malformed("element missing"))?;
    if tag & 0x1f == 0x1f {
        return Err(Malformed("tag number above 30"));
    }
    let (&first, rest) = rest.split_first().ok_or(Malformed("length missing"))?;
    match first {
        0..=0x7f => Ok((tag, 2, Some(usize::from(first)))),
        0x80 => Ok((tag, 2, None)),
        _ => {
            let count = usize::from(first & 0x7f);
            let digits = rest.get(..count).ok_or(Malformed("length cut off"))?;
            let mut length = 0usize;
            for digit in digits {
                if length >> 40 != 0 {
                    return Err(Malformed("length too large"));
                }
                length = length << 8 | usize::from(*digit);
            }
            Ok((tag, 2 + count, Some(length)))
        }
    }
}

impl<'a> Reader<'a> {
    /// Reads these octets.
    #[must_use]
    pub const fn new(octets: &'a [u8]) -> Self {
        Self { rest: octets }
    }

    /// Reads the one element that the octets are.
    ///
    /// # Errors
    /// When there is none or something after it.
    pub fn only(octets: &'a [u8], tag: u8) -> Read<Node<'a>> {
        let mut reader = Self::new(octets);
        let node = reader.expect(tag)?;
        reader.end()?;
        Ok(node)
    }

    /// Is nothing left?
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// What is left.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Tag of the next element.
    #[must_use]
    pub fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// The next element.
    ///
    /// # Errors
    /// When it is cut off, has an indefinite length or a large tag number.
    pub fn next_node(&mut self) -> Read<Node<'a>> {
        let (tag, head, length) = header(self.rest)?;
        let length = length.ok_or(Malformed("indefinite length"))?;
        let end = head.checked_add(length).ok_or(Malformed("length too large"))?;
        let whole = self.rest.get(..end).ok_or(Malformed("element cut off"))?;
        self.rest = self.rest.get(end..).unwrap_or_default();
        Ok(Node { tag, content: whole.get(head..).unwrap_or_default(), whole })
    }

    /// The next element, which must have this tag.
    ///
    /// # Errors
    /// When it has not.
    pub fn expect(&mut self, tag: u8) -> Read<Node<'a>> {
        if self.peek() != Some(tag) {
            return Err(Malformed("element of another type expected"));
        }
        self.next_node()
    }

    /// The next element if it has this tag.
    ///
    /// # Errors
    /// When it is cut off.
    pub fn optional(&mut self, tag: u8) -> Read<Option<Node<'a>>> {
        if self.peek() == Some(tag) { self.next_node().map(Some) } else { Ok(None) }
    }

    /// Nothing may be left.
    ///
    /// # Errors
    /// When something is.
    pub const fn end(&self) -> Read<()> {
        if self.rest.is_empty() { Ok(()) } else { Err(Malformed("octets after the end")) }
    }

    /// A SEQUENCE's content.
    ///
    /// # Errors
    /// When the next element is none.
    pub fn sequence(&mut self) -> Read<Reader<'a>> {
        Ok(self.expect(tag::SEQUENCE)?.reader())
    }

    /// An OBJECT IDENTIFIER.
    ///
    /// # Errors
    /// When the next element is none.
    pub fn oid(&mut self) -> Read<Oid> {
        Oid::from_content(self.expect(tag::OID)?.content)
    }

    /// An OCTET STRING's content.
    ///
    /// # Errors
    /// When the next element is none.
    pub fn octets(&mut self) -> Read<&'a [u8]> {
        Ok(self.expect(tag::OCTET_STRING)?.content)
    }

    /// Content of an INTEGER, big endian, two's complement.
    ///
    /// # Errors
    /// When the next element is none, or empty.
    pub fn integer(&mut self) -> Read<&'a [u8]> {
        let node = self.expect(tag::INTEGER)?;
        if node.content.is_empty() { Err(Malformed("empty number")) } else { Ok(node.content) }
    }

    /// A small INTEGER.
    ///
    /// # Errors
    /// When the next element is none, negative, or above `u32`.
    pub fn small(&mut self) -> Read<u32> {
        small(self.integer()?)
    }

    /// All elements of a SEQUENCE OF or SET OF, at most `cap`.
    ///
    /// # Errors
    /// When one is cut off, or there are more.
    pub fn all(mut self, cap: usize) -> Read<Vec<Node<'a>>> {
        let mut nodes = Vec::new();
        while !self.is_empty() {
            if nodes.len() == cap {
                return Err(Malformed("too many elements"));
            }
            nodes.push(self.next_node()?);
        }
        Ok(nodes)
    }
}

/// A number of an INTEGER's content.
///
/// # Errors
/// When it is negative or above `u32`.
pub fn small(content: &[u8]) -> Read<u32> {
    if content.len() > 5 || content.first().is_some_and(|b| b & 0x80 != 0) {
        return Err(Malformed("number out of range"));
    }
    let value = content.iter().fold(0u64, |value, byte| value << 8 | u64::from(*byte));
    u32::try_from(value).map_err(|_| Malformed("number out of range"))
}

impl<'a> Node<'a> {
    /// Reads the content.
    #[must_use]
    pub const fn reader(&self) -> Reader<'a> {
        Reader::new(self.content)
    }

    /// The element must have this tag.
    ///
    /// # Errors
    /// When it has another.
    pub const fn tagged(self, tag: u8) -> Read<Self> {
        if self.tag == tag { Ok(self) } else { Err(Malformed("element of another type expected")) }
    }

    /// A BOOLEAN.
    ///
    /// # Errors
    /// When it is not one octet.
    pub const fn boolean(&self) -> Read<bool> {
        match self.content {
            [value] => Ok(*value != 0),
            _ => Err(Malformed("truth value is not one octet")),
        }
    }

    /// Octets of a BIT STRING without unused bits.
    ///
    /// # Errors
    /// When bits are unused, or it is empty.
    pub const fn bits(&self) -> Read<&'a [u8]> {
        match self.content {
            [0, octets @ ..] => Ok(octets),
            _ => Err(Malformed("bit string with unused bits")),
        }
    }

    /// The first 16 named bits of a BIT STRING, bit 0 lowest.
    ///
    /// # Errors
    /// When it is empty.
    pub fn flags(&self) -> Read<u16> {
        let octets = self.content.get(1..).ok_or(Malformed("empty bit string"))?;
        let first = octets.first().copied().unwrap_or(0).reverse_bits();
        let second = octets.get(1).copied().unwrap_or(0).reverse_bits();
        Ok(u16::from_le_bytes([first, second]))
    }

    /// Text of a character string; what cannot be read becomes U+FFFD.
    #[must_use]
    pub fn text(&self) -> String {
        match self.tag & 0x1f {
            0x1e => String::from_utf16_lossy(
                &self
                    .content
                    .chunks_exact(2)
                    .map(|c| u16::from(c[0]) << 8 | u16::from(c[1]))
                    .collect::<Vec<_>>(),
            ),
            0x1c => self
                .content
                .chunks_exact(4)
                .map(|c| {
                    char::from_u32(c.iter().fold(0, |v, b| v << 8 | u32::from(*b))).unwrap_or('\u{fffd}')
                })
                .collect(),
            // T61 is used as Latin-1 by everybody who still uses it.
            0x14 if std::str::from_utf8(self.content).is_err() => {
                self.content.iter().map(|b| char::from(*b)).collect()
            }
            _ => String::from_utf8_lossy(self.content).into_owned(),
        }
    }

    /// Content of an OCTET STRING, also one made of pieces (what an IMPLICIT tag hides from [`normalise`]).
    ///
    /// # Errors
    /// When a piece is no OCTET STRING.
    pub fn joined(&self) -> Read<std::borrow::Cow<'a, [u8]>> {
        if self.tag & 0x20 == 0 {
            return Ok(self.content.into());
        }
        let mut out = Vec::with_capacity(self.content.len());
        let mut reader = self.reader();
        while !reader.is_empty() {
            out.extend_from_slice(reader.octets()?);
        }
        Ok(out.into())
    }
}

/// AlgorithmIdentifier (RFC 5280 §4.1.1.2): which algorithm, with which parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Algorithm<'a> {
    /// Which.
    pub oid: Oid,
    /// Its parameters; NULL counts as none.
    pub parameters: Option<Node<'a>>,
}

impl<'a> Algorithm<'a> {
    /// Reads a SEQUENCE's content.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(mut reader: Reader<'a>) -> Read<Self> {
        let oid = reader.oid()?;
        let parameters = if reader.is_empty() { None } else { Some(reader.next_node()?) };
        Ok(Self { oid, parameters: parameters.filter(|node| node.tag != tag::NULL) })
    }
}
