//! Which entries of a source are steps of the same input, and a source seen at one step.

use std::collections::BTreeMap;

use attractor::Result;
use attractor::retrieve::{HeadStatistics, Mask};

use crate::patterns::{LayerShape, Patterns, no_input};
use crate::rows::Rows;
use crate::table::{Column, Table};
use crate::{Facts, MaskOrigin, ModelInfo, Origin, Stack, Token};

/// The entries of a source, sorted into inputs and steps.
///
/// Inputs are independent of each other; steps of one input are not, and statistics never take them apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Steps {
    origins: Vec<Origin>,
    /// Entries of every input, steps ascending; inputs ascending.
    series: Vec<Vec<usize>>,
}

impl Steps {
    /// Of a source.
    pub fn of(patterns: &dyn Patterns) -> Self {
        Self::new((0..patterns.inputs()).map(|entry| patterns.origin(entry)).collect())
    }

    /// Of the origin of every entry, in order.
    pub fn new(origins: Vec<Origin>) -> Self {
        let mut inputs: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (entry, origin) in origins.iter().enumerate() {
            inputs.entry(origin.input).or_default().push(entry);
        }
        let mut series: Vec<Vec<usize>> = inputs.into_values().collect();
        series.iter_mut().for_each(|entries| entries.sort_by_key(|&entry| origins[entry].number()));
        Self { origins, series }
    }

    /// True if some input has several steps; otherwise every entry is an input of its own and steps are never named.
    pub fn are_several(&self) -> bool {
        self.series.iter().any(|entries| entries.len() > 1)
    }

    /// Number of inputs, however many steps each has.
    pub fn inputs(&self) -> usize {
        self.series.len()
    }

    /// The entries of every input, in the order of its steps.
    pub fn series(&self) -> &[Vec<usize>] {
        &self.series
    }

    /// The position of every entry's input among [`series`](Self::series).
    pub fn input_of_each(&self) -> Vec<usize> {
        let mut of = vec![0; self.origins.len()];
        for (input, entries) in self.series.iter().enumerate() {
            entries.iter().for_each(|&entry| of[entry] = input);
        }
        of
    }

    /// The numbers of the steps that there are, ascending, and the entries of each; an entry without a number comes first.
    pub fn numbers(&self) -> BTreeMap<Option<u64>, Vec<usize>> {
        let mut numbers: BTreeMap<Option<u64>, Vec<usize>> = BTreeMap::new();
        for (entry, origin) in self.origins.iter().enumerate() {
            numbers.entry(origin.number()).or_default().push(entry);
        }
        numbers
    }

    /// Entries of different inputs that may be compared with each other: all where inputs have one step, else those of the
    /// step at which most inputs are (of equals the first), ascending.
    pub fn abreast(&self) -> Vec<usize> {
        if !self.are_several() {
            return (0..self.origins.len()).collect();
        }
        // `max_by_key` keeps the last of equals; the reverse makes it the first.
        self.numbers().into_values().rev().max_by_key(Vec::len).unwrap_or_default()
    }

    /// Input and step of an entry; without a step where no input has several.
    pub fn origin(&self, entry: usize) -> Origin {
        match self.origins.get(entry) {
            Some(origin) if self.are_several() => *origin,
            _ => Origin::of(entry),
        }
    }

    /// "input 3"; "input 0, step 8" where inputs have steps.
    pub fn name(&self, entry: usize) -> String {
        self.origin(entry).to_string()
    }

    /// Steps of all inputs together; `None` where every input has one.
    pub fn several(&self) -> Option<usize> {
        self.are_several().then_some(self.origins.len())
    }

    /// "7 inputs"; "24 steps of 2 inputs" where inputs have steps.
    pub fn counted(&self) -> String {
        counted(None, self.inputs(), self.several())
    }
}

/// What was looked at, in words: "7 inputs", "24 steps of 2 inputs", "decoder, 7 inputs".
///
/// `stack` is named where the model has several, `steps` are those of all inputs together where inputs have several.
pub fn counted(stack: Option<Stack>, inputs: usize, steps: Option<usize>) -> String {
    let stack = stack.map_or(String::new(), |stack| format!("{stack}, "));
    let steps = steps.map_or(String::new(), |steps| format!("{steps} step{} of ", if steps == 1 { "" } else { "s" }));
    format!("{stack}{steps}{inputs} input{}", if inputs == 1 { "" } else { "s" })
}

/// Some entries of another source, for example those of one step.
pub struct Entries<'a> {
    inner: &'a dyn Patterns,
    chosen: Vec<usize>,
}

impl<'a> Entries<'a> {
    /// The entries `chosen`, in that order.
    ///
    /// # Errors
    /// `is_usage` for an entry that is not there.
    pub fn new(inner: &'a dyn Patterns, chosen: Vec<usize>) -> Result<Self> {
        match chosen.iter().find(|&&entry| entry >= inner.inputs()) {
            Some(&entry) => Err(no_input(entry, inner.inputs())),
            None => Ok(Self { inner, chosen }),
        }
    }

