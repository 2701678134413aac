//! The tiled engine is held to the definition: every choice of similarity, separation, mask and modifier, shapes that
//! are no multiple of anything, and the inputs that break things.

use attractor::random::Philox;
use attractor::retrieve::{
    Class, Cosine, Dot, HeadStatistics, Heads, Mask, Modifiers, NegativeSquaredEuclid, Partial, Problem, Request,
    RowNumbers, Separation, Similarity, Summary, dense, tiled,
};
use half::{bf16, f16};

struct Numbers {
    heads: usize,
    key_heads: usize,
    n: usize,
    m: usize,
    d: usize,
    e: usize,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
}

impl Numbers {
    fn new(seed: u64, heads: usize, key_heads: usize, n: usize, m: usize, d: usize, e: usize) -> Self {
        let mut draw = Philox::new(seed, 1);
        let mut normal = |count: usize| (0..count).map(|_| draw.normal() as f32).collect::<Vec<f32>>();
        let (q, k, v) = (normal(heads * n * d), normal(key_heads * m * d), normal(key_heads * m * e));
        Self { heads, key_heads, n, m, d, e, q, k, v }
    }

    fn problem<'a>(&'a self, similarity: &'a dyn Similarity, separation: Separation, mask: &'a Mask) -> Problem<'a> {
        Problem {
            queries: Heads::new(&self.q[..], self.heads, self.n, self.d).unwrap(),
            keys: Heads::new(&self.k[..], self.key_heads, self.m, self.d).unwrap(),
            values: Some(Heads::new(&self.v[..], self.key_heads, self.m, self.e).unwrap()),
            similarity,
            separation,
            modifiers: Modifiers::masked(mask),
        }
    }
}

/// A similarity of the user's own, without a matrix product.
struct Manhattan;

impl Similarity for Manhattan {
    fn score(&self, query: &[f32], key: &[f32]) -> f64 {
        -query.iter().zip(key).map(|(&x, &y)| (f64::from(x) - f64::from(y)).abs()).sum::<f64>()
    }
    fn name(&self) -> &'static str {
        "Manhattan"
    }
}

fn close(what: &str, got: f64, expected: f64, tolerance: f64) {
    let same = got == expected || (got.is_nan() && expected.is_nan());
    assert!(
        same || (got - expected).abs() <= tolerance * (1.0 + expected.abs()),
        "{what}: got {got}, expected {expected}"
    );
}

fn all_close(what: &str, got: &[f32], expected: &[f32], tolerance: f64) {
    assert_eq!(got.len(), expected.len(), "{what}: lengths");
    for (at, (&g, &x)) in got.iter().zip(expected).enumerate() {
        close(&format!("{what}[{at}]"), g.into(), x.into(), tolerance);
    }
}

fn wide_close(what: &str, got: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(got.len(), expected.len(), "{what}: lengths");
    for (at, (&g, &x)) in got.iter().zip(expected).enumerate() {
        close(&format!("{what}[{at}]"), g, x, tolerance);
    }
}

