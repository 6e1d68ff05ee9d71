// SPDX-License-Identifier: EUPL-1.2
//! Conditions without a script: lines of "field and comparison" with a value, joined by and, or.
//!
//! Guarantees: what [`Condition::cel`] writes, [`Condition::read`] reads back to the same lines; a condition somebody
//! wrote by hand that is not exactly of this form stays what it is. Texts are compared without regard to capitals.
//! Does not: know brackets; what needs them is written in CEL.

/// How a value stands in the text of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Inside a regular expression inside a text.
    Pattern,
    /// Inside a text; in lower case, as addresses are.
    Plain,
    /// A whole number from 1.
    Number,
    /// There is none.
    Nothing,
}

/// A field and how it is compared.
#[derive(Debug, PartialEq, Eq)]
pub struct Comparison {
    /// The word in forms.
    pub key: &'static str,
    /// The field on screen.
    pub field: &'static str,
    /// Field and comparison on screen.
    pub words: &'static str,
    before: &'static str,
    after: &'static str,
    form: Form,
}

impl Comparison {
    /// Does it take a value?
    #[must_use]
    pub fn takes_value(&self) -> bool {
        self.form != Form::Nothing
    }
}

macro_rules! comparisons {
    ($($field:literal { $($key:literal $words:literal $before:literal $after:literal $form:ident;)+ })+) => {
        /// All comparisons, by field. Where two could be meant the stricter one stands first.
        pub const COMPARISONS: &[Comparison] = &[$($(Comparison {
            key: $key, field: $field, words: $words, before: $before, after: $after, form: Form::$form,
        }),+),+];
    };
}

comparisons! {
    "Betreff" {
        "betreff-enthaelt" "Betreff enthält" "msg.subject.matches(\"(?i)" "\")" Pattern;
        "betreff-enthaelt-nicht" "Betreff enthält nicht" "!msg.subject.matches(\"(?i)" "\")" Pattern;
        "betreff-ist" "Betreff ist genau" "msg.subject.matches(\"(?i)^" "$\")" Pattern;
        "betreff-beginnt" "Betreff beginnt mit" "msg.subject.matches(\"(?i)^" "\")" Pattern;
        "betreff-endet" "Betreff endet mit" "msg.subject.matches(\"(?i)" "$\")" Pattern;
    }
    "Absender" {
        "absender-ist" "Absender-Adresse ist" "msg.sender == \"" "\"" Plain;
        "absender-ist-nicht" "Absender-Adresse ist nicht" "msg.sender != \"" "\"" Plain;
        "absender-enthaelt" "Absender-Adresse enthält" "msg.sender.contains(\"" "\")" Plain;
        "domain-ist" "Domain des Absenders ist" "msg.sender_domain == \"" "\"" Plain;
        "domain-ist-nicht" "Domain des Absenders ist nicht" "msg.sender_domain != \"" "\"" Plain;
        "domain-endet" "Domain des Absenders endet mit" "msg.sender_domain.endsWith(\"" "\")" Plain;
        "name-enthaelt" "Name des Absenders enthält" "msg.sender_name.matches(\"(?i)" "\")" Pattern;
    }
    "Empfänger" {
        "an-ist" "Empfänger-Adresse ist" "msg.recipients.exists(r, r == \"" "\")" Plain;
        "an-beginnt" "Empfänger-Adresse beginnt mit" "msg.recipients.exists(r, r.startsWith(\"" "\"))" Plain;
    }
    "Text" {
        "text-enthaelt" "Text enthält" "msg.text.matches(\"(?i)" "\")" Pattern;
        "text-enthaelt-nicht" "Text enthält nicht" "!msg.text.matches(\"(?i)" "\")" Pattern;
    }
    "Anlagen" {
        "anlage-enthaelt" "Name einer Anlage enthält" "msg.attachments.exists(a, a.name.matches(\"(?i)" "\"))" Pattern;
        "anlage-endet" "Name einer Anlage endet mit" "msg.attachments.exists(a, a.name.matches(\"(?i)" "$\"))" Pattern;
        "anlage-art" "Art einer Anlage (am Inhalt erkannt) ist" "msg.attachments.exists(a, a.detected == \"" "\")" Plain;
        "anlagen-ab" "Anzahl der Anlagen ist mindestens" "msg.attachments.size() >= " "" Number;
        "anlagen-keine" "Hat keine Anlage" "msg.attachments.size() == 0" "" Nothing;
    }
    "Nachricht" {
        "kanal-ist" "Kanal ist (mail oder rest)" "msg.channel == \"" "\"" Plain;
        "groesse-ab" "Größe in kB ist mindestens" "msg.size >= " "000" Number;
        "eilig" "Vom Absender als eilig markiert" "msg.urgent" "" Nothing;
        "automatisch" "Von einem Programm gesandt" "msg.automatic" "" Nothing;
        "nicht-automatisch" "Nicht von einem Programm gesandt" "!msg.automatic" "" Nothing;
        "immer" "Trifft immer zu" "true" "" Nothing;
    }
}

