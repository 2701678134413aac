//! The capture certificate: is what was captured what attention computed?
//!
//! Per layer, over all kept heads and inputs. Every entry has a value, a tolerance that depends on the precision, a
//! verdict and a reason; what the source cannot show is "not testable", never passed in silence.

mod bounds;

use attractor::numerals::significant;
use std::fmt;

use attractor::retrieve::HeadStatistics;
use serde::{Deserialize, Serialize};

use bounds::violations;

use crate::run::Run;
use attractor::Result;
use attractor_record::Captured;
use attractor_record::Patterns;
use attractor_record::Precision;
use attractor_record::Steps;
use attractor_record::{MaskOrigin, Observations};

/// What came out of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    /// Within tolerance.
    Pass,
    /// The source does not hold what the check needs.
    NotTestable,
    /// Beyond what arithmetic explains, but harmless so far.
    Warn,
    /// The capture does not show what attention computed.
    Fail,
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pass => "pass",
            Self::NotTestable => "not testable",
            Self::Warn => "warn",
            Self::Fail => "fail",
        })
    }
}

/// One check of one layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The model's own layer number.
    pub layer: usize,
    /// Which check.
    pub name: String,
    /// The worst value found; `None` if not testable or not a number.
    pub value: Option<f64>,
    /// Beyond this the check fails.
    pub tolerance: Option<f64>,
    /// What came out.
    pub verdict: Grade,
    /// Where the worst value is, or why there is none; the next step if there is one.
    pub why: String,
}

/// All checks of all layers.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Certificate {
    /// Layer by layer.
    pub entries: Vec<Entry>,
}

impl Certificate {
    /// The worst verdict; "not testable" ranks below a warning. `NotTestable` for an empty certificate.
    pub fn verdict(&self) -> Grade {
        self.entries.iter().map(|entry| entry.verdict).max().unwrap_or(Grade::NotTestable)
    }

    /// The entry of a layer's check.
    pub fn entry(&self, layer: usize, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.layer == layer && entry.name == name)
    }
}

/// Names of the checks, in order.
pub mod names {
    /// No NaN or infinity among queries, keys or weights.
    pub const FINITE: &str = "finite";
    /// Every row sums to one (with the mass of a learned sink).
    pub const ROW_SUMS: &str = "row sums";
    /// No mass where the mask forbids.
    pub const SUPPORT: &str = "support";
    /// A.V is what went into the output projection.
    pub const OUTPUT: &str = "A.V = z";
    /// W_O z + b is what the module returned.
    pub const PROJECTION: &str = "W_O z + b = output";
    /// Dropout and the like were off.
    pub const EVALUATION: &str = "evaluation mode";
    /// Mass that goes to no key is accounted for.
    pub const DEFICIT: &str = "explained deficits";
    /// Entropy lies where its bounds, the visible keys and the participation allow.
    pub const ENTROPY: &str = "entropy bounds";
    /// The peak lies where the participation allows.
    pub const PEAK: &str = "peak bounds";
    /// Queries and keys as stored give the model's own log-sum-exp.
    pub const STORED: &str = "stored log-sum-exp";
    /// The array is a map of weights.
    pub const WEIGHTS: &str = "weights";
}

/// What a certificate needs beside [`Patterns`].
pub(crate) trait Certified: Patterns {
    /// Precision of the weights that the statistics come from.
    fn precision(&self, layer: usize, input: usize) -> Result<Precision>;
    /// What was seen when the layer was imported.
    fn observations(&self, layer: usize, input: usize) -> Result<Option<Observations>>;
    /// The model's log-sum-exp and that of the stored queries and keys; `None` where nothing is stored.
    fn stored(&self, layer: usize, head: usize, input: usize) -> Result<Option<(Vec<f32>, Vec<f32>)>>;
    /// Precision of stored queries and keys, if this is a run.
    fn stored_precision(&self) -> Option<Precision>;
}

/// Warn and fail beyond these.
fn row_sum_tolerance(precision: Precision) -> (f64, f64) {
    match precision {
        Precision::F32 | Precision::F64 => (1e-6, 1e-5),
        Precision::F16 => (1e-3, 2e-3),
        Precision::Bf16 => (5e-3, 1e-2),
    }
}

/// Relative to the largest output; f32 sums over hundreds of keys lose about 1e-6.
const OUTPUT_TOLERANCE: (f64, f64) = (1e-5, 1e-4);
/// Nats; entropy and participation are stored as f32.
const BOUND_TOLERANCE: (f64, f64) = (1e-4, 1e-3);
/// Nats; of f16 and f32 queries and keys.
const STORED_TOLERANCE: [(f64, f64); 2] = [(2e-2, 1e-1), (1e-4, 1e-3)];

