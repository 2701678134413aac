//! Attention maps in JSON.
//!
//! | file                                                              | means                              |
//! |-------------------------------------------------------------------|------------------------------------|
//! | `{"attention_maps": {layer: [{"step": s, "attention_weights": a}]}}` | steps of one input, by their numbers |
//! | `{layer: ...}`                                                     | the same, bare                     |
//! | `{layer: a}`                                                       | one input                          |
//! | `{"attentions": nest}`, `{"decoder_attentions": nest, ...}`          | nested lists, of one stack or several |
//! | a nest of lists                                                    | by its depth, as [`axes`](super::axes) says |
//!
//! `a` is nested to [q][k], [head][q][k] or [batch][head][q][k]. A list of nests of several shapes is one of layers, or where
//! their keys grow, as `generate()` and chunked prefill make them, one of steps; null is a layer that is missing. Beside the
//! maps, `tokens`, `input_ids`, `attention_mask` and `prompt_length` are read; beside a step's number, that of the "block" of
//! decoding that it belongs to.

use std::io::Read;

use super::axes::{Axes, Axis};
use super::names::{self, Name};
use super::raw::{Beside, Contents, Raw, SHAPES, settled};
use super::store::{Store, Stored};
use super::tree::{self, Node};
use crate::aside::{Aside, Ignored};
use attractor::{Error, Result};
use attractor_record::{Precision, Step};

pub(super) fn read(text: impl Read, axes: Option<&Axes>, store: &mut Store) -> Result<Contents> {
    let root = tree::read(text, store)?;
    let mut contents = Contents::default();
    match root {
        Node::Map(entries) => object(&mut contents, entries, axes, store)?,
        Node::Array { .. } | Node::List(_) => nest(&mut contents, "the file", Name::default(), root, axes)?,
        other => {
            return Err(Error::format(format!(
                "the file holds {}; expected {{\"attention_maps\": {{layer: ...}}}} or nested lists [layer][head][q][k]",
                other.kind()
            )));
        }
    }
    Ok(contents)
}

fn object(contents: &mut Contents, entries: Vec<(String, Node)>, axes: Option<&Axes>, store: &Store) -> Result<()> {
    let speaks = |key: &str| {
        let key = key.to_ascii_lowercase();
        Beside::named(&key).is_none() && ["att", "pattern", "maps"].iter().any(|word| key.contains(word))
    };
    let wrapped = entries.iter().any(|(key, _)| key == "attention_maps");
    let named = entries.iter().any(|(key, _)| speaks(key));
    for (key, node) in entries {
        if let Some(beside) = Beside::named(&key) {
            self::beside(contents, &key, beside, node, store)?;
            continue;
        }
        let numbered = names::parse(&key).layer.is_some();
        match node {
            _ if wrapped && key != "attention_maps" => contents.notes.push(Aside::new(key, Ignored::NoMaps)),
            node if numbered => layer(contents, &key, node)?,
            Node::Map(layers) if speaks(&key) => {
                layers.into_iter().try_for_each(|(key, node)| layer(contents, &key, node))?;
            }
            Node::Array { .. } | Node::List(_) if speaks(&key) || !named => {
                let said = names::parse(&key);
                nest(contents, &key, said, node, axes)?;
            }
            other if key == "attention_maps" => {
                return Err(Error::format(format!("attention_maps: {}; expected {{layer: ...}}", other.kind())));
            }
            _ => contents.notes.push(Aside::new(key, Ignored::NoLayer)),
        }
    }
    Ok(())
}

/// Tokens, padding and a prompt's length.
fn beside(contents: &mut Contents, key: &str, beside: Beside, node: Node, store: &Store) -> Result<()> {
    if beside == Beside::PromptLength {
        match node {
            Node::Number(x) if x >= 0.0 && x.fract() == 0.0 => contents.prompt_length = Some(x as usize),
            other => contents.notes.push(Aside::new(key, Ignored::NotWhole(other.kind()))),
        }
        return Ok(());
    }
    let Some(lists) = texts(&node, store)? else {
        contents.notes.push(Aside::new(key, Ignored::NotTexts(node.kind())));
        return Ok(());
    };
    match beside {
        Beside::Padding => {
            let kept = |text: &String| match text.as_str() {
                "1" | "true" => Some(true),
                "0" | "false" => Some(false),
                _ => None,
            };
            let masks: Option<Vec<Vec<bool>>> = lists.iter().map(|list| list.iter().map(kept).collect()).collect();
            match masks {
                Some(masks) => contents.attention_mask = masks,
                None => contents.notes.push(Aside::new(key, Ignored::NotPadding(vec![lists.len()]))),
            }
        }
        Beside::Ids if !contents.tokens.is_empty() => {}
        _ => contents.tokens = lists,
    }
    Ok(())
}