    fn entry(&self, input: usize) -> Result<usize> {
        self.chosen.get(input).copied().ok_or_else(|| no_input(input, self.chosen.len()))
    }
}

impl Patterns for Entries<'_> {
    fn info(&self) -> &ModelInfo {
        self.inner.info()
    }

    fn stack(&self) -> Stack {
        self.inner.stack()
    }

    fn inputs(&self) -> usize {
        self.chosen.len()
    }

    fn origin(&self, input: usize) -> Origin {
        self.chosen.get(input).map_or(Origin::of(input), |&entry| self.inner.origin(entry))
    }

    fn tokens(&self, input: usize) -> &[Token] {
        self.chosen.get(input).map_or(&[], |&entry| self.inner.tokens(entry))
    }

    fn prompt_length(&self, input: usize) -> Option<usize> {
        self.inner.prompt_length(*self.chosen.get(input)?)
    }

    fn layers(&self) -> Vec<LayerShape> {
        self.inner.layers()
    }

    fn mask(&self, layer: usize, input: usize) -> Result<Mask> {
        self.inner.mask(layer, self.entry(input)?)
    }

    fn mask_origin(&self, layer: usize, input: usize) -> Result<MaskOrigin> {
        self.inner.mask_origin(layer, self.entry(input)?)
    }

    fn shape(&self, layer: usize, input: usize) -> Result<(usize, usize)> {
        self.inner.shape(layer, self.entry(input)?)
    }

    fn statistics(&self, layer: usize, head: usize, input: usize) -> Result<Option<HeadStatistics>> {
        self.inner.statistics(layer, head, self.entry(input)?)
    }

    fn open(&self, layer: usize, head: usize, input: usize) -> Result<Option<Box<dyn Rows + '_>>> {
        self.inner.open(layer, head, self.entry(input)?)
    }

    fn layer_input(&self, layer: usize, input: usize, rows: &[usize]) -> Result<Option<Vec<f32>>> {
        self.inner.layer_input(layer, self.entry(input)?, rows)
    }

    fn facts(&self, layer: usize, input: usize) -> Result<Facts> {
        self.inner.facts(layer, self.entry(input)?)
    }
}

/// A table of a source whose inputs have steps: a row per step and row of the table `of` that step, with the step's number before
/// the other columns. Where inputs have one step, the table of the source itself. The stack stands before both where the model
/// has several.
///
/// # Errors
/// What `of` answers; `is_usage` if it answers tables with a column of the same name and another type.
pub fn by_step(patterns: &dyn Patterns, of: impl Fn(&dyn Patterns) -> Result<Table>) -> Result<Table> {
    let steps = Steps::of(patterns);
    if !steps.are_several() {
        return of(patterns)?.of_stack(patterns.stack());
    }
    let mut tables = Vec::new();
    for (number, entries) in steps.numbers() {
        let table = of(&Entries::new(patterns, entries)?)?;
        let step = match number {
            Some(number) => Column::Whole(vec![number as i64; table.rows()]),
            None => Column::MaybeWhole(vec![None; table.rows()]),
        };
        tables.push(table.behind("step", step)?);
    }
    Table::joined(tables)?.of_stack(patterns.stack())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_without_steps_are_inputs_and_one_step_is_none() {
        for origins in [vec![Origin::of(0), Origin::of(1)], vec![Origin::at(0, 5), Origin::at(1, 5)]] {
            let steps = Steps::new(origins);
            assert!(!steps.are_several());
            assert_eq!((steps.name(1).as_str(), steps.counted().as_str()), ("input 1", "2 inputs"));
            assert_eq!(steps.series(), [vec![0], vec![1]]);
            assert_eq!(steps.abreast(), [0, 1]);
        }
    }

    #[test]
    fn entries_of_an_input_are_its_steps_in_the_order_of_their_numbers() {
        let steps = Steps::new(vec![Origin::at(4, 8), Origin::at(1, 8), Origin::at(4, 2), Origin::at(1, 3)]);
        assert!(steps.are_several());
        assert_eq!(steps.series(), [vec![3, 1], vec![2, 0]]);
        assert_eq!(steps.input_of_each(), [1, 0, 1, 0]);
        assert_eq!((steps.name(2).as_str(), steps.counted().as_str()), ("input 4, step 2", "4 steps of 2 inputs"));
        let numbers: Vec<_> = steps.numbers().into_iter().collect();
        assert_eq!(numbers, [(Some(2), vec![2]), (Some(3), vec![3]), (Some(8), vec![0, 1])]);
        assert_eq!(steps.abreast(), [0, 1]);
        let alone = Steps::new(vec![Origin::at(0, 8), Origin::at(0, 2)]);
        assert_eq!(alone.abreast(), [1], "of equals the first step");
    }
}
