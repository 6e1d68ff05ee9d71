// SPDX-License-Identifier: EUPL-1.2
//! The inspection sheet (Prüfprotokoll): what is stored, proven and shown.
//!
//! Guarantees: the same message with the same findings gives the same octets ([`Sheet::to_json`]); fields are only ever
//! added within one schema. It holds codes and facts; the German sentences belong to the faces.

use std::collections::BTreeMap;

use poststelle_crypto::signature::Report;
use serde::{Deserialize, Serialize};

/// Name of the schema.
pub const SCHEMA: &str = "poststelle-pruefprotokoll-1";

/// The sheet of one version of the inspection of one message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sheet {
    /// [`SCHEMA`].
    pub schema: String,
    /// Version of the inspection, from 1.
    pub version: i64,
    /// When it was inspected, RFC 3339 UTC.
    pub inspected_at: String,
    /// Which program.
    pub inspected_by: String,
    /// Which message.
    pub message: MessageFacts,
    /// What a clerk must know first.
    pub conclusion: Conclusion,
    /// Who was asked outside.
    pub sources: Vec<Source>,
    /// One line for each part, in document order; what lies in a container follows it.
    pub parts: Vec<PartLine>,
    /// Parts beyond the cap of lines.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub omitted: u64,
    /// What is different from the version before; empty in the first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<Note>,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// The message as the hub knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageFacts {
    /// Tenant.
    pub tenant: String,
    /// Message.
    pub id: String,
    /// `in` or `out`.
    pub direction: String,
    /// Channel it came by.
    pub channel: String,
    /// When it was accepted, RFC 3339 UTC.
    pub accepted_at: String,
    /// Octets.
    pub size: i64,
    /// SHA-256 of the octets, hexadecimal.
    pub sha256: String,
    /// SHA-512 of the octets, hexadecimal.
    pub sha512: String,
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $word)] $variant),+ }
        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            /// The stored word.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
    };
}

/// What a clerk must know first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conclusion {
    /// From whom, and how sure.
    pub sender: Sender,
    /// Is all of it there?
    pub completeness: Completeness,
    /// Is something of it dangerous?
    pub danger: Danger,
    /// Does it keep the written form?
    pub written_form: WrittenForm,
}

/// From whom it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sender {
    /// As it says itself.
    pub claimed: String,
    /// Who it is by a good signature; empty = nobody vouches.
    pub proven: String,
    /// What vouches.
    pub assurance: Assurance,
}

words! {
    /// How sure the sender is.
    Assurance {
        /// Only says so itself.
        Claimed = "claimed",
        /// A good signature of somebody else than who it says it is.
        SignedByOther = "signed_by_other",
        /// A good signature, not qualified.
        Signed = "signed",
        /// A good qualified signature or seal.
        Qualified = "qualified",
    }
}

#[allow(clippy::derivable_impls, reason = "the macro has no place for the attribute")]
impl Default for Assurance {
    fn default() -> Self {
        Self::Claimed
    }
}

words! {
    /// Is all of it there and readable?
    Completeness {
        /// Every part was opened and is delivered.
        Complete = "complete",
        /// Something is held back.
        Held = "held",
        /// Something could not be opened or checked.
        Unreadable = "unreadable",
    }
}

words! {
    /// Is something of it dangerous?
    Danger {
        /// Scanned, nothing found.
        Clean = "clean",
        /// Warnings.
        Suspicious = "suspicious",
        /// The scanner has found something.
        Infected = "infected",
        /// The scanner gave no usable answer.
        Indeterminate = "indeterminate",
        /// No scanner is set up.
        NotScanned = "not_scanned",
    }
}

/// Does the message keep the written form ("Schriftform")?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrittenForm {
    /// Yes, no, to be checked by a person.
    pub verdict: FormVerdict,
    /// Code of the reason.
    pub reason: String,
    /// Which rule of law and its date, as in the table of the jurisdiction.
    pub law: String,
}

words! {
    /// Verdict about the written form.
    FormVerdict {
        /// Kept.
        Kept = "kept",
        /// Not kept.
        NotKept = "not_kept",
        /// A person must look.
        ToBeChecked = "to_be_checked",
    }
}

/// Who was asked outside.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Source {
    /// `scanner`, `ocsp`, `crl`, `trusted_list`, `validator`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its version or the state of its data.
    pub version: String,
}

/// A code with its parameters; the sentence belongs to the faces (`note-CODE`).
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Note {
    /// Code: lower case, hyphens.
    pub code: String,
    /// Its parameters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, String>,
}

impl Note {
    /// A note without parameters.
    #[must_use]
    pub fn new(code: &str) -> Self {
        Self { code: code.to_owned(), params: BTreeMap::new() }
    }

    /// With one more parameter, cut to 300 characters.
    #[must_use]
    #[allow(clippy::needless_pass_by_value, reason = "callers give numbers and texts alike")]
    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.params.insert(name.to_owned(), value.to_string().chars().take(300).collect());
        self
    }
}

/// One part: what it is, what was checked, by what, verdict, reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartLine {
    /// Number of the part of the message; `None` = lies in a container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<i64>,
    /// Place: `1.2` in the message, `1.2/ordner/datei.txt` in a container.
    pub path: String,
    /// Name as shown.
    pub name: String,
    /// Media type as declared; empty = not.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub declared: String,
    /// Media type by content; empty = not recognised.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detected: String,
    /// Octets, decoded.
    pub size: i64,
    /// SHA-256 of the decoded octets, hexadecimal; empty = not computed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sha256: String,
    /// The one word.
    pub verdict: PartVerdict,
    /// What was checked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Check>,
    /// What was noticed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
    /// Signatures on it or in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signatures: Vec<Report>,
    /// Paths of the lines whose signatures cover it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signed_by: Vec<String>,
}

words! {
    /// The one word about a part.
    PartVerdict {
        /// Nothing to say.
        Good = "good",
        /// Usable; there is something to know.
        Noted = "noted",
        /// Could not be opened or checked.
        Unchecked = "unchecked",
        /// Held back: dangerous, or perhaps.
        Held = "held",
    }
}

/// One check of one part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What was checked.
    pub kind: CheckKind,
    /// Who did: name and version.
    pub by: String,
    /// How it ended: `ok`, or a code (`note-CODE`).
    pub outcome: Note,
}

words! {
    /// What is checked.
    CheckKind {
        /// Found and read.
        Open = "open",
        /// Decrypted.
        Decrypt = "decrypt",
        /// Scanned for malware.
        Malware = "malware",
        /// Signatures verified.
        Signature = "signature",
        /// Unpacked.
        Unpack = "unpack",
        /// Its format looked at.
        Format = "format",
    }
}

impl Sheet {
    /// The stored and proven octets.
    ///
    /// # Errors
    /// Never for a sheet this crate made; serialisation errors otherwise.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }
}
