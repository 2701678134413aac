//! Every sentence of a report, against a file of sentences that somebody has read.
//!
//! `ATTRACTOR_GOLDEN=write cargo nextest run --workspace --cargo-profile bench every_sentence` writes them anew: read each that
//! changed before it is committed. Numbers in sentences are rounded, so that the file is the same on every machine.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use attractor_record::evidence::{
    Ablation, AblationMode, CausalityProbe, Evidence, LossKind, NoLoss, Scope, Unpredictable,
};

use super::live::{evidence, text};
use super::*;
use crate::config::Config;
use crate::{Report, judge};

/// What is judged, by name; together they reach nearly every sentence.
fn cases() -> Vec<(&'static str, Report)> {
    let judged = |maps: &Maps| judge(maps, None, &Config::default()).unwrap();
    let lived = |evidence: &Evidence| judge(&text(), Some(evidence), &Config::default()).unwrap();
    let ids: Vec<Vec<u32>> = (0..7).map(|seed| random_ids(31, 11, seed)).collect();
    let mixed = || {
        Maps::causal(&ids, 2)
            .head(0, uniform)
            .head(0, previous)
            .head(0, |ids, input| noise(ids.len(), 1.3, 5 + input as u64, |_, _| 0.0))
            .head(1, |ids, _| sink(ids, 0.7))
            .head(1, induction)
    };
    let beliefs = |width: usize| {
        let of = |input: usize| -> Vec<f32> {
            let mut random = attractor::random::Philox::new(9, input as u64);
            (0..31 * width).map(|_| random.normal() as f32).collect()
        };
        vec![(0..7).map(of).collect::<Vec<_>>(), vec![vec![1.0; 31 * width]; 7]]
    };
    let mut all = Vec::new();
    all.push(("nothing was captured", judged(&Maps::causal(&[], 1))));
    all.push(("one input, no head", judged(&Maps::causal(&[vec![1, 2, 3]], 1))));
    all.push(("one token", judged(&Maps::causal(&[vec![1]], 1).head(0, uniform))));
    all.push(("one input", judged(&Maps::causal(&ids[..1], 1).head(0, previous).head(0, uniform))));
    all.push(("inputs of different lengths", {
        let ids: Vec<Vec<u32>> = [7, 11, 13].map(|n| random_ids(n, 5, n as u64)).into();
        judged(&Maps::causal(&ids, 1).head(0, uniform).head(0, previous))
    }));
    all.push(("seven inputs", judged(&mixed())));
    all.push(("seven inputs with beliefs", {
        let mut maps = mixed();
        maps.beliefs = beliefs(3);
        maps.facts = Facts {
            output_error: Some(1e-7),
            projection_error: Some(0.5),
            output_scale: Some(2.0),
            evaluation_mode: Some(false),
            ..Facts::default()
        };
        judged(&maps)
    }));
    all.push(("a bidirectional model of tokens that repeat", {
        let ids: Vec<Vec<u32>> = (0..2).map(|_| [4, 5, 6, 7].repeat(4)).collect();
        judged(&Maps::causal(&ids, 1).bidirectional().head(0, |ids, _| vec![1.0 / ids.len() as f32; ids.len().pow(2)]))
    }));
    all.push(("image patches", {
        let mut maps = mixed();
        maps.tokens.iter_mut().flatten().for_each(|token| token.role = Role::Patch);
        judged(&maps)
    }));
    all.push(("statistics alone", judge(&Bare(mixed()), None, &Config::default()).unwrap()));
    all.push(("a head that is not a number", {
        let mut maps = mixed();
        maps.maps[0][1][3][40] = f32::NAN;
        judged(&maps)
    }));
    all.push(("nothing is a number", {
        let mut maps = Maps::causal(&ids[..2], 1).head(0, uniform);
        maps.maps[0][0].iter_mut().for_each(|map| map.fill(f32::NAN));
        judged(&maps)
    }));
    all.push(("scores, and a leak", {
        let mut maps = mixed();
        maps.maps[0][0][2][8] = -0.25;
        maps.maps[1][1][2][5] = 0.125;
        judged(&maps)
    }));
    all.push(("live", lived(&evidence())));
    all.push(("live, of many heads and layers", {
        let mut evidence = evidence();
        let rises = |by: f64| (0..6).map(|i| Some(2.0 + by + 0.01 * f64::from(i))).collect::<Vec<_>>();
        evidence.ablations = vec![
            Ablation::new(Scope::Layer { layer: 0 }, AblationMode::Zero, rises(0.7)),
            Ablation::new(Scope::Head { layer: 0, head: 1 }, AblationMode::Zero, rises(-0.3)),
            Ablation::new(Scope::Whole, AblationMode::Previous, vec![Some(f64::INFINITY); 6]),
            Ablation::new(Scope::Whole, AblationMode::SelfOnly, vec![Some(1.0); 5]),
            Ablation::new(Scope::Whole, AblationMode::OtherInput, vec![Some(3.0), None, Some(3.5), None, None, None]),
        ];
        evidence.cut = Some(17);
        lived(&evidence)
    }));
    all.push(("live, broken", {
        let mut evidence = evidence();
        evidence.probes.push(CausalityProbe { input: 2, position: 5, past_change: 0.02, future_change: 0.4 });
        let gradients = evidence.gradients.as_mut().unwrap();
        gradients.heads[1].norms[3] = 0.0;
        gradients.finite_difference.numeric = 0.0;
        gradients.finite_difference.analytic = 0.0;
        gradients.groups[0].norm = 0.0;
        evidence.predictions[2] = 3;
        evidence.losses.iter_mut().for_each(|loss| *loss += 1.0);
        lived(&evidence)
    }));
    all.push(("live, without a loss", {
        let mut evidence = evidence();
        (evidence.loss, evidence.ablation_loss) = (LossKind::RelativeChange, LossKind::RelativeChange);
        evidence.no_loss = Some(NoLoss::MaskTokenUnknown);
        evidence.gradients.as_mut().unwrap().loss = LossKind::RandomProjection;
        evidence.gradients.as_mut().unwrap().groups.remove(0);
        evidence.probes[0].future_change = 0.0;
        evidence.ablations.truncate(3);
        evidence.ablations[1].losses = vec![Some(0.3), Some(0.4)];
        lived(&evidence)
    }));
    all.push(("live, of labels", {
        let mut evidence = evidence();
        (evidence.loss, evidence.ablation_loss) = (LossKind::Label, LossKind::Label);
        evidence.gradients.as_mut().unwrap().loss = LossKind::Label;
        evidence.gradients.as_mut().unwrap().heads.clear();
        evidence.probes.clear();
        lived(&evidence)
    }));
    all.push(("live, masked tokens", {
        let mut evidence = evidence();
        evidence.loss = LossKind::MaskedToken;
        evidence.left_out = vec![(2, Unpredictable::Short { tokens: 1 }), (4, Unpredictable::Short { tokens: 1 })];
        lived(&evidence)
    }));
    all.push(("live, with nothing to predict", {
        let mut evidence = evidence();
        evidence.left_out = vec![(0, Unpredictable::Short { tokens: 1 })];
        evidence.losses.clear();
        evidence.predictions.clear();
        evidence.ablations.clear();
        evidence.gradients = None;
        lived(&evidence)
    }));
    all.push(("live, with little to say", {
        let mut evidence = evidence();
        evidence.ablations.clear();
        evidence.predictions.clear();
        evidence.gradients = None;
        lived(&evidence)
    }));
    all
}

