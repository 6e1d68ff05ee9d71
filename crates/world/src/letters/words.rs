// SPDX-License-Identifier: EUPL-1.2
//! The words letters are made of: people who do not exist, subjects and paragraphs as authorities get them.
//!
//! Guarantees: no name here is meant to be a real person's; domains end in `.example`.

use crate::seed::Seed;

/// Given names.
pub const GIVEN: [&str; 18] = [
    "Wilma",
    "Hinnerk",
    "Antje",
    "Jörg",
    "Käthe",
    "Fiete",
    "Grit",
    "Söhnke",
    "Frauke",
    "Hauke",
    "Jürgen",
    "Bärbel",
    "Swantje",
    "Malte",
    "Heinz-Günter",
    "Ayşe",
    "Zoë",
    "Björn",
];

/// Family names, plainly invented.
pub const FAMILY: [&str; 18] = [
    "Beispiel",
    "Muster",
    "Probe",
    "Platzhalter",
    "Testmann",
    "Exempel",
    "Fiktiv",
    "Vordruck",
    "Mustermöller",
    "Beispielsen",
    "Probst-Muster",
    "Strohmann",
    "Lückenfüller",
    "Vorbild",
    "Jedermann",
    "Großmuster",
    "Niemand",
    "Straßenbeispiel",
];

/// Paragraph sentences.
const SENTENCES: [&str; 16] = [
    "anbei übersende ich Ihnen die angeforderten Unterlagen mit der Bitte um weitere Veranlassung.",
    "Leider konnte ich die gesetzte Frist wegen eines Krankenhausaufenthaltes nicht einhalten.",
    "Das Grundstück liegt in der Gemarkung am See, Flur 3, Flurstück 47/2, Größe 1.284 m².",
    "Ich bitte um schriftliche Bestätigung des Eingangs unter Angabe des Aktenzeichens.",
    "Die Nachbarn wurden nach § 70 LBauO M-V beteiligt; die Zustimmungen liegen bei.",
    "Gegen den Bescheid lege ich fristgerecht Widerspruch ein. Eine Begründung folgt gesondert.",
    "Die Gebühr in Höhe von 48,50 € habe ich überwiesen.",
    "Für Rückfragen stehe ich Ihnen werktags zwischen 8:00 und 16:00 Uhr zur Verfügung.",
    "Der geplante Carport überschreitet die Grenzbebauung nicht; maßgeblich ist der Lageplan vom 12.10.2026.",
    "Wir zeigen die anwaltliche Vertretung unseres Mandanten an und beantragen Akteneinsicht.",
    "Um Übersendung der vollständigen Verwaltungsvorgänge binnen vier Wochen wird gebeten.",
    "Der Hund ist ein sechsjähriger Münsterländer, gechipt und haftpflichtversichert.",
    "Die Straßenbeleuchtung vor dem Haus Nr. 14 ist seit drei Wochen außer Betrieb.",
    "Gegen den Entwurf des Bebauungsplans erhebe ich Einwendungen wegen Lärm und Verkehr.",
    "Bitte übermitteln Sie mir eine beglaubigte Abschrift aus dem Geburtenregister.",
    "Über eine kurzfristige Terminvergabe würde ich mich sehr freuen.",
];

/// One sentence.
pub fn sentence(chance: &mut Seed) -> &'static str {
    chance.word(&SENTENCES)
}

/// What a letter is about; routing rules of the demo look for these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Topic {
    /// Building application.
    Building,
    /// Objection against a decision.
    Objection,
    /// Dog tax.
    Dog,
    /// Objection against a zoning plan.
    Zoning,
    /// More time wanted.
    Extension,
    /// Court file.
    Court,
    /// Civil registry.
    Registry,
    /// Change of residence.
    Residence,
    /// Invoice to the authority.
    Invoice,
    /// Parking offence and the like.
    PublicOrder,
    /// Anything: no rule of the demo looks for it.
    Other,
}

