//! From named tensors to a model's parts: what each family calls what, with every shape checked.

use std::collections::BTreeMap;

use crate::checkpoint::{Array, Checkpoint};
use crate::ops::{self, Matrix};
use attractor::{Error, Result};

/// Named tensors, from a file or from memory.
pub trait Tensors {
    /// True if there is a tensor of this name.
    fn has(&self, name: &str) -> bool;

    /// The tensor of this name.
    ///
    /// # Errors
    /// If there is none, or it cannot be read.
    fn tensor(&self, name: &str) -> Result<Array>;
}

impl Tensors for Checkpoint {
    fn has(&self, name: &str) -> bool {
        Checkpoint::has(self, name)
    }

    fn tensor(&self, name: &str) -> Result<Array> {
        Checkpoint::tensor(self, name)
    }
}

impl Tensors for BTreeMap<String, Array> {
    fn has(&self, name: &str) -> bool {
        self.contains_key(name)
    }

    fn tensor(&self, name: &str) -> Result<Array> {
        self.get(name).cloned().ok_or_else(|| Error::format(format!("there is no tensor {name:?}; give one")))
    }
}

/// Reads tensors below a prefix, checks their shape and that they are numbers.
pub(crate) struct Reader<'a> {
    tensors: &'a dyn Tensors,
    prefix: String,
}

impl<'a> Reader<'a> {
    /// Finds which of `prefixes` the file uses, by a tensor that every file of the family has.
    pub(crate) fn find(tensors: &'a dyn Tensors, prefixes: &[&str], landmark: &str) -> Result<Self> {
        match prefixes.iter().find(|prefix| tensors.has(&format!("{prefix}{landmark}"))) {
            Some(prefix) => Ok(Self { tensors, prefix: (*prefix).to_string() }),
            None => Err(Error::format(format!(
                "the weights have no tensor {landmark:?} (looked for it after the prefixes {prefixes:?}), which the \
                 configuration's model type needs; config.json and the weights do not belong together"
            ))),
        }
    }

    /// The same tensors, names taken as they are.
    pub(crate) fn root(&self) -> Reader<'a> {
        Reader { tensors: self.tensors, prefix: String::new() }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.tensors.has(&format!("{}{name}", self.prefix))
    }

    /// The tensor `name`, of exactly `shape`, finite.
    pub(crate) fn array(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let name = format!("{}{name}", self.prefix);
        let array = self.tensors.tensor(&name)?;
        if array.shape != shape {
            return Err(Error::shape(format!(
                "tensor {name:?} has shape {:?}, the configuration asks for {shape:?}; config.json and the weights do \
                 not belong together",
                array.shape
            )));
        }
        Ok(array.finite(format_args!("tensor {name:?}"))?.values)
    }

    /// A vector, as a matrix of one row.
    pub(crate) fn row(&self, name: &str, width: usize) -> Result<Matrix> {
        Ok(ops::tensor(self.array(name, &[width])?, [1, width]))
    }

    /// A matrix stored as it is used.
    pub(crate) fn matrix(&self, name: &str, rows: usize, columns: usize) -> Result<Matrix> {
        Ok(ops::tensor(self.array(name, &[rows, columns])?, [rows, columns]))
    }

    /// A matrix stored as [out, in] (PyTorch's Linear), given back as [in, out].
    pub(crate) fn transposed(&self, name: &str, from: usize, to: usize) -> Result<Matrix> {
        let stored = self.array(name, &[to, from])?;
        Ok(ops::tensor(transpose(&stored, to, from), [from, to]))
    }
}

/// [rows, columns] -> [columns, rows]
pub(crate) fn transpose(x: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let mut y = vec![0.0; x.len()];
    // Blocks keep both sides in the cache: a plain double loop takes five times as long on a large table.
    const BLOCK: usize = 32;
    for r0 in (0..rows).step_by(BLOCK) {
        for c0 in (0..columns).step_by(BLOCK) {
            for r in r0..(r0 + BLOCK).min(rows) {
                for c in c0..(c0 + BLOCK).min(columns) {
                    y[c * rows + r] = x[r * columns + c];
                }
            }
        }
    }
    y
}
