//! 6. Query-side variation: do different queries look differently, and does what they look at depend on content?

use attractor::random::Philox;
use attractor::random::stream::{JudgementStream, judged};

use super::{Case, found};
use crate::config::Key;
use crate::finding::{Measured, OfHeads, Worded};
use crate::id::CheckId;
use crate::id::Group;
use crate::measure::HeadMeasure;
use crate::statistics::bootstrap::FEWEST_INPUTS;
use crate::statistics::permutation::upper_p;
use crate::statistics::{Triangle, mean_of};
use crate::untestable::{Lack, Untestable};

const GROUP: Group = Group::Query;

/// What group 6 found.
pub(crate) struct Query {
    pub variation: OfHeads<Variation>,
    pub content: OfHeads<Content, HeadContent>,
}

/// How differently rows look.
#[derive(Debug, Clone)]
pub(crate) struct Variation {
    /// Jensen-Shannon divergence between rows ten apart on their common support, units of ln 2; between neighbours where
    /// no rows ten apart share keys.
    pub value: f64,
    /// True if in every head some rows ten apart share keys.
    pub far: bool,
    /// Between neighbours.
    pub near: Option<f64>,
}

/// What of the maps inputs do not share.
#[derive(Debug, Clone)]
pub(crate) struct Content {
    /// Share of the maps' distance from uniform, in [0, 1].
    pub share: f64,
    pub tokens: TokenShuffle,
}

/// What of a head's maps inputs do not share.
#[derive(Debug, Clone)]
pub(crate) struct HeadContent {
    /// In [0, 1].
    pub share: f64,
}

/// Whether rows of equal tokens look more alike.
#[derive(Debug, Clone, Copy)]
pub(crate) enum TokenShuffle {
    /// Fewer than five inputs of one length.
    TooFewInputs,
    /// No two inputs have one token at one position.
    NoEqualTokens,
    /// How much closer, total variation, mean over heads; with its p over so many inputs and shuffles.
    Tested { closer: f64, p: f64, inputs: usize, shuffles: usize },
}

impl Query {
    pub(super) fn all(&self) -> Vec<&dyn Worded> {
        [self.variation.all(), self.content.all()].concat()
    }
}

pub(super) fn find(case: &Case<'_>) -> Query {
    Query { variation: variation(case), content: content(case) }
}

/// The figure is the larger lag's where it exists: neighbours share most of their support.
fn variation(case: &Case<'_>) -> OfHeads<Variation> {
    let threshold = case.config.sourced(Key::Variation);
    let pick = |h: &HeadMeasure| Case::of_head(h, |i| i.variation[1].or(i.variation[0]));
    let near = |h: &HeadMeasure| Case::of_head(h, |i| i.variation[0]);
    let far = |h: &HeadMeasure| Case::of_head(h, |i| i.variation[1]).iter().any(Option::is_some);
    let figure = case.figure(&case.of_model(pick));
    let measured = Measured::new(CheckId::QueryVariation).threshold(threshold);
    let model = match figure.value {
        None => measured.skipped(case.no_figure_at_all(Lack::CommonSupport)),
        Some(value) => figure.fill(measured).null(0.0).effect(value).verdict(
            case.verdict(GROUP, figure.is_above(threshold.0, 0.0)),
            Variation {
                value,
                far: case.measures.heads.iter().all(far),
                near: case.figure(&case.of_model(near)).value,
            },
        ),
    };
    let of_head = |head: &HeadMeasure| {
        let figure = case.figure(&pick(head));
        let measured = Measured::new(CheckId::QueryVariation).at(Case::place(head)).threshold(threshold);
        match figure.value {
            None => measured.skipped(case.no_figure(head, Lack::CommonSupport)),
            Some(value) => figure.fill(measured).null(0.0).effect(value).verdict(
                found(figure.is_above(threshold.0, 0.0)),
                Variation { value, far: far(head), near: case.figure(&near(head)).value },
            ),
        }
    };
    OfHeads { model, heads: case.measures.heads.iter().map(of_head).collect() }
}

