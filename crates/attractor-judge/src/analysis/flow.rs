//! Attention flow: the largest flow from a query's last state down to each input token.
//!
//! Nodes are (layer, position), edges go from a query to its keys one layer below with the weights of A_hat as
//! capacities. The value for input token j is the largest flow from (top, q) to (bottom, j), for each j by itself; the
//! values are then divided by their sum.
//! # Source
//! Abnar and Zuidema 2020, *Quantifying attention flow in transformers*, section 3. Dinic 1970 for the flow.

use std::sync::atomic::{AtomicUsize, Ordering};

use attractor_record::Patterns;
use rayon::prelude::*;

use super::Caveat;
use super::fused::{FuseOptions, Fused};
use super::rollout::{Attribution, Method, check_query};
use attractor::{Context, Error, Hint, Result};

/// Most tokens for which flow is found.
pub const MOST_TOKENS: usize = 512;
/// Most numbers of all maps together: 128 MiB, and as much again for each thread.
const MOST_CELLS: usize = 16 << 20;
/// Capacities below this are none: weights are known to about 1e-7.
const LEAST: f64 = 1e-12;

/// Finds the flow from one query to every input position.
///
/// # Cost
/// One largest flow a token over layers x N^2 edges: N = 64 and 12 layers take well under a second, N = 512 minutes.
/// # Errors
/// What [`Fused::open`] refuses; `is_usage` if the query is not there or beyond [`MOST_TOKENS`] tokens; `is_interrupted`, before the next token.
pub fn flow(
    patterns: &dyn Patterns,
    input: usize,
    query: usize,
    options: &FuseOptions,
    context: &Context<'_>,
) -> Result<Attribution> {
    let stack = Fused::open(patterns, input, options)?;
    let n = stack.tokens();
    check_query(query, n)?;
    if n > MOST_TOKENS || stack.len() * n * n > MOST_CELLS {
        let why = format!(
            "{n} tokens x {} layers are too many edges for one largest flow per token; at most {MOST_TOKENS} tokens and \
             {MOST_CELLS} weights; shorten the input or begin at a later layer",
            stack.len()
        );
        return Err(Error::option("method", "flow", why).hinted(Hint::give("method", "rollout")));
    }
    // From the top down, as the flow runs.
    let maps = (0..stack.len()).rev().map(|place| stack.rows(place, 0..n)).collect::<Result<Vec<_>>>()?;
    let network = Network::new(n, maps);
    let done = AtomicUsize::new(0);
    let largest = |key: usize| {
        context.check()?;
        context.step("tokens", done.fetch_add(1, Ordering::Relaxed), n);
        Ok(network.largest_flow(query, key))
    };
    let values = (0..n).into_par_iter().map(largest).collect::<Result<Vec<f64>>>()?;
    let sum: f64 = values.iter().sum();
    let shares = values.iter().map(|value| value / sum).collect();
    let mut notes = stack.notes();
    notes.push(Caveat::FlowValues);
    Ok(Attribution { method: Method::Flow, input, query, shares, layers: stack.layers(), notes })
}

/// A layered network: level 0 is the query's layer, level L the input.
pub(crate) struct Network {
    n: usize,
    /// Capacity from (level, i) to (level + 1, j) at [level][i n + j].
    capacity: Vec<Vec<f64>>,
}

/// What is left of a network while flow runs through it.
struct Residual<'a> {
    network: &'a Network,
    sink: usize,
    /// Flow on each edge, [level][i n + j].
    flow: Vec<Vec<f64>>,
    /// Distance from the source, by node; `u32::MAX`: not reached.
    distance: Vec<u32>,
    /// The next neighbour to try, by node: first the n nodes below, then the n above.
    next: Vec<usize>,
}

impl Network {
    pub(crate) fn new(n: usize, capacity: Vec<Vec<f64>>) -> Self {
        Self { n, capacity }
    }

    /// The largest flow from position `source` at the top to position `sink` at the bottom.
    pub(crate) fn largest_flow(&self, source: usize, sink: usize) -> f64 {
        let levels = self.capacity.len();
        let nodes = (levels + 1) * self.n;
        let mut residual = Residual {
            network: self,
            sink: levels * self.n + sink,
            flow: self.capacity.iter().map(|map| vec![0.0; map.len()]).collect(),
            distance: vec![u32::MAX; nodes],
            next: vec![0; nodes],
        };
        let mut total = 0.0;
        // Each round makes the shortest path longer, and no path has more nodes than there are.
        while residual.search(source) {
            residual.next.fill(0);
            loop {
                let pushed = residual.push(source);
                if pushed <= LEAST {
                    break;
                }
                total += pushed;
            }
        }
        total
    }
}

