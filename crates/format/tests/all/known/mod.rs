//! Known answers: what standards print and what other implementations compute.

mod python;
mod rfc;
mod wycheproof_sets;

use std::fs;
use std::path::Path;

use serde_json::Value;

/// `spec/known/answers.json`, made by `spec/known/make.py` with PyPI cryptography and argon2-cffi.
fn answers() -> Value {
    table("answers.json")
}

/// A file of `spec/known/`.
fn table(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../spec/known").join(name);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn unhex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2));
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// The bytes of a field in hex.
fn bytes(row: &Value, field: &str) -> Vec<u8> {
    unhex(row[field].as_str().unwrap_or_else(|| panic!("{field} is text")))
}

fn array<const N: usize>(row: &Value, field: &str) -> [u8; N] {
    bytes(row, field).try_into().unwrap_or_else(|_| panic!("{field} has another length"))
}

fn number(row: &Value, field: &str) -> u64 {
    row[field].as_u64().unwrap_or_else(|| panic!("{field} is a number"))
}

/// The rows of a table, which must not be empty.
fn rows(table: &Value) -> &[Value] {
    let rows = table.as_array().unwrap();
    assert!(!rows.is_empty());
    rows
}
