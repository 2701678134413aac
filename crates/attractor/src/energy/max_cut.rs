//! MaxCut as an energy, and the text format of the Gset graphs.

use std::collections::HashMap;
use std::fmt::Write;

use super::{Couplings, Energy, SpinMemory};
use crate::error::{Error, Result};
use crate::pattern::Spins;

/// Most nodes that are read: every one costs memory, named by an edge or not.
const MOST_NODES: usize = 1 << 24;

/// The two sides of a weighted graph that cut the most weight.
///
/// With J_ij = -w_ij the energy is E = sum_(i<j) w_ij x_i x_j, and the weight between the side of +1 and the side of -1 is
/// (W - E) / 2, W the sum of all weights: the lowest energy is the largest cut.
///
/// # Example
/// ```
/// use attractor::energy::MaxCut;
/// use attractor::pattern::Spins;
/// let path = MaxCut::parse("3 2\n1 2 1\n2 3 5\n").unwrap();
/// assert_eq!(path.cut(&Spins::from_signs(&[1, 1, -1]).unwrap()), 5.0);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct MaxCut {
    couplings: Couplings,
    total: f64,
}

impl MaxCut {
    /// From edges (i, j, weight).
    ///
    /// # Errors
    /// As [`Couplings::sparse`].
    pub fn new(units: usize, edges: &[(usize, usize, f64)]) -> Result<Self> {
        let against: Vec<_> = edges.iter().map(|&(i, j, weight)| (i, j, -weight)).collect();
        Ok(Self { couplings: Couplings::sparse(units, &against)?, total: edges.iter().map(|edge| edge.2).sum() })
    }

    /// J = -w.
    pub fn couplings(&self) -> &Couplings {
        &self.couplings
    }

    /// W, the weight of all edges.
    pub fn total(&self) -> f64 {
        self.total
    }

    /// Weight of the edges between the two sides of a state.
    ///
    /// # Panics
    /// If the state has another number of units.
    pub fn cut(&self, state: &Spins) -> f64 {
        self.cut_at(self.couplings.energy(state))
    }

    /// The cut of a state of this energy.
    pub fn cut_at(&self, energy: f64) -> f64 {
        (self.total - energy) / 2.0
    }

    /// Reads the Gset format: a line `nodes edges`, then a line `i j weight` an edge, nodes counted from 1. Empty lines are
    /// passed over.
    ///
    /// # Errors
    /// `is_usage` for anything else, with the number of the line.
    pub fn parse(text: &str) -> Result<Self> {
        let mut lines =
            text.lines().enumerate().map(|(at, line)| (at + 1, line.trim())).filter(|line| !line.1.is_empty());
        let wrong = |line: usize, what: String| Error::usage(format!("gset: line {line}: {what}"));
        let (first, header) = lines.next().ok_or_else(|| wrong(1, "nothing there; expected `nodes edges`".into()))?;
        let numbers: Vec<_> = header.split_whitespace().map(str::parse::<usize>).collect();
        let [Ok(nodes), Ok(count)] = numbers[..] else {
            return Err(wrong(first, format!("{header:?}; expected two integers `nodes edges`")));
        };
        if !(1..=MOST_NODES).contains(&nodes) {
            return Err(wrong(first, format!("{nodes} nodes; expected 1 to {MOST_NODES}")));
        }
        // The header is believed no further than the text goes.
        let mut edges = Vec::new();
        let mut seen: HashMap<(usize, usize), usize> = HashMap::new();
        for (at, line) in lines {
            if edges.len() == count {
                return Err(wrong(at, format!("{line:?} after all {count} edges that the header names")));
            }
            let words: Vec<&str> = line.split_whitespace().collect();
            let [i, j, weight] = words[..] else {
                return Err(wrong(at, format!("{line:?}; expected `i j weight`")));
            };
            let node = |word: &str| match word.parse::<usize>() {
                Ok(node @ 1..) if node <= nodes => Ok(node - 1),
                _ => Err(wrong(at, format!("{word:?} is not a node; expected 1 to {nodes}"))),
            };
            let (i, j) = (node(i)?, node(j)?);
            let weight = match weight.parse::<f64>() {
                Ok(weight) if weight.is_finite() => weight,
                _ => return Err(wrong(at, format!("{weight:?} is not a weight; expected a finite number"))),
            };
            if i == j {
                return Err(wrong(at, format!("node {} is joined to itself; no cut contains a self-loop", i + 1)));
            }
            if let Some(before) = seen.insert((i.min(j), i.max(j)), at) {
                return Err(wrong(at, format!("the edge {} {} already appears on line {before}", i + 1, j + 1)));
            }
            edges.push((i, j, weight));
        }
        if edges.len() < count {
            let last = text.lines().count().max(1);
            return Err(wrong(last, format!("the text ends after {} of {count} edges", edges.len())));
        }
        Self::new(nodes, &edges)
    }

