//! Detectors on attention whose answers are known: found, absent, not resolvable, not testable, and why.

use attractor_record::Role;

use super::*;
use crate::detect::{Detection, Detections, Detector, Finding, Options, Unmet, detect};
use crate::statistics::Correction;

/// Enough inputs for 9999 different signs.
const INPUTS: usize = 14;
const N: usize = 40;

fn options() -> Options {
    Options { permutations: 9999, resamples: 499, ..Options::default() }
}

fn ids(inputs: usize) -> Vec<Vec<u32>> {
    (0..inputs as u64).map(|seed| random_ids(N, 12, 50 + seed)).collect()
}

fn spread(ids: &[u32], of: impl Fn(usize) -> Vec<usize>) -> Vec<f32> {
    let n = ids.len();
    let mut map = vec![0.0; n * n];
    for i in 0..n {
        let keys = of(i);
        let keys = if keys.is_empty() { (0..=i).collect() } else { keys };
        keys.iter().for_each(|&j| map[i * n + j] = 1.0 / keys.len() as f32);
    }
    map
}

fn duplicate(ids: &[u32], _: usize) -> Vec<f32> {
    spread(ids, |i| (0..i).filter(|&j| ids[j] == ids[i]).collect())
}

/// As `induction`, but uniform where there is nothing to follow: position 0 is no sink.
fn successors(ids: &[u32], _: usize) -> Vec<f32> {
    spread(ids, |i| (1..i).filter(|&j| ids[j - 1] == ids[i]).collect())
}

fn current(ids: &[u32], _: usize) -> Vec<f32> {
    spread(ids, |i| vec![i])
}

/// Mass on every fifth position, where the punctuation of [`planted`] stands in some inputs.
fn delimiter(at: impl Fn(usize, usize) -> bool) -> impl Fn(&[u32], usize) -> Vec<f32> {
    move |ids, input| spread(ids, |i| (1..=i).filter(|&j| at(input, j)).collect())
}

fn is_punctuation(input: usize, position: usize) -> bool {
    position > 0 && (position * 7 + input * 3) % 11 == 0
}

/// Eight heads, one of each kind but positional, and a uniform one; position 2 is the sink of the last.
fn planted(inputs: usize) -> Maps {
    let mut maps = Maps::causal(&ids(inputs), 2)
        .head(0, previous)
        .head(0, current)
        .head(0, |ids, _| sink(ids, 0.9))
        .head(0, uniform)
        .head(1, duplicate)
        .head(1, successors)
        .head(1, delimiter(is_punctuation))
        .head(1, |ids, _| spread(ids, |i| if i > 6 { vec![2, i / 2] } else { vec![] }));
    for (input, tokens) in maps.tokens.iter_mut().enumerate() {
        for (position, token) in tokens.iter_mut().enumerate() {
            if is_punctuation(input, position) {
                token.role = Role::Punctuation;
                token.id = 99;
            }
        }
    }
    // The maps follow the ids that the tokens have now.
    let all: Vec<Vec<u32>> = maps.tokens.iter().map(|t| t.iter().map(|t| t.id).collect()).collect();
    maps.maps[1][0] = all.iter().map(|ids| duplicate(ids, 0)).collect();
    maps.maps[1][1] = all.iter().map(|ids| successors(ids, 0)).collect();
    maps
}

fn found(detections: &Detections, detector: Detector) -> Vec<String> {
    detections.summary(detector).unwrap().found.iter().map(ToString::to_string).collect()
}

fn of(detections: &Detections, detector: Detector, layer: usize, head: usize) -> &Detection {
    detections.of(detector, layer, head).unwrap()
}

