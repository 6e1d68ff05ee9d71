// SPDX-License-Identifier: EUPL-1.2
//! The fields of a form in which a name may come several times (boxes ticked, lines of a condition).

use axum::http::StatusCode;
use serde::Deserialize;

use crate::error::Refusal;
use crate::session::Person;

/// Fields in the order of the form.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Fields(pub(crate) Vec<(String, String)>);

impl Fields {
    /// The first field of this name; empty = none.
    pub(crate) fn one(&self, name: &str) -> &str {
        self.0.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v.as_str())
    }

    /// All fields of this name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// A number; no number is a form nobody here has made.
    pub(crate) fn number(&self, name: &str) -> Result<i64, Refusal> {
        self.one(name).parse().map_err(|_| Refusal::of_status(StatusCode::BAD_REQUEST))
    }

    /// Refuses what does not come from a page of this session.
    pub(crate) fn own(self, person: &Person) -> Result<Self, Refusal> {
        person.check_csrf(self.one("csrf"))?;
        Ok(self)
    }
}
