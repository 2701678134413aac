//! Inputs given as token ids instead of text.

use super::Tokenizer;
use crate::checkpoint::npy::Npy;
use crate::checkpoint::read_json;
use crate::checkpoint::safetensors::Safetensors;
use crate::checkpoint::spec::Spec;
use attractor::{Error, Result};
use attractor_record::{Role, Token};
use serde_json::Value;
use std::path::Path;

/// Reads token ids: a JSON list (one input) or list of lists (several), or integers in a `.npy` or `.safetensors`
/// file (`input_ids`, or the only tensor there), [positions] or [inputs, positions].
///
/// # Errors
/// `is_io`, `is_format` for a file that is damaged or holds something else; `is_usage` for an empty input and for a
/// number that a table of `vocabulary` rows does not have.
pub fn read_ids(path: &Path, vocabulary: usize) -> Result<Vec<Vec<u32>>> {
    let end = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let inputs = match end.as_str() {
        "npy" => rows(Npy::open(path)?.integers()?, path)?,
        "safetensors" => {
            let file = Safetensors::open(path)?;
            let names: Vec<_> = file.names().collect();
            let name = match names.as_slice() {
                [only] => *only,
                several => several.iter().find(|name| **name == "input_ids").copied().ok_or_else(|| {
                    Error::format(format!(
                        "{}: expected a tensor `input_ids` or a single tensor, got {} ({})",
                        path.display(),
                        several.len(),
                        several.iter().take(5).copied().collect::<Vec<_>>().join(", ")
                    ))
                })?,
            };
            rows(file.integers(name)?, path)?
        }
        _ => from_json(&read_json(path, "the file of token ids")?, path)?,
    };
    if inputs.is_empty() || inputs.iter().any(Vec::is_empty) {
        return Err(Error::usage(format!(
            "{}: an input without tokens; expected at least one token id in each",
            path.display()
        )));
    }
    for (number, input) in inputs.iter().enumerate() {
        if let Some(position) = input.iter().position(|&id| id < 0 || id >= vocabulary as i64) {
            return Err(Error::usage(format!(
                "{}: input {number}, position {position}: expected a token id from 0 to {}, got {}; the ids are \
                 from another model's tokenizer",
                path.display(),
                vocabulary.saturating_sub(1),
                input[position]
            )));
        }
    }
    Ok(inputs.into_iter().map(|input| input.into_iter().map(|id| id as u32).collect()).collect())
}

/// Tokens of given ids: as the tokenizer knows them, or bare numbers with the roles that the configuration gives.
///
/// # Errors
/// As [`Tokenizer::tokens`].
pub fn describe(ids: &[u32], tokenizer: Option<&Tokenizer>, spec: &Spec) -> Result<Vec<Token>> {
    if let Some(tokenizer) = tokenizer {
        return tokenizer.tokens(ids);
    }
    let role = |id: u32| match Some(id) {
        id if id == spec.mask_token => Role::Mask,
        id if id == spec.pad_token => Role::Pad,
        id if id == spec.bos_token => Role::Bos,
        _ => Role::Text,
    };
    Ok(ids.iter().map(|&id| Token { text: id.to_string(), id, role: role(id) }).collect())
}

fn rows((shape, values): (Vec<usize>, Vec<i64>), path: &Path) -> Result<Vec<Vec<i64>>> {
    match shape.as_slice() {
        [_] => Ok(vec![values]),
        [_, 0] | [0, _] => Ok(Vec::new()),
        [_, width] => Ok(values.chunks_exact(*width).map(<[i64]>::to_vec).collect()),
        other => Err(Error::shape(format!(
            "{}: expected token ids of shape [positions] or [inputs, positions], got {other:?}",
            path.display()
        ))),
    }
}

fn from_json(value: &Value, path: &Path) -> Result<Vec<Vec<i64>>> {
    let wrong = |what: &Value| {
        Error::format(format!(
            "{}: expected a JSON list of token ids or a list of such lists, got {}",
            path.display(),
            what.to_string().chars().take(60).collect::<String>()
        ))
    };
    let numbers = |list: &[Value]| list.iter().map(|v| v.as_i64().ok_or_else(|| wrong(v))).collect::<Result<Vec<_>>>();
    let Value::Array(list) = value else { return Err(wrong(value)) };
    if !list.iter().any(Value::is_array) {
        return Ok(vec![numbers(list)?]);
    }
    list.iter().map(|inner| numbers(inner.as_array().ok_or_else(|| wrong(inner))?)).collect()
}
