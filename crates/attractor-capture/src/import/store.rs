//! Numbers of a file, laid down once while it is read: the first in memory, all others in a temporary file.
//!
//! Maps are read from here one at a time, so that a file of any size takes the memory of its largest map.

use std::fmt;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::sync::{Mutex, PoisonError};

use attractor::{Error, Hint, Result};
use attractor_record::Precision;

/// Numbers that are held in memory: 256 MiB of them.
const HELD: usize = 64 << 20;

/// Numbers in the order in which they were added.
pub(super) struct Store {
    held: Vec<f32>,
    /// How many are held at most.
    most_held: usize,
    file: Option<Mutex<File>>,
    written: u64,
    /// How many more may come.
    left: u64,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store of {} numbers", self.len())
    }
}

impl Store {
    /// A store whose numbers may take so many bytes, in memory and on disk together.
    pub(super) fn new(bytes: u64) -> Self {
        Self { held: Vec::new(), most_held: HELD, file: None, written: 0, left: bytes / 4 }
    }

    /// Numbers so far: the place of the next one.
    pub(super) fn len(&self) -> u64 {
        self.held.len() as u64 + self.written
    }

    /// Refuses what would not fit, before it is read.
    ///
    /// # Errors
    /// `is_budget`.
    pub(super) fn expect(&self, name: &str, numbers: u64) -> Result<()> {
        match numbers <= self.left {
            true => Ok(()),
            false => Err(Error::budget(format!(
                "{name}: its numbers take {} bytes, {} are left of what an import may take",
                numbers.saturating_mul(4),
                self.left * 4
            ))
            .hinted(Hint::Raise("max_bytes"))),
        }
    }

    /// Adds numbers behind the last; gives the place of the first.
    ///
    /// # Errors
    /// `is_budget` for more than are allowed; `is_io` if the temporary file cannot be written.
    pub(super) fn append(&mut self, numbers: &[f32]) -> Result<u64> {
        self.expect("the file", numbers.len() as u64)?;
        let at = self.len();
        let (held, rest) = numbers.split_at(numbers.len().min(self.most_held - self.held.len()));
        self.held.extend_from_slice(held);
        if !rest.is_empty() {
            let file = match &mut self.file {
                Some(file) => file,
                None => self.file.insert(Mutex::new(tempfile::tempfile().map_err(unwritable)?)),
            };
            let bytes: Vec<u8> = rest.iter().flat_map(|x| x.to_le_bytes()).collect();
            let file = file.get_mut().unwrap_or_else(PoisonError::into_inner);
            let end = file.seek(SeekFrom::Start(self.written * 4));
            end.and_then(|_| file.write_all(&bytes)).map_err(unwritable)?;
            self.written += rest.len() as u64;
        }
        self.left -= numbers.len() as u64;
        Ok(at)
    }

    /// Puts `count` numbers from place `at` on behind `into`.
    fn read_into(&self, at: u64, count: usize, into: &mut Vec<f32>) -> Result<()> {
        let held = self.held.len() as u64;
        let first = (at.min(held) as usize)..((at + count as u64).min(held) as usize);
        into.extend_from_slice(&self.held[first.clone()]);
        let rest = count - first.len();
        if let (1.., Some(file)) = (rest, &self.file) {
            let mut bytes = vec![0; rest * 4];
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            let read = file.seek(SeekFrom::Start((at.max(held) - held) * 4)).and_then(|_| file.read_exact(&mut bytes));
            read.map_err(|error| Error::io(format!("the temporary file cannot be read: {error}")).because(error))?;
            into.extend(bytes.as_chunks().0.iter().map(|&x| f32::from_le_bytes(x)));
        }
        Ok(())
    }

    /// `count` numbers from place `at` on.
    ///
    /// # Errors
    /// `is_io`.
    pub(super) fn read(&self, at: u64, count: usize) -> Result<Vec<f32>> {
        let mut numbers = Vec::with_capacity(count);
        self.read_into(at, count, &mut numbers)?;
        Ok(numbers)
    }
}

fn unwritable(error: std::io::Error) -> Error {
    Error::io(format!(
        "maps of more than 256 MiB go through a temporary file in {}, which cannot be written: {error}; free space, or name \
         another folder by TMPDIR",
        std::env::temp_dir().display()
    ))
    .because(error)
}

/// An array in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    /// Lengths of its axes.
    pub shape: Vec<usize>,
    /// Numbers from one place of an axis to the next.
    pub strides: Vec<u64>,
    /// Place of the first number.
    pub at: u64,
    /// Precision in the file.
    pub precision: Precision,
}

