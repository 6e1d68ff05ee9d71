// SPDX-License-Identifier: EUPL-1.2
//! Signatures on parts and in files, and what is encrypted: S/MIME (RFC 8551), detached signatures beside their file,
//! CMS, PDF and XML files.
//!
//! Guarantees: a broken signature is a verdict on the sheet; what is encrypted is opened as one object and read only
//! when that succeeded, never piece by piece (EFAIL); nothing is fetched. Does not: look into files above
//! [`crate::Caps::whole_bytes`], but for detached signatures, whose content streams.

use std::sync::Arc;

use futures::StreamExt;
use poststelle_crypto::cms;
use poststelle_crypto::error::CryptoError;
use poststelle_crypto::signature::algorithm::Hash;
use poststelle_crypto::signature::cms::Detached;
use poststelle_crypto::signature::setting::{Setting, Trust};
use poststelle_crypto::signature::{self, Judgement, UnixTime};
use poststelle_model::{Finding, Part};

use crate::caps::Caps;
use crate::octets::Spool;
use crate::sheet::{CheckKind, Note, PartLine};
use crate::station::{Octets, SourceError, Walk};
use crate::{asic, codes};

/// Everything a verdict depends on besides the octets.
#[derive(Clone)]
struct Judge {
    trust: Arc<Trust>,
    received: UnixTime,
    now: UnixTime,
}

impl Judge {
    fn setting(&self) -> Setting<'_> {
        Setting { trust: &self.trust, received: self.received, now: self.now, known: &[] }
    }
}