#[test]
fn every_head_is_found_by_its_detector_and_by_no_other() {
    let maps = planted(INPUTS);
    for correction in [Correction::Bh, Correction::By, Correction::MaxT] {
        let detections = detect(&maps, &Options { correction, ..options() }).unwrap();
        let expected: [(Detector, &[&str]); 8] = [
            (Detector::Previous, &["L0H0"]),
            (Detector::Current, &["L0H1"]),
            (Detector::First, &["L0H2"]),
            (Detector::Duplicate, &["L1H0"]),
            (Detector::Induction, &["L1H1"]),
            (Detector::Positional, &["L0H0", "L0H1"]),
            (Detector::Sink, &["L0H2", "L1H3"]),
            (Detector::Delimiter, &["L1H2"]),
        ];
        for (detector, heads) in expected {
            let summary = detections.summary(detector).unwrap();
            assert_eq!(found(&detections, detector), heads, "{correction:?} {summary:?}");
            assert!(summary.not_resolvable.is_empty() && summary.resolvable, "{summary:?}");
        }
        assert_eq!(of(&detections, Detector::Sink, 1, 3).at, [2]);
        assert_eq!(of(&detections, Detector::Sink, 0, 2).at, [0]);
        assert_eq!(of(&detections, Detector::Positional, 0, 0).at, [-1]);
        assert_eq!(of(&detections, Detector::Positional, 0, 1).at, [0]);
        for (detector, layer, head) in [(Detector::Previous, 0, 0), (Detector::Induction, 1, 1)] {
            let own = of(&detections, detector, layer, head);
            assert!(own.score.unwrap() > 0.95 && own.null.unwrap() < 0.5, "{own:?}");
            let interval = own.interval.as_ref().unwrap();
            assert!(interval.low > own.null.unwrap() && own.q.unwrap() <= 0.05 && own.p <= own.q, "{own:?}");
        }
    }
}

/// A uniform head is not told from uniform by rounding, whatever the number of inputs.
#[test]
fn rounding_is_no_effect() {
    let detections = detect(&planted(INPUTS), &options()).unwrap();
    for detector in [Detector::Previous, Detector::Current, Detector::First, Detector::Sink] {
        let own = of(&detections, detector, 0, 3);
        assert!((own.score.unwrap() - own.null.unwrap()).abs() < 1e-6 && own.p == Some(1.0), "{own:?}");
    }
    for detector in [Detector::Duplicate, Detector::Induction, Detector::Delimiter] {
        let own = of(&detections, detector, 0, 3);
        assert!(own.verdict == Finding::Absent && own.p.unwrap() > 0.5, "{own:?}");
    }
}

#[test]
fn the_answer_is_the_same_for_any_number_of_threads() {
    let maps = planted(INPUTS);
    let json = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| detect(&maps, &options()).unwrap().to_json())
    };
    let one = json(1);
    assert!(one == json(3));
    assert_eq!(one, detect(&maps, &options()).unwrap().to_json());
}

/// One input: content is tested within it, position cannot be tested across inputs, and both are said.
#[test]
fn one_input_gives_what_it_can() {
    let detections = detect(&planted(1), &options()).unwrap();
    let previous = of(&detections, Detector::Previous, 0, 0);
    assert_eq!((previous.verdict, previous.p), (Finding::NotResolvable, None));
    assert!(
        previous.score.unwrap() > 0.99
            && previous.interval.is_none()
            && previous.why.to_string().contains("fewer than five")
    );
    for (detector, head) in [(Detector::Duplicate, 0), (Detector::Induction, 1)] {
        let own = of(&detections, detector, 1, head);
        assert_eq!(own.verdict, Finding::Found, "{own:?}");
        assert!(detections.summary(detector).unwrap().null.to_string().contains("equal offset"));
    }
    // 39 rotations cannot resolve eight heads beside all other tests.
    let own = of(&detections, Detector::Delimiter, 1, 2);
    assert_eq!(own.verdict, Finding::NotResolvable, "{own:?}");
    assert!((own.p.unwrap() - 1.0 / 39.0).abs() < 1e-12, "{own:?}");
    assert!(!detections.summary(Detector::Delimiter).unwrap().resolvable);
}

