// SPDX-License-Identifier: EUPL-1.2
//! Canonical JSON (RFC 8785, JCS) for what is hashed.
//!
//! Guarantees: one value has exactly one canonical text; members are sorted by UTF-16 code units (RFC 8785,
//! 3.2.3), strings are escaped as ECMAScript does (3.2.2.2). [`parse_canonical`] accepts canonical bytes only,
//! which also rules out duplicate members and white space.
//! Does not: write numbers with fraction or exponent, nor integers beyond ±(2^53 - 1); both are refused, for
//! their text depends on the reader. Strings are not normalised (RFC 8785 forbids it).

use serde_json::{Map, Number, Value};

use crate::error::{ProofError, Result};

/// Deepest nesting written or read.
pub const MAX_DEPTH: usize = 64;
/// Largest canonical text read, in bytes.
pub const MAX_BYTES: usize = 16 * 1024 * 1024;
/// Largest integer that every JSON reader keeps exact.
const MAX_INTEGER: u64 = (1 << 53) - 1;

/// The canonical text of a value.
///
/// # Errors
/// [`ProofError::JsonFloat`], [`ProofError::JsonInteger`], [`ProofError::JsonDepth`].
pub fn to_string(value: &Value) -> Result<String> {
    let mut out = String::new();
    write_value(value, MAX_DEPTH, &mut out)?;
    Ok(out)
}

/// The canonical text of a value as bytes, ready to be hashed.
///
/// # Errors
/// As [`to_string`].
pub fn to_vec(value: &Value) -> Result<Vec<u8>> {
    to_string(value).map(String::into_bytes)
}

/// Reads JSON that must be in canonical form already.
///
/// # Errors
/// [`ProofError::TooLarge`], [`ProofError::JsonSyntax`], [`ProofError::JsonNotCanonical`], and as [`to_string`].
pub fn parse_canonical(bytes: &[u8]) -> Result<Value> {
    if bytes.len() > MAX_BYTES {
        return Err(ProofError::TooLarge { what: "JSON", len: bytes.len(), max: MAX_BYTES });
    }
    let value: Value = serde_json::from_slice(bytes).map_err(|_| ProofError::JsonSyntax)?;
    if to_string(&value)?.as_bytes() != bytes {
        return Err(ProofError::JsonNotCanonical);
    }
    Ok(value)
}

fn write_value(value: &Value, depth: usize, out: &mut String) -> Result<()> {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => write_number(number, out)?,
        Value::String(text) => write_string(text, out),
        Value::Array(items) => {
            let depth = deeper(depth)?;
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_value(item, depth, out)?;
            }
            out.push(']');
        }
        Value::Object(members) => write_object(members, deeper(depth)?, out)?,
    }
    Ok(())
}

fn deeper(depth: usize) -> Result<usize> {
    depth.checked_sub(1).ok_or(ProofError::JsonDepth { max: MAX_DEPTH })
}

fn write_object(members: &Map<String, Value>, depth: usize, out: &mut String) -> Result<()> {
    let mut sorted: Vec<_> = members.iter().collect();
    // Neither the order of bytes nor that of code points will do: U+FB33 sorts after U+1F600 in UTF-16.
    sorted.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
    out.push('{');
    for (at, (name, value)) in sorted.into_iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        write_string(name, out);
        out.push(':');
        write_value(value, depth, out)?;
    }
    out.push('}');
    Ok(())
}

fn write_number(number: &Number, out: &mut String) -> Result<()> {
    let (negative, magnitude) = match (number.as_u64(), number.as_i64()) {
        (Some(n), _) => (false, n),
        (None, Some(n)) => (true, n.unsigned_abs()),
        (None, None) => return Err(ProofError::JsonFloat),
    };
    if magnitude > MAX_INTEGER {
        return Err(ProofError::JsonInteger);
    }
    if negative {
        out.push('-');
    }
    out.push_str(&magnitude.to_string());
    Ok(())
}

fn write_string(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            c if c < ' ' => {
                let code = c as u32;
                out.push_str("\\u00");
                for nibble in [code >> 4, code & 0xf] {
                    out.push(char::from_digit(nibble, 16).unwrap_or('0'));
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