impl Residual<'_> {
    /// The neighbour `choice` of a node and what may still run to it.
    fn edge(&self, node: usize, choice: usize) -> Option<(usize, f64)> {
        let (n, level) = (self.network.n, node / self.network.n);
        let i = node % n;
        if choice < n {
            let map = self.network.capacity.get(level)?;
            let at = i * n + choice;
            Some(((level + 1) * n + choice, map[at] - self.flow[level][at]))
        } else {
            let above = level.checked_sub(1)?;
            let j = choice - n;
            Some((above * n + j, self.flow[above][j * n + i]))
        }
    }

    /// Distances from the source; true if the sink is reached.
    fn search(&mut self, source: usize) -> bool {
        self.distance.fill(u32::MAX);
        self.distance[source] = 0;
        let mut queue = std::collections::VecDeque::from([source]);
        while let Some(node) = queue.pop_front() {
            if node == self.sink {
                return true;
            }
            for choice in 0..2 * self.network.n {
                let Some((to, left)) = self.edge(node, choice) else { continue };
                if left > LEAST && self.distance[to] == u32::MAX {
                    self.distance[to] = self.distance[node] + 1;
                    queue.push_back(to);
                }
            }
        }
        false
    }

    /// Pushes flow along one shortest path; what was pushed.
    ///
    /// Without recursion: paths are as long as the stack is deep, and back edges make them longer.
    fn push(&mut self, source: usize) -> f64 {
        let n = self.network.n;
        let mut path: Vec<(usize, usize, f64)> = Vec::new();
        let mut node = source;
        loop {
            if node == self.sink {
                let pushed = path.iter().map(|step| step.2).fold(f64::INFINITY, f64::min);
                for &(from, choice, _) in &path {
                    let (level, i) = (from / n, from % n);
                    match choice < n {
                        true => self.flow[level][i * n + choice] += pushed,
                        false => self.flow[level - 1][(choice - n) * n + i] -= pushed,
                    }
                }
                return pushed;
            }
            let mut step = None;
            while self.next[node] < 2 * n {
                let choice = self.next[node];
                if let Some((to, left)) = self.edge(node, choice)
                    && left > LEAST
                    && self.distance[to] == self.distance[node] + 1
                {
                    step = Some((to, choice, left));
                    break;
                }
                self.next[node] += 1;
            }
            match step {
                Some((to, choice, left)) => {
                    path.push((node, choice, left));
                    node = to;
                }
                None => match path.pop() {
                    // A dead end: the step that led here is not tried again.
                    Some((from, ..)) => {
                        self.next[from] += 1;
                        node = from;
                    }
                    None => return 0.0,
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{Maps, noise, random_ids};

    /// Two levels of two nodes. From the top's first node, 0.6 and 0.4 go down; to the bottom's first node at most 0.5
    /// arrive by way of the first and 0.9 by way of the second: min(0.6, 0.5) + min(0.4, 0.9) = 0.9.
    #[test]
    fn a_flow_by_hand() {
        let network = Network::new(2, vec![vec![0.6, 0.4, 0.3, 0.7], vec![0.5, 0.5, 0.9, 0.1]]);
        assert!((network.largest_flow(0, 0) - 0.9).abs() < 1e-12);
        assert!((network.largest_flow(0, 1) - 0.6).abs() < 1e-12, "min(0.6, 0.5) + min(0.4, 0.1)");
        assert!((network.largest_flow(1, 1) - 0.4).abs() < 1e-12, "min(0.3, 0.5) + min(0.7, 0.1)");
    }

    /// A path has to be taken back: the first shortest path found is 0-0-0-0, and only its middle edge's return
    /// lets both units through.
    #[test]
    fn flow_is_taken_back_where_it_blocks() {
        let edge = |edges: &[(usize, usize)]| {
            let mut map = vec![0.0; 9];
            edges.iter().for_each(|&(i, j)| map[i * 3 + j] = 1.0);
            map
        };
        let network = Network::new(
            3,
            vec![
                edge(&[(0, 0), (0, 1)]),
                edge(&[(0, 0), (0, 1), (1, 0)]),
                edge(&[(0, 0), (1, 1)]),
                edge(&[(0, 2), (1, 2)]),
            ],
        );
        assert_eq!(network.largest_flow(0, 2), 2.0);
    }

    /// A flow is at most the smallest cut, and here the cuts around source and sink are known: 1 and the column's sum.
    #[test]
    fn flows_respect_the_cuts_and_do_not_depend_on_threads() {
        let n = 17;
        let mut maps = Maps::causal(&[random_ids(n, 5, 3)], 3);
        for layer in 0..3 {
            maps = maps.head(layer, move |ids, _| noise(ids.len(), 1.3, 3 + layer as u64, |_, _| 0.0));
        }
        let found = flow(&maps, 0, n - 1, &FuseOptions::default(), &Context::new(0)).unwrap();
        assert!((found.shares.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        assert_eq!(found, one.install(|| flow(&maps, 0, n - 1, &FuseOptions::default(), &Context::new(0)).unwrap()));
        let stack = Fused::open(&maps, 0, &FuseOptions::default()).unwrap();
        let network = Network::new(n, (0..3).rev().map(|place| stack.rows(place, 0..n).unwrap()).collect());
        for key in 0..n {
            let column: f64 = network.capacity[2].iter().skip(key).step_by(n).sum();
            let value = network.largest_flow(n - 1, key);
            assert!(value <= column.min(1.0) + 1e-9, "{key}: {value}");
            assert!(value > 0.0, "every token is seen");
        }
    }

    #[test]
    fn long_inputs_are_refused() {
        let maps = Maps::causal(&[vec![0; 600]], 1).head(0, crate::tests::uniform);
        let error = flow(&maps, 0, 3, &FuseOptions::default(), &Context::new(0)).unwrap_err();
        assert!(error.is_usage() && error.to_string().contains("600 tokens"), "{error}");
    }
}
