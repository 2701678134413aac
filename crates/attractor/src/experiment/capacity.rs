//! How much a memory of random patterns holds: Hebb's by theory, every rule's by measurement.

use rayon::prelude::*;
use serde::Serialize;

use crate::context::Context;
use crate::energy::{Hebb, SpinMemory};
use crate::error::{Error, Kind, Result};
use crate::learn::Rule;
use crate::pattern::{MOST_UNITS, StoredPatterns};
use crate::random::{Philox, stream};
use crate::settle::{Order, asynchronous};

/// Load beyond which no retrieval state is left (replica-symmetric theory).
///
/// # Source
/// Amit, Gutfreund and Sompolinsky 1985, 1987; the value is the largest load at which [`retrieval_overlap`] has a solution.
pub const CRITICAL_LOAD: f64 = 0.137906;

/// Overlap m of the retrieval state at zero temperature and load alpha, for N to infinity; `None` beyond
/// [`CRITICAL_LOAD`].
///
/// m = erf(y) with sqrt(2 alpha) = erf(y) / y - (2 / sqrt(pi)) exp(-y^2), the largest y.
///
/// # Errors
/// `is_usage` if the load is not a number above zero.
/// # Source
/// Amit, Gutfreund and Sompolinsky 1987, *Statistical mechanics of neural networks near saturation*.
pub fn retrieval_overlap(load: f64) -> Result<Option<f64>> {
    if !(load > 0.0 && load.is_finite()) {
        return Err(Error::usage(format!("capacity: a load of {load}; expected a number above zero")));
    }
    let left = (2.0 * load).sqrt();
    let right = |y: f64| libm::erf(y) / y - std::f64::consts::FRAC_2_SQRT_PI * (-y * y).exp();
    // From zero the right side rises to one maximum and then falls like 1 / y: the largest y lies behind the maximum.
    let (mut low, mut high) = (0.5, 4.0);
    for _ in 0..200 {
        let (a, b) = (low + (high - low) / 3.0, high - (high - low) / 3.0);
        if right(a) < right(b) { low = a } else { high = b }
    }
    let peak = (low + high) / 2.0;
    if right(peak) < left {
        return Ok(None);
    }
    let (mut low, mut high) = (peak, 1.0 / left + 1.0);
    for _ in 0..200 {
        let middle = (low + high) / 2.0;
        if right(middle) > left { low = middle } else { high = middle }
    }
    Ok(Some(libm::erf((low + high) / 2.0)))
}

/// Loads P / N up to which random patterns are recalled without any error, by Hebb's rule, as N grows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ExactLimits {
    /// Most patterns: 1 / (2 ln N); infinite at N = 1.
    pub most: f64,
    /// All patterns at once: 1 / (4 ln N).
    pub all: f64,
}

/// The loads of exact recall at N units.
///
/// # Source
/// McEliece, Posner, Rodemich and Venkatesh 1987, *The capacity of the Hopfield associative memory*.
pub fn exact_limits(units: usize) -> ExactLimits {
    let log = (units as f64).ln();
    ExactLimits { most: 1.0 / (2.0 * log), all: 1.0 / (4.0 * log) }
}

/// How many random patterns a rule holds in N units: Hebb's [`CRITICAL_LOAD`] N, the projection's N; `None` of a rule
/// that no such number is known of.
pub fn most_patterns(rule: Rule, units: usize) -> Option<usize> {
    match rule {
        Rule::Hebb => Some((units as f64 * CRITICAL_LOAD) as usize),
        Rule::PseudoInverse { .. } => Some(units),
        _ => None,
    }
}

/// A measurement of capacity.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// How patterns are stored; Hebb's rule without weights.
    pub rule: Rule,
    /// Units N, at most 2^24.
    pub neurons: usize,
    /// Loads P / N; P is rounded to the nearest whole number, at least one.
    pub loads: Vec<f64>,
    /// Pattern sets per load, at most 2^20.
    pub seeds: usize,
    /// Patterns recalled of each set, at most 2^20.
    pub cues: usize,
    /// Share of a cue's units that are flipped.
    pub noise: f64,
    /// Most sweeps of a recall.
    pub sweeps: usize,
}

