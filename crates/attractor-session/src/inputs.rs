//! What goes through a model: text, token ids or images, as they were given.

use std::fmt;
use std::path::{Path, PathBuf};

use attractor::{Context, Error, Hint, Note, Result};
use attractor_data::archive::{Value, Whole, npy, zip};
use attractor_nn::checkpoint::Opening;
use attractor_nn::checkpoint::spec::{ImageSpec, Spec};
use attractor_nn::image::Processor;
use attractor_nn::model::{Input, TokenRow};
use attractor_nn::text::{Fields, Tokenizer, describe, read_ids, rows_of};
use attractor_record::{Role, Stack, Token, file};
use serde::{Serialize, Serializer};

use crate::given::given;
use crate::target::{self, Live};
use crate::text::{self, Change, PlainText};

/// What is run when nothing is given: a held-out chapter of a public-domain novel.
pub const TEXT: &str = include_str!("../demo/text.txt");

/// Tokens per input, where nobody says and the model has more positions.
pub const SEQUENCE: usize = 128;
/// Inputs at most, if not said otherwise.
pub const MOST_INPUTS: usize = 32;

/// What goes through a checkpoint. One of `text`, `text_file` and `input`; none: the built-in text.
#[derive(Debug, Clone, PartialEq)]
pub struct Inputs {
    /// Texts, each an input.
    pub text: Vec<String>,
    /// A text file, cut into inputs of `seq_len` tokens.
    pub text_file: Option<PathBuf>,
    /// Each line of the text file is an input instead; blank ones are none.
    pub lines: bool,
    /// Inputs as they are: one file of token ids (JSON, `.npy`, `.safetensors`), or images (PNG, JPEG, `.npy`).
    pub input: Vec<PathBuf>,
    /// Tokens per input; `None`: 128, or what the model has positions for.
    pub seq_len: Option<usize>,
    /// Inputs at most, the first ones; `None`: [`MOST_INPUTS`].
    pub max_inputs: Option<usize>,
    /// Configuration of a lone weight file.
    pub model_config: Option<PathBuf>,
    /// Patterns of tensors of a checkpoint to leave out although the model may need them.
    pub ignore_tensors: Vec<String>,
    /// Patterns of configuration keys to pass over although they may change the model.
    pub ignore_keys: Vec<String>,
    /// Which stack of a run's layers; `None`: the run has one.
    pub stack: Option<Stack>,
}

impl Default for Inputs {
    fn default() -> Self {
        Self {
            text: Vec::new(),
            text_file: None,
            lines: false,
            input: Vec::new(),
            seq_len: None,
            max_inputs: None,
            model_config: None,
            ignore_tensors: Vec::new(),
            ignore_keys: Vec::new(),
            stack: None,
        }
    }
}

impl Inputs {
    /// Refuses what contradicts itself.
    ///
    /// # Errors
    /// `is_usage`, naming the option.
    pub fn check(&self) -> Result<()> {
        let given: Vec<&str> = given!(self, [text, text_file, input]).collect();
        match given[..] {
            [_, second, ..] => {
                return Err(Error::option(second, "", format!("{} is given too", given[0])).hinted(Hint::Omit(second)));
            }
            _ if self.lines && self.text_file.is_none() => {
                let why = "makes an input of each line of a text file, and none is given";
                return Err(Error::option("lines", "", why).hinted(Hint::give("text_file", "FILE")));
            }
            _ if self.max_inputs == Some(0) => return Err(Error::option("max_inputs", 0, "give at least 1")),
            _ if self.seq_len == Some(0) => return Err(Error::option("seq_len", 0, "give at least 1 token")),
            _ => {}
        }
        // Before weights are read.
        self.text_file.iter().try_for_each(|path| target::exists(path, "a text (UTF-8)"))?;
        self.input
            .iter()
            .try_for_each(|path| target::exists(path, "token ids (JSON, .npy, .safetensors) or an image"))?;
        self.model_config.iter().try_for_each(|path| target::exists(path, "a config.json"))
    }

    /// How a checkpoint is read.
    pub fn opening(&self) -> Opening {
        Opening {
            configuration: self.model_config.clone(),
            ignore_tensors: self.ignore_tensors.clone(),
            ignore_keys: self.ignore_keys.clone(),
        }
    }

    /// How many inputs are used at most.
    pub fn most_inputs(&self) -> usize {
        self.max_inputs.unwrap_or(MOST_INPUTS)
    }

