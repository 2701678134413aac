//! The maps of one input for other programs: as they are, or by groups of positions and heads.

use std::ops::Range;
use std::path::{Path, PathBuf};

use attractor::{Context, Error, Hint, Result};
use attractor_capture::export::{self, Array, Source};
use attractor_judge::analysis::aggregated;
pub use attractor_judge::analysis::{Aggregated, HeadGroups, Partition};
use attractor_record::{Patterns, Selection};
use serde::Serialize;

pub use attractor_capture::export::Format;

use crate::capture;
pub use crate::follow::By;
use crate::inputs::Inputs;

/// What is exported.
#[derive(Debug, Clone)]
pub struct Options {
    /// A checkpoint or a run.
    pub target: PathBuf,
    /// What goes through a checkpoint.
    pub inputs: Inputs,
    /// Which input, from 0.
    pub input_number: usize,
    /// Which layers and heads.
    pub selection: Selection,
    /// Tokens or whole words: weights add up over keys and are averaged over queries, so rows still sum to one.
    pub by: By,
    /// Positions that become one row and one column each; others stand by themselves. Not with words.
    pub spans: Vec<Range<usize>>,
    /// Which heads become one map.
    pub groups: HeadGroups,
}

impl Options {
    /// Every map of the first input, token by token.
    pub fn new(target: impl Into<PathBuf>) -> Self {
        Self {
            target: target.into(),
            inputs: Inputs::default(),
            input_number: 0,
            selection: Selection::all(),
            by: By::Token,
            spans: Vec::new(),
            groups: HeadGroups::Each,
        }
    }

    /// Refuses what contradicts itself.
    ///
    /// # Errors
    /// `is_usage`.
    pub fn check(&self) -> Result<()> {
        if self.by == By::Word && !self.spans.is_empty() {
            return Err(Error::option("spans", "", "words are spans of their own").hinted(Hint::Omit("by")));
        }
        self.inputs.check()
    }

    /// True if the maps are those that were captured, token by token and head by head.
    pub fn is_plain(&self) -> bool {
        self.by == By::Token && self.spans.is_empty() && self.groups == HeadGroups::Each
    }
}

/// Maps that are ready to be written or drawn.
pub struct Exported {
    /// Where they come from.
    pub patterns: Box<dyn Patterns>,
    /// The input.
    pub input: usize,
    /// Groups of positions: tokens, words or spans.
    pub positions: Partition,
    /// Which heads became one map.
    pub heads: HeadGroups,
    /// By groups; `None`: as they were captured, read when they are asked for.
    pub aggregated: Option<Vec<Aggregated>>,
}

/// A map of a file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Map {
    /// "L5", "L5H3" or "L5mean".
    pub name: String,
    /// Heads, rows, columns.
    pub shape: [usize; 3],
}

/// A file of maps.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Written {
    /// "attractor.export/1".
    pub schema: &'static str,
    /// The file.
    pub output: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// What it holds.
    pub maps: Vec<Map>,
}

impl Exported {
    /// What a picture of all maps holds, layer by layer.
    ///
    /// # Errors
    /// What reading the shapes answers.
    pub fn maps(&self) -> Result<Vec<Map>> {
        let of = |count: usize| if self.positions.positions() == count { self.positions.len() } else { count };
        let map = |shape: &attractor_record::LayerShape| {
            let (rows, columns) = self.patterns.shape(shape.layer, self.input)?;
            let heads = self.heads.of(shape)?.len();
            Ok(Map { name: format!("L{}", shape.layer), shape: [heads, of(rows), of(columns)] })
        };
        self.patterns.layers().iter().map(map).collect()
    }

    fn arrays(&self) -> Result<Vec<Array<'_>>> {
        let Some(aggregated) = &self.aggregated else { return export::arrays(self.patterns.as_ref(), self.input) };
        let is_mean = self.heads == HeadGroups::Mean;
        let mut all = Vec::new();
        for layer in aggregated {
            let array = |heads: Vec<usize>, maps: Vec<&'_ [f64]>, whole| {
                let maps: Vec<Vec<f32>> = maps.into_iter().map(|map| map.iter().map(|&w| w as f32).collect()).collect();
                Array {
                    layer: layer.layer,
                    heads,
                    whole,
                    is_mean,
                    rows: layer.rows,
                    columns: layer.columns,
                    source: Source::Held(maps),
                }
            };
            // A group goes by its first head.
            let names: Vec<usize> = layer.groups.iter().map(|group| group[0]).collect();
            let maps: Vec<&[f64]> = layer.maps.iter().map(Vec::as_slice).collect();
            match layer.whole && !is_mean {
                true => all.push(array(names, maps, true)),
                false => all.extend(names.into_iter().zip(maps).map(|(head, map)| array(vec![head], vec![map], false))),
            }
        }
        Ok(all)
    }

    /// Writes the numbers; the maps themselves are read as they are written.
    ///
    /// # Errors
    /// `is_budget` for a file of more than `max_bytes`; `is_io`; what reading the maps answers.
    pub fn write(&self, path: &Path, format: Format, max_bytes: u64) -> Result<Written> {
        let arrays = self.arrays()?;
        let names = self.positions.names(self.patterns.tokens(self.input));
        let bytes = export::write(path, format, &arrays, (&names, &names), max_bytes);
        let bytes = bytes.map_err(|e| e.at(path.display()))?;
        let map = |a: &Array<'_>| Map { name: a.name(), shape: [a.heads.len(), a.rows, a.columns] };
        let maps = arrays.iter().map(map).collect();
        Ok(Written { schema: "attractor.export/1", output: path.to_path_buf(), bytes, maps })
    }
}

/// Groups of positions, as the options name them.
fn positions(options: &Options, patterns: &dyn Patterns) -> Result<Partition> {
    let tokens = patterns.tokens(options.input_number);
    if options.by == By::Word {
        return match tokens.is_empty() {
            true => Err(Error::option("by", "word", "the tokens are not known").hinted(Hint::Omit("by"))),
            false => Ok(Partition::words(tokens)),
        };
    }
    if options.spans.is_empty() {
        return Ok(Partition::identity(tokens.len()));
    }
    let shape = patterns.layers().first().map(|shape| patterns.shape(shape.layer, options.input_number));
    let count = shape.transpose()?.map_or(0, |(_, keys)| keys);
    for span in &options.spans {
        let text = format!("{}-{}", span.start, span.end.saturating_sub(1));
        if span.is_empty() {
            return Err(Error::option("spans", text, "the first comes after the last"));
        }
        if span.end > count {
            return Err(Error::option("spans", text, format!("the positions are 0 to {}", count.saturating_sub(1))));
        }
    }
    Partition::spans(count, &options.spans).map_err(|e| Error::option("spans", "", e.message()).because(e))
}

/// Opens the target and groups its maps.
///
/// # Errors
/// `is_usage` for options that do not fit, or maps that were not kept; `is_interrupted`; what reading and running answer.
pub fn run(options: &Options, context: &Context<'_>) -> Result<Exported> {
    context.install(|| {
        options.check()?;
        let (number, selection) = (options.input_number, options.selection.clone());
        let opened = capture::open_input(&options.target, &options.inputs, number, selection, context)?;
        context.check()?;
        let patterns = opened.patterns;
        let positions = positions(options, patterns.as_ref())?;
        let aggregated = match options.is_plain() {
            true => None,
            false => Some(aggregated(patterns.as_ref(), number, options.groups, &positions)?),
        };
        Ok(Exported { patterns, input: number, positions, heads: options.groups, aggregated })
    })
}
