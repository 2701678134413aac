//! Versions of the layout: what a run may say, and what this program does not read yet.
//!
//! Version 1 knows no inputs of several steps and one stack of layers; it is read, and [`migrate`](super::migrate) makes it a
//! run of version 2. Version 2 says of every entry which input and which step it is, and has room for what is decided:
//!
//! | where | field | what | read |
//! |---|---|---|---|
//! | entry | `input`, `step`, `block` | which input, at which step, in which block of decoding | yes |
//! | layer | `stack` | encoder, decoder or cross; absent: the model has one stack | yes |
//! | layer | `mask.offset` | offset of rows: the position of the first query among the keys | yes |
//! | entry | `key_tokens` | tokens of keys, where they are not those of queries | no |
//! | entry | `states` | a token's state at a step: masked, committed, ... | no |
//! | entry | `branch` | branch of guidance: conditional or not | no |
//! | token | `role: "slot"` | a memory slot among the positions | no |
//! | layer | array `bias` | additive bias of the scores | no |
//! | layer | `signed` | maps with weights of both signs | no |
//!
//! Whoever reads numbers without what changes their meaning reads them wrongly. So a field, array or role of version 2 that
//! this program does not know is refused by its name, never passed over; a field that is null counts as absent.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Version of the layout that is written.
pub const SCHEMA_VERSION: u32 = 2;

/// The earliest version that is read.
pub(super) const EARLIEST: u32 = 1;

/// What is decided for version 2 and not read yet: the name in the run, and in words.
const DECIDED: [(&str, &str); 5] = [
    ("key_tokens", "tokens of keys apart from those of queries"),
    ("states", "states of tokens"),
    ("branch", "a branch of guidance"),
    ("bias", "an additive bias of the scores"),
    ("signed", "signed maps"),
];

/// Every array that this program reads.
const ARRAYS: [&str; 17] = [
    "q",
    "k",
    "v",
    "z",
    "layer_input",
    "pattern",
    "log_sum_exp",
    "stored_log_sum_exp",
    "row_statistics",
    "row_keys",
    "key_statistics",
    "distance_statistics",
    "pooled",
    "link_ends",
    "link_weight",
    "row_top_keys",
    "row_top_weights",
];

/// Why something cannot be read from a value.
pub(super) enum Refusal {
    /// It does not have the form that it must have.
    Damaged(serde_json::Error),
    /// It says something that this program does not know.
    Unknown(String),
}

/// Refuses `name`, which stands at `at`.
fn unknown(at: &str, name: &str) -> Refusal {
    let what = match DECIDED.iter().find(|(decided, _)| *decided == name) {
        Some((_, words)) => format!(" ({words})"),
        None => String::new(),
    };
    Refusal::Unknown(format!("{at}{what} is not understood by this program; use a later one"))
}

/// Reads a value of a run of `version`; from version 2 on, a field that is not understood is refused.
pub(super) fn read<T: Serialize + DeserializeOwned>(value: Value, version: u32) -> Result<T, Refusal> {
    if version < 2 {
        return serde_json::from_value(value).map_err(Refusal::Damaged);
    }
    named_but_not_read(&value, "")?;
    let read: T = serde_json::from_value(value.clone()).map_err(Refusal::Damaged)?;
    // What was understood is what comes out again; whatever else the value holds was passed over.
    let understood = serde_json::to_value(&read).map_err(Refusal::Damaged)?;
    passed_over(&value, &understood, "")?;
    Ok(read)
}

/// Refuses arrays of a layer that are not understood.
pub(super) fn arrays<'a>(layer: &str, names: impl Iterator<Item = &'a String>) -> Result<(), Refusal> {
    for name in names {
        if !ARRAYS.contains(&name.as_str()) {
            return Err(unknown(&format!("{layer}: the array {name}"), name));
        }
    }
    Ok(())
}

/// A role that is decided and not read is found before it is an unknown variant.
fn named_but_not_read(value: &Value, path: &str) -> Result<(), Refusal> {
    match value {
        Value::Object(fields) => {
            if fields.get("role").is_some_and(|role| role == "slot") {
                return Err(Refusal::Unknown(format!(
                    "{path}: the role slot (a memory slot among the positions) is not understood by this program; use a \
                     later one"
                )));
            }
            fields.iter().try_for_each(|(name, value)| named_but_not_read(value, &joined(path, name)))
        }
        Value::Array(items) => {
            items.iter().enumerate().try_for_each(|(at, value)| named_but_not_read(value, &format!("{path}[{at}]")))
        }
        _ => Ok(()),
    }
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_string() } else { format!("{path}.{name}") }
}

fn passed_over(value: &Value, understood: &Value, path: &str) -> Result<(), Refusal> {
    match (value, understood) {
        (Value::Object(fields), Value::Object(known)) => {
            for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
                match known.get(name) {
                    Some(known) => passed_over(value, known, &joined(path, name))?,
                    None => return Err(unknown(&joined(path, name), name)),
                }
            }
            Ok(())
        }
        (Value::Array(items), Value::Array(known)) => items
            .iter()
            .zip(known)
            .enumerate()
            .try_for_each(|(at, (value, known))| passed_over(value, known, &format!("{path}[{at}]"))),
        _ => Ok(()),
    }
}