/// One list of texts, or one per input; numbers as their digits.
fn texts(node: &Node, store: &Store) -> Result<Option<Vec<Vec<String>>>> {
    let shown = |at: u64, count: usize| -> Result<Vec<String>> {
        Ok(store.read(at, count)?.iter().map(ToString::to_string).collect())
    };
    let one = |node: &Node| -> Result<Option<Vec<String>>> {
        Ok(match node {
            Node::Array { shape, at } if shape.len() == 1 => Some(shown(*at, shape[0])?),
            Node::List(list) => list
                .iter()
                .map(|node| match node {
                    Node::Text(text) => Some(text.clone()),
                    Node::Bool(bool) => Some(bool.to_string()),
                    _ => None,
                })
                .collect(),
            _ => None,
        })
    };
    match node {
        Node::Array { shape, at } if shape.len() == 2 && shape[1] > 0 => {
            let row = |row: usize| shown(at + (row * shape[1]) as u64, shape[1]);
            (0..shape[0]).map(row).collect::<Result<_>>().map(Some)
        }
        Node::List(list) if !matches!(list.first(), Some(Node::Text(_) | Node::Bool(_))) => {
            list.iter().map(one).collect()
        }
        _ => Ok(one(node)?.map(|tokens| vec![tokens])),
    }
}

/// All that is under the key of one layer.
fn layer(contents: &mut Contents, key: &str, node: Node) -> Result<()> {
    let said = names::parse(key);
    let Some(layer) = said.layer else {
        contents.notes.push(Aside::new(key, Ignored::NoLayer));
        return Ok(());
    };
    // Hooks store projections beside attention, under the name of the layer and what was projected.
    let named = |word: &str| key.to_ascii_lowercase().contains(word);
    let mut add = |name: String, input: Option<u64>, step: Option<Step>, node: Node| -> Result<()> {
        let array = match node {
            Node::Null => None,
            Node::Array { shape, at } => Some(Stored::new(shape, false, at, Precision::F32)),
            other => return Err(no_weights(&name, &other, SHAPES)),
        };
        let rank = array.as_ref().map_or(0, |array| array.shape.len());
        let said = settled(&name, Name { layer: Some(layer), input, ..said }, rank)?;
        contents.maps.push(Raw { name, said, step, axes: None, array });
        Ok(())
    };
    match node {
        Node::Map(ref entry) if node.get("attention_weights").is_none() => {
            if entry.iter().any(|(_, node)| matches!(node, Node::Number(_) | Node::Text(_) | Node::Bool(_))) {
                contents.notes.push(Aside::new(key, Ignored::NoWeights));
                return Ok(());
            }
            let Node::Map(entry) = node else { return Ok(()) };
            for (step, node) in entry {
                let own = names::parse(&step);
                let bare = own.layer.filter(|_| own.input.is_none()).map(|number| number as u64);
                let number = said.step.or(own.step).or(bare);
                add(format!("{key}/{step}"), said.input.or(own.input), number.map(Step::from), node)?;
            }
            Ok(())
        }
        Node::Map(_) => captured(&mut add, key, said, 0, node),
        Node::List(list) if list.iter().any(|node| matches!(node, Node::Map(_))) => {
            for (place, node) in list.into_iter().enumerate() {
                match node {
                    Node::Map(_) if node.get("attention_weights").is_none() => {
                        if !(named("proj") || named("output")) {
                            return Err(Error::format(format!("{key}, entry {place}: no attention_weights")));
                        }
                    }
                    Node::Map(_) => captured(&mut add, key, Name { step: None, ..said }, place, node)?,
                    Node::Null => {}
                    other => {
                        return Err(Error::format(format!(
                            "{key}, entry {place}: {}; expected an object",
                            other.kind()
                        )));
                    }
                }
            }
            Ok(())
        }
        other => add(key.to_string(), said.input, said.step.map(Step::from), other),
    }
}

