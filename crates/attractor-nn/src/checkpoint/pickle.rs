//! A pickle machine that executes nothing.
//!
//! Python's pickle is a program for a stack machine, and two of its instructions fetch any function by name and call
//! it. Here a name is only a name: a handful of calls that torch uses to describe tensors are understood as data, any
//! other call gives an inert object, and a name that could only be there to run something ends the reading at once.

use super::heap::{Heap, Id, MOST, Node};
use super::source::Source;
use attractor::{Error, Result};
use std::collections::HashMap;

/// Most bytes of a fetched name.
const LONGEST_NAME: usize = 200;

/// Bytes of a range of a file, read a piece at a time.
pub(super) struct Bytes<'a> {
    source: &'a Source,
    at: u64,
    end: u64,
    buffer: Vec<u8>,
    next: usize,
}

impl<'a> Bytes<'a> {
    pub(super) fn new(source: &'a Source, begin: u64, end: u64) -> Self {
        Self { source, at: begin, end, buffer: Vec::new(), next: 0 }
    }

    /// Position in the file of the next byte.
    pub(super) fn position(&self) -> u64 {
        self.at - (self.buffer.len() - self.next) as u64
    }

    fn torn(&self) -> Error {
        self.source.format(format_args!(
            "the pickle ends in the middle, at byte {}; the file is truncated or damaged: fetch it again",
            self.end
        ))
    }

    fn byte(&mut self) -> Result<u8> {
        if self.next == self.buffer.len() {
            if self.at >= self.end {
                return Err(self.torn());
            }
            let count = (self.end - self.at).min(1 << 16);
            self.buffer = self.source.read(self.at, count, "the pickle")?;
            self.at += count;
            self.next = 0;
        }
        self.next += 1;
        Ok(self.buffer[self.next - 1])
    }

    fn take(&mut self, count: u64) -> Result<Vec<u8>> {
        if count > self.end - self.position() {
            return Err(self.torn());
        }
        // Checked against the file before anything is allocated.
        let mut bytes = Vec::with_capacity(count as usize);
        for _ in 0..count {
            bytes.push(self.byte()?);
        }
        Ok(bytes)
    }

    fn number(&mut self, bytes: u64) -> Result<u64> {
        Ok(self.take(bytes)?.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte)))
    }

    fn line(&mut self) -> Result<Vec<u8>> {
        let mut line = Vec::new();
        loop {
            match self.byte()? {
                b'\n' => return Ok(line),
                byte => line.push(byte),
            }
        }
    }
}

/// Runs one pickle and gives the object on top at its end.
///
/// # Errors
/// `is_unsupported` for a name that could only be there to run code; `is_format` for anything that no pickle of torch holds.
pub(super) fn load(bytes: &mut Bytes<'_>, heap: &mut Heap) -> Result<Id> {
    Machine { bytes, heap, stack: Vec::new(), marks: Vec::new(), memo: HashMap::new() }.run()
}

struct Machine<'a, 'b> {
    bytes: &'a mut Bytes<'b>,
    heap: &'a mut Heap,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
}

impl Machine<'_, '_> {
    fn wrong(&self, message: impl std::fmt::Display) -> Error {
        self.bytes.source.format(format_args!(
            "not a pickle written by torch (before byte {}): {message}; the file is damaged or of another kind",
            self.bytes.position()
        ))
    }

    fn push(&mut self, node: Node) -> Result<()> {
        if self.heap.nodes.len() >= MOST {
            return Err(self.wrong(format_args!("expected at most {MOST} objects, got more")));
        }
        self.heap.nodes.push(node);
        self.put((self.heap.nodes.len() - 1) as Id)
    }

    fn put(&mut self, id: Id) -> Result<()> {
        if self.stack.len() >= MOST {
            return Err(self.wrong(format_args!("expected at most {MOST} objects on the stack, got more")));
        }
        self.stack.push(id);
        Ok(())
    }

