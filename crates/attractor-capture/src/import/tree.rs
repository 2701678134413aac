//! JSON whose nested lists of numbers become arrays while they are read: a list of numbers goes into the store as it ends, and a
//! list of equal lists is where its first begins.

use std::cell::RefCell;
use std::fmt;
use std::io::Read;

use attractor::{Error, Result};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::store::Store;

/// A JSON value; a regular nest of numbers is one [`Node::Array`].
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    /// Row-major in the store, from this place on; never without axes.
    Array {
        shape: Vec<usize>,
        at: u64,
    },
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl Node {
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        match self {
            Self::Map(entries) => entries.iter().find(|(name, _)| name == key).map(|(_, node)| node),
            _ => None,
        }
    }

    /// Lengths of its axes, the first of a list being its entries and the others those of the first that has any.
    pub(crate) fn shape(&self) -> Option<Vec<usize>> {
        match self {
            Self::Array { shape, .. } => Some(shape.clone()),
            Self::List(list) => {
                let mut shape = list.iter().find_map(Self::shape)?;
                shape.insert(0, list.len());
                Some(shape)
            }
            _ => None,
        }
    }

    /// The first text in a nest of lists.
    pub(crate) fn quoted(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::List(list) => list.iter().find_map(Self::quoted),
            _ => None,
        }
    }

    /// What it is, for messages.
    pub(crate) fn kind(&self) -> String {
        match self {
            Self::Null => "null".into(),
            Self::Bool(_) => "true or false".into(),
            Self::Number(_) => "a single number".into(),
            Self::Text(_) => "text".into(),
            Self::Array { shape, .. } => format!("an array of shape {shape:?}"),
            Self::List(x) => format!("an irregular list of {} entries", x.len()),
            Self::Map(x) => format!("an object of {} entries", x.len()),
        }
    }
}

/// Written by [`numbers_for_constants`] where a file says NaN.
const NAN: f64 = 1e98;

/// Python writes NaN and Infinity, which are no JSON: they become numbers beyond f32 that stand for them.
pub(crate) struct Constants<R> {
    inner: R,
    /// Bytes that were read and not looked at.
    raw: Vec<u8>,
    /// Bytes that were looked at and not given.
    ready: Vec<u8>,
    given: usize,
    quoted: bool,
    ended: bool,
}

/// Bytes that are read at once.
const PIECE: u64 = 1 << 16;

impl<R: Read> Constants<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self { inner, raw: Vec::new(), ready: Vec::new(), given: 0, quoted: false, ended: false }
    }

    /// Looks at what was read, but for the last bytes of it, where a word may be cut.
    fn look(&mut self) {
        let keep = if self.ended { 0 } else { "Infinity".len() };
        let text = &self.raw;
        let mut at = 0;
        while at + keep < text.len() {
            match text[at] {
                b'\\' if self.quoted => {
                    self.ready.extend_from_slice(&text[at..text.len().min(at + 2)]);
                    at += 2;
                    continue;
                }
                b'"' => self.quoted = !self.quoted,
                b'N' if !self.quoted && text[at..].starts_with(b"NaN") => {
                    self.ready.extend_from_slice(b"1e98");
                    at += 3;
                    continue;
                }
                b'I' if !self.quoted && text[at..].starts_with(b"Infinity") => {
                    self.ready.extend_from_slice(b"1e99");
                    at += 8;
                    continue;
                }
                _ => {}
            }
            self.ready.push(text[at]);
            at += 1;
        }
        self.raw.drain(..at.min(self.raw.len()));
    }
}

impl<R: Read> Read for Constants<R> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        while self.given == self.ready.len() && !self.ended {
            (self.given, self.ended) = (0, (&mut self.inner).take(PIECE).read_to_end(&mut self.raw)? == 0);
            self.ready.clear();
            self.look();
        }
        let count = into.len().min(self.ready.len() - self.given);
        into[..count].copy_from_slice(&self.ready[self.given..self.given + count]);
        self.given += count;
        Ok(count)
    }
}

