//! Ising's ferromagnet on a torus against its exact solution.
//!
//! Kaufman 1949 solves every finite torus, Onsager 1944 the infinite one. Energies are per spin, couplings one.

use attractor::Context;
use attractor::energy::problems::ferromagnet;
use attractor::energy::{Couplings, Energy};
use attractor::pattern::Spins;
use attractor::sample::{Annealing, Dynamics, Schedule};

/// ln Z of L x L spins at K = 1 / T: Kaufman's four products, as Ferdinand and Fisher 1969 write them.
///
/// Z = 1/2 (2 sinh 2K)^(L L / 2) sum of prod_r 2 cosh(L g_(2r+1) / 2), prod_r 2 sinh(L g_(2r+1) / 2), and both with g_(2r);
/// cosh g_l = cosh 2K coth 2K - cos(l pi / L) with g_l > 0, but g_0 = 2K + ln tanh K, which is negative above the critical
/// temperature.
fn log_partition(side: usize, k: f64) -> f64 {
    let l = side as f64;
    let gamma = |at: usize| match at {
        0 => 2.0 * k + k.tanh().ln(),
        _ => ((2.0 * k).cosh() / (2.0 * k).tanh() - (std::f64::consts::PI * at as f64 / l).cos()).acosh(),
    };
    // ln |2 cosh x| and ln |2 sinh x|: the exponent first, so that nothing overflows.
    let log_cosh = |x: f64| x.abs() + (-2.0 * x.abs()).exp().ln_1p();
    let log_sinh = |x: f64| x.abs() + (-(-2.0 * x.abs()).exp()).ln_1p();
    let product = |first: usize, log: &dyn Fn(f64) -> f64| -> f64 {
        (0..side).map(|r| log(l * gamma(2 * r + first) / 2.0)).sum()
    };
    // Only g_0 may be below zero: the last product has its sign.
    let sign = gamma(0).signum();
    let terms = [
        (1.0, product(1, &log_cosh)),
        (1.0, product(1, &log_sinh)),
        (1.0, product(0, &log_cosh)),
        (sign, product(0, &log_sinh)),
    ];
    let top = terms.iter().map(|term| term.1).fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = terms.iter().map(|(sign, log)| sign * (log - top).exp()).sum();
    0.5 * l * l * (2.0 * (2.0 * k).sinh()).ln() - 2f64.ln() + top + sum.ln()
}

/// u = -d ln Z / dK / N by a central difference; its error is of the order 1e-9.
fn energy(side: usize, temperature: f64) -> f64 {
    let (k, step) = (1.0 / temperature, 1e-4);
    // Richardson: the errors of the second order cancel.
    let slope = |h: f64| (log_partition(side, k + h) - log_partition(side, k - h)) / (2.0 * h);
    -(4.0 * slope(step) - slope(2.0 * step)) / 3.0 / (side * side) as f64
}

/// Onsager's u = -coth 2K (1 + 2/pi (2 tanh^2 2K - 1) K1(q)), q = 2 sinh 2K / cosh^2 2K; K1 by the arithmetic-geometric mean.
fn onsager(temperature: f64) -> f64 {
    let k = 2.0 / temperature;
    let modulus = 2.0 * k.sinh() / k.cosh().powi(2);
    let (mut a, mut b) = (1.0, (1.0 - modulus * modulus).sqrt());
    for _ in 0..60 {
        (a, b) = ((a + b) / 2.0, (a * b).sqrt());
    }
    let elliptic = std::f64::consts::FRAC_PI_2 / a;
    -(1.0 + std::f64::consts::FRAC_2_PI * (2.0 * k.tanh().powi(2) - 1.0) * elliptic) / k.tanh()
}