/// Five inputs have 32 signs and 120 pairings: too few for many tests, and that is what is said.
#[test]
fn too_few_permutations_are_said_to_be_too_few() {
    let detections = detect(&planted(5), &options()).unwrap();
    for (detector, layer, head, smallest) in
        [(Detector::Previous, 0, 0, 1.0 / 32.0), (Detector::Induction, 1, 1, 1.0 / 120.0)]
    {
        let own = of(&detections, detector, layer, head);
        assert_eq!((own.verdict, own.p), (Finding::NotResolvable, Some(smallest)), "{own:?}");
        assert!(own.why.to_string().contains("too coarse"), "{}", own.why);
        let summary = detections.summary(detector).unwrap();
        assert!(!summary.resolvable && summary.not_resolvable == [own.place()], "{summary:?}");
    }
}

/// Inputs that are all one cycle: a head that looks equally far back scores like an induction head, and cannot be told
/// from one.
#[test]
fn position_is_not_taken_for_content() {
    let cycle: Vec<u32> = (0..N as u32).map(|i| i % 8).collect();
    let back = |ids: &[u32], _: usize| spread(ids, |i| if i >= 7 { vec![i - 7] } else { vec![i] });
    let maps = Maps::causal(&vec![cycle; INPUTS], 1).head(0, back);
    let detections = detect(&maps, &options()).unwrap();
    let own = of(&detections, Detector::Induction, 0, 0);
    assert!(own.score.unwrap() >= 0.4, "{own:?}");
    assert_eq!((own.verdict, own.p), (Finding::NotResolvable, None), "{own:?}");
    assert!(own.why.to_string().contains("content cannot be distinguished from position"), "{}", own.why);
    // With other periods in other inputs it is what it is: no induction head.
    let ids: Vec<Vec<u32>> = (0..INPUTS as u32).map(|s| (0..N as u32).map(|i| i % (6 + s)).collect()).collect();
    let detections = detect(&Maps::causal(&ids, 1).head(0, back).head(0, successors), &options()).unwrap();
    assert_eq!(of(&detections, Detector::Induction, 0, 0).verdict, Finding::Absent);
    assert_eq!(of(&detections, Detector::Induction, 0, 1).verdict, Finding::Found);
}

/// Repeated random words: exactly one target per row, at offset -(n - 1).
#[test]
fn the_exact_form_of_induction_counts_one_offset() {
    let words: Vec<u32> = (1..60).collect();
    let blocks = crate::detect::induction::read_twice(&words, 30, INPUTS, 9).unwrap();
    let ids: Vec<Vec<u32>> = blocks.into_iter().map(|b| [vec![0], b].concat()).collect();
    // Half on the target at -(n - 1), half on the occurrence itself at -n.
    let half = |ids: &[u32], _: usize| {
        spread(ids, |i| (1..i).filter(|&j| ids[j] == ids[i]).flat_map(|j| [j, j + 1]).collect())
    };
    let detections = detect(&Maps::causal(&ids, 1).head(0, successors).head(0, half), &options()).unwrap();
    let score = |detector, head| of(&detections, detector, 0, head).score.unwrap();
    assert!((score(Detector::Induction, 0) - 1.0).abs() < 1e-6 && (score(Detector::Induction, 1) - 0.5).abs() < 1e-6);
    assert!(score(Detector::Duplicate, 0).abs() < 1e-6 && (score(Detector::Duplicate, 1) - 0.5).abs() < 1e-6);
    assert_eq!(found(&detections, Detector::Induction), ["L0H0", "L0H1"]);
}