/// Variance of the maps over inputs: the mean map is position, the rest is content.
fn content(case: &Case<'_>) -> OfHeads<Content, HeadContent> {
    let threshold = case.config.sourced(Key::QueryContent);
    let measured = Measured::new(CheckId::QueryContent).threshold(threshold);
    if case.measures.steps.inputs() < 2 {
        return OfHeads::alone(measured.skipped(Untestable::Lacks(Lack::InputsForContent)));
    }
    if case.measures.alike.len() < 2 {
        return OfHeads::alone(measured.skipped(Untestable::Lacks(Lack::InputsAlike)));
    }
    let each: Vec<Option<f64>> = (0..case.patterns.inputs())
        .map(|input| mean_of(case.measures.heads.iter().filter_map(|h| h.query_content[input])))
        .collect();
    let figure = case.figure(&each);
    let model = match figure.value {
        None => measured.skipped(case.no_figure_at_all(Lack::Variance)),
        Some(share) => figure.fill(measured).null(0.0).effect(share).verdict(
            case.verdict(GROUP, figure.is_above(threshold.0, 0.0)),
            Content { share, tokens: token_shuffle(case) },
        ),
    };
    let of_head = |head: &HeadMeasure| {
        let figure = case.figure(&head.query_content);
        let measured = Measured::new(CheckId::QueryContent).at(Case::place(head)).threshold(threshold);
        match figure.value {
            None => measured.skipped(case.no_figure(head, Lack::Variance)),
            Some(share) => figure
                .fill(measured)
                .null(0.0)
                .effect(share)
                .verdict(found(figure.is_above(threshold.0, 0.0)), HeadContent { share }),
        }
    };
    OfHeads { model, heads: case.measures.heads.iter().map(of_head).collect() }
}

/// Do rows whose own token is the same look more alike than rows with different tokens, at the same position?
///
/// The statistic is the mean total variation between two inputs' rows with different tokens less that with equal ones,
/// over all heads; the null gives the inputs' token sequences to each other's maps.
fn token_shuffle(case: &Case<'_>) -> TokenShuffle {
    let paired = &case.measures.paired;
    let heads: Vec<&HeadMeasure> = case.measures.heads.iter().filter(|h| !h.pair_distance.is_empty()).collect();
    if paired.len() < FEWEST_INPUTS || heads.is_empty() {
        return TokenShuffle::TooFewInputs;
    }
    let geometry = &case.measures.geometry[0];
    let g = &geometry[paired[0]];
    let mut distance = vec![0.0f64; heads[0].pair_distance.len()];
    for head in &heads {
        distance.iter_mut().zip(&head.pair_distance).for_each(|(d, x)| *d += f64::from(*x));
    }
    let ids: Vec<Vec<Option<u32>>> = paired
        .iter()
        .map(|&input| {
            let tokens = case.patterns.tokens(input);
            let text = &geometry[input].text;
            (0..g.queries)
                .map(|i| {
                    let p = g.position(i);
                    text.get(p).copied().unwrap_or(false).then(|| tokens[p].id)
                })
                .collect()
        })
        .collect();
    let triangle = Triangle { rows: paired.len() };
    let statistic = |order: &[usize]| -> Option<f64> {
        let (mut equal, mut other) = ((0.0, 0u64), (0.0, 0u64));
        for high in 1..paired.len() {
            for low in 0..high {
                let rows = &distance[triangle.index(high, low) * g.queries..][..g.queries];
                for ((d, a), b) in rows.iter().zip(&ids[order[high]]).zip(&ids[order[low]]) {
                    let (Some(a), Some(b)) = (a, b) else { continue };
                    let slot = if a == b { &mut equal } else { &mut other };
                    slot.0 += d;
                    slot.1 += 1;
                }
            }
        }
        (equal.1 > 0 && other.1 > 0).then(|| other.0 / other.1 as f64 - equal.0 / equal.1 as f64)
    };
    let own: Vec<usize> = (0..paired.len()).collect();
    let Some(observed) = statistic(&own) else {
        return TokenShuffle::NoEqualTokens;
    };
    let permutations = case.config.count(Key::Permutations).min(999);
    let mut random = Philox::new(case.config.seed, judged(JudgementStream::Shuffle, paired.len() as u64));
    let null: Vec<f64> = (0..permutations).filter_map(|_| statistic(&random.permutation(paired.len()))).collect();
    TokenShuffle::Tested {
        closer: observed / heads.len() as f64,
        p: upper_p(observed, &null),
        inputs: paired.len(),
        shuffles: null.len(),
    }
}
