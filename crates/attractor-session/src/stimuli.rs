//! Inputs that are made for a question: random tokens, each sequence repeated, which is what an induction head is for
//! (Olsson et al. 2022).

use attractor::random::{Philox, stream};
use attractor::{Context, Error, Note, Result};
use attractor_judge::detect::induction::read_twice;
use attractor_nn::model::Input;
use attractor_nn::text::{Tokenizer, describe};
use attractor_record::{Role, Token};

use crate::inputs::{self, InputSource, Inputs, Item, Prepared, Source};
use crate::target::Live;

/// Tokens of a block that is repeated, where positions and vocabulary allow.
const BLOCK: usize = 50;
/// Sequences of random tokens: 2^16 signs and 16! pairings resolve more heads than any model has.
const SEQUENCES: usize = 16;

/// Sequences of random tokens that are repeated, within the special tokens that the model expects. Of `given` only the
/// length and the number count.
///
/// # Errors
/// `is_usage` if positions or vocabulary do not suffice.
pub fn repeated_tokens(live: &Live, given: &Inputs, context: &Context<'_>) -> Result<Prepared> {
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
    let wanted = match given.seq_len {
        Some(length) => length.saturating_sub(special) / 2,
        None => BLOCK.min(spec.position_limit().unwrap_or(usize::MAX).saturating_sub(special) / 2),
    };
    let (block, seed) = (wanted.min(2 * words.len() / 3), context.seed());
    let sequences = read_twice(&words, block, SEQUENCES.min(given.most_inputs()), seed).map_err(|e| {
        Error::usage(format!("{}: random tokens cannot be repeated here: {e}", live.checkpoint.path().display()))
            .because(e)
            .hinted(attractor::Hint::GiveOne(vec!["text_file", "input", "seq_len"]))
    })?;
    context.note(&Note::RepeatedTokens { seed });
    let mut items = Vec::new();
    for words in &sequences {
        let ids = [&before[..], words, &after].concat();
        let tokens = describe(&ids, tokenizer.as_ref(), spec)?;
        items.push(Item { input: Input::tokens(ids), tokens, grid: None });
    }
    let shortest = block - (items.len() - 1).min(block - block / 2);
    let source = Source::from(InputSource::RepeatedTokens { sequences: items.len(), blocks: (shortest, block), seed });
    Ok(Prepared { source, items, mask_token: None, special: Vec::new() })
}

/// Begins each input with random tokens that are repeated before the text goes on. The passages differ in length, so that
/// a head that looks a fixed distance back is not taken for an induction head.
///
/// # Errors
/// What the tokenizer answers.
pub fn begin_with_repeats(prepared: &mut Prepared, tokenizer: &Tokenizer, vocab: usize, seed: u64) -> Result<()> {
    for (index, item) in prepared.items.iter_mut().enumerate() {
        let period = 17 + (5 * index) % 8;
        if 2 * period > item.tokens.len() {
            continue;
        }
        let mut random = Philox::new(seed, stream::item(index as u64));
        let ids: Vec<u32> = (0..period).map(|_| random.below(vocab) as u32).collect();
        let passage = tokenizer.tokens(&ids)?;
        item.tokens[..period].clone_from_slice(&passage);
        item.tokens[period..2 * period].clone_from_slice(&passage);
        item.input = Input::tokens(item.tokens.iter().map(|token| token.id).collect());
    }
    prepared.source.repeats = Some((17, 24));
    Ok(())
}