#[test]
fn what_a_capture_lacks_is_named() {
    let not_testable = |maps: &Maps, detector: Detector| {
        let detections = detect(maps, &Options { detectors: vec![detector], ..options() }).unwrap();
        assert!(detections.heads.iter().all(|d| d.verdict == Finding::NotTestable && d.score.is_none()));
        detections.summary(detector).unwrap().not_testable.unwrap().to_string()
    };
    let different: Vec<Vec<u32>> = (0..3u32).map(|s| (0..20).map(|i| 100 * s + i).collect()).collect();
    let maps = Maps::causal(&different, 1).head(0, uniform);
    assert!(not_testable(&maps, Detector::Induction).contains("repeated random tokens"));
    assert!(not_testable(&maps, Detector::Duplicate).contains("a token that occurs twice"));
    assert!(not_testable(&maps, Detector::Delimiter).contains("punctuation"));
    let mut unknown = planted(3);
    unknown.info.heads = 4;
    let shape = unknown.tokens.iter().map(Vec::len).collect::<Vec<_>>();
    let nameless = Nameless { maps: unknown, shape };
    let detections = detect(&nameless, &options()).unwrap();
    for detector in [Detector::Duplicate, Detector::Induction, Detector::Delimiter] {
        let why = detections.summary(detector).unwrap().not_testable.unwrap().to_string();
        assert_eq!(why, "the tokens are not known");
    }
    assert_eq!(of(&detections, Detector::Previous, 0, 0).verdict, Finding::NotResolvable);
}

/// Maps whose tokens nobody knows.
struct Nameless {
    maps: Maps,
    shape: Vec<usize>,
}

impl Patterns for Nameless {
    fn info(&self) -> &ModelInfo {
        &self.maps.info
    }
    fn inputs(&self) -> usize {
        self.shape.len()
    }
    fn tokens(&self, _: usize) -> &[Token] {
        &[]
    }
    fn prompt_length(&self, _: usize) -> Option<usize> {
        None
    }
    fn layers(&self) -> Vec<LayerShape> {
        self.maps.layers()
    }
    fn mask(&self, layer: usize, input: usize) -> Result<Mask> {
        self.maps.mask(layer, input)
    }
    fn shape(&self, _: usize, input: usize) -> Result<(usize, usize)> {
        Ok((self.shape[input], self.shape[input]))
    }
    fn statistics(&self, _: usize, _: usize, _: usize) -> Result<Option<HeadStatistics>> {
        Ok(None)
    }
    fn open(&self, layer: usize, head: usize, input: usize) -> Result<Option<Box<dyn Rows + '_>>> {
        self.maps.open(layer, head, input)
    }
    fn layer_input(&self, _: usize, _: usize, _: &[usize]) -> Result<Option<Vec<f32>>> {
        Ok(None)
    }
    fn facts(&self, _: usize, _: usize) -> Result<Facts> {
        Ok(Facts::default())
    }
}

/// A head that is not a number says so and spoils nobody; one of whose inputs is, is judged on the others.
#[test]
fn heads_with_non_finite_weights_are_not_testable() {
    let mut maps = planted(INPUTS);
    maps.maps[0][3].iter_mut().for_each(|map| map[5 * N] = f32::NAN);
    maps.maps[1][1][4][0] = -0.5;
    let detections = detect(&maps, &options()).unwrap();
    for detector in Detector::ALL {
        let own = of(&detections, detector, 0, 3);
        assert_eq!(own.verdict, Finding::NotTestable, "{own:?}");
        assert!(own.why.to_string().contains("1 of 40 rows are not finite"), "{}", own.why);
    }
    let induction = of(&detections, Detector::Induction, 1, 1);
    assert_eq!((induction.verdict, induction.inputs), (Finding::Found, INPUTS - 1), "{induction:?}");
    assert_eq!(found(&detections, Detector::Previous), ["L0H0"]);
}

/// Row statistics serve what they hold, with the same scores as maps; the rest says what it needs.
#[test]
fn statistics_alone_serve_what_they_can() {
    let full = planted(INPUTS);
    let with_maps = detect(&full, &options()).unwrap();
    let bare = Bare(planted(INPUTS));
    let detections = detect(&bare, &options()).unwrap();
    for detector in [
        Detector::Previous,
        Detector::Current,
        Detector::First,
        Detector::Positional,
        Detector::Sink,
        Detector::Delimiter,
    ] {
        assert_eq!(found(&detections, detector), found(&with_maps, detector), "{detector:?}");
        for (a, b) in detections.heads.iter().zip(&with_maps.heads).filter(|(a, _)| a.detector == detector) {
            // Ties among equal keys may fall elsewhere in the strongest key of a uniform row.
            assert!((a.score.unwrap() - b.score.unwrap()).abs() < 1e-6, "{a:?} {b:?}");
        }
    }
    for detector in [Detector::Duplicate, Detector::Induction] {
        let why = detections.summary(detector).unwrap().not_testable.unwrap().to_string();
        assert!(why.contains("maps"), "{why}");
    }
}

