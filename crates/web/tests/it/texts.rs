// SPDX-License-Identifier: EUPL-1.2
//! Every key that pages and API ask for has a German text.

use std::path::Path;

use poststelle_hub::health::Component;
use poststelle_hub::texts;
use poststelle_model::DeliveryState;

#[test]
fn every_key_has_a_text() {
    let mut wanted: Vec<String> = Vec::new();
    let mut open = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(std::fs::read_dir(path).unwrap().flatten().map(|e| e.path()));
            continue;
        }
        let source = std::fs::read_to_string(path).unwrap();
        for call in ["texts::say(\"", "bad(\""] {
            wanted.extend(source.split(call).skip(1).filter_map(|p| p.split('"').next()).map(str::to_owned));
        }
    }
    assert!(wanted.len() > 8, "{wanted:?}");
    wanted.extend(DeliveryState::ALL.iter().map(|s| format!("state-{}", s.as_str())));
    wanted.extend(Component::ALL.iter().map(|c| format!("component-{}", c.as_str())));
    wanted.extend(
        [400, 401, 403, 404, 405, 408, 413, 415, 422, 429, 500, 503].iter().map(|s| format!("status-{s}")),
    );
    for kind in ["unproven", "lost", "stuck_message", "stuck_delivery", "itemless"] {
        wanted.push(format!("mismatch-{kind}"));
    }
    let missing: Vec<String> = wanted.into_iter().filter(|key| !texts::has(key)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
