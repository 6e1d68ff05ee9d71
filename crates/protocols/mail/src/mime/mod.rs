// SPDX-License-Identifier: EUPL-1.2
//! The message format: a streaming, push-style splitter and what is needed to read its parts.
//!
//! Guarantees: [`Splitter`] takes octets in pieces of any size and needs memory that does not depend on
//! the size of the message, only on [`Caps`]. The result is the same however the input was cut. Malformed
//! input never panics and never loses an octet: every range lies inside the input, children inside their
//! parent's body, siblings in order and apart; what cannot be taken apart (too deep, too many parts, no
//! usable boundary) is one opaque leaf, and each oddity is a [`Defect`] of the entity it was found in.
//!
//! Not guaranteed: that other mail programs read a malformed message the same way. Where they differ,
//! the splitter sides with RFC 2046 and otherwise with the common lenient reading; the defect says so.
//! S/MIME and encrypted content are leaves here.
//!
//! Sources: RFC 5322 (message), RFC 2045/2046 (MIME), RFC 2047 and 2231 (words and parameters), RFC 2183
//! (disposition), RFC 6532 (UTF-8 in headers), RFC 7578 (multipart/form-data).

mod decode;
mod describe;
mod detect;
mod field;
mod header;
mod leaf;
mod splitter;
pub mod text;
mod word;

use std::fmt;
use std::ops::Range;

pub use self::decode::Decoder;
pub use self::detect::{Detector, HEAD_BYTES, detect};
pub use self::field::{Field, Fields, Structured};
pub use self::header::{Date, Header, Mailbox, Summary};
pub use self::splitter::Splitter;
pub use self::word::decode_words;

/// What the input of a [`Splitter`] begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Root {
    /// Header fields first, then the body (an RFC 5322 message).
    Message,
    /// Only a body; its `Content-Type` is known from elsewhere (e.g. the HTTP header of an upload).
    Entity {
        /// The value of the `Content-Type` field, parameters included.
        content_type: String,
    },
}

/// Limits of the splitter and of the header view. Each is named in the [`Defect`] it causes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caps {
    /// Levels of entities, the root being the first; a container on the last level stays one opaque leaf.
    pub max_depth: u32,
    /// Entities in all; the last one is the opaque rest.
    pub max_parts: u32,
    /// Octets of one entity's header that are looked at (the range always covers all of it).
    pub max_header_bytes: usize,
    /// Fields of one entity's header that are looked at.
    pub max_headers: u32,
    /// Octets of a boundary (RFC 2046 allows 70).
    pub max_boundary_bytes: usize,
    /// Octets of a file or field name, measured in UTF-8; longer names are cut.
    pub max_name_bytes: usize,
    /// Octets of names, types and paths kept for all entities together.
    pub max_retained_bytes: usize,
    /// Octets of [`Entity::head`] kept for all leaves together; leaves beyond it have an empty head (their
    /// media type is still detected).
    pub max_head_bytes: usize,
    /// Mailboxes read from one address field.
    pub max_mailboxes: usize,
}

impl Default for Caps {
    fn default() -> Self {
        Self {
            max_depth: 32,
            max_parts: 20_000,
            max_header_bytes: 256 * 1024,
            max_headers: 1_000,
            max_boundary_bytes: 1_000,
            max_name_bytes: 1_024,
            max_retained_bytes: 8 * 1024 * 1024,
            max_head_bytes: 4 * 1024 * 1024,
            max_mailboxes: 1_000,
        }
    }
}

/// How the octets of a body are encoded for transport (RFC 2045 §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Encoding {
    /// `7bit`, `8bit`, `binary`, absent, or unknown (then with [`Defect::UnknownEncoding`]).
    #[default]
    Identity,
    /// `base64`.
    Base64,
    /// `quoted-printable`.
    QuotedPrintable,
}

impl Encoding {
    /// The token of RFC 2045 (`binary` for [`Encoding::Identity`]).
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "binary",
            Self::Base64 => "base64",
            Self::QuotedPrintable => "quoted-printable",
        }
    }

    /// Reads the token back; unknown tokens are `None`.
    #[must_use]
    pub fn parse(token: &str) -> Option<Self> {
        match token.trim().to_ascii_lowercase().as_str() {
            "7bit" | "8bit" | "binary" | "7-bit" | "8-bit" | "" => Some(Self::Identity),
            "base64" => Some(Self::Base64),
            "quoted-printable" => Some(Self::QuotedPrintable),
            _ => None,
        }
    }
}

/// What an entity is in the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Content; has a digest.
    Leaf,
    /// `multipart/*` with at least one start delimiter; its parts are entities of their own.
    Multipart,
    /// `message/rfc822` or `message/global`; its message is one child entity.
    Message,
}

