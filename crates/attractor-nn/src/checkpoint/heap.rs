//! What a pickle describes: objects in one arena that refer to each other by number.
//!
//! Neither cycles nor a million nested lists can overflow the call stack this way. Every object costs at least a byte of
//! the file, and their number is limited.

use super::array::Dtype;

/// Number of an object in the arena.
pub(super) type Id = u32;

/// Most objects a file may hold: 4 million need some 200 MB; a state dict of 10 000 tensors has 200 000.
pub(super) const MOST: usize = 4_000_000;

/// An object.
#[derive(Debug)]
pub(super) enum Node {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    /// Raw bytes, long integers: nothing that a state dict needs.
    Bytes,
    /// A tuple; torch.Size too.
    Tuple(Vec<Id>),
    List(Vec<Id>),
    /// In the order of insertion; OrderedDict too.
    Dict(Vec<(Id, Id)>),
    /// A name that was fetched.
    Global(Box<(String, String)>),
    Storage(Box<Storage>),
    Tensor(Box<Tensor>),
    /// The result of a call that was not made: "module.name".
    Inert(Id),
}

/// A buffer that a tensor looks into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Storage {
    /// A text or a number that names it.
    pub(super) key: Id,
    /// `None`: bytes whose format the tensor gives; `Err`: a format that we do not read.
    pub(super) dtype: Option<std::result::Result<Dtype, String>>,
    /// Length in elements (bytes if there is no dtype).
    pub(super) count: u64,
}

/// A view of a storage, in elements.
#[derive(Debug, Clone)]
pub(super) struct Tensor {
    pub(super) storage: Id,
    pub(super) dtype: std::result::Result<Dtype, String>,
    pub(super) offset: u64,
    pub(super) shape: Vec<u64>,
    pub(super) stride: Vec<u64>,
}

/// All objects of a file.
#[derive(Debug, Default)]
pub(super) struct Heap {
    pub(super) nodes: Vec<Node>,
    /// Items copied from one object into another so far.
    copied: usize,
}

impl Heap {
    pub(super) fn get(&self, id: Id) -> &Node {
        &self.nodes[id as usize]
    }

    /// Allows a call to copy `items` out of its arguments. An instruction of five bytes may copy a list of any length,
    /// so what is copied is limited over the whole file.
    pub(super) fn spend(&mut self, items: usize) -> std::result::Result<(), String> {
        self.copied += items;
        if self.copied > MOST {
            return Err(format!("its calls copy more than {MOST} items"));
        }
        Ok(())
    }

    /// Number of items in an object.
    pub(super) fn length(&self, id: Id) -> usize {
        match self.get(id) {
            Node::Tuple(items) | Node::List(items) => items.len(),
            Node::Dict(items) => items.len(),
            _ => 0,
        }
    }

    /// The key of a storage as text.
    pub(super) fn key(&self, storage: &Storage) -> String {
        match self.get(storage.key) {
            Node::Text(key) => key.clone(),
            Node::Int(key) => key.to_string(),
            _ => String::new(),
        }
    }

    /// All storages, in the order in which they were named.
    pub(super) fn storages(&self) -> impl Iterator<Item = &Storage> {
        self.nodes.iter().filter_map(|node| match node {
            Node::Storage(storage) => Some(&**storage),
            _ => None,
        })
    }

    /// The text of an object that is one.
    pub(super) fn text(&self, id: Id) -> Option<&str> {
        match self.get(id) {
            Node::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value under a text key; the last one, as Python has it.
    pub(super) fn lookup(&self, dict: &[(Id, Id)], key: &str) -> Option<Id> {
        dict.iter().rev().find(|(k, _)| self.text(*k) == Some(key)).map(|(_, v)| *v)
    }

    /// "module.name" of a global or of the call that an inert object stands for.
    pub(super) fn name(&self, id: Id) -> String {
        match self.get(id) {
            Node::Global(global) => format!("{}.{}", global.0, global.1),
            Node::Inert(callable) => match self.get(*callable) {
                Node::Global(global) => format!("{}.{}", global.0, global.1),
                _ => "a computed function".into(),
            },
            _ => "an object".into(),
        }
    }
}