fn same_statistics(what: &str, got: &[HeadStatistics], expected: &[HeadStatistics]) {
    assert_eq!(got.len(), expected.len());
    let t = 2e-5;
    for (head, (g, x)) in got.iter().zip(expected).enumerate() {
        let name = |field: &str| format!("{what}: head {head}: {field}");
        assert_eq!(
            (g.queries, g.keys, g.empty_rows, g.invalid_rows),
            (x.queries, x.keys, x.empty_rows, x.invalid_rows),
            "{}",
            name("counts")
        );
        assert_eq!(g.pooled_side, x.pooled_side);
        // Every statistic that is declared: a new one is held to the definition without a word here.
        for statistic in HeadStatistics::ROWS {
            match statistic.numbers {
                RowNumbers::Float(get, _) => all_close(&name(statistic.name), get(g), get(x), t),
                RowNumbers::Whole(get, _) => assert_eq!(get(g), get(x), "{}", name(statistic.name)),
            }
        }
        for statistic in HeadStatistics::SUMS {
            // Enrichments are weights times the number of visible keys, and so are their errors.
            let scale = if statistic.name.ends_with("enrichment") { x.keys as f64 } else { 1.0 };
            wide_close(&name(statistic.name), &(statistic.read)(g), &(statistic.read)(x), t * scale);
        }
        for (field, a, b) in [
            ("pooled_max", &g.pooled_max, &x.pooled_max),
            ("pooled_mean", &g.pooled_mean, &x.pooled_mean),
            ("row_top_weights", &g.row_top_weights, &x.row_top_weights),
        ] {
            all_close(&name(field), a, b, t);
        }
        for family in HeadStatistics::FAMILIES {
            let (a, b) = ((family.read)(g), (family.read)(x));
            assert_eq!(a.len(), b.len(), "{}", name(family.name));
            for (at, (a, b)) in a.iter().zip(b).enumerate() {
                all_close(&name(&format!("{} {at}", family.name)), a, b, t);
            }
        }
        assert_eq!(g.links.len(), x.links.len(), "{}", name("links"));
        for (a, b) in g.links.iter().zip(&x.links) {
            close(&name("link"), a.weight.into(), b.weight.into(), t);
        }
    }
}

fn request(m: usize) -> Request {
    Request {
        window: 4,
        bins: 7,
        classes: vec![
            Class { name: "few".into(), members: (0..m).map(|j| j % 11 == 3).collect() },
            Class { name: "many".into(), members: (0..m).map(|j| j % 3 != 1).collect() },
        ],
        tokens: (0..m as u32).map(|j| j * 7 % 5).collect(),
        lags: vec![1, 10],
        links: 9,
        row_top: 3,
        pooled: Some(6),
        ..Request::all()
    }
}

fn held_to_the_definition(what: &str, problem: &Problem<'_>) {
    let (got, expected) = (tiled::retrieve(problem).unwrap(), dense::retrieve(problem).unwrap());
    // Weights that form no distribution may cancel: their outputs are as accurate as their largest terms.
    let heaviest = match problem.separation.is_distribution() {
        true => 1.0,
        false => {
            dense::weights(problem, 0, 0..problem.queries.rows).unwrap().iter().fold(1.0f32, |a, w| a.max(w.abs()))
        }
    };
    all_close(&format!("{what}: output"), &got.output, &expected.output, 2e-5 * f64::from(heaviest));
    all_close(&format!("{what}: lse"), &got.log_sum_exp, &expected.log_sum_exp, 1e-5);
    all_close(&format!("{what}: energy"), &got.energy, &expected.energy, 1e-5);
    for head in 0..problem.queries.heads {
        let rows = 1..problem.queries.rows;
        let (got, expected) =
            (tiled::weights(problem, head, rows.clone()).unwrap(), dense::weights(problem, head, rows).unwrap());
        all_close(&format!("{what}: weights"), &got, &expected, 1e-5);
    }
    if problem.separation.is_distribution() {
        let request = request(problem.keys.rows);
        let (got, expected) =
            (tiled::statistics(problem, &request).unwrap(), dense::statistics(problem, &request).unwrap());
        same_statistics(what, &got, &expected);
    }
}

const SEPARATIONS: [Separation; 8] = [
    Separation::Softmax { beta: 0.7 },
    Separation::Softmax { beta: 1.3 },
    Separation::TopK { k: 3, beta: 0.7 },
    Separation::Max,
    Separation::Sparsemax { beta: 0.7 },
    Separation::Entmax15 { beta: 1.3 },
    Separation::Identity,
    Separation::Polynomial { degree: 3 },
];

#[test]
fn every_similarity_and_separation_agrees_with_its_definition() {
    let numbers = Numbers::new(1, 2, 1, 71, 71, 13, 5);
    let causal = Mask::causal();
    let full = Mask::full();
    for similarity in [&Dot as &dyn Similarity, &Cosine, &NegativeSquaredEuclid, &Manhattan] {
        for separation in SEPARATIONS {
            for mask in [&causal, &full] {
                let problem = numbers.problem(similarity, separation, mask);
                held_to_the_definition(
                    &format!("{} {separation:?} causal {}", similarity.name(), mask.causal),
                    &problem,
                );
            }
        }
    }
}