impl Stored {
    /// An array whose last axis is the fastest, or with `fortran` its first.
    pub(super) fn new(shape: Vec<usize>, fortran: bool, at: u64, precision: Precision) -> Self {
        let mut strides = vec![0; shape.len()];
        let mut step = 1;
        for place in 0..shape.len() {
            let axis = if fortran { place } else { shape.len() - 1 - place };
            strides[axis] = step;
            step *= shape[axis] as u64;
        }
        Self { shape, strides, at, precision }
    }

    /// How many numbers it has.
    pub(super) fn count(&self) -> usize {
        self.shape.iter().product()
    }
}

/// All heads of one layer, for one input at one step, in the store: [heads, queries, keys].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    pub at: u64,
    pub shape: [usize; 3],
    pub strides: [u64; 3],
}

impl Block {
    /// One of its heads.
    pub(super) fn head(&self, head: usize) -> Self {
        let [_, queries, keys] = self.shape;
        Self { at: self.at + head as u64 * self.strides[0], shape: [1, queries, keys], ..self.clone() }
    }

    /// Its numbers.
    ///
    /// # Errors
    /// `is_io`.
    pub(super) fn read(&self, store: &Store) -> Result<Vec<f32>> {
        let [heads, queries, keys] = self.shape;
        let count = heads * queries * keys;
        let whole = [(queries * keys) as u64, keys as u64, 1];
        let dense =
            self.shape.iter().zip(self.strides).zip(whole).all(|((&n, stride), whole)| n == 1 || stride == whole);
        if dense {
            return store.read(self.at, count);
        }
        let rows = (0..heads as u64).flat_map(|head| (0..queries as u64).map(move |query| (head, query)));
        let mut numbers = Vec::with_capacity(count);
        if self.strides[2] == 1 || keys == 1 {
            for (head, query) in rows {
                store.read_into(self.at + head * self.strides[0] + query * self.strides[1], keys, &mut numbers)?;
            }
            return Ok(numbers);
        }
        // Keys that do not lie side by side: all between the first and the last number is read once.
        let span: u64 = self.shape.iter().zip(self.strides).map(|(&n, stride)| (n as u64 - 1) * stride).sum();
        let all = store.read(self.at, span as usize + 1)?;
        for (head, query) in rows {
            let from = head * self.strides[0] + query * self.strides[1];
            numbers.extend((0..keys as u64).map(|key| all[(from + key * self.strides[2]) as usize]));
        }
        Ok(numbers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A store that holds ten numbers and writes the others.
    fn store(numbers: usize) -> Store {
        let mut store = Store { most_held: 10, ..Store::new(1000) };
        let all: Vec<f32> = (0..numbers).map(|x| x as f32).collect();
        for part in all.chunks(7) {
            store.append(part).unwrap();
        }
        store
    }

    #[test]
    fn numbers_are_the_same_in_memory_and_in_the_file() {
        let store = store(60);
        assert_eq!((store.held.len(), store.written, store.len()), (10, 50, 60));
        for (at, count) in [(0, 10), (0, 60), (8, 5), (9, 1), (10, 1), (31, 7), (60, 0)] {
            let expected: Vec<f32> = (at..at + count).map(|x| x as f32).collect();
            assert_eq!(store.read(at as u64, count).unwrap(), expected, "{at}, {count}");
        }
    }

    #[test]
    fn blocks_are_read_by_their_strides() {
        let store = store(60);
        let read = |at, shape, strides| Block { at, shape, strides }.read(&store).unwrap();
        assert_eq!(read(12, [2, 2, 3], [6, 3, 1]), (12..24).map(|x| x as f32).collect::<Vec<_>>());
        // Rows three numbers apart; and the first axis the fastest, as Fortran has it.
        assert_eq!(read(0, [1, 3, 2], [0, 3, 1]), [0.0, 1.0, 3.0, 4.0, 6.0, 7.0]);
        assert_eq!(read(6, [2, 2, 2], [1, 2, 4]), [6.0, 10.0, 8.0, 12.0, 7.0, 11.0, 9.0, 13.0]);
        let block = Block { at: 6, shape: [2, 2, 2], strides: [1, 2, 4] };
        assert_eq!(block.head(1).read(&store).unwrap(), [7.0, 11.0, 9.0, 13.0]);
    }

    #[test]
    fn more_than_is_allowed_is_refused_before_it_is_held() {
        let mut store = store(60);
        let error = store.expect("L0", 191).unwrap_err();
        assert!(
            error.is_budget() && error.to_string().contains("L0: its numbers take 764 bytes, 760 are left"),
            "{error}"
        );
        assert!(store.expect("L0", 190).is_ok());
        assert!(store.append(&[0.0; 191]).unwrap_err().is_budget());
        assert_eq!(store.len(), 60);
    }
}
