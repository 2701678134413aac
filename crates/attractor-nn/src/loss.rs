//! What "loss" means for each kind of model, with and without gradients.
//!
//! | kind               | definition                                                                       |
//! |--------------------|----------------------------------------------------------------------------------|
//! | `NextToken`        | mean over positions but the last of -ln p(next token), nats per token               |
//! | `MaskedToken`      | mean over seeded masked positions of -ln p(the token that stood there)            |
//! | `Label`            | -ln p(label), nats per input                                                       |
//! | `RandomProjection` | sum(R * h) / sqrt(size of h), h the last hidden state, R standard normal, seeded  |
//! | `RelativeChange`   | \|h' - h\| / \|h\|                                                                  |

use std::borrow::Cow;

use attractor::random::{Philox, stream};
use attractor_record::Task;
use attractor_record::evidence::{LossKind, NoLoss, Unpredictable};
use burn::tensor::{Int, Tensor};
use rayon::prelude::*;

use crate::checkpoint::spec::OutputHead;
use crate::model::{Input, Model, Overrides, TokenRow, Traced};
use crate::ops::rows::{LogSoftmax, log_sum_exp};
use crate::ops::{self, Matrix, unary};
use attractor::{Error, Result};

/// Share of the positions that a masked-token loss hides.
pub const MASKED: f64 = 0.15;

/// Logits that are held at once (64 MiB): of a large vocabulary a row is a megabyte.
const LOGITS: usize = 16 << 20;

/// An input with what it is judged against.
#[derive(Debug, Clone)]
pub struct Case {
    /// What the model reads (tokens masked, for a masked-token loss).
    pub input: Input,
    target: Target,
}

#[derive(Debug, Clone)]
enum Target {
    /// These rows of the last hidden state must predict these tokens.
    Rows { kind: LossKind, rows: Vec<usize>, tokens: Vec<u32> },
    /// The whole input has this label.
    Label(usize),
    /// Nothing is predicted.
    State,
}

/// What a model can be asked for.
#[derive(Debug, Clone, Default)]
pub struct Targets<'a> {
    /// Seed of masked positions.
    pub seed: u64,
    /// The mask token; without one a masked language model has no loss.
    pub mask_token: Option<u32>,
    /// Tokens that are never masked (special ones).
    pub special: &'a [u32],
    /// One label an input; without them a classifier has no loss.
    pub labels: Option<&'a [usize]>,
}

impl Targets<'_> {
    /// The mask token, as the caller or the checkpoint knows it.
    fn mask(&self, model: &Model) -> Option<u32> {
        let spec = model.spec();
        self.mask_token.or(spec.mask_token).filter(|&id| (id as usize) < spec.vocab)
    }

    /// What the loss of a model is, and why there is none.
    pub fn loss(&self, model: &Model) -> (LossKind, Option<NoLoss>) {
        let none = |why| (LossKind::RelativeChange, Some(why));
        match model.spec().head {
            OutputHead::CausalLm if model.spec().task == Task::CausalLm => (LossKind::NextToken, None),
            OutputHead::CausalLm => none(NoLoss::SeesTheNextToken),
            OutputHead::MaskedLm if self.mask(model).is_some() => (LossKind::MaskedToken, None),
            OutputHead::MaskedLm => none(NoLoss::MaskTokenUnknown),
            OutputHead::Classifier { .. } | OutputHead::DistilledClassifier { .. } if self.labels.is_some() => {
                (LossKind::Label, None)
            }
            OutputHead::Classifier { .. } | OutputHead::DistilledClassifier { .. } => none(NoLoss::NoLabels),
            _ => none(NoLoss::BareEncoder),
        }
    }
}