/// The worst value seen and where.
#[derive(Default)]
struct Worst {
    value: Option<f64>,
    place: String,
}

impl Worst {
    fn see(&mut self, value: f64, place: impl FnOnce() -> String) {
        // A NaN is worse than any number, and stays.
        let worse = match self.value {
            None => true,
            Some(worst) => !worst.is_nan() && (value.is_nan() || value > worst),
        };
        if worse {
            self.value = Some(value);
            self.place = place();
        }
    }

    fn entry(
        self,
        layer: usize,
        name: &str,
        (warn, fail): (f64, f64),
        unit: &str,
        advice: &str,
        nothing: &str,
    ) -> Entry {
        let Some(value) = self.value else {
            return Entry { tolerance: Some(fail), ..not_testable(layer, name, nothing) };
        };
        // Passing conditions, so that a NaN fails.
        let verdict = if value <= warn {
            Grade::Pass
        } else if value <= fail {
            Grade::Warn
        } else {
            Grade::Fail
        };
        let advice = if verdict == Grade::Pass { "" } else { advice };
        let why = format!("largest at {}: {}{unit}{advice}", self.place, significant(value, 4));
        Entry {
            layer,
            name: name.into(),
            value: value.is_finite().then_some(value),
            tolerance: Some(fail),
            verdict,
            why,
        }
    }
}

pub(crate) fn not_testable(layer: usize, name: &str, why: impl Into<String>) -> Entry {
    Entry { layer, name: name.into(), value: None, tolerance: None, verdict: Grade::NotTestable, why: why.into() }
}

/// One layer over all heads and inputs.
#[derive(Default)]
struct Tally {
    rows: usize,
    invalid: usize,
    sums: Worst,
    forbidden: Worst,
    entropy: Worst,
    peak: Worst,
    stored: Worst,
    /// Sum and count of the mass of learned sinks.
    sink: (f64, usize),
}

impl Tally {
    fn add(&mut self, s: &HeadStatistics, head: usize, entry: &str) {
        self.rows += s.queries;
        self.invalid += s.invalid_rows;
        let place = |row: usize| move || format!("head {head}, {entry}, row {row}");
        for row in 0..s.queries {
            let number = |x: &[f32]| x.get(row).map(|&x| f64::from(x)).filter(|x| !x.is_nan());
            if let Some(error) = number(&s.row_sum_error) {
                self.sums.see(error.abs(), place(row));
            }
            let forbidden = number(&s.forbidden_mass);
            if let Some(mass) = forbidden {
                self.forbidden.see(mass, place(row));
            }
            if let Some(mass) = number(&s.sink_mass) {
                self.sink = (self.sink.0 + mass, self.sink.1 + 1);
            }
            // Mass on forbidden keys is a finding of its own; the bounds are about the visible ones.
            if forbidden.is_none_or(|mass| mass <= 0.0)
                && let Some((entropy, peak)) = violations(s, row)
            {
                self.entropy.see(entropy.max(0.0), place(row));
                self.peak.see(peak.max(0.0), place(row));
            }
        }
    }

    fn add_stored(&mut self, own: &[f32], stored: &[f32], head: usize, entry: &str) {
        for (row, (&own, &stored)) in own.iter().zip(stored).enumerate() {
            let (own, stored) = (f64::from(own), f64::from(stored));
            // Empty rows are -inf in both; invalid rows are counted elsewhere.
            if !own.is_nan() {
                let difference = if own == stored { 0.0 } else { (own - stored).abs() };
                self.stored.see(difference, || format!("head {head}, {entry}, row {row}"));
            }
        }
    }
}

/// Observations of a layer over its inputs.
fn gathered(all: &[Observations]) -> Option<Observations> {
    let first = all.first()?.clone();
    Some(all[1..].iter().fold(first, |a, b| Observations {
        zeros: a.zeros.max(b.zeros),
        lowest_sum: a.lowest_sum.into_iter().chain(b.lowest_sum).reduce(f64::min),
        highest_sum: a.highest_sum.into_iter().chain(b.highest_sum).reduce(f64::max),
        non_finite: a.non_finite + b.non_finite,
        ..a
    }))
}

/// Dropout leaves exact zeros where weights were and scales the rest up: sums scatter around one.
fn looks_dropped(seen: &Observations) -> bool {
    let (low, high) = (seen.lowest_sum.unwrap_or(1.0), seen.highest_sum.unwrap_or(1.0));
    seen.zeros > 0.01 && high > 1.01 && low < 0.99
}