fn number(x: f64) -> f32 {
    if x == NAN { f32::NAN } else { x as f32 }
}

/// A list of more entries than this is numbers, arrays of one shape, or texts: a map is never irregular at that length.
const LONGEST_IRREGULAR: usize = 1 << 16;

/// Values that stand in no array at most: each takes a hundred bytes of memory, and at least two of the file.
const MOST_LOOSE: usize = 1 << 21;

/// What is shared while a file is read.
pub(crate) struct Reading<'s> {
    store: &'s mut Store,
    loose: usize,
    /// Why reading ended, where it was not the JSON.
    failed: Option<Error>,
}

impl Reading<'_> {
    /// Numbers into the store.
    fn append(&mut self, numbers: &[f32]) -> std::result::Result<u64, String> {
        self.store.append(numbers).map_err(|error| self.fail(error))
    }

    fn fail(&mut self, error: Error) -> String {
        let said = error.to_string();
        self.failed = Some(error);
        said
    }

    /// Counts values that stand in no array.
    fn loosen(&mut self, values: usize) -> std::result::Result<(), String> {
        self.loose += values;
        match self.loose <= MOST_LOOSE {
            true => Ok(()),
            false => Err(format!("more than {MOST_LOOSE} values outside of equal nests of numbers")),
        }
    }
}

/// Reads a file whose numbers go into the store.
///
/// # Errors
/// `is_format` for what is no JSON, and for more loose values than any file of maps has; what the store answers.
pub(crate) fn read(text: impl Read, store: &mut Store) -> Result<Node> {
    let reading = RefCell::new(Reading { store, loose: 0, failed: None });
    let mut json = serde_json::Deserializer::from_reader(std::io::BufReader::new(Constants::new(text)));
    let node = Build(&reading).deserialize(&mut json).and_then(|node| json.end().map(|()| node));
    let failed = reading.into_inner().failed;
    node.map_err(|error| failed.unwrap_or_else(|| Error::format(format!("no valid JSON: {error}")).because(error)))
}

/// Elements of a list while they still form an array.
enum Gathered {
    Nothing,
    Numbers(Vec<f32>),
    /// Count, shape of each, place of the first.
    Arrays(usize, Vec<usize>, u64),
    Mixed(Vec<Node>),
}

type Said<T> = std::result::Result<T, String>;

impl Gathered {
    /// True if the list is long and what comes next would make it irregular: each entry would then be a value of its own.
    fn breaks(&self, node: &Node) -> bool {
        match (self, node) {
            (Self::Numbers(x), node) => x.len() > LONGEST_IRREGULAR && !matches!(node, Node::Number(_) | Node::Null),
            (Self::Arrays(count, shape, _), Node::Array { shape: other, .. }) => {
                *count > LONGEST_IRREGULAR && shape != other
            }
            (Self::Arrays(count, ..), _) => *count > LONGEST_IRREGULAR,
            (Self::Mixed(list), node) => list.len() > LONGEST_IRREGULAR && !matches!(node, Node::Text(_)),
            (Self::Nothing, _) => false,
        }
    }

    fn add(self, node: Node, reading: &mut Reading<'_>) -> Said<Self> {
        Ok(match (self, node) {
            (Self::Nothing, Node::Number(x)) => Self::Numbers(vec![number(x)]),
            (Self::Nothing, Node::Array { shape, at }) => Self::Arrays(1, shape, at),
            (Self::Nothing, other) => Self::mixed(vec![other], reading)?,
            (Self::Numbers(mut x), Node::Number(y)) => {
                x.push(number(y));
                Self::Numbers(x)
            }
            // null among numbers: what JavaScript writes for NaN.
            (Self::Numbers(mut x), Node::Null) => {
                x.push(f32::NAN);
                Self::Numbers(x)
            }
            // Equal arrays lie one behind the other, as they were read.
            (Self::Arrays(count, shape, first), Node::Array { shape: other, at })
                if shape == other && at == first + (count * shape.iter().product::<usize>()) as u64 =>
            {
                Self::Arrays(count + 1, shape, first)
            }
            (Self::Mixed(mut list), node) => {
                reading.loosen(1)?;
                list.push(node);
                Self::Mixed(list)
            }
            // No array after all: back to a list of what there was.
            (Self::Numbers(x), node) => {
                let numbers = x.iter().map(|&x| Node::Number(x.into()));
                Self::mixed(numbers.chain([node]).collect(), reading)?
            }
            (Self::Arrays(count, shape, first), node) => {
                let size = shape.iter().product::<usize>() as u64;
                let part = |place: u64| Node::Array { shape: shape.clone(), at: first + place * size };
                Self::mixed((0..count as u64).map(part).chain([node]).collect(), reading)?
            }
        })
    }