    fn pop(&mut self) -> Result<Id> {
        // What lies below a mark is not for taking.
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.len() > floor {
            true => self.stack.pop().ok_or_else(|| self.wrong("the stack is empty")),
            false => Err(self.wrong("an instruction takes more than is there")),
        }
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Id>> {
        let mark = self.marks.pop().ok_or_else(|| self.wrong("a group ends that never began"))?;
        Ok(self.stack.split_off(mark))
    }

    fn memoize(&mut self, slot: u64) -> Result<()> {
        let top = *self.stack.last().ok_or_else(|| self.wrong("there is nothing to remember"))?;
        if self.memo.len() >= MOST {
            return Err(self.wrong(format_args!("expected at most {MOST} remembered objects, got more")));
        }
        self.memo.insert(slot, top);
        Ok(())
    }

    fn recall(&mut self, slot: u64) -> Result<()> {
        let id = self.memo.get(&slot).copied();
        self.put(id.ok_or_else(|| self.wrong(format_args!("object {slot} was never remembered")))?)
    }

    fn text(&mut self, count: u64) -> Result<()> {
        let bytes = self.bytes.take(count)?;
        let text = String::from_utf8(bytes).map_err(|e| self.wrong("a text is not UTF-8").because(e))?;
        self.push(Node::Text(text))
    }

    /// Raw bytes are passed over: weights never lie in them.
    fn raw(&mut self, count: u64) -> Result<()> {
        self.bytes.take(count)?;
        self.push(Node::Bytes)
    }

    fn decimal(&mut self) -> Result<u64> {
        let line = self.bytes.line()?;
        std::str::from_utf8(&line)
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| self.wrong("expected the number of a remembered object"))
    }

