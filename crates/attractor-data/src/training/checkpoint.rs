//! The whole state of a training in one file that is replaced whole: named arrays, and JSON about them.
//!
//! The file is a safetensors file; the JSON stands in its metadata under the key `about`, so that arrays and JSON can never
//! be of different moments.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::archive::{npy, zip};
use crate::files::{Durability, write_whole};
use attractor::{Error, Result, State};
use attractor_record::file;

/// Most bytes that the arrays of an archive may unpack to.
const MOST_UNPACKED: u64 = 1 << 30;

/// Numbers of one type.
#[derive(Debug, Clone, PartialEq)]
pub enum Numbers {
    /// 32 bits.
    F32(Vec<f32>),
    /// 64 bits.
    F64(Vec<f64>),
    /// Whole, counters among them.
    U64(Vec<u64>),
}

/// An array, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Lengths of its axes.
    pub shape: Vec<usize>,
    /// Its numbers.
    pub numbers: Numbers,
}

/// Named arrays and what is to be known about them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SavedState {
    /// The arrays.
    pub tensors: BTreeMap<String, Tensor>,
    about: Value,
}

impl SavedState {
    /// No array yet, with what the trainer needs beside numbers: options, counters, history.
    ///
    /// # Errors
    /// `is_format` for what has no form in JSON.
    pub fn describing(about: &impl Serialize) -> Result<Self> {
        let about = serde_json::to_value(about).map_err(|e| Error::format(format!("its metadata: {e}")).because(e))?;
        Ok(Self { about, ..Self::default() })
    }

    /// What it says beside its arrays; of a file without any, what `T` reads from null.
    ///
    /// # Errors
    /// `is_format` if it is of another kind.
    pub fn about<T: DeserializeOwned>(&self) -> Result<T> {
        T::deserialize(&self.about).map_err(|e| Error::format(format!("its metadata: {e}")).because(e))
    }

    /// Adds an array.
    pub fn put(&mut self, name: &str, shape: &[usize], numbers: Numbers) {
        self.tensors.insert(name.to_string(), Tensor { shape: shape.to_vec(), numbers });
    }

    /// An array of 32-bit numbers of this shape.
    ///
    /// # Errors
    /// `is_format`, with what was found.
    pub fn floats(&self, name: &str, shape: &[usize]) -> Result<&[f32]> {
        match &self.get(name, shape)?.numbers {
            Numbers::F32(numbers) => Ok(numbers),
            _ => Err(Error::format(format!("{name}: is not an array of 32-bit numbers"))),
        }
    }