/// A sentence without its numbers: its form.
fn form(sentence: &str) -> String {
    sentence.chars().filter(|c| !c.is_ascii_digit()).collect()
}

#[test]
fn every_sentence_reads_as_it_did() {
    let mut told = String::new();
    // Each form of a sentence once.
    let mut forms = BTreeSet::new();
    for (name, report) in cases() {
        let _ = writeln!(told, "# {name}");
        for check in &report.checks {
            let line = format!("{} {} {}: {}", check.id, check.place(), check.mark(), check.why);
            if forms.insert(form(&line)) {
                let _ = writeln!(told, "{line}");
            }
            let why = check.no_interval.iter().map(|why| format!("{}, no interval: {why}", check.id));
            why.filter(|line| forms.insert(form(line))).for_each(|line| told += &(line + "\n"));
        }
        let _ = writeln!(told, "conclusion: {}\n  {}\n", report.conclusion.headline, report.conclusion.action);
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tests/words.txt");
    if std::env::var_os("ATTRACTOR_GOLDEN").is_some_and(|v| v == "write") {
        std::fs::write(&path, &told).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap();
    for (number, (was, is)) in golden.lines().zip(told.lines()).enumerate() {
        assert_eq!(was, is, "line {}", number + 1);
    }
    assert_eq!(golden.lines().count(), told.lines().count());
}