impl Case {
    /// Gives input number `index` what it is judged against; `Ok(Err(why))` for an input that holds nothing to predict.
    ///
    /// # Errors
    /// What [`Input::check`] refuses, `is_usage` for a label that the model does not have.
    pub fn new(
        model: &Model,
        input: &Input,
        index: usize,
        targets: &Targets<'_>,
    ) -> Result<std::result::Result<Self, Unpredictable>> {
        let spec = model.spec();
        input.check(spec)?;
        let target = match (spec.head, input.ids()) {
            (OutputHead::CausalLm, Some(ids)) if spec.task == Task::CausalLm => {
                // Padding is neither predicted nor predicted from.
                let hidden = |at: usize| input.padding().get(at).copied().unwrap_or(false);
                let rows: Vec<usize> =
                    (1..ids.len()).filter(|&at| !hidden(at - 1) && !hidden(at)).map(|at| at - 1).collect();
                if rows.is_empty() {
                    return Ok(Err(Unpredictable::Short { tokens: (0..ids.len()).filter(|&at| !hidden(at)).count() }));
                }
                let tokens = rows.iter().map(|&row| ids[row + 1]).collect();
                Target::Rows { kind: LossKind::NextToken, rows, tokens }
            }
            (OutputHead::MaskedLm, Some(ids)) => {
                let Some(mask) = targets.mask(model) else {
                    return Ok(Ok(Self { input: input.clone(), target: Target::State }));
                };
                let open: Vec<usize> = (0..ids.len()).filter(|&i| !targets.special.contains(&ids[i])).collect();
                if open.is_empty() {
                    return Ok(Err(Unpredictable::SpecialTokens));
                }
                let count = ((open.len() as f64 * MASKED).round() as usize).max(1);
                let order = Philox::new(targets.seed, stream::masked(index as u64)).permutation(open.len());
                let mut rows: Vec<usize> = order[..count].iter().map(|&i| open[i]).collect();
                rows.sort_unstable();
                let mut masked = ids.to_vec();
                rows.iter().for_each(|&i| masked[i] = mask);
                let tokens = rows.iter().map(|&i| ids[i]).collect();
                let input = match input {
                    Input::Text(text) => Input::Text(text.with_ids(masked)),
                    Input::Image { .. } => Input::tokens(masked),
                };
                return Ok(Ok(Self { input, target: Target::Rows { kind: LossKind::MaskedToken, rows, tokens } }));
            }
            (OutputHead::Classifier { labels } | OutputHead::DistilledClassifier { labels }, _) => match targets.labels
            {
                None => Target::State,
                Some(given) => match given.get(index) {
                    Some(&label) if label < labels => Target::Label(label),
                    Some(label) => {
                        return Err(Error::usage(format!(
                            "loss: input {index} has label {label}, the model has {labels} (counted from 0)"
                        )));
                    }
                    None => {
                        return Err(Error::usage(format!(
                            "loss: {} labels, but there is an input {index}; give one label per input",
                            given.len()
                        )));
                    }
                },
            },
            _ => Target::State,
        };
        Ok(Ok(Self { input: input.clone(), target }))
    }

    /// What its loss is; `RelativeChange` where nothing is predicted.
    pub fn kind(&self) -> LossKind {
        match &self.target {
            Target::Rows { kind, .. } => *kind,
            Target::Label(_) => LossKind::Label,
            Target::State => LossKind::RelativeChange,
        }
    }

    /// Number of predictions behind the loss.
    pub fn predictions(&self) -> usize {
        match &self.target {
            Target::Rows { rows, .. } => rows.len(),
            Target::Label(_) => 1,
            Target::State => 0,
        }
    }

    /// The loss of each of several last hidden states, [variants x positions, width], and the plain one for
    /// comparison where nothing is predicted.
    pub(crate) fn losses(&self, model: &Model, states: Matrix, plain: &[f32]) -> Result<Vec<f64>> {
        let [rows, width] = states.dims();
        let n = plain.len() / width;
        let variants = rows / n.max(1);
        match &self.target {
            Target::State => ops::read(states, |states| {
                Ok(states.chunks(plain.len()).map(|state| relative_change(state, plain)).collect())
            }),
            Target::Label(label) => (0..variants)
                .map(|v| {
                    let logits = model.input_logits(states.clone().slice([v * n..(v + 1) * n]));
                    Ok(ops::read(logits.ok_or_else(no_logits)?, |row| surprise(row, *label)))
                })
                .collect(),
            Target::Rows { rows, tokens, .. } => {
                let all: Vec<usize> = (0..variants).flat_map(|v| rows.iter().map(move |r| v * n + r)).collect();
                let mut surprises = Vec::with_capacity(all.len());
                let together = (LOGITS / model.spec().vocab.max(1)).max(1);
                for (piece, start) in all.chunks(together).zip((0..).step_by(together)) {
                    let x = states.clone().select(0, ops::indices(piece));
                    let logits = model.row_logits(x).ok_or_else(no_logits)?;
                    let vocab = logits.dims()[1];
                    ops::read(logits, |logits| {
                        let rows = logits.par_chunks(vocab).enumerate();
                        surprises.par_extend(
                            rows.map(|(i, row)| surprise(row, tokens[(start + i) % tokens.len()] as usize)),
                        );
                    });
                }
                Ok(surprises.chunks(rows.len()).map(|x| x.iter().sum::<f64>() / x.len() as f64).collect())
            }
        }
    }

    /// The loss of the model as it is; 0 by definition where nothing is predicted.
    ///
    /// # Errors
    /// As [`Model::forward`].
    pub fn loss(&self, model: &Model) -> Result<f64> {
        Ok(self.loss_and_state(model, None)?.0)
    }

