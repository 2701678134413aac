//! The layers of a model as a stack of row-stochastic maps: heads fused, the residual stream put in.
//!
//! A_bar = mean (or maximum, or minimum) over heads of A
//! A_hat = rownorm(r I + (1 - r) A_bar), r the residual share; r = 1/2 is rownorm(A_bar + I)
//!
//! Nothing of size N x N is held: rows come in strips, from whatever can give the rows of a head.
//! # Source
//! Abnar and Zuidema 2020, *Quantifying attention flow in transformers*, section 3. The maximum and minimum over heads
//! and the discarded cells are extras of the `vit-explain` package and no part of that definition.

use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use attractor_record::LayerShape;
use attractor_record::{Patterns, Stack};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::Caveat;
use super::nth::nth_smallest;
use attractor::{Error, Hint, Result};

attractor::choice! {
    /// How the heads of a layer become one map.
    #[derive(Default, Serialize, Deserialize)]
    #[serde(rename_all = "lowercase")]
    pub enum Fuse {
        /// Mean over heads: the definition.
        #[default]
        Mean = "mean",
        /// Maximum over heads (not part of the definition).
        Max = "max",
        /// Minimum over heads (not part of the definition).
        Min = "min",
    }
}

/// How a stack is made.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FuseOptions {
    /// How heads are fused.
    pub fuse: Fuse,
    /// Share r of the residual stream, in [0, 1].
    pub residual: f64,
    /// Share of each fused map's cells, the smallest, that is set to zero first, in [0, 1). An extra: 0 by definition.
    ///
    /// As `vit-explain` does it, over the whole map and sparing the cell (0, 0), except that rows are then normalised;
    /// that package divides columns by the sums of rows, so that its rows do not sum to one once anything is discarded.
    pub discard: f64,
    /// First layer of the stack; layers below it are taken as they are (the identity).
    pub start: usize,
    /// Takes layers without a map as the identity, with a note, instead of refusing.
    pub skip_missing: bool,
}

impl Default for FuseOptions {
    fn default() -> Self {
        Self { fuse: Fuse::Mean, residual: 0.5, discard: 0.0, start: 0, skip_missing: false }
    }
}

impl FuseOptions {
    /// # Errors
    /// `is_usage` for a share outside its range.
    pub fn check(&self) -> Result<()> {
        if !(0.0..=1.0).contains(&self.residual) {
            return Err(Error::option("residual", self.residual, "give a number from 0 to 1"));
        }
        if !(0.0..1.0).contains(&self.discard) {
            return Err(Error::option("discard", self.discard, "give a number from 0 to less than 1"));
        }
        Ok(())
    }
}

/// The fused maps of one input, lowest layer first.
pub struct Fused<'a> {
    patterns: &'a dyn Patterns,
    input: usize,
    tokens: usize,
    options: FuseOptions,
    layers: Vec<LayerShape>,
    /// The last cell, by weight and then by place, that is discarded in each layer; found when the layer is first read.
    discarded: Vec<OnceLock<(f64, usize)>>,
    notes: Vec<Caveat>,
    /// Rows that were read and do not sum to one, or see nothing.
    off: AtomicUsize,
    blind: AtomicUsize,
}

/// Numbers of a strip of a fused map: heads are added up in it, and strips are worked on in parallel.
const STRIP: usize = 1 << 20;
/// Rows of a strip, at least and at most.
const STRIP_ROWS: (usize, usize) = (16, 128);
/// Strips in flight: a function of nothing, so that sums are joined in one order for any number of threads.
const BATCH: usize = 16;

/// A row's sum may miss one by so much: maps stored in half precision do.
const SLACK: f64 = 5e-3;