#[test]
fn every_mask_agrees_with_its_definition() {
    let (n, m) = (67, 83);
    let numbers = Numbers::new(2, 4, 2, n, m, 7, 3);
    let hidden: Vec<bool> = (0..m).map(|j| j % 13 == 5 || j < 2).collect();
    let masks = [
        Mask { offset: m - n, ..Mask::causal() },
        Mask { offset: m - n, window: Some(9), ..Mask::causal() },
        Mask { window: Some(9), ..Mask::full() },
        Mask { prefix: 20, ..Mask::causal() },
        Mask { block: Some(17), ..Mask::full() },
        Mask { block: Some(17), ..Mask::causal() },
        Mask { hidden: hidden.clone(), ..Mask::full() },
        Mask { hidden, ..Mask::causal() },
        Mask { hidden: vec![true; m], ..Mask::causal() },
    ];
    for mask in &masks {
        let problem = numbers.problem(&Dot, Separation::Softmax { beta: 0.7 }, mask);
        held_to_the_definition(&format!("{mask:?}"), &problem);
    }
}

#[test]
fn every_modifier_agrees_with_its_definition() {
    let numbers = Numbers::new(3, 2, 2, 53, 53, 11, 4);
    let mask = Mask::causal();
    let mut draw = Philox::new(9, 9);
    let shared: Vec<f32> =
        (0..53 * 53).map(|_| if draw.uniform() < 0.2 { f32::NEG_INFINITY } else { draw.normal() as f32 }).collect();
    let per_head: Vec<f32> = (0..2 * 53 * 53).map(|_| draw.normal() as f32).collect();
    let low: Vec<f32> = (0..53 * 53).map(|at| if at % 7 == 0 { 0.0 } else { -1e30 }).collect();
    let lowest = vec![-1e30; 53 * 53];
    let base = numbers.problem(&Dot, Separation::Softmax { beta: 1.3 }, &mask);
    let plain = base.modifiers;
    for (what, modifiers) in [
        ("soft cap", Modifiers { soft_cap: Some(2.5), ..plain }),
        ("alibi", Modifiers { alibi: Some(&[0.5, 0.03]), ..plain }),
        ("shared bias", Modifiers { bias: Some(&shared), ..plain }),
        ("bias per head", Modifiers { bias: Some(&per_head), ..plain }),
        ("a bias of -1e30", Modifiers { bias: Some(&low), ..plain }),
        ("only -1e30", Modifiers { bias: Some(&lowest), ..plain }),
        ("sinks", Modifiers { sinks: Some(&[1.5, -40.0]), ..plain }),
        (
            "all",
            Modifiers {
                soft_cap: Some(2.5),
                alibi: Some(&[0.5, 0.03]),
                bias: Some(&shared),
                sinks: Some(&[0.0, 2.0]),
                ..plain
            },
        ),
    ] {
        held_to_the_definition(what, &Problem { modifiers, ..base });
    }
}

#[test]
fn lengths_around_every_boundary_agree() {
    for n in [1, 2, 3, 15, 16, 17, 47, 48, 49, 63, 64, 65, 130, 257] {
        let numbers = Numbers::new(n as u64, 1, 1, n, n, 5, 2);
        for mask in [Mask::causal(), Mask::full()] {
            held_to_the_definition(&format!("n {n}"), &numbers.problem(&Dot, Separation::Softmax { beta: 0.7 }, &mask));
        }
    }
}

