//! 9. Ablation: what does the loss say when attention is replaced? And is the loss itself worth anything?

use std::collections::HashMap;

use attractor_record::evidence::{Ablation, AblationMode, Evidence, LossKind, Scope};

use super::gradient::{LeftOut, nothing};
use super::{Case, found};
use crate::config::Key;
use crate::finding::{Finding, Measured, NoInterval, Place, Worded};
use crate::id::CheckId;
use crate::id::Group;
use crate::statistics::{Sides, sign_flip};
use crate::untestable::Loss;
use crate::untestable::{Need, Silence, Untestable};
use crate::verdict::Verdict;

const GROUP: Group = Group::Ablation;

/// What group 9 found.
pub(crate) struct Ablations {
    pub perplexity: Finding<Perplexity>,
    /// A plain average in attention's place, in the whole model; skipped if nothing was ablated, `None` if other
    /// ablations were made alone.
    pub uniform: Option<Finding<Replaced>>,
    /// The parts of that, then the other modes: of the model, of layers, of heads.
    pub others: Vec<Finding<Replaced>>,
}

/// Perplexity beside what counting words achieves on the same text.
#[derive(Debug, Clone)]
pub(crate) enum Perplexity {
    /// The tokens are not known.
    Alone { model: f64 },
    Beside {
        model: f64,
        predictions: usize,
        unigram: f64,
        bigram: f64,
        /// A masked-token loss, compared with next-token baselines.
        masked: bool,
        left_out: LeftOut,
    },
}

/// What attention was replaced by, and what that did.
#[derive(Debug, Clone)]
pub(crate) struct Replaced {
    pub mode: AblationMode,
    pub change: Change,
    /// Set where a part stands for the model: the largest effect of all.
    pub largest: Option<LargestOf>,
}

/// The part that stands for the model.
#[derive(Debug, Clone)]
pub(crate) struct LargestOf {
    pub part: Place,
    /// Parts that matter.
    pub matter: Vec<Place>,
}

/// What an ablation changed.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// The output is not a finite number.
    NotFinite,
    /// The last hidden state, by this share.
    State { share: f64, coverage: Coverage, unresolved: bool },
    Loss {
        /// Rise of the loss, nats; and of exp(loss), as a share.
        nats: f64,
        share: f64,
        /// True if the loss is one of labels: its exp is no perplexity.
        of_labels: bool,
        /// Sign-flip p, and whether it is exact.
        p: Option<(f64, bool)>,
        coverage: Coverage,
        /// One input, or a few, cannot tell an effect from chance: no smaller p than 2^-inputs exists.
        unresolved: bool,
    },
}

/// What of the inputs was ablated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Coverage {
    /// Inputs that the replacement cannot serve.
    pub unserved: usize,
    /// So many of so many inputs were run, where a budget did not allow all.
    pub run: Option<(usize, usize)>,
    /// So many first tokens of longer inputs.
    pub cut: Option<usize>,
}

impl Ablations {
    pub(super) fn all(&self) -> Vec<&dyn Worded> {
        let uniform = self.uniform.iter().chain(&self.others).map(|finding| finding as &dyn Worded);
        std::iter::once(&self.perplexity as &dyn Worded).chain(uniform).collect()
    }
}

/// Modes in the order of the report.
pub(crate) const MODES: [AblationMode; 7] = [
    AblationMode::Uniform,
    AblationMode::SelfOnly,
    AblationMode::Previous,
    AblationMode::Local,
    AblationMode::MeanMap,
    AblationMode::OtherInput,
    AblationMode::Zero,
];

fn id_of(mode: AblationMode) -> CheckId {
    match mode {
        AblationMode::Uniform => CheckId::AblUniform,
        AblationMode::SelfOnly => CheckId::AblSelf,
        AblationMode::Previous => CheckId::AblPrevious,
        AblationMode::Local => CheckId::AblLocal,
        AblationMode::MeanMap => CheckId::AblMeanMap,
        AblationMode::OtherInput => CheckId::AblOtherInput,
        AblationMode::Zero => CheckId::AblZero,
    }
}

/// Smoothing of the unigram and bigram baselines.
const ALPHA: f64 = 1.0;

pub(super) fn find(case: &Case<'_>) -> Ablations {
    let perplexity = perplexity(case);
    let Some(evidence) = case.evidence.filter(|e| !e.ablations.is_empty()) else {
        let why = match case.evidence {
            None => Untestable::NeedsModel(Need::Ablations),
            Some(evidence) => nothing(evidence, Silence::NoAblations),
        };
        let uniform = Some(Measured::new(CheckId::AblUniform).skipped(why));
        return Ablations { perplexity, uniform, others: Vec::new() };
    };
    let mut all: Vec<Finding<Replaced>> = MODES.iter().flat_map(|&mode| of_mode(case, evidence, mode)).collect();
    let is_whole = |f: &Finding<Replaced>| f.measured.id == CheckId::AblUniform && f.measured.place == Place::MODEL;
    let uniform = all.first().is_some_and(is_whole).then(|| all.remove(0));
    Ablations { perplexity, uniform, others: all }
}