pub(crate) fn certify(source: &dyn Certified) -> Result<Certificate> {
    let mut entries = Vec::new();
    let steps = Steps::new((0..source.inputs()).map(|input| source.origin(input)).collect());
    for shape in source.layers() {
        let layer = shape.layer;
        let mut tally = Tally::default();
        let (mut outputs, mut projections) = (Worst::default(), Worst::default());
        let (mut evaluated, mut scaled) = (Vec::new(), true);
        let mut observed = Vec::new();
        let mut tolerance = (0f64, 0f64);
        for input in 0..source.inputs() {
            if source.shape(layer, input)?.0 == 0 {
                continue;
            }
            let entry = steps.name(input);
            for &head in &shape.heads {
                if let Some(statistics) = source.statistics(layer, head, input)? {
                    tally.add(&statistics, head, &entry);
                }
                if let Some((own, stored)) = source.stored(layer, head, input)? {
                    tally.add_stored(&own, &stored, head, &entry);
                }
            }
            let (warn, fail) = row_sum_tolerance(source.precision(layer, input)?);
            tolerance = (tolerance.0.max(warn), tolerance.1.max(fail));
            observed.extend(source.observations(layer, input)?);
            let facts = source.facts(layer, input)?;
            evaluated.extend(facts.evaluation_mode);
            let place = || entry.clone();
            for (worst, error) in [(&mut outputs, facts.output_error), (&mut projections, facts.projection_error)] {
                match (error, facts.output_scale) {
                    (Some(error), Some(scale)) => worst.see(if error == 0.0 { 0.0 } else { error / scale }, place),
                    (Some(_), None) => scaled = false,
                    _ => {}
                }
            }
        }
        let seen = gathered(&observed);
        entries.extend(entries_of(layer, tally, seen, tolerance, source.stored_precision()));
        let nothing = match (scaled, observed.is_empty()) {
            (false, _) => "the scale of the output was not recorded",
            (true, false) => "the import holds weights only; capture from the model itself to test it",
            (true, true) => "it was not recorded while the model ran",
        };
        let advice = "; relative to the largest output: the captured weights are not what the module used";
        entries.push(outputs.entry(layer, names::OUTPUT, OUTPUT_TOLERANCE, "", advice, nothing));
        entries.push(projections.entry(layer, names::PROJECTION, OUTPUT_TOLERANCE, "", advice, nothing));
        entries.push(evaluation(layer, &evaluated, &observed));
    }
    Ok(Certificate { entries })
}

fn evaluation(layer: usize, evaluated: &[bool], observed: &[Observations]) -> Entry {
    let entry = |verdict, why: String| Entry { verdict, ..not_testable(layer, names::EVALUATION, why) };
    let dropped = observed.iter().find(|seen| looks_dropped(seen));
    match (evaluated.iter().all(|&on| on), evaluated.is_empty(), dropped) {
        (_, _, Some(seen)) => entry(
            Grade::Fail,
            format!(
                "captured in training mode: {:.1}% of the weights inside the mask are exactly zero and rows sum to \
                 {:.3}..{:.3}, as dropout does; switch the model to evaluation mode and capture again",
                100.0 * seen.zeros,
                seen.lowest_sum.unwrap_or(f64::NAN),
                seen.highest_sum.unwrap_or(f64::NAN)
            ),
        ),
        (_, true, None) => entry(Grade::NotTestable, "it was not recorded; the weights show no dropout".to_string()),
        (true, false, None) => entry(Grade::Pass, "dropout was off".to_string()),
        (false, false, None) => entry(Grade::Fail, "dropout was on; switch the model to evaluation mode".to_string()),
    }
}

fn entries_of(
    layer: usize,
    tally: Tally,
    seen: Option<Observations>,
    tolerance: (f64, f64),
    stored_precision: Option<Precision>,
) -> Vec<Entry> {
    let mut entries = Vec::new();
    let none = "no row holds numbers only";
    let finite =
        Entry { value: Some(tally.invalid as f64), tolerance: Some(0.0), ..not_testable(layer, names::FINITE, "") };
    entries.push(match tally.invalid {
        0 => Entry { verdict: Grade::Pass, why: format!("all {} rows are numbers", tally.rows), ..finite },
        bad => Entry {
            why: format!(
                "{bad} of {} rows hold NaN, Inf or negative weights; they take no part in anything below",
                tally.rows
            ),
            ..finite
        },
    });

    let dropped = seen.as_ref().is_some_and(looks_dropped);
    let advice =
        if dropped { "; the map was captured with dropout on" } else { "; these are not the weights of a softmax" };
    let deficit = deficit(layer, &tally, seen.as_ref(), tolerance);
    entries.push(tally.sums.entry(layer, names::ROW_SUMS, tolerance, "", advice, none));

    entries.push(match seen.as_ref().map(|seen| seen.mask) {
        Some(MaskOrigin::InferredCausal) => not_testable(
            layer,
            names::SUPPORT,
            "the mask was inferred from the weights: causal, since all above the diagonal is exactly zero; state the mask \
             to test it",
        ),
        Some(MaskOrigin::InferredFull) => not_testable(
            layer,
            names::SUPPORT,
            "the mask was inferred from the weights: full, since there is mass above the diagonal; state the mask to test it",
        ),
        Some(MaskOrigin::Given) | None => {
            let advice = " of mass where the mask forbids: the map is not what a model with this mask computes";
            tally.forbidden.entry(layer, names::SUPPORT, (0.0, 1e-6), "", advice, none)
        }
    });
    entries.push(deficit);
    let advice =
        " outside what entropy, visible keys and sum of squares allow together: the statistics contradict each other";
    entries.push(tally.entropy.entry(layer, names::ENTROPY, BOUND_TOLERANCE, " nats", advice, none));
    entries.push(tally.peak.entry(layer, names::PEAK, BOUND_TOLERANCE, "", advice, none));
    if let Some(precision) = stored_precision {
        let tolerance = STORED_TOLERANCE[usize::from(precision == Precision::F32)];
        let advice = "; recomputed weights are off by about that share: write the run with dtype f32";
        let nothing = "the run keeps no queries and keys";
        entries.push(tally.stored.entry(layer, names::STORED, tolerance, " nats", advice, nothing));
    }
    entries
}

