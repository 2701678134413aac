//! What goes through a model: text, token ids or images, as the command line gives them.

use std::path::Path;

use attractor_nn::image::Processor;
use attractor_nn::model::Input;
use attractor_nn::text::{Tokenizer, describe, read_ids};
use attractor_record::{Role, Token};

use crate::args::{Common, Inputs};
use crate::error::Outcome;
use crate::target::Live;
use attractor::Error;

/// What is run when nothing is given: a held-out chapter of a public-domain novel.
pub const TEXT: &str = include_str!("../demo/text.txt");

/// Tokens an input, where nobody says and the model has more positions.
const SEQUENCE: usize = 128;

/// One input, ready for the model.
pub struct Item {
    /// What the model reads.
    pub input: Input,
    /// What its positions are.
    pub tokens: Vec<Token>,
    /// Patches down and across, for images.
    pub grid: Option<(usize, usize)>,
}

/// All inputs.
pub struct Prepared {
    /// In order.
    pub items: Vec<Item>,
    /// Where they came from, in words.
    pub source: String,
    /// The mask token, if the model has one.
    pub mask_token: Option<u32>,
    /// Special tokens that occur.
    pub special: Vec<u32>,
}

impl Inputs {
    /// A run has its inputs already.
    pub fn refuse_for_a_run(&self, path: &Path) -> Outcome {
        let given = [
            ("--text", self.text.is_some()),
            ("--text-file", self.text_file.is_some()),
            ("--input", !self.input.is_empty()),
            ("--seq-len", self.seq_len.is_some()),
            ("--model-config", self.model_config.is_some()),
        ];
        match given.iter().find(|(_, given)| *given) {
            None => Ok(()),
            Some((option, _)) => Err(Error::usage(format!(
                "{}: is a run and holds its inputs already; leave {option} out, or name the checkpoint",
                path.display()
            ))),
        }
    }
}

/// Reads a text file; not UTF-8 is an error that says where.
fn read_text(path: &Path) -> Outcome<String> {
    let bytes =
        std::fs::read(path).map_err(|e| Error::io(format!("{}: the text cannot be read: {e}", path.display())))?;
    String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        Error::io(format!("{}: byte {at} is not UTF-8; convert the text to UTF-8", path.display()))
    })
}

/// The sequence length: what was asked for, or the default, and never more than the model has positions.
fn sequence_length(live: &Live, asked: Option<usize>) -> Outcome<usize> {
    let limit = live.checkpoint.config().position_limit();
    match (asked, limit) {
        (Some(0), _) => Err(Error::usage("--seq-len 0: give at least 1 token")),
        (Some(length), Some(limit)) if length > limit => {
            Err(Error::usage(format!("--seq-len {length}: the model has {limit} positions; give at most {limit}")))
        }
        (Some(length), _) => Ok(length),
        (None, limit) => Ok(SEQUENCE.min(limit.unwrap_or(SEQUENCE))),
    }
}

/// Prepares what the command line names, or the built-in text.
pub fn prepare(live: &Live, given: &Inputs, common: &Common) -> Outcome<Prepared> {
    if given.max_inputs == 0 {
        return Err(Error::usage("--max-inputs 0: give at least 1"));
    }
    if let Some(image) = &live.checkpoint.config().image {
        return images(live, given, image);
    }
    let length = sequence_length(live, given.seq_len)?;
    let spec = live.checkpoint.config();
    let tokenizer = match live.checkpoint.tokenizer_path() {
        Some(_) => Some(Tokenizer::open(live.checkpoint.folder())?.for_vocabulary(spec.vocab)),
        None => None,
    };
    let (mut sequences, mut source) = if !given.input.is_empty() {
        if given.seq_len.is_some() {
            return Err(Error::usage(
                "--seq-len: token ids are taken as they are; cut the lists in the file, or leave --seq-len out",
            ));
        }
        let [path] = &given.input[..] else {
            return Err(Error::usage("--input: give one file of token ids (a list of lists holds several inputs)"));
        };
        let ids = read_ids(path, spec.vocab)?;
        let sequences = ids.iter().map(|ids| describe(ids, tokenizer.as_ref(), spec)).collect::<Result<Vec<_>, _>>()?;
        (sequences, path.display().to_string())
    } else {
        let Some(tokenizer) = &tokenizer else {
            return Err(Error::usage(format!(
                "{}: has no tokenizer.json, so text cannot be read; give token ids with --input ids.json \
                 (for example [[5, 17, 3], [8, 2, 9]])",
                live.checkpoint.folder().display()
            )));
        };
        match (&given.text, &given.text_file) {
            (Some(text), _) => {
                let tokens = tokenizer.encode(text, true)?;
                let limit = spec.position_limit().unwrap_or(usize::MAX).min(given.seq_len.unwrap_or(usize::MAX));
                let many = tokens.len();
                let kept = if many > limit { tokenizer.sequences(text, limit)?.swap_remove(0) } else { tokens };
                let cut =
                    if many > limit { format!(", the first {} of {many} tokens", kept.len()) } else { String::new() };
                (vec![kept], format!("--text{cut}"))
            }
            (None, Some(path)) => {
                let sequences = tokenizer.sequences(&read_text(path)?, length).map_err(|e| e.at(path.display()))?;
                (sequences, path.display().to_string())
            }
            (None, None) => {
                if !common.quiet && !common.json {
                    eprintln!("no --text, --text-file or --input was given: the built-in text is used");
                }
                (tokenizer.sequences(TEXT, length)?, "built-in text".to_string())
            }
        }
    };
    let found = sequences.len();
    if found > given.max_inputs {
        sequences.truncate(given.max_inputs);
        source = format!("{source}, the first {} of {found} inputs", given.max_inputs);
    }
    let mut special: Vec<u32> =
        sequences.iter().flatten().filter(|token| token.role.is_special()).map(|token| token.id).collect();
    special.sort_unstable();
    special.dedup();
    let items = sequences.into_iter().map(|tokens| Item { input: input_of(&tokens), tokens, grid: None });
    Ok(Prepared {
        items: items.collect(),
        source,
        mask_token: tokenizer.as_ref().and_then(Tokenizer::mask_token).or(spec.mask_token),
        special,
    })
}

/// Padding tokens at the end are keys that nobody sees.
fn input_of(tokens: &[Token]) -> Input {
    let ids: Vec<u32> = tokens.iter().map(|token| token.id).collect();
    match tokens.iter().any(|token| token.role == Role::Pad) {
        true => Input::Padded { ids, padding: tokens.iter().map(|token| token.role == Role::Pad).collect() },
        false => Input::Tokens(ids),
    }
}

fn images(live: &Live, given: &Inputs, image: &attractor_nn::checkpoint::spec::ImageSpec) -> Outcome<Prepared> {
    if given.text.is_some() || given.text_file.is_some() || given.seq_len.is_some() {
        return Err(Error::usage("the model reads images: give --input picture.png, not text"));
    }
    if given.input.is_empty() {
        return Err(Error::usage(format!(
            "the model reads images of {} x {} with {} channels: give --input picture.png (or .npy, .safetensors \
             with normalised pixels)",
            image.height, image.width, image.channels
        )));
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
    items.truncate(given.max_inputs);
    let cut = if found > items.len() { format!(", the first {} of {found}", items.len()) } else { String::new() };
    let names: Vec<String> = given.input.iter().map(|path| path.display().to_string()).collect();
    Ok(Prepared { items, source: format!("{}{cut}", names.join(", ")), mask_token: None, special: Vec::new() })
}
