//! What a reader hands on: named arrays, before anybody knows what they mean.

use attractor::{Error, Result};
use attractor_data::archive::{Array, Value, Whole};
use attractor_record::Step;

use super::names::Name;
use crate::aside::{Aside, Ignored};

/// One map or stack of maps.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Raw {
    /// Where it was found, for messages.
    pub name: String,
    pub layer: usize,
    pub head: Option<usize>,
    /// The number of its input, where the name says one.
    pub input: Option<u64>,
    pub step: Option<Step>,
    /// The array; `None`: null in the file.
    pub array: Option<Array>,
}

/// All that a file holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Contents {
    pub maps: Vec<Raw>,
    /// One list of tokens for all inputs, or one per input.
    pub tokens: Vec<Vec<String>>,
    pub prompt_length: Option<usize>,
    /// What was ignored, and why.
    pub notes: Vec<Aside>,
}

/// Axes of a map may be [q, k], [head, q, k], [batch, head, q, k].
pub(crate) const SHAPES: &str = "[query, key], [head, query, key] or [batch, head, query, key]";

impl Contents {
    /// Adds a named value of a file without a structure of its own.
    pub(crate) fn add(&mut self, name: &str, value: Value) -> Result<()> {
        let said = super::names::parse(name);
        let bare = name.to_ascii_lowercase();
        match value {
            Value::Whole(Whole { numbers, .. })
                if ["tokens", "input_ids", "token_ids", "ids"].contains(&bare.as_str()) =>
            {
                self.tokens = vec![numbers.iter().map(ToString::to_string).collect()];
            }
            Value::Text(tokens) if bare == "tokens" => self.tokens = vec![tokens],
            Value::Whole(Whole { numbers, .. })
                if ["prompt_length", "prompt_len"].contains(&bare.as_str()) && numbers.len() == 1 =>
            {
                self.prompt_length = usize::try_from(numbers[0]).ok();
            }
            Value::Floats(array) => match said.layer {
                Some(layer) => self.push(name, layer, said, array),
                None => self.unnumbered(name, array)?,
            },
            Value::Whole(_) | Value::Text(_) => {
                self.notes.push(Aside::new(name, Ignored::Other));
            }
        }
        Ok(())
    }

    fn push(&mut self, name: &str, layer: usize, said: Name, array: Array) {
        let step = said.step.map(Step::from);
        let (head, input) = (said.head, said.input);
        self.maps.push(Raw { name: name.to_string(), layer, head, input, step, array: Some(array) });
    }

    /// An array whose name has no number is layer 0, or holds all layers along a fifth, first axis.
    fn unnumbered(&mut self, name: &str, array: Array) -> Result<()> {
        if self.maps.iter().any(|raw| raw.layer == 0) {
            return Err(Error::format(format!(
                "{name}: the name says no layer, and there are other arrays; name arrays such as L5, layer5/step3 or L5H5"
            )));
        }
        if array.shape.len() < 5 {
            self.push(name, 0, Name::default(), array);
            return Ok(());
        }
        for (layer, part) in split(array, name)?.into_iter().enumerate() {
            self.push(name, layer, Name::default(), part);
        }
        Ok(())
    }
}

/// Cuts along the first axis.
pub(crate) fn split(array: Array, name: &str) -> Result<Vec<Array>> {
    let Some((&count, rest)) = array.shape.split_first() else {
        return Err(Error::format(format!("{name}: a single number; expected {SHAPES}")));
    };
    if array.data.is_empty() {
        return Err(Error::format(format!("{name}: the shape {:?} holds nothing", array.shape)));
    }
    let size: usize = rest.iter().product();
    debug_assert_eq!(count * size, array.data.len());
    let part = |data: &[f32]| Array { shape: rest.to_vec(), data: data.to_vec(), precision: array.precision };
    Ok(array.data.chunks_exact(size).map(part).collect())
}