fn deficit(layer: usize, tally: &Tally, seen: Option<&Observations>, (_, fail): (f64, f64)) -> Entry {
    let entry =
        |verdict, value: Option<f64>, why: String| Entry { verdict, value, ..not_testable(layer, names::DEFICIT, why) };
    if tally.sink.1 > 0 {
        let mean = tally.sink.0 / tally.sink.1 as f64;
        return entry(
            Grade::Pass,
            Some(mean),
            format!("a learned sink takes {:.1}% of the mass on average", 100.0 * mean),
        );
    }
    let Some(largest) = tally.sums.value else {
        return not_testable(layer, names::DEFICIT, "no row holds numbers only");
    };
    if largest <= fail {
        return entry(Grade::Pass, Some(0.0), "rows sum to one: there is nothing to explain".to_string());
    }
    match seen.map(|seen| (seen.lowest_sum.unwrap_or(1.0), seen.highest_sum.unwrap_or(1.0), looks_dropped(seen))) {
        Some((low, high, false)) if high <= 1.0 + fail => entry(
            Grade::Warn,
            Some(1.0 - low),
            format!(
                "rows sum to {low:.3}..{high:.3} and never above one, as with a learned sink; nothing in the file says so"
            ),
        ),
        _ => entry(Grade::Fail, Some(largest), "rows do not sum to one, and no learned sink explains it".to_string()),
    }
}

impl Certified for Captured {
    fn precision(&self, _: usize, _: usize) -> Result<Precision> {
        Ok(Precision::F32)
    }

    fn observations(&self, _: usize, _: usize) -> Result<Option<Observations>> {
        Ok(None)
    }

    fn stored(&self, _: usize, _: usize, _: usize) -> Result<Option<(Vec<f32>, Vec<f32>)>> {
        Ok(None)
    }

    fn stored_precision(&self) -> Option<Precision> {
        None
    }
}

impl Certificate {
    /// Certifies the capture.
    ///
    /// # Errors
    /// What reading the statistics answers.
    pub fn of_captured(captured: &Captured) -> Result<Self> {
        certify(captured)
    }
}

impl Certified for Run {
    fn precision(&self, layer: usize, input: usize) -> Result<Precision> {
        // Statistics come from what was written, before it was rounded.
        Ok(Run::observations(self, layer, input)?.map_or(Precision::F32, |seen| seen.source))
    }

    fn observations(&self, layer: usize, input: usize) -> Result<Option<Observations>> {
        Run::observations(self, layer, input)
    }

    fn stored(&self, layer: usize, head: usize, input: usize) -> Result<Option<(Vec<f32>, Vec<f32>)>> {
        self.log_sum_exp(layer, head, input)
    }

    fn stored_precision(&self) -> Option<Precision> {
        Some(self.options().dtype)
    }
}

impl Run {
    /// Certifies the run: what was checked while the model ran, what the statistics show, and what storing changed.
    ///
    /// # Errors
    /// `is_format` if the run is damaged.
    pub fn certificate(&self) -> Result<Certificate> {
        certify(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nan_is_the_worst_value_and_fails() {
        let mut worst = Worst::default();
        for value in [1.0, f64::NAN, 2.0] {
            worst.see(value, || format!("{value}"));
        }
        let entry = worst.entry(3, "x", (1.0, 10.0), "", "", "");
        assert_eq!((entry.verdict, entry.value), (Grade::Fail, None));
        assert!(entry.why.contains("NaN"));
    }
}
