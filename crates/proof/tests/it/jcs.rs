// SPDX-License-Identifier: EUPL-1.2
//! Canonical JSON against the examples of RFC 8785.

use poststelle_proof::ProofError;
use poststelle_proof::jcs::{MAX_DEPTH, parse_canonical, to_string, to_vec};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn canonical(text: &str) -> Result<String, ProofError> {
    to_string(&serde_json::from_str(text).unwrap())
}

#[test]
fn sorting_example_of_the_rfc() {
    let input = r#"{
        "\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh",
        "1": "One", "\ud83d\ude00": "Emoji: Grinning Face", "\u0080": "Control",
        "\u00f6": "Latin Small Letter O With Diaeresis"
    }"#;
    let expected = "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u{80}\":\"Control\",\
        \"ö\":\"Latin Small Letter O With Diaeresis\",\"€\":\"Euro Sign\",\
        \"😀\":\"Emoji: Grinning Face\",\"\u{fb33}\":\"Hebrew Letter Dalet With Dagesh\"}";
    assert_eq!(canonical(input).unwrap(), expected);
}

#[test]
fn string_and_literal_example_of_the_rfc() {
    let input =
        r#"{"string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/", "literals": [null, true, false]}"#;
    assert_eq!(
        canonical(input).unwrap(),
        "{\"literals\":[null,true,false],\"string\":\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}"
    );
    let controls: String = (0..=0x20u8).map(char::from).chain(['\u{7f}', '\u{2028}']).collect();
    assert_eq!(
        to_string(&json!(controls)).unwrap(),
        "\"\\u0000\\u0001\\u0002\\u0003\\u0004\\u0005\\u0006\\u0007\\b\\t\\n\\u000b\\f\\r\\u000e\\u000f\
         \\u0010\\u0011\\u0012\\u0013\\u0014\\u0015\\u0016\\u0017\\u0018\\u0019\\u001a\\u001b\\u001c\\u001d\
         \\u001e\\u001f \u{7f}\u{2028}\""
    );
}

#[test]
fn integers_only() {
    assert_eq!(
        canonical("[0,-1,9007199254740991,-9007199254740991]").unwrap(),
        "[0,-1,9007199254740991,-9007199254740991]"
    );
    for float in ["1.0", "0.5", "1e2", "-0", "-0.0", "1E40", "123456789012345678901234567890"] {
        assert!(matches!(canonical(float), Err(ProofError::JsonFloat)), "{float}");
    }
    for large in ["9007199254740992", "-9007199254740992", "18446744073709551615", "-9223372036854775808"] {
        assert!(matches!(canonical(large), Err(ProofError::JsonInteger)), "{large}");
    }
}

#[test]
fn only_the_canonical_spelling_is_read() {
    let right = r#"{"a":[1,"ä"],"b":null}"#;
    assert_eq!(parse_canonical(right.as_bytes()).unwrap(), json!({"a": [1, "ä"], "b": null}));
    for wrong in [
        r#" {"a":1}"#,
        "{\"a\":1}\n",
        r#"{"a": 1}"#,
        r#"{"b":1,"a":2}"#,
        r#"{"a":1,"a":1}"#,
        r#"{"a":1,"a":2}"#,
        r#""\u0041""#,
        r#""\/""#,
        r#""\u000A""#,
        r#""\u000F""#,
    ] {
        assert!(matches!(parse_canonical(wrong.as_bytes()), Err(ProofError::JsonNotCanonical)), "{wrong}");
    }
    for wrong in [&b""[..], b"{", b"nul", b"\xff", b"\"\xff\"", b"[1,]", br#""\ud800""#, b"01", b"NaN"] {
        assert!(matches!(parse_canonical(wrong), Err(ProofError::JsonSyntax)));
    }
    assert!(matches!(parse_canonical(b"1.5"), Err(ProofError::JsonFloat)));
}

#[test]
fn depth_is_capped() {
    let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    assert_eq!(canonical(&nested(MAX_DEPTH)).unwrap(), nested(MAX_DEPTH));
    assert!(matches!(canonical(&nested(MAX_DEPTH + 1)), Err(ProofError::JsonDepth { .. })));
    assert!(parse_canonical(nested(100_000).as_bytes()).is_err());
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-(1i64 << 53) + 1..1i64 << 53).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::vec((any::<String>(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

proptest! {
    #[test]
    fn every_value_has_one_canonical_text(value in value()) {
        let bytes = to_vec(&value).unwrap();
        prop_assert_eq!(&parse_canonical(&bytes).unwrap(), &value);
        // Another reader and writer must see the same value.
        prop_assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), value);
    }

    #[test]
    fn rubbish_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        let _ = parse_canonical(&bytes);
    }
}
