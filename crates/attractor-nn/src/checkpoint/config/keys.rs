//! Typed reading of one JSON object, every refusal with the key, the value and what was expected.

use attractor::{Error, Result};
use serde_json::{Map, Value};

/// Largest width, depth aside, that a configuration may name: products of three still fit in 64 bits.
const LARGEST: u64 = 1 << 20;
/// Largest number of layers, so that what is kept per layer stays small.
const MOST_LAYERS: u64 = 10_000;
/// Largest vocabulary and number of positions.
const LARGEST_TABLE: u64 = 1 << 28;

/// An object of a configuration and where it stands.
#[derive(Clone, Copy)]
pub(super) struct Keys<'a> {
    place: &'a str,
    object: &'a Map<String, Value>,
}

impl<'a> Keys<'a> {
    pub(super) fn of(place: &'a str, value: &'a Value) -> Result<Self> {
        match value {
            Value::Object(object) => Ok(Self { place, object }),
            other => Err(Error::format(format!(
                "{place}: expected a JSON object of settings, got {}; this is not a model configuration",
                kind(other)
            ))),
        }
    }

    /// The place in a message: the file.
    pub(super) fn place(&self) -> &'a str {
        self.place
    }

    /// A value that is there and not null.
    pub(super) fn get(&self, key: &str) -> Option<&'a Value> {
        self.object.get(key).filter(|v| !v.is_null())
    }

    /// Every key with its value, in the file's order.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'a String, &'a Value)> {
        self.object.iter()
    }

    /// True if the key is written, even as null.
    pub(super) fn has(&self, key: &str) -> bool {
        self.object.contains_key(key)
    }

    /// A copy of the object in which keys that are not written take a default.
    pub(super) fn filled(&self, defaults: &[(&str, u64)]) -> Value {
        let mut object = self.object.clone();
        for &(key, default) in defaults {
            object.entry(key).or_insert_with(|| default.into());
        }
        Value::Object(object)
    }

    /// An error about this object.
    pub(super) fn error(&self, message: impl std::fmt::Display) -> Error {
        Error::format(format!("{}: {message}", self.place))
    }

    fn wrong(&self, key: &str, expected: &str, got: &Value) -> Error {
        self.error(format_args!("`{key}`: expected {expected}, got {}", short(got)))
    }

    fn missing(&self, key: &str) -> Error {
        self.error(format_args!(
            "`{key}` is missing; without it the model cannot be built: add it or give a full configuration"
        ))
    }

    fn whole(&self, key: &str, least: u64, most: u64) -> Result<Option<usize>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        match value.as_u64() {
            Some(n) if (least..=most).contains(&n) => Ok(Some(n as usize)),
            _ => Err(self.wrong(key, &format!("a whole number from {least} to {most}"), value)),
        }
    }

    /// A width or number of heads, one at least.
    pub(super) fn size(&self, key: &str) -> Result<usize> {
        self.size_if(key)?.ok_or_else(|| self.missing(key))
    }

    pub(super) fn size_or(&self, key: &str, default: usize) -> Result<usize> {
        Ok(self.size_if(key)?.unwrap_or(default))
    }

    pub(super) fn size_if(&self, key: &str) -> Result<Option<usize>> {
        self.whole(key, 1, LARGEST)
    }

    /// A number of layers, one at least.
    pub(super) fn layers(&self, key: &str) -> Result<usize> {
        self.whole(key, 1, MOST_LAYERS)?.ok_or_else(|| self.missing(key))
    }

    /// Rows of a table: a vocabulary, positions.
    pub(super) fn rows(&self, key: &str) -> Result<usize> {
        self.rows_if(key)?.ok_or_else(|| self.missing(key))
    }

    pub(super) fn rows_if(&self, key: &str) -> Result<Option<usize>> {
        self.whole(key, 1, LARGEST_TABLE)
    }

    /// A token's number; lists (several end tokens) give their first.
    pub(super) fn token(&self, key: &str) -> Result<Option<u32>> {
        match self.get(key) {
            Some(Value::Array(list)) => match list.first().and_then(Value::as_u64) {
                Some(id) if id <= u64::from(u32::MAX) => Ok(Some(id as u32)),
                _ => Err(self.wrong(key, "token ids", self.get(key).unwrap_or(&Value::Null))),
            },
            // -1 is how some configurations write "none".
            Some(value) if value.as_i64() == Some(-1) => Ok(None),
            _ => Ok(self.whole(key, 0, u64::from(u32::MAX))?.map(|n| n as u32)),
        }
    }

    /// A count that may be zero.
    pub(super) fn count_or(&self, key: &str, default: usize) -> Result<usize> {
        Ok(self.whole(key, 0, LARGEST)?.unwrap_or(default))
    }

    pub(super) fn count(&self, key: &str) -> Result<usize> {
        self.whole(key, 0, LARGEST)?.ok_or_else(|| self.missing(key))
    }

    /// A positive finite number.
    pub(super) fn positive_or(&self, key: &str, default: f64) -> Result<f64> {
        Ok(self.positive_if(key)?.unwrap_or(default))
    }

    pub(super) fn positive(&self, key: &str) -> Result<f64> {
        self.positive_if(key)?.ok_or_else(|| self.missing(key))
    }

    pub(super) fn positive_if(&self, key: &str) -> Result<Option<f64>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        match value.as_f64() {
            // Within what f32 and its reciprocal can hold, since that is what the model computes in.
            Some(x) if (1e-30..1e30).contains(&x) => Ok(Some(x)),
            _ => Err(self.wrong(key, "a number above 0, from 1e-30 to 1e30", value)),
        }
    }

    pub(super) fn flag_or(&self, key: &str, default: bool) -> Result<bool> {
        match self.get(key) {
            None => Ok(default),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(self.wrong(key, "true or false", other)),
        }
    }

    pub(super) fn text_if(&self, key: &str) -> Result<Option<&'a str>> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong(key, "a text", other)),
        }
    }

    pub(super) fn texts_if(&self, key: &str) -> Result<Option<Vec<&'a str>>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        value
            .as_array()
            .and_then(|list| list.iter().map(Value::as_str).collect())
            .map(Some)
            .ok_or_else(|| self.wrong(key, "a list of texts", value))
    }

    pub(super) fn object_if(&self, key: &str) -> Result<Option<Keys<'a>>> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Object(object)) => Ok(Some(Keys { place: self.place, object })),
            Some(other) => Err(self.wrong(key, "an object", other)),
        }
    }

    /// One number for both axes, or [height, width].
    pub(super) fn pair(&self, key: &str) -> Result<(usize, usize)> {
        let Some(value) = self.get(key) else { return Err(self.missing(key)) };
        let size = |v: &Value| v.as_u64().filter(|&n| (1..=LARGEST).contains(&n)).map(|n| n as usize);
        let pair = match value.as_array().map(Vec::as_slice) {
            None => size(value).map(|n| (n, n)),
            Some([height, width]) => size(height).zip(size(width)),
            Some(_) => None,
        };
        pair.ok_or_else(|| self.wrong(key, "a size above 0 or [height, width]", value))
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// A value as JSON, cut if long.
pub(super) fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}
