//! Which axis of an array counts what, and arrays cut along those that are no part of a map.
//!
//! One rule for every format, by the number of axes and by whether a layer's number is said beside the array (in its name, by
//! its key):
//!
//! | axes | a layer is said              | no layer is said                          |
//! |------|------------------------------|-------------------------------------------|
//! | 2    | query, key                   | query, key                                |
//! | 3    | head, query, key             | head, query, key                          |
//! | 4    | batch, head, query, key      | layer, head, query, key                   |
//! | 5    |                              | layer, batch, head, query, key            |
//! | 6    |                              | step, layer, batch, head, query, key      |
//!
//! With a head's number beside it, three axes are batch, query, key; so are they where the file holds tokens of as many inputs.

use std::fmt;
use std::str::FromStr;

use attractor::{Error, Result};
use attractor_record::Precision;

use super::names::Name;
use super::store::{Block, Stored};

/// What an axis counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axis {
    /// Steps: of decoding, of diffusion, of training.
    Step,
    /// Layers.
    Layer,
    /// Inputs.
    Batch,
    /// Heads.
    Head,
    /// Queries: the rows of a map.
    Query,
    /// Keys: its columns.
    Key,
}

impl Axis {
    /// Every axis with its names, the first of which is shown.
    const NAMED: [(Self, &'static [&'static str]); 6] = [
        (Self::Step, &["step", "steps"]),
        (Self::Layer, &["layer", "layers"]),
        (Self::Batch, &["batch", "input", "inputs"]),
        (Self::Head, &["head", "heads"]),
        (Self::Query, &["q", "query", "queries"]),
        (Self::Key, &["k", "key", "keys"]),
    ];
}

impl fmt::Display for Axis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::NAMED.iter().find(|(axis, _)| axis == self).map_or("", |(_, names)| names[0]))
    }
}

/// The axes of an array, in order: each at most once, queries and keys among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Axes(Vec<Axis>);

impl FromStr for Axes {
    type Err = Error;

    /// # Errors
    /// `is_usage` for a name that is none, for one given twice, and where queries or keys are not among them.
    fn from_str(text: &str) -> Result<Self> {
        let refuse = |why: String| Error::option("axes", text, why);
        let mut axes = Vec::new();
        for word in text.split(',').map(str::trim) {
            let named = Axis::NAMED.iter().find(|(_, names)| names.contains(&word.to_ascii_lowercase().as_str()));
            let Some(&(axis, _)) = named else {
                return Err(refuse(format!(
                    "{word:?} is no axis; name batch (or input), step, layer, head, q and k in the array's order, such as \
                     layer,head,q,k"
                )));
            };
            if axes.contains(&axis) {
                return Err(refuse(format!("{axis} stands there twice")));
            }
            axes.push(axis);
        }
        match [Axis::Query, Axis::Key].into_iter().find(|axis| !axes.contains(axis)) {
            Some(axis) => Err(refuse(format!("{axis} is missing; a map has queries q and keys k"))),
            None => Ok(Self(axes)),
        }
    }
}

impl fmt::Display for Axes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.0.iter().map(Axis::to_string).collect();
        f.write_str(&names.join(","))
    }
}