#[test]
fn what_is_not_a_number_means_the_same_in_both_engines() {
    let poison = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY];
    for bad in poison {
        for mask in [Mask::causal(), Mask::full(), Mask { window: Some(5), ..Mask::causal() }] {
            let mut numbers = Numbers::new(4, 2, 1, 37, 37, 5, 3);
            numbers.q[7 * 5 + 2] = bad;
            held_to_the_definition("query", &numbers.problem(&Dot, Separation::Softmax { beta: 0.7 }, &mask));
            let mut numbers = Numbers::new(4, 2, 1, 37, 37, 5, 3);
            numbers.k[20 * 5] = bad;
            held_to_the_definition("key", &numbers.problem(&Dot, Separation::Softmax { beta: 0.7 }, &mask));
            let hidden = Mask { hidden: (0..37).map(|j| j == 20).collect(), ..mask.clone() };
            held_to_the_definition("hidden key", &numbers.problem(&Dot, Separation::Sparsemax { beta: 0.7 }, &hidden));
            let mut numbers = Numbers::new(4, 2, 1, 37, 37, 5, 3);
            numbers.v[11 * 3 + 1] = bad;
            held_to_the_definition("value", &numbers.problem(&Dot, Separation::Softmax { beta: 0.7 }, &mask));
        }
    }
    let mut numbers = Numbers::new(4, 1, 1, 9, 9, 2, 3);
    numbers.q[6] = 1e30;
    numbers.k[2] = 1e30;
    held_to_the_definition("overflow", &numbers.problem(&Dot, Separation::Softmax { beta: 0.7 }, &Mask::full()));
}

#[test]
fn half_precision_inputs_are_read_as_they_are() {
    let numbers = Numbers::new(5, 2, 1, 40, 40, 8, 4);
    let mask = Mask::causal();
    let separation = Separation::Softmax { beta: 0.7 };
    let q16: Vec<f16> = numbers.q.iter().map(|&x| f16::from_f32(x)).collect();
    let k16: Vec<bf16> = numbers.k.iter().map(|&x| bf16::from_f32(x)).collect();
    let rounded = Numbers {
        q: q16.iter().map(|x| x.to_f32()).collect(),
        k: k16.iter().map(|x| x.to_f32()).collect(),
        v: numbers.v.clone(),
        ..numbers
    };
    let narrow = Problem {
        queries: Heads::new(&q16[..], 2, 40, 8).unwrap(),
        keys: Heads::new(&k16[..], 1, 40, 8).unwrap(),
        ..rounded.problem(&Dot, separation, &mask)
    };
    assert_eq!(tiled::retrieve(&narrow).unwrap(), tiled::retrieve(&rounded.problem(&Dot, separation, &mask)).unwrap());
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let numbers = Numbers::new(6, 3, 1, 211, 211, 16, 5);
    let mask = Mask::causal();
    let problem = numbers.problem(&Dot, Separation::Softmax { beta: 0.7 }, &mask);
    let request = request(211);
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| (tiled::retrieve(&problem).unwrap(), tiled::statistics(&problem, &request).unwrap()))
    };
    let bits = |answer: &(attractor::retrieve::Retrieved, Vec<HeadStatistics>)| {
        let rows: Vec<u32> = answer.0.output.iter().map(|x| x.to_bits()).collect();
        // NaN differs from itself: compare the printed form of the statistics, which shows every digit.
        (rows, format!("{:?}", answer.1))
    };
    let one = bits(&with(1));
    for threads in [2, 3, 5] {
        assert_eq!(bits(&with(threads)), one, "{threads} threads");
    }
}

fn merged(parts: [Summary; 3]) -> Summary {
    let mut all = Summary::empty();
    parts.iter().for_each(|part| all.merge(part));
    all
}