/// A mode's findings: of the whole model, of layers, of heads.
fn of_mode(case: &Case<'_>, evidence: &Evidence, mode: AblationMode) -> Vec<Finding<Replaced>> {
    let mut own: Vec<&Ablation> = evidence.ablations.iter().filter(|a| a.mode == mode).collect();
    own.sort_by_key(|a| match a.scope {
        Scope::Whole => (0, 0, 0),
        Scope::Layer { layer } => (1, layer, 0),
        Scope::Head { layer, head } => (2, layer, head),
    });
    let mut parts: Vec<Finding<Replaced>> = own.iter().map(|a| replaced(case, evidence, a)).collect();
    if own.first().is_some_and(|a| a.scope != Scope::Whole) {
        // Something of the model must stand at the head of the list: the largest effect among its parts.
        let value = |f: &Finding<Replaced>| f.measured.value.unwrap_or(f64::MIN);
        let top = parts.iter().max_by(|a, b| value(a).total_cmp(&value(b)));
        let matter: Vec<Place> =
            parts.iter().filter(|f| f.verdict == Verdict::Pass).map(|f| f.measured.place).collect();
        if let Some(top) = top.filter(|t| t.measured.value.is_some())
            && let Ok(account) = &top.account
        {
            let verdict = case.verdict(GROUP, !matter.is_empty());
            let largest = Some(LargestOf { part: top.measured.place, matter });
            let model = top.measured.clone().at(Place::MODEL);
            parts.insert(0, model.verdict(verdict, Replaced { largest, ..account.clone() }));
        }
    }
    parts
}

fn replaced(case: &Case<'_>, evidence: &Evidence, ablation: &Ablation) -> Finding<Replaced> {
    let mode = ablation.mode;
    let relative = evidence.ablation_loss == LossKind::RelativeChange;
    let key = if relative { Key::RelativeChange } else { Key::PerplexityChange };
    let place = match ablation.scope {
        Scope::Whole => Place::MODEL,
        Scope::Layer { layer } => Place::layer(layer),
        Scope::Head { layer, head } => Place::head(layer, head),
    };
    let measured = Measured::new(id_of(mode)).at(place).threshold(case.config.sourced(key));
    if !relative && evidence.ablation_base.len() != ablation.losses.len() {
        let (ablated, unablated) = (ablation.losses.len(), evidence.ablation_base.len());
        return measured.skipped(Untestable::Evidence(Silence::Unpaired { ablated, unablated }));
    }
    let differences: Vec<Option<f64>> = match relative {
        true => ablation.losses.clone(),
        false => ablation.losses.iter().zip(&evidence.ablation_base).map(|(a, base)| a.map(|a| a - base)).collect(),
    };
    let figure = case.figure(&differences);
    let Some(value) = figure.value else {
        let budget = evidence.spent.as_ref().and_then(|spent| spent.passes).filter(|_| ablation.unrun > 0);
        let why = budget.map_or(Silence::Unserved { mode }, |passes| Silence::OverBudget { passes });
        return measured.skipped(Untestable::Evidence(why));
    };
    let verdict = |good| match ablation.scope {
        Scope::Whole => case.verdict(GROUP, good),
        _ => found(good),
    };
    let account = |change| Replaced { mode, change, largest: None };
    if !value.is_finite() {
        return measured.verdict(verdict(false), account(Change::NotFinite));
    }
    let there: Vec<f64> = differences.iter().flatten().copied().collect();
    let coverage = Coverage {
        unserved: differences.len() - there.len() - ablation.unrun,
        run: (ablation.unrun > 0).then_some((there.len(), differences.len())),
        cut: evidence.cut,
    };
    let threshold = case.config.get(key);
    if relative {
        let unresolved = value >= threshold && figure.interval.is_none();
        let verdict = if unresolved { Verdict::Warn } else { verdict(figure.is_above(threshold, 0.0)) };
        let measured = figure.fill(measured).null(0.0).effect(value);
        return measured.verdict(verdict, account(Change::State { share: value, coverage, unresolved }));
    }
    // The threshold is stated for perplexity: exp(difference) - 1.
    let share = value.exp_m1();
    let sign = sign_flip(&there, Sides::Greater, case.config.seed, case.config.count(Key::Permutations));
    let unresolved = share >= threshold && figure.interval.is_none();
    let good = share >= threshold && figure.interval.as_ref().is_some_and(|i| i.low > 0.0);
    let verdict = if unresolved { Verdict::Warn } else { verdict(good) };
    let change = Change::Loss {
        nats: value,
        share,
        of_labels: evidence.ablation_loss == LossKind::Label,
        p: sign.map(|s| (s.p, s.exact)),
        coverage,
        unresolved,
    };
    figure.fill(measured).null(0.0).effect(share).held_against(threshold.ln_1p()).verdict(verdict, account(change))
}