    /// The option by which inputs were given; none: nothing was.
    pub fn named(&self) -> Option<&'static str> {
        given!(self, [text, text_file, input]).next()
    }

    /// A run has its inputs already.
    ///
    /// # Errors
    /// `is_usage`, naming the option to leave out.
    pub fn refuse_for_a_run(&self, path: &Path) -> Result<()> {
        match given!(
            self,
            [text, text_file, lines, input, seq_len, max_inputs, model_config, ignore_tensors, ignore_keys]
        )
        .next()
        {
            None => Ok(()),
            Some(option) => Err(Error::usage(format!(
                "{}: is a run, which holds its inputs already; name the checkpoint",
                path.display()
            ))
            .hinted(Hint::Omit(option))),
        }
    }
}

/// Where inputs came from.
#[derive(Debug, Clone, PartialEq)]
pub enum InputSource {
    /// Texts that were given, so many.
    Texts(usize),
    /// The lines of a text file.
    Lines(PathBuf),
    /// The built-in text.
    BuiltIn,
    /// Files: of text, of token ids, or images.
    Files(Vec<PathBuf>),
    /// Random tokens, each sequence repeated.
    RepeatedTokens {
        /// Sequences.
        sequences: usize,
        /// Shortest and longest block that is repeated, tokens.
        blocks: (usize, usize),
        /// Seed.
        seed: u64,
    },
}

/// Where inputs came from, and what was done to them. Its words go into reports.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// Where from.
    pub origin: InputSource,
    /// What was changed in a text.
    pub changes: Vec<Change>,
    /// Bytes of a text that were read, of how many: no more than the inputs that are kept can need.
    pub bytes: Option<(u64, u64)>,
    /// Tokens of given texts that were kept, of how many.
    pub tokens: Option<(usize, usize)>,
    /// Inputs that were kept, of how many.
    pub inputs: Option<(usize, usize)>,
}

impl Serialize for Source {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl From<InputSource> for Source {
    fn from(origin: InputSource) -> Self {
        Self { origin, changes: Vec::new(), bytes: None, tokens: None, inputs: None }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            InputSource::Texts(1) => f.write_str("given text")?,
            InputSource::Texts(count) => write!(f, "{count} given texts")?,
            InputSource::Lines(path) => write!(f, "{}, each line an input", path.display())?,
            InputSource::BuiltIn => f.write_str("built-in text")?,
            InputSource::Files(paths) => {
                let names: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
                f.write_str(&names.join(", "))?;
            }
            InputSource::RepeatedTokens { sequences, blocks: (shortest, longest), seed } => write!(
                f,
                "{sequences} sequences of random tokens, blocks of {shortest} to {longest} repeated, seed {seed}"
            )?,
        }
        for change in &self.changes {
            write!(f, ", {change}")?;
        }
        if let Some((read, all)) = self.bytes {
            write!(f, ", the first {read} of {all} bytes")?;
        }
        match (self.tokens, &self.origin) {
            (None, _) => {}
            (Some((kept, many)), InputSource::Texts(1)) => write!(f, ", the first {kept} of {many} tokens")?,
            (Some((kept, many)), _) => write!(f, ", cut to {kept} of {many} tokens")?,
        }
        if let Some((kept, found)) = self.inputs {
            write!(f, ", the first {kept} of {found} inputs")?;
        }
        Ok(())
    }
}

/// One input, ready for the model.
#[derive(Debug, Clone)]
pub struct Item {
    /// What the model reads.
    pub input: Input,
    /// What its positions are.
    pub tokens: Vec<Token>,
    /// Patches down and across, for images.
    pub grid: Option<(usize, usize)>,
}

/// All inputs.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// In order.
    pub items: Vec<Item>,
    /// Where they came from.
    pub source: Source,
    /// The mask token, if the model has one.
    pub mask_token: Option<u32>,
    /// Special tokens that occur.
    pub special: Vec<u32>,
}

impl Prepared {
    /// What the model reads, input by input.
    pub fn inputs(&self) -> Vec<Input> {
        self.items.iter().map(|item| item.input.clone()).collect()
    }
}

/// Refuses more tokens than the model has positions.
///
/// # Errors
/// `is_usage`.
pub(crate) fn check_length(live: &Live, asked: Option<usize>) -> Result<()> {
    match (asked, live.checkpoint.config().position_limit()) {
        (Some(length), Some(limit)) if length > limit => {
            let why = format!("the model has {limit} positions");
            Err(Error::option("seq_len", length, why).hinted(Hint::give("seq_len", limit)))
        }
        _ => Ok(()),
    }
}

/// The tokenizer of a checkpoint, if it has one.
pub(crate) fn tokenizer(live: &Live) -> Result<Option<Tokenizer>> {
    match live.checkpoint.tokenizer_path() {
        Some(path) => Ok(Some(Tokenizer::open(path)?.for_vocabulary(live.checkpoint.config().vocab))),
        None => Ok(None),
    }
}