#[test]
fn summaries_of_parts_merge_into_the_retrieval() {
    let numbers = Numbers::new(7, 1, 1, 30, 30, 5, 3);
    let mask = Mask::causal();
    let problem = numbers.problem(&Dot, Separation::Softmax { beta: 1.3 }, &mask);
    let whole = tiled::retrieve(&problem).unwrap();
    let parts = [19..30, 0..7, 7..19];
    let each = |row: usize| parts.clone().map(|part| dense::summarise(&problem, 0, row, part).unwrap());
    let defined: Vec<Summary> = (0..30).map(|row| merged(each(row))).collect();
    let parts = parts.clone().map(|part| tiled::summarise(&problem, 0, 0..30, part).unwrap());
    let engine: Vec<Summary> = (0..30).map(|row| merged(parts.clone().map(|part| part[row].clone()))).collect();
    for (at, merged) in defined.iter().chain(&engine).enumerate() {
        let row = at % 30;
        close("lse", merged.log_sum_exp(), whole.log_sum_exp[row].into(), 1e-5);
        close("energy", merged.energy(f64::from(1.3f32)), whole.energy[row].into(), 1e-5);
        for (e, x) in merged.retrieved().iter().enumerate() {
            close("output", *x, whole.output[row * 3 + e].into(), 1e-5);
        }
    }
}

/// Entropy, participation and a learned sink's mass too, from summaries over disjoint keys.
#[test]
fn moments_of_parts_merge_into_the_statistics_sinks_included() {
    let numbers = Numbers::new(12, 2, 1, 31, 43, 5, 3);
    let mask = Mask { offset: 12, ..Mask::causal() };
    let sinks = [0.4f32, -1.1];
    let mut problem = numbers.problem(&Dot, Separation::Softmax { beta: 1.3 }, &mask);
    problem.modifiers.sinks = Some(&sinks);
    let (whole, retrieved) =
        (tiled::statistics(&problem, &Request::core()).unwrap(), tiled::retrieve(&problem).unwrap());
    for head in 0..2 {
        let (s, sink) = (&whole[head], f64::from(sinks[head]));
        let parts = [29..43, 0..11, 11..29];
        let each = |row: usize| parts.clone().map(|part| dense::summarise(&problem, head, row, part).unwrap());
        let defined: Vec<Summary> = (0..31).map(|row| merged(each(row))).collect();
        let parts = parts.clone().map(|part| tiled::summarise(&problem, head, 0..31, part).unwrap());
        let engine: Vec<Summary> = (0..31).map(|row| merged(parts.clone().map(|part| part[row].clone()))).collect();
        for (at, merged) in defined.iter().chain(&engine).enumerate() {
            let row = at % 31;
            let moments = merged.moments;
            close("lse", moments.log_sum_exp(Some(sink)), s.log_sum_exp[row].into(), 2e-5);
            close("sink", moments.sink_mass(sink), s.sink_mass[row].into(), 2e-5);
            close("entropy", moments.entropy(), s.entropy[row].into(), 2e-5);
            close("participation", moments.participation(), s.participation[row].into(), 2e-5);
            assert_eq!(moments.keys, u64::from(s.visible[row]));
            for (e, x) in merged.retrieved_beside(Some(sink)).iter().enumerate() {
                close("output", *x, retrieved.output[(head * 31 + row) * 3 + e].into(), 2e-5);
            }
        }
    }
}

/// What workers on other machines send back as text has the bits of one process.
#[test]
fn partials_of_row_groups_join_into_the_statistics_bit_by_bit() {
    let numbers = Numbers::new(13, 2, 2, 203, 203, 5, 3);
    let mask = Mask::causal();
    let problem = numbers.problem(&Dot, Separation::Softmax { beta: 0.7 }, &mask);
    let request = request(203);
    let whole = tiled::statistics(&problem, &request).unwrap();
    let groups = tiled::groups(203);
    assert!(groups.len() > 1, "{groups:?}");
    for head in 0..2 {
        let part = |rows: &std::ops::Range<usize>| {
            let text = serde_json::to_string(&tiled::partial(&problem, &request, head, rows.clone()).unwrap()).unwrap();
            serde_json::from_str::<Partial>(&text).unwrap()
        };
        let mut joined = part(&groups[0]);
        for rows in &groups[1..] {
            joined.join(part(rows)).unwrap();
        }
        let joined = joined.finish(&mask, &request).unwrap();
        assert_eq!(format!("{joined:?}"), format!("{:?}", whole[head]), "head {head}");
    }
}

