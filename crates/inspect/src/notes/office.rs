// SPDX-License-Identifier: EUPL-1.2
//! What is to be noticed in OOXML (ECMA-376) and ODF (ISO/IEC 26300) documents.
//!
//! Guarantees: members go through the one counted reader of [`crate::unpack`], XML as a stream; nothing is resolved.
//! Does not: find what hides in members above [`XML_BYTES`].

use std::io::{BufReader, Read};
use std::time::Duration;

use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

use crate::caps::Caps;
use crate::codes;
use crate::octets::Spool;
use crate::sheet::Note;
use crate::unpack::{Budget, Container, Kind, unpack};

/// Octets of one XML member that are looked at.
const XML_BYTES: u64 = 16 * 1024 * 1024;

/// Notes about a ZIP file: password protection, and for documents what lies in them.
pub(super) fn look(spool: &Spool, is_document: bool, caps: &Caps, notes: &mut Vec<Note>) {
    let mut seen = Seen::default();
    let mut encrypted = false;
    // No clock: the octets and members are bounded.
    let mut budget = Budget::new(caps, || Duration::ZERO);
    let container = Container { spool, kind: Kind::Zip, name: "", depth: 1 };
    let outcome = unpack(container, caps, &mut budget, &mut |member, content| {
        encrypted |= content.failure().is_some_and(|f| f.code == codes::MEMBER_ENCRYPTED);
        if is_document && content.failure().is_none() {
            seen.member(&member.raw.to_lowercase().replace('\\', "/"), content);
        }
        Ok(())
    });
    let mut say = |when: bool, code: &str| {
        if when {
            notes.push(Note::new(code));
        }
    };
    say(
        encrypted || seen.encrypted,
        if is_document { codes::OFFICE_ENCRYPTED } else { codes::ZIP_ENCRYPTED },
    );
    say(seen.macros, codes::OFFICE_MACROS);
    say(seen.object, codes::OFFICE_OBJECT);
    say(seen.dde, codes::OFFICE_DDE);
    if let Some(target) = seen.template {
        notes.push(Note::new(codes::OFFICE_TEMPLATE).with("target", target));
    }
    if let Some(target) = seen.external {
        notes.push(Note::new(codes::OFFICE_EXTERNAL).with("target", target));
    }
    // Containers proper are opened by the station, which hears this itself.
    if is_document && let Ok(outcome) = outcome {
        notes.extend(outcome.notes);
    }
}

#[derive(Default)]
struct Seen {
    macros: bool,
    object: bool,
    dde: bool,
    encrypted: bool,
    template: Option<String>,
    external: Option<String>,
}

impl Seen {
    fn member(&mut self, path: &str, content: &mut dyn Read) {
        let name = path.rsplit('/').next().unwrap_or(path);
        // Excel 4.0 macros are sheets of their own; ODF keeps programs in folders.
        self.macros |= name == "vbaproject.bin"
            || path.contains("/macrosheets/")
            || path.starts_with("basic/") && !name.ends_with("-lc.xml")
            || path.starts_with("scripts/");
        self.object |= path.contains("/embeddings/oleobject") || path.contains("/activex/");
        let xml = name.ends_with(".xml") || name.ends_with(".rels");
        if xml && (name.ends_with(".rels") || is_told_by_content(path)) {
            self.xml(content);
        }
    }

    fn xml(&mut self, content: &mut dyn Read) {
        let mut reader = Reader::from_reader(BufReader::new(content.take(XML_BYTES)));
        let mut buffer = Vec::new();
        // The instruction of a field may be cut into many runs of text.
        let mut instruction = String::new();
        let mut inside = false;
        loop {
            buffer.clear();
            match reader.read_event_into(&mut buffer) {
                Ok(Event::Start(element)) => {
                    inside = element.local_name().as_ref() == "instrText";
                    self.element(&element);
                }
                Ok(Event::Empty(element)) => {
                    if element.local_name().as_ref() == "fldChar" {
                        instruction.push(' ');
                    }
                    self.element(&element);
                }
                Ok(Event::Text(text)) if inside && instruction.len() < 64 * 1024 => {
                    instruction.push_str(&text);
                }
                Ok(Event::End(_)) => inside = false,
                Ok(Event::Eof) | Err(_) => break,
                Ok(_) => {}
            }
        }
        self.dde |= is_dde(&instruction);
    }

    fn element(&mut self, element: &BytesStart<'_>) {
        let attribute = |name: &str| {
            let found = element.attributes().flatten().find(|a| a.key.local_name().as_ref() == name);
            found.map(|a| a.value.into_owned()).unwrap_or_default()
        };
        match element.local_name().as_ref() {
            "Relationship" if attribute("TargetMode").eq_ignore_ascii_case("External") => {
                let kind = attribute("Type");
                let target = attribute("Target");
                match kind.rsplit('/').next().unwrap_or_default() {
                    // A link somebody must click is no loading.
                    "hyperlink" => {}
                    "attachedTemplate" => self.template = Some(target),
                    _ => self.external = Some(target),
                }
            }
            "fldSimple" => self.dde |= is_dde(&attribute("instr")),
            "ddeLink" | "dde-source" => self.dde = true,
            "encryption-data" => self.encrypted = true,
            _ => {}
        }
    }
}

/// Members whose elements matter.
fn is_told_by_content(path: &str) -> bool {
    let folder = path.split('/').next().unwrap_or_default();
    let name = path.rsplit('/').next().unwrap_or_default();
    path.starts_with("xl/externallinks/")
        || path == "meta-inf/manifest.xml"
        || path == "content.xml"
        || folder == "word"
            && ["document", "header", "footer", "footnotes", "endnotes"].iter().any(|n| name.starts_with(n))
}

fn is_dde(instruction: &str) -> bool {
    let mut words = instruction.split(|c: char| c.is_whitespace() || c == '"');
    words.any(|w| w.eq_ignore_ascii_case("DDE") || w.eq_ignore_ascii_case("DDEAUTO"))
}