/// Bytes of a file of token ids at most, packed or not.
const MOST_BYTES: u64 = 1 << 30;

/// Positions from which an input is long.
const LONG: usize = 4096;

/// Prepares what was given, or the built-in text.
///
/// # Errors
/// `is_usage` for options that do not fit each other or the model; what reading answers.
pub fn prepare(live: &Live, given: &Inputs, context: &Context<'_>) -> Result<Prepared> {
    given.check()?;
    if let Some(image) = &live.checkpoint.config().image {
        return images(live, given, image);
    }
    check_length(live, given.seq_len)?;
    let spec = live.checkpoint.config();
    let limit = spec.position_limit().unwrap_or(usize::MAX);
    let length = given.seq_len.unwrap_or(SEQUENCE.min(limit));
    let tokenizer = tokenizer(live)?;
    let mut rows = Vec::new();
    let (mut sequences, mut source) = if !given.input.is_empty() {
        if given.seq_len.is_some() {
            let why = "token ids are taken as they are; cut the lists in the file";
            return Err(Error::option("seq_len", "", why).hinted(Hint::Omit("seq_len")));
        }
        let [path] = &given.input[..] else {
            let why = "give one file of token ids (a list of lists holds several inputs)";
            return Err(Error::option("input", "", why));
        };
        rows = token_rows(path, spec)?;
        let describe = |row: &TokenRow| describe(&row.ids, tokenizer.as_ref(), spec);
        let sequences = rows.iter().map(describe).collect::<Result<Vec<_>>>()?;
        (sequences, Source::from(InputSource::Files(vec![path.clone()])))
    } else {
        let Some(tokenizer) = &tokenizer else {
            return Err(Error::usage(format!(
                "{}: has no tokenizer.json, so text cannot be read, but token ids can, such as [[5, 17, 3], [8, 2, 9]]",
                live.checkpoint.folder().display()
            ))
            .hinted(Hint::give("input", "ids.json")));
        };
        let limit = limit.min(given.seq_len.unwrap_or(usize::MAX));
        match (&given.text[..], &given.text_file) {
            ([_, ..], _) => whole(tokenizer, &given.text, limit, InputSource::Texts(given.text.len()))?,
            ([], Some(path)) if given.lines => {
                let read = PlainText::read(path, text::enough(limit.saturating_mul(given.most_inputs())))?;
                read.tell(path, context);
                let lines: Vec<&str> = read.text.lines().filter(|line| !line.trim().is_empty()).collect();
                if lines.is_empty() {
                    let why = "every line is empty; expected one input per line";
                    return Err(Error::usage(format!("{}: {why}", path.display())));
                }
                let origin = InputSource::Lines(path.clone());
                let (sequences, source) = whole(tokenizer, &lines, limit, origin).map_err(|e| e.at(path.display()))?;
                (sequences, Source { changes: read.changes, bytes: read.bytes, ..source })
            }
            ([], Some(path)) => {
                let most = length.saturating_mul(given.most_inputs());
                let read = PlainText::read(path, text::enough(most))?;
                read.tell(path, context);
                let sequences = tokenizer.sequences(&read.text, length).map_err(|e| e.at(path.display()))?;
                if let Some((bytes, all)) = read.bytes.filter(|_| sequences.len() < given.most_inputs()) {
                    let remark = format!(
                        "{}: of {all} bytes the first {bytes} are read, which are enough for {most} tokens of any language: long \
                         blanks or words without a blank make few",
                        path.display()
                    );
                    context.note(&Note::ReadAs { remark });
                }
                let PlainText { changes, bytes, .. } = read;
                (sequences, Source { changes, bytes, ..Source::from(InputSource::Files(vec![path.clone()])) })
            }
            ([], None) => {
                context.note(&Note::BuiltInText);
                (tokenizer.sequences(TEXT, length)?, Source::from(InputSource::BuiltIn))
            }
        }
    };
    let found = sequences.len();
    let most = given.most_inputs();
    if found > most {
        sequences.truncate(most);
        source.inputs = Some((most, found));
    }
    let positions = sequences.iter().map(Vec::len).max().unwrap_or(0);
    if positions >= LONG {
        context.note(&Note::LongInputs { positions });
    }
    let mut special: Vec<u32> =
        sequences.iter().flatten().filter(|token| token.role.is_special()).map(|token| token.id).collect();
    special.sort_unstable();
    special.dedup();
    let mut items: Vec<Item> = sequences
        .into_iter()
        .map(|tokens| Item { input: Input::tokens(tokens.iter().map(|token| token.id).collect()), tokens, grid: None })
        .collect();
    // Only a file of ids has padding: what a text holds, the model sees.
    for (item, row) in items.iter_mut().zip(rows) {
        let padding = row.padding.iter().zip(&mut item.tokens).filter(|(hidden, _)| **hidden);
        padding.for_each(|(_, token)| token.role = Role::Pad);
        item.input = Input::Text(row);
    }
    Ok(Prepared {
        items,
        source,
        mask_token: tokenizer.as_ref().and_then(Tokenizer::mask_token).or(spec.mask_token),
        special,
    })
}

