// SPDX-License-Identifier: EUPL-1.2
//! German sentences for codes, from one Fluent file. What happened, and who must act.

use std::sync::OnceLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};
use poststelle_model::{Fault, Reason};

/// The source.
pub const SOURCE: &str = include_str!("../texts/de.ftl");

fn bundle() -> &'static FluentBundle<FluentResource> {
    static BUNDLE: OnceLock<FluentBundle<FluentResource>> = OnceLock::new();
    BUNDLE.get_or_init(|| {
        let language = "de-DE".parse().unwrap_or_default();
        let mut bundle = FluentBundle::new_concurrent(vec![language]);
        bundle.set_use_isolating(false);
        let resource = match FluentResource::try_new(SOURCE.to_owned()) {
            Ok(resource) => resource,
            Err((resource, errors)) => {
                tracing::error!(?errors, "texts have errors");
                resource
            }
        };
        bundle.add_resource_overriding(resource);
        bundle
    })
}

/// The text `key` with `args`; the key itself when there is none.
#[must_use]
pub fn say(key: &str, args: &[(&str, &str)]) -> String {
    let Some(pattern) = bundle().get_message(key).and_then(|m| m.value()) else { return key.to_owned() };
    let mut fluent = FluentArgs::new();
    for (name, value) in args {
        fluent.set(*name, *value);
    }
    let mut errors = Vec::new();
    bundle().format_pattern(pattern, Some(&fluent), &mut errors).into_owned()
}

/// Is there a text for `key`?
#[must_use]
pub fn has(key: &str) -> bool {
    bundle().has_message(key)
}

/// The sentence of a reason.
#[must_use]
pub fn sentence(reason: &Reason) -> String {
    let args: Vec<(&str, &str)> = reason.params.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    say(reason.code.as_str(), &args)
}

/// Who must act, in words.
#[must_use]
pub fn who_acts(fault: Fault) -> String {
    say(&format!("fault-{}", fault.as_str()), &[])
}

/// A short code of a message's form in words.
#[must_use]
pub fn defect(code: &str) -> String {
    let key = format!("defect-{code}");
    if has(&key) { say(&key, &[]) } else { say("defect", &[("code", code)]) }
}

/// All keys of the file, in order.
pub fn keys() -> impl Iterator<Item = &'static str> {
    SOURCE
        .lines()
        .filter(|l| !l.starts_with([' ', '#', '}']) && l.contains(" ="))
        .filter_map(|l| l.split(" =").next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_speaks() {
        for key in keys() {
            assert!(has(key), "{key}");
            assert!(!say(key, &[]).is_empty(), "{key}");
        }
    }

    /// Two branches can give the same code to two things; Fluent would quietly take one.
    #[test]
    fn no_key_stands_twice() {
        let mut seen = std::collections::BTreeSet::new();
        for key in SOURCE.lines().filter_map(|l| l.split_once(" = ")).map(|(key, _)| key) {
            assert!(key.starts_with(' ') || seen.insert(key), "{key} stands twice");
        }
    }

    #[test]
    fn every_code_in_the_source_has_a_sentence() {
        let mut missing = Vec::new();
        let mut open = vec![std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")];
        while let Some(dir) = open.pop() {
            for entry in std::fs::read_dir(dir).unwrap().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    // What `crypto` and `proof` say reaches a screen only inside a code of the store or the verifier.
                    let aside = ["tests", "crypto", "proof"].iter().any(|name| path.ends_with(name));
                    if !aside {
                        open.push(path);
                    }
                } else if path.extension().is_some_and(|e| e == "rs") {
                    let text = std::fs::read_to_string(&path).unwrap();
                    for piece in text.split("\"PST-").skip(1) {
                        let code = format!("PST-{}", piece.split('"').next().unwrap_or_default());
                        let is_code = code.len() < 40 && code.ends_with(|c: char| c.is_ascii_digit());
                        if is_code && !code.starts_with("PST-TEST") && !has(&code) {
                            missing.push(format!("{code} in {}", path.display()));
                        }
                    }
                }
            }
        }
        missing.sort();
        missing.dedup();
        assert!(missing.is_empty(), "codes without a sentence: {missing:#?}");
    }
}
