//! Capacity: overlap and exact recall against load, beside what theory says.

use attractor::Result;
use attractor::experiment::capacity::{CRITICAL_LOAD, Capacity, Measured, retrieval_overlap};

use crate::canvas::axis::Side;
use crate::canvas::numbers::percent;
use crate::figures::lines::{Lines, Series};

attractor::choice! {
    /// What of recall is drawn against load.
    #[derive(Default)]
    pub enum Criterion {
        /// The overlap of the settled state with its pattern.
        #[default]
        Overlap = "overlap",
        /// The share of cues recalled without an error.
        Exact = "exact",
    }
}

/// The figure of a capacity, beside what theory says of large systems.
///
/// # Errors
/// `is_usage` for a load that is not above zero.
pub fn figure(criterion: Criterion, found: &Capacity) -> Result<String> {
    match criterion {
        Criterion::Overlap => overlap(found),
        Criterion::Exact => exact(found),
    }
}

fn notes(found: &Capacity) -> Vec<String> {
    vec![format!(
        "rule {}, {} units, {} pattern sets, {} cues each, {} of a cue wrong",
        found.rule,
        found.neurons,
        found.seeds,
        found.cues,
        percent(found.noise)
    )]
}

/// The overlap of the settled state with its pattern against the load, beside the theory of large systems.
///
/// # Errors
/// `is_usage` for a load that is not above zero.
fn overlap(found: &Capacity) -> Result<String> {
    let points = found.loads.iter().map(|m| (m.load, m.overlap)).collect();
    let mut measured = Series::new("measured, two standard errors", points);
    if found.seeds > 1 {
        let band = |m: &Measured| (m.overlap - 2.0 * m.standard_error, m.overlap + 2.0 * m.standard_error);
        measured = measured.with_band(found.loads.iter().map(band).collect());
    }
    let first = found.loads.iter().map(|m| m.load).fold(CRITICAL_LOAD, f64::min);
    let loads = (0..=200).map(|i| first + (CRITICAL_LOAD - first) * f64::from(i) / 200.0);
    let mut theory = Vec::new();
    for load in loads {
        theory.extend(retrieval_overlap(load)?.map(|m| (load, m)));
    }
    let series = [measured, Series::new("Hebb's rule, theory, N to infinity", theory).null()];
    let (x, y) = (Side::new("load P / N"), Side::new("overlap m"));
    Lines { title: "Recall against load", notes: notes(found), x, y, series: &series }.svg()
}

/// The share of cues recalled without an error against the load, beside the limits of Hebb's rule.
///
/// # Errors
/// As [`Lines::svg`].
fn exact(found: &Capacity) -> Result<String> {
    let points = found.loads.iter().map(|m| (m.load, m.exact)).collect();
    let line = |name: &str, load: f64| Series::new(name, vec![(load, 0.0), (load, 1.0)]).null();
    let mut series = vec![Series::new("measured", points)];
    if let Some(limits) = found.limits {
        series.push(line("most patterns: 1 / (2 ln N)", limits.most));
        series.push(line("all patterns: 1 / (4 ln N)", limits.all));
    }
    let (x, y) = (Side::new("load P / N"), Side::new("share recalled without an error").between(0.0, 1.0));
    Lines { title: "Recall without an error", notes: notes(found), x, y, series: &series }.svg()
}

/// The table of a capacity, for a terminal, and what theory says of it.
pub fn words(found: &Capacity) -> String {
    let mut out = format!(
        "{}, {} units, {} pattern sets, {} cues each, {} of a cue wrong; recall unit by unit until none flips\n\n\
         {:>7}  {:>8}  {:>9}  {:>9}  {:>9}  {:>8}\n",
        found.rule,
        found.neurons,
        found.seeds,
        found.cues,
        percent(found.noise),
        "load",
        "patterns",
        "overlap m",
        "+- s.e.",
        "theory",
        "exact",
    );
    for m in &found.loads {
        let theory = m.theory.map_or("-".to_string(), |m| format!("{m:.5}"));
        let error = if m.standard_error.is_nan() { "-".to_string() } else { format!("{:.5}", m.standard_error) };
        out += &format!(
            "{:>7.4}  {:>8}  {:>9.5}  {error:>9}  {theory:>9}  {:>7.1}%\n",
            m.load,
            m.patterns,
            m.overlap,
            100.0 * m.exact
        );
    }
    match found.limits.filter(|limits| limits.most.is_finite()) {
        None => out,
        Some(limits) => {
            out + &format!(
                "\nTheory: the retrieval state for N to infinity (Amit, Gutfreund and Sompolinsky 1987), which disappears above a load of \
             {CRITICAL_LOAD:.4}.\nWithout any error: most patterns up to 1 / (2 ln N) = {:.4}, all up to 1 / (4 ln N) = \
             {:.4} (McEliece et al. 1987).\n",
                limits.most, limits.all
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use attractor::Context;
    use attractor::experiment::capacity::{Plan, run};
    use attractor::learn::Rule;

    /// Limits and theory are those of Hebb's rule: limits stand beside no other.
    #[test]
    fn theory_stands_beside_what_was_measured() {
        let measured = |rule| {
            let plan = Plan { rule, neurons: 40, loads: vec![0.05, 0.1], seeds: 2, cues: 2, noise: 0.1, sweeps: 50 };
            run(&plan, &Context::new(1)).unwrap()
        };
        let (hebb, projection) = (measured(Rule::Hebb), measured(Rule::PseudoInverse { diagonal: false }));
        assert!(exact(&hebb).unwrap().contains("1 / (2 ln N)") && !exact(&projection).unwrap().contains("ln N"));
        assert!(
            overlap(&hebb).unwrap().contains("rule hebb, 40 units, 2 pattern sets, 2 cues each, 10 % of a cue wrong")
        );
        assert!(overlap(&projection).unwrap().contains("theory, N to infinity"));
    }
}
