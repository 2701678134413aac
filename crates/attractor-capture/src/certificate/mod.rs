//! The capture certificate: is what was captured what attention computed?
//!
//! Per layer, over all kept heads and inputs. Every entry has a value, a tolerance that depends on the precision, a
//! verdict and a reason; what the source cannot show is "not testable", never passed in silence.

mod account;
mod bounds;

use std::fmt;

use attractor::numerals::significant;
use attractor::retrieve::HeadStatistics;
use serde::{Deserialize, Serialize};

pub use account::{Account, CaptureCheck, Means, Spot};
use bounds::violations;

use crate::run::Run;
use attractor::Result;
use attractor_record::{Captured, MaskOrigin, Observations, Origin, Patterns, Precision, Stack, Steps};

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
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    /// The stack of the layer, where the model has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stack: Option<Stack>,
    /// The model's own layer number.
    pub layer: usize,
    /// Which check.
    pub name: CaptureCheck,
    /// The worst value found; `None` if not testable or not a number.
    pub value: Option<f64>,
    /// Beyond this the check fails.
    pub tolerance: Option<f64>,
    /// What came out.
    pub verdict: Grade,
    /// Where the worst value is, or why there is none; its sentence says the next step if there is one.
    pub why: Account,
}

/// All checks of all layers, of one stack or of several.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
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
    pub fn entry(&self, layer: usize, name: CaptureCheck) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.layer == layer && entry.name == name)
    }
}

/// An entry a line: what is wrong first, then what could not be tested, then what passed.
impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for wanted in [Grade::Fail, Grade::Warn, Grade::NotTestable, Grade::Pass] {
            let mark = match wanted {
                Grade::Fail => "FAIL",
                Grade::Warn => "warn",
                Grade::NotTestable => "not testable",
                Grade::Pass => "ok",
            };
            for entry in self.entries.iter().filter(|entry| entry.verdict == wanted) {
                let value = entry.value.map_or(String::new(), |value| significant(value, 4));
                let stack = entry.stack.map_or(String::new(), |stack| format!("{stack} "));
                let (layer, name, why) = (entry.layer, &entry.name, &entry.why);
                writeln!(f, "{mark:<13} {stack}L{layer:<3} {name:<22} {value:>10}  {why}")?;
            }
        }
        Ok(())
    }
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

/// Mass where the mask forbids.
const FORBIDDEN: f64 = 1e-6;

/// The worst value seen and where.
#[derive(Default)]
struct Worst(Option<(f64, Spot)>);

impl Worst {
    fn see(&mut self, value: f64, spot: Spot) {
        // A NaN is worse than any number, and stays.
        let worse = |&(worst, _): &(f64, Spot)| !worst.is_nan() && (value.is_nan() || value > worst);
        if self.0.as_ref().is_none_or(worse) {
            self.0 = Some((value, spot));
        }
    }

    fn entry(
        self,
        layer: usize,
        name: CaptureCheck,
        (warn, fail): (f64, f64),
        means: Means,
        nothing: Account,
    ) -> Entry {
        let Some((value, spot)) = self.0 else {
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
        let means = (verdict != Grade::Pass).then_some(means);
        let nats = matches!(name, CaptureCheck::Entropy | CaptureCheck::Stored);
        let why = Account::Worst { value, spot, nats, means };
        Entry {
            stack: None,
            layer,
            name,
            value: value.is_finite().then_some(value),
            tolerance: Some(fail),
            verdict,
            why,
        }
    }
}

pub(crate) fn not_testable(layer: usize, name: CaptureCheck, why: Account) -> Entry {
    Entry { stack: None, layer, name, value: None, tolerance: None, verdict: Grade::NotTestable, why }
}

/// One layer over all heads and inputs.
#[derive(Default)]
struct Tally {
    rows: usize,
    invalid: usize,
    /// Rows that see no key.
    empty: usize,
    sums: Worst,
    forbidden: Worst,
    entropy: Worst,
    peak: Worst,
    stored: Worst,
    /// Sum and count of the mass of learned sinks.
    sink: (f64, usize),
}

impl Tally {
    /// True if some row has mass where the mask forbids.
    fn is_forbidden(&self) -> bool {
        self.forbidden.0.as_ref().is_some_and(|(mass, _)| *mass > FORBIDDEN)
    }