    fn mixed(list: Vec<Node>, reading: &mut Reading<'_>) -> Said<Self> {
        reading.loosen(list.len())?;
        Ok(Self::Mixed(list))
    }

    fn finish(self, reading: &mut Reading<'_>) -> Said<Node> {
        Ok(match self {
            Self::Nothing => Node::Array { shape: vec![0], at: reading.store.len() },
            Self::Numbers(data) => Node::Array { shape: vec![data.len()], at: reading.append(&data)? },
            Self::Arrays(count, mut shape, at) => {
                shape.insert(0, count);
                Node::Array { shape, at }
            }
            Self::Mixed(mut list) => {
                // A row of nothing but null beside rows of numbers: NaN again.
                let like = list.iter().find_map(|node| match node {
                    Node::Array { shape, .. } => Some(shape.clone()),
                    _ => None,
                });
                if let Some(shape) = like
                    && list.iter().any(|node| matches!(node, Node::List(_)))
                    && list
                        .iter()
                        .all(|node| matches!(node, Node::Array { shape: s, .. } if *s == shape) || void(node, &shape))
                {
                    let size: usize = shape.iter().product();
                    let whole = reading.store.len();
                    for node in &list {
                        let numbers = match node {
                            Node::Array { at, .. } => {
                                reading.store.read(*at, size).map_err(|error| reading.fail(error))?
                            }
                            _ => vec![f32::NAN; size],
                        };
                        reading.append(&numbers)?;
                    }
                    return Ok(Node::Array { shape: [&[list.len()], &shape[..]].concat(), at: whole });
                }
                list.shrink_to_fit();
                Node::List(list)
            }
        })
    }
}

/// True if a node is a nest of null of that shape (at least one axis).
fn void(node: &Node, shape: &[usize]) -> bool {
    match (node, shape.split_first()) {
        (Node::List(list), Some((&count, rest))) => {
            list.len() == count
                && list.iter().all(|node| if rest.is_empty() { *node == Node::Null } else { void(node, rest) })
        }
        _ => false,
    }
}

#[derive(Clone, Copy)]
struct Build<'a, 's>(&'a RefCell<Reading<'s>>);

impl<'de> DeserializeSeed<'de> for Build<'_, '_> {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<Node, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Build<'_, '_> {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("attention maps")
    }