impl Topic {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Building,
        Self::Objection,
        Self::Dog,
        Self::Zoning,
        Self::Extension,
        Self::Court,
        Self::Registry,
        Self::Residence,
        Self::Invoice,
        Self::PublicOrder,
        Self::Other,
    ];

    /// A subject line.
    #[must_use]
    pub fn subject(self, chance: &mut Seed) -> String {
        let (day, month) = (chance.between(1, 28), chance.between(1, 11));
        let n = chance.between(1, 999);
        match self {
            Self::Building => chance
                .word(&[
                    "Bauantrag Einfamilienhaus Mühlenstraße 12",
                    "Bauantrag: Nachreichung der Statik",
                    "Bauvoranfrage Carport und Gartenhaus",
                ])
                .to_owned(),
            Self::Objection => format!("Widerspruch gegen Bescheid vom {day:02}.{month:02}.2026"),
            Self::Dog => "Anmeldung Hund – Hundesteuer".to_owned(),
            Self::Zoning => "Einwendung B-Plan Nr. 12 „Seeblick“".to_owned(),
            Self::Extension => {
                format!("Antrag auf Fristverlängerung, Ihr Schreiben vom {day:02}.{month:02}.2026")
            }
            Self::Court => {
                format!("Aktenzeichen {} K {n}/26: Verwaltungsstreitverfahren", chance.between(1, 16))
            }
            Self::Registry => "Bitte um Geburtsurkunde".to_owned(),
            Self::Residence => "Ummeldung nach Umzug".to_owned(),
            Self::Invoice => format!("Rechnung RE-2026-{n:05}"),
            Self::PublicOrder => format!("Anhörung Ordnungswidrigkeit, Kassenzeichen 26{n:06}"),
            Self::Other => chance
                .word(&[
                    "Schönen Gruß vom See",
                    "Frage",
                    "Straßenlaterne defekt",
                    "Re: Re: WG: Anfrage",
                    "Danke!",
                ])
                .to_owned(),
        }
    }
}

/// Who writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Writer {
    /// A citizen.
    Citizen,
    /// A law firm.
    Lawyer,
    /// A court.
    Court,
    /// A company.
    Company,
    /// Another authority.
    Authority,
}

/// Display name and address of somebody.
#[must_use]
pub fn person(writer: Writer, chance: &mut Seed) -> (String, String) {
    let (given, family) = (chance.word(&GIVEN), chance.word(&FAMILY));
    let local = format!("{}.{}", ascii(given), ascii(family));
    match writer {
        Writer::Citizen => {
            let domain = chance.word(&["post.example", "mail-am-see.example", "buerger.example"]);
            (format!("{given} {family}"), format!("{local}@{domain}"))
        }
        Writer::Lawyer => {
            (format!("Kanzlei {family} & Partner"), format!("{local}@kanzlei-{}.example", ascii(family)))
        }
        Writer::Court => {
            let (name, domain) = match chance.below(3) {
                0 => ("Verwaltungsgericht Schwerin", "vg-schwerin.justiz.example"),
                1 => ("Verwaltungsgericht Greifswald", "vg-greifswald.justiz.example"),
                _ => ("Amtsgericht Waren (Müritz)", "ag-waren.justiz.example"),
            };
            (name.to_owned(), format!("poststelle@{domain}"))
        }
        Writer::Company => {
            let name = format!("{family} Bau GmbH");
            (name, format!("buero@{}-bau.example", ascii(family)))
        }
        Writer::Authority => {
            let (name, domain) = match chance.below(3) {
                0 => ("Landesamt für innere Verwaltung", "laiv.land.example"),
                1 => ("Straßenbauamt Neustrelitz", "sba-neustrelitz.land.example"),
                _ => ("Ministerium für Inneres, Bau und Digitalisierung", "im.land.example"),
            };
            (name.to_owned(), format!("poststelle@{domain}"))
        }
    }
}

/// A word as it may stand in an address.
fn ascii(word: &str) -> String {
    let mut out = String::new();
    for c in word.to_lowercase().chars() {
        match c {
            'a'..='z' | '0'..='9' | '-' => out.push(c),
            'ä' => out.push_str("ae"),
            'ö' => out.push_str("oe"),
            'ü' => out.push_str("ue"),
            'ß' => out.push_str("ss"),
            'ş' => out.push('s'),
            'ë' => out.push('e'),
            _ => {}
        }
    }
    out
}

/// The text of a letter: salutation, a few paragraphs, the name below.
#[must_use]
pub fn text(name: &str, chance: &mut Seed) -> String {
    let salutation = chance.word(&["Sehr geehrte Damen und Herren,", "Guten Tag,", "Moin,"]);
    let mut out = format!("{salutation}\n");
    for _ in 0..chance.between(1, 4) {
        out.push('\n');
        for _ in 0..chance.between(1, 4) {
            out.push_str(sentence(chance));
            out.push(if chance.chance(30) { '\n' } else { ' ' });
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
    }
    if chance.chance(10) {
        // A line that begins with a dot and one with "From " test every transport.
        out.push_str("\n.. und noch etwas:\n.\nFrom hier an wird es ungewöhnlich.\n");
    }
    out.push_str(&format!("\nMit freundlichen Grüßen\n{name}\n"));
    out
}