impl<'a> Fused<'a> {
    /// Checks that every layer from the first one on can be given.
    ///
    /// # Errors
    /// `is_usage` for options out of range, an input or layer that is not there, a layer that was not kept or has no
    /// map (unless it may be skipped), and maps that are not square; `is_format` if the patterns cannot be read.
    pub fn open(patterns: &'a dyn Patterns, input: usize, options: &FuseOptions) -> Result<Self> {
        options.check()?;
        let inputs = patterns.inputs();
        if input >= inputs {
            return Err(Error::usage(match inputs {
                0 => "rollout: there is no input; nothing was captured".to_string(),
                n => format!("rollout: there is no input {input}; inputs are 0 to {}", n - 1),
            }));
        }
        if patterns.stack() == Stack::Cross {
            return Err(Error::usage(
                "rollout: not testable on cross attention: its keys are positions of another sequence than its queries, and \
                 layers are multiplied only where both are the same",
            ));
        }
        let all = patterns.info().layers;
        if options.start >= all {
            let why = format!("the model has layers 0 to {}", all.saturating_sub(1));
            return Err(Error::option("start", options.start, why));
        }
        let mut kept: Vec<LayerShape> =
            patterns.layers().into_iter().filter(|shape| shape.layer >= options.start).collect();
        let mut missing: Vec<usize> =
            (options.start..all).filter(|layer| !kept.iter().any(|shape| shape.layer == *layer)).collect();
        let mut tokens = None;
        for shape in &kept {
            let (n, m) = patterns.shape(shape.layer, input)?;
            let map = match shape.heads.first() {
                Some(&head) if n > 0 => patterns.weights(shape.layer, head, input, 0..1)?,
                _ => None,
            };
            if map.is_none() {
                missing.push(shape.layer);
                continue;
            }
            if n != m || tokens.is_some_and(|tokens| tokens != n) {
                return Err(Error::usage(format!(
                    "rollout: layer {} has {n} queries and {m} keys{}; layers are multiplied, so every map must be \
                     square and of one size",
                    shape.layer,
                    tokens.map_or(String::new(), |tokens| format!(", earlier layers have {tokens}"))
                )));
            }
            tokens = Some(n);
        }
        missing.sort_unstable();
        kept.retain(|shape| !missing.contains(&shape.layer));
        let Some(tokens) = tokens else {
            return Err(Error::usage(format!(
                "rollout: no layer from {} on has a map of input {input}; keep queries and keys or patterns when capturing",
                options.start
            ))
            .hinted(Hint::Capture { keep: "stats+qk" }));
        };
        let mut notes = Vec::new();
        if !missing.is_empty() {
            let names: Vec<String> = missing.iter().map(usize::to_string).collect();
            let names = names.join(", ");
            if !options.skip_missing {
                return Err(Error::usage(format!(
                    "rollout: layer{} {names} of {all} {} no map here, and every layer from {} on is multiplied; capture \
                     {}, begin later, or take {} as the identity",
                    if missing.len() == 1 { "" } else { "s" },
                    if missing.len() == 1 { "has" } else { "have" },
                    options.start,
                    if missing.len() == 1 { "it" } else { "them" },
                    if missing.len() == 1 { "it" } else { "them" },
                ))
                .hinted(Hint::GiveOne(vec!["start", "skip_missing"])));
            }
            notes.push(Caveat::WithoutMap(missing));
        }
        if options.start > 0 {
            notes.push(Caveat::Below(options.start));
        }
        for shape in kept.iter().filter(|shape| shape.heads.len() < shape.model_heads) {
            let (layer, kept, heads) = (shape.layer, shape.heads.len(), shape.model_heads);
            notes.push(Caveat::SomeHeads { layer, kept, heads });
        }
        if options.fuse != Fuse::Mean || options.discard > 0.0 {
            notes.push(Caveat::NotTheDefinition);
        }
        Ok(Self {
            patterns,
            input,
            tokens,
            options: *options,
            discarded: vec![OnceLock::new(); kept.len()],
            layers: kept,
            notes,
            off: AtomicUsize::new(0),
            blind: AtomicUsize::new(0),
        })
    }

    /// Tokens N: queries and keys of every map.
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    /// Number of maps.
    pub fn len(&self) -> usize {
        self.layers.len()
    }

