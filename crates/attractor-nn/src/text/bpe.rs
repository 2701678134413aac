//! A byte-level byte-pair vocabulary, learnt from a text: the tokenizer of a model that is trained here.

use tokenizers::models::bpe::{BPE, BpeTrainerBuilder};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{DecoderWrapper, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper, TokenizerBuilder};

use attractor::{Error, Hint, Result};

/// Numbers that a byte-level vocabulary needs at least: one a byte.
const BYTES: usize = 256;

/// Learns a vocabulary of `vocab` tokens from `text` and gives it as tokenizer.json. No special tokens.
///
/// # Errors
/// `is_usage` for fewer tokens than there are bytes, `is_usage` for a text that is too short to merge that much.
pub fn train_byte_pairs(text: &str, vocab: usize) -> Result<Vec<u8>> {
    if vocab < BYTES {
        return Err(Error::usage(format!(
            "tokenizer: a vocabulary of {vocab}; a byte-level one takes at least {BYTES}"
        )));
    }
    let broken = |e: tokenizers::Error| {
        Error::usage(format!("tokenizer: the vocabulary cannot be learnt: {e}")).because(std::io::Error::other(e))
    };
    let mut trainer = BpeTrainerBuilder::new()
        .show_progress(false)
        .vocab_size(vocab)
        .min_frequency(2)
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .build();
    let mut tokenizer =
        TokenizerBuilder::<BPE, NormalizerWrapper, PreTokenizerWrapper, PostProcessorWrapper, DecoderWrapper>::default(
        )
        .with_model(BPE::default())
        .with_normalizer(None)
        .with_pre_tokenizer(Some(PreTokenizerWrapper::ByteLevel(ByteLevel::new(false, true, true))))
        .with_post_processor(Some(PostProcessorWrapper::ByteLevel(ByteLevel::new(false, true, true))))
        .with_decoder(Some(DecoderWrapper::ByteLevel(ByteLevel::new(false, true, true))))
        .build()
        .map_err(broken)?;
    tokenizer.train(&mut trainer, std::iter::once(text)).map_err(broken)?;
    let learnt = tokenizer.get_vocab_size(true);
    if learnt != vocab {
        return Err(Error::usage(format!(
            "tokenizer: the text yields {learnt} tokens, {vocab} were asked for; give more text, or ask for fewer"
        ))
        .hinted(Hint::give("vocab", learnt)));
    }
    Ok(tokenizer.to_string(true).map_err(broken)?.into_bytes())
}
