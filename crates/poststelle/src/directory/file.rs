// SPDX-License-Identifier: EUPL-1.2
//! The directory file (TOML): tenants, Administrations, people, mailboxes, desks, connectors, rules as an operator
//! writes them down.
//!
//! Guarantees: unknown fields are refused; every value knows its place in the text, so that a [`Mistake`] names
//! line and field. Does not: hold secrets (it names where they are) or know what the database has.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use toml::Spanned;

/// A text with its place.
pub type Text = Spanned<String>;

/// What an operator wrote down.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    #[serde(default, rename = "administration")]
    pub administrations: Vec<Administration>,
    #[serde(default, rename = "tenant")]
    pub tenants: Vec<Tenant>,
    #[serde(default, rename = "person")]
    pub people: Vec<Person>,
    #[serde(default, rename = "service")]
    pub services: Vec<Service>,
}

/// Who works.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Administration {
    pub slug: Text,
    pub name: Text,
    #[serde(default, rename = "desk", skip_serializing_if = "Vec::is_empty")]
    pub desks: Vec<Desk>,
}

/// Where its people work.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Desk {
    pub name: Text,
    /// Short names of the tenants it serves.
    pub tenants: Vec<Text>,
}

/// Whose mail it is.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tenant {
    pub slug: Text,
    pub name: Text,
    /// Short name of the Administration that holds the mandate; left out = as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub administration: Option<Text>,
    #[serde(default, rename = "mailbox", skip_serializing_if = "Vec::is_empty")]
    pub mailboxes: Vec<Mailbox>,
    #[serde(default, rename = "connector", skip_serializing_if = "Vec::is_empty")]
    pub connectors: Vec<Connector>,
    #[serde(default, rename = "rule", skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mailbox {
    pub name: Text,
    /// E-mail addresses.
    #[serde(default)]
    pub addresses: Vec<Text>,
    /// Must a second person release what leaves from here? Absent = as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub four_eyes: Option<bool>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connector {
    pub name: Text,
    pub kind: Text,
    pub config: Spanned<toml::Table>,
    /// Environment variable with the secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_env: Option<Text>,
    /// File with the secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_file: Option<Text>,
    #[serde(default = "on", skip_serializing_if = "is_on")]
    pub active: bool,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    pub name: Text,
    /// Place in the order; left out = ten times its number in the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<i64>,
    /// CEL.
    pub condition: Text,
    pub actions: Spanned<Vec<Action>>,
    #[serde(default = "on", skip_serializing_if = "is_on")]
    pub active: bool,
}

/// What a rule does: one of the words of [`ACTIONS`] with what belongs to it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Action {
    #[serde(rename = "do")]
    pub does: Text,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub desk: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connector: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Text>,
}

/// What an action needs besides its word: (word, field or nothing).
pub const ACTIONS: [(&str, &str); 6] = [
    ("to_desk", "desk"),
    ("copy_to_desk", "desk"),
    ("to_connector", "connector"),
    ("to_address", "address"),
    ("priority", ""),
    ("to_clearing", ""),
];

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    pub login: Text,
    pub name: Text,
    /// Short name of the Administration the person works for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub administration: Option<Text>,
    /// All roles the person shall have.
    pub roles: Vec<Role>,
    /// File with the first password of a new person; otherwise one is made up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<Text>,
    /// Shown only: `person lock` and `person unlock` change it.
    #[serde(skip_deserializing, skip_serializing_if = "is_off")]
    pub locked: bool,
}

/// A program.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    pub login: Text,
    pub name: Text,
    /// All roles the service shall have.
    pub roles: Vec<Role>,
    /// Shown only.
    #[serde(skip_deserializing, skip_serializing_if = "is_off")]
    pub locked: bool,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    pub role: Text,
    /// Short names of tenants; `*` = all for which the person's Administration holds the mandate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tenants: Vec<Text>,
    /// Only mail on this desk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub desk: Option<Text>,
    /// Only mail of this mailbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mailbox: Option<Text>,
}

const fn on() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
const fn is_on(value: &bool) -> bool {
    *value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
const fn is_off(value: &bool) -> bool {
    !*value
}

/// Something in the file that cannot be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mistake {
    /// Line in the file, from 1.
    pub line: usize,
    /// The field, e.g. `tenant.rule.condition`.
    pub field: String,
    /// What is wrong and what is allowed.
    pub problem: String,
}

/// The line of an offset, from 1.
pub fn line(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|b| *b == b'\n').count()
}

impl File {
    /// Reads the text of a directory file.
    pub fn read(text: &str) -> Result<Self, Mistake> {
        toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span: Range<usize>| span.start);
            let (field, problem) = in_german(error.message());
            Mistake { line: line(text, at), field, problem }
        })
    }
}

/// (field, what is wrong) of a reader's message.
fn in_german(message: &str) -> (String, String) {
    let message = message.trim_end();
    let quoted = |text: &str| text.split('`').nth(1).unwrap_or_default().to_owned();
    if let Some(rest) = message.strip_prefix("unknown field ") {
        let allowed: Vec<&str> = rest.split('`').skip(3).step_by(2).collect();
        return (
            quoted(rest),
            format!("dieses Feld gibt es hier nicht; erlaubt sind: {}", allowed.join(", ")),
        );
    }
    if let Some(rest) = message.strip_prefix("missing field ") {
        return (quoted(rest), "dieses Feld fehlt".to_owned());
    }
    if let Some((got, wanted)) =
        message.strip_prefix("invalid type: ").and_then(|rest| rest.split_once(", expected "))
    {
        return (String::new(), format!("falsche Art von Wert ({got}); erwartet: {wanted}"));
    }
    (String::new(), format!("kein gültiges TOML: {message}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_named_with_its_line() {
        let wrong = |text: &str| File::read(text).unwrap_err();
        let unknown = wrong("[[tenant]]\nslug = \"a\"\nnam = \"A\"\n");
        assert_eq!((unknown.line, unknown.field.as_str()), (3, "nam"));
        assert!(unknown.problem.contains("erlaubt sind: slug, name, administration"), "{unknown:?}");
        let missing = wrong("\n[[tenant]]\nslug = \"a\"\n");
        assert_eq!((missing.line, missing.field.as_str()), (2, "name"), "{missing:?}");
        let kind = wrong("[[tenant]]\nslug = 5\n");
        assert_eq!(kind.line, 2);
        assert!(kind.problem.contains("string"), "{kind:?}");
        assert!(wrong("[[tenant\n").problem.starts_with("kein gültiges TOML"));
        // Shown, but not set here.
        let locked = wrong("[[person]]\nlogin = \"a\"\nname = \"A\"\nroles = []\nlocked = true\n");
        assert_eq!((locked.line, locked.field.as_str()), (5, "locked"));
    }
}