    /// The same with the last hidden state, [positions, width]; `known` is that state, if it is.
    pub(crate) fn loss_and_state<'a>(&self, model: &Model, known: Option<&'a [f32]>) -> Result<(f64, Cow<'a, [f32]>)> {
        let plain = match known {
            Some(state) => Cow::Borrowed(state),
            None => Cow::Owned(model.hidden(&self.input, &mut (), &Overrides::none())?),
        };
        let width = model.spec().hidden;
        let state = ops::tensor(plain.to_vec(), [plain.len() / width, width]);
        Ok((self.losses(model, state, &plain)?[0], plain))
    }

    /// What gradients are taken of: the loss, or a random projection where there is none.
    pub fn objective(&self) -> LossKind {
        match self.kind() {
            LossKind::RelativeChange => LossKind::RandomProjection,
            kind => kind,
        }
    }

    /// The objective's value, without gradients.
    pub(crate) fn objective_value(&self, model: &Model, seed: u64) -> Result<f64> {
        let state = model.encode(&self.input, &mut (), &Overrides::none())?;
        let values = ops::values(state.clone());
        match &self.target {
            Target::State => {
                let r = projection(seed, values.len());
                Ok(values.iter().zip(&r).map(|(&h, &r)| f64::from(h) * f64::from(r)).sum())
            }
            _ => Ok(self.losses(model, state, &values)?[0]),
        }
    }

    /// The objective of a recorded last hidden state, as a scalar that can be differentiated.
    pub(crate) fn objective_traced(&self, traced: &mut Traced, hidden: Matrix, seed: u64) -> Result<Tensor<1>> {
        let [n, width] = hidden.dims();
        let model = traced.model();
        Ok(match &self.target {
            Target::State => hidden.mul(ops::tensor(projection(seed, n * width), [n, width])).sum(),
            Target::Label(label) => {
                cross_entropy(model.input_logits(hidden).ok_or_else(no_logits)?, std::slice::from_ref(label))
            }
            Target::Rows { rows, tokens, .. } => {
                let targets: Vec<usize> = tokens.iter().map(|&t| t as usize).collect();
                let chosen = hidden.select(0, ops::indices(rows));
                cross_entropy(model.row_logits(chosen).ok_or_else(no_logits)?, &targets)
            }
        })
    }

    /// The same case, cut to its first `limit` tokens; images stay whole. `None` if they hold no masked position.
    pub(crate) fn truncated(&self, limit: usize) -> Option<Self> {
        let mut cut = self.clone();
        match &mut cut.input {
            Input::Text(TokenRow { ids, padding, types }) => {
                ids.truncate(limit);
                padding.truncate(limit);
                types.truncate(limit);
            }
            Input::Image { .. } => return Some(cut),
        }
        if let Target::Rows { rows, tokens, .. } = &mut cut.target {
            // A next token beyond the cut can still be predicted from the last row kept.
            let keep = rows.iter().filter(|&&row| row < limit).count();
            if keep == 0 {
                return None;
            }
            rows.truncate(keep);
            tokens.truncate(keep);
        }
        Some(cut)
    }

    /// The same with at most `count` of its predictions, drawn from the seed.
    pub(crate) fn sampled(&self, count: usize, seed: u64, index: usize) -> Self {
        let mut cut = self.clone();
        if let Target::Rows { rows, tokens, .. } = &mut cut.target
            && rows.len() > count
        {
            let mut chosen = Philox::new(seed, stream::sampled(index as u64)).permutation(rows.len());
            chosen.truncate(count);
            chosen.sort_unstable();
            *rows = chosen.iter().map(|&at| rows[at]).collect();
            *tokens = chosen.iter().map(|&at| tokens[at]).collect();
        }
        cut
    }
}

/// Mean of -ln softmax(logits)[target] over rows.
pub(crate) fn cross_entropy(logits: Matrix, targets: &[usize]) -> Tensor<1> {
    let [rows, width] = logits.dims();
    let targets: Tensor<2, Int> = ops::indices(targets).reshape([rows, 1]);
    unary(LogSoftmax { width }, logits).gather(1, targets).mean().neg()
}

/// -ln softmax(logits)[target]
fn surprise(logits: &[f32], target: usize) -> f64 {
    f64::from(log_sum_exp(logits)) - f64::from(logits[target])
}

fn relative_change(state: &[f32], plain: &[f32]) -> f64 {
    let square = |x: f32| f64::from(x) * f64::from(x);
    let change: f64 = state.iter().zip(plain).map(|(&a, &b)| square(a - b)).sum();
    let size: f64 = plain.iter().map(|&x| square(x)).sum();
    if change == 0.0 { 0.0 } else { (change / size).sqrt() }
}

/// R / sqrt(size), R standard normal.
pub(crate) fn projection(seed: u64, size: usize) -> Vec<f32> {
    let mut random = Philox::new(seed, stream::PROJECTION);
    let scale = 1.0 / (size as f64).sqrt();
    (0..size).map(|_| (random.normal() * scale) as f32).collect()
}

fn no_logits() -> Error {
    Error::usage("loss: this model has no such head")
}
