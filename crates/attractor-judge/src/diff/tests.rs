use super::*;
use crate::detect::{Detector, Options, detect};
use crate::tests::{Maps, induction, noise, previous, random_ids, uniform};

fn said<T: ToString>(all: &[T]) -> Vec<String> {
    all.iter().map(T::to_string).collect()
}

fn ids(inputs: usize) -> Vec<Vec<u32>> {
    // Twelve tokens that are read twice: every second one has an earlier occurrence.
    (0..inputs).map(|i| [random_ids(12, 400, i as u64), random_ids(12, 400, i as u64)].concat()).collect()
}

fn compare(a: &Maps, b: &Maps) -> Diff {
    diff(a, b, None, &DiffOptions { resamples: 499, ..DiffOptions::default() }, &Context::new(0)).unwrap()
}

fn noisy(inputs: usize) -> Maps {
    let head = |seed: u64| move |ids: &[u32], input: usize| noise(ids.len(), 1.3, 31 * input as u64 + seed, |_, _| 0.0);
    Maps::causal(&ids(inputs), 2).head(0, head(1)).head(0, head(2)).head(1, head(3)).head(1, head(4))
}

#[test]
fn a_source_does_not_differ_from_itself() {
    let found = compare(&noisy(6), &noisy(6));
    assert_eq!((found.heads.len(), found.inputs, found.lengths.as_slice()), (4, 6, [24; 6].as_slice()));
    assert!(found.notes.is_empty(), "{:?}", found.notes);
    for head in &found.heads {
        assert_eq!(head.changes.len(), Metric::ALL.len() - 1, "all but the loss: {:?}", head.changes.keys());
        for (metric, change) in &head.changes {
            assert_eq!(change.difference, 0.0, "{metric}");
            let interval = change.interval.as_ref().unwrap();
            assert_eq!((interval.low, interval.high), (0.0, 0.0), "{metric}");
        }
    }
}

/// An induction and a previous-token head lose what they are: by hand.
#[test]
fn planted_changes_are_found_in_the_right_heads() {
    let n = 24;
    let a = Maps::causal(&ids(6), 1).head(0, previous).head(0, induction);
    let b = Maps::causal(&ids(6), 1).head(0, uniform).head(0, uniform);
    let found = compare(&a, &b);
    let get = |head: usize, metric: Metric| &found.heads[head].changes[&metric];
    let chance: f64 = (1..n).map(|i| 1.0 / (i + 1) as f64).sum::<f64>() / (n - 1) as f64;
    let change = get(0, Metric::Previous);
    assert!((change.difference - (chance - 1.0)).abs() < 1e-6 && change.a == Some(1.0), "{change:?}");
    // Rows 12..24 have one successor of an earlier occurrence; a uniform row gives it 1 / (i + 1).
    let chance: f64 = (12..n).map(|i| 1.0 / (i + 1) as f64).sum::<f64>() / 12.0;
    let change = get(1, Metric::Induction);
    assert!((change.difference - (chance - 1.0)).abs() < 1e-6, "{change:?}");
    // And one earlier occurrence of itself, which the induction head does not look at.
    let change = get(1, Metric::Duplicate);
    assert!((change.difference - chance).abs() < 1e-6 && change.a == Some(0.0), "{change:?}");
    // Previous-token rows 2.. reach one token; a uniform row i reaches i / 2 on average.
    let change = get(0, Metric::Distance);
    let expected = (0..n).map(|i| i as f64 / 2.0).sum::<f64>() / n as f64 - (n - 1) as f64 / n as f64;
    assert!((change.difference - expected).abs() < 1e-5, "{change:?}");
    let change = get(0, Metric::Entropy);
    assert!((change.difference - 1.0).abs() < 1e-6, "from one key to all: {change:?}");

    let met = found.check(&Condition::parse("induction<-0.5").unwrap());
    assert_eq!((met.tested, met.met.len(), met.met[0].0.to_string().as_str()), (2, 1, "L0H1"));
    assert!(found.check(&Condition::parse("induction<-0.99").unwrap()).met.is_empty());
    assert_eq!(found.check(&Condition::parse("entropy>0.5").unwrap()).met.len(), 2);
    // A bound beyond what B could be whatever it is tests nothing, and is not passed.
    let beyond = found.check(&Condition::parse("induction<-1").unwrap());
    assert_eq!((beyond.tested, beyond.met.len(), beyond.is_ok()), (2, 0, false));
    assert!(beyond.fault().unwrap().contains("the highest induction of A is 1.0000 (L0H1), so B - A cannot fall"));
    let xml = junit(None, &[beyond]);
    assert!(xml.contains("skipped=\"1\"") && xml.contains("failures=\"0\""), "{xml}");
    for (condition, reachable) in [
        ("entropy<-0.1", false),
        ("entropy>0.9", true),
        ("entropy>1", false),
        ("divergence>0.9", true),
        ("divergence<0", false),
        ("effective_keys<-0.5", false),
        ("distance>100", true),
    ] {
        let checked = found.check(&Condition::parse(condition).unwrap());
        assert_eq!(checked.fault().is_none(), reachable, "{condition}: {:?}", checked.fault());
    }
    // Metrics of other inputs of the same heads take the place of these; without such inputs they are not testable.
    let other = compare(&b, &b).with(&[Metric::Induction], found.clone());
    assert_eq!(other.heads[1].changes[&Metric::Induction], found.heads[1].changes[&Metric::Induction]);
    assert_eq!(other.heads[1].changes[&Metric::Entropy].difference, 0.0);
    let lacking = found.clone().without(&[Metric::Induction]);
    assert!(lacking.notes.contains(&Disparity::NotTestable(Metric::Induction)));
    assert_eq!(lacking.check(&Condition::parse("induction<0").unwrap()).tested, 0);
    assert_eq!(found.check(&Condition::parse("loss>0").unwrap()).tested, 0);
}

