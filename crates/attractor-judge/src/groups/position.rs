//! 2. Position: nearby keys against uniform, and how much of a pattern is position alone.
//!
//! r_ij = n_i p_ij is one for a uniform row of any length; its mean over pairs at one distance is one too, so near and
//! far are compared on equal terms. Bidirectional models count both sides.

use super::{Case, found};
use crate::config::Key;
use crate::finding::{Measured, OfHeads, Place, Worded};
use crate::id::CheckId;
use crate::id::Group;
use crate::measure::HeadMeasure;
use crate::statistics::mean_of;
use crate::untestable::{Lack, Unasked, Untestable};

const GROUP: Group = Group::Position;

/// What group 2 found.
pub(crate) struct Position {
    pub local: OfHeads<Locality, HeadLocality>,
    pub content: OfHeads<Explained, HeadExplained>,
}

/// Near and far keys, in units of a uniform row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Enrichment {
    pub near: f64,
    /// `None` where no pair is far.
    pub far: Option<f64>,
}

impl Enrichment {
    /// Both may be enriched where few distances are possible: then nothing is local.
    fn is_nearer(self) -> bool {
        self.far.is_none_or(|far| self.near > far)
    }

    /// (near - far) / (near + far); NaN where there is no far.
    fn index(self) -> f64 {
        match self.far {
            Some(far) if self.near + far > 0.0 => (self.near - far) / (self.near + far),
            _ => f64::NAN,
        }
    }
}

/// Of the model.
#[derive(Debug, Clone)]
pub(crate) struct Locality {
    pub enrichment: Enrichment,
    /// Heads that are local.
    pub local: Vec<Place>,
    /// Number of heads.
    pub heads: usize,
}

/// Of a head.
#[derive(Debug, Clone)]
pub(crate) struct HeadLocality {
    pub enrichment: Enrichment,
    /// Within-row permutation p, where there is one.
    pub p: Option<f64>,
}

/// What position explains of the patterns.
#[derive(Debug, Clone)]
pub(crate) struct Explained {
    /// In [0, 1].
    pub share: f64,
    pub by: Baseline,
}

/// What position explains of a head's pattern.
#[derive(Debug, Clone)]
pub(crate) struct HeadExplained {
    /// In [0, 1].
    pub share: f64,
}

/// How the mean map of the other inputs is made.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Baseline {
    /// Cell by cell, among so many inputs of one length.
    Cells { inputs: usize },
    /// By offset: no two inputs have one length.
    Offsets,
}

impl Position {
    pub(super) fn all(&self) -> Vec<&dyn Worded> {
        [self.local.all(), self.content.all()].concat()
    }
}

pub(super) fn find(case: &Case<'_>) -> Position {
    if case.is_cross() {
        let none = Untestable::Meaningless(Unasked::CrossAttention);
        let [local, content] = [(CheckId::PosLocal, Key::Near), (CheckId::PosContent, Key::PositionContent)]
            .map(|(id, key)| Measured::new(id).threshold(case.config.sourced(key)));
        let (local, content) = (OfHeads::alone(local.skipped(none.clone())), OfHeads::alone(content.skipped(none)));
        return Position { local, content };
    }
    Position { local: local(case), content: content(case) }
}

fn local(case: &Case<'_>) -> OfHeads<Locality, HeadLocality> {
    let threshold = case.config.get(Key::Near);
    let near = |h: &HeadMeasure| Case::of_head(h, |i| i.near);
    let far = |h: &HeadMeasure| Case::of_head(h, |i| i.far);
    // The p-value is wanted where there is no interval: of one input, or the largest of a few.
    let p_of = |h: &HeadMeasure| h.inputs.iter().filter_map(|i| i.near_p).reduce(f64::max);
    let alpha = case.config.get(Key::Alpha);
    let mut local = Vec::new();
    let mut heads = Vec::new();
    for head in &case.measures.heads {
        let (figure, far) = (case.figure(&near(head)), case.figure(&far(head)).value);
        let place = Case::place(head);
        let measured = Measured::new(CheckId::PosLocal).at(place).threshold(case.config.sourced(Key::Near));
        let Some(near) = figure.value else {
            heads.push(measured.skipped(case.no_figure(head, Lack::PairOfPositions)));
            continue;
        };
        let (enrichment, p) = (Enrichment { near, far }, p_of(head));
        let by_chance = figure.interval.is_none() && p.is_some_and(|p| p > alpha);
        let good = figure.is_above(threshold, 1.0) && enrichment.is_nearer() && !by_chance;
        if good {
            local.push(place);
        }
        let measured = figure.fill(measured).null(1.0).effect(enrichment.index());
        heads.push(measured.verdict(found(good), HeadLocality { enrichment, p }));
    }
    let measured = Measured::new(CheckId::PosLocal).threshold(case.config.sourced(Key::Near));
    let figure = case.figure(&case.of_model(near));
    let far = case.figure(&case.of_model(far)).value;
    let model = match figure.value {
        None => measured.skipped(case.no_figure_at_all(Lack::PairOfPositions)),
        Some(near) => {
            let enrichment = Enrichment { near, far };
            let good = figure.is_above(threshold, 1.0) && enrichment.is_nearer();
            let measured = figure.fill(measured).null(1.0).effect(enrichment.index());
            measured.verdict(case.verdict(GROUP, good), Locality { enrichment, local, heads: heads.len() })
        }
    };
    OfHeads { model, heads }
}

fn content(case: &Case<'_>) -> OfHeads<Explained, HeadExplained> {
    let threshold = case.config.sourced(Key::PositionContent);
    let measured = Measured::new(CheckId::PosContent).threshold(threshold);
    if case.measures.steps.inputs() < 2 {
        return OfHeads::alone(measured.skipped(Untestable::Lacks(Lack::InputsForPosition)));
    }
    let explained = |content: f64| (1.0 - content).clamp(0.0, 1.0);
    let mut heads = Vec::new();
    for head in &case.measures.heads {
        let figure = case.figure(&head.position_content);
        let measured = Measured::new(CheckId::PosContent).at(Case::place(head)).threshold(threshold);
        heads.push(match figure.value {
            None => measured.skipped(case.no_figure(head, Lack::Pattern)),
            Some(value) => figure
                .fill(measured)
                .null(0.0)
                .effect(value)
                .verdict(found(figure.is_above(threshold.0, 0.0)), HeadExplained { share: explained(value) }),
        });
    }
    let each: Vec<Option<f64>> = (0..case.patterns.inputs())
        .map(|input| mean_of(case.measures.heads.iter().filter_map(|h| h.position_content[input])))
        .collect();
    let figure = case.figure(&each);
    let model = match figure.value {
        None => measured.skipped(case.no_figure_at_all(Lack::AnyPattern)),
        Some(value) => {
            let by = match case.measures.alike.len() {
                inputs if inputs >= 2 => Baseline::Cells { inputs },
                _ => Baseline::Offsets,
            };
            figure.fill(measured).null(0.0).effect(value).verdict(
                case.verdict(GROUP, figure.is_above(threshold.0, 0.0)),
                Explained { share: explained(value), by },
            )
        }
    };
    OfHeads { model, heads }
}