/// The comparison of this word.
#[must_use]
pub fn comparison(key: &str) -> Option<&'static Comparison> {
    COMPARISONS.iter().find(|c| c.key == key)
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What is compared and how.
    pub comparison: &'static Comparison,
    /// With what; empty where nothing is needed.
    pub value: String,
}

/// Longest value, characters.
pub const VALUE_CAP: usize = 300;

impl Line {
    /// The CEL of this line; `None` when the value does not fit.
    #[must_use]
    pub fn cel(&self) -> Option<String> {
        let value = self.value.trim();
        if value.chars().count() > VALUE_CAP || value.chars().any(char::is_control) {
            return None;
        }
        let inside = match self.comparison.form {
            Form::Nothing => String::new(),
            Form::Number => value.parse::<u32>().ok().filter(|n| *n > 0)?.to_string(),
            Form::Plain | Form::Pattern if value.is_empty() => return None,
            Form::Plain => text(&value.to_lowercase()),
            Form::Pattern => text(&pattern(value)),
        };
        Some(format!("{}{inside}{}", self.comparison.before, self.comparison.after))
    }

    fn read(term: &str) -> Option<Self> {
        COMPARISONS.iter().find_map(|comparison| {
            let inside = term.strip_prefix(comparison.before)?.strip_suffix(comparison.after)?;
            let value = match comparison.form {
                Form::Nothing | Form::Number => inside.to_owned(),
                Form::Plain => plain(inside),
                Form::Pattern => plain(&plain(inside)),
            };
            let line = Self { comparison, value };
            (line.cel()? == term).then_some(line)
        })
    }

    /// In words.
    #[must_use]
    pub fn words(&self) -> String {
        match self.comparison.form {
            Form::Nothing => self.comparison.words.to_owned(),
            _ => format!("{} „{}“", self.comparison.words, self.value.trim()),
        }
    }
}

/// As it stands between quotation marks.
fn text(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"")
}

/// As a regular expression that means just this.
fn pattern(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        if c.is_ascii_punctuation()
            && !matches!(
                c,
                '"' | '\'' | '/' | '%' | ',' | ':' | ';' | '<' | '>' | '=' | '!' | '@' | '_' | '`'
            )
        {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// Without the backslashes that shield; what was no proper text does not come back the same.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        out.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    out
}

/// How lines are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joined {
    /// All must hold.
    And,
    /// One is enough.
    Or,
}

impl Joined {
    const fn sign(self) -> &'static str {
        match self {
            Self::And => " && ",
            Self::Or => " || ",
        }
    }
}

/// A condition made of lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// How.
    pub joined: Joined,
    /// At least one.
    pub lines: Vec<Line>,
}

impl Condition {
    /// As CEL; `Err` is the number of the line (from 0) whose value does not fit.
    ///
    /// # Errors
    /// The first line that cannot be written.
    pub fn cel(&self) -> Result<String, usize> {
        let terms: Result<Vec<String>, usize> =
            self.lines.iter().enumerate().map(|(i, line)| line.cel().ok_or(i)).collect();
        Ok(terms?.join(self.joined.sign()))
    }

    /// The lines of a CEL source, if it is exactly of this form.
    #[must_use]
    pub fn read(source: &str) -> Option<Self> {
        for joined in [Joined::And, Joined::Or] {
            let lines: Option<Vec<Line>> = split(source, joined.sign()).into_iter().map(Line::read).collect();
            if let Some(lines) = lines {
                return Some(Self { joined, lines });
            }
        }
        None
    }

    /// In words.
    #[must_use]
    pub fn words(&self) -> String {
        let sign = match self.joined {
            Joined::And => " und ",
            Joined::Or => " oder ",
        };
        self.lines.iter().map(Line::words).collect::<Vec<_>>().join(sign)
    }
}