/// Texts that are an input each, no longer than `limit` tokens.
fn whole(
    tokenizer: &Tokenizer,
    texts: &[impl AsRef<str>],
    limit: usize,
    origin: InputSource,
) -> Result<(Vec<Vec<Token>>, Source)> {
    let (mut sequences, mut many) = (Vec::with_capacity(texts.len()), 0);
    let (mut read, mut bytes) = (0, 0);
    for whole in texts.iter().map(AsRef::as_ref) {
        let text = text::head(whole, text::enough(limit));
        (read, bytes) = (read + text.len() as u64, bytes + whole.len() as u64);
        let tokens = tokenizer.encode(text, true)?;
        many += tokens.len();
        let is_long = tokens.len() > limit;
        sequences.push(if is_long { tokenizer.sequences(text, limit)?.swap_remove(0) } else { tokens });
    }
    let kept = sequences.iter().map(Vec::len).sum();
    let tokens = (kept < many).then_some((kept, many));
    Ok((sequences, Source { tokens, bytes: (read < bytes).then_some((read, bytes)), ..Source::from(origin) }))
}

/// Token ids of a file: JSON, `.npy`, `.npz` or `.safetensors`.
fn token_rows(path: &Path, spec: &Spec) -> Result<Vec<TokenRow>> {
    if path.extension().is_none_or(|end| !end.eq_ignore_ascii_case("npz")) {
        return read_ids(path, spec);
    }
    let bytes = file::read(path, "a file of token ids", MOST_BYTES)?;
    let mut fields = Fields::new();
    let mut archive = zip::Archive::of(&bytes).map_err(|e| e.at(path.display()))?;
    for member in archive.members() {
        let name = member.name.strip_suffix(".npy").unwrap_or(&member.name).to_string();
        let value = archive
            .read(&member, MOST_BYTES)
            .and_then(|bytes| npy::read(&name, &bytes))
            .map_err(|e| e.at(path.display()))?;
        let Value::Whole(Whole { shape, numbers, .. }) = value else {
            return Err(Error::format(format!("{}: `{name}`: expected whole numbers", path.display())));
        };
        let width = shape.last().copied().filter(|&width| width > 0 && shape.len() <= 2).ok_or_else(|| {
            Error::shape(format!(
                "{}: `{name}`: expected the shape [positions] or [inputs, positions], got {shape:?}",
                path.display()
            ))
        })?;
        fields.insert(name, numbers.chunks(width).map(<[i64]>::to_vec).collect());
    }
    rows_of(fields, path, spec)
}

fn images(live: &Live, given: &Inputs, image: &ImageSpec) -> Result<Prepared> {
    if !given.text.is_empty() || given.text_file.is_some() || given.seq_len.is_some() {
        return Err(Error::usage("the model reads images, not text").hinted(Hint::give("input", "picture.png")));
    }
    if given.input.is_empty() {
        return Err(Error::usage(format!(
            "the model reads images of {} x {} with {} channels (PNG, JPEG, or .npy and .safetensors with normalised pixels)",
            image.height, image.width, image.channels
        ))
        .hinted(Hint::give("input", "picture.png")));
    }
    let processor = Processor::open(live.checkpoint.folder(), image)?;
    let (rows, columns) = image.grid();
    let before = live.checkpoint.config().prefix_tokens();
    let patches = (0..rows * columns).map(|at| Token {
        text: format!("{},{}", at / columns, at % columns),
        id: 0,
        role: Role::Patch,
    });
    let names = ["[CLS]", "[DIST]"].iter().zip([Role::Cls, Role::Register]);
    let tokens: Vec<Token> =
        names.take(before).map(|(&text, role)| Token { text: text.into(), id: 0, role }).chain(patches).collect();
    let mut items = Vec::new();
    for path in &given.input {
        for picture in processor.read_file(path)? {
            items.push(Item {
                input: Input::Image { values: picture.values },
                tokens: tokens.clone(),
                grid: Some((rows, columns)),
            });
        }
    }
    let found = items.len();
    items.truncate(given.most_inputs());
    let inputs = (found > items.len()).then_some((items.len(), found));
    let source = Source { inputs, ..Source::from(InputSource::Files(given.input.clone())) };
    Ok(Prepared { items, source, mask_token: None, special: Vec::new() })
}
