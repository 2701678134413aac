//! 9. Ablation: what does the loss say when attention is replaced? And is the loss itself worth anything?

use std::collections::HashMap;

use attractor_record::evidence::{Ablation, AblationMode, Evidence, LossKind, Scope};

use super::gradient::{cut, left_out, loss_words, nothing};
use super::{Case, Figure, found, listed};
use crate::config::Key;
use crate::statistics::{Sides, sign_flip};
use crate::verdict::{Check, Group, Verdict};

const GROUP: Group = Group::Ablation;

/// Modes in the order of the report, with their ids and what they are.
const MODES: [(AblationMode, &str, &str); 7] = [
    (AblationMode::Uniform, "abl.uniform", "uniform over the visible keys"),
    (AblationMode::SelfOnly, "abl.self", "the query itself only"),
    (AblationMode::Previous, "abl.previous", "the previous token only"),
    (AblationMode::Local, "abl.local", "uniform over the local window"),
    (AblationMode::MeanMap, "abl.mean-map", "the mean map of the other inputs"),
    (AblationMode::OtherInput, "abl.other-input", "another input's map"),
    (AblationMode::Zero, "abl.zero", "nothing"),
];

/// Smoothing of the unigram and bigram baselines.
const ALPHA: f64 = 1.0;

pub(super) fn checks(case: &Case<'_>) -> Vec<Check> {
    let mut all = vec![perplexity(case)];
    let Some(evidence) = case.evidence.filter(|e| !e.ablations.is_empty()) else {
        let why = match case.evidence {
            None => "needs the model: a run cannot be run again; validate the checkpoint itself".to_string(),
            Some(evidence) => nothing(evidence, "no ablation was made"),
        };
        all.push(Check::new("abl.uniform", GROUP).skipped(why));
        return all;
    };
    for (mode, id, words) in MODES {
        let mut of_mode: Vec<&Ablation> = evidence.ablations.iter().filter(|a| a.mode == mode).collect();
        of_mode.sort_by_key(|a| match a.scope {
            Scope::Whole => (0, 0, 0),
            Scope::Layer { layer } => (1, layer, 0),
            Scope::Head { layer, head } => (2, layer, head),
        });
        if of_mode.is_empty() {
            continue;
        }
        let parts: Vec<Check> = of_mode.iter().map(|a| check(case, evidence, a, id, words)).collect();
        if of_mode[0].scope != Scope::Whole {
            // Something of the model must stand at the head of the list: the largest effect among its parts.
            let top = parts.iter().max_by(|a, b| a.value.unwrap_or(f64::MIN).total_cmp(&b.value.unwrap_or(f64::MIN)));
            let matter: Vec<String> = parts.iter().filter(|c| c.verdict == Verdict::Pass).map(Check::place).collect();
            if let Some(top) = top.filter(|t| t.value.is_some()) {
                let mut model = top.clone();
                (model.layer, model.head) = (None, None);
                model.verdict = case.verdict(GROUP, !matter.is_empty());
                model.why =
                    format!("the largest effect, at {}: {}; matters at {}", top.place(), top.why, listed(&matter));
                all.push(model);
            }
        }
        all.extend(parts);
    }
    all
}

