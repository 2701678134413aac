//! JSON whose nested lists of numbers become arrays while they are read.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

/// A JSON value; a regular nest of numbers is one [`Node::Array`].
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    /// Row-major; never without axes.
    Array {
        shape: Vec<usize>,
        data: Vec<f32>,
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
pub(crate) fn numbers_for_constants(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let (mut at, mut quoted) = (0, false);
    while at < text.len() {
        match text[at] {
            b'\\' if quoted => {
                out.extend_from_slice(&text[at..text.len().min(at + 2)]);
                at += 2;
                continue;
            }
            b'"' => quoted = !quoted,
            b'N' if !quoted && text[at..].starts_with(b"NaN") => {
                out.extend_from_slice(b"1e98");
                at += 3;
                continue;
            }
            b'I' if !quoted && text[at..].starts_with(b"Infinity") => {
                out.extend_from_slice(b"1e99");
                at += 8;
                continue;
            }
            _ => {}
        }
        out.push(text[at]);
        at += 1;
    }
    out
}

fn number(x: f64) -> f32 {
    if x == NAN { f32::NAN } else { x as f32 }
}

/// A list of more entries than this is numbers, arrays of one shape, or texts: a map is never irregular at that length.
const LONGEST_IRREGULAR: usize = 1 << 16;

/// Elements of a list while they still form an array.
enum Gathered {
    Nothing,
    Numbers(Vec<f32>),
    /// Count, shape of each, numbers.
    Arrays(usize, Vec<usize>, Vec<f32>),
    Mixed(Vec<Node>),
}

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

    fn add(self, node: Node) -> Self {
        match (self, node) {
            (Self::Nothing, Node::Number(x)) => Self::Numbers(vec![number(x)]),
            (Self::Nothing, Node::Array { shape, data }) => Self::Arrays(1, shape, data),
            (Self::Nothing, other) => Self::Mixed(vec![other]),
            (Self::Numbers(mut x), Node::Number(y)) => {
                x.push(number(y));
                Self::Numbers(x)
            }
            // null among numbers: what JavaScript writes for NaN.
            (Self::Numbers(mut x), Node::Null) => {
                x.push(f32::NAN);
                Self::Numbers(x)
            }
            (Self::Arrays(count, shape, mut all), Node::Array { shape: other, data }) if shape == other => {
                all.extend_from_slice(&data);
                Self::Arrays(count + 1, shape, all)
            }
            (Self::Mixed(mut list), node) => {
                list.push(node);
                Self::Mixed(list)
            }
            (gathered, node) => match gathered.finish() {
                Node::Array { shape, data } => {
                    // No array after all: back to a list of what there was.
                    let (_, rest) = shape.split_at(1);
                    let size = rest.iter().product::<usize>();
                    let mut list: Vec<Node> = match (rest.is_empty(), size) {
                        (true, _) => data.iter().map(|&x| Node::Number(x.into())).collect(),
                        (false, 0) => vec![Node::Array { shape: rest.to_vec(), data: vec![] }; shape[0]],
                        (false, _) => {
                            let part = |x: &[f32]| Node::Array { shape: rest.to_vec(), data: x.to_vec() };
                            data.chunks_exact(size).map(part).collect()
                        }
                    };
                    list.push(node);
                    Self::Mixed(list)
                }
                Node::List(mut list) => {
                    list.push(node);
                    Self::Mixed(list)
                }
                other => Self::Mixed(vec![other, node]),
            },
        }
    }

    fn finish(self) -> Node {
        match self {
            Self::Nothing => Node::Array { shape: vec![0], data: vec![] },
            Self::Numbers(data) => Node::Array { shape: vec![data.len()], data },
            Self::Arrays(count, mut shape, data) => {
                shape.insert(0, count);
                Node::Array { shape, data }
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
                    let mut data = Vec::new();
                    for node in &list {
                        match node {
                            Node::Array { data: x, .. } => data.extend_from_slice(x),
                            _ => data.extend(std::iter::repeat_n(f32::NAN, shape.iter().product())),
                        }
                    }
                    let mut whole = vec![list.len()];
                    whole.extend(shape);
                    return Node::Array { shape: whole, data };
                }
                list.shrink_to_fit();
                Node::List(list)
            }
        }
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

struct Build;

impl<'de> Visitor<'de> for Build {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("attention maps")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, x: bool) -> Result<Node, E> {
        Ok(Node::Bool(x))
    }

    fn visit_u64<E>(self, x: u64) -> Result<Node, E> {
        Ok(Node::Number(x as f64))
    }

    fn visit_i64<E>(self, x: i64) -> Result<Node, E> {
        Ok(Node::Number(x as f64))
    }

    fn visit_f64<E>(self, x: f64) -> Result<Node, E> {
        Ok(Node::Number(x))
    }

    fn visit_str<E>(self, x: &str) -> Result<Node, E> {
        Ok(Node::Text(x.to_string()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut gathered = Gathered::Nothing;
        while let Some(node) = items.next_element::<Node>()? {
            if gathered.breaks(&node) {
                let what = match node.quoted() {
                    Some(text) => format!("{text:?}"),
                    None => node.kind(),
                };
                return Err(A::Error::custom(format!(
                    "{what} in a long list of others; expected numbers in equal nests"
                )));
            }
            gathered = gathered.add(node);
        }
        Ok(gathered.finish())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut map: Vec<(String, Node)> = Vec::new();
        let mut known = std::collections::HashSet::new();
        while let Some((key, node)) = entries.next_entry::<String, Node>()? {
            if !known.insert(key.clone()) {
                return Err(A::Error::custom(format!("the key {key:?} occurs twice")));
            }
            map.push((key, node));
        }
        Ok(Node::Map(map))
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Build)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Node {
        serde_json::from_slice(&numbers_for_constants(text.as_bytes())).unwrap()
    }

    fn array(shape: &[usize], data: &[f32]) -> Node {
        Node::Array { shape: shape.to_vec(), data: data.to_vec() }
    }

    #[test]
    fn regular_nests_become_arrays_and_others_stay_lists() {
        assert_eq!(read("[[1,2,3],[4,5,6]]"), array(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]));
        assert_eq!(read("[[1],[2,3]]"), Node::List(vec![array(&[1], &[1.0]), array(&[2], &[2.0, 3.0])]));
        assert_eq!(read("[null,[1]]"), Node::List(vec![Node::Null, array(&[1], &[1.0])]));
        assert_eq!(read("[[1],[2],null]"), Node::List(vec![array(&[1], &[1.0]), array(&[1], &[2.0]), Node::Null]));
        assert_eq!(read("[]"), array(&[0], &[]));
        assert_eq!(read("[[],[],3]"), Node::List(vec![array(&[0], &[]), array(&[0], &[]), Node::Number(3.0)]));
    }

    #[test]
    fn names_of_nan_and_infinity_are_read_but_not_in_text() {
        let Node::Array { data, .. } = read("[NaN, 1, -Infinity, null, Infinity]") else { panic!() };
        assert!(data[0].is_nan() && data[1] == 1.0 && data[2] == f32::NEG_INFINITY && data[3].is_nan());
        assert_eq!(data[4], f32::INFINITY);
        assert_eq!(read(r#""NaN \" NaN""#), Node::Text("NaN \" NaN".into()));
        let Node::Array { shape, data } = read("[[1,2],[null,null]]") else { panic!() };
        assert!(shape == [2, 2] && data[1] == 2.0 && data[2].is_nan() && data[3].is_nan());
    }
}