    fn add(&mut self, s: &HeadStatistics, head: usize, origin: Origin) {
        self.rows += s.queries;
        self.invalid += s.invalid_rows;
        self.empty += s.empty_rows;
        let place = |row: usize| Spot { origin, row: Some((head, row)) };
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

    fn add_stored(&mut self, own: &[f32], stored: &[f32], head: usize, origin: Origin) {
        for (row, (&own, &stored)) in own.iter().zip(stored).enumerate() {
            let (own, stored) = (f64::from(own), f64::from(stored));
            // Empty rows are -inf in both; invalid rows are counted elsewhere.
            if !own.is_nan() {
                let difference = if own == stored { 0.0 } else { (own - stored).abs() };
                self.stored.see(difference, Spot { origin, row: Some((head, row)) });
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
            let origin = steps.origin(input);
            for &head in &shape.heads {
                if let Some(statistics) = source.statistics(layer, head, input)? {
                    tally.add(&statistics, head, origin);
                }
                if let Some((own, stored)) = source.stored(layer, head, input)? {
                    tally.add_stored(&own, &stored, head, origin);
                }
            }
            let (warn, fail) = row_sum_tolerance(source.precision(layer, input)?);
            tolerance = (tolerance.0.max(warn), tolerance.1.max(fail));
            observed.extend(source.observations(layer, input)?);
            let facts = source.facts(layer, input)?;
            evaluated.extend(facts.evaluation_mode);
            let place = Spot { origin, row: None };
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
        let nothing = || match (scaled, observed.is_empty()) {
            (false, _) => Account::NoScale,
            (true, false) => Account::WeightsAlone,
            (true, true) => Account::NotRecorded,
        };
        let means = Means::OtherWeights;
        entries.push(outputs.entry(layer, CaptureCheck::Output, OUTPUT_TOLERANCE, means, nothing()));
        entries.push(projections.entry(layer, CaptureCheck::Projection, OUTPUT_TOLERANCE, means, nothing()));
        entries.push(evaluation(layer, &evaluated, &observed));
    }
    let stack = Some(source.stack()).filter(|stack| !stack.is_only());
    entries.iter_mut().for_each(|entry| entry.stack = stack);
    Ok(Certificate { entries })
}

fn evaluation(layer: usize, evaluated: &[bool], observed: &[Observations]) -> Entry {
    let dropped = observed.iter().find(|seen| looks_dropped(seen));
    let (verdict, why) = match (evaluated.iter().all(|&on| on), evaluated.is_empty(), dropped) {
        (_, _, Some(seen)) => {
            let [low, high] = [seen.lowest_sum, seen.highest_sum].map(|sum| sum.unwrap_or(f64::NAN));
            (Grade::Fail, Account::Dropped { zeros: seen.zeros, low, high })
        }
        (_, true, None) => (Grade::NotTestable, Account::NoDropoutSeen),
        (true, false, None) => (Grade::Pass, Account::DropoutOff),
        (false, false, None) => (Grade::Fail, Account::DropoutOn),
    };
    Entry { verdict, ..not_testable(layer, CaptureCheck::Evaluation, why) }
}

fn entries_of(
    layer: usize,
    tally: Tally,
    seen: Option<Observations>,
    tolerance: (f64, f64),
    stored_precision: Option<Precision>,
) -> Vec<Entry> {
    let mut entries = Vec::new();
    let (verdict, why) = match (tally.invalid, tally.empty) {
        (0, 0) => (Grade::Pass, Account::Finite(tally.rows)),
        // It is said, and what is left is tested.
        (0, blind) => (Grade::NotTestable, Account::Blind(blind, tally.rows)),
        (bad, _) => (Grade::NotTestable, Account::Invalid(bad, tally.rows)),
    };
    let value = Some(tally.invalid as f64);
    entries.push(Entry { verdict, value, tolerance: Some(0.0), ..not_testable(layer, CaptureCheck::Finite, why) });

    let dropped = seen.as_ref().is_some_and(looks_dropped);
    let means = if dropped { Means::Dropout } else { Means::NoSoftmax };
    let deficit = deficit(layer, &tally, seen.as_ref(), tolerance);
    let forbidden = tally.is_forbidden();
    entries.push(tally.sums.entry(layer, CaptureCheck::RowSums, tolerance, means, Account::NoRow));
    entries.push(match seen.as_ref().map(|seen| seen.mask) {
        // Nothing lies where an inferred mask forbids, but on padding that the file names.
        Some(origin @ (MaskOrigin::InferredCausal | MaskOrigin::InferredFull | MaskOrigin::CrossAttention))
            if !forbidden =>
        {
            not_testable(layer, CaptureCheck::Support, Account::InferredMask(origin))
        }
        Some(MaskOrigin::InferredBehind) => Entry {
            verdict: Grade::Fail,
            ..not_testable(layer, CaptureCheck::Support, Account::InferredMask(MaskOrigin::InferredBehind))
        },
        Some(MaskOrigin::InferredMixed) if !forbidden => {
            let why = Account::InferredMask(MaskOrigin::InferredMixed);
            Entry { verdict: Grade::Warn, ..not_testable(layer, CaptureCheck::Support, why) }
        }
        origin => {
            let means = match origin {
                Some(MaskOrigin::InferredFromLayers) => Means::OtherLayers,
                _ => Means::OtherMask,
            };
            tally.forbidden.entry(layer, CaptureCheck::Support, (0.0, FORBIDDEN), means, Account::NoRow)
        }
    });
    entries.push(deficit);
    let means = Means::Contradiction;
    entries.push(tally.entropy.entry(layer, CaptureCheck::Entropy, BOUND_TOLERANCE, means, Account::NoRow));
    entries.push(tally.peak.entry(layer, CaptureCheck::Peak, BOUND_TOLERANCE, means, Account::NoRow));
    if let Some(precision) = stored_precision {
        let tolerance = STORED_TOLERANCE[usize::from(precision == Precision::F32)];
        entries.push(tally.stored.entry(
            layer,
            CaptureCheck::Stored,
            tolerance,
            Means::Rounding,
            Account::NoQueriesAndKeys,
        ));
    }
    entries
}

fn deficit(layer: usize, tally: &Tally, seen: Option<&Observations>, (_, fail): (f64, f64)) -> Entry {
    let entry =
        |verdict, value: Option<f64>, why| Entry { verdict, value, ..not_testable(layer, CaptureCheck::Deficit, why) };
    if tally.sink.1 > 0 {
        let mean = tally.sink.0 / tally.sink.1 as f64;
        return entry(Grade::Pass, Some(mean), Account::Sink(mean));
    }
    let Some((largest, _)) = tally.sums.0 else {
        return not_testable(layer, CaptureCheck::Deficit, Account::NoRow);
    };
    if largest <= fail {
        return entry(Grade::Pass, Some(0.0), Account::NothingMissing);
    }
    match seen.map(|seen| (seen.lowest_sum.unwrap_or(1.0), seen.highest_sum.unwrap_or(1.0), looks_dropped(seen))) {
        Some((low, high, false)) if high <= 1.0 + fail => {
            entry(Grade::Warn, Some(1.0 - low), Account::PerhapsSink(low, high))
        }
        _ => entry(Grade::Fail, Some(largest), Account::Unexplained),
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
    /// Certifies the stack that the run shows: what was checked while the model ran, what the statistics show, and what
    /// storing changed.
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
            worst.see(value, Spot { origin: Origin::of(0), row: None });
        }
        let entry = worst.entry(3, CaptureCheck::RowSums, (1.0, 10.0), Means::NoSoftmax, Account::NoRow);
        assert_eq!((entry.verdict, entry.value), (Grade::Fail, None));
        assert!(entry.why.to_string().contains("NaN"));
    }
}