#[test]
fn partials_that_do_not_follow_are_refused() {
    let numbers = Numbers::new(14, 2, 2, 40, 40, 5, 3);
    let mask = Mask::causal();
    let problem = numbers.problem(&Dot, Separation::Softmax { beta: 0.7 }, &mask);
    let part = |head, rows| tiled::partial(&problem, &Request::core(), head, rows).unwrap();
    assert!(part(0, 0..10).join(part(0, 11..40)).unwrap_err().is_usage(), "a gap");
    assert!(part(0, 0..10).join(part(1, 10..40)).unwrap_err().is_usage(), "another head");
    assert!(part(0, 0..10).finish(&mask, &Request::core()).unwrap_err().is_usage(), "rows are missing");
    let other = tiled::partial(&problem, &Request { bins: 3, ..Request::core() }, 0, 10..40).unwrap();
    assert!(part(0, 0..10).join(other).unwrap_err().is_shape(), "another request");
    // Any cut of the rows gives the same statistics within rounding.
    let mut odd = part(0, 0..13);
    odd.join(part(0, 13..40)).unwrap();
    let whole = tiled::statistics(&problem, &Request::core()).unwrap().remove(0);
    same_statistics("odd cut", &[odd.finish(&mask, &Request::core()).unwrap()], &[whole]);
}

#[test]
fn limits_of_beta_are_the_mean_and_the_best_pattern() {
    let numbers = Numbers::new(8, 1, 1, 6, 9, 5, 3);
    let mask = Mask::full();
    let soft = |beta| tiled::weights(&numbers.problem(&Dot, Separation::Softmax { beta }, &mask), 0, 0..6).unwrap();
    let max = tiled::weights(&numbers.problem(&Dot, Separation::Max, &mask), 0, 0..6).unwrap();
    assert!(soft(1e-7).iter().all(|w| (w - 1.0 / 9.0).abs() < 1e-5));
    all_close("hot", &soft(1e4), &max, 1e-5);
}

#[test]
fn an_imported_map_gets_the_same_statistics() {
    let numbers = Numbers::new(10, 1, 1, 33, 33, 5, 3);
    let mask = Mask::causal();
    let problem = numbers.problem(&Dot, Separation::Softmax { beta: 0.7 }, &mask);
    let request = Request { extended: false, ..request(33) };
    let map = dense::weights(&problem, 0, 0..33).unwrap();
    let foreign = dense::of_weights(&map, 33, 33, &mask, &request).unwrap();
    let mut own = dense::statistics(&problem, &request).unwrap().remove(0);
    own.log_sum_exp.clone_from(&foreign.log_sum_exp);
    own.energy.clone_from(&foreign.energy);
    assert!(foreign.log_sum_exp.iter().all(|x| x.is_nan()));
    same_statistics("foreign", &[foreign], &[own]);
}

#[test]
fn axes_that_disagree_are_named() {
    let numbers = Numbers::new(11, 2, 1, 4, 4, 5, 3);
    let mask = Mask::causal();
    let problem = numbers.problem(&Dot, Separation::Softmax { beta: 0.7 }, &mask);
    let narrow = Problem { queries: Heads::new(&numbers.q[..], 2, 5, 4).unwrap(), ..problem };
    let error = tiled::retrieve(&narrow).unwrap_err();
    assert!(error.is_shape());
    assert_eq!(
        error.to_string(),
        "retrieve: stored patterns have 5 features, the query has 4; the last axis must agree"
    );
    assert!(
        tiled::retrieve(&Problem { separation: Separation::Softmax { beta: f32::NAN }, ..problem })
            .unwrap_err()
            .is_usage()
    );
    assert!(
        tiled::statistics(&Problem { separation: Separation::Identity, ..problem }, &Request::core())
            .unwrap_err()
            .is_usage()
    );
    assert!(tiled::weights(&problem, 2, 0..1).unwrap_err().is_shape());
    let odd = Mask { hidden: vec![false; 3], ..Mask::causal() };
    assert!(tiled::retrieve(&numbers.problem(&Dot, Separation::Max, &odd)).unwrap_err().is_shape());
}
