// SPDX-License-Identifier: EUPL-1.2
//! German mail as authorities get it: citizens, lawyers, courts, companies, other authorities.
//!
//! Guarantees: the n-th letter of a seed is always the same; sizes are log-normal (median 80 KB, cut at a
//! maximum); every attachment is listed with the digest of its octets, so that whoever carried it can be
//! checked. Does not: hold any real person's data. What breaks the rules is a kind of its own, [`Malformed`],
//! and comes only when asked for.

pub mod compose;
pub mod files;
pub mod fixed;
pub mod malformed;
pub mod names;
pub mod protected;
pub mod words;

use poststelle_crypto::digest::{hex, sha256};
use poststelle_model::Timestamp;

pub use self::compose::{Coding, File, Naming, TextStyle};
pub use self::files::Shape;
pub use self::fixed::{Fixed, Huge, fixed, huge, many_parts};
pub use self::malformed::Malformed;
pub use self::protected::Protected;
pub use self::words::{Topic, Writer};
use crate::load::Shot;
use crate::seed::Seed;

/// Monday, 23 November 2026, 7:30 in Berlin: when the row of letters begins unless told otherwise.
pub const MORNING: Timestamp = Timestamp(1_795_415_400_000_000);

/// One attachment of a letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attached {
    /// Name as its sender meant it; empty = none.
    pub name: String,
    /// SHA-256 of its octets, hexadecimal.
    pub sha256: String,
    /// Octets.
    pub size: usize,
}

/// What kind of letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// As most are.
    Plain,
    /// With a mail inside.
    Nested,
    /// With names that break programs.
    Hostile,
    /// Without Date, Subject, Message-ID or From.
    Bare,
    /// Breaks the rules.
    Malformed(Malformed),
    /// The inspection has something to say about it.
    Protected(Protected),
}

/// One letter.
#[derive(Debug, Clone)]
pub struct Letter {
    /// Its number in the row, from 1.
    pub n: u64,
    /// Reverse path.
    pub from: String,
    /// Recipients of the envelope.
    pub to: Vec<String>,
    /// Subject as meant; empty = none.
    pub subject: String,
    /// Message-ID without brackets; empty = none.
    pub message_id: String,
    /// The mail.
    pub octets: Vec<u8>,
    /// Its attachments in order, those of a mail inside included.
    pub attachments: Vec<Attached>,
    /// What kind.
    pub kind: Kind,
    /// What it is about.
    pub topic: Topic,
    /// Who writes.
    pub writer: Writer,
}

impl Letter {
    /// SHA-256 of the mail, hexadecimal.
    #[must_use]
    pub fn sha256(&self) -> String {
        hex(&sha256(&self.octets))
    }

    /// Ready to be sent.
    #[must_use]
    pub fn shot(&self) -> Shot {
        let to: Vec<&str> = self.to.iter().map(String::as_str).collect();
        Shot::new(&self.from, &to, self.octets.clone())
    }
}

/// A wish for one letter; what is `None` is left to chance.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// What about.
    pub topic: Option<Topic>,
    /// This subject.
    pub subject: Option<String>,
    /// This sender: display name and address.
    pub from: Option<(String, String)>,
    /// About so many octets.
    pub size: Option<usize>,
    /// Marked urgent.
    pub urgent: bool,
    /// A mail inside.
    pub nested: bool,
    /// With every name that breaks programs: about 22 small attachments.
    pub hostile: bool,
}

/// A row of letters.
#[derive(Debug, Clone)]
pub struct Letters {
    chance: Seed,
    seed: u64,
    n: u64,
    at: Timestamp,
    median: f64,
    sigma: f64,
    max: usize,
}