/// `diff` and `heads` tell the same of a head, whatever the inputs' lengths: the sink too, although the position that
/// receives most is another one in some inputs.
#[test]
fn figures_are_the_scores_of_the_detectors() {
    let ids: Vec<Vec<u32>> =
        (0..6).map(|i| [random_ids(9 + i, 40, i as u64), random_ids(9 + i, 40, i as u64)].concat()).collect();
    let head = |seed: u64, spread: f64| {
        move |ids: &[u32], input: usize| {
            let likes = move |_: usize, j: usize| if j == (input * 5) % 4 { 1.5 } else { 0.0 };
            noise(ids.len(), spread, 7 * input as u64 + seed, likes)
        }
    };
    let maps = Maps::causal(&ids, 1).head(0, head(1, 0.8)).head(0, head(2, 1.6)).head(0, induction).head(0, previous);
    let detectors = [Detector::Previous, Detector::First, Detector::Duplicate, Detector::Induction, Detector::Sink];
    let options = Options { detectors: detectors.to_vec(), permutations: 99, resamples: 99, ..Options::default() };
    let scores = detect(&maps, &options).unwrap();
    let found = compare(&maps, &maps);
    for head in &found.heads {
        for (detector, metric) in detectors.into_iter().zip([
            Metric::Previous,
            Metric::First,
            Metric::Duplicate,
            Metric::Induction,
            Metric::Sink,
        ]) {
            let score = scores.of(detector, 0, head.head).unwrap().score.unwrap();
            let figure = head.changes[&metric].a.unwrap();
            assert!((score - figure).abs() < 1e-6, "{} {metric}: {figure}, the detector says {score}", head.place());
        }
    }
    // By input the sink would be larger: the largest of each.
    let sink = found.heads[0].changes[&Metric::Sink].a.unwrap();
    let geometry = Geometry::of_all(&maps, &Config::default()).unwrap();
    let each: Vec<f64> = geometry[0]
        .iter()
        .enumerate()
        .map(|(input, g)| {
            let n = g.keys;
            let alpha =
                |k: usize| (k..n).map(|i| f64::from(maps.maps[0][0][input][i * n + k])).sum::<f64>() / (n - k) as f64;
            (0..=n / 2).map(alpha).fold(0.0, f64::max)
        })
        .collect();
    assert!(mean(&each) > sink + 0.02, "{each:?} against {sink}");
}

/// All on the own position against all on position 0: disjoint in every row but the first, where both are key 0.
#[test]
fn divergence_is_zero_for_equal_rows_and_one_for_disjoint_ones() {
    let n = 24;
    let cells = |n: usize, one: fn(usize, usize) -> bool| -> Vec<f32> {
        (0..n * n).map(|at| f32::from(u8::from(one(at / n, at % n)))).collect()
    };
    let a = Maps::causal(&ids(5), 1).head(0, |ids, _| cells(ids.len(), |i, j| i == j));
    let b = Maps::causal(&ids(5), 1).head(0, |ids, _| cells(ids.len(), |_, j| j == 0));
    let change = &compare(&a, &b).heads[0].changes[&Metric::Divergence];
    assert!((change.difference - (n - 1) as f64 / n as f64).abs() < 1e-12, "{change:?}");
    assert_eq!((change.a, change.b), (None, None));
}

#[test]
fn few_inputs_have_no_interval_and_say_so() {
    let found = compare(&noisy(4), &noisy(4));
    let change = &found.heads[0].changes[&Metric::Entropy];
    assert_eq!((change.interval.as_ref(), change.why), (None, Some(NoBootstrap::FewInputs)));
}

/// Pairs of inputs: the interval is of the differences, not of two separate samples.
#[test]
fn losses_are_paired() {
    let maps = noisy(6);
    let a = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0].map(Some);
    let b = [1.5, 2.5, 3.5, 4.5, 5.5, 6.5].map(Some);
    let options = DiffOptions { resamples: 499, ..DiffOptions::default() };
    let loss = diff(&maps, &maps, Some((&a, &b)), &options, &Context::new(0)).unwrap().loss.unwrap();
    let interval = loss.interval.unwrap();
    assert_eq!((loss.difference, interval.low, interval.high, loss.inputs), (0.5, 0.5, 0.5, 6));
    let some = [Some(1.5), None, Some(3.5), Some(4.5), Some(5.5), Some(6.5)];
    assert_eq!(diff(&maps, &maps, Some((&a, &some)), &options, &Context::new(0)).unwrap().loss.unwrap().inputs, 5);
}