/// What was measured at one load.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measured {
    /// P / N as it was, P being a whole number.
    pub load: f64,
    /// P.
    pub patterns: usize,
    /// Mean overlap of the settled state with its pattern, in [-1, 1]: over cues, then over pattern sets.
    #[serde(rename = "m_mean")]
    pub overlap: f64,
    /// Standard error over pattern sets; NaN of one set.
    #[serde(rename = "m_se")]
    pub standard_error: f64,
    /// Share of cues that were recalled without an error.
    pub exact: f64,
    /// [`retrieval_overlap`] at this load, of Hebb's rule.
    #[serde(rename = "m_ags")]
    pub theory: Option<f64>,
    /// Mean overlap of each pattern set.
    pub each: Vec<f64>,
}

/// What [`run`] measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Capacity {
    /// "attractor.memory.capacity/1".
    pub schema: &'static str,
    /// Name of the rule.
    pub rule: &'static str,
    /// N.
    pub neurons: usize,
    /// Pattern sets per load.
    pub seeds: usize,
    /// Patterns recalled of each set, at most.
    pub cues: usize,
    /// Share of a cue's units that were flipped.
    pub noise: f64,
    /// Seed of patterns, cues and update order.
    pub seed: u64,
    /// [`exact_limits`], of Hebb's rule.
    pub limits: Option<ExactLimits>,
    /// Load by load.
    pub loads: Vec<Measured>,
}

/// Most pattern sets of a load, and most cues of a set.
const MOST_SETS: usize = 1 << 20;
/// Most bytes of patterns and weights.
const MOST_BYTES: f64 = (16u64 << 30) as f64;

impl Plan {
    /// A small network: 100 units, a tenth of each cue wrong, 1 to 50 patterns.
    pub fn small(rule: Rule) -> Self {
        let loads = vec![0.01, 0.05, 0.1, 0.14, 0.2, 0.3, 0.5];
        Self { rule, neurons: 100, loads, seeds: 20, cues: 20, noise: 0.1, sweeps: 200 }
    }

    /// Checks that the plan can be carried out.
    ///
    /// # Errors
    /// `is_usage` for a number outside its range.
    pub fn check(&self) -> Result<()> {
        let counts = [("loads", self.loads.len()), ("seeds", self.seeds), ("cues", self.cues), ("sweeps", self.sweeps)];
        if let Some((option, _)) = counts.into_iter().find(|(_, count)| *count == 0) {
            return Err(Error::option(option, 0, "give at least 1"));
        }
        if let Some(load) = self.loads.iter().find(|load| !(**load > 0.0 && load.is_finite())) {
            return Err(Error::option("loads", load, "give numbers above zero"));
        }
        if !(0.0..=1.0).contains(&self.noise) {
            return Err(Error::option("noise", self.noise, "give a fraction from 0 to 1"));
        }
        if !(1..=MOST_UNITS).contains(&self.neurons) {
            return Err(Error::option("neurons", self.neurons, format!("give 1 to {MOST_UNITS} units")));
        }
        for (option, value) in [("seeds", self.seeds), ("cues", self.cues)] {
            if value > MOST_SETS {
                return Err(Error::option(option, value, format!("give at most {MOST_SETS}")));
            }
        }
        Ok(())
    }

    /// Refuses more than fits in memory: patterns twice over at a bit per unit, or the weights of a learning rule, on each
    /// of `threads`.
    fn check_memory(&self, threads: usize) -> Result<()> {
        let (units, sets) = (self.neurons as f64, threads.min(self.seeds));
        let load = self.loads.iter().copied().fold(0.0, f64::max);
        let (what, one) = match self.rule {
            Rule::Hebb => ("patterns", units * units * load / 4.0),
            _ => ("weights", 16.0 * units * units + units * units * load / 4.0),
        };
        let bytes = one * sets as f64;
        if bytes <= MOST_BYTES {
            return Ok(());
        }
        let why = format!(
            "at a load of {load:?} the {what} of {sets} sets at a time take {:.1} GB; at most {:.0} GB: ask for fewer, or for \
             fewer threads",
            bytes / 1e9,
            MOST_BYTES / 1e9
        );
        Err(Error::option("neurons", self.neurons, why).of_kind(Kind::Budget))
    }
}

