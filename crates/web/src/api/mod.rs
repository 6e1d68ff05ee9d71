// SPDX-License-Identifier: EUPL-1.2
//! `/api/v1`: for programs. JSON in English words and codes, German sentences where a person will read them.
//!
//! Guarantees: additive within the version; refusals are RFC 9457 problems with a stable `code`; a foreign tenant's ids
//! and unknown ids get the same answer, octet for octet. A token reaches only the tenant it is bound to; a person's
//! session may read, never change.

pub(crate) mod connectors;
pub(crate) mod drafts;
pub(crate) mod inspection;
pub(crate) mod intake;
pub(crate) mod log;
pub(crate) mod openapi;
pub(crate) mod people;
pub(crate) mod places;
pub(crate) mod read;
pub(crate) mod resume;
pub(crate) mod rules;
pub(crate) mod status;
pub(crate) mod text_blocks;
