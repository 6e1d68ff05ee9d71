// SPDX-License-Identifier: EUPL-1.2
//! The description of the API is whole: every route is in it, nothing else, and what it refers to is there.

use std::collections::BTreeSet;

use serde_json::Value;

#[test]
fn every_route_is_described_and_nothing_else() {
    let api: Value = serde_json::from_str(&poststelle_web::openapi()).unwrap();
    assert!(api["openapi"].as_str().unwrap().starts_with("3.1"));
    let described: BTreeSet<(String, String)> = api["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, of)| {
            of.as_object().unwrap().keys().map(|method| (method.clone(), path.clone())).collect::<Vec<_>>()
        })
        .collect();
    let routes: BTreeSet<(String, String)> = poststelle_web::ROUTES
        .iter()
        .filter(|(_, path)| path.starts_with("/api/"))
        .map(|(method, path)| ((*method).to_owned(), path.replace("{*", "{")))
        .collect();
    assert_eq!(described, routes);
}

#[test]
fn references_and_parameters_lead_somewhere() {
    let api: Value = serde_json::from_str(&poststelle_web::openapi()).unwrap();
    let mut open = vec![&api];
    let mut references = 0;
    while let Some(value) = open.pop() {
        if let Some(place) = value["$ref"].as_str() {
            references += 1;
            assert!(api.pointer(place.trim_start_matches('#')).is_some(), "{place}");
        }
        match value {
            Value::Array(items) => open.extend(items),
            Value::Object(fields) => open.extend(fields.values()),
            _ => {}
        }
    }
    assert!(references > 20, "{references}");
    for (path, methods) in api["paths"].as_object().unwrap() {
        for (method, of) in methods.as_object().unwrap() {
            let named: BTreeSet<&str> = of["parameters"]
                .as_array()
                .into_iter()
                .flatten()
                .filter(|p| p["in"] == "path")
                .map(|p| p["name"].as_str().unwrap())
                .collect();
            let taken: BTreeSet<&str> =
                path.split('{').skip(1).map(|p| p.split('}').next().unwrap()).collect();
            assert_eq!(named, taken, "{method} {path}");
            assert!(of["operationId"].is_string() && of["responses"].is_object(), "{method} {path}");
        }
    }
}
