//! Where a query's last state comes from: attention followed through all layers.

use std::path::PathBuf;

use attractor::{Context, Result};
use attractor_judge::analysis::{self, Attribution, Caveat, Fused};
pub use attractor_judge::analysis::{By, Fuse, FuseOptions, Method, Share};
use attractor_record::table::{Column, Table};
use attractor_record::{Selection, Stack, Step, Steps, Token, file};
use serde::Serialize;

use crate::capture::{self, Opened};
use crate::inputs::Inputs;
use crate::target::Live;

/// What is followed, and how.
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
    /// Only these heads.
    pub selection: Selection,
    /// "cls", "last", a position, a token's text or a word; `None`: cls, else last.
    pub query: Option<String>,
    /// By products of maps or by largest flow.
    pub method: Method,
    /// What a line stands for.
    pub by: By,
    /// Fusion of heads, residual share, discarded cells, first layer.
    pub fuse: FuseOptions,
}

impl Options {
    /// Rollout by token of the first input.
    pub fn new(target: impl Into<PathBuf>) -> Self {
        Self {
            target: target.into(),
            inputs: Inputs::default(),
            input_number: 0,
            step: None,
            selection: Selection::all(),
            query: None,
            method: Method::Rollout,
            by: By::Token,
            fuse: FuseOptions::default(),
        }
    }

    /// Refuses what contradicts itself.
    ///
    /// # Errors
    /// `is_usage`.
    pub fn check(&self) -> Result<()> {
        self.inputs.check()?;
        self.fuse.check()
    }
}

/// The position that is explained.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Query {
    /// Its number.
    pub position: usize,
    /// Its text, where it is known.
    pub token: Option<String>,
}

/// Where the query's last state comes from.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Followed {
    /// "attractor.rollout/1".
    pub schema: &'static str,
    /// What was opened.
    pub target: PathBuf,
    /// How it was followed.
    pub method: Method,
    /// The stack that was followed, where the model has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stack: Option<Stack>,
    /// The input.
    pub input: usize,
    /// Its step, where inputs have several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<Step>,
    /// The query.
    pub query: Query,
    /// Fusion, residual share and the rest.
    pub options: FuseOptions,
    /// The layers that were followed, in order.
    pub layers: Vec<usize>,
    /// What was taken as the identity, and the like.
    pub notes: Vec<Caveat>,
    /// By token or word, in order.
    pub shares: Vec<Share>,
    /// The input's tokens.
    #[serde(skip)]
    pub tokens: Vec<Token>,
    /// As it was found, by position.
    #[serde(skip)]
    pub attribution: Attribution,
    /// The image file of the input, where the model sees all of it.
    #[serde(skip)]
    pub image: Option<Vec<u8>>,
}

impl Followed {
    /// The shares as a table.
    ///
    /// # Errors
    /// Never; the columns are of one length.
    pub fn table(&self) -> Result<Table> {
        let whole = |of: &dyn Fn(&Share) -> usize| Column::Whole(self.shares.iter().map(|s| of(s) as i64).collect());
        Table::new(vec![
            ("position".into(), whole(&|share| share.positions.start)),
            ("positions".into(), whole(&|share| share.positions.len())),
            ("token".into(), Column::Text(self.shares.iter().map(|share| share.token.clone()).collect())),
            ("share".into(), Column::Number(self.shares.iter().map(|share| share.share).collect())),
        ])
    }
}

/// The image of an input, if it lies in a file of its own and the model sees all of it.
fn image(live: &Live, given: &Inputs, input: usize) -> Option<Vec<u8>> {
    live.checkpoint.config().image.as_ref()?;
    let is_image = |path: &PathBuf| {
        let ending = path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
        ending.is_some_and(|ending| ["png", "jpg", "jpeg"].contains(&ending.as_str()))
    };
    let settings =
        file::read(&live.checkpoint.folder().join("preprocessor_config.json"), "the image settings", 1 << 20).ok();
    let settings: Option<serde_json::Value> = settings.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    // Patches of a cropped image do not lie where they would lie on the whole one.
    let crops = settings.is_some_and(|settings| settings["do_center_crop"] == true);
    match given.input.iter().all(is_image) && !crops {
        true => file::read(given.input.get(input)?, "the image", 1 << 30).ok(),
        false => None,
    }
}

/// Follows attention through all layers.
///
/// # Errors
/// `is_usage` for options that do not fit, or an input or a query that is not there; `is_interrupted`; what reading and
/// running answer.
pub fn run(options: &Options, context: &Context<'_>) -> Result<Followed> {
    context.install(|| {
        options.check()?;
        let (given, fuse, selection) = (&options.inputs, &options.fuse, options.selection.clone());
        let which = (options.input_number, options.step);
        let (opened, number) = capture::open_entry(&options.target, given, which, selection, context)?;
        let Opened { patterns, live, .. } = opened;
        context.check()?;
        let patterns = patterns.as_ref();
        let tokens = patterns.tokens(number);
        let count = match patterns.layers().first() {
            Some(shape) => patterns.shape(shape.layer, number)?.0,
            None => 0,
        };
        // An input that is not there is refused by its number, before anything is said about its tokens.
        Fused::open(patterns, number, fuse)?;
        let origin = Steps::of(patterns).origin(number);
        let query = analysis::find_query(tokens, count, options.query.as_deref())?;
        let found = match options.method {
            Method::Rollout => analysis::rollout(patterns, number, query, fuse, context)?,
            Method::Flow => analysis::flow(patterns, number, query, fuse, context)?,
        };
        Ok(Followed {
            schema: "attractor.rollout/1",
            target: options.target.clone(),
            method: found.method,
            stack: Some(patterns.stack()).filter(|stack| !stack.is_only()),
            input: origin.input,
            step: origin.step,
            query: Query { position: found.query, token: tokens.get(found.query).map(|token| token.text.clone()) },
            options: *fuse,
            layers: found.layers.clone(),
            notes: found.notes.clone(),
            shares: analysis::shares(tokens, &found, options.by),
            tokens: tokens.to_vec(),
            image: live.and_then(|(live, _)| image(&live, given, number)),
            attribution: found,
        })
    })
}
