// SPDX-License-Identifier: EUPL-1.2
//! What went wrong, in a form every room shares: retry? whose fault? which stable code?
//!
//! A [`Reason`] is stored with deliveries, findings and alarms. Its code names
//! the German sentence (Fluent key = code) that says what happened and who must
//! act; its parameters fill that sentence. Parameters never hold secrets.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Whether another try can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retry {
    /// At once.
    Now,
    /// After the usual back-off.
    Later,
    /// Never: final.
    Never,
}

/// Who must act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// This installation: its operator.
    Operator,
    /// The tenant's own settings: its administrator.
    Tenant,
    /// The far side.
    Remote,
    /// Whoever sent the message.
    Sender,
    /// Nobody: it goes on by itself.
    Nobody,
}

impl Fault {
    /// The word stored and shown in APIs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Tenant => "tenant",
            Self::Remote => "remote",
            Self::Sender => "sender",
            Self::Nobody => "nobody",
        }
    }
}

/// A stable code such as `PST-SMTP-4001`. The middle names the room or channel.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Code(std::borrow::Cow<'static, str>);

impl Code {
    /// A code known at compile time.
    #[must_use]
    pub const fn new(code: &'static str) -> Self {
        Self(std::borrow::Cow::Borrowed(code))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A reason with its parameters: what the timeline and the error answers say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// Stable code; key of the German sentence.
    pub code: Code,
    /// Who must act.
    pub fault: Fault,
    /// Fills the sentence. Texts of far sides are cut to 500 characters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, String>,
}

impl Reason {
    /// A reason without parameters.
    #[must_use]
    pub const fn new(code: &'static str, fault: Fault) -> Self {
        Self { code: Code::new(code), fault, params: BTreeMap::new() }
    }

    /// Adds a parameter; control characters are dropped, 500 characters kept.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl fmt::Display) -> Self {
        let value: String = value.to_string().chars().filter(|c| !c.is_control()).take(500).collect();
        self.params.insert(key.to_owned(), value);
        self
    }

    /// The stored form.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        for (key, value) in &self.params {
            write!(f, " {key}={value}")?;
        }
        Ok(())
    }
}
