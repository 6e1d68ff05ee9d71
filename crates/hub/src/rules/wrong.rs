// SPDX-License-Identifier: EUPL-1.2
//! What is wrong with a condition, in German, with its place.
//!
//! Guarantees: pure. What the language's own parser says in a way not known here stays as it said it.

use poststelle_model::{Fault, Reason};

use crate::routing::{self, BadCondition};

/// A condition that cannot be used, as a sentence.
#[must_use]
pub fn reason(bad: &BadCondition) -> Reason {
    let new = |code| Reason::new(code, Fault::Sender);
    match bad {
        BadCondition::TooLong(bytes) => {
            new("PST-RULE-0001").with("bytes", bytes).with("cap", routing::SOURCE_CAP)
        }
        BadCondition::Syntax(what) => {
            let (line, column, what) = place(what);
            new("PST-RULE-0002").with("line", line).with("column", column).with("detail", what)
        }
        BadCondition::TooDeep(depth) => {
            new("PST-RULE-0003").with("depth", depth).with("cap", routing::COMPREHENSION_CAP)
        }
        BadCondition::TooLarge(levels) => {
            new("PST-RULE-0003").with("depth", levels).with("cap", routing::LEVEL_CAP)
        }
        BadCondition::Builds => new("PST-RULE-0004"),
        BadCondition::Walks(count) => {
            new("PST-RULE-0016").with("count", count).with("cap", routing::WALK_CAP)
        }
        BadCondition::DryRun(what) => new("PST-RULE-0005").with("detail", in_words(what)),
    }
}

/// Line, column and German words of what the parser said (`ERROR: <input>:1:7: Syntax error: …`).
fn place(said: &str) -> (String, String, String) {
    let numbered = said.split_once("<input>:").map(|(_, rest)| rest);
    let mut pieces = numbered.unwrap_or_default().splitn(3, ':');
    let (line, column) = (pieces.next().unwrap_or_default(), pieces.next().unwrap_or_default());
    match (line.trim().parse::<u32>(), column.trim().parse::<u32>()) {
        (Ok(line), Ok(column)) => {
            let what = pieces.next().unwrap_or_default().trim();
            (
                line.to_string(),
                column.to_string(),
                syntax(what.strip_prefix("Syntax error: ").unwrap_or(what)),
            )
        }
        _ => ("1".to_owned(), "1".to_owned(), said.to_owned()),
    }
}

const MISPLACED: [&str; 4] = [
    "mismatched input '",
    "extraneous input '",
    "token recognition error at: '",
    "no viable alternative at input '",
];

fn syntax(what: &str) -> String {
    if what.contains("'<EOF>'") {
        let missing = what.strip_prefix("missing '").and_then(|rest| rest.split_once('\''));
        return missing.map_or_else(
            || "der Ausdruck ist hier noch nicht zu Ende".to_owned(),
            |(sign, _)| format!("hier fehlt „{sign}“"),
        );
    }
    let Some(rest) = MISPLACED.iter().find_map(|start| what.strip_prefix(start)) else {
        return what.to_owned();
    };
    let sign = rest.split_once("' expecting").map_or(rest.trim_end_matches('\''), |(sign, _)| sign);
    format!("„{}“ gehört hier nicht hin", sign.trim())
}

/// Why a condition cannot be asked of a message.
#[must_use]
pub(super) fn in_words(what: &str) -> String {
    if let Some(name) = what.strip_prefix("No such key: ") {
        return format!("das Feld „{name}“ gibt es nicht");
    }
    if let Some(name) = what.strip_prefix("Undeclared reference to ") {
        return format!("„{}“ gibt es hier nicht", name.trim_matches('\''));
    }
    if what == "the condition must say true or false" {
        return "am Ende steht kein Wahr oder Falsch".to_owned();
    }
    if what.starts_with("Unsupported binary operator") {
        return "hier werden verschiedene Arten von Werten verrechnet (Text mit Zahl?)".to_owned();
    }
    what.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::texts;

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let said = |source: &str| texts::sentence(&reason(&routing::check(source).unwrap_err()));
        for (source, words) in [
            (
                "msg.subject.contains(",
                "Zeile 1, Stelle 22 nicht zu verstehen (der Ausdruck ist hier noch nicht",
            ),
            (
                "msg.subject == 'x'\nund true",
                "Zeile 2, Stelle 1 nicht zu verstehen („und“ gehört hier nicht hin)",
            ),
            ("msg.subject = 'x'", "Zeile 1, Stelle 13 nicht zu verstehen („=“ gehört hier nicht hin)"),
            ("a b", "(„b“ gehört hier nicht hin)"),
            ("(true", "(hier fehlt „)“)"),
            ("msg.nope == 'x'", "das Feld „nope“ gibt es nicht."),
            ("betreff == 'x'", "„betreff“ gibt es hier nicht."),
            ("msg.size", "am Ende steht kein Wahr oder Falsch."),
            ("msg.size + 'x' == 3", "verschiedene Arten von Werten"),
        ] {
            assert!(said(source).contains(words), "{source}: {}", said(source));
        }
        let (long, deep) = ("x".repeat(5000), "[1].all(a, [1].all(b, [1].all(c, true)))");
        for bad in [long.as_str(), deep, "msg.attachments.map(a, a)"] {
            assert!(said(bad).ends_with('.'), "{}", said(bad));
        }
    }
}
