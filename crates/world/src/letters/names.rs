// SPDX-License-Identifier: EUPL-1.2
//! File names: ordinary ones, and those that break programs.

use super::compose::Naming;
use super::files::Shape;
use crate::seed::Seed;

/// An ordinary name without extension.
pub(super) fn ordinary(chance: &mut Seed) -> String {
    let stem = chance.word(&[
        "Lageplan",
        "Bauzeichnung",
        "Statik",
        "Vollmacht",
        "Bescheid",
        "Kontoauszug",
        "Geburtsurkunde",
        "Foto Grundstück",
        "Anlage K1",
        "Klageschrift",
        "Stellungnahme",
        "Rechnung",
        "Gebührenbescheid",
        "Übersichtsplan",
        "Grundbuchauszug",
        "Mietvertrag",
    ]);
    match chance.below(3) {
        0 => stem.to_owned(),
        1 => format!("{stem} {}", chance.between(1, 9)),
        _ => format!("2026-11-{:02}_{stem}", chance.between(1, 28)),
    }
}

/// How names are written usually.
pub(super) fn usual(chance: &mut Seed) -> Naming {
    match chance.below(10) {
        0..=4 => Naming::Extended,
        5 => Naming::Continued,
        6..=7 => Naming::Words,
        8 => Naming::NameOnly,
        _ => Naming::Quoted,
    }
}

/// Names that must survive as they are and must do no harm, with the way each is written and a shape.
#[must_use]
pub fn hostile() -> Vec<(String, Naming, Shape)> {
    let long = format!("{}x.pdf", "ü".repeat(125));
    let list: [(&str, Naming, Shape); 22] = [
        ("Gebührenbescheid Größe.pdf", Naming::Extended, Shape::Pdf),
        ("Mu\u{308}ller Gru\u{308}\u{df}e.pdf", Naming::Extended, Shape::Pdf),
        ("Müller Grüße.pdf", Naming::Words, Shape::Pdf),
        (&long, Naming::Continued, Shape::Pdf),
        ("../../etc/passwd", Naming::Quoted, Shape::Text),
        ("..\\..\\windows\\boot.ini", Naming::Extended, Shape::Text),
        ("/etc/cron.d/poststelle", Naming::Extended, Shape::Text),
        ("CON", Naming::Quoted, Shape::Text),
        ("NUL.txt", Naming::Quoted, Shape::Text),
        ("LPT1.pdf", Naming::NameOnly, Shape::Pdf),
        ("💶 Gebühr 🏛.pdf", Naming::Words, Shape::Pdf),
        ("Anlage.", Naming::Quoted, Shape::Text),
        ("Rechnung .pdf ", Naming::Extended, Shape::Pdf),
        ("Anlage.pdf", Naming::Quoted, Shape::Pdf),
        ("Anlage.pdf", Naming::Quoted, Shape::Pdf),
        ("anlage.PDF", Naming::Quoted, Shape::Pdf),
        ("Az: 12 K 345/26 <Entwurf>?.docx", Naming::Extended, Shape::Docx),
        ("rechnung\u{202e}fdp.exe", Naming::Extended, Shape::Text),
        (".htaccess", Naming::Quoted, Shape::Text),
        ("message.json", Naming::Quoted, Shape::Text),
        ("Zeile\u{1}mit\u{7}Steuerzeichen.txt", Naming::Extended, Shape::Text),
        ("", Naming::None, Shape::Jpeg),
    ];
    list.into_iter().map(|(name, naming, shape)| (name.to_owned(), naming, shape)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_long_name_has_255_octets() {
        assert!(hostile().iter().any(|(name, _, _)| name.len() == 255));
    }
}