    fn visit_unit<E>(self) -> std::result::Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, x: bool) -> std::result::Result<Node, E> {
        Ok(Node::Bool(x))
    }

    fn visit_u64<E>(self, x: u64) -> std::result::Result<Node, E> {
        Ok(Node::Number(x as f64))
    }

    fn visit_i64<E>(self, x: i64) -> std::result::Result<Node, E> {
        Ok(Node::Number(x as f64))
    }

    fn visit_f64<E>(self, x: f64) -> std::result::Result<Node, E> {
        Ok(Node::Number(x))
    }

    fn visit_str<E>(self, x: &str) -> std::result::Result<Node, E> {
        Ok(Node::Text(x.to_string()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> std::result::Result<Node, A::Error> {
        let mut gathered = Gathered::Nothing;
        while let Some(node) = items.next_element_seed(self)? {
            if gathered.breaks(&node) {
                let what = match node.quoted() {
                    Some(text) => format!("{text:?}"),
                    None => node.kind(),
                };
                return Err(A::Error::custom(format!(
                    "{what} in a long list of others; expected numbers in equal nests"
                )));
            }
            gathered = gathered.add(node, &mut self.0.borrow_mut()).map_err(A::Error::custom)?;
        }
        gathered.finish(&mut self.0.borrow_mut()).map_err(A::Error::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> std::result::Result<Node, A::Error> {
        let mut map: Vec<(String, Node)> = Vec::new();
        let mut known = std::collections::HashSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            if !known.insert(key.clone()) {
                return Err(A::Error::custom(format!("the key {key:?} occurs twice")));
            }
            self.0.borrow_mut().loosen(1).map_err(A::Error::custom)?;
            map.push((key, entries.next_value_seed(self)?));
        }
        Ok(Node::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that come one at a time, so that every word is cut.
    struct Drops<'a>(&'a [u8]);

    impl Read for Drops<'_> {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            self.0.read(&mut into[..1])
        }
    }

    /// A node, and the numbers of the array that it is.
    fn read(text: &str) -> (Node, Vec<f32>) {
        let mut store = Store::new(1 << 20);
        let node = super::read(Drops(text.as_bytes()), &mut store).unwrap();
        let data = match &node {
            Node::Array { shape, at } => store.read(*at, shape.iter().product()).unwrap(),
            _ => Vec::new(),
        };
        (node, data)
    }

    fn array(shape: &[usize], at: u64) -> Node {
        Node::Array { shape: shape.to_vec(), at }
    }

    #[test]
    fn regular_nests_become_arrays_and_others_stay_lists() {
        assert_eq!(read("[[1,2,3],[4,5,6]]"), (array(&[2, 3], 0), vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]));
        assert_eq!(read("[[[1],[2]],[[3],[4]]]"), (array(&[2, 2, 1], 0), vec![1.0, 2.0, 3.0, 4.0]));
        assert_eq!(read("[[1],[2,3]]").0, Node::List(vec![array(&[1], 0), array(&[2], 1)]));
        assert_eq!(read("[null,[1]]").0, Node::List(vec![Node::Null, array(&[1], 0)]));
        assert_eq!(read("[[1],[2],null]").0, Node::List(vec![array(&[1], 0), array(&[1], 1), Node::Null]));
        assert_eq!(read("[]").0, array(&[0], 0));
        assert_eq!(read("[[],[],3]").0, Node::List(vec![array(&[0], 0), array(&[0], 0), Node::Number(3.0)]));
        assert_eq!(read("[1,2,true]").0, Node::List(vec![Node::Number(1.0), Node::Number(2.0), Node::Bool(true)]));
    }

    #[test]
    fn names_of_nan_and_infinity_are_read_but_not_in_text() {
        let data = read("[NaN, 1, -Infinity, null, Infinity]").1;
        assert!(data[0].is_nan() && data[1] == 1.0 && data[2] == f32::NEG_INFINITY && data[3].is_nan());
        assert_eq!(data[4], f32::INFINITY);
        assert_eq!(read(r#""NaN \" NaN""#).0, Node::Text("NaN \" NaN".into()));
        let (node, data) = read("[[1,2],[null,null]]");
        assert!(node == array(&[2, 2], 2) && data[1] == 2.0 && data[2].is_nan() && data[3].is_nan());
    }

    #[test]
    fn loose_values_are_bounded_and_a_full_store_is_its_own_refusal() {
        let group = format!("[{}[1]]", r#"["a",1],"#.repeat(50_000));
        let many = format!("[{}]", vec![group; MOST_LOOSE / 100_000].join(","));
        let error = super::read(many.as_bytes(), &mut Store::new(1 << 20)).unwrap_err();
        assert!(error.is_format() && error.to_string().contains("values outside of equal nests"), "{error}");
        let error = super::read(&b"[[1,2],[3,4]]"[..], &mut Store::new(12)).unwrap_err();
        assert!(error.is_budget(), "{error}");
    }
}