impl Axes {
    /// The rule of this module; `batch` is the number of inputs of which the file holds tokens.
    pub(super) fn of(shape: &[usize], said: &Name, batch: usize) -> Option<Self> {
        use Axis::{Batch, Head, Key, Layer, Query, Step};
        let axes: &[Axis] = match (shape.len(), said.layer.is_some(), said.head.is_some()) {
            (2, ..) => &[Query, Key],
            (3, _, true) => &[Batch, Query, Key],
            (3, _, false) if batch > 1 && shape[0] == batch => &[Batch, Query, Key],
            (3, _, false) => &[Head, Query, Key],
            (4, true, _) => &[Batch, Head, Query, Key],
            (4, false, _) => &[Layer, Head, Query, Key],
            (5, false, _) => &[Layer, Batch, Head, Query, Key],
            (6, false, _) => &[Step, Layer, Batch, Head, Query, Key],
            _ => return None,
        };
        Some(Self(axes.to_vec()))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn has(&self, axis: Axis) -> bool {
        self.0.contains(&axis)
    }

    /// The first axis and the others; `None` where the first is one of a map.
    pub(super) fn split_outer(&self) -> Option<(Axis, Self)> {
        let (&first, rest) = self.0.split_first()?;
        matches!(first, Axis::Step | Axis::Layer | Axis::Batch).then(|| (first, Self(rest.to_vec())))
    }
}

/// All heads of one layer, for one input at one step.
#[derive(Debug)]
pub(super) struct Piece {
    /// Place along the axis of layers, of steps, of inputs; `None`: the array has no such axis.
    pub layer: Option<usize>,
    pub step: Option<usize>,
    pub item: Option<usize>,
    /// Its numbers.
    pub block: Block,
    pub precision: Precision,
}

/// Cuts an array along steps, layers and inputs, in this order; each piece is [head, query, key]. No number is read.
///
/// # Errors
/// `is_format`, with the name, for another number of axes and for one of length 0.
pub(super) fn cut(name: &str, array: &Stored, axes: &Axes) -> Result<Vec<Piece>> {
    let shape = &array.shape;
    if shape.len() != axes.len() {
        return Err(Error::format(format!(
            "{name}: shape {shape:?} has {} axes, {axes} are {}; name the axes as they are",
            shape.len(),
            axes.len()
        )));
    }
    if shape.contains(&0) {
        return Err(Error::format(format!("{name}: shape {shape:?} holds no weights")));
    }
    // (length, stride) of an axis; one that is not there has one place.
    let of = |axis: Axis| {
        let at = axes.0.iter().position(|&other| other == axis);
        at.map_or((1, 0), |at| (shape[at], array.strides[at]))
    };
    let [steps, layers, items] = [Axis::Step, Axis::Layer, Axis::Batch].map(of);
    let inner = [Axis::Head, Axis::Query, Axis::Key].map(of);
    let place = |axis: Axis, at: usize| axes.has(axis).then_some(at);
    let mut pieces = Vec::new();
    for step in 0..steps.0 {
        for layer in 0..layers.0 {
            for item in 0..items.0 {
                let outer = [(step, steps.1), (layer, layers.1), (item, items.1)];
                let at = array.at + outer.iter().map(|&(at, stride)| at as u64 * stride).sum::<u64>();
                let block =
                    Block { at, shape: inner.map(|(length, _)| length), strides: inner.map(|(_, stride)| stride) };
                pieces.push(Piece {
                    layer: place(Axis::Layer, layer),
                    step: place(Axis::Step, step),
                    item: place(Axis::Batch, item),
                    block,
                    precision: array.precision,
                });
            }
        }
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::super::store::Store;
    use super::*;

    #[test]
    fn an_array_means_the_same_in_any_order_of_its_axes() {
        // [layer 2, head 3, q 2, k 5], and the same as [k, head, layer, q].
        let data: Vec<f32> = (0..60).map(|x| x as f32).collect();
        let mut other = Vec::new();
        for k in 0..5 {
            for h in 0..3 {
                for l in 0..2 {
                    other.extend((0..2).map(|q| data[((l * 3 + h) * 2 + q) * 5 + k]));
                }
            }
        }
        let mut store = Store::new(1 << 20);
        let mut cut = |shape: &[usize], data: &[f32], axes: &str| {
            let array = Stored::new(shape.to_vec(), false, store.append(data).unwrap(), Precision::F32);
            let pieces = cut("a", &array, &axes.parse().unwrap()).unwrap();
            let read = |piece: &Piece| (piece.layer, piece.item, piece.block.shape, piece.block.read(&store).unwrap());
            pieces.iter().map(read).collect::<Vec<_>>()
        };
        let a = cut(&[2, 3, 2, 5], &data, "layer,head,q,k");
        let b = cut(&[5, 3, 2, 2], &other, "keys, head,layer,Query");
        assert_eq!(a, b);
        assert_eq!((a.len(), a[1].0, a[1].1, a[1].3[..3].to_vec()), (2, Some(1), None, vec![30.0, 31.0, 32.0]));
    }

    #[test]
    fn axes_that_make_no_map_are_refused() {
        for (text, says) in [
            ("layer,head,q", "k is missing"),
            ("k", "q is missing"),
            ("q,k,query", "twice"),
            ("rows,q,k", "\"rows\" is no axis"),
            ("", "is no axis"),
        ] {
            let error = text.parse::<Axes>().unwrap_err();
            assert!(error.is_usage() && error.to_string().contains(says), "{error}");
        }
    }
}