/// A condition in words: its lines, or the CEL itself.
#[must_use]
pub fn in_words(source: &str) -> String {
    Condition::read(source).map_or_else(|| format!("CEL: {source}"), |c| c.words())
}

/// Parts between `sign` outside of quoted texts.
fn split<'a>(source: &'a str, sign: &str) -> Vec<&'a str> {
    let (mut parts, mut start, mut quoted, mut shielded) = (Vec::new(), 0, false, false);
    for (at, c) in source.char_indices() {
        match c {
            _ if shielded => shielded = false,
            '\\' if quoted => shielded = true,
            '"' => quoted = !quoted,
            _ if !quoted && source[at..].starts_with(sign) => {
                parts.push(&source[start..at]);
                start = at + sign.len();
            }
            _ => {}
        }
    }
    parts.push(source.get(start..).unwrap_or_default());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::{AttachmentFacts, Facts, check, holds};

    const NASTY: [&str; 7] = [
        "Bauantrag",
        "a\"b\\c",
        "x && y || z",
        "1. (neu) [eilig]? $5^2 {3} a|b*c+",
        "Straße – 50 %",
        "#~&-.",
        "\\\"$",
    ];

    #[test]
    fn what_is_written_is_read_back_and_compiles() {
        for comparison in COMPARISONS {
            for value in NASTY {
                let value = match comparison.form {
                    Form::Nothing => String::new(),
                    Form::Number => "17".to_owned(),
                    Form::Plain => value.to_lowercase(),
                    Form::Pattern => value.to_owned(),
                };
                let line = Line { comparison, value };
                let cel = line.cel().unwrap();
                assert_eq!(check(&cel), Ok(()), "{cel}");
                let read = Line::read(&cel).unwrap();
                assert_eq!(read.cel().unwrap(), cel);
                assert_eq!(read, line, "{cel}");
            }
        }
        let line = |key, value: &str| Line { comparison: comparison(key).unwrap(), value: value.to_owned() };
        for joined in [Joined::And, Joined::Or] {
            let lines =
                vec![line("betreff-enthaelt", NASTY[2]), line("absender-ist", "a@b.de"), line("eilig", "")];
            let condition = Condition { joined, lines };
            assert_eq!(Condition::read(&condition.cel().unwrap()), Some(condition));
        }
    }

    #[test]
    fn what_is_no_lines_stays_cel() {
        for source in [
            "msg.subject.contains('x')",
            "msg.urgent && (msg.automatic || true)",
            "msg.urgent && msg.automatic || true",
            "msg.subject.matches(\"(?i)a.b\")",
            "msg.size >= 0000",
            "",
            "\"ä\\",
        ] {
            assert_eq!(Condition::read(source), None, "{source}");
        }
        assert_eq!(in_words("msg.size > 5"), "CEL: msg.size > 5");
    }

    #[test]
    fn values_that_fit_nowhere_are_named() {
        let line = |key, value: &str| Line { comparison: comparison(key).unwrap(), value: value.to_owned() };
        for (key, value) in
            [("betreff-ist", " "), ("anlagen-ab", "viele"), ("anlagen-ab", "0"), ("absender-ist", "a\nb")]
        {
            let lines = vec![line("eilig", ""), line(key, value)];
            assert_eq!(Condition { joined: Joined::And, lines }.cel(), Err(1), "{value}");
        }
    }

    #[test]
    fn capitals_do_not_matter() {
        let facts = Facts {
            subject: "BAUANTRAG Änderung".to_owned(),
            attachments: vec![AttachmentFacts { name: "Plan.PDF".to_owned(), ..AttachmentFacts::default() }],
            ..Facts::default()
        };
        let line = |key, value: &str| Line { comparison: comparison(key).unwrap(), value: value.to_owned() };
        for (line, hit) in [
            (line("betreff-enthaelt", "bauantrag"), true),
            (line("betreff-enthaelt", "ÄNDERUNG"), true),
            (line("betreff-ist", "Bauantrag"), false),
            (line("betreff-beginnt", "bau"), true),
            (line("betreff-enthaelt-nicht", "Hund"), true),
            (line("anlage-endet", ".pdf"), true),
            (line("anlagen-ab", "2"), false),
        ] {
            assert_eq!(holds(&line.cel().unwrap(), &facts), Ok(hit), "{}", line.words());
        }
    }
}
