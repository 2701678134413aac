//! The detectors on models whose heads are known: hand-built ones, and random ones that have none.

use attractor::random::Philox;
use attractor_judge::detect::induction::read_twice;
use attractor_judge::detect::{Detections, Detector, Finding, Options, detect};
use attractor_judge::statistics::Correction;
use conformance::hand_built::{BOS, Capture, HEADS, Kind, LAYERS, LENGTH, VOCAB};
use conformance::hand_built::{inputs, model, places, weights};

fn names(heads: &[attractor_judge::Head]) -> Vec<String> {
    heads.iter().map(ToString::to_string).collect()
}

fn found(detections: &Detections, detector: Detector) -> Vec<String> {
    names(&detections.summary(detector).unwrap().found)
}

/// Eighteen inputs of six periods: 2^18 signs and 18! pairings tell six heads from chance.
#[test]
fn the_detectors_find_exactly_these_heads() {
    let folder = tempfile::tempdir().unwrap();
    let model = model(folder.path(), &weights());
    let inputs: Vec<Vec<u32>> = [0, 7, 20_260].into_iter().flat_map(inputs).collect();
    let captured = Capture::honest(&model).run(&inputs);
    for correction in [Correction::Bh, Correction::By, Correction::MaxT] {
        let detections = detect(&captured, &Options { correction, ..Options::default() }).unwrap();
        let none = Vec::<String>::new();
        for (detector, expected) in [
            (Detector::Previous, places(Kind::Previous)),
            (Detector::Current, none.clone()),
            (Detector::First, places(Kind::First)),
            (Detector::Duplicate, none.clone()),
            (Detector::Induction, places(Kind::Induction)),
            (Detector::Positional, places(Kind::Previous)),
            (Detector::Sink, places(Kind::First)),
            (Detector::Delimiter, none),
        ] {
            let summary = detections.summary(detector).unwrap();
            assert_eq!(names(&summary.found), expected, "{correction:?}: {summary:?}");
            assert!(summary.not_resolvable.is_empty(), "{correction:?}: {summary:?}");
        }
        // Its words are no punctuation.
        assert!(detections.summary(Detector::Delimiter).unwrap().not_testable.is_some());
        let exact = |detector, layer, head| {
            let own = detections.of(detector, layer, head).unwrap();
            assert!((own.score.unwrap() - 1.0).abs() < 1e-3, "{own:?}");
            own.at.clone()
        };
        assert!(exact(Detector::Previous, 0, 1).is_empty() && exact(Detector::Induction, 1, 2).is_empty());
        assert_eq!(exact(Detector::Positional, 0, 1), [-1]);
        assert_eq!((exact(Detector::Sink, 0, 2), exact(Detector::Sink, 1, 0)), (vec![0], vec![0]));
    }
}

/// Repeated random words: the induction head's one target lies at offset -(n - 1), another n in every input.
#[test]
fn induction_is_found_on_repeated_random_words() {
    let folder = tempfile::tempdir().unwrap();
    let model = model(folder.path(), &weights());
    let words: Vec<u32> = (0..BOS).collect();
    let inputs: Vec<Vec<u32>> =
        read_twice(&words, 16, 16, 5).unwrap().into_iter().map(|block| [vec![BOS], block].concat()).collect();
    let captured = Capture::honest(&model).run(&inputs);
    let options = Options { detectors: vec![Detector::Duplicate, Detector::Induction], ..Options::default() };
    let detections = detect(&captured, &options).unwrap();
    assert_eq!(found(&detections, Detector::Induction), places(Kind::Induction));
    assert!(found(&detections, Detector::Duplicate).is_empty());
    let own = detections.of(Detector::Induction, 1, 2).unwrap();
    assert!((own.score.unwrap() - 1.0).abs() < 1e-3 && own.null.unwrap() < 0.2, "{own:?}");
}

/// Thirty models of random weights at each of two scales: no head is found. Shares of p <= 0.05 are printed: a random head
/// does look a little more at its own token's kind or at some positions, so these are effects, not alarms.
#[test]
fn heads_of_random_models_are_not_found() {
    const MODELS: u64 = 30;
    for spread in [0.02, 0.06] {
        let mut small = [0usize; 8];
        let mut tested = [0usize; 8];
        for seed in 0..MODELS {
            let mut random = Philox::new(seed, 31);
            let mut all = weights();
            for (name, array) in &mut all {
                if name.contains(".ln_") {
                    continue;
                }
                array.values.iter_mut().for_each(|v| *v = (spread * random.normal()) as f32);
            }
            let folder = tempfile::tempdir().unwrap();
            let model = model(folder.path(), &all);
            let inputs: Vec<Vec<u32>> = (0..14)
                .map(|_| std::iter::once(BOS).chain((1..LENGTH).map(|_| random.below(VOCAB - 1) as u32)).collect())
                .collect();
            let captured = Capture::honest(&model).run(&inputs);
            let options = Options { permutations: 999, resamples: 499, seed, ..Options::default() };
            let detections = detect(&captured, &options).unwrap();
            for own in &detections.heads {
                assert!(!matches!(own.verdict, Finding::Found | Finding::NotResolvable), "seed {seed}: {own:?}");
                if let Some(p) = own.p {
                    tested[own.detector as usize] += 1;
                    small[own.detector as usize] += usize::from(p <= 0.05);
                }
            }
        }
        for detector in Detector::ALL.into_iter().filter(|&d| d != Detector::Delimiter) {
            let (count, of) = (small[detector as usize], tested[detector as usize]);
            assert_eq!(of as u64, MODELS * (LAYERS * HEADS) as u64);
            println!("weights of {spread}: {}: p <= 0.05 in {count} of {of} heads, none found", detector.name());
        }
    }
}