    fn run(mut self) -> Result<Id> {
        loop {
            match self.bytes.byte()? {
                b'.' => return self.pop(),
                0x80 => {
                    let version = self.bytes.byte()?;
                    if version > 5 {
                        return Err(self.wrong(format_args!("expected pickle protocol 0 to 5, got {version}")));
                    }
                }
                0x95 => drop(self.bytes.take(8)?),
                b'(' => {
                    if self.marks.len() >= MOST {
                        return Err(self.wrong(format_args!("expected at most {MOST} open groups, got more")));
                    }
                    self.marks.push(self.stack.len());
                }
                b'0' => match self.marks.last() {
                    Some(&mark) if mark == self.stack.len() => drop(self.marks.pop()),
                    _ => drop(self.pop()?),
                },
                b'1' => drop(self.pop_to_mark()?),
                b'2' => {
                    let top = *self.stack.last().ok_or_else(|| self.wrong("there is nothing to copy"))?;
                    self.put(top)?;
                }
                b'N' => self.push(Node::None)?,
                0x88 => self.push(Node::Bool(true))?,
                0x89 => self.push(Node::Bool(false))?,
                b'K' => {
                    let value = self.bytes.number(1)?;
                    self.push(Node::Int(value as i64))?;
                }
                b'M' => {
                    let value = self.bytes.number(2)?;
                    self.push(Node::Int(value as i64))?;
                }
                b'J' => {
                    let value = self.bytes.number(4)? as u32;
                    self.push(Node::Int(i64::from(value as i32)))?;
                }
                b'I' => self.integer_line()?,
                b'L' => self.integer_line()?,
                0x8a => {
                    let count = self.bytes.number(1)?;
                    self.long(count)?;
                }
                0x8b => {
                    let count = self.bytes.number(4)?;
                    self.long(count)?;
                }
                b'G' => {
                    let bits = self.bytes.number(8)?.swap_bytes();
                    self.push(Node::Float(f64::from_bits(bits)))?;
                }
                b'F' => {
                    let line = self.bytes.line()?;
                    let value = std::str::from_utf8(&line).ok().and_then(|text| text.parse().ok());
                    let value = value.ok_or_else(|| self.wrong("expected a decimal number"))?;
                    self.push(Node::Float(value))?;
                }
                b'X' => {
                    let count = self.bytes.number(4)?;
                    self.text(count)?;
                }
                0x8c => {
                    let count = self.bytes.number(1)?;
                    self.text(count)?;
                }
                0x8d => {
                    let count = self.bytes.number(8)?;
                    self.text(count)?;
                }
                // Python 2's byte strings: torch's first files name their tensors by them.
                b'T' => {
                    let count = self.bytes.number(4)?;
                    self.text(count)?;
                }
                b'U' => {
                    let count = self.bytes.number(1)?;
                    self.text(count)?;
                }
                b'S' | b'V' => {
                    let line = self.bytes.line()?;
                    let text = String::from_utf8(line).map_err(|e| self.wrong("a text is not UTF-8").because(e))?;
                    self.push(Node::Text(text.trim_matches(['\'', '"']).to_owned()))?;
                }
                b'B' => {
                    let count = self.bytes.number(4)?;
                    self.raw(count)?;
                }
                b'C' => {
                    let count = self.bytes.number(1)?;
                    self.raw(count)?;
                }
                0x8e | 0x96 => {
                    let count = self.bytes.number(8)?;
                    self.raw(count)?;
                }
                b')' => self.push(Node::Tuple(Vec::new()))?,
                code @ 0x85..=0x87 => {
                    let count = usize::from(code - 0x84);
                    let mut items = (0..count).map(|_| self.pop()).collect::<Result<Vec<_>>>()?;
                    items.reverse();
                    self.push(Node::Tuple(items))?;
                }
                b't' => {
                    let items = self.pop_to_mark()?;
                    self.push(Node::Tuple(items))?;
                }
                b']' => self.push(Node::List(Vec::new()))?,
                b'l' | 0x91 => {
                    let items = self.pop_to_mark()?;
                    self.push(Node::List(items))?;
                }
                // A set: its members, as a list.
                0x8f => self.push(Node::List(Vec::new()))?,
                b'}' => self.push(Node::Dict(Vec::new()))?,
                b'd' => {
                    let items = self.pop_to_mark()?;
                    let pairs = self.pairs(&items)?;
                    self.push(Node::Dict(pairs))?;
                }
                b'a' => {
                    let item = self.pop()?;
                    self.extend(&[item])?;
                }
                b'e' | 0x90 => {
                    let items = self.pop_to_mark()?;
                    self.extend(&items)?;
                }
                b's' => {
                    let value = self.pop()?;
                    let key = self.pop()?;
                    self.set(&[key, value])?;
                }
                b'u' => {
                    let items = self.pop_to_mark()?;
                    self.set(&items)?;
                }
                b'p' => {
                    let slot = self.decimal()?;
                    self.memoize(slot)?;
                }
                b'q' => {
                    let slot = self.bytes.number(1)?;
                    self.memoize(slot)?;
                }
                b'r' => {
                    let slot = self.bytes.number(4)?;
                    self.memoize(slot)?;
                }
                0x94 => self.memoize(self.memo.len() as u64)?,
                b'g' => {
                    let slot = self.decimal()?;
                    self.recall(slot)?;
                }
                b'h' => {
                    let slot = self.bytes.number(1)?;
                    self.recall(slot)?;
                }
                b'j' => {
                    let slot = self.bytes.number(4)?;
                    self.recall(slot)?;
                }
                b'c' => {
                    let (module, name) = (self.bytes.line()?, self.bytes.line()?);
                    self.global(module, name)?;
                }
                0x93 => {
                    let (name, module) = (self.pop()?, self.pop()?);
                    match (self.heap.text(module), self.heap.text(name)) {
                        // Cut before it is copied: one long text may be fetched again and again.
                        (Some(module), Some(name)) => {
                            let cut = |text: &str| text.as_bytes()[..text.len().min(LONGEST_NAME + 1)].to_vec();
                            let (module, name) = (cut(module), cut(name));
                            self.global(module, name)?;
                        }
                        _ => return Err(self.wrong("a name is fetched that is not a string")),
                    }
                }
                b'R' => {
                    let (arguments, callable) = (self.pop()?, self.pop()?);
                    self.call(callable, arguments)?;
                }
                0x81 => {
                    let (arguments, class) = (self.pop()?, self.pop()?);
                    self.call(class, arguments)?;
                }
                0x92 => {
                    let (_, arguments, class) = (self.pop()?, self.pop()?, self.pop()?);
                    self.call(class, arguments)?;
                }
                b'i' => {
                    let (module, name) = (self.bytes.line()?, self.bytes.line()?);
                    drop(self.pop_to_mark()?);
                    self.global(module, name)?;
                    let class = self.pop()?;
                    self.push(Node::Inert(class))?;
                }
                b'o' => {
                    let items = self.pop_to_mark()?;
                    let class = *items.first().ok_or_else(|| self.wrong("an object without a class"))?;
                    self.push(Node::Inert(class))?;
                }
                // What an object remembers of itself: none of ours has a state that matters.
                b'b' => drop(self.pop()?),
                b'Q' => {
                    let id = self.pop()?;
                    self.persistent(id)?;
                }
                b'P' => return Err(self.wrong("a storage is named by text, which torch never does")),
                code => return Err(self.wrong(format_args!("instruction {code:#04x} is unknown or not used by torch"))),
            }
        }
    }