/// ln Z and u by adding up all 65536 states of 4 x 4 spins, with this crate's own energy.
fn enumerated(couplings: &Couplings, temperature: f64) -> (f64, f64) {
    let spins = |state: u32| {
        let signs: Vec<i8> = (0..16).map(|unit| if state >> unit & 1 == 1 { 1 } else { -1 }).collect();
        Spins::from_signs(&signs).unwrap()
    };
    let energies: Vec<f64> = (0..1u32 << 16).map(|state| couplings.energy(&spins(state))).collect();
    let weights: Vec<f64> = energies.iter().map(|e| (-(e + 32.0) / temperature).exp()).collect();
    let z: f64 = weights.iter().sum();
    let mean = energies.iter().zip(&weights).map(|(e, w)| e * w).sum::<f64>() / z;
    (z.ln() + 32.0 / temperature, mean / 16.0)
}

/// The formulas of both masters, and the couplings that the crate makes, are one and the same model.
#[test]
fn the_exact_solutions_agree_with_enumeration_and_with_each_other() {
    let couplings = ferromagnet(4, 4, true, 1.0).unwrap();
    for temperature in [1.7, 2.269, 3.4] {
        let (log_z, mean) = enumerated(&couplings, temperature);
        assert!((log_partition(4, 1.0 / temperature) - log_z).abs() < 1e-9, "{temperature}");
        assert!((energy(4, temperature) - mean).abs() < 1e-7, "{temperature}: {} {mean}", energy(4, temperature));
    }
    // Away from the critical temperature 2.269 a torus of 64 x 64 is infinite to all that matters: exp(-64 / length).
    for temperature in [1.8, 3.2] {
        let (finite, infinite) = (energy(64, temperature), onsager(temperature));
        assert!((finite - infinite).abs() < 1e-6, "{temperature}: {finite} {infinite}");
    }
    // At the critical temperature u is -sqrt 2, reached as 1 / L.
    let critical = 2.0 / (1.0 + 2f64.sqrt()).ln();
    let gap = |side| (energy(side, critical) + 2f64.sqrt()) * side as f64;
    assert!((gap(32) / gap(64) - 1.0).abs() < 0.01 && gap(64) < 0.0, "{} {}", gap(32), gap(64));
}

/// Mean energy of 64 runs at a temperature, and its standard error from run to run: runs are independent, sweeps are not.
fn sampled(side: usize, temperature: f64, rule: Dynamics, seed: u64) -> (f64, f64) {
    const REST: usize = 2_000;
    let couplings = ferromagnet(side, side, true, 1.0).unwrap();
    let schedule = Schedule::constant(temperature, 10 * REST).unwrap();
    let found =
        Annealing { schedule, dynamics: rule, reads: 64, trace: true }.run(&couplings, &Context::new(seed)).unwrap();
    let units = (side * side) as f64;
    let of_run = |energies: &[f64]| energies[REST..].iter().sum::<f64>() / (energies.len() - REST) as f64 / units;
    let means: Vec<f64> = found.reads.iter().map(|read| of_run(&read.energies)).collect();
    let count = means.len() as f64;
    let mean = means.iter().sum::<f64>() / count;
    let variance = means.iter().map(|m| (m - mean).powi(2)).sum::<f64>() / (count - 1.0);
    (mean, (variance / count).sqrt())
}

/// The sampler's energy is Kaufman's within 4.5 standard errors (false alarm of all eight: 5e-5 with 63 degrees of freedom),
/// which are below 0.0025 everywhere: a temperature off by 1 % would show as 0.009 or more.
#[test]
fn sampling_has_the_energy_of_the_exact_solution() {
    for temperature in [2.1, 2.269_185, 2.5, 3.3] {
        for (seed, rule) in [(1, Dynamics::Metropolis), (2, Dynamics::HeatBath)] {
            let exact = energy(12, temperature);
            let (mean, error) = sampled(12, temperature, rule, seed);
            assert!(error < 0.0025, "{rule:?} at {temperature}: a standard error of {error}");
            assert!((mean - exact).abs() < 4.5 * error, "{rule:?} at {temperature}: {mean} +- {error}, exact {exact}");
            assert!((energy(12, 1.01 * temperature) - exact).abs() > 0.009, "{temperature}");
        }
    }
}
