// SPDX-License-Identifier: EUPL-1.2
//! Mail the inspection has something to say about: signed, encrypted, changed on the way, infected, or not to be unpacked.
//!
//! Guarantees: contents follow from the seed like those of all letters; signatures and what is encrypted are made anew each
//! time (S/MIME, RFC 8551). The only malware is the EICAR test file, which does nothing.

use poststelle_crypto::error::CryptoError;
use poststelle_crypto::signature::Indication;
use poststelle_inspect::Sheet;
use poststelle_inspect::sheet::{Assurance, Completeness, Danger};

use super::compose::{self, Coding, File, Naming, TextStyle};
use super::files::{self, Shape};
use super::{Attached, Kind, Letter, Letters, Topic, Wish, hex, sha256};
use crate::pki::{CITIZEN, Pki};
use crate::scanner;

/// What is special about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protected {
    /// Signed, and the signature holds.
    Signed,
    /// Encrypted for the authority, signed inside.
    Encrypted,
    /// Signed, then changed on the way.
    Altered,
    /// With the EICAR file beside a harmless one.
    Eicar,
    /// With a small ZIP that unpacks to far more than is permitted.
    Bomb,
    /// With a ZIP that was cut off.
    BrokenZip,
}

impl Protected {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Signed, Self::Encrypted, Self::Altered, Self::Eicar, Self::Bomb, Self::BrokenZip];

    const fn subject(self) -> &'static str {
        match self {
            Self::Signed => "Einwendung mit elektronischer Unterschrift",
            Self::Encrypted => "Vertraulich: Unterlagen zu meinem Wohngeld",
            Self::Altered => "Kündigung meines Pachtvertrags",
            Self::Eicar => "Unterlagen zum Gartengrundstück",
            Self::Bomb => "Messwerte der Wetterstation",
            Self::BrokenZip => "Fotos vom Wasserschaden",
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Signed => {
                "anbei meine Einwendung zum Bebauungsplan. Ich habe sie elektronisch unterschrieben."
            }
            Self::Encrypted => {
                "anbei die Nachweise über mein Einkommen. Bitte behandeln Sie sie vertraulich."
            }
            Self::Altered => "ich kündige den Pachtvertrag für den Garten 12 zum 31.12.2026.",
            Self::Eicar => "anbei der Lageplan und eine zweite Datei, die ich selbst nicht öffnen konnte.",
            Self::Bomb => "anbei die Messwerte eines ganzen Jahres, gepackt.",
            Self::BrokenZip => "anbei die Fotos. Beim Packen ist mir das Programm abgestürzt.",
        }
    }

    /// Does the sheet say what is true about such a letter, in a house that trusts the root, has the key, and scans?
    #[must_use]
    pub fn is_seen(self, sheet: &Sheet) -> bool {
        let conclusion = &sheet.conclusion;
        let verdict = |wanted| {
            let mut all = sheet.parts.iter().flat_map(|p| &p.signatures);
            all.any(|s| s.verdict.indication == wanted)
        };
        let signed = conclusion.sender.assurance == Assurance::Signed && verdict(Indication::TotalPassed);
        let unreadable = conclusion.completeness == Completeness::Unreadable;
        match self {
            Self::Signed => signed && conclusion.completeness == Completeness::Complete,
            Self::Encrypted => {
                let mut notes = sheet.parts.iter().flat_map(|p| &p.notes);
                signed && notes.any(|n| n.code == "decrypted")
            }
            Self::Altered => {
                conclusion.sender.assurance == Assurance::Claimed && verdict(Indication::TotalFailed)
            }
            Self::Eicar => {
                conclusion.danger == Danger::Infected && conclusion.completeness == Completeness::Held
            }
            // Nothing was found, but not everything was seen: that is no "clean".
            Self::Bomb | Self::BrokenZip => unreadable && conclusion.danger == Danger::Suspicious,
        }
    }
}

