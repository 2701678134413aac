//! The maps of one input for other programs: as they are, or by groups of positions and heads.

use std::ops::Range;
use std::path::{Path, PathBuf};

use attractor::{Context, Error, Hint, Result};
use attractor_capture::export::{self, Array};
pub use attractor_judge::analysis::{Grouped, HeadGroups, Partition};
use attractor_record::{LayerShape, Origin, Patterns, Selection, Stack, Step, Steps};
use serde::Serialize;

pub use attractor_capture::export::Format;

use crate::capture;
pub use crate::follow::By;
use crate::inputs::Inputs;
use crate::target;

/// What is exported.
#[derive(Debug, Clone)]
pub struct Options {
    /// A checkpoint or a run.
    pub target: PathBuf,
    /// What goes through a checkpoint.
    pub inputs: Inputs,
    /// Which input, from 0.
    pub input_number: usize,
    /// Which step of it, by its number, where inputs have several.
    pub step: Option<u64>,
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
            step: None,
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

/// Maps that are ready to be written or drawn; they are read when they are asked for, a strip at a time.
pub struct Exported {
    /// What the target is called, or its family.
    pub name: String,
    /// The maps: as they were captured, or by groups.
    pub patterns: Box<dyn Patterns>,
    /// The layers and heads that were captured.
    pub captured: Vec<LayerShape>,
    /// The entry of the patterns whose maps are exported.
    pub entry: usize,
    /// Which input that is, and which step of it where inputs have several.
    pub origin: Origin,
    /// Which heads became one map.
    pub heads: HeadGroups,
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
    /// The stack, where the model has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stack: Option<Stack>,
    /// The input.
    pub input: usize,
    /// Its step, where inputs have several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<Step>,
    /// What it holds.
    pub maps: Vec<Map>,
}

impl Exported {
    /// What a picture of all maps holds, layer by layer.
    ///
    /// # Errors
    /// What reading the shapes answers.
    fn maps(&self) -> Result<Vec<Map>> {
        let map = |shape: &LayerShape| {
            let (rows, columns) = self.patterns.shape(shape.layer, self.entry)?;
            Ok(Map { name: format!("L{}", shape.layer), shape: [shape.heads.len(), rows, columns] })
        };
        self.patterns.layers().iter().map(map).collect()
    }

    /// Writes the numbers; the maps themselves are read as they are written.
    ///
    /// # Errors
    /// `is_budget` for a file of more than `max_bytes`; `is_io`; what reading the maps answers.
    pub fn write(&self, path: &Path, format: Format, max_bytes: u64) -> Result<Written> {
        let mut arrays = export::arrays(self.patterns.as_ref(), self.entry)?;
        if self.heads == HeadGroups::Mean {
            // One map, without an axis of heads.
            arrays.iter_mut().for_each(|array| (array.is_mean, array.whole) = (true, false));
        }
        let names: Vec<String> = self.patterns.tokens(self.entry).iter().map(|token| token.text.clone()).collect();
        let bytes = export::write(path, format, &arrays, (&names, &names), max_bytes);
        let bytes = bytes.map_err(|e| e.at(path.display()))?;
        let map = |a: &Array<'_>| Map { name: a.name(), shape: [a.heads.len(), a.rows, a.columns] };
        Ok(self.written(path, bytes, arrays.iter().map(map).collect()))
    }

    /// A picture of all maps, that was written to a file of so many bytes.
    ///
    /// # Errors
    /// As [`maps`](Self::maps).
    pub fn drawn(&self, path: &Path, bytes: u64) -> Result<Written> {
        Ok(self.written(path, bytes, self.maps()?))
    }

    fn written(&self, path: &Path, bytes: u64, maps: Vec<Map>) -> Written {
        let stack = Some(self.patterns.stack()).filter(|stack| !stack.is_only());
        let Origin { input, step } = self.origin;
        Written { schema: "attractor.export/1", output: path.to_path_buf(), bytes, stack, input, step, maps }
    }
}

/// Groups of positions, as the options name them.
fn positions(options: &Options, entry: usize, patterns: &dyn Patterns) -> Result<Partition> {
    let tokens = patterns.tokens(entry);
    if options.by == By::Word {
        return match tokens.is_empty() {
            true => Err(Error::option("by", "word", "the tokens are not known").hinted(Hint::Omit("by"))),
            false => Ok(Partition::words(tokens)),
        };
    }
    if options.spans.is_empty() {
        return Ok(Partition::identity(tokens.len()));
    }
    let shape = patterns.layers().first().map(|shape| patterns.shape(shape.layer, entry));
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
        let (which, selection) = ((options.input_number, options.step), options.selection.clone());
        let (opened, entry) = capture::open_entry(&options.target, &options.inputs, which, selection, context)?;
        context.check()?;
        let patterns = opened.patterns;
        let captured = patterns.layers();
        let patterns: Box<dyn Patterns> = match options.is_plain() {
            true => patterns,
            false => {
                let positions = positions(options, entry, patterns.as_ref())?;
                Box::new(Grouped::new(patterns, entry, options.groups, positions)?)
            }
        };
        let origin = Steps::of(patterns.as_ref()).origin(entry);
        let name = target::name(&options.target).unwrap_or_else(|| patterns.info().family.clone());
        Ok(Exported { name, patterns, captured, entry, origin, heads: options.groups })
    })
}
