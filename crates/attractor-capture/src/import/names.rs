//! Layer, head, input and step from the name of an array.

/// What a name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Name {
    pub layer: Option<usize>,
    pub head: Option<usize>,
    /// Number of the input.
    pub input: Option<u64>,
    /// Step of decoding, diffusion or training.
    pub step: Option<u64>,
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

/// Reads "attentions_L000", "layer3/step12", "L5H5", "attn_5", "model.transformer.blocks.5", "transformer.h.5.attn", "5".
///
/// A number belongs to the word before it. Without a word for layers, the last number whose word says nothing else
/// is the layer.
pub(crate) fn parse(name: &str) -> Name {
    let lower = name.to_ascii_lowercase();
    let mut parsed = Name::default();
    let (mut word, mut unknown) = ("", None);
    for piece in pieces(&lower) {
        let Ok(number) = piece.parse::<u64>() else {
            word = if piece.as_bytes()[0].is_ascii_digit() { "" } else { piece };
            continue;
        };
        let small = (number < LARGEST).then_some(number as usize);
        match word {
            "step" | "steps" | "t" | "timestep" => parsed.step = Some(number),
            "input" | "sample" | "example" | "batch" => parsed.input = Some(number),
            "head" | "heads" => parsed.head = small,
            // GPT-2 calls its layers h; after a layer, h is a head.
            "h" if parsed.layer.is_some() => parsed.head = small,
            "l" | "h" | "layer" | "layers" | "block" | "blocks" if parsed.layer.is_none() => parsed.layer = small,
            _ => unknown = small.or(unknown),
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
        let name = |layer, head, step| Name { layer, head, input: None, step };
        for (text, expected) in [
            ("attentions_L000", name(Some(0), None, None)),
            ("layer3/step12", name(Some(3), None, Some(12))),
            ("step_12/layer_3", name(Some(3), None, Some(12))),
            ("L5H7", name(Some(5), Some(7), None)),
            ("attn_5", name(Some(5), None, None)),
            ("5", name(Some(5), None, None)),
            ("model.transformer.blocks.31", name(Some(31), None, None)),
            ("transformer.h.5.attn", name(Some(5), None, None)),
            ("encoder.layer.11.attention.self", name(Some(11), None, None)),
            ("decoder.layers.3.head.2", name(Some(3), Some(2), None)),
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
