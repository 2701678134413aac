//! Inputs that are made for a question: random tokens, each sequence repeated, which is what an induction head is for
//! (Olsson et al. 2022). A text hardly repeats itself, so that heads which look for what repeats are found nowhere in it.

use attractor::{Context, Error, Note, Result};
use attractor_judge::detect::induction::{is_repetition, read_twice};
use attractor_judge::detect::{Detector, Stimulus};
use attractor_nn::model::Input;
use attractor_nn::text::describe;
use attractor_record::{Captured, Restricted, Role, Selection, Token};

use crate::capture;
use crate::inputs::{self, InputSource, Inputs, Item, Prepared, Source};
use crate::target::Live;

/// What the detectors of repetition are asked on.
pub enum Repetition {
    /// The inputs themselves: those of a run, images, or sequences that are a repetition already.
    Inputs,
    /// Repeated random tokens.
    Made(Box<Made>),
    /// None: too few positions or words.
    Impossible,
}

/// Repeated random tokens, and what the heads did on them.
pub struct Made {
    /// The tokens.
    pub prepared: Prepared,
    /// What the heads did.
    pub patterns: Restricted<Captured>,
    /// What they are, in words.
    pub name: String,
}

impl Repetition {
    /// What the detectors of repetition are asked on beside these inputs of a checkpoint.
    ///
    /// # Errors
    /// `is_usage` for a length beyond the model's positions; `is_interrupted`; what the model answers.
    pub fn beside(
        prepared: &Prepared,
        live: &Live,
        given: &Inputs,
        selection: &Selection,
        context: &Context<'_>,
    ) -> Result<Self> {
        if live.checkpoint.config().image.is_some() || prepared.items.iter().any(|item| is_repetition(&item.tokens)) {
            return Ok(Self::Inputs);
        }
        match sequences(live, given, context)? {
            Ok(prepared) => Ok(Self::Made(Box::new(Made::run(live, prepared, selection, context)?))),
            Err(_) => Ok(Self::Impossible),
        }
    }

    /// The same tokens through another model; impossible if it lacks one of them, or the positions.
    ///
    /// # Errors
    /// What the tokenizer and the model answer; `is_interrupted`.
    pub fn again(made: &Made, live: &Live, selection: &Selection, context: &Context<'_>) -> Result<Self> {
        let spec = live.checkpoint.config();
        let tokenizer = inputs::tokenizer(live)?;
        let fits = |tokens: &[Token]| {
            tokens.iter().all(|token| (token.id as usize) < spec.vocab)
                && spec.position_limit().is_none_or(|limit| tokens.len() <= limit)
        };
        let mut prepared = made.prepared.clone();
        for item in &mut prepared.items {
            if !fits(&item.tokens) {
                return Ok(Self::Impossible);
            }
            let ids: Vec<u32> = item.tokens.iter().map(|token| token.id).collect();
            item.tokens = describe(&ids, tokenizer.as_ref(), spec)?;
        }
        Ok(Self::Made(Box::new(Made::run(live, prepared, selection, context)?)))
    }

    /// The stimulus for a detection, if one was made.
    pub fn stimulus(&self) -> Option<Stimulus<'_>> {
        match self {
            Self::Made(made) => {
                Some(Stimulus { detectors: &Detector::OF_REPETITION, patterns: &made.patterns, name: &made.name })
            }
            _ => None,
        }
    }

    /// The detectors that have none.
    pub fn without(&self) -> &'static [Detector] {
        if matches!(self, Self::Impossible) { &Detector::OF_REPETITION } else { &[] }
    }
}

impl Made {
    /// Runs the tokens.
    ///
    /// # Errors
    /// What the model answers; `is_interrupted`.
    pub fn run(live: &Live, prepared: Prepared, selection: &Selection, context: &Context<'_>) -> Result<Self> {
        let (captured, _) = capture::in_memory(live, &prepared, selection, 0, context)?;
        let name = prepared.source.to_string();
        Ok(Self { prepared, patterns: Restricted::new(captured, selection.clone())?, name })
    }
}

/// Tokens of a block that is repeated, where positions and vocabulary allow.
const BLOCK: usize = 50;
/// Sequences of random tokens: 2^16 signs and 16! pairings resolve more heads than any model has.
const SEQUENCES: usize = 16;

/// Sequences of random tokens that are repeated, within the special tokens that the model expects. Of `given` only
/// the length and the number count, as what they must not exceed.
///
/// # Errors
/// `is_usage` if positions or vocabulary do not suffice.
pub fn repeated_tokens(live: &Live, given: &Inputs, context: &Context<'_>) -> Result<Prepared> {
    sequences(live, given, context)?.map_err(|e| {
        Error::usage(format!("{}: random tokens cannot be repeated here: {e}", live.checkpoint.path().display()))
            .because(e)
            .hinted(attractor::Hint::GiveOne(vec!["text_file", "input", "seq_len"]))
    })
}

/// The same; inside, why positions or vocabulary do not suffice.
fn sequences(live: &Live, given: &Inputs, context: &Context<'_>) -> Result<std::result::Result<Prepared, Error>> {
    let spec = live.checkpoint.config();
    let tokenizer = inputs::tokenizer(live)?;
    let all = describe(&(0..spec.vocab as u32).collect::<Vec<_>>(), tokenizer.as_ref(), spec)?;
    // Words are pieces of text; a row of the table that the tokenizer does not know is none.
    let is_word = |t: &&Token| t.role == Role::Text && (tokenizer.is_none() || t.text != format!("<{}>", t.id));
    let words: Vec<u32> = all.iter().filter(is_word).map(|t| t.id).collect();
    let around: Vec<Token> = match &tokenizer {
        Some(tokenizer) => tokenizer.encode("a", true)?.into_iter().filter(|t| t.role.is_special()).collect(),
        None => Vec::new(),
    };
    let (before, after): (Vec<&Token>, Vec<&Token>) =
        around.iter().partition(|t| matches!(t.role, Role::Bos | Role::Cls));
    let mut before: Vec<u32> = before.into_iter().map(|t| t.id).collect();
    if let (true, Some(bos)) = (before.is_empty(), spec.bos_token) {
        before.push(bos);
    }
    let after: Vec<u32> = after.into_iter().map(|t| t.id).collect();
    let special = before.len() + after.len();
    inputs::check_length(live, given.seq_len)?;
    // A longer text makes no longer blocks: whatever is asked beside them, they are the same.
    let most = given.seq_len.or(spec.position_limit()).unwrap_or(usize::MAX);
    let wanted = BLOCK.min(most.saturating_sub(special) / 2);
    let (block, seed) = (wanted.min(2 * words.len() / 3), context.seed());
    let sequences = match read_twice(&words, block, SEQUENCES.min(given.most_inputs()), seed) {
        Ok(sequences) => sequences,
        Err(why) => return Ok(Err(why)),
    };
    context.note(&Note::RepeatedTokens { seed });
    let mut items = Vec::new();
    for words in &sequences {
        let ids = [&before[..], words, &after].concat();
        let tokens = describe(&ids, tokenizer.as_ref(), spec)?;
        items.push(Item { input: Input::tokens(ids), tokens, grid: None });
    }
    let shortest = block - (items.len() - 1).min(block - block / 2);
    let source = Source::from(InputSource::RepeatedTokens { sequences: items.len(), blocks: (shortest, block), seed });
    Ok(Ok(Prepared { source, items, mask_token: None, special: Vec::new() }))
}
