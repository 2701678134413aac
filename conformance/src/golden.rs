//! A golden file: named tensors, widened to f64.

use std::collections::BTreeMap;
use std::path::Path;

use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors};

/// A tensor: row-major numbers and their shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its numbers.
    pub values: Vec<f64>,
}

impl Tensor {
    /// Item `index` of the first axis.
    pub fn item(&self, index: usize) -> Self {
        let size = self.values.len() / self.shape[0].max(1);
        Self { shape: self.shape[1..].to_vec(), values: self.values[index * size..(index + 1) * size].to_vec() }
    }

    /// Its numbers as f32.
    pub fn narrow(&self) -> Vec<f32> {
        self.values.iter().map(|&x| x as f32).collect()
    }
}

/// The tensors of one file.
#[derive(Debug, Clone, Default)]
pub struct Golden(pub BTreeMap<String, Tensor>);

impl Golden {
    /// Reads a safetensors file.
    ///
    /// # Errors
    /// Says in words why the file cannot be read.
    pub fn read(path: &Path) -> Result<Self, String> {
        let bytes = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
        let file = SafeTensors::deserialize(&bytes).map_err(|e| format!("{}: {e}", path.display()))?;
        let mut tensors = BTreeMap::new();
        for (name, view) in file.tensors() {
            let data = view.data();
            let values = match view.dtype() {
                Dtype::F64 => {
                    data.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().expect("8 bytes"))).collect()
                }
                Dtype::F32 => {
                    data.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().expect("4 bytes")).into()).collect()
                }
                Dtype::F16 => data.chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).into()).collect(),
                Dtype::BF16 => data.chunks_exact(2).map(|b| bf16::from_le_bytes([b[0], b[1]]).into()).collect(),
                Dtype::I64 => {
                    data.chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().expect("8 bytes")) as f64).collect()
                }
                Dtype::I32 => {
                    data.chunks_exact(4).map(|b| i32::from_le_bytes(b.try_into().expect("4 bytes")).into()).collect()
                }
                Dtype::U8 | Dtype::BOOL => data.iter().map(|&b| b.into()).collect(),
                other => return Err(format!("{}: tensor {name} has type {other:?}", path.display())),
            };
            tensors.insert(name, Tensor { shape: view.shape().to_vec(), values });
        }
        Ok(Self(tensors))
    }

    /// A tensor that must be there.
    ///
    /// # Errors
    /// Names it and what the file has instead.
    pub fn get(&self, name: &str) -> Result<&Tensor, String> {
        self.0.get(name).ok_or_else(|| {
            format!("no tensor {name:?}; the file has {}", self.0.keys().cloned().collect::<Vec<_>>().join(", "))
        })
    }
}
