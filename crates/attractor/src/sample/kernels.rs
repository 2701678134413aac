//! Whole transition matrices, by enumeration: stationarity and detailed balance of every kernel, no statistics.

use super::exact::Enumerated;
use super::{Colouring, Dynamics, gibbs};
use crate::energy::problems::grid;
use crate::energy::{Couplings, SpinMemory, SpinWalk};
use crate::pattern::Spins;
use crate::random::Philox;

/// Rows are from, columns to.
type Matrix = Vec<Vec<f64>>;

fn product(a: &Matrix, b: &Matrix) -> Matrix {
    let n = a.len();
    let mut c = vec![vec![0.0; n]; n];
    for i in 0..n {
        for k in (0..n).filter(|&k| a[i][k] != 0.0) {
            for j in 0..n {
                c[i][j] += a[i][k] * b[k][j];
            }
        }
    }
    c
}

/// The update of one unit, its probability of turning round given x h.
fn site(couplings: &Couplings, unit: usize, flips: &dyn Fn(f64) -> f64) -> Matrix {
    let units = couplings.units();
    let mut matrix = vec![vec![0.0; 1 << units]; 1 << units];
    for (state, row) in matrix.iter_mut().enumerate() {
        let walk = couplings.walk(&Spins::from_words(units, &[state as u64]));
        let p = flips(walk.field(unit) * f64::from(walk.state().sign(unit)));
        row[state] = 1.0 - p;
        row[state ^ 1 << unit] = p;
    }
    matrix
}

fn sweep(couplings: &Couplings, flips: &dyn Fn(f64) -> f64) -> Matrix {
    let sites = (0..couplings.units()).map(|unit| site(couplings, unit, flips));
    sites.reduce(|all, next| product(&all, &next)).unwrap()
}

/// max |pi P - pi|.
fn drift(pi: &[f64], matrix: &Matrix) -> f64 {
    let after = |j: usize| (0..pi.len()).map(|i| pi[i] * matrix[i][j]).sum::<f64>();
    (0..pi.len()).map(|j| (after(j) - pi[j]).abs()).fold(0.0, f64::max)
}

/// Any weights and biases; 2 x 3 sites and a diagonal, so that there are odd cycles.
fn glass(seed: u64) -> Couplings {
    let mut random = Philox::new(seed, 0);
    let mut pairs = grid(2, 3, false).unwrap();
    pairs.push((0, 4));
    let edges: Vec<_> = pairs.into_iter().map(|(i, j)| (i, j, random.normal())).collect();
    Couplings::sparse(6, &edges).unwrap().with_biases((0..6).map(|_| 0.5 * random.normal()).collect()).unwrap()
}

#[test]
fn single_site_kernels_are_in_detailed_balance_and_sweeps_are_stationary() {
    for (seed, temperature) in [(1, 0.7), (2, 1.3)] {
        let couplings = glass(seed);
        let exact = Enumerated::new(&couplings, temperature).unwrap();
        let pi = exact.probabilities();
        for rule in [Dynamics::HeatBath, Dynamics::Metropolis] {
            let flips = |aligned: f64| rule.flip_probability(aligned, temperature);
            for unit in 0..6 {
                let matrix = site(&couplings, unit, &flips);
                for (i, row) in matrix.iter().enumerate() {
                    assert!((0..64).all(|j| (pi[i] * row[j] - pi[j] * matrix[j][i]).abs() < 1e-15));
                }
            }
            assert!(drift(pi, &sweep(&couplings, &flips)) < 1e-14);
        }
    }
}