    /// The Gset format, edges by their nodes; weights are written so that reading gives the same numbers.
    pub fn to_text(&self) -> String {
        let mut text = format!("{} {}\n", self.couplings.units(), self.couplings.edges().count());
        for (i, j, coupling) in self.couplings.edges() {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{} {} {}", i + 1, j + 1, -coupling);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Philox;

    #[test]
    fn a_cut_is_the_weight_between_the_sides() {
        let mut random = Philox::new(31, 0);
        let edges: Vec<_> =
            (0..9).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| (i, j, random.normal())).collect();
        let graph = MaxCut::new(9, &edges).unwrap();
        for _ in 0..20 {
            let state = Spins::random(9, &mut random);
            let cut: f64 = edges.iter().filter(|e| state.sign(e.0) != state.sign(e.1)).map(|e| e.2).sum();
            assert!((graph.cut(&state) - cut).abs() < 1e-12);
        }
        let again = MaxCut::parse(&graph.to_text()).unwrap();
        assert_eq!(again.couplings(), graph.couplings());
        assert!((again.total() - graph.total()).abs() < 1e-12);
    }

    #[test]
    fn invalid_graphs_are_refused_with_their_line() {
        for (text, says) in [
            ("", "line 1: nothing"),
            ("\n \n", "line 1: nothing"),
            ("3\n", "line 1: \"3\""),
            ("3 2 1\n", "line 1: \"3 2 1\""),
            ("3 -2\n", "line 1"),
            ("0 0\n", "line 1: 0 nodes"),
            ("99999999999 0\n", "line 1: 99999999999 nodes"),
            ("30000000 1\n1 2 1\n", "line 1: 30000000 nodes; expected 1 to 16777216"),
            ("3 2\n1 2 1e308\n2 3 1e308\n", "add up to inf"),
            ("3 2\n1 2 1\n", "line 2: the text ends after 1 of 2"),
            ("3 1\n1 2 1\n\n2 3 1\n", "line 4: \"2 3 1\" after all 1"),
            ("3 1\n1 2\n", "line 2: \"1 2\""),
            ("3 1\n0 2 1\n", "line 2: \"0\" is not a node"),
            ("3 1\n1 4 1\n", "line 2: \"4\" is not a node"),
            ("3 1\n1 x 1\n", "line 2: \"x\" is not a node"),
            ("3 1\n1 2 w\n", "line 2: \"w\" is not a weight"),
            ("3 1\n1 2 inf\n", "line 2: \"inf\" is not a weight"),
            ("3 1\n2 2 1\n", "line 2: node 2 is joined to itself"),
            ("3 2\n1 2 1\n2 1 1\n", "line 3: the edge 2 1 already appears on line 2"),
            ("3 999999999999\n1 2 1\n", "line 2: the text ends after 1 of 999999999999"),
        ] {
            let error = MaxCut::parse(text).unwrap_err();
            assert!(error.is_usage() && error.to_string().contains(says), "{text:?}: {error}");
        }
        let windows = MaxCut::parse(" 3 1 \r\n\r\n1 3 -2\r\n").unwrap();
        assert_eq!((windows.total(), windows.couplings().weight(0, 2)), (-2.0, 2.0));
    }
}
