// SPDX-License-Identifier: EUPL-1.2
//! OBJECT IDENTIFIERs (X.690 §8.19) and all those this crate knows, from the RFCs and ETSI standards that define them.
//!
//! Guarantees: two are equal when their octets are. Does not: check that arcs are minimal.

use super::{Malformed, Read};

/// Longest, in octets of its encoding.
const LONGEST: usize = 48;

/// An object identifier.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Oid {
    len: u8,
    octets: [u8; LONGEST],
}

impl Oid {
    /// From its arcs; for constants (an arc list that is too long stops the compiler).
    #[must_use]
    pub const fn new(arcs: &[u32]) -> Self {
        let mut octets = [0; LONGEST];
        let mut len = 0;
        let mut i = 1;
        while i < arcs.len() {
            let arc = if i == 1 { arcs[0] * 40 + arcs[1] } else { arcs[i] };
            let mut digits = 1;
            while digits < 5 && arc >> (7 * digits) != 0 {
                digits += 1;
            }
            while digits > 0 {
                digits -= 1;
                let more = if digits > 0 { 0x80 } else { 0 };
                octets[len] = (arc >> (7 * digits)) as u8 & 0x7f | more;
                len += 1;
            }
            i += 1;
        }
        Self { len: len as u8, octets }
    }

    /// From the content octets of its encoding.
    ///
    /// # Errors
    /// When there are none, too many, or the last arc is cut off.
    pub fn from_content(content: &[u8]) -> Read<Self> {
        if content.is_empty() || content.len() > LONGEST || content.last().is_some_and(|b| b & 0x80 != 0) {
            return Err(Malformed("object identifier"));
        }
        let mut octets = [0; LONGEST];
        octets.iter_mut().zip(content).for_each(|(to, from)| *to = *from);
        Ok(Self { len: content.len() as u8, octets })
    }

    /// From text such as `1.2.840.113549.1.7.2`.
    ///
    /// # Errors
    /// When it is none, or an arc exceeds 32 bits.
    pub fn from_text(text: &str) -> Read<Self> {
        let arcs: Result<Vec<u32>, _> = text.split('.').map(str::parse).collect();
        match arcs {
            Ok(arcs) if arcs.len() >= 2 && arcs.len() <= 9 && arcs[0] <= 2 && arcs[1] < 1000 => {
                Ok(Self::new(&arcs))
            }
            Ok(arcs) if arcs.len() > 9 && arcs.len() <= 24 && arcs[0] <= 2 && arcs[1] < 40 => {
                // Long ones: only when they surely fit.
                if arcs.iter().map(|a| if *a < 0x80 { 1 } else { 5 }).sum::<usize>() <= LONGEST {
                    Ok(Self::new(&arcs))
                } else {
                    Err(Malformed("object identifier"))
                }
            }
            _ => Err(Malformed("object identifier")),
        }
    }

    /// Content octets of its encoding.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.octets.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl std::fmt::Display for Oid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut arc = 0u128;
        let mut first = true;
        for octet in self.as_bytes() {
            arc = arc << 7 | u128::from(octet & 0x7f);
            if octet & 0x80 != 0 {
                continue;
            }
            if first {
                let top = (arc / 40).min(2);
                write!(f, "{top}.{}", arc - top * 40)?;
                first = false;
            } else {
                write!(f, ".{arc}")?;
            }
            arc = 0;
        }
        Ok(())
    }
}

impl std::fmt::Debug for Oid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