/// Inputs of several lengths: tokens are paired within each length, and heads are found as before.
#[test]
fn lengths_may_differ() {
    let ids: Vec<Vec<u32>> = (0..14u64).map(|s| random_ids([30, 37, 44][s as usize % 3], 9, s)).collect();
    let maps = Maps::causal(&ids, 1).head(0, previous).head(0, successors).head(0, |ids, _| sink(ids, 0.7));
    let detections = detect(&maps, &options()).unwrap();
    assert_eq!(found(&detections, Detector::Previous), ["L0H0"]);
    assert_eq!(found(&detections, Detector::Induction), ["L0H1"]);
    assert_eq!(found(&detections, Detector::Sink), ["L0H2"]);
    assert!(detections.summary(Detector::Induction).unwrap().null.to_string().contains("paired"));
}

/// Blocks read twice, each of another length: no two can be paired, and within one the labels fill their offset. The
/// summary says so although no head is beyond its threshold.
#[test]
fn the_reason_for_no_p_value_is_said() {
    let twice = |n: usize| [random_ids(n, 5000, n as u64), random_ids(n, 5000, n as u64)].concat();
    let ids: Vec<Vec<u32>> = (12..18).map(twice).collect();
    let detections = detect(&Maps::causal(&ids, 1).head(0, uniform), &options()).unwrap();
    let summary = detections.summary(Detector::Induction).unwrap();
    assert!(
        summary.null.to_string().starts_with("none: ") && summary.null.to_string().contains("inputs of one length"),
        "{}",
        summary.null
    );
    let few = detect(&Maps::causal(&ids[..3], 1).head(0, uniform), &options()).unwrap();
    let null = &few.summary(Detector::Previous).unwrap().null;
    assert!(null.to_string().contains("fewer than five inputs"), "{null}");
}

/// Nothing captured, one token, empty inputs: no figure and no panic.
#[test]
fn an_empty_capture_is_not_testable() {
    for ids in [vec![], vec![vec![]], vec![vec![3]]] {
        let maps = Maps::causal(&ids, 1).head(0, uniform);
        let detections = detect(&maps, &options()).unwrap();
        for detector in Detector::ALL.into_iter().filter(|&d| d != Detector::Sink) {
            assert!(detections.summary(detector).unwrap().not_testable.is_some(), "{ids:?} {detector:?}");
        }
    }
    let none = detect(&Maps::causal(&[vec![1, 2]], 1), &options()).unwrap();
    assert!(none.detectors.iter().all(|d| d.not_testable == Some(Unmet::Head)));
}

#[test]
fn options_out_of_range_are_refused() {
    assert_eq!(Detector::parse("sink, previous,sink").unwrap(), [Detector::Previous, Detector::Sink]);
    assert_eq!(Detector::parse("all").unwrap(), Detector::ALL);
    let error = Detector::parse("previous,prevoius").unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("detect = prevoius: expected"), "{error}");
    assert!(Detector::parse("").is_err());
    let maps = Maps::causal(&[vec![1, 2]], 1).head(0, uniform);
    let refuse = |options: Options| assert!(detect(&maps, &options).unwrap_err().is_usage());
    refuse(Options { fdr: f64::NAN, ..options() });
    refuse(Options { fdr: 1.0, ..options() });
    refuse(Options { permutations: 98, ..options() });
    refuse(Options { permutations: usize::MAX, ..options() });
    refuse(Options { resamples: 0, ..options() });
    refuse(Options { confidence: 1.0, ..options() });
    refuse(Options { detectors: vec![], ..options() });
}
