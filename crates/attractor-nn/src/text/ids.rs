//! Inputs given as token ids instead of text.

use super::Tokenizer;
use crate::checkpoint::npy::Npy;
use crate::checkpoint::read_json;
use crate::checkpoint::safetensors::Safetensors;
use crate::checkpoint::spec::Spec;
use crate::model::TokenRow;
use attractor::{Error, Result};
use attractor_record::{Role, Token};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Integers of a file by name, one list per input.
pub type Fields = BTreeMap<String, Vec<Vec<i64>>>;

/// What a tokenizer returns beside what the model reads, and a model's forward pass does not.
const BESIDE: [&str; 8] = [
    "labels",
    "label",
    "special_tokens_mask",
    "offset_mapping",
    "length",
    "num_truncated_tokens",
    "overflowing_tokens",
    "overflow_to_sample_mapping",
];

/// Reads token ids: a JSON list (one input) or list of lists (several), an object of them as tokenizers return it
/// (`input_ids`, `attention_mask`, `token_type_ids`), or integers in a `.npy` or `.safetensors` file (these names, or
/// the only tensor there), [positions] or [inputs, positions].
///
/// # Errors
/// `is_io`, `is_format` for a file that is damaged or holds something else; as [`rows_of`].
pub fn read_ids(path: &Path, spec: &Spec) -> Result<Vec<TokenRow>> {
    let end = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let only = |rows| Fields::from([("input_ids".to_string(), rows)]);
    let fields = match end.as_str() {
        "npy" => only(rows(Npy::open(path)?.integers()?, path)?),
        "safetensors" => {
            let file = Safetensors::open(path)?;
            let names: Vec<_> = file.names().map(str::to_string).collect();
            match names.as_slice() {
                [name] if !stated(name) => only(rows(file.integers(name)?, path)?),
                names => {
                    let read = |name: &String| Ok((name.clone(), rows(file.integers(name)?, path)?));
                    names.iter().filter(|name| !BESIDE.contains(&name.as_str())).map(read).collect::<Result<_>>()?
                }
            }
        }
        _ => match read_json(path, "the file of token ids")? {
            Value::Object(object) => {
                let read = |(name, value): (&String, &Value)| Ok((name.clone(), from_json(value, path)?));
                let kept = object.iter().filter(|(name, _)| !BESIDE.contains(&name.as_str()));
                kept.map(read).collect::<Result<_>>()?
            }
            value => only(from_json(&value, path)?),
        },
    };
    rows_of(fields, path, spec)
}

/// True for a name under which tokenizers return what the model reads.
fn stated(name: &str) -> bool {
    matches!(name, "input_ids" | "attention_mask" | "token_type_ids")
}

/// Inputs of the integers that a file holds: `input_ids`, and `attention_mask` and `token_type_ids` of the same lengths
/// where they are given. Where no mask is given, padding is what stands last in a row and no real token can be: the
/// configuration's padding token, unless texts begin or end with it too.
///
/// # Errors
/// `is_format` for other names, as these could change what the model computes; `is_shape` for other lengths; `is_usage`
/// for an input without tokens and for a number that the model's tables do not have.
pub fn rows_of(mut fields: Fields, path: &Path, spec: &Spec) -> Result<Vec<TokenRow>> {
    fields.retain(|name, _| !BESIDE.contains(&name.as_str()));
    let place = path.display();
    if let Some(other) = fields.keys().find(|name| !stated(name)) {
        return Err(Error::format(format!(
            "{place}: `{other}` is not understood; expected `input_ids`, and with it `attention_mask` and `token_type_ids`: \
             leave it out"
        )));
    }
    let Some(ids) = fields.remove("input_ids") else {
        return Err(Error::format(format!("{place}: expected `input_ids`, or a single list or tensor of token ids")));
    };
    if ids.is_empty() || ids.iter().any(Vec::is_empty) {
        return Err(Error::usage(format!("{place}: an input without tokens; expected at least one token id in each")));
    }
    for (name, values) in &fields {
        if let Some(input) = (0..ids.len()).find(|&input| values.get(input).map(Vec::len) != Some(ids[input].len())) {
            return Err(Error::shape(format!(
                "{place}: `{name}` has {} numbers for input {input}, `input_ids` has {}; they must agree",
                values.get(input).map_or(0, Vec::len),
                ids[input].len()
            )));
        }
    }
    let mut rows = Vec::with_capacity(ids.len());
    for (number, input) in ids.iter().enumerate() {
        let within = |what: &str, values: &[i64], size: usize, advice: &str| match values
            .iter()
            .position(|&value| value < 0 || value >= size as i64)
        {
            None => Ok(values.iter().map(|&value| value as u32).collect::<Vec<u32>>()),
            Some(position) => Err(Error::usage(format!(
                "{place}: input {number}, position {position}: expected {what} from 0 to {}, got {}{advice}",
                size.saturating_sub(1),
                values[position]
            ))),
        };
        let read = within("a token id", input, spec.vocab, "; the ids are from another model's tokenizer")?;
        let padding = match fields.get("attention_mask") {
            Some(mask) => {
                within("a flag of attention_mask", &mask[number], 2, "")?.iter().map(|&seen| seen == 0).collect()
            }
            None => trailing(&read, spec.pad_token),
        };
        let types = match fields.get("token_type_ids") {
            Some(types) => within("a token type", &types[number], spec.token_types.max(1), "")?,
            None => Vec::new(),
        };
        rows.push(TokenRow { ids: read, padding, types });
    }
    Ok(rows)
}

/// Padding at the end of a row; empty if there is none.
fn trailing(ids: &[u32], pad: Option<u32>) -> Vec<bool> {
    let end = ids.iter().rposition(|&id| Some(id) != pad).map_or(0, |last| last + 1);
    match end == ids.len() || end == 0 {
        true => Vec::new(),
        false => (0..ids.len()).map(|at| at >= end).collect(),
    }
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