    fn integer_line(&mut self) -> Result<()> {
        let line = self.bytes.line()?;
        match line.as_slice() {
            b"00" => self.push(Node::Bool(false)),
            b"01" => self.push(Node::Bool(true)),
            line => match std::str::from_utf8(line).ok().map(|text| text.trim_end_matches('L').parse::<i64>()) {
                Some(Ok(value)) => self.push(Node::Int(value)),
                _ => Err(self.wrong("expected a whole number")),
            },
        }
    }

    /// Two's complement of any length; those beyond 64 bits are kept as bytes, since none is a size.
    fn long(&mut self, count: u64) -> Result<()> {
        let bytes = self.bytes.take(count)?;
        let Some(&last) = bytes.last() else { return self.push(Node::Int(0)) };
        if bytes.len() > 8 {
            return self.push(Node::Bytes);
        }
        let mut wide = [if last & 0x80 == 0 { 0 } else { 0xff }; 8];
        wide[..bytes.len()].copy_from_slice(&bytes);
        self.push(Node::Int(i64::from_le_bytes(wide)))
    }

    fn pairs(&self, items: &[Id]) -> Result<Vec<(Id, Id)>> {
        let (pairs, rest) = items.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(self.wrong("a dictionary has a key without a value"));
        }
        Ok(pairs.iter().map(|&[key, value]| (key, value)).collect())
    }

    /// Puts items into the list on top; a foreign object swallows them.
    fn extend(&mut self, items: &[Id]) -> Result<()> {
        let top = *self.stack.last().ok_or_else(|| self.wrong("there is not a list to extend"))?;
        match &mut self.heap.nodes[top as usize] {
            Node::List(list) => list.extend_from_slice(items),
            Node::Inert(_) => {}
            _ => return Err(self.wrong("items are put into something that is not a list")),
        }
        Ok(())
    }

    fn set(&mut self, items: &[Id]) -> Result<()> {
        let pairs = self.pairs(items)?;
        let top = *self.stack.last().ok_or_else(|| self.wrong("there is not a dictionary to fill"))?;
        match &mut self.heap.nodes[top as usize] {
            Node::Dict(dict) => dict.extend(pairs),
            Node::Inert(_) => {}
            _ => return Err(self.wrong("keys are put into something that is not a dictionary")),
        }
        Ok(())
    }

    fn global(&mut self, module: Vec<u8>, name: Vec<u8>) -> Result<()> {
        let (Ok(module), Ok(name)) = (String::from_utf8(module), String::from_utf8(name)) else {
            return Err(self.wrong("a fetched name is not UTF-8"));
        };
        if module.len() + name.len() > LONGEST_NAME {
            return Err(self.wrong(format_args!("expected names of at most {LONGEST_NAME} bytes, got a longer one")));
        }
        if super::globals::runs_code(&module, &name) {
            return Err(Error::unsupported(format!(
                "{}: this pickle asks Python to run `{}.{}`, which no checkpoint needs; it was refused and no code was \
                 run. Do not open the file with torch.load either; get safetensors weights from a source that you trust",
                self.bytes.source.path().display(),
                module.escape_debug(),
                name.escape_debug()
            )));
        }
        self.push(Node::Global(Box::new((module, name))))
    }

    fn call(&mut self, callable: Id, arguments: Id) -> Result<()> {
        let made = super::globals::make(self.heap, callable, arguments, 0).map_err(|message| self.wrong(message))?;
        match made {
            super::globals::Made::New(node) => self.push(node),
            super::globals::Made::Same(id) => self.put(id),
        }
    }

    /// ("storage", type, key, location, number of elements[, view]).
    fn persistent(&mut self, id: Id) -> Result<()> {
        let storage = super::globals::storage(self.heap, id).map_err(|message| self.wrong(message))?;
        self.push(Node::Storage(Box::new(storage)))
    }
}