impl Letters {
    /// The next letter, of this kind.
    ///
    /// # Errors
    /// When the PKI cannot sign or encrypt.
    pub fn protected(&mut self, how: Protected, to: &[&str], pki: &Pki) -> Result<Letter, CryptoError> {
        let wish = Wish {
            topic: Some(Topic::Other),
            subject: Some(how.subject().to_owned()),
            from: Some((CITIZEN.0.to_owned(), CITIZEN.1.to_owned())),
            ..Wish::default()
        };
        let mut letter = self.begin(to, &wish);
        letter.kind = Kind::Protected(how);
        let files = self.protected_files(how);
        letter.attachments = files.iter().map(attached).collect();
        let entity = self.entity(how, &files);
        let content = match how {
            Protected::Signed => self.signed(&entity, &entity, pki)?,
            Protected::Altered => {
                let changed = super::malformed::replace(&entity, b"31.12.2026", b"31.12.2036");
                self.signed(&entity, &changed, pki)?
            }
            Protected::Encrypted => {
                let sealed = pki.encrypt(&self.signed(&entity, &entity, pki)?)?;
                let kind = "application/pkcs7-mime;\r\n smime-type=authEnveloped-data";
                let mut out = Vec::new();
                file("smime.p7m", kind, sealed).write(&mut out);
                out
            }
            Protected::Eicar | Protected::Bomb | Protected::BrokenZip => entity,
        };
        let mut out = Vec::new();
        compose::field(&mut out, "Date", &self.at.in_berlin("%a, %d %b %Y %H:%M:%S %z"));
        compose::field(&mut out, "Message-ID", &format!("<{}>", letter.message_id));
        compose::field(&mut out, "From", &format!("{} <{}>", CITIZEN.0, CITIZEN.1));
        let to: Vec<String> = letter.to.iter().map(|t| format!("<{t}>")).collect();
        compose::field(&mut out, "To", &to.join(",\r\n "));
        compose::field(&mut out, "Subject", &compose::words(&letter.subject, ' '));
        compose::field(&mut out, "MIME-Version", "1.0");
        out.extend_from_slice(&content);
        letter.octets = out;
        Ok(letter)
    }

    fn protected_files(&mut self, how: Protected) -> Vec<File> {
        let chance = &mut self.chance;
        let pdf = |name: &str, octets| file(name, "application/pdf", octets);
        let zip = |name: &str, octets| file(name, "application/zip", octets);
        match how {
            Protected::Signed => vec![pdf("Einwendung.pdf", Shape::Pdf.make(30_000, chance))],
            Protected::Encrypted => {
                let months = [
                    ("Lohn Oktober.txt", Shape::Text.make(2_000, chance)),
                    ("Lohn November.txt", Shape::Text.make(2_000, chance)),
                ];
                vec![
                    pdf("Mietvertrag.pdf", Shape::Pdf.make(20_000, chance)),
                    zip("Nachweise.zip", files::zip(&months)),
                ]
            }
            Protected::Altered => Vec::new(),
            Protected::Eicar => vec![
                pdf("Lageplan.pdf", Shape::Pdf.make(25_000, chance)),
                file("Datei ohne Namen.com", "application/octet-stream", scanner::eicar()),
            ],
            Protected::Bomb => vec![zip("Messwerte.zip", files::zip_zeros("Messwerte.csv", 8 * 1024 * 1024))],
            Protected::BrokenZip => {
                let mut photos = files::zip(&[
                    ("Keller.jpg", Shape::Jpeg.make(20_000, chance)),
                    ("Treppe.jpg", Shape::Jpeg.make(20_000, chance)),
                ]);
                photos.truncate(photos.len() * 3 / 5);
                vec![zip("Fotos.zip", photos)]
            }
        }
    }

    /// Text and files as one MIME entity.
    fn entity(&mut self, how: Protected, files: &[File]) -> Vec<u8> {
        let text = format!("Guten Tag,\n\n{}\n\nMit freundlichen Grüßen\n{}\n", how.text(), CITIZEN.0);
        let mut parts = vec![compose::text(&text, "plain", TextStyle::Utf8Quoted)];
        if files.is_empty() {
            return parts.swap_remove(0);
        }
        for file in files {
            let mut part = Vec::new();
            file.write(&mut part);
            parts.push(part);
        }
        let mut out = Vec::new();
        compose::multipart(&mut out, "mixed", &format!("=_{:016x}", self.chance.number()), &parts);
        out
    }

    /// `multipart/signed`: the signature is over `entity`, what goes along is `sent`.
    fn signed(&mut self, entity: &[u8], sent: &[u8], pki: &Pki) -> Result<Vec<u8>, CryptoError> {
        let mut seal = Vec::new();
        let kind = "application/pkcs7-signature";
        file("smime.p7s", kind, pki.sign(entity, self.at)?).write(&mut seal);
        let subtype = format!("signed;\r\n protocol=\"{kind}\"; micalg=sha-256");
        let mut out = Vec::new();
        let boundary = format!("=_{:016x}", self.chance.number());
        compose::multipart(&mut out, &subtype, &boundary, &[sent.to_vec(), seal]);
        Ok(out)
    }
}

fn file(name: &str, media_type: &str, octets: Vec<u8>) -> File {
    File {
        name: name.to_owned(),
        naming: Naming::Quoted,
        media_type: media_type.to_owned(),
        coding: Coding::Base64,
        octets,
    }
}

fn attached(file: &File) -> Attached {
    Attached { name: file.name.clone(), sha256: hex(&sha256(&file.octets)), size: file.octets.len() }
}