/// One `{"step": s, "attention_weights": a}`.
fn captured(
    add: &mut impl FnMut(String, Option<u64>, Option<Step>, Node) -> Result<()>,
    key: &str,
    said: Name,
    place: usize,
    node: Node,
) -> Result<()> {
    let Node::Map(entries) = node else { return Ok(()) };
    let (mut number, mut block, mut weights) = (said.step, None, Node::Null);
    for (name, node) in entries {
        match (name.as_str(), node) {
            ("step", Node::Number(x)) if x >= 0.0 && x.fract() == 0.0 => number = Some(x as u64),
            ("block", Node::Number(x)) if x >= 0.0 && x.fract() == 0.0 => block = Some(x as u64),
            ("attention_weights", node) => weights = node,
            _ => {}
        }
    }
    // Steps without a number count in the order of the file.
    let number = number.unwrap_or(place as u64);
    add(format!("{key}, step {number}"), said.input, Some(Step { number, block }), weights)
}

/// What stands where nested numbers should.
fn no_weights(name: &str, node: &Node, expected: &str) -> Error {
    match (node, node.quoted()) {
        (Node::Text(_), _) => Error::format(format!(
            "{name}: the weights are text: the array was printed when it was saved; save it as nested lists"
        )),
        (_, Some(text)) => Error::format(format!(
            "{name}: {text:?} is a text where a number is expected; write numbers without quotation marks"
        )),
        _ => Error::format(format!("{name}: {}; expected nested lists {expected}", node.kind())),
    }
}

/// Nested lists without names: their first axes are taken apart where they are lists of several shapes.
fn nest(contents: &mut Contents, name: &str, said: Name, node: Node, axes: Option<&Axes>) -> Result<()> {
    let axes_are_open = axes.is_none();
    let axes = match axes.cloned().or_else(|| node.shape().and_then(|shape| Axes::of(&shape, &said, 1))) {
        Some(axes) if axes_are_open && grow(&node) && axes.to_string() == "layer,batch,head,q,k" => {
            contents.steps = node.shape().map(|shape| shape[0]);
            "step,layer,head,q,k".parse()?
        }
        Some(axes) => axes,
        None => return Err(no_weights(name, &node, NESTS)),
    };
    within(contents, name.to_string(), said, node, &axes)
}

/// True of a list of nests whose keys grow from one to the next.
fn grow(node: &Node) -> bool {
    let Node::List(list) = node else { return false };
    let keys: Vec<usize> = list.iter().filter_map(|node| node.shape()?.last().copied()).collect();
    keys.len() > 1 && keys.is_sorted() && keys[0] < keys[keys.len() - 1]
}

fn within(contents: &mut Contents, name: String, said: Name, node: Node, axes: &Axes) -> Result<()> {
    match node {
        Node::Array { shape, at } => {
            let step = said.step.map(Step::from);
            let array = Some(Stored::new(shape, false, at, Precision::F32));
            contents.maps.push(Raw { name, said, step, axes: Some(axes.clone()), array });
            Ok(())
        }
        Node::List(list) => {
            let Some((outer, inner)) = axes.split_outer() else {
                return Err(no_weights(&name, &Node::List(list), NESTS));
            };
            for (at, node) in list.into_iter().enumerate() {
                let said = match outer {
                    Axis::Step => Name { step: Some(at as u64), ..said },
                    Axis::Batch => Name { input: Some(at as u64), ..said },
                    _ => Name { layer: Some(at), ..said },
                };
                let name = format!("{name}, {outer} {at}");
                match node {
                    Node::Null if said.layer.is_some() => {
                        let step = said.step.map(Step::from);
                        contents.maps.push(Raw { name, said, step, axes: None, array: None });
                    }
                    Node::Null => {}
                    node => within(contents, name, said, node, &inner)?,
                }
            }
            Ok(())
        }
        other => Err(no_weights(&name, &other, NESTS)),
    }
}

const NESTS: &str = "[head][q][k], [layer][head][q][k], [layer][batch][head][q][k] or [step][layer][batch][head][q][k]";