    /// True without a map.
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }

    /// The model's numbers of the layers that take part.
    pub fn layers(&self) -> Vec<usize> {
        self.layers.iter().map(|shape| shape.layer).collect()
    }

    /// What was left out or is no part of the definition, and which of the rows read so far were no distributions.
    pub fn notes(&self) -> Vec<Caveat> {
        let mut notes = self.notes.clone();
        let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
        if count(&self.off) > 0 {
            notes.push(Caveat::Scaled(count(&self.off)));
        }
        if count(&self.blind) > 0 {
            notes.push(Caveat::Blind(count(&self.blind)));
        }
        notes
    }

    /// The strips that cover rows `rows`.
    pub(crate) fn strips(&self, rows: Range<usize>) -> Vec<Range<usize>> {
        let step = (STRIP / self.tokens.max(1)).clamp(STRIP_ROWS.0, STRIP_ROWS.1);
        rows.clone().step_by(step).map(|start| start..(start + step).min(rows.end)).collect()
    }

    /// Rows of the fused map of the stack's `place`-th layer, [rows, N].
    fn fused(&self, place: usize, rows: Range<usize>) -> Result<Vec<f64>> {
        let shape = &self.layers[place];
        let (n, count) = (self.tokens, shape.heads.len());
        let start = match self.options.fuse {
            Fuse::Mean => 0.0,
            Fuse::Max => f64::NEG_INFINITY,
            Fuse::Min => f64::INFINITY,
        };
        let mut fused = vec![start; rows.len() * n];
        for &head in &shape.heads {
            let weights = self.patterns.weights(shape.layer, head, self.input, rows.clone())?;
            let weights = weights.filter(|weights| weights.len() == rows.len() * n).ok_or_else(|| {
                Error::format(format!(
                    "rollout: rows {rows:?} of L{}H{head}, input {}, cannot be given; the source contradicts its own \
                     shape",
                    shape.layer, self.input
                ))
            })?;
            if let Some(at) = weights.iter().position(|w| !w.is_finite()) {
                return Err(Error::format(format!(
                    "rollout: L{}H{head}, input {}: the weight of query {} and key {} is {}; repair the capture, or \
                     leave the head out",
                    shape.layer,
                    self.input,
                    rows.start + at / n,
                    at % n,
                    weights[at]
                )));
            }
            let cells = fused.iter_mut().zip(weights.into_iter().map(f64::from));
            match self.options.fuse {
                Fuse::Mean => cells.for_each(|(sum, w)| *sum += w),
                Fuse::Max => cells.for_each(|(most, w)| *most = most.max(w)),
                Fuse::Min => cells.for_each(|(least, w)| *least = least.min(w)),
            }
        }
        if self.options.fuse == Fuse::Mean {
            fused.iter_mut().for_each(|sum| *sum /= count as f64);
        }
        Ok(fused)
    }

    /// Rows of A_hat of the stack's `place`-th layer, [rows, N]; each sums to one.
    ///
    /// A row that sees nothing passes itself on.
    pub(crate) fn rows(&self, place: usize, rows: Range<usize>) -> Result<Vec<f64>> {
        let (n, r) = (self.tokens, self.options.residual);
        let discarded = self.discarded(place)?;
        let fused = self.fused(place, rows.clone())?;
        let mut mixed = vec![0.0f64; fused.len()];
        for (at, row) in rows.enumerate() {
            let (source, target) = (&fused[at * n..(at + 1) * n], &mut mixed[at * n..(at + 1) * n]);
            let keeps = |key: usize, w: f64| match discarded {
                Some((least, last)) => (row == 0 && key == 0) || w > least || (w == least && row * n + key > last),
                None => true,
            };
            let mass: f64 = source.iter().sum();
            if self.options.fuse == Fuse::Mean && mass == 0.0 {
                self.blind.fetch_add(1, Ordering::Relaxed);
            } else if self.options.fuse == Fuse::Mean && (mass - 1.0).abs() > SLACK {
                self.off.fetch_add(1, Ordering::Relaxed);
            }
            let mut sum = 0.0;
            for (key, (target, &w)) in target.iter_mut().zip(source).enumerate() {
                let own = if key == row { r } else { 0.0 };
                *target = own + if keeps(key, w) { (1.0 - r) * w } else { 0.0 };
                sum += *target;
            }
            // Negated, so that a NaN would be no sum.
            if !(sum > 0.0) {
                target.fill(0.0);
                target[row] = 1.0;
                continue;
            }
            target.iter_mut().for_each(|w| *w /= sum);
        }
        Ok(mixed)
    }

    /// The last cell of a fused map, by weight and then by place, that is discarded; found by a few passes over its strips.
    fn discarded(&self, place: usize) -> Result<Option<(f64, usize)>> {
        let n = self.tokens;
        let count = (self.options.discard * (n * n) as f64) as usize;
        if count == 0 {
            return Ok(None);
        }
        if let Some(&found) = self.discarded[place].get() {
            return Ok(Some(found));
        }
        let found = nth_smallest(count - 1, |see| {
            for batch in self.strips(0..n).chunks(BATCH) {
                let fused: Vec<Vec<f64>> =
                    batch.par_iter().map(|strip| self.fused(place, strip.clone())).collect::<Result<_>>()?;
                for (strip, cells) in batch.iter().zip(fused) {
                    cells.into_iter().enumerate().for_each(|(at, w)| see(w, strip.start * n + at));
                }
            }
            Ok(())
        })?;
        Ok(Some(*self.discarded[place].get_or_init(|| found)))
    }

    /// v A_hat for a row vector v over the layer's rows: one pass over the rows where v is not zero.
    pub(crate) fn pull(&self, place: usize, v: &[f64]) -> Result<Vec<f64>> {
        // Once, before strips in parallel ask for it.
        self.discarded(place)?;
        let first = v.iter().position(|&x| x != 0.0).unwrap_or(0);
        let end = v.iter().rposition(|&x| x != 0.0).map_or(first, |last| last + 1);
        let mut total = vec![0.0; self.tokens];
        for batch in self.strips(first..end).chunks(BATCH) {
            let parts: Vec<Vec<f64>> = batch
                .par_iter()
                .map(|strip| {
                    let rows = self.rows(place, strip.clone())?;
                    let mut part = vec![0.0; self.tokens];
                    for (weights, &x) in rows.chunks_exact(self.tokens).zip(&v[strip.clone()]) {
                        if x != 0.0 {
                            part.iter_mut().zip(weights).for_each(|(part, w)| *part += x * w);
                        }
                    }
                    Ok(part)
                })
                .collect::<Result<_>>()?;
            for part in parts {
                total.iter_mut().zip(part).for_each(|(total, part)| *total += part);
            }
        }
        Ok(total)
    }
}
