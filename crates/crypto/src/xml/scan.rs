// SPDX-License-Identifier: EUPL-1.2
//! A look at the markup before the parser runs: linear, without allocation but for a stack as deep as the cap.
//!
//! Guarantees: no DTD; depth, tags and attributes of one tag under the caps, and so is the work of looking up prefixes
//! (attributes in scope, summed over all elements). Does not: check that the document is well-formed.

use super::{Caps, Refusal};

/// Attributes in scope, summed over all elements.
const LOOKUPS: usize = 300_000_000;

pub(super) fn scan(text: &[u8], caps: &Caps) -> Result<(), Refusal> {
    let mut at = 0;
    let mut markup = 0;
    let mut in_scope = 0usize;
    let mut lookups = 0usize;
    let mut open: Vec<usize> = Vec::new();
    while let Some(next) = text.get(at..).and_then(|rest| rest.iter().position(|b| *b == b'<')) {
        at += next;
        let rest = &text[at..];
        markup += 1;
        if markup > caps.markup {
            return Err(Refusal::Cap("number of tags"));
        }
        let end: &[u8] = if rest.starts_with(b"<!--") {
            b"-->"
        } else if rest.starts_with(b"<![CDATA[") {
            b"]]>"
        } else if rest.starts_with(b"<?") {
            b"?>"
        } else if rest.starts_with(b"<!") {
            return Err(Refusal::Form("document type declarations are not read".into()));
        } else {
            let (length, attributes, empty) = tag(rest);
            if attributes > caps.attributes {
                return Err(Refusal::Cap("attributes of one element"));
            }
            if rest.starts_with(b"</") {
                in_scope -= open.pop().unwrap_or(0);
            } else {
                lookups = lookups.saturating_add(in_scope + attributes);
                if lookups > LOOKUPS {
                    return Err(Refusal::Cap("attributes in scope"));
                }
                if !empty {
                    open.push(attributes);
                    in_scope += attributes;
                    if open.len() > caps.depth {
                        return Err(Refusal::Cap("depth of the elements"));
                    }
                }
            }
            at += length;
            continue;
        };
        let Some(length) = find(rest, end) else { return Err(Refusal::Form("markup has no end".into())) };
        at += length;
    }
    Ok(())
}

/// Octets to the end of the tag, its attributes, whether it is empty.
fn tag(rest: &[u8]) -> (usize, usize, bool) {
    let mut quote = 0u8;
    let mut attributes = 0;
    for (at, byte) in rest.iter().enumerate() {
        match *byte {
            b'"' | b'\'' if quote == 0 => quote = *byte,
            b if b == quote => quote = 0,
            b'=' if quote == 0 => attributes += 1,
            b'>' if quote == 0 => return (at + 1, attributes, at > 0 && rest[at - 1] == b'/'),
            _ => {}
        }
    }
    (rest.len(), attributes, false)
}

fn find(rest: &[u8], end: &[u8]) -> Option<usize> {
    rest.windows(end.len()).position(|window| window == end).map(|at| at + end.len())
}