/// The recorded mistake: spins drawn by sigma(h / T) follow exp(-E / 2T), and not exp(-E / T).
#[test]
fn the_rule_of_bits_samples_spins_at_twice_the_temperature() {
    let (couplings, temperature) = (glass(3), 0.9);
    let as_bits = sweep(&couplings, &|aligned| gibbs::probability_of_one(-aligned, temperature));
    let twice = Enumerated::new(&couplings, 2.0 * temperature).unwrap();
    let once = Enumerated::new(&couplings, temperature).unwrap();
    assert!(drift(twice.probabilities(), &as_bits) < 1e-14);
    assert!(drift(once.probabilities(), &as_bits) > 1e-3);
    let apart = twice.probabilities().iter().zip(once.probabilities()).map(|(a, b)| (a - b).abs()).sum::<f64>() / 2.0;
    assert!(apart > 0.1, "{apart}");
}

/// All units of a class at once, decided by the fields before: the product of the class's probabilities.
#[test]
fn a_sweep_by_classes_is_stationary_and_all_at_once_is_not() {
    let temperature = 1.1;
    let couplings = glass(4);
    let exact = Enumerated::new(&couplings, temperature).unwrap();
    let at_once = |classes: &[Vec<u32>], rule: Dynamics| {
        let classes = classes.iter().map(|class| {
            let mut matrix = vec![vec![0.0; 64]; 64];
            for state in 0..64usize {
                let walk = couplings.walk(&Spins::from_words(6, &[state as u64]));
                for chosen in 0..1usize << class.len() {
                    let (mut to, mut p) = (state, 1.0);
                    for (at, &unit) in class.iter().enumerate() {
                        let aligned = walk.field(unit as usize) * f64::from(walk.state().sign(unit as usize));
                        let flip = rule.flip_probability(aligned, temperature);
                        let turns = chosen >> at & 1 == 1;
                        to ^= usize::from(turns) << unit;
                        p *= if turns { flip } else { 1.0 - flip };
                    }
                    matrix[state][to] += p;
                }
            }
            matrix
        });
        classes.reduce(|all, next| product(&all, &next)).unwrap()
    };
    let colouring = Colouring::greedy(&couplings);
    assert_eq!(colouring.classes().len(), 3);
    for rule in [Dynamics::HeatBath, Dynamics::Metropolis] {
        assert!(drift(exact.probabilities(), &at_once(colouring.classes(), rule)) < 1e-14);
        assert!(drift(exact.probabilities(), &at_once(&[vec![0, 1, 2, 3, 4, 5]], rule)) > 1e-3);
    }
}

/// The samplers do what the matrices say: counts of states over a long run, per state within five standard errors widened
/// by the autocorrelation, which batches measure.
#[test]
fn sampled_states_have_their_probabilities() {
    let (couplings, temperature) = (glass(5), 1.3);
    let exact = Enumerated::new(&couplings, temperature).unwrap();
    let colouring = Colouring::greedy(&couplings);
    for (stream, rule, blocks) in
        [(0, Dynamics::HeatBath, false), (1, Dynamics::Metropolis, false), (2, Dynamics::HeatBath, true)]
    {
        let mut random = Philox::new(6, stream);
        let mut walk = couplings.walk(&Spins::random(6, &mut random));
        let (batches, length) = (50, 1000);
        let mut shares = vec![vec![0.0; 64]; batches];
        for share in &mut shares {
            for _ in 0..length {
                if blocks {
                    super::block_sweep(&mut walk, &colouring, rule, temperature, &mut random);
                } else {
                    rule.sweep(&mut walk, temperature, &mut random);
                }
                share[exact.number(walk.state())] += 1.0 / length as f64;
            }
        }
        for (state, &p) in exact.probabilities().iter().enumerate() {
            let mean = shares.iter().map(|s| s[state]).sum::<f64>() / batches as f64;
            let variance = shares.iter().map(|s| (s[state] - mean).powi(2)).sum::<f64>() / (batches - 1) as f64;
            // At least what independent draws would scatter.
            let error = (variance / batches as f64).sqrt().max((p / (batches * length) as f64).sqrt());
            assert!((mean - p).abs() < 5.0 * error, "{rule:?} {state}: {mean} for {p} +- {error}");
        }
    }
}
