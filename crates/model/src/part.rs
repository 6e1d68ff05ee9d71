// SPDX-License-Identifier: EUPL-1.2
//! Parts: the nodes of a message's tree.
//!
//! A MIME part is a byte range of the original plus its transfer encoding; only
//! decrypted or unpacked output has a blob of its own.

use serde::{Deserialize, Serialize};

use crate::ids::BlobId;

/// Transfer encoding of a part's octets in the original (RFC 2045 §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// 7bit, 8bit, binary: as it stands.
    Identity,
    /// base64.
    Base64,
    /// quoted-printable.
    QuotedPrintable,
}

impl Encoding {
    /// The stored word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Base64 => "base64",
            Self::QuotedPrintable => "quoted_printable",
        }
    }

    /// Reads the stored word; anything unknown is identity.
    #[must_use]
    pub fn parse(word: &str) -> Self {
        match word {
            "base64" => Self::Base64,
            "quoted_printable" => Self::QuotedPrintable,
            _ => Self::Identity,
        }
    }
}

/// One node of a message's tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Number within the message, 0 = the whole; order of appearance.
    pub n: i64,
    /// Number of the enclosing part; -1 for the whole.
    pub parent: i64,
    /// Place in the tree, `1.2.3`.
    pub path: String,
    /// Has no children: what a person calls body or attachment.
    pub leaf: bool,
    /// Where its octets lie: what was decrypted out of another part, or `None`, the original.
    #[serde(default)]
    pub blob: Option<BlobId>,
    /// Start of its header there, bytes; -1 = it has none, or it was not kept. `header..start + len` is what RFC 1847 signs.
    #[serde(default = "no_header")]
    pub header: i64,
    /// Start of the encoded octets there, bytes.
    pub start: i64,
    /// Length of the encoded octets, bytes.
    pub len: i64,
    /// Their transfer encoding.
    pub encoding: Encoding,
    /// Declared media type, lower case.
    pub declared: String,
    /// Media type by content; empty when unknown.
    pub detected: String,
    /// Declared character set; empty when none.
    pub charset: String,
    /// Name as sent; empty when none.
    pub raw_name: String,
    /// Safe name for screens and files, unique within the message.
    pub name: String,
    /// `attachment`, `inline` or empty.
    pub disposition: String,
    /// Decoded size, bytes.
    pub size: i64,
    /// SHA-256 of the decoded octets, hexadecimal; empty for inner nodes.
    pub sha256: String,
    /// What is wrong with its form, short codes; empty when nothing.
    pub defects: Vec<String>,
}

const fn no_header() -> i64 {
    -1
}

impl Part {
    /// Is this what a person calls an attachment: a leaf with a name or marked so?
    #[must_use]
    pub fn is_attachment(&self) -> bool {
        self.leaf && (!self.raw_name.is_empty() || self.disposition == "attachment" || !self.is_text())
    }

    /// Is it plain or HTML text?
    #[must_use]
    pub fn is_text(&self) -> bool {
        self.declared == "text/plain" || self.declared == "text/html"
    }
}