/// Measures every load of the plan.
///
/// # Errors
/// As [`Plan::check`]; `is_budget` for more memory than 17 GB, `is_interrupted`.
pub fn run(plan: &Plan, context: &Context<'_>) -> Result<Capacity> {
    plan.check()?;
    context.install(|| {
        plan.check_memory(rayon::current_num_threads())?;
        let mut loads = Vec::new();
        for (index, &load) in plan.loads.iter().enumerate() {
            context.check()?;
            context.step("recalling", index, plan.loads.len());
            loads.push(measure(plan, load, context.seed())?);
        }
        Ok(Capacity {
            schema: "attractor.memory.capacity/1",
            rule: plan.rule.name(),
            neurons: plan.neurons,
            seeds: plan.seeds,
            cues: plan.cues,
            noise: plan.noise,
            seed: context.seed(),
            limits: (plan.rule == Rule::Hebb).then(|| exact_limits(plan.neurons)),
            loads,
        })
    })
}

/// Sum of overlaps, exact recalls and cues of one pattern set.
fn recalled(
    memory: &impl SpinMemory,
    patterns: &StoredPatterns,
    plan: &Plan,
    (seed, set): (u64, u64),
    random: &mut Philox,
) -> Result<(f64, usize, usize)> {
    let wrong = (plan.noise * plan.neurons as f64).round() as usize;
    let cues = plan.cues.min(patterns.count());
    let (mut overlap, mut exact) = (0.0, 0);
    for cue in 0..cues {
        let stored = patterns.pattern(cue);
        let start = stored.with_flips(wrong, random)?;
        let stream = stream::updates_in_set(set, cue as u64);
        let settled = asynchronous(memory, &start, Order::Random { seed, stream }, plan.sweeps)?;
        overlap += f64::from(settled.state.overlap(&stored)) / plan.neurons as f64;
        exact += usize::from(settled.state == stored);
    }
    Ok((overlap / cues as f64, exact, cues))
}