/// Judges all signatures in a file.
type Verify = fn(&[u8], &Caps, &Setting<'_>) -> (Judgement, Vec<Note>);

/// What a CMS object turned out to be.
enum Message {
    /// Encrypted, and opened.
    Opened(cms::Opened),
    /// Encrypted, and not opened.
    Closed(Note),
    /// Signed, with its content if that is inside.
    Signed(Judgement, Option<Vec<u8>>),
}

/// Media types and endings of CMS objects.
fn is_cms(line: &PartLine) -> bool {
    let kind = |t: &str| matches!(t, "application/pkcs7-mime" | "application/x-pkcs7-mime");
    let name = line.name.to_ascii_lowercase();
    kind(&line.declared) || kind(&line.detected) || name.ends_with(".p7m")
}

/// Is this a detached signature?
fn is_detached(declared: &str, name: &str) -> bool {
    matches!(declared, "application/pkcs7-signature" | "application/x-pkcs7-signature")
        || name.to_ascii_lowercase().ends_with(".p7s")
}

/// Does it begin like a MIME entity (RFC 2045 §3): a header that speaks of its content?
fn is_entity(octets: &[u8]) -> bool {
    let head = octets.get(..octets.len().min(2048)).unwrap_or_default().to_ascii_lowercase();
    let at_line =
        |w: &[u8]| head.starts_with(w) || head.windows(w.len() + 1).any(|l| l[0] == b'\n' && &l[1..] == w);
    at_line(b"content-type:") || at_line(b"mime-version:")
}

impl Walk<'_> {
    fn judge(&self) -> Judge {
        Judge {
            trust: Arc::clone(&self.station.trust),
            received: self.subject.accepted_at.0.div_euclid(1_000_000),
            now: self.at.0.div_euclid(1_000_000),
        }
    }

    /// Signatures in a part, and what is encrypted in it.
    pub(crate) async fn verify(
        &mut self,
        line: &mut PartLine,
        part: &Part,
        spool: &Spool,
    ) -> Result<(), SourceError> {
        if let Some(reports) = self.pending.remove(&part.n) {
            line.signatures.extend(reports);
            line.checks.push(self.check(CheckKind::Signature, Note::new("ok")));
            return Ok(());
        }
        // Judged with the file it lies beside, once all are there.
        if is_detached(&line.declared, &line.name) {
            return Ok(());
        }
        if !is_cms(line) {
            self.verify_file(line, spool).await;
            return Ok(());
        }
        let Some(octets) = self.whole_of(line, spool)? else { return Ok(()) };
        let (judge, keys) = (self.judge(), self.source.keys());
        let said = self.opened_before(&line.path);
        let read = tokio::task::spawn_blocking(move || {
            if let Some(note) = said.filter(|_| cms::recipients(&octets).is_ok()) {
                return Message::Closed(note);
            }
            if cms::recipients(&octets).is_ok() {
                let keys: Vec<_> = keys.iter().map(AsRef::as_ref).collect();
                return match cms::decrypt(&octets, &keys) {
                    Ok(opened) => Message::Opened(opened),
                    Err(error) => Message::Closed(closed(&error)),
                };
            }
            let judgement = signature::cms::verify(&octets, Detached::None, &judge.setting());
            Message::Signed(judgement, cms::content(&octets).ok().flatten())
        });
        let won = match read.await {
            Err(_) => {
                line.checks.push(self.check(CheckKind::Signature, Note::new(codes::UNPACK_CRASHED)));
                return Ok(());
            }
            Ok(Message::Closed(note)) => {
                self.remember_closed(&line.path, &note);
                self.lacks_key |= note.code == "decrypt-no-key";
                line.checks.push(self.check(CheckKind::Decrypt, note));
                return Ok(());
            }
            Ok(Message::Opened(opened)) => {
                let certificate = opened.certificate.facts();
                if !opened.authenticated {
                    line.notes.push(Note::new("decrypt-unauthenticated").with("cipher", opened.cipher));
                }
                if certificate.not_after < self.judge().received {
                    line.notes.push(Note::new("decrypt-expired-key").with("name", &certificate.name));
                }
                let done =
                    Note::new("decrypted").with("name", certificate.name).with("cipher", opened.cipher);
                line.notes.push(done);
                line.checks.push(self.check(CheckKind::Decrypt, Note::new("ok")));
                Some(opened.content)
            }
            Ok(Message::Signed(judgement, content)) => {
                line.signatures.extend(judgement.reports);
                line.checks.push(self.check(CheckKind::Signature, Note::new("ok")));
                content
            }
        };
        let signed = !line.signatures.is_empty();
        let below: Vec<i64> = self.won_from(part);
        if signed {
            self.covered.extend(below.iter().map(|n| (*n, line.path.clone())));
        }
        let Some(content) = won.filter(|_| below.is_empty()) else { return Ok(()) };
        let level = self.levels.get(&part.n).copied().unwrap_or(0) + 1;
        if level > self.station.caps.depth {
            let note = Note::new(codes::CAP_DEPTH).with("cap", self.station.caps.depth);
            line.checks.push(self.check(CheckKind::Unpack, note));
            return Ok(());
        }
        let inner = Spool::of(&self.station.folder, &content)?;
        if is_entity(&content) {
            let first = self.parts.iter().map(|p| p.n).max().unwrap_or(0) + 1;
            let parts = self.source.derive(part, &inner, first).await?;
            for won in parts {
                self.levels.insert(won.n, level);
                if signed {
                    self.covered.insert(won.n, line.path.clone());
                }
                self.parts.push(won.clone());
                self.won.push(won);
            }
            self.body = self.source.body(&self.parts);
        } else {
            line.notes.push(Note::new("signed-content").with("kind", inner.detected()));
        }
        Ok(())
    }

    /// Parts that were won from this one before, those inside them included.
    fn won_from(&self, part: &Part) -> Vec<i64> {
        let mut below: Vec<i64> = Vec::new();
        for p in self.parts.iter().filter(|p| p.blob.is_some() && p.blob != part.blob) {
            if p.parent == part.n || below.contains(&p.parent) {
                below.push(p.n);
            }
        }
        below
    }

    /// Why something encrypted stayed closed at this very inspection: keys come and go, the sheet stays.
    fn opened_before(&self, path: &str) -> Option<Note> {
        let finding = self.findings.get(&format!("{}/open/{path}", self.subject.version))?;
        serde_json::from_str(&finding.body).ok()
    }

    fn remember_closed(&mut self, path: &str, note: &Note) {
        self.findings.keep(Finding {
            name: format!("{}/open/{path}", self.subject.version),
            source: "keys".to_owned(),
            version: String::new(),
            body: serde_json::to_string(note).unwrap_or_default(),
            at: self.clock.now(),
        });
    }

    /// Signatures inside a file.
    pub(crate) async fn verify_file(&self, line: &mut PartLine, spool: &Spool) {
        let kind = if line.detected.is_empty() { line.declared.as_str() } else { line.detected.as_str() };
        let (judge, caps) = (self.judge(), self.station.caps.clone());
        let verify: Verify = match kind {
            "application/pdf" => |octets, _, setting| (signature::pdf::verify(octets, setting), Vec::new()),
            "application/xml" | "text/xml" => {
                |octets, _, setting| (signature::xml::verify(octets, &|_| None, setting), Vec::new())
            }
            "application/vnd.etsi.asic-e+zip" | "application/vnd.etsi.asic-s+zip" => {
                |octets, caps, setting| {
                    asic::verify(octets, caps, setting).map(|a| (a.judgement, a.notes)).unwrap_or_default()
                }
            }
            _ if is_cms(line) => {
                |octets, _, setting| (signature::cms::verify(octets, Detached::None, setting), Vec::new())
            }
            _ => return,
        };
        let Ok(Some(octets)) = self.whole_of(line, spool) else { return };
        let judged = tokio::task::spawn_blocking(move || verify(&octets, &caps, &judge.setting())).await;
        let Ok((judgement, notes)) = judged else {
            line.checks.push(self.check(CheckKind::Signature, Note::new(codes::UNPACK_CRASHED)));
            return;
        };
        line.notes.extend(notes);
        if !judgement.reports.is_empty() {
            line.signatures.extend(judgement.reports);
            line.checks.push(self.check(CheckKind::Signature, Note::new("ok")));
        }
    }

    /// All octets, below the cap; above it the line says so.
    fn whole_of(&self, line: &mut PartLine, spool: &Spool) -> Result<Option<Vec<u8>>, SourceError> {
        let cap = self.station.caps.whole_bytes;
        let octets = spool.whole(cap)?;
        if octets.is_none() {
            let note = Note::new(codes::CAP_WHOLE).with("cap", cap);
            line.checks.push(self.check(CheckKind::Signature, note));
        }
        Ok(octets)
    }

    /// `multipart/signed`: the signature is judged over its first child; it stands on the line of the second.
    pub(crate) async fn signed(&mut self, part: &Part) -> Result<(), SourceError> {
        let children: Vec<Part> = self.parts.iter().filter(|p| p.parent == part.n).cloned().collect();
        let [content, seal] = children.as_slice() else { return Ok(()) };
        if !is_detached(&seal.declared, &seal.name) || content.header < 0 {
            return Ok(());
        }
        let octets = self.source.entity(content).await?;
        let seal_octets = self.source.part(seal).await?;
        let reports = self.over(octets, seal_octets, true).await?;
        let under = format!("{}.", content.path);
        for p in self.parts.iter().filter(|p| p.n == content.n || p.path.starts_with(&under)) {
            self.covered.insert(p.n, seal.path.clone());
        }
        self.pending.insert(seal.n, reports);
        Ok(())
    }

    /// Signatures that lie beside the file they sign: `Antrag.pdf.p7s` beside `Antrag.pdf`.
    pub(crate) async fn beside(&mut self) -> Result<(), SourceError> {
        let seals: Vec<Part> = self
            .parts
            .iter()
            .filter(|p| p.leaf && is_detached(&p.declared, &p.name) && !self.subject.suspects.contains(&p.n))
            .cloned()
            .collect();
        for seal in seals {
            let there = self.lines.iter().any(|l| l.part == Some(seal.n) && !l.signatures.is_empty());
            if there {
                continue;
            }
            let lower = seal.name.to_lowercase();
            let stem = lower.strip_suffix(".p7s").unwrap_or(&lower);
            let beside = |p: &&Part| p.leaf && p.n != seal.n && p.parent == seal.parent;
            let of = self.parts.iter().filter(beside).find(|p| p.name.to_lowercase() == stem).cloned();
            let octets = match &of {
                Some(of) => self.source.part(of).await?,
                None => futures::stream::empty().boxed(),
            };
            let seal_octets = self.source.part(&seal).await?;
            let reports = self.over(octets, seal_octets, of.is_some()).await?;
            let check = self.check(CheckKind::Signature, Note::new("ok"));
            if let Some(line) = self.lines.iter_mut().find(|l| l.part == Some(seal.n)) {
                line.signatures = reports;
                line.checks.push(check);
                crate::conclusion::judge(line, line.verdict == crate::sheet::PartVerdict::Held);
            }
            let of = of.map(|of| of.n);
            if let Some(line) = self.lines.iter_mut().find(|l| of.is_some() && l.part == of) {
                line.signed_by.push(seal.path.clone());
            }
        }
        Ok(())
    }

    /// Judges a detached signature over octets that stream by; without them the content must be inside.
    async fn over(
        &self,
        mut octets: Octets,
        seal: Octets,
        there: bool,
    ) -> Result<Vec<signature::Report>, SourceError> {
        let cap = self.station.caps.whole_bytes;
        let Some(seal) = self.spool(seal).await?.whole(cap)? else { return Ok(Vec::new()) };
        let needed: Vec<Hash> = signature::cms::digests_needed(&seal);
        let mut hashers: Vec<_> = needed.iter().map(|h| (*h, h.hasher())).collect();
        while let Some(piece) = octets.next().await {
            let piece = piece?;
            hashers.iter_mut().for_each(|(_, h)| h.update(&piece));
        }
        let digests: Vec<(Hash, Vec<u8>)> =
            hashers.into_iter().map(|(h, hasher)| (h, hasher.finish())).collect();
        let judge = self.judge();
        let judged = tokio::task::spawn_blocking(move || {
            let content = if there { Detached::Digests(&digests) } else { Detached::None };
            signature::cms::verify(&seal, content, &judge.setting())
        });
        Ok(judged.await.map(|j| j.reports).unwrap_or_default())
    }
}

/// Why something encrypted stayed closed.
fn closed(error: &CryptoError) -> Note {
    match error {
        CryptoError::NoRecipient { recipients } => {
            Note::new("decrypt-no-key").with("recipients", recipients.join("; "))
        }
        CryptoError::CipherUnknown { .. } => Note::new("decrypt-cipher").with("detail", error),
        CryptoError::Undecryptable => Note::new("decrypt-damaged"),
        other => Note::new("decrypt-failed").with("detail", other),
    }
}
