//! Stack, layer, head, input and step from the name of an array.

use attractor_record::Stack;

/// What a name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Name {
    /// The stack; `None`: the name says none.
    pub stack: Option<Stack>,
    pub layer: Option<usize>,
    pub head: Option<usize>,
    /// Number of the input.
    pub input: Option<u64>,
    /// Step of decoding, diffusion or training.
    pub step: Option<u64>,
    /// True if layer and head are two numbers side by side, without a word that says which they are.
    pub bare: bool,
    /// True if more numbers stand side by side than that.
    pub unclear: bool,
}

/// Larger numbers are no layers: a hash, a time.
const LARGEST: u64 = 1 << 20;

/// Cuts a name into words and numbers; whatever is neither separates.
fn pieces(name: &str) -> Vec<&str> {
    let kind = |c: char| (c.is_ascii_digit(), c.is_ascii_alphabetic());
    let mut pieces = Vec::new();
    let mut start = 0;
    let ends: Vec<(usize, char)> = name.char_indices().collect();
    for (at, &(begin, c)) in ends.iter().enumerate() {
        let next = ends.get(at + 1);
        if next.is_none_or(|&(_, n)| kind(n) != kind(c)) {
            let end = next.map_or(name.len(), |&(end, _)| end);
            if kind(c) != (false, false) {
                pieces.push(&name[start..end]);
            }
            start = end;
        } else if at == 0 {
            start = begin;
        }
    }
    pieces
}

/// The stack that a name says: "cross_attentions_3", "decoder.layers.0.encoder_attn" and "layer.0.EncDecAttention" are cross
/// attention, "encoder_attentions_3" and "decoder_attentions_3" what they say.
fn stack(lower: &str) -> Option<Stack> {
    let has = |word: &str| lower.contains(word);
    if has("cross") || has("encdec") || has("encoder_attn") {
        return Some(Stack::Cross);
    }
    [("decoder", Stack::Decoder), ("encoder", Stack::Encoder)].into_iter().find(|(word, _)| has(word)).map(|(_, is)| is)
}

/// Reads "attentions_L000", "layer3/step12", "L5H5", "attn_5", "model.transformer.blocks.5", "transformer.h.5.attn", "attn_0_3",
/// "decoder_attentions_2", "5".
///
/// A number belongs to the word before it. Without a word for layers, the last number whose word says nothing else
/// is the layer; one that follows the layer's directly is the head.
pub(crate) fn parse(name: &str) -> Name {
    let lower = name.to_ascii_lowercase();
    let mut parsed = Name { stack: stack(&lower), ..Name::default() };
    // `after` is true behind a number that no other word claims.
    let (mut word, mut unknown, mut after) = ("", None, false);
    for piece in pieces(&lower) {
        let Ok(number) = piece.parse::<u64>() else {
            word = if piece.as_bytes()[0].is_ascii_digit() { "" } else { piece };
            after = false;
            continue;
        };
        let small = (number < LARGEST).then_some(number as usize);
        let follows = after && word.is_empty();
        after = false;
        match word {
            _ if follows => {
                parsed.unclear |= parsed.head.is_some();
                parsed.head = parsed.head.or(small);
                parsed.bare = true;
                after = true;
            }
            "step" | "steps" | "t" | "timestep" => parsed.step = Some(number),
            "input" | "sample" | "example" | "batch" => parsed.input = Some(number),
            "head" | "heads" => parsed.head = small,
            // GPT-2 calls its layers h; after a layer, h is a head.
            "h" if parsed.layer.is_some() => parsed.head = small,
            "l" | "h" | "layer" | "layers" | "block" | "blocks" if parsed.layer.is_none() => {
                parsed.layer = small;
                after = true;
            }
            _ => {
                unknown = small.or(unknown);
                after = small.is_some();
            }
        }
        word = "";
    }
    parsed.layer = parsed.layer.or(unknown);
    parsed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_use_are_understood() {
        let name = |layer, head, step| Name { layer, head, step, ..Name::default() };
        let of = |stack, layer| Name { stack: Some(stack), ..name(layer, None, None) };
        for (text, expected) in [
            ("attentions_L000", name(Some(0), None, None)),
            ("layer3/step12", name(Some(3), None, Some(12))),
            ("step_12/layer_3", name(Some(3), None, Some(12))),
            ("L5H7", name(Some(5), Some(7), None)),
            ("attn_5", name(Some(5), None, None)),
            ("5", name(Some(5), None, None)),
            ("model.transformer.blocks.31", name(Some(31), None, None)),
            ("transformer.h.5.attn", name(Some(5), None, None)),
            ("encoder.layer.11.attention.self", of(Stack::Encoder, Some(11))),
            ("decoder.layers.3.head.2", Name { head: Some(2), ..of(Stack::Decoder, Some(3)) }),
            ("cross_attentions_4", of(Stack::Cross, Some(4))),
            ("model.decoder.layers.0.encoder_attn", of(Stack::Cross, Some(0))),
            ("decoder.block.2.layer.1.EncDecAttention", of(Stack::Cross, Some(2))),
            ("attn_0_3", Name { bare: true, ..name(Some(0), Some(3), None) }),
            ("attn_0_3_1", Name { bare: true, unclear: true, ..name(Some(0), Some(3), None) }),
            ("attn_weights_12", name(Some(12), None, None)),
            ("step3_layer1", name(Some(1), None, Some(3))),
            ("gpt2_attn_7", name(Some(7), None, None)),
            ("block0_t4", name(Some(0), None, Some(4))),
            ("layer5/input3/step2", Name { input: Some(3), ..name(Some(5), None, Some(2)) }),
            ("attentions", name(None, None, None)),
            ("", name(None, None, None)),
            ("sha_99999999999999999999999", name(None, None, None)),
            ("é4", name(Some(4), None, None)),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }
}
