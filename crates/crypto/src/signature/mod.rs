// SPDX-License-Identifier: EUPL-1.2
//! What is said of one signature, whatever its format: the shapes all verifiers share.
//!
//! Verdicts are those of ETSI EN 319 102-1 §5.1.3. Guarantees: a broken signature is a verdict, never an error;
//! *INDETERMINATE* means "not known", never "invalid". Nothing here does I/O: what is missing from outside (revocation
//! lists, answers of responders) is named in [`Judgement::wanted`], fetched by the caller and given again in
//! [`Setting::known`], so the same input gives the same verdict.

pub mod algorithm;
pub mod assess;
pub mod chain;
pub mod cms;
mod gather;
pub mod jws;
pub mod pdf;
pub mod revocation;
pub mod setting;
pub mod xml;

pub use chain::{Material, Outcome, Usage};
pub use gather::{timestamp_report, unreadable};
pub use setting::{Anchor, Setting, Trust, When};

use serde::{Deserialize, Serialize};

/// Seconds since 1970 UTC.
pub type UnixTime = i64;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $word)] $variant),+ }
        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            /// The word of the standard.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// Main status indication, EN 319 102-1 table 5.
    Indication {
        /// Every check passed.
        TotalPassed = "TOTAL-PASSED",
        /// What is there does not suffice to say yes or no.
        Indeterminate = "INDETERMINATE",
        /// The signature is broken, or the signer's certificate was not valid.
        TotalFailed = "TOTAL-FAILED",
    }
}

words! {
    /// Sub-indication, EN 319 102-1 tables 5 and 6.
    SubIndication {
        /// Not a signature of any known format.
        FormatFailure = "FORMAT_FAILURE",
        /// The signed octets are not these octets.
        HashFailure = "HASH_FAILURE",
        /// The signature value does not belong to the signer's key.
        SigCryptoFailure = "SIG_CRYPTO_FAILURE",
        /// Revoked when it was signed.
        Revoked = "REVOKED",
        /// Signed after the certificate had ended.
        Expired = "EXPIRED",
        /// Signed before the certificate began.
        NotYetValid = "NOT_YET_VALID",
        /// Properties of the signature break the policy.
        SigConstraintsFailure = "SIG_CONSTRAINTS_FAILURE",
        /// Properties of the certificate chain break the policy.
        ChainConstraintsFailure = "CHAIN_CONSTRAINTS_FAILURE",
        /// The chain could not be checked for another reason.
        CertificateChainGeneralFailure = "CERTIFICATE_CHAIN_GENERAL_FAILURE",
        /// An algorithm or key size is too weak.
        CryptoConstraintsFailure = "CRYPTO_CONSTRAINTS_FAILURE",
        /// As above, and no proof that it was made in time.
        CryptoConstraintsFailureNoPoe = "CRYPTO_CONSTRAINTS_FAILURE_NO_POE",
        /// The policy file cannot be processed.
        PolicyProcessingError = "POLICY_PROCESSING_ERROR",
        /// The policy the signature names is not there.
        SignaturePolicyNotAvailable = "SIGNATURE_POLICY_NOT_AVAILABLE",
        /// Time-stamps contradict each other.
        TimestampOrderFailure = "TIMESTAMP_ORDER_FAILURE",
        /// The signer's certificate is not there.
        NoSigningCertificateFound = "NO_SIGNING_CERTIFICATE_FOUND",
        /// No chain to a trust anchor.
        NoCertificateChainFound = "NO_CERTIFICATE_CHAIN_FOUND",
        /// Revoked now; not known whether it was when it was signed.
        RevokedNoPoe = "REVOKED_NO_POE",
        /// An issuer is revoked now; not known whether it was then.
        RevokedCaNoPoe = "REVOKED_CA_NO_POE",
        /// Expired or not yet valid, known not to be revoked, no proof of time.
        OutOfBoundsNotRevoked = "OUT_OF_BOUNDS_NOT_REVOKED",
        /// Expired or not yet valid, no proof of time.
        OutOfBoundsNoPoe = "OUT_OF_BOUNDS_NO_POE",
        /// A needed object has no proof of time.
        NoPoe = "NO_POE",
        /// Revocation facts are missing or too old; may be there later.
        TryLater = "TRY_LATER",
        /// The signed octets are not there.
        SignedDataNotFound = "SIGNED_DATA_NOT_FOUND",
    }
}

words! {
    /// Format of a signature.
    Format {
        /// RFC 5652, without the attributes of CAdES.
        Cms = "CMS",
        /// EN 319 122.
        Cades = "CAdES",
        /// RFC 3275.
        XmlDsig = "XML-DSig",
        /// EN 319 132.
        Xades = "XAdES",
        /// ISO 32000, `adbe.*` sub-filters.
        Pdf = "PDF",
        /// EN 319 142, sub-filter `ETSI.CAdES.detached`.
        Pades = "PAdES",
        /// RFC 7515.
        Jws = "JWS",
        /// RFC 3161, where a time-stamp takes the place of a signature: document time-stamps of PDF, ASiC.
        TimeStamp = "TimeStamp",
    }
}

/// One verdict: indication, sub-indication, and what made it so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Yes, no, not known.
    pub indication: Indication,
    /// Why not yes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub: Option<SubIndication>,
    /// One English line for the expert; empty when passed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

impl Verdict {
    /// Everything passed.
    #[must_use]
    pub const fn passed() -> Self {
        Self { indication: Indication::TotalPassed, sub: None, detail: String::new() }
    }

    /// Broken.
    #[must_use]
    pub fn failed(sub: SubIndication, detail: impl Into<String>) -> Self {
        Self { indication: Indication::TotalFailed, sub: Some(sub), detail: detail.into() }
    }

