//! Inputs that were given twice: one observation, not two.

use std::fmt;

use attractor_record::Patterns;
use attractor_record::Role;
use attractor_record::Steps;

use crate::place::written_as_words;
use attractor::Result;

/// Inputs that repeat an earlier one, each with that one; `None` if what the inputs are is not known.
///
/// Inputs are equal if their tokens are; images, if what entered the first layer is. Where inputs have steps, one step of each
/// is looked at: steps of one input are alike and no inputs of their own.
///
/// # Errors
/// `is_format` if the patterns cannot be read.
pub fn repeated_inputs(patterns: &dyn Patterns) -> Result<Option<Vec<(usize, usize)>>> {
    let steps = Steps::of(patterns);
    let abreast = steps.abreast();
    let number = |at: usize| if steps.are_several() { patterns.origin(abreast[at]).input } else { at };
    let numbered = |pairs: Vec<(usize, usize)>| pairs.into_iter().map(|(a, b)| (number(a), number(b))).collect();
    let is_text = |input: usize| {
        let tokens = patterns.tokens(input);
        !tokens.is_empty() && tokens.iter().all(|token| token.role != Role::Patch)
    };
    if abreast.iter().copied().all(is_text) {
        let read = |input: usize| patterns.tokens(input).iter().map(|t| (t.id, t.text.as_str())).collect::<Vec<_>>();
        return Ok(Some(numbered(earlier(&abreast.iter().copied().map(read).collect::<Vec<_>>()))));
    }
    let Some(first) = patterns.layers().first().map(|shape| shape.layer) else { return Ok(None) };
    let mut entered = Vec::new();
    for &input in &abreast {
        let rows: Vec<usize> = (0..patterns.shape(first, input)?.0).collect();
        let Some(values) = patterns.layer_input(first, input, &rows)? else { return Ok(None) };
        entered.push(values.into_iter().map(f32::to_bits).collect::<Vec<_>>());
    }
    Ok(Some(numbered(earlier(&entered))))
}

/// (later, first one that is equal to it).
fn earlier<T: PartialEq>(all: &[T]) -> Vec<(usize, usize)> {
    (0..all.len()).filter_map(|later| Some((later, (0..later).find(|&first| all[first] == all[later])?))).collect()
}

/// Inputs that were given twice, and what it means for intervals and p-values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repeated {
    /// An input that repeats an earlier one.
    pub later: usize,
    /// The one that it repeats.
    pub first: usize,
    /// How many more repeat an earlier one.
    pub more: usize,
}

impl Repeated {
    /// The first of some pairs; `None` if there are none.
    pub fn of(pairs: &[(usize, usize)]) -> Option<Self> {
        pairs.first().map(|&(later, first)| Self { later, first, more: pairs.len() - 1 })
    }
}

impl fmt::Display for Repeated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { later, first, more } = self;
        let more = if *more > 0 { format!(" and {more} more") } else { String::new() };
        write!(
            f,
            "input {later} repeats input {first}{more}: intervals and p-values treat every input as an independent \
             observation and are too narrow; give each input once"
        )
    }
}

written_as_words!(Repeated);