    /// An array of this shape.
    ///
    /// # Errors
    /// As [`SavedState::floats`].
    pub fn get(&self, name: &str, shape: &[usize]) -> Result<&Tensor> {
        let tensor = self.tensors.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.tensors.keys().map(String::as_str).take(12).collect();
            Error::format(format!("there is no array {name:?}; there are {}", known.join(", ")))
        })?;
        match tensor.shape == shape {
            true => Ok(tensor),
            false => Err(Error::format(format!(
                "{name}: has the shape {:?}, expected {shape:?}: it is of another model",
                tensor.shape
            ))),
        }
    }

    /// The state of a training: its arrays stand under `floats.` and `integers.`.
    ///
    /// # Errors
    /// As [`SavedState::describing`].
    pub fn of_state(state: &State, about: &impl Serialize) -> Result<Self> {
        let mut file = Self::describing(about)?;
        for (name, (shape, numbers)) in &state.floats {
            file.put(&format!("floats.{name}"), shape, Numbers::F32(numbers.clone()));
        }
        for (name, numbers) in &state.integers {
            file.put(&format!("integers.{name}"), &[numbers.len()], Numbers::U64(numbers.clone()));
        }
        Ok(file)
    }

    /// The state that [`of_state`](Self::of_state) wrote.
    ///
    /// # Errors
    /// `is_format` for an array that belongs to no training.
    pub fn state(&self) -> Result<State> {
        let mut state = State::default();
        for (name, Tensor { shape, numbers }) in &self.tensors {
            match (name.split_once('.'), numbers) {
                (Some(("floats", name)), Numbers::F32(numbers)) => {
                    state.floats.insert(name.to_string(), (shape.clone(), numbers.clone()));
                }
                (Some(("integers", name)), Numbers::U64(numbers)) => {
                    state.integers.insert(name.to_string(), numbers.clone());
                }
                _ => return Err(Error::format(format!("the array {name:?} belongs to no training"))),
            }
        }
        Ok(state)
    }

    /// Writes it; an earlier file stays whole until the new one is.
    ///
    /// # Errors
    /// `is_io`; `is_format` if an array has another number of elements than its shape says.
    pub fn write(&self, path: &Path) -> Result<()> {
        let bytes: Vec<(&String, Dtype, &Vec<usize>, Vec<u8>)> = self
            .tensors
            .iter()
            .map(|(name, tensor)| {
                let (kind, bytes) = match &tensor.numbers {
                    Numbers::F32(x) => (Dtype::F32, x.iter().flat_map(|x| x.to_le_bytes()).collect()),
                    Numbers::F64(x) => (Dtype::F64, x.iter().flat_map(|x| x.to_le_bytes()).collect()),
                    Numbers::U64(x) => (Dtype::U64, x.iter().flat_map(|x| x.to_le_bytes()).collect()),
                };
                (name, kind, &tensor.shape, bytes)
            })
            .collect();
        let views = bytes
            .iter()
            .map(|(name, kind, shape, bytes)| {
                let view = TensorView::new(*kind, (*shape).clone(), bytes);
                Ok((name.as_str(), view.map_err(|error| Error::format(format!("{name}: {error}")).because(error))?))
            })
            .collect::<Result<Vec<_>>>()?;
        let about = HashMap::from([("about".to_string(), self.about.to_string())]);
        let file = safetensors::serialize(views, Some(about))
            .map_err(|error| Error::format(error.to_string()).because(error))?;
        write_whole(path, &file, Durability::Power)
    }

    /// Reads what [`write`](Self::write) wrote, any safetensors file of such numbers, or the arrays of an `.npz`, which say
    /// nothing about themselves.
    ///
    /// # Errors
    /// `is_io`; `is_format` for a file that is torn or foreign.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = file::read(path, "a machine or training", u64::MAX)?;
        match zip::is_zip(&bytes) {
            true => Self::of_archive(&bytes),
            false => Self::parse(&bytes),
        }
        .map_err(|error| error.at(path.display()))
    }

    /// The arrays of an `.npz`, in single precision.
    fn of_archive(bytes: &[u8]) -> Result<Self> {
        let mut left = MOST_UNPACKED;
        let mut tensors = BTreeMap::new();
        let mut archive = zip::Archive::of(bytes)?;
        for member in archive.members() {
            let name = member.name.strip_suffix(".npy").unwrap_or(&member.name).to_string();
            let data = archive.read(&member, left)?;
            left -= data.len() as u64;
            let (shape, numbers) = match npy::read(&name, &data)? {
                npy::Value::Floats(array) => (array.shape, array.data),
                npy::Value::Whole(whole) => (whole.shape, whole.numbers.iter().map(|&number| number as f32).collect()),
                npy::Value::Text(_) => continue,
            };
            tensors.insert(name, Tensor { shape, numbers: Numbers::F32(numbers) });
        }
        Ok(Self { tensors, about: Value::Null })
    }

    /// What is in the bytes of a safetensors file.
    ///
    /// # Errors
    /// `is_format` for bytes that are torn or foreign.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let torn = |error| Error::format(format!("is not a safetensors file, or truncated: {error}")).because(error);
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(torn)?;
        let file = SafeTensors::deserialize(bytes).map_err(torn)?;
        let about = match header.metadata().as_ref().and_then(|entries| entries.get("about")) {
            None => Value::Null,
            Some(text) => {
                serde_json::from_str(text).map_err(|e| Error::format(format!("its metadata: {e}")).because(e))?
            }
        };
        let mut tensors = BTreeMap::new();
        for (name, view) in file.iter() {
            let data = view.data();
            let numbers = match view.dtype() {
                Dtype::F32 => Numbers::F32(data.as_chunks().0.iter().map(|&x| f32::from_le_bytes(x)).collect()),
                Dtype::F64 => Numbers::F64(data.as_chunks().0.iter().map(|&x| f64::from_le_bytes(x)).collect()),
                Dtype::U64 => Numbers::U64(data.as_chunks().0.iter().map(|&x| u64::from_le_bytes(x)).collect()),
                other => return Err(Error::format(format!("{name}: {other:?} numbers; expected F32, F64 or U64"))),
            };
            tensors.insert(name.to_string(), Tensor { shape: view.shape().to_vec(), numbers });
        }
        Ok(Self { tensors, about })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_written_is_read_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.safetensors");
        let about = json!({ "epoch": 3, "history": [0.5, null] });
        let mut state = SavedState::describing(&about).unwrap();
        state.put("weights", &[2, 3], Numbers::F32(vec![1.0, -2.5, f32::MIN_POSITIVE, 0.0, 1e30, 7.0]));
        state.put("log_z", &[1], Numbers::F64(vec![36.399]));
        state.put("counters", &[2], Numbers::U64(vec![u64::MAX, 0]));
        state.write(&path).unwrap();
        let read = SavedState::read(&path).unwrap();
        assert_eq!(read, state);
        assert_eq!(read.about::<serde_json::Value>().unwrap(), about);
        assert!(read.about::<Vec<u8>>().unwrap_err().is_format());
        assert_eq!(read.floats("weights", &[2, 3]).unwrap()[1], -2.5);
        let error = |result: Result<&[f32]>| result.unwrap_err().to_string();
        assert!(error(read.floats("weights", &[3, 2])).contains("another model"));
        assert!(error(read.floats("bias", &[3])).contains("counters, log_z, weights"));
        assert!(error(read.floats("log_z", &[1])).contains("32-bit"));

        state.put("torn", &[4], Numbers::F32(vec![1.0]));
        assert!(state.write(&path).unwrap_err().is_format());
        assert_eq!(SavedState::read(&path).unwrap(), read, "the earlier file stays");
        let bytes = std::fs::read(&path).unwrap();
        for end in [0, 7, 40, bytes.len() - 1] {
            std::fs::write(&path, &bytes[..end]).unwrap();
            assert!(SavedState::read(&path).unwrap_err().is_format(), "{end} bytes");
        }
        assert!(SavedState::read(&folder.path().join("none")).unwrap_err().to_string().contains("No such file"));
    }
}
