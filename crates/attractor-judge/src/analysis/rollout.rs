//! Attention rollout: how much of each input token is in the query's last state.
//!
//! R_l = A_hat_l R_(l-1), R below the first layer = I; row q of R_L is the answer for query q. Rows sum to one.
//! # Source
//! Abnar and Zuidema 2020, *Quantifying attention flow in transformers*, arXiv 2005.00928.

use attractor_record::Patterns;
use serde::{Deserialize, Serialize};

use super::Caveat;
use super::fused::{FuseOptions, Fused};
use attractor::{Context, Error, Result};

attractor::choice! {
    /// How attention is followed through the layers.
    #[derive(Default, Serialize, Deserialize)]
    #[serde(rename_all = "lowercase")]
    pub enum Method {
        /// Attention rollout: product of the layers' maps.
        #[default]
        Rollout = "rollout",
        /// Attention flow: maximum flow from the query to each token (short inputs).
        Flow = "flow",
    }
}

/// Where one query's last state comes from.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Attribution {
    /// How it was found.
    pub method: Method,
    /// The input.
    pub input: usize,
    /// The query's position.
    pub query: usize,
    /// Share of every input position; they sum to one.
    pub shares: Vec<f64>,
    /// The layers that took part, by the model's own numbers.
    pub layers: Vec<usize>,
    /// What was left out or is no part of the definition.
    pub notes: Vec<Caveat>,
}

/// Follows one query down through the layers: its row of R_L.
///
/// The row vector e_q is multiplied by A_hat_L, then A_hat_(L-1)... so that nothing of size N x N is held; a causal map
/// needs rows 0..=q only.
/// # Cost
/// O(layers x heads x N^2) time, at most 16 strips of about 1 Mi numbers.
/// # Errors
/// What [`Fused::open`] refuses; `is_usage` if the query is not there; `is_format` for weights that are not numbers;
/// `is_interrupted`, before the next layer.
pub fn rollout(
    patterns: &dyn Patterns,
    input: usize,
    query: usize,
    options: &FuseOptions,
    context: &Context<'_>,
) -> Result<Attribution> {
    let stack = Fused::open(patterns, input, options)?;
    check_query(query, stack.tokens())?;
    let mut shares = vec![0.0; stack.tokens()];
    shares[query] = 1.0;
    for (done, place) in (0..stack.len()).rev().enumerate() {
        context.check()?;
        context.step("layers", done, stack.len());
        shares = stack.pull(place, &shares)?;
    }
    let (layers, notes) = (stack.layers(), stack.notes());
    Ok(Attribution { method: Method::Rollout, input, query, shares, layers, notes })
}