    /// Not known.
    #[must_use]
    pub fn indeterminate(sub: SubIndication, detail: impl Into<String>) -> Self {
        Self { indication: Indication::Indeterminate, sub: Some(sub), detail: detail.into() }
    }

    /// Did everything pass?
    #[must_use]
    pub fn is_passed(&self) -> bool {
        self.indication == Indication::TotalPassed
    }
}

/// What a certificate says, as shown to people. Names are cut to 300 characters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateFacts {
    /// Common name of the subject, else the whole name.
    pub name: String,
    /// Organisation of the subject; empty = none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub organisation: String,
    /// Common name of the issuer, else the whole name.
    pub issuer: String,
    /// Serial number, hexadecimal.
    pub serial: String,
    /// SHA-256 of the certificate, hexadecimal.
    pub sha256: String,
    /// Valid from.
    pub not_before: UnixTime,
    /// Valid until.
    pub not_after: UnixTime,
    /// `RSA 3072`, `EC P-256`, `EC brainpoolP256r1` …
    pub key: String,
    /// E-mail addresses in the subject alternative name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub emails: Vec<String>,
    /// Statements of EN 319 412-5: `QcCompliance`, `QcSSCD`, `QcType:esign`, `QcType:eseal` …
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub statements: Vec<String>,
}

/// What the signature covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Scope {
    /// All octets of the signed object.
    Whole,
    /// Something of it; `what` names it: element ids, files of a container.
    Some {
        /// What is covered.
        what: Vec<String>,
    },
    /// A revision of a PDF: octets from 0 to `end` of `size`; what came after is named in `changes`.
    Revision {
        /// Number, from 1.
        number: u32,
        /// Where it ends.
        end: u64,
        /// Length of the file.
        size: u64,
        /// What later revisions changed, codes; empty = nothing, or only what the standard permits.
        changes: Vec<String>,
    },
}

/// A time-stamp (RFC 3161) on the signature or its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeStampFacts {
    /// `signature`, `content`, `document`, `archive`.
    pub kind: String,
    /// The time it proves.
    pub at: UnixTime,
    /// Who made it.
    pub authority: String,
    /// Is it good?
    pub verdict: Verdict,
}

/// What is known about the revocation of one certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevocationFacts {
    /// SHA-256 of the certificate, hexadecimal.
    pub certificate: String,
    /// `crl` or `ocsp`.
    pub source: String,
    /// Issued when.
    pub this_update: UnixTime,
    /// Revoked since; `None` = not revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<UnixTime>,
}

/// All that is said of one signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Format.
    pub format: Format,
    /// `B`, `T`, `LT`, `LTA`; empty for formats without levels.
    pub level: String,
    /// The verdict that counts: at the best proven time of signing.
    pub verdict: Verdict,
    /// As if signed at the time it claims.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_claimed: Option<Verdict>,
    /// As of the receipt of the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_received: Option<Verdict>,
    /// As of the check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_present: Option<Verdict>,
    /// Who signed; `None` when the certificate is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<CertificateFacts>,
    /// Issuers up to the anchor.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chain: Vec<CertificateFacts>,
    /// Name of the trust source the chain ends at; empty = none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub anchor: String,
    /// Is it a qualified signature or seal by a trusted list: `QES`, `QSEAL`, `ADES_QC`, `ADES_SEAL_QC`, `ADES`; empty = not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub quality: String,
    /// Time the signature claims.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed_at: Option<UnixTime>,
    /// Earliest time proven by a good time-stamp.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proven_at: Option<UnixTime>,
    /// `RSASSA-PSS with SHA-256` and the like.
    pub algorithm: String,
    /// What it covers.
    pub scope: Scope,
    /// Time-stamps on it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub timestamps: Vec<TimeStampFacts>,
    /// What is known about revocation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revocations: Vec<RevocationFacts>,
    /// Codes of what else an expert should know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl Report {
    /// A verdict that is no better takes the place of what was said, for every time; what is wrong with the signed object
    /// comes before what is not known of the chain. Nothing is said of the quality any more.
    pub fn lower(&mut self, verdict: &Verdict) {
        let rank = |i: Indication| match i {
            Indication::TotalPassed => 0,
            Indication::Indeterminate => 1,
            Indication::TotalFailed => 2,
        };
        let times = [&mut self.at_claimed, &mut self.at_received, &mut self.at_present];
        for said in std::iter::once(&mut self.verdict).chain(times.into_iter().flatten()) {
            if rank(verdict.indication) >= rank(said.indication) {
                said.clone_from(verdict);
            }
        }
        self.quality.clear();
    }
}

/// What is missing from outside to say more.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Wanted {
    /// A revocation list.
    Crl {
        /// Where it lies.
        url: String,
    },
    /// An answer of a responder (RFC 6960), by POST.
    Ocsp {
        /// Where the responder is.
        url: String,
        /// DER of the request, base64; without a nonce, so that equal questions are equal.
        request: String,
    },
    /// The issuer's certificate (authority information access).
    Issuer {
        /// Where it lies.
        url: String,
    },
}

/// What was fetched from outside: the answer to one [`Wanted`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// The question.
    pub wanted: Wanted,
    /// When it was fetched.
    pub at: UnixTime,
    /// The octets; empty = could not be had.
    pub octets: Vec<u8>,
}

/// Reports of all signatures of one object, and what would be needed to say more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Judgement {
    /// One for each signature, in their order in the object.
    pub reports: Vec<Report>,
    /// What is missing; ask, put the answers into [`Setting::known`] and judge again.
    pub wanted: Vec<Wanted>,
}
