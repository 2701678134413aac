//! What a reader hands on: named arrays, before anybody knows what they mean.

use attractor::{Error, Result};
use attractor_data::archive::{Text, Value, Whole};
use attractor_record::Step;

use super::axes::Axes;
use super::names::{self, Name};
use super::store::Stored;
use crate::aside::{Aside, Ignored};

/// One map or stack of maps.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Raw {
    /// Where it was found, for messages.
    pub name: String,
    /// What its name and its place in the file say.
    pub said: Name,
    /// Its step, with the block of decoding that it belongs to.
    pub step: Option<Step>,
    /// Its axes, where its place in a nest has settled them.
    pub axes: Option<Axes>,
    /// The array; `None`: null in the file.
    pub array: Option<Stored>,
}

/// All that a file holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Contents {
    pub maps: Vec<Raw>,
    /// One list of tokens for all inputs, or one per input.
    pub tokens: Vec<Vec<String>>,
    /// What is padding (0) and what is not: one list for all inputs, or one per input.
    pub attention_mask: Vec<Vec<bool>>,
    pub prompt_length: Option<usize>,
    /// Steps of an unnamed nest that were told from layers only by their growing keys.
    pub steps: Option<usize>,
    /// What was ignored, and why.
    pub notes: Vec<Aside>,
}

/// Axes of a map may be [q, k], [head, q, k], [batch, head, q, k].
pub(crate) const SHAPES: &str = "[query, key], [head, query, key] or [batch, head, query, key]";

/// What stands beside the maps, by its name in small letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beside {
    Tokens,
    Ids,
    Padding,
    PromptLength,
}

impl Beside {
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "tokens" => Some(Self::Tokens),
            "input_ids" | "token_ids" | "ids" => Some(Self::Ids),
            "attention_mask" | "padding_mask" => Some(Self::Padding),
            "prompt_length" | "prompt_len" => Some(Self::PromptLength),
            _ => None,
        }
    }
}

/// Cuts a list of one or two axes into one list per input; `None` for other shapes.
pub(crate) fn lists<T: Clone>(shape: &[usize], all: &[T]) -> Option<Vec<Vec<T>>> {
    match *shape {
        [_] => Some(vec![all.to_vec()]),
        [rows, columns] if rows * columns == all.len() && columns > 0 => {
            Some(all.chunks_exact(columns).map(<[T]>::to_vec).collect())
        }
        _ => None,
    }
}

impl Contents {
    /// Tokens, padding, a prompt's length. Tokens as texts stand above their ids.
    pub(crate) fn beside(&mut self, name: &str, beside: Beside, value: Value) {
        let (shape, numbers, texts): (Vec<usize>, Vec<i64>, Vec<String>) = match value {
            Value::Whole(Whole { shape, numbers, .. }) => (shape, numbers, Vec::new()),
            Value::Text(Text { shape, texts }) => (shape, Vec::new(), texts),
            Value::Floats(array) if array.data.iter().all(|x| x.fract() == 0.0) => {
                (array.shape, array.data.iter().map(|&x| x as i64).collect(), Vec::new())
            }
            Value::Floats(array) => {
                let shape = format!("numbers {:?} that are not whole", array.shape);
                return self.notes.push(Aside::new(name, Ignored::NotTexts(shape)));
            }
        };
        let shown = |numbers: &[i64]| numbers.iter().map(ToString::to_string).collect::<Vec<_>>();
        match (beside, lists(&shape, &texts), lists(&shape, &numbers)) {
            (Beside::PromptLength, ..) if numbers.len() == 1 => self.prompt_length = usize::try_from(numbers[0]).ok(),
            (Beside::Tokens, Some(lists), _) if !texts.is_empty() => self.tokens = lists,
            (Beside::Tokens, _, Some(lists)) => self.tokens = lists.iter().map(|ids| shown(ids)).collect(),
            (Beside::Ids, _, Some(lists)) if self.tokens.is_empty() => {
                self.tokens = lists.iter().map(|ids| shown(ids)).collect();
            }
            (Beside::Ids, _, Some(_)) => {}
            (Beside::Padding, _, Some(lists)) if numbers.iter().all(|x| [0, 1].contains(x)) => {
                self.attention_mask = lists.iter().map(|list| list.iter().map(|&x| x != 0).collect()).collect();
            }
            (Beside::Padding, ..) => self.notes.push(Aside::new(name, Ignored::NotPadding(shape))),
            _ => self.notes.push(Aside::new(name, Ignored::NotTexts(format!("an array of shape {shape:?}")))),
        }
    }

    /// Adds an array of maps under its name.
    pub(crate) fn map(&mut self, name: &str, array: Stored) -> Result<()> {
        let said = settled(name, names::parse(name), array.shape.len())?;
        let step = said.step.map(Step::from);
        self.maps.push(Raw { name: name.to_string(), said, step, axes: None, array: Some(array) });
        Ok(())
    }

    /// What is known only when the whole file was read: a lone array of which NumPy chose the name has none; where hooks say
    /// which arrays are patterns, the others are not.
    pub(crate) fn all_read(&mut self) {
        if let [only] = self.maps.as_mut_slice()
            && only.name == "arr_0"
        {
            only.said = Name::default();
        }
        let is_pattern = |raw: &Raw| raw.name.contains("hook_pattern");
        if self.maps.iter().any(is_pattern) {
            let (patterns, others) = std::mem::take(&mut self.maps).into_iter().partition(is_pattern);
            self.maps = patterns;
            let names: Vec<String> = others.into_iter().map(|raw| raw.name).collect();
            if let Some(first) = names.first() {
                self.notes.push(Aside::new(first, Ignored::NoPattern(names.len())));
            }
        }
    }
}

/// Two numbers side by side are layer and head of one map; of a larger array nobody can tell.
///
/// # Errors
/// `is_format`.
pub(crate) fn settled(name: &str, said: Name, axes: usize) -> Result<Name> {
    if said.unclear || (said.bare && axes > 2) {
        return Err(Error::format(format!(
            "{name}: the numbers in its name may be steps, layers or heads; name arrays such as L5, L5H3 or step2_layer5"
        )));
    }
    Ok(said)
}