/// Measures one load of a plan: random patterns, cues with exactly the planned share of wrong units, asynchronous recall in random
/// order.
///
/// The answer does not depend on the number of threads.
///
/// # Cost
/// seeds x cues recalls of O(N P) per sweep; memory P N / 4 bytes per thread. Rules but Hebb's: what learning costs for each seed,
/// recalls of O(N) a flip, 8 N^2 bytes per thread.
/// # Errors
/// As [`Plan::check`].
pub fn measure(plan: &Plan, load: f64, seed: u64) -> Result<Measured> {
    plan.check()?;
    let count = ((load * plan.neurons as f64).round() as usize).max(1);
    let sets: Vec<(f64, usize, usize)> = (0..plan.seeds as u64)
        .into_par_iter()
        .map(|set| {
            // A stream for each pattern set of each size: loads share nothing.
            let mut random = Philox::new(seed, stream::pattern_set(set, count as u64));
            let patterns = StoredPatterns::random(plan.neurons, count, &mut random)?;
            match plan.rule {
                Rule::Hebb => recalled(&Hebb::new(patterns.clone()), &patterns, plan, (seed, set), &mut random),
                rule => recalled(&rule.learn(&patterns)?.weights, &patterns, plan, (seed, set), &mut random),
            }
        })
        .collect::<Result<_>>()?;
    let each: Vec<f64> = sets.iter().map(|set| set.0).collect();
    let n = each.len() as f64;
    let overlap = each.iter().sum::<f64>() / n;
    let variance = each.iter().map(|m| (m - overlap).powi(2)).sum::<f64>() / (n - 1.0);
    let cues: usize = sets.iter().map(|set| set.2).sum();
    let load = count as f64 / plan.neurons as f64;
    Ok(Measured {
        load,
        patterns: count,
        overlap,
        standard_error: if each.len() > 1 { (variance / n).sqrt() } else { f64::NAN },
        exact: sets.iter().map(|set| set.1).sum::<usize>() as f64 / cues as f64,
        theory: if plan.rule == Rule::Hebb { retrieval_overlap(load)? } else { None },
        each,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of the theory, five digits, solved by another program.
    #[test]
    fn the_theory_has_its_known_values() {
        for (load, m) in [
            (0.05, 0.99999),
            (0.08, 0.99956),
            (0.10, 0.99800),
            (0.12, 0.99322),
            (0.13, 0.98721),
            (0.135, 0.98079),
            (0.137, 0.97544),
        ] {
            let found = retrieval_overlap(load).unwrap().unwrap();
            assert!((found - m).abs() < 1e-5, "{load}: {found} for {m}");
        }
        assert!((retrieval_overlap(CRITICAL_LOAD - 1e-6).unwrap().unwrap() - 0.9674).abs() < 2e-3);
        assert_eq!(retrieval_overlap(CRITICAL_LOAD + 1e-6).unwrap(), None);
        for load in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(retrieval_overlap(load).unwrap_err().is_usage());
        }
    }

    fn plan(loads: &[f64]) -> Plan {
        Plan { rule: Rule::Hebb, neurons: 400, loads: loads.to_vec(), seeds: 8, cues: 8, noise: 0.0, sweeps: 100 }
    }

    /// Weights give what overlaps give, and the projection holds where Hebb's rule has broken down.
    #[test]
    fn every_rule_is_measured_alike() {
        let small = |rule| Plan { rule, neurons: 120, seeds: 3, noise: 0.1, ..plan(&[0.3]) };
        let projection = measure(&small(Rule::PseudoInverse { diagonal: false }), 0.3, 3).unwrap();
        assert!(projection.exact == 1.0 && projection.theory.is_none(), "{projection:?}");
        assert!(measure(&small(Rule::Hebb), 0.3, 3).unwrap().overlap < 0.7);
        // Without a common part to take away, the centred rule is nearly Hebb's.
        let (hebb, centred) = (small(Rule::Hebb), small(Rule::Centred));
        let at = |plan: &Plan| measure(plan, 0.05, 3).unwrap().overlap;
        assert!((at(&hebb) - at(&centred)).abs() < 0.02);
    }

    /// Below capacity the overlap is the theory's up to finite size; above, the retrieval state is gone.
    #[test]
    fn retrieval_holds_and_breaks_down() {
        let plan = plan(&[0.06, 0.25]);
        let below = measure(&plan, 0.06, 3).unwrap();
        assert_eq!((below.patterns, below.load), (24, 0.06));
        assert!((below.overlap - below.theory.unwrap()).abs() < 0.005, "{below:?}");
        let above = measure(&plan, 0.25, 3).unwrap();
        assert!(above.overlap < 0.7 && above.exact == 0.0 && above.theory.is_none(), "{above:?}");
        let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        assert_eq!(one.install(|| measure(&plan, 0.06, 3).unwrap()), below);
    }

    #[test]
    fn plans_out_of_range_are_refused() {
        for bad in [
            Plan { seeds: 0, ..plan(&[0.1]) },
            Plan { loads: vec![], ..plan(&[]) },
            Plan { noise: 1.5, ..plan(&[0.1]) },
            plan(&[f64::NAN]),
            Plan { cues: MOST_SETS + 1, ..plan(&[0.1]) },
        ] {
            assert!(bad.check().unwrap_err().is_usage(), "{bad:?}");
        }
        assert!(measure(&Plan { neurons: 0, ..plan(&[0.1]) }, 0.1, 3).unwrap_err().is_usage());
    }

    /// All loads are each load by itself, said as it goes and stopped when asked.
    #[test]
    fn a_run_is_its_loads() {
        let plan = Plan { neurons: 60, seeds: 3, cues: 2, ..plan(&[0.05, 0.2]) };
        let steps = std::sync::Mutex::new(Vec::new());
        let tell = |step: crate::Advance<'_>| steps.lock().unwrap().push((step.done, step.total));
        let found = run(&plan, &Context::new(3).with_progress(&tell)).unwrap();
        let each: Vec<Measured> = plan.loads.iter().map(|&load| measure(&plan, load, 3).unwrap()).collect();
        assert_eq!((found.rule, &found.loads), ("hebb", &each));
        assert_eq!(*steps.lock().unwrap(), [(0, 2), (1, 2)]);
        assert!(run(&plan, &Context::new(3).with_interrupt(&|| true)).unwrap_err().is_interrupted());
        // Of 100 units, 10.9 patterns and 5.4.
        let limits = exact_limits(100);
        assert!((100.0 * limits.most - 10.857).abs() < 1e-3 && limits.all == limits.most / 2.0, "{limits:?}");
        assert_eq!(most_patterns(Rule::Hebb, 1000), Some(137));
    }

    #[test]
    fn what_does_not_fit_in_memory_is_refused() {
        let large = Plan { neurons: 10_000_000, ..plan(&[0.1]) };
        let error = run(&large, &Context::new(0)).unwrap_err();
        assert!(error.is_budget() && error.at_fault() == Some(("neurons", "10000000")), "{error}");
        // A learning rule's weights do not fit where Hebb's patterns do.
        let learned = Plan { neurons: 40_000, rule: Rule::Storkey, ..plan(&[0.1]) };
        assert!(learned.check_memory(1).unwrap_err().is_budget());
        assert!(Plan { rule: Rule::Hebb, ..learned }.check_memory(8).is_ok());
    }
}
