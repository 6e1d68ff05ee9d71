// SPDX-License-Identifier: EUPL-1.2
//! Time-stamps in XAdES: what each one must cover, and whether it does (EN 319 132-1 §5.3, RFC 3161).
//!
//! Guarantees: a time-stamp on the signature counts only when its imprint is that of this signature's value. Does not:
//! check archive time-stamps; they are noted.

use super::form::Form;
use super::xades::Stamp;
use crate::signature::assess::Findings;
use crate::signature::setting::Setting;
use crate::signature::{TimeStampFacts, Wanted};
use crate::timestamp;
use crate::xml::Document;

/// Checks a time-stamp and adds it to the findings.
pub(super) fn check(
    doc: &Document<'_>,
    form: &Form,
    stamp: &Stamp,
    findings: &mut Findings,
    wanted: &mut Vec<Wanted>,
    setting: &Setting<'_>,
) {
    if stamp.kind != "signature" {
        findings.notes.push("archive-time-stamp-not-checked".into());
        return;
    }
    let mut octets = Vec::new();
    let value = doc.subtree(form.value_node, true);
    let made = stamp
        .canonical
        .as_ref()
        .is_some_and(|c| doc.canonical(&value, c.mode, &c.prefixes, &mut octets).is_ok());
    if !made {
        findings.notes.push("signature-time-stamp-not-checked".into());
        return;
    }
    let judged =
        timestamp::verify_with(&stamp.token, &|hash| Some(hash.digest(&octets)), &findings.material, setting);
    findings.timestamps.push(TimeStampFacts { kind: stamp.kind.to_owned(), ..judged.facts });
    wanted.extend(judged.wanted);
}