impl Letters {
    /// A row; sizes up to 50 MB.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let max = 50 * 1024 * 1024;
        Self { chance: Seed::new(seed), seed, n: 0, at: MORNING, median: 80_000.0, sigma: 1.5, max }
    }

    /// With sizes cut at `octets`.
    #[must_use]
    pub const fn max_size(mut self, octets: usize) -> Self {
        self.max = octets;
        self
    }

    /// With dates from `at` on; each letter is a few seconds later than the one before.
    #[must_use]
    pub const fn starting(mut self, at: Timestamp) -> Self {
        self.at = at;
        self
    }

    /// The next letter, left to chance.
    pub fn next(&mut self, to: &[&str]) -> Letter {
        let dice = self.chance.below(100);
        match dice {
            0..=5 => self.hostile(to),
            6..=9 => self.wished(to, &Wish { nested: true, ..Wish::default() }),
            10 => self.bare(to),
            _ => self.wished(to, &Wish::default()),
        }
    }

    /// The next letter about `topic`.
    pub fn about(&mut self, topic: Topic, to: &[&str]) -> Letter {
        self.wished(to, &Wish { topic: Some(topic), ..Wish::default() })
    }

    /// The next letter as wished.
    pub fn wished(&mut self, to: &[&str], wish: &Wish) -> Letter {
        let mut letter = self.begin(to, wish);
        let size = wish.size.unwrap_or_else(|| self.size());
        let mut files = Vec::new();
        if wish.hostile {
            letter.kind = Kind::Hostile;
            files = self.hostile_files();
        } else if size > 6_000 {
            let count = usize::try_from(self.chance.between(1, 4)).unwrap_or(1);
            let mut left = size.saturating_sub(3_000) * 57 / 78;
            for i in (0..count).rev() {
                let share = if i == 0 { left } else { left / 2 };
                left -= share;
                let shape = *self.chance.pick(&Shape::ALL.each_ref()).unwrap_or(&Shape::Pdf);
                files.push(self.file(shape, share));
            }
        }
        let inner = wish.nested.then(|| {
            let short = Wish { size: Some(20_000), ..Wish::default() };
            self.wished(to, &short)
        });
        if inner.is_some() {
            letter.kind = Kind::Nested;
        }
        self.finish(&mut letter, &files, inner.as_ref(), wish.urgent);
        letter
    }

    /// The next letter with every name that breaks programs; about 22 small attachments.
    pub fn hostile(&mut self, to: &[&str]) -> Letter {
        self.wished(to, &Wish { hostile: true, ..Wish::default() })
    }

    fn hostile_files(&mut self) -> Vec<File> {
        names::hostile()
            .into_iter()
            .map(|(name, naming, shape)| {
                let size = usize::try_from(self.chance.between(40, 4_000)).unwrap_or(40);
                File { name, naming, ..self.file(shape, size) }
            })
            .collect()
    }

    /// The next letter without Date, Subject, Message-ID and From.
    pub fn bare(&mut self, to: &[&str]) -> Letter {
        let mut letter = self.begin(to, &Wish { topic: Some(Topic::Other), ..Wish::default() });
        letter.kind = Kind::Bare;
        letter.subject.clear();
        letter.message_id.clear();
        let text = words::text("", &mut self.chance);
        letter.octets = compose::text(&text, "plain", TextStyle::Utf8Quoted);
        letter
    }

    /// The next letter, broken in this way.
    pub fn malformed(&mut self, how: Malformed, to: &[&str]) -> Letter {
        let mut letter = self.begin(to, &Wish { topic: Some(Topic::Other), ..Wish::default() });
        letter.kind = Kind::Malformed(how);
        let first = to.first().copied().unwrap_or_default();
        letter.octets = how.make(&letter.from, first, &letter.message_id, &letter.subject, &mut self.chance);
        letter
    }

    /// The size of one letter.
    fn size(&mut self) -> usize {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let size = self.chance.log_normal(self.median, self.sigma).min(1e12) as u64;
        usize::try_from(size).unwrap_or(usize::MAX).min(self.max)
    }

    fn begin(&mut self, to: &[&str], wish: &Wish) -> Letter {
        self.n += 1;
        self.at = self.at.plus(std::time::Duration::from_secs(self.chance.between(2, 90)));
        let topic =
            wish.topic.unwrap_or_else(|| *self.chance.pick(&Topic::ALL.each_ref()).unwrap_or(&Topic::Other));
        let writer = match topic {
            Topic::Court => Writer::Court,
            Topic::Invoice => Writer::Company,
            Topic::Objection | Topic::Extension if self.chance.chance(50) => Writer::Lawyer,
            _ if self.chance.chance(10) => Writer::Authority,
            _ => Writer::Citizen,
        };
        let (_, from) = wish.from.clone().unwrap_or_else(|| words::person(writer, &mut self.chance));
        let subject = wish.subject.clone().unwrap_or_else(|| topic.subject(&mut self.chance));
        let domain = from.rsplit_once('@').map_or("buerger.example", |(_, d)| d).to_owned();
        Letter {
            n: self.n,
            message_id: format!("brief.{:x}.{}@{domain}", self.seed, self.n),
            from,
            to: to.iter().map(|t| (*t).to_owned()).collect(),
            subject,
            octets: Vec::new(),
            attachments: Vec::new(),
            kind: Kind::Plain,
            topic,
            writer,
        }
    }

    fn file(&mut self, shape: Shape, size: usize) -> File {
        let name = format!("{}.{}", names::ordinary(&mut self.chance), shape.extension());
        let coding = match shape {
            Shape::Text if self.chance.chance(50) => Coding::Quoted,
            _ => Coding::Base64,
        };
        let media_type = shape.media_type().to_owned();
        let naming = names::usual(&mut self.chance);
        File { name, naming, media_type, coding, octets: shape.make(size, &mut self.chance) }
    }

    /// Writes the mail.
    fn finish(&mut self, letter: &mut Letter, files: &[File], inner: Option<&Letter>, urgent: bool) {
        let chance = &mut self.chance;
        let name = letter.from.split('@').next().unwrap_or_default().replace('.', " ");
        let style = *chance.pick(&TextStyle::ALL.each_ref()).unwrap_or(&TextStyle::Utf8Quoted);
        let text = words::text(&name, chance);
        let plain = compose::text(&text, "plain", style);
        let boundary = format!("=_{:016x}", chance.number());
        let body = if chance.chance(40) {
            let html = format!("<html><body><p>{}</p></body></html>\n", text.replace('\n', "<br>\n"));
            let mut out = Vec::new();
            let html = compose::text(&html, "html", style);
            compose::multipart(&mut out, "alternative", &format!("{boundary}.a"), &[plain, html]);
            out
        } else {
            plain
        };
        let mut out = Vec::new();
        let date = self.at.in_berlin("%a, %d %b %Y %H:%M:%S %z");
        compose::field(
            &mut out,
            "Received",
            &format!("from [127.0.0.1] by ausgang.example with ESMTP; {date}"),
        );
        compose::field(&mut out, "Date", &date);
        compose::field(&mut out, "Message-ID", &format!("<{}>", letter.message_id));
        let (given, family) = (chance.word(&words::GIVEN), chance.word(&words::FAMILY));
        let shown = compose::words(&format!("{given} {family}"), ' ');
        compose::field(&mut out, "From", &format!("{shown} <{}>", letter.from));
        let to: Vec<String> = letter.to.iter().map(|t| format!("<{t}>")).collect();
        compose::field(&mut out, "To", &to.join(",\r\n "));
        let subject = match compose::latin_word(&letter.subject) {
            Some(word) if chance.chance(20) && !letter.subject.is_ascii() => word,
            _ => compose::words(&letter.subject, ' '),
        };
        compose::field(&mut out, "Subject", &subject);
        if urgent {
            compose::field(&mut out, "Importance", "high");
        }
        compose::field(&mut out, "MIME-Version", "1.0");
        if files.is_empty() && inner.is_none() {
            out.extend_from_slice(&body);
        } else {
            let mut parts = vec![body];
            for file in files {
                let mut part = Vec::new();
                file.write(&mut part);
                parts.push(part);
                letter.attachments.push(Attached {
                    name: file.name.clone(),
                    sha256: hex(&sha256(&file.octets)),
                    size: file.octets.len(),
                });
            }
            if let Some(inner) = inner {
                let mut part =
                    b"Content-Type: message/rfc822\r\nContent-Disposition: attachment\r\n\r\n".to_vec();
                part.extend_from_slice(&inner.octets);
                parts.push(part);
                letter.attachments.extend(inner.attachments.iter().cloned());
            }
            compose::multipart(&mut out, "mixed", &boundary, &parts);
        }
        letter.octets = out;
    }
}

#[cfg(test)]
mod tests;