macro_rules! oids {
    ($($name:ident = [$($arc:literal),+];)+) => {
        $(#[allow(missing_docs)] pub const $name: Oid = Oid::new(&[$($arc),+]);)+
    };
}

// Content types and attributes: RFC 5652, 5083, 3161, 5035, EN 319 122.
oids! {
    DATA = [1, 2, 840, 113549, 1, 7, 1];
    SIGNED_DATA = [1, 2, 840, 113549, 1, 7, 2];
    ENVELOPED_DATA = [1, 2, 840, 113549, 1, 7, 3];
    AUTH_ENVELOPED_DATA = [1, 2, 840, 113549, 1, 9, 16, 1, 23];
    TST_INFO = [1, 2, 840, 113549, 1, 9, 16, 1, 4];
    CONTENT_TYPE = [1, 2, 840, 113549, 1, 9, 3];
    MESSAGE_DIGEST = [1, 2, 840, 113549, 1, 9, 4];
    SIGNING_TIME = [1, 2, 840, 113549, 1, 9, 5];
    COUNTER_SIGNATURE = [1, 2, 840, 113549, 1, 9, 6];
    SIGNING_CERTIFICATE = [1, 2, 840, 113549, 1, 9, 16, 2, 12];
    SIGNING_CERTIFICATE_V2 = [1, 2, 840, 113549, 1, 9, 16, 2, 47];
    SIGNATURE_POLICY = [1, 2, 840, 113549, 1, 9, 16, 2, 15];
    SIGNATURE_TIME_STAMP = [1, 2, 840, 113549, 1, 9, 16, 2, 14];
    CONTENT_TIME_STAMP = [1, 2, 840, 113549, 1, 9, 16, 2, 20];
    CERTIFICATE_VALUES = [1, 2, 840, 113549, 1, 9, 16, 2, 23];
    REVOCATION_VALUES = [1, 2, 840, 113549, 1, 9, 16, 2, 24];
    ARCHIVE_TIME_STAMP_V2 = [1, 2, 840, 113549, 1, 9, 16, 2, 48];
    ARCHIVE_TIME_STAMP_V3 = [0, 4, 0, 1733, 2, 4];
    OTHER_REVOCATION_OCSP = [1, 3, 6, 1, 5, 5, 7, 16, 2];
}

// Keys, signatures, digests: RFC 3279, 4055, 5480, 5639, 5753, 5754, 8410, 8702.
oids! {
    RSA = [1, 2, 840, 113549, 1, 1, 1];
    RSA_OAEP = [1, 2, 840, 113549, 1, 1, 7];
    MGF1 = [1, 2, 840, 113549, 1, 1, 8];
    P_SPECIFIED = [1, 2, 840, 113549, 1, 1, 9];
    RSA_PSS = [1, 2, 840, 113549, 1, 1, 10];
    RSA_SHA1 = [1, 2, 840, 113549, 1, 1, 5];
    RSA_SHA224 = [1, 2, 840, 113549, 1, 1, 14];
    RSA_SHA256 = [1, 2, 840, 113549, 1, 1, 11];
    RSA_SHA384 = [1, 2, 840, 113549, 1, 1, 12];
    RSA_SHA512 = [1, 2, 840, 113549, 1, 1, 13];
    RSA_SHA3_256 = [2, 16, 840, 1, 101, 3, 4, 3, 14];
    RSA_SHA3_384 = [2, 16, 840, 1, 101, 3, 4, 3, 15];
    RSA_SHA3_512 = [2, 16, 840, 1, 101, 3, 4, 3, 16];
    EC = [1, 2, 840, 10045, 2, 1];
    ECDSA_SHA1 = [1, 2, 840, 10045, 4, 1];
    ECDSA_SHA224 = [1, 2, 840, 10045, 4, 3, 1];
    ECDSA_SHA256 = [1, 2, 840, 10045, 4, 3, 2];
    ECDSA_SHA384 = [1, 2, 840, 10045, 4, 3, 3];
    ECDSA_SHA512 = [1, 2, 840, 10045, 4, 3, 4];
    ECDSA_SHA3_256 = [2, 16, 840, 1, 101, 3, 4, 3, 10];
    ECDSA_SHA3_384 = [2, 16, 840, 1, 101, 3, 4, 3, 11];
    ECDSA_SHA3_512 = [2, 16, 840, 1, 101, 3, 4, 3, 12];
    PLAIN_ECDSA_SHA256 = [0, 4, 0, 127, 0, 7, 1, 1, 4, 1, 3];
    ED25519 = [1, 3, 101, 112];
    SHA1 = [1, 3, 14, 3, 2, 26];
    SHA224 = [2, 16, 840, 1, 101, 3, 4, 2, 4];
    SHA256 = [2, 16, 840, 1, 101, 3, 4, 2, 1];
    SHA384 = [2, 16, 840, 1, 101, 3, 4, 2, 2];
    SHA512 = [2, 16, 840, 1, 101, 3, 4, 2, 3];
    SHA3_256 = [2, 16, 840, 1, 101, 3, 4, 2, 8];
    SHA3_384 = [2, 16, 840, 1, 101, 3, 4, 2, 9];
    SHA3_512 = [2, 16, 840, 1, 101, 3, 4, 2, 10];
    P256 = [1, 2, 840, 10045, 3, 1, 7];
    P384 = [1, 3, 132, 0, 34];
    P521 = [1, 3, 132, 0, 35];
    BRAINPOOL_P256R1 = [1, 3, 36, 3, 3, 2, 8, 1, 1, 7];
    BRAINPOOL_P384R1 = [1, 3, 36, 3, 3, 2, 8, 1, 1, 11];
    BRAINPOOL_P512R1 = [1, 3, 36, 3, 3, 2, 8, 1, 1, 13];
}

// Encryption: RFC 3370, 3565, 5084, 5753.
oids! {
    AES128_CBC = [2, 16, 840, 1, 101, 3, 4, 1, 2];
    AES192_CBC = [2, 16, 840, 1, 101, 3, 4, 1, 22];
    AES256_CBC = [2, 16, 840, 1, 101, 3, 4, 1, 42];
    DES_EDE3_CBC = [1, 2, 840, 113549, 3, 7];
    AES128_GCM = [2, 16, 840, 1, 101, 3, 4, 1, 6];
    AES192_GCM = [2, 16, 840, 1, 101, 3, 4, 1, 26];
    AES256_GCM = [2, 16, 840, 1, 101, 3, 4, 1, 46];
    AES128_WRAP = [2, 16, 840, 1, 101, 3, 4, 1, 5];
    AES192_WRAP = [2, 16, 840, 1, 101, 3, 4, 1, 25];
    AES256_WRAP = [2, 16, 840, 1, 101, 3, 4, 1, 45];
    ECDH_STD_SHA1 = [1, 3, 133, 16, 840, 63, 0, 2];
    ECDH_STD_SHA224 = [1, 3, 132, 1, 11, 0];
    ECDH_STD_SHA256 = [1, 3, 132, 1, 11, 1];
    ECDH_STD_SHA384 = [1, 3, 132, 1, 11, 2];
    ECDH_STD_SHA512 = [1, 3, 132, 1, 11, 3];
}

// Certificates: RFC 5280, 6960, EN 319 412, CommonPKI.
oids! {
    CN = [2, 5, 4, 3];
    SURNAME = [2, 5, 4, 4];
    SERIAL_NUMBER = [2, 5, 4, 5];
    COUNTRY = [2, 5, 4, 6];
    LOCALITY = [2, 5, 4, 7];
    STATE = [2, 5, 4, 8];
    ORGANISATION = [2, 5, 4, 10];
    UNIT = [2, 5, 4, 11];
    GIVEN_NAME = [2, 5, 4, 42];
    PSEUDONYM = [2, 5, 4, 65];
    ORGANISATION_ID = [2, 5, 4, 97];
    EMAIL = [1, 2, 840, 113549, 1, 9, 1];
    SUBJECT_KEY_ID = [2, 5, 29, 14];
    KEY_USAGE = [2, 5, 29, 15];
    SUBJECT_ALT_NAME = [2, 5, 29, 17];
    BASIC_CONSTRAINTS = [2, 5, 29, 19];
    CRL_NUMBER = [2, 5, 29, 20];
    CRL_REASON = [2, 5, 29, 21];
    DELTA_CRL = [2, 5, 29, 27];
    ISSUING_DISTRIBUTION_POINT = [2, 5, 29, 28];
    CERTIFICATE_ISSUER = [2, 5, 29, 29];
    NAME_CONSTRAINTS = [2, 5, 29, 30];
    CRL_DISTRIBUTION_POINTS = [2, 5, 29, 31];
    CERTIFICATE_POLICIES = [2, 5, 29, 32];
    POLICY_MAPPINGS = [2, 5, 29, 33];
    AUTHORITY_KEY_ID = [2, 5, 29, 35];
    POLICY_CONSTRAINTS = [2, 5, 29, 36];
    EXTENDED_KEY_USAGE = [2, 5, 29, 37];
    ANY_PURPOSE = [2, 5, 29, 37, 0];
    INHIBIT_ANY_POLICY = [2, 5, 29, 54];
    EXPIRED_CERTS_ON_CRL = [2, 5, 29, 60];
    AUTHORITY_INFO = [1, 3, 6, 1, 5, 5, 7, 1, 1];
    OCSP = [1, 3, 6, 1, 5, 5, 7, 48, 1];
    CA_ISSUERS = [1, 3, 6, 1, 5, 5, 7, 48, 2];
    OCSP_BASIC = [1, 3, 6, 1, 5, 5, 7, 48, 1, 1];
    OCSP_NO_CHECK = [1, 3, 6, 1, 5, 5, 7, 48, 1, 5];
    OCSP_ARCHIVE_CUTOFF = [1, 3, 6, 1, 5, 5, 7, 48, 1, 6];
    CLIENT_AUTH = [1, 3, 6, 1, 5, 5, 7, 3, 2];
    EMAIL_PROTECTION = [1, 3, 6, 1, 5, 5, 7, 3, 4];
    TIME_STAMPING = [1, 3, 6, 1, 5, 5, 7, 3, 8];
    OCSP_SIGNING = [1, 3, 6, 1, 5, 5, 7, 3, 9];
    DOCUMENT_SIGNING = [1, 3, 6, 1, 5, 5, 7, 3, 36];
    MICROSOFT_DOCUMENT_SIGNING = [1, 3, 6, 1, 4, 1, 311, 10, 3, 12];
    ADOBE_DOCUMENT_SIGNING = [1, 2, 840, 113583, 1, 1, 5];
    QC_STATEMENTS = [1, 3, 6, 1, 5, 5, 7, 1, 3];
    QC_COMPLIANCE = [0, 4, 0, 1862, 1, 1];
    QC_SSCD = [0, 4, 0, 1862, 1, 4];
    QC_TYPE = [0, 4, 0, 1862, 1, 6];
    QC_ESIGN = [0, 4, 0, 1862, 1, 6, 1];
    QC_ESEAL = [0, 4, 0, 1862, 1, 6, 2];
    QC_WEB = [0, 4, 0, 1862, 1, 6, 3];
    VALIDITY_MODEL = [1, 3, 6, 1, 4, 1, 8301, 3, 5];
    VALIDITY_MODEL_CHAIN = [1, 3, 6, 1, 4, 1, 8301, 3, 5, 1];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arcs_and_text_agree() {
        assert_eq!(SIGNED_DATA.to_string(), "1.2.840.113549.1.7.2");
        assert_eq!(ARCHIVE_TIME_STAMP_V3.to_string(), "0.4.0.1733.2.4");
        assert_eq!(SIGNED_DATA.as_bytes(), [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2]);
        assert_eq!(Oid::from_text("1.2.840.113549.1.7.2"), Ok(SIGNED_DATA));
        assert_eq!(SUBJECT_KEY_ID.to_string(), "2.5.29.14");
        assert!(Oid::from_text("1").is_err());
        assert!(Oid::from_content(&[0x80]).is_err());
    }
}
