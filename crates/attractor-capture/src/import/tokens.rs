//! Tokens and padding of every entry, from what stands beside the maps.

use std::collections::BTreeMap;

use attractor_record::{Origin, Role, Stack, Steps, Token, pieces};

use super::Layer;
use super::assemble::Entry;
use super::raw::Contents;
use crate::aside::{Aside, Ignored};

/// The list that an entry has among those beside the maps: one for all; one per entry; one per input; one per batch item.
fn given<'a, T>(lists: &'a [Vec<T>], at: usize, (entries, origins): (&[Entry], &[Origin])) -> Option<&'a [T]> {
    let inputs = origins.iter().map(|origin| origin.input + 1).max().unwrap_or(0);
    let Entry { step, input, item } = entries[at];
    match lists.len() {
        1 => lists.first(),
        n if n == entries.len() => lists.get(at),
        n if n == inputs => lists.get(origins[at].input),
        _ if step.is_none() && input.is_none() => lists.get(item),
        _ => None,
    }
    .map(Vec::as_slice)
}

/// As many as there are keys; of an input in steps, whose keys grow, those that are there yet.
fn fitting<T>(list: &[T], keys: usize, steps: bool) -> Option<&[T]> {
    match list.len() == keys || (steps && list.len() > keys) {
        true => Some(&list[..keys]),
        false => None,
    }
}

/// Hides the keys that are padding, where the file says which are. Beside an encoder and a decoder, that is said of the
/// encoder's positions.
pub(super) fn pad(
    contents: &mut Contents,
    (entries, origins): (&[Entry], &[Origin]),
    layers: &mut BTreeMap<(Stack, usize), Layer>,
) {
    if contents.attention_mask.is_empty() {
        return;
    }
    let steps = Steps::new(origins.to_vec()).are_several();
    let mut odd = None;
    for ((stack, _), layer) in layers {
        for (&entry, map) in layer.maps.iter_mut().filter(|_| *stack != Stack::Decoder) {
            let list = given(&contents.attention_mask, entry, (entries, origins));
            match list.and_then(|list| fitting(list, map.keys, steps)) {
                Some(kept) if kept.iter().all(|&kept| kept) => {}
                Some(kept) => map.mask.hidden = kept.iter().map(|kept| !kept).collect(),
                None => odd = Some(vec![contents.attention_mask.len(), contents.attention_mask[0].len()]),
            }
        }
    }
    if let Some(shape) = odd {
        contents.notes.push(Aside::new("attention_mask", Ignored::NotPadding(shape)));
    }
}

/// What pieces of a vocabulary of bytes read, if that is what they are: every letter stands for a byte, some for one that is no
/// letter of its own (a space is U+0120), and all bytes together are text. Names in brackets are special tokens.
fn of_bytes(pieces: &[String]) -> Option<Vec<String>> {
    let is_name =
        |piece: &str| piece.len() > 2 && (piece.starts_with('<') && piece.ends_with('>') || piece.starts_with('['));
    let stands_for_another = |letter: char| ('\u{100}'..='\u{143}').contains(&letter);
    if !pieces.iter().any(|piece| !is_name(piece) && piece.contains(stands_for_another)) {
        return None;
    }
    let bytes = |piece: &String| match is_name(piece) {
        true => Some(piece.clone().into_bytes()),
        false => pieces::from_byte_letters(piece),
    };
    let bytes = pieces.iter().map(bytes).collect::<Option<Vec<Vec<u8>>>>()?;
    // A text may be cut within its last character.
    let whole = std::str::from_utf8(&bytes.concat()).map_or_else(|error| error.error_len().is_none(), |_| true);
    whole.then(|| pieces::texts(&bytes))
}

/// Tokens of every entry, where the file gives as many as there are keys.
pub(super) fn tokens(
    contents: &mut Contents,
    (entries, origins): (&[Entry], &[Origin]),
    layers: &BTreeMap<(Stack, usize), Layer>,
) -> Vec<Vec<Token>> {
    if contents.tokens.is_empty() {
        return vec![Vec::new(); entries.len()];
    }
    let mut stacks: Vec<Stack> = layers.keys().map(|(stack, _)| *stack).collect();
    stacks.dedup();
    if stacks.len() > 1 || stacks.contains(&Stack::Cross) {
        contents.notes.push(Aside::new("tokens", Ignored::TokensOfStacks));
        return vec![Vec::new(); entries.len()];
    }
    let steps = Steps::new(origins.to_vec()).are_several();
    let mut longest = vec![0; entries.len()];
    let mut hidden: Vec<&[bool]> = vec![&[]; entries.len()];
    for (&entry, map) in layers.values().flat_map(|layer| &layer.maps) {
        longest[entry] = longest[entry].max(map.keys);
        hidden[entry] = &map.mask.hidden;
    }
    let mut odd = 0;
    let tokens = (0..entries.len()).map(|at| {
        let list = given(&contents.tokens, at, (entries, origins)).and_then(|list| fitting(list, longest[at], steps));
        let Some(list) = list else {
            odd += 1;
            return Vec::new();
        };
        let read = of_bytes(list);
        let list = read.as_deref().unwrap_or(list);
        // Equal texts are equal tokens; numbers in the file are not always there.
        let mut first: BTreeMap<&str, usize> = BTreeMap::new();
        let mut tokens = Vec::with_capacity(list.len());
        for (key, text) in list.iter().enumerate() {
            let number = *first.entry(text).or_insert(key);
            let role = if hidden[at].get(key).copied().unwrap_or(false) { Role::Pad } else { Role::Text };
            tokens.push(Token { text: text.clone(), id: text.parse().unwrap_or(number as u32), role });
        }
        tokens
    });
    let tokens = tokens.collect();
    if odd > 0 {
        contents.notes.push(Aside::new("tokens", Ignored::Tokens(odd)));
    }
    tokens
}