pub(crate) fn check_query(query: usize, tokens: usize) -> Result<()> {
    match query < tokens {
        true => Ok(()),
        false => Err(Error::usage(format!(
            "rollout: there is no position {query}; the input has positions 0 to {}",
            tokens.saturating_sub(1)
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::Fuse;
    use crate::tests::{Maps, noise, random_ids};

    /// Three layers of two causal heads over 7 tokens.
    pub(crate) fn stack(n: usize) -> Maps {
        let ids = random_ids(n, 5, 3);
        let mut maps = Maps::causal(&[ids], 3);
        for layer in 0..3 {
            for head in 0..2 {
                maps = maps.head(layer, move |ids, _| noise(ids.len(), 1.3, (7 * layer + head) as u64, |_, _| 0.0));
            }
        }
        maps
    }

    /// The definition, plainly: fuse, add the identity, normalise, multiply from the left.
    fn plain(maps: &Maps, n: usize, residual: f64, fuse: Fuse, start: usize) -> Vec<f64> {
        let mut map: Vec<f64> = (0..n * n).map(|at| f64::from(u8::from(at / n == at % n))).collect();
        for heads in &maps.maps[start..] {
            let mut hat = vec![0.0; n * n];
            for i in 0..n {
                for j in 0..n {
                    let cells = heads.iter().map(|head| f64::from(head[0][i * n + j]));
                    let fused = match fuse {
                        Fuse::Mean => cells.sum::<f64>() / heads.len() as f64,
                        Fuse::Max => cells.fold(0.0, f64::max),
                        Fuse::Min => cells.fold(1.0, f64::min),
                    };
                    hat[i * n + j] = (1.0 - residual) * fused + if i == j { residual } else { 0.0 };
                }
                let sum: f64 = hat[i * n..(i + 1) * n].iter().sum();
                hat[i * n..(i + 1) * n].iter_mut().for_each(|w| *w /= sum);
            }
            let mut next = vec![0.0; n * n];
            for i in 0..n {
                for j in 0..n {
                    next[i * n + j] = (0..n).map(|k| hat[i * n + k] * map[k * n + j]).sum();
                }
            }
            map = next;
        }
        map
    }

    #[test]
    fn every_query_agrees_with_the_definition() {
        let n = 7;
        let maps = stack(n);
        for fuse in [Fuse::Mean, Fuse::Max, Fuse::Min] {
            for (residual, start) in [(0.5, 0), (0.3, 0), (0.5, 1), (0.0, 2)] {
                let options = FuseOptions { fuse, residual, start, ..FuseOptions::default() };
                let expected = plain(&maps, n, residual, fuse, start);
                for query in 0..n {
                    let row = rollout(&maps, 0, query, &options, &Context::new(0)).unwrap().shares;
                    let sum: f64 = row.iter().sum();
                    assert!((sum - 1.0).abs() < 1e-12, "{options:?} row {query} sums to {sum}");
                    for (j, share) in row.iter().enumerate() {
                        assert!((share - expected[query * n + j]).abs() < 1e-12, "{options:?} ({query}, {j})");
                    }
                    assert!(row[query + 1..].iter().all(|&x| x == 0.0), "causal maps need no change");
                }
            }
        }
    }

    /// Strips of few rows and several batches give what one strip gives, and so does any number of threads.
    #[test]
    fn long_inputs_come_in_strips() {
        let n = 2100;
        let maps = stack(n);
        let options = FuseOptions::default();
        assert_eq!(Fused::open(&maps, 0, &options).unwrap().strips(0..n).len(), 17);
        let row = rollout(&maps, 0, n - 1, &options, &Context::new(0)).unwrap().shares;
        let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        assert_eq!(row, one.install(|| rollout(&maps, 0, n - 1, &options, &Context::new(0)).unwrap().shares));
        // e_q A_hat_2 A_hat_1 A_hat_0, row by row.
        let mut expected = vec![0.0; n];
        expected[n - 1] = 1.0;
        for heads in maps.maps.iter().rev() {
            let mut next = vec![0.0; n];
            for (i, x) in expected.iter().enumerate() {
                next[i] += 0.5 * x;
                for j in 0..=i {
                    let mean = heads.iter().map(|head| f64::from(head[0][i * n + j])).sum::<f64>() / 2.0;
                    next[j] += 0.5 * x * mean;
                }
            }
            expected = next;
        }
        // Rows of f32 weights sum to one within 1e-6; the rows of the stack are normalised, those above are not.
        for (got, expected) in row.iter().zip(expected) {
            assert!((got - expected).abs() < 1e-6, "{got} {expected}");
        }
    }

    #[test]
    fn what_cannot_be_asked_is_said() {
        let maps = stack(7);
        let ask =
            |input, query, options: FuseOptions| rollout(&maps, input, query, &options, &Context::new(0)).unwrap_err();
        let base = FuseOptions::default();
        for (error, expected) in [
            (ask(0, 7, base), "positions 0 to 6"),
            (ask(1, 0, base), "there is no input 1"),
            (ask(0, 0, FuseOptions { start: 3, ..base }), "layers 0 to 2"),
            (ask(0, 0, FuseOptions { residual: f64::NAN, ..base }), "residual"),
            (ask(0, 0, FuseOptions { discard: 1.0, ..base }), "discard"),
        ] {
            assert!(error.is_usage() && error.to_string().contains(expected), "{error}");
        }
    }

    /// A layer of the model that was not kept is named by its own number, and may be skipped on request.
    #[test]
    fn missing_layers_are_named() {
        let mut maps = stack(7);
        maps.info.layers = 5;
        let options = FuseOptions::default();
        let error = rollout(&maps, 0, 3, &options, &Context::new(0)).unwrap_err().to_string();
        assert!(error.contains("layers 3, 4 of 5 have no map"), "{error}");
        let skipped = rollout(&maps, 0, 3, &FuseOptions { skip_missing: true, ..options }, &Context::new(0)).unwrap();
        assert_eq!(skipped.layers, [0, 1, 2]);
        assert!(skipped.notes[0].to_string().contains("3, 4"), "{:?}", skipped.notes);
        maps.info.layers = 3;
        assert_eq!(skipped.shares, rollout(&maps, 0, 3, &options, &Context::new(0)).unwrap().shares);
        maps.maps[1][0][0][3 * 7 + 2] = f32::NAN;
        let error = rollout(&maps, 0, 5, &options, &Context::new(0)).unwrap_err();
        assert!(error.is_format() && error.to_string().contains("L1H0, input 0: the weight of query 3 and key 2"));
    }

    #[test]
    fn rows_that_do_not_sum_to_one_are_reported() {
        let with = |row: &'static [f32; 3]| {
            Maps::causal(&[random_ids(3, 5, 3)], 1)
                .head(0, move |_, _| [&[1.0, 0.0, 0.0], &[0.5, 0.5, 0.0], &row[..]].concat())
        };
        let notes = |row| {
            rollout(&with(row), 0, 2, &FuseOptions::default(), &Context::new(0))
                .unwrap()
                .notes
                .iter()
                .map(Caveat::to_string)
                .collect::<Vec<_>>()
                .join("; ")
        };
        assert_eq!(notes(&[0.25, 0.25, 0.5]), "");
        assert!(notes(&[1.0, 1.0, 1.0]).contains("1 rows of the layers' maps do not sum to one"));
        assert!(notes(&[0.0, 0.0, 0.0]).contains("1 rows have no weight at all"));
    }
}
