//! 4. Against uniform: how far from a plain average over the visible keys?
//!
//! D_i = ln n_i - H_i = KL(row | uniform over the visible keys), divided by ln n_i: 0 is uniform, 1 one key. With
//! enough inputs every head differs significantly from uniform; so a head is called uniform only by equivalence, when
//! the whole interval lies below the margin.

use super::{Case, found};
use crate::config::Key;
use crate::finding::{Finding, Measured, OfHeads, Place, Worded};
use crate::id::CheckId;
use crate::id::Group;
use crate::measure::HeadMeasure;
use crate::statistics::equivalence::equivalence;
use crate::untestable::Lack;

const GROUP: Group = Group::Uniform;

/// What group 4 found.
pub(crate) struct Uniformity {
    pub uniform: OfHeads<Closeness, HeadCloseness>,
    pub entropy: Finding<Spread>,
}

/// How close the model is to uniform.
#[derive(Debug, Clone)]
pub(crate) struct Closeness {
    /// Normalised KL to uniform, in [0, 1].
    pub kl: f64,
    pub nats: f64,
    /// Heads that are uniform by equivalence.
    pub uniform: Vec<Place>,
    pub undecided: Vec<Place>,
    /// Number of heads.
    pub heads: usize,
}

/// How close a head is to uniform.
#[derive(Debug, Clone)]
pub(crate) struct HeadCloseness {
    pub kl: f64,
    pub nats: f64,
    pub decision: Decision,
}

/// What the equivalence test of a head came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Decision {
    /// Uniform by equivalence; p that it is not.
    Uniform {
        p: f64,
    },
    NotUniform,
    /// The interval holds the margin.
    Undecided,
    /// Close, and too few inputs for an interval.
    NotTestable,
}

/// Entropy, and the keys that rows spread over.
#[derive(Debug, Clone)]
pub(crate) struct Spread {
    /// H / ln n, in [0, 1].
    pub entropy: f64,
    /// exp(H), keys: of the model, and of its heads.
    pub keys: f64,
    pub least: f64,
    pub median: f64,
    pub most: f64,
}

impl Uniformity {
    pub(super) fn all(&self) -> Vec<&dyn Worded> {
        let mut all = self.uniform.all();
        all.insert(1, &self.entropy);
        all
    }
}

pub(super) fn find(case: &Case<'_>) -> Uniformity {
    let threshold = case.config.sourced(Key::UniformMargin);
    let margin = threshold.0;
    let pick = |h: &HeadMeasure| Case::of_head(h, |i| i.sharpness);
    let nats = |h: &HeadMeasure| Case::of_head(h, |i| i.divergence_uniform);
    let mut heads = Vec::new();
    let (mut uniform, mut undecided) = (Vec::new(), Vec::new());
    for head in &case.measures.heads {
        let values = pick(head);
        let figure = case.figure(&values);
        let place = Case::place(head);
        let measured = Measured::new(CheckId::BaseUniform).at(place).threshold(threshold);
        let Some(kl) = figure.value else {
            heads.push(measured.skipped(case.no_figure(head, Lack::TwoKeys)));
            continue;
        };
        let (entries, there): (Vec<usize>, Vec<f64>) =
            values.into_iter().enumerate().filter_map(|(entry, value)| Some((entry, value?))).unzip();
        let there = case.bootstrap.by_input(&entries, &there);
        let test = |i| equivalence(&there, i, margin, case.config.seed, case.config.count(Key::Permutations));
        let decision = match figure.interval.as_ref().map(|i| (i, test(i))) {
            Some((_, test)) if test.equivalent => Decision::Uniform { p: test.p },
            Some((i, _)) if i.low >= margin => Decision::NotUniform,
            Some(_) => Decision::Undecided,
            None if kl >= margin => Decision::NotUniform,
            None => Decision::NotTestable,
        };
        match decision {
            Decision::Uniform { .. } => uniform.push(place),
            Decision::Undecided | Decision::NotTestable => undecided.push(place),
            Decision::NotUniform => {}
        }
        let nats = case.figure(&nats(head)).value.unwrap_or(f64::NAN);
        let verdict = found(decision == Decision::NotUniform);
        heads.push(figure.fill(measured).null(0.0).effect(nats).verdict(verdict, HeadCloseness { kl, nats, decision }));
    }
    let measured = Measured::new(CheckId::BaseUniform).threshold(threshold);
    let figure = case.figure(&case.of_model(pick));
    let model = match figure.value {
        None => measured.skipped(case.no_figure_at_all(Lack::TwoKeys)),
        Some(kl) => {
            let nats = case.figure(&case.of_model(nats)).value.unwrap_or(f64::NAN);
            let good = match &figure.interval {
                Some(i) => i.low >= margin,
                None => kl >= margin,
            };
            let account = Closeness { kl, nats, uniform, undecided, heads: heads.len() };
            figure.fill(measured).null(0.0).effect(nats).verdict(case.verdict(GROUP, good), account)
        }
    };
    Uniformity { uniform: OfHeads { model, heads }, entropy: entropy(case) }
}

/// The original guide's second test: H / ln n_i, with the effective number of keys as its effect.
fn entropy(case: &Case<'_>) -> Finding<Spread> {
    let measured = Measured::new(CheckId::BaseEntropy);
    let figure = case.figure(&case.of_model(|h| Case::of_head(h, |i| i.sharpness.map(|s| 1.0 - s))));
    let Some(entropy) = figure.value else { return measured.skipped(case.no_figure_at_all(Lack::TwoKeys)) };
    let keys = case.figure(&case.of_model(|h| Case::of_head(h, |i| i.effective_keys))).value.unwrap_or(f64::NAN);
    let mut each: Vec<f64> =
        case.measures.heads.iter().filter_map(|h| case.figure(&Case::of_head(h, |i| i.effective_keys)).value).collect();
    each.sort_by(f64::total_cmp);
    let at = |share: f64| each[((each.len() - 1) as f64 * share).round() as usize];
    let (margin, source) = case.config.sourced(Key::UniformMargin);
    let good = entropy <= 1.0 - margin && figure.interval.as_ref().is_none_or(|i| i.high <= 1.0 - margin);
    let account = Spread { entropy, keys, least: at(0.0), median: at(0.5), most: at(1.0) };
    let measured = figure.fill(measured).null(1.0).effect(keys).threshold((1.0 - margin, source));
    measured.verdict(case.verdict(GROUP, good), account)
}