#[test]
fn other_tokens_are_refused_with_their_place() {
    let (a, mut b) = (noisy(6), noisy(6));
    b.tokens[2][7].id = 9999;
    b.tokens[2][7].text = "other".into();
    let options = DiffOptions::default();
    let error = diff(&a, &b, None, &options, &Context::new(0)).unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("input 2, position 7"), "{error}");
    assert!(error.to_string().contains("\"other\" (number 9999)"), "{error}");
    let error = diff(&a, &noisy(5), None, &options, &Context::new(0)).unwrap_err();
    assert!(error.to_string().contains("A has 6 inputs, B has 5"), "{error}");
}

#[test]
fn what_has_no_partner_is_said() {
    let a = noisy(5);
    let b = Maps::causal(&ids(5), 1).head(0, uniform);
    let found = compare(&a, &b);
    assert_eq!(found.heads.iter().map(|head| head.place().to_string()).collect::<Vec<_>>(), ["L0H0"]);
    assert_eq!(said(&found.notes), ["layers only in A: 1", "layer 0: heads only in A: 1"]);
    let error = diff(&a, &Maps::causal(&ids(5), 1), None, &DiffOptions::default(), &Context::new(0)).unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("no head in common"), "{error}");
}

/// A head that turned into no number, wholly or in one row, is no head that did not change: a gate must see it.
#[test]
fn a_head_that_is_lost_fails_a_gate() {
    let source = || Maps::causal(&ids(5), 1).head(0, uniform).head(0, previous).head(0, induction);
    let a = source();
    for rows in [1..2, 0..40] {
        let mut b = source();
        let row = b.maps[0][1][2].len() / b.tokens[2].len();
        b.maps[0][1][2][rows.start * row..rows.end.min(b.tokens[2].len()) * row].fill(f32::NAN);
        let found = compare(&a, &b);
        let head = &found.heads[1];
        assert!(head.unfit.unwrap().to_string().starts_with("on 1 of 5 inputs; B: "), "{:?}", head.unfit);
        assert_eq!(head.changes[&Metric::Entropy].inputs, 4);
        let checked = found.check(&Condition::parse("entropy>0.5").unwrap());
        assert_eq!(
            (checked.met.len(), &checked.untested, checked.is_ok()),
            (0, &vec![Head { layer: 0, head: 1 }], false)
        );
    }
    // Heads that only one of them has.
    let found = compare(&a, &Maps::causal(&ids(5), 1).head(0, uniform));
    assert_eq!(said(&found.unmatched), ["L0H1", "L0H2"]);
    let checked = found.check(&Condition::parse("entropy>0.5").unwrap());
    assert!(checked.tested == 1 && !checked.is_ok() && checked.untested == found.unmatched);
    assert!(compare(&a, &source()).check(&Condition::parse("entropy>0.5").unwrap()).is_ok());
}

/// Tokens that never occur again, and a source without maps: not testable, with the reason, and never zero.
#[test]
fn what_cannot_be_tested_is_said() {
    let once: Vec<Vec<u32>> = (0..5).map(|_| (0..9).collect()).collect();
    let found = compare(&Maps::causal(&once, 1).head(0, uniform), &Maps::causal(&once, 1).head(0, previous));
    assert!(!found.heads[0].changes.contains_key(&Metric::Induction));
    assert!(
        found.notes.iter().any(|note| note.to_string().starts_with("induction: not testable")),
        "{:?}",
        found.notes
    );
    assert_eq!(found.check(&Condition::parse("induction<1").unwrap()).tested, 0);

    let mut b = Maps::causal(&once, 1).head(0, previous);
    let row = |x: f32| vec![x; 9];
    b.statistics = Some(attractor::retrieve::HeadStatistics {
        queries: 9,
        keys: 9,
        entropy: row(0.5),
        previous_mass: row(0.25),
        first_mass: row(0.125),
        mean_distance: row(2.0),
        ..Default::default()
    });
    let found = compare(&Maps::causal(&once, 1).head(0, uniform), &b);
    let changes = &found.heads[0].changes;
    assert_eq!(changes[&Metric::Previous].b, Some(0.25));
    assert!((changes[&Metric::EffectiveKeys].b.unwrap() - 0.5f64.exp()).abs() < 1e-9);
    assert!(!changes.contains_key(&Metric::Divergence) && !changes.contains_key(&Metric::Sink));
    assert!(found.notes.iter().any(|note| note.to_string().contains("kept no maps")), "{:?}", found.notes);
}

#[test]
fn the_answer_does_not_depend_on_threads() {
    let (a, mut b) = (noisy(6), noisy(6));
    b.maps[1][1] = b.maps[0][0].clone();
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(compare(&a, &b), one.install(|| compare(&a, &b)));
    assert!(compare(&a, &b).heads[3].changes[&Metric::Divergence].difference > 0.05);
}