/// One node of the message's tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entity {
    /// Number in document order; the index in [`Split::parts`], the root is 0.
    pub n: u32,
    /// Number of the entity this one lies in.
    pub parent: Option<u32>,
    /// Place in the tree: `1` for the root, `1.2` for its second part.
    pub path: String,
    /// Leaf, multipart or message.
    pub kind: Kind,
    /// Octets of the header in the original, blank line included.
    pub header: Range<u64>,
    /// Octets of the body in the original, still transfer-encoded, without the line break that belongs to
    /// the delimiter after it. `header.start..body.end` is the entity as RFC 1847 signs it.
    pub body: Range<u64>,
    /// `type/subtype` in lower case; `text/plain` where nothing (usable) is declared.
    pub media_type: String,
    /// Declared charset in lower case; `us-ascii` for a text part that declares none.
    pub charset: Option<String>,
    /// Boundary of a multipart, decoded, as long as it is within the caps.
    pub boundary: Option<String>,
    /// Transfer encoding of the body.
    pub encoding: Encoding,
    /// `attachment`, `inline`, `form-data` …, lower case.
    pub disposition: Option<String>,
    /// Declared file name, decoded, otherwise untouched: **not** safe to use as a name on a disk; see
    /// [`crate::name::safe_file_name`].
    pub raw_name: Option<String>,
    /// Name of the form field (`name` of a `form-data` disposition).
    pub field_name: Option<String>,
    /// Content-ID without angle brackets.
    pub content_id: Option<String>,
    /// Octets of the decoded content (leaves; 0 for containers).
    pub decoded_len: u64,
    /// SHA-256 of the decoded content (leaves only).
    pub sha256: Option<[u8; 32]>,
    /// First decoded octets of a leaf, at most [`HEAD_BYTES`]; see also [`Caps::max_head_bytes`].
    pub head: Box<[u8]>,
    /// Media type by content, where the content shows one.
    pub detected: Option<&'static str>,
    /// Octets of a multipart before the first delimiter, if there are any.
    pub preamble: Option<Range<u64>>,
    /// Octets of a multipart after its closing delimiter, if there are any.
    pub epilogue: Option<Range<u64>>,
    /// What is wrong with it; each kind once, in the order found.
    pub defects: Vec<Defect>,
}

/// What a [`Splitter`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// All entities in document order; never empty, the root first.
    pub parts: Vec<Entity>,
    /// Header of the root (empty for [`Root::Entity`]), up to its cap.
    pub header: Header,
    /// Every kind of defect found anywhere, once, in the order of [`Defect`].
    pub defects: Vec<Defect>,
    /// Octets pushed in all.
    pub len: u64,
}

/// What is wrong with an entity or a message. Never a reason to refuse; a reason to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Defect {
    /// Lines of the structure end with a lone LF.
    BareLf,
    /// Lines of the structure end with a lone CR.
    BareCr,
    /// The octets contain NUL.
    Nul,
    /// A line in the header is no field and was passed over.
    BadHeaderLine,
    /// The header ends without a blank line.
    UnterminatedHeader,
    /// A field that may occur once occurs again; the first counts.
    DuplicateHeader,
    /// `Content-Type` is not `type/subtype`; taken as `text/plain`.
    BadContentType,
    /// Unknown `Content-Transfer-Encoding`; octets are kept as they are.
    UnknownEncoding,
    /// A multipart or an embedded message declares an encoding it must not have.
    EncodedContainer,
    /// A multipart without usable boundary; kept as one leaf.
    NoBoundary,
    /// A boundary of more than 70 octets.
    LongBoundary,
    /// The boundary never occurs; kept as one leaf.
    NoStartBoundary,
    /// The closing delimiter is missing.
    MissingCloseBoundary,
    /// Base64 that is not: foreign characters, wrong padding, an incomplete group.
    BrokenBase64,
    /// Quoted-printable that is not: `=` without two hexadecimal digits.
    BrokenQuotedPrintable,
    /// The name was cut at [`Caps::max_name_bytes`].
    NameCut,
    /// The header is longer than [`Caps::max_header_bytes`]; the rest was not looked at.
    HeaderTooLong,
    /// More fields than [`Caps::max_headers`]; the rest was not looked at.
    TooManyHeaders,
    /// Deeper than [`Caps::max_depth`]; kept as one leaf.
    TooDeep,
    /// More entities than [`Caps::max_parts`]; the rest is one leaf.
    TooManyParts,
    /// Names, types and paths exceed [`Caps::max_retained_bytes`]; the rest is one leaf.
    TooMuchStructure,
}

impl Defect {
    /// Stable name for storage and screens; the cap's name where a cap was hit.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::BareLf => "bare-lf",
            Self::BareCr => "bare-cr",
            Self::Nul => "nul",
            Self::BadHeaderLine => "bad-header-line",
            Self::UnterminatedHeader => "unterminated-header",
            Self::DuplicateHeader => "duplicate-header",
            Self::BadContentType => "bad-content-type",
            Self::UnknownEncoding => "unknown-encoding",
            Self::EncodedContainer => "encoded-container",
            Self::NoBoundary => "no-boundary",
            Self::LongBoundary => "long-boundary",
            Self::NoStartBoundary => "no-start-boundary",
            Self::MissingCloseBoundary => "missing-close-boundary",
            Self::BrokenBase64 => "broken-base64",
            Self::BrokenQuotedPrintable => "broken-quoted-printable",
            Self::NameCut => "max_name_bytes",
            Self::HeaderTooLong => "max_header_bytes",
            Self::TooManyHeaders => "max_headers",
            Self::TooDeep => "max_depth",
            Self::TooManyParts => "max_parts",
            Self::TooMuchStructure => "max_retained_bytes",
        }
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// Adds a defect unless it is noted already.
pub(crate) fn note(defects: &mut Vec<Defect>, defect: Defect) {
    if !defects.contains(&defect) {
        defects.push(defect);
    }
}
