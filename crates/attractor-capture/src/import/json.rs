//! Attention maps in JSON.
//!
//! | file                                                              | means                              |
//! |-------------------------------------------------------------------|------------------------------------|
//! | `{"attention_maps": {layer: [{"step": s, "attention_weights": a}]}}` | steps of one input, by their numbers |
//! | `{layer: ...}`                                                     | the same, bare                     |
//! | `{layer: a}`                                                       | one input                          |
//! | `[head][q][k]`, `[layer][head][q][k]`, `[layer][batch][head][q][k]`  | nested lists; null: a missing layer  |
//!
//! `a` is nested to [q][k], [head][q][k] or [batch][head][q][k]. Beside `attention_maps`, `tokens` and
//! `prompt_length` are read; beside a step's number, that of the "block" of decoding that it belongs to.

use super::names::{self, Name};
use super::raw::{Contents, Raw, SHAPES};
use super::tree::{Node, numbers_for_constants};
use crate::aside::{Aside, Ignored};
use attractor::{Error, Result};
use attractor_data::archive::Array;
use attractor_record::{Precision, Step};

pub(crate) fn read(bytes: &[u8]) -> Result<Contents> {
    let constants = |word: &[u8]| bytes.windows(word.len()).any(|part| part == word);
    let parsed = match constants(b"NaN") || constants(b"Infinity") {
        true => serde_json::from_slice(&numbers_for_constants(bytes)),
        false => serde_json::from_slice(bytes),
    };
    let root: Node = parsed.map_err(|error| Error::format(format!("no valid JSON: {error}")).because(error))?;
    let mut contents = Contents::default();
    match root {
        Node::Map(entries) => object(&mut contents, entries)?,
        Node::Array { .. } | Node::List(_) => nest(&mut contents, "the file", root)?,
        other => {
            return Err(Error::format(format!(
                "the file holds {}; expected {{\"attention_maps\": {{layer: ...}}}} or nested lists [layer][head][q][k]",
                other.kind()
            )));
        }
    }
    Ok(contents)
}

fn object(contents: &mut Contents, entries: Vec<(String, Node)>) -> Result<()> {
    let wrapped = entries.iter().any(|(key, _)| key == "attention_maps");
    for (key, node) in entries {
        match key.as_str() {
            "attention_maps" => match node {
                Node::Map(layers) => layers.into_iter().try_for_each(|(key, node)| layer(contents, &key, node))?,
                Node::Array { .. } | Node::List(_) => nest(contents, "attention_maps", node)?,
                other => {
                    return Err(Error::format(format!("attention_maps: {}; expected {{layer: ...}}", other.kind())));
                }
            },
            "tokens" => tokens(contents, &node),
            "prompt_length" | "prompt_len" => match node {
                Node::Number(x) if x >= 0.0 && x.fract() == 0.0 => contents.prompt_length = Some(x as usize),
                other => contents.notes.push(Aside::new(key, Ignored::NotWhole(other.kind()))),
            },
            _ if wrapped => contents.notes.push(Aside::new(key, Ignored::NoMaps)),
            _ => layer(contents, &key, node)?,
        }
    }
    Ok(())
}

fn tokens(contents: &mut Contents, node: &Node) {
    let one = |node: &Node| -> Option<Vec<String>> {
        match node {
            Node::Array { shape, data } if shape.len() == 1 => Some(data.iter().map(ToString::to_string).collect()),
            Node::List(list) => list
                .iter()
                .map(|node| match node {
                    Node::Text(text) => Some(text.clone()),
                    _ => None,
                })
                .collect(),
            _ => None,
        }
    };
    let many = match node {
        Node::Array { shape, data } if shape.len() == 2 && shape[1] > 0 => {
            Some(data.chunks_exact(shape[1]).map(|row| row.iter().map(ToString::to_string).collect()).collect())
        }
        Node::List(list) if !matches!(list.first(), Some(Node::Text(_))) => list.iter().map(one).collect(),
        _ => one(node).map(|tokens| vec![tokens]),
    };
    match many {
        Some(tokens) => contents.tokens = tokens,
        None => contents.notes.push(Aside::new("tokens", Ignored::NotTexts(node.kind()))),
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
            Node::Array { shape, data } => Some(Array { shape, data, precision: Precision::F32 }),
            Node::Text(_) => {
                return Err(Error::format(format!(
                    "{name}: the weights are text: the array was printed when it was saved; save it as nested lists"
                )));
            }
            other => return Err(Error::format(format!("{name}: {}; expected nested lists {SHAPES}", other.kind()))),
        };
        contents.maps.push(Raw { name, layer, head: said.head, input, step, array });
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

/// Nested lists without names.
fn nest(contents: &mut Contents, name: &str, node: Node) -> Result<()> {
    let mut push = |layer: usize, array: Option<Array>| {
        let name = format!("{name}, layer {layer}");
        contents.maps.push(Raw { name, layer, head: None, input: None, step: None, array });
    };
    let precision = Precision::F32;
    match node {
        Node::Array { shape, data } => {
            let array = Array { shape, data, precision };
            match array.shape.len() {
                2 | 3 => push(0, Some(array)),
                4 | 5 => {
                    for (layer, part) in super::raw::split(array, name)?.into_iter().enumerate() {
                        push(layer, Some(part));
                    }
                }
                _ => return Err(Error::format(format!("{name}: shape {:?}; {NESTS}", array.shape))),
            }
        }
        Node::List(list) => {
            for (layer, node) in list.into_iter().enumerate() {
                match node {
                    Node::Null => push(layer, None),
                    Node::Array { shape, data } => push(layer, Some(Array { shape, data, precision })),
                    other => return Err(Error::format(format!("{name}, layer {layer}: {}; {NESTS}", other.kind()))),
                }
            }
        }
        other => return Err(Error::format(format!("{name}: {}; {NESTS}", other.kind()))),
    }
    Ok(())
}

const NESTS: &str = "expected [head][q][k], [layer][head][q][k] or [layer][batch][head][q][k]";
