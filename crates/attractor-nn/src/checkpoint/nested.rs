//! Tensors of a file of torch.save in tuples, lists and dictionaries, as attention maps are saved.
//!
//! | saved                            | names                                        |
//! |----------------------------------|----------------------------------------------|
//! | a tuple or list of tensors       | `layer0`, `layer1`, ...                      |
//! | a list of such                   | `step0_layer0` where keys grow by one, else `input0_layer0` |
//! | a dictionary of any of these     | its keys before them: `decoder_attentions_layer0` |
//! | a tensor                         | `attention`                                  |
//!
//! Numbers as keys are layers. `None` is a map that was not computed, and is passed over where others are there.

use super::heap::{Heap, Id, Node, Tensor};
use super::source::Source;
use attractor::{Error, Result};

/// Deeper nests are no maps.
const DEEPEST: usize = 6;
/// More tensors are no maps: a list may stand in others any number of times.
const MOST: usize = 1 << 20;

/// A tensor, and what leads to it.
struct Found<'h> {
    keys: String,
    places: Vec<u64>,
    tensor: &'h Tensor,
}

struct Walk<'h> {
    source: &'h Source,
    heap: &'h Heap,
    found: Vec<Found<'h>>,
    visited: usize,
    none: usize,
}

/// All tensors below the root, by name.
pub(super) fn tensors(source: &Source, heap: &Heap, root: Id) -> Result<Vec<(String, Tensor)>> {
    let mut walk = Walk { source, heap, found: Vec::new(), visited: 0, none: 0 };
    walk.visit(root, "", &[], 0)?;
    let Walk { found, none, .. } = walk;
    if found.is_empty() {
        return Err(source.format(match none {
            0 => "expected tensors in tuples, lists or dictionaries, found none",
            _ => {
                "every map is None: fused attention computes none; load the model with attn_implementation=\"eager\" and run it \
                 with output_attentions=True"
            }
        }));
    }
    let steps = are_steps(&found);
    let name = |found: &Found<'_>| {
        let stem = if found.keys.is_empty() { String::new() } else { format!("{}_", found.keys) };
        Some(match found.places[..] {
            [] if found.keys.is_empty() => "attention".to_string(),
            [] => found.keys.clone(),
            [layer] => format!("{stem}layer{layer}"),
            [outer, layer] if steps => format!("{stem}step{outer}_layer{layer}"),
            [outer, layer] => format!("{stem}input{outer}_layer{layer}"),
            _ => return None,
        })
    };
    let named = |found: &Found<'_>| match name(found) {
        Some(name) => Ok((name, found.tensor.clone())),
        None => Err(source.format(format_args!(
            "a tensor in {} lists, one in another; expected a list of layers, or one of such lists by step or input",
            found.places.len()
        ))),
    };
    found.iter().map(named).collect()
}

/// True where the outer of two lists is one of steps: from one to the next, keys grow by one.
fn are_steps(found: &[Found<'_>]) -> bool {
    let mut keys: Vec<(u64, u64)> = Vec::new();
    for Found { places, tensor, .. } in found {
        if let ([outer, _], Some(&key)) = (&places[..], tensor.shape.last()) {
            keys.push((*outer, key));
        }
    }
    keys.sort_unstable();
    keys.dedup();
    keys.len() > 1 && keys.windows(2).all(|pair| pair[1].0 == pair[0].0 + 1 && pair[1].1 == pair[0].1 + 1)
}

impl Walk<'_> {
    fn visit(&mut self, id: Id, keys: &str, places: &[u64], depth: usize) -> Result<()> {
        self.visited += 1 + keys.len() / 64;
        if self.visited > MOST || depth > DEEPEST {
            return Err(self.source.format(format_args!(
                "expected at most {MOST} tensors, at most {DEEPEST} lists deep; this is no file of attention maps"
            )));
        }
        match self.heap.get(id) {
            Node::Tensor(tensor) => self.found.push(Found { keys: keys.to_string(), places: places.to_vec(), tensor }),
            Node::None => self.none += 1,
            Node::Tuple(items) | Node::List(items) => {
                for (place, &item) in items.iter().enumerate() {
                    self.visit(item, keys, &[places, &[place as u64]].concat(), depth + 1)?;
                }
            }
            Node::Dict(items) => {
                for &(key, value) in items {
                    match self.heap.get(key) {
                        Node::Int(number) if *number >= 0 => {
                            self.visit(value, keys, &[places, &[*number as u64]].concat(), depth + 1)?;
                        }
                        Node::Text(text) => {
                            let keys = if keys.is_empty() { text.clone() } else { format!("{keys}_{text}") };
                            self.visit(value, &keys, places, depth + 1)?;
                        }
                        _ => {}
                    }
                }
            }
            Node::Inert(_) => {
                return Err(Error::unsupported(format!(
                    "{}: the maps are inside a pickled object of `{}`, which only Python code can rebuild; no code was run. Save \
                     the tensors alone: torch.save(output.attentions, path)",
                    self.source.path().display(),
                    self.heap.name(id)
                )));
            }
            _ => {}
        }
        Ok(())
    }
}
