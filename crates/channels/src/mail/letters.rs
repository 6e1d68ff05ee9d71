// SPDX-License-Identifier: EUPL-1.2
//! Letters of people as mail (RFC 5322).
//!
//! Guarantees: what comes out of [`MailLetters::recipients`] can stand in an envelope and in a header; nothing typed
//! begins a field of its own. Not here: groups, quoted local parts with blanks, addresses with umlauts (SMTPUTF8).

use std::io::{Error, Write};

use poststelle_hub::letters::{Correspondent, Letter, Letters};
use poststelle_mail::build::{Attachment, Composer};
use poststelle_mail::mime::Mailbox;
use poststelle_mail::name::safe_file_name;
use poststelle_mail::smtp::Address;

/// Writes letters with Message-IDs of a domain.
#[derive(Debug, Clone)]
pub struct MailLetters {
    /// Domain of the house.
    pub domain: String,
}

/// Longest Message-ID that is named, octets.
const ID_CAP: usize = 250;

fn mailbox(of: Correspondent) -> Mailbox {
    Mailbox { name: Some(of.name).filter(|n| !n.is_empty()), address: of.address }
}

/// Splits at commas, semicolons and line ends that stand neither in quotes nor in angle brackets.
fn split(text: &str) -> Vec<&str> {
    let (mut pieces, mut start, mut quoted, mut inside) = (Vec::new(), 0, false, false);
    for (i, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '<' if !quoted => inside = true,
            '>' if !quoted => inside = false,
            '\n' | '\r' => (quoted, inside) = (false, false),
            _ => {}
        }
        if matches!(c, '\n' | '\r') || matches!(c, ',' | ';') && !quoted && !inside {
            pieces.extend(text.get(start..i));
            start = i + c.len_utf8();
        }
    }
    pieces.extend(text.get(start..));
    pieces.into_iter().map(str::trim).filter(|p| !p.is_empty()).collect()
}

/// `Name <address>` or an address alone.
fn one(piece: &str) -> Option<Correspondent> {
    let (name, address) = match piece.strip_suffix('>').and_then(|p| p.rsplit_once('<')) {
        Some((name, address)) => (name.trim().trim_matches('"').trim(), address.trim()),
        None => ("", piece),
    };
    let parsed = Address::parse(address).ok()?;
    let plain = address.bytes().all(|b| b.is_ascii_graphic() && !b"<>,;\"[]".contains(&b));
    let has_host = parsed.domain().split('.').count() > 1;
    let good = plain && has_host && !name.chars().any(|c| c.is_control() || matches!(c, '<' | '>'));
    good.then(|| Correspondent { name: name.to_owned(), address: address.to_owned() })
}

impl Letters for MailLetters {
    fn recipients(&self, text: &str) -> Result<Vec<Correspondent>, String> {
        let mut found: Vec<Correspondent> = Vec::new();
        for piece in split(text) {
            let next = one(piece).ok_or_else(|| piece.to_owned())?;
            if !found.iter().any(|f| f.address.eq_ignore_ascii_case(&next.address)) {
                found.push(next);
            }
        }
        Ok(found)
    }

    fn is_message_id(&self, id: &str) -> bool {
        (1..=ID_CAP).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic() && !b"<>".contains(&b))
    }

    fn file_name(&self, name: &str, media_type: &str) -> String {
        safe_file_name(Some(name).filter(|n| !n.trim().is_empty()), media_type, 1)
    }

    fn write(&self, letter: Letter, mut out: &mut dyn Write) -> std::io::Result<()> {
        let id = format!("{}@{}", letter.id, self.domain);
        let mut thread = letter.thread;
        let last = if letter.answers { thread.pop() } else { None };
        let mut composer = Composer::new(mailbox(letter.from), id, letter.at.0 / 1_000_000)
            .subject(letter.subject)
            .text(letter.text)
            .references(thread);
        for to in letter.to {
            composer = composer.to(mailbox(to));
        }
        for copy in letter.copies {
            composer = composer.cc(mailbox(copy));
        }
        if let Some(last) = last {
            composer = composer.in_reply_to(last);
        }
        for e in letter.enclosures {
            composer = composer.attach(Attachment::reader(e.name, e.media_type, e.octets));
        }
        composer.write_to(&mut out).map(|_| ()).map_err(Error::other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letters() -> MailLetters {
        MailLetters { domain: "hub.example".to_owned() }
    }

    #[test]
    fn recipients_as_people_type_them() {
        let found = letters()
            .recipients(
                "\"Erfunden, Erna\" <erna@aussen.example>; otto@aussen.example,\r\n ERNA@aussen.example",
            )
            .unwrap();
        let shown: Vec<_> = found.iter().map(|c| (c.name.as_str(), c.address.as_str())).collect();
        assert_eq!(shown, [("Erfunden, Erna", "erna@aussen.example"), ("", "otto@aussen.example")]);
        assert_eq!(letters().recipients(" ;, \n").unwrap(), []);
    }

    #[test]
    fn what_is_no_address_is_named() {
        for bad in [
            "erna",
            "erna@",
            "@aussen.example",
            "erna@localhost",
            "erna @aussen.example",
            "erna@aussen.example>",
            "<erna@aussen.example> Bcc: x",
            "a\u{0}b@aussen.example",
            "Erna\tX <erna@aussen.example\u{7f}>",
            "m\u{fc}ller@aussen.example",
            "erna@[192.0.2.1]",
        ] {
            let text = format!("otto@aussen.example; {bad}");
            assert_eq!(letters().recipients(&text).unwrap_err(), bad.trim(), "{bad:?}");
        }
        // A line end begins a new recipient, never a header.
        let error = letters().recipients("erna@aussen.example\r\nBcc: otto@aussen.example").unwrap_err();
        assert_eq!(error, "Bcc: otto@aussen.example");
    }

    #[test]
    fn the_same_letter_is_the_same_octets_and_names_its_thread() {
        let letter = |answers| Letter {
            id: "0190".to_owned(),
            at: poststelle_model::Timestamp(1_772_438_400_000_000),
            from: Correspondent {
                name: "Gemeinde Adorf".to_owned(),
                address: "post@adorf.example".to_owned(),
            },
            to: letters().recipients("Erna <erna@aussen.example>").unwrap(),
            copies: letters().recipients("otto@aussen.example").unwrap(),
            subject: "AW: Hecke\r\nBcc: x@y.example".to_owned(),
            text: "Guten Tag".to_owned(),
            thread: vec!["a@b.example".to_owned(), "c@d.example".to_owned()],
            answers,
            enclosures: Vec::new(),
        };
        let write = |answers| {
            let mut out = Vec::new();
            letters().write(letter(answers), &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let text = write(true);
        assert_eq!(text, write(true));
        assert!(text.contains("\r\nIn-Reply-To: <c@d.example>\r\n"), "{text}");
        assert!(text.contains("\r\nReferences: <a@b.example> <c@d.example>\r\n"), "{text}");
        assert!(
            text.contains("\r\nMessage-ID: <0190@hub.example>\r\n") && !text.contains("\r\nBcc"),
            "{text}"
        );
        let forward = write(false);
        assert!(
            !forward.contains("In-Reply-To") && forward.contains("References: <a@b.example> <c@d.example>")
        );
    }
}