fn perplexity(case: &Case<'_>) -> Finding<Perplexity> {
    let measured = Measured::new(CheckId::LossPerplexity)
        .threshold((1.0, "below the unigram perplexity of the same text: ratio 1"));
    let Some(evidence) = case.evidence else {
        return measured.skipped(Untestable::NeedsModel(Need::Loss));
    };
    if !matches!(evidence.loss, LossKind::NextToken | LossKind::MaskedToken) {
        let loss = Loss { kind: evidence.loss, none: evidence.no_loss };
        return measured.skipped(Untestable::Evidence(Silence::NoPerplexity(loss)));
    }
    let predictions: usize = evidence.predictions.iter().sum();
    if predictions == 0 || evidence.predictions.len() != evidence.losses.len() {
        return measured.skipped(nothing(evidence, Silence::NoPrediction));
    }
    let total: f64 = evidence.losses.iter().zip(&evidence.predictions).map(|(l, &n)| l * n as f64).sum();
    let model = (total / predictions as f64).exp();
    let texts: Vec<Vec<u32>> =
        (0..case.patterns.inputs()).map(|i| case.patterns.tokens(i).iter().map(|t| t.id).collect()).collect();
    let Some((unigram, bigram)) = counting_perplexities(&texts) else {
        let measured = measured.value(model).no_interval(NoInterval::NothingBeside);
        return measured.verdict(Verdict::Warn, Perplexity::Alone { model });
    };
    // exp is monotone: the interval of the mean loss is that of the perplexity, if every input weighs the same.
    let each: Vec<Option<f64>> = evidence.losses.iter().map(|&l| Some(l)).collect();
    let mut figure = case.figure(&each);
    if let Some(interval) = &mut figure.interval {
        (interval.low, interval.high) = (interval.low.exp(), interval.high.exp());
    }
    let alike = evidence.predictions.iter().all(|n| *n == evidence.predictions[0]);
    let mut measured = figure.fill(measured).value(model).null(unigram).effect((unigram / model).ln());
    if !alike && measured.interval.is_some() {
        measured = measured.no_interval(NoInterval::UnequalPredictions);
    }
    let account = Perplexity::Beside {
        model,
        predictions,
        unigram,
        bigram,
        masked: evidence.loss == LossKind::MaskedToken,
        left_out: LeftOut::of(evidence),
    };
    measured.held_against(unigram).verdict(case.verdict(GROUP, model < unigram), account)
}

/// Leave-one-out unigram and bigram perplexities of the next tokens of `texts`; `None` without any.
///
/// unigram: p(t) = (c(t) - 1 + a) / (N - 1 + a V), over all tokens.
/// bigram: p(t | s) = (c(s, t) - 1 + a V p_unigram(t)) / (c(s) - 1 + a V): the same smoothing mass, spread as the
/// unigram. V is the number of different tokens of the text and one for all others. Every prediction is scored with
/// counts that lack exactly itself.
pub(crate) fn counting_perplexities(texts: &[Vec<u32>]) -> Option<(f64, f64)> {
    let mut tokens: HashMap<u32, f64> = HashMap::new();
    let mut pairs: HashMap<(u32, u32), f64> = HashMap::new();
    let mut heads: HashMap<u32, f64> = HashMap::new();
    let (mut count, mut predictions) = (0.0, 0usize);
    for text in texts {
        for &t in text {
            *tokens.entry(t).or_default() += 1.0;
            count += 1.0;
        }
        for pair in text.windows(2) {
            *pairs.entry((pair[0], pair[1])).or_default() += 1.0;
            *heads.entry(pair[0]).or_default() += 1.0;
            predictions += 1;
        }
    }
    if predictions == 0 {
        return None;
    }
    let mass = ALPHA * (tokens.len() as f64 + 1.0);
    let (mut unigram, mut bigram) = (0.0, 0.0);
    for pair in texts.iter().flat_map(|text| text.windows(2)) {
        let p = (tokens[&pair[1]] - 1.0 + ALPHA) / (count - 1.0 + mass);
        unigram -= p.ln();
        bigram -= ((pairs[&(pair[0], pair[1])] - 1.0 + mass * p) / (heads[&pair[0]] - 1.0 + mass)).ln();
    }
    let perplexity = |sum: f64| (sum / predictions as f64).exp();
    Some((perplexity(unigram), perplexity(bigram)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Text 1 2 1 2: N = 4, V = 3. Predicted 2, 1, 2; each token occurs twice: p = (2 - 1 + 1) / (3 + 3) = 1/3.
    /// Bigrams: (1,2) twice of c(1) = 2: (1 + 3/3) / (1 + 3) = 1/2, twice; (2,1) once of c(2) = 1: (0 + 1) / 3.
    #[test]
    fn counting_perplexities_by_hand() {
        let (unigram, bigram) = counting_perplexities(&[vec![1, 2, 1, 2]]).unwrap();
        assert!((unigram - 3.0).abs() < 1e-12, "{unigram}");
        assert!((bigram - (2.0f64 * 2.0 * 3.0).powf(1.0 / 3.0)).abs() < 1e-12, "{bigram}");
        assert_eq!(counting_perplexities(&[vec![5]]), None);
    }
}