fn check(case: &Case<'_>, evidence: &Evidence, ablation: &Ablation, id: &str, words: &str) -> Check {
    let relative = evidence.ablation_loss == LossKind::RelativeChange;
    let key = if relative { Key::RelativeChange } else { Key::PerplexityChange };
    let mut check = Check::new(id, GROUP).threshold(case.config.sourced(key));
    match ablation.scope {
        Scope::Whole => {}
        Scope::Layer { layer } => check = check.layer(layer),
        Scope::Head { layer, head } => check = check.at(Some((layer, head))),
    }
    if !relative && evidence.ablation_base.len() != ablation.losses.len() {
        return check.skipped(format!(
            "{} ablated losses for {} unablated ones: they cannot be paired",
            ablation.losses.len(),
            evidence.ablation_base.len()
        ));
    }
    let differences: Vec<Option<f64>> = match relative {
        true => ablation.losses.clone(),
        false => ablation.losses.iter().zip(&evidence.ablation_base).map(|(a, base)| a.map(|a| a - base)).collect(),
    };
    let figure: Figure = case.figure(&differences);
    let Some(value) = figure.value else {
        return check.skipped(format!("not testable: {words} serves no input (no other input of its length?)"));
    };
    let verdict = |good| match ablation.scope {
        Scope::Whole => case.verdict(GROUP, good),
        _ => found(good),
    };
    if !value.is_finite() {
        return check.verdict(verdict(false), format!("with {words} the model's output is not a finite number"));
    }
    let served = differences.iter().flatten().count();
    let left_out = match differences.len() - served {
        0 => String::new(),
        n => format!("; {n} inputs could not be served"),
    } + &cut(evidence);
    let there: Vec<f64> = differences.iter().flatten().copied().collect();
    if relative {
        let why =
            format!("with {words} the last hidden state changes by {:.1} %{left_out}{}", 100.0 * value, figure.note);
        let large = value >= case.config.get(key);
        let good = figure.is_above(case.config.get(key), 0.0);
        let check = figure.fill(check).null(0.0).effect(value);
        return match large && figure.interval.is_none() {
            true => check.verdict(Verdict::Warn, format!("{why}: not resolvable, give five inputs or more")),
            false => check.verdict(verdict(good), why),
        };
    }
    // The threshold is stated for perplexity: exp(difference) - 1.
    let change = value.exp_m1();
    let sign = sign_flip(&there, Sides::Greater, case.config.seed, case.config.count(Key::Permutations));
    let p =
        sign.map_or(String::new(), |s| format!(", sign-flip p = {:.4}{}", s.p, if s.exact { " (exact)" } else { "" }));
    // One input, or a few, cannot tell an effect from chance: no smaller p than 2^-inputs exists.
    let unresolved = change >= case.config.get(key) && figure.interval.is_none();
    let good = change >= case.config.get(key) && figure.interval.as_ref().is_some_and(|i| i.low > 0.0);
    let of_labels = case.evidence.is_some_and(|e| e.ablation_loss == LossKind::Label);
    let what = if of_labels { "exp(loss)" } else { "perplexity" };
    let better = if value < 0.0 { ": the replacement is better than what was learned" } else { "" };
    let mut check = figure.fill(check).null(0.0).effect(change);
    check.threshold = Some(case.config.get(key).ln_1p());
    let why = format!(
        "with {words} the loss rises by {value:+.4} nats, {what} by {:+.1} % (the effect){better}{p}{left_out}{}",
        100.0 * change,
        figure.note
    );
    match unresolved {
        true => check.verdict(Verdict::Warn, format!("{why}: not resolvable, give five inputs or more")),
        false => check.verdict(verdict(good), why),
    }
}

/// Perplexity beside what counting words achieves on the same text.
fn perplexity(case: &Case<'_>) -> Check {
    let check =
        Check::new("loss.perplexity", GROUP).threshold((1.0, "below the unigram perplexity of the same text: ratio 1"));
    let Some(evidence) = case.evidence else {
        return check.skipped("needs the model: a run holds no loss; validate the checkpoint itself");
    };
    if !matches!(evidence.loss, LossKind::NextToken | LossKind::MaskedToken) {
        return check.skipped(format!(
            "perplexity belongs to language models; here it is {}",
            loss_words(evidence.loss, evidence.no_loss)
        ));
    }
    let predictions: usize = evidence.predictions.iter().sum();
    if predictions == 0 || evidence.predictions.len() != evidence.losses.len() {
        return check.skipped(nothing(evidence, "no prediction was made: give a text of two tokens or more"));
    }
    let total: f64 = evidence.losses.iter().zip(&evidence.predictions).map(|(l, &n)| l * n as f64).sum();
    let model = (total / predictions as f64).exp();
    let texts: Vec<Vec<u32>> =
        (0..case.patterns.inputs()).map(|i| case.patterns.tokens(i).iter().map(|t| t.id).collect()).collect();
    let Some((unigram, bigram)) = counting_perplexities(&texts) else {
        return check.value(model).no_interval("nothing stands beside it").verdict(
            Verdict::Warn,
            format!("perplexity {model:.2}; the tokens are not known, so nothing stands beside it"),
        );
    };
    let good = model < unigram;
    let masked =
        if evidence.loss == LossKind::MaskedToken { " (masked-token loss against next-token baselines)" } else { "" };
    // exp is monotone: the interval of the mean loss is that of the perplexity, if every input weighs the same.
    let each: Vec<Option<f64>> = evidence.losses.iter().map(|&l| Some(l)).collect();
    let mut figure = case.figure(&each);
    if let Some(interval) = &mut figure.interval {
        (interval.low, interval.high) = (interval.low.exp(), interval.high.exp());
    }
    let alike = evidence.predictions.iter().all(|n| *n == evidence.predictions[0]);
    let mut check = figure.fill(check).value(model).null(unigram).effect((unigram / model).ln());
    if !alike && check.interval.is_some() {
        check = check.no_interval("inputs differ in their number of predictions");
    }
    check.threshold = Some(unigram);
    let note = check.no_interval.as_ref().map_or(String::new(), |why| format!("; no interval: {why}"));
    let note = note + &left_out(evidence);
    check.verdict(
        case.verdict(GROUP, good),
        format!(
            "perplexity {model:.2} over {predictions} predictions; unigram {unigram:.2}, bigram {bigram:.2} on the same \
             text (counts without the predicted token itself, add-one over the text's own vocabulary){masked}; effect: \
             nats below unigram{note}"
        ),
    )
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
