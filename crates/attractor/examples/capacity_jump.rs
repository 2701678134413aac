//! The load at which a Hebbian memory breaks down, by finite-size scaling: `capacity_jump [SEEDS] [LARGEST N]`.
//!
//! Estimator. At each N, loads 0.130 to 0.190: the share f of pattern sets whose mean overlap (each recalled from the pattern
//! itself, without noise) lies above 0.7, half way between the retrieval state (0.97) and the spin glass (about 0.35). The
//! load at which f passes one half, alpha(N), is read off the monotone regression of f on the load (pool adjacent violators, then
//! straight lines). Then alpha(N) = alpha_c + c N^(-2/3) by least squares, the exponent of a mean-field spinodal. Interval: 2.5 %
//! and 97.5 % of 500 bootstraps over pattern sets, all sizes resampled at once.

use attractor::experiment::capacity::{CRITICAL_LOAD, Plan, measure};
use attractor::learn::Rule;
use attractor::random::Philox;

const LOADS: [f64; 10] = [0.130, 0.135, 0.140, 0.145, 0.150, 0.155, 0.160, 0.170, 0.180, 0.190];
const RETRIEVED: f64 = 0.7;

/// Load at which the share of retrieved sets falls through one half; `None` if it never does.
fn half(shares: &[(f64, f64)]) -> Option<f64> {
    // Pools of neighbouring loads whose shares rise: (mean share, loads in it).
    let mut pools: Vec<(f64, usize)> = Vec::new();
    for &(_, share) in shares {
        pools.push((share, 1));
        while let [.., a, b] = pools[..]
            && b.0 > a.0
        {
            pools.truncate(pools.len() - 2);
            let count = a.1 + b.1;
            pools.push(((a.0 * a.1 as f64 + b.0 * b.1 as f64) / count as f64, count));
        }
    }
    let fitted: Vec<f64> = pools.iter().flat_map(|&(share, count)| std::iter::repeat_n(share, count)).collect();
    let at = (1..fitted.len()).find(|&at| fitted[at - 1] >= 0.5 && fitted[at] < 0.5)?;
    let (a, b) = (fitted[at - 1], fitted[at]);
    Some(shares[at - 1].0 + (shares[at].0 - shares[at - 1].0) * (a - 0.5) / (a - b))
}

/// alpha_c of alpha(N) = alpha_c + c N^(-2/3).
fn extrapolated(points: &[(f64, f64)]) -> f64 {
    let x: Vec<f64> = points.iter().map(|p| p.0.powf(-2.0 / 3.0)).collect();
    let n = points.len() as f64;
    let (mx, my) = (x.iter().sum::<f64>() / n, points.iter().map(|p| p.1).sum::<f64>() / n);
    let slope = x.iter().zip(points).map(|(x, p)| (x - mx) * (p.1 - my)).sum::<f64>()
        / x.iter().map(|x| (x - mx).powi(2)).sum::<f64>();
    my - slope * mx
}

fn main() {
    let number = |at: usize, or: usize| {
        std::env::args().nth(at).map_or(or, |text| text.parse().unwrap_or_else(|e| panic!("{text}: {e}")))
    };
    let (seeds, largest) = (number(1, 40), number(2, 4000));
    // [size][load] -> mean overlap of each pattern set.
    let mut all: Vec<(usize, Vec<(f64, Vec<f64>)>)> = Vec::new();
    for units in [500, 1000, 2000, 4000, 8000].into_iter().filter(|&units| units <= largest) {
        let plan =
            Plan { rule: Rule::Hebb, neurons: units, loads: LOADS.to_vec(), seeds, cues: 4, noise: 0.0, sweeps: 1000 };
        let of = |&load: &f64| {
            let measured = measure(&plan, load, 7).expect("a sound plan");
            (measured.load, measured.each)
        };
        let row: Vec<(f64, Vec<f64>)> = LOADS.iter().map(of).collect();
        let shares: Vec<(f64, f64)> = row.iter().map(|(load, each)| (*load, share(each))).collect();
        println!("{{\"units\": {units}, \"shares\": {shares:?}, \"half\": {:?}}}", half(&shares));
        all.push((units, row));
    }
    let estimate = |draw: &mut dyn FnMut(usize) -> Vec<usize>| -> Option<f64> {
        let mut points = Vec::new();
        for (units, row) in &all {
            let chosen = draw(seeds);
            let of = |each: &Vec<f64>| share(&chosen.iter().map(|&set| each[set]).collect::<Vec<_>>());
            let shares: Vec<(f64, f64)> = row.iter().map(|(load, each)| (*load, of(each))).collect();
            points.push((*units as f64, half(&shares)?));
        }
        Some(extrapolated(&points))
    };
    let whole = estimate(&mut |count| (0..count).collect());
    let mut random = Philox::new(1, 0);
    let mut bootstraps: Vec<f64> =
        (0..500).filter_map(|_| estimate(&mut |count| (0..count).map(|_| random.below(count)).collect())).collect();
    bootstraps.sort_by(f64::total_cmp);
    let quantile = |share: f64| bootstraps.get(((bootstraps.len().max(1) - 1) as f64 * share).round() as usize);
    println!(
        "{{\"critical_load\": {whole:?}, \"interval\": [{:?}, {:?}], \"bootstraps\": {}, \"theory\": {CRITICAL_LOAD}}}",
        quantile(0.025),
        quantile(0.975),
        bootstraps.len()
    );
}

fn share(each: &[f64]) -> f64 {
    each.iter().filter(|&&overlap| overlap > RETRIEVED).count() as f64 / each.len() as f64
}
