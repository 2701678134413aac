//! Scales: from numbers to [0, 1], evenly, by the logarithm or by rank; and the round numbers along them.

use crate::canvas::numbers::{number, superscript};
use attractor::{Error, Result};

attractor::choice! {
    /// How numbers spread over a map's colours.
    #[derive(Default)]
    pub enum Spacing {
        /// From zero to the largest weight.
        #[default]
        Linear = "linear",
        /// Logarithmic.
        Log = "log",
        /// By rank.
        Quantile = "quantile",
    }
}

/// Quantiles that a scale by rank holds; between them ranks are interpolated.
const KNOTS: usize = 33;

/// From numbers to [0, 1].
///
/// # Example
/// ```
/// use attractor_render::canvas::scale::Scale;
/// let scale = Scale::log(1e-4, 1.0).unwrap();
/// assert!((scale.position(0.01) - 0.5).abs() < 1e-12);
/// assert!(Scale::log(0.0, 1.0).is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    spacing: Spacing,
    low: f64,
    high: f64,
    /// The quantiles 0, 1/32, ..., 1 of a scale by rank, ascending; zeros for the others.
    knots: [f64; KNOTS],
}

impl Scale {
    /// `low` at 0, `high` at 1.
    ///
    /// # Errors
    /// `is_usage` unless both are finite and low < high.
    pub fn linear(low: f64, high: f64) -> Result<Self> {
        Self::new(Spacing::Linear, low, high)
    }

    /// The same, evenly in the logarithm.
    ///
    /// # Errors
    /// `is_usage` unless 0 < low < high, both finite.
    pub fn log(low: f64, high: f64) -> Result<Self> {
        Self::new(Spacing::Log, low, high)
    }

    /// -reach at 0, nothing at 1/2, reach at 1: for diverging maps.
    ///
    /// # Errors
    /// `is_usage` unless reach is finite and above zero.
    pub fn centred(reach: f64) -> Result<Self> {
        Self::new(Spacing::Linear, -reach, reach)
    }

    /// By rank among `values`: the smallest at 0, the median at 1/2, the largest at 1. Equal numbers share the middle of
    /// their ranks. What is not finite has no rank.
    ///
    /// # Errors
    /// `is_usage` if no value is finite, or all are equal: there is no rank to show.
    pub fn quantile(values: impl IntoIterator<Item = f64>) -> Result<Self> {
        let mut all: Vec<f64> = values.into_iter().filter(|v| v.is_finite()).collect();
        all.sort_unstable_by(f64::total_cmp);
        let (Some(&low), Some(&high)) = (all.first(), all.last()) else {
            return Err(Error::usage("colour scale by rank: none of the values is finite".to_string()));
        };
        let mut scale = Self::new(Spacing::Quantile, low, high)?;
        let last = (all.len() - 1) as f64;
        for (index, knot) in scale.knots.iter_mut().enumerate() {
            // Between two values the quantile is interpolated, as in Hyndman and Fan's type 7.
            let at = last * index as f64 / (KNOTS - 1) as f64;
            let (below, above) = (all[at.floor() as usize], all[at.ceil() as usize]);
            *knot = below + at.fract() * (above - below);
        }
        Ok(scale)
    }

    /// A scale that holds `values`: their range, their positive range if logarithmic, their ranks.
    ///
    /// Linear scales of numbers of one sign begin at zero, since a colour that means "least" is read as "nothing". One
    /// meaning each: all values equal to c give 0 to c (or c to 0), all zero or none finite give 0 to 1; a scale by
    /// rank of equal values is linear; a logarithmic scale without positive values is 0.001 to 1, and of equal
    /// positive values c a tenth of c to c.
    pub fn fit(spacing: Spacing, values: impl IntoIterator<Item = f64>) -> Self {
        let finite: Vec<f64> = values.into_iter().filter(|v| v.is_finite()).collect();
        let low = finite.iter().copied().fold(f64::INFINITY, f64::min);
        let high = finite.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let fitted = match spacing {
            Spacing::Linear => Self::linear(low.min(0.0), high.max(0.0)),
            Spacing::Log => {
                let least = finite.iter().copied().filter(|&v| v > 0.0).fold(f64::INFINITY, f64::min);
                // Below six decades nothing is told apart by eye.
                Self::log(if least < high { least.max(high * 1e-6) } else { high / 10.0 }, high)
                    .or_else(|_| Self::log(1e-3, 1.0))
            }
            Spacing::Quantile => {
                Self::quantile(finite.iter().copied()).or_else(|_| Self::linear(low.min(0.0), high.max(0.0)))
            }
        };
        fitted.unwrap_or(Self::unit())
    }

    /// Attention weights: 0 to 1.
    pub fn unit() -> Self {
        Self { spacing: Spacing::Linear, low: 0.0, high: 1.0, knots: [0.0; KNOTS] }
    }

    fn new(spacing: Spacing, low: f64, high: f64) -> Result<Self> {
        let ordered = low.is_finite() && high.is_finite() && low < high && (high - low).is_finite();
        if !ordered || (spacing == Spacing::Log && low <= 0.0) {
            let need = if spacing == Spacing::Log { "0 < low < high" } else { "low < high" };
            return Err(Error::usage(format!("colour scale: from {low} to {high}; needs finite {need}")));
        }
        Ok(Self { spacing, low, high, knots: [0.0; KNOTS] })
    }

    /// Where `value` lies, clamped to [0, 1]; NaN for what is not a finite number.
    pub fn position(&self, value: f64) -> f64 {
        if !value.is_finite() {
            return f64::NAN;
        }
        let t = match self.spacing {
            Spacing::Linear => (value - self.low) / (self.high - self.low),
            Spacing::Log if value <= self.low => 0.0,
            Spacing::Log => (value / self.low).ln() / (self.high / self.low).ln(),
            Spacing::Quantile => self.rank(value),
        };
        t.clamp(0.0, 1.0)
    }

    fn rank(&self, value: f64) -> f64 {
        let (first, end) = (self.knots.partition_point(|&k| k < value), self.knots.partition_point(|&k| k <= value));
        let place = match (first, end) {
            (0, 0) => 0.0,
            (first, end) if first < end => (first + end - 1) as f64 / 2.0,
            (KNOTS, _) => (KNOTS - 1) as f64,
            (first, _) => {
                let (below, above) = (self.knots[first - 1], self.knots[first]);
                (first - 1) as f64 + (value - below) / (above - below)
            }
        };
        place / (KNOTS - 1) as f64
    }

    /// Lowest value that is told apart.
    pub fn low(&self) -> f64 {
        self.low
    }

    /// Highest value that is told apart.
    pub fn high(&self) -> f64 {
        self.high
    }

    /// How numbers spread.
    pub fn spacing(&self) -> Spacing {
        self.spacing
    }

    /// Numbers to write along the scale, about `count` of them, ascending: round ones within it, or the quantiles
    /// themselves of a scale by rank.
    pub fn ticks(&self, count: usize) -> Vec<f64> {
        match self.spacing {
            Spacing::Linear => ticks(self.low, self.high, count),
            Spacing::Log => log_ticks(self.low, self.high, count),
            Spacing::Quantile => {
                let parts = if count >= 4 { 4 } else { 2 };
                let mut all: Vec<f64> = (0..=parts).map(|i| self.knots[i * (KNOTS - 1) / parts]).collect();
                all.dedup();
                all
            }
        }
    }
}

/// Round numbers from `low` to `high`, about `count` of them: steps of 1, 2 or 5 times a power of ten.
pub fn ticks(low: f64, high: f64, count: usize) -> Vec<f64> {
    let span = high - low;
    if !span.is_finite() || span <= 0.0 {
        return vec![low];
    }
    let raw = span / count.max(1) as f64;
    let power = 10f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|s| *s >= raw * 0.999).unwrap_or(10.0 * power);
    let first = (low / step - 1e-9).ceil();
    let last = (high / step + 1e-9).floor();
    (0..=((last - first).max(0.0) as usize).min(1000))
        .map(|i| {
            let tick = (first + i as f64) * step;
            if tick == 0.0 { 0.0 } else { tick }
        })
        .collect()
}

/// Powers of ten from `low` to `high`, every one or every few, so that there are about `count`; round numbers where
/// there is less than a decade.
pub fn log_ticks(low: f64, high: f64, count: usize) -> Vec<f64> {
    let (first, last) = (low.log10(), high.log10());
    let decades = (last - first).max(0.0);
    if !decades.is_finite() || decades < 1.0 {
        return ticks(low, high, count);
    }
    let step = (decades / count.max(1) as f64).ceil().max(1.0);
    // From the top down, so that the highest decade is named.
    let mut all = Vec::new();
    let mut exponent = (last + 1e-9).floor();
    while exponent >= first - 1e-9 && all.len() < 400 {
        all.push(10f64.powf(exponent));
        exponent -= step;
    }
    all.reverse();
    // One or two numbers are no scale: between them stand round ones.
    if all.len() < 3 {
        let (low, high) = (low * (1.0 - 1e-9), high * (1.0 + 1e-9));
        let decades = first.floor() as i32..=last.floor() as i32;
        let between = |steps: &'static [f64]| {
            decades
                .clone()
                .flat_map(move |d| steps.iter().map(move |m| m * 10f64.powi(d)))
                .filter(move |t| (low..=high).contains(t))
        };
        let finest = [&[1.0, 2.0, 5.0][..], &[1.0, 3.0]].into_iter().map(|steps| between(steps).collect::<Vec<f64>>());
        return finest.into_iter().find(|ticks| ticks.len() <= count.max(3) + 1).unwrap_or(all);
    }
    all
}

/// The numbers of an axis or a colour bar in one form: as many places everywhere ("0.50" below "0.75"); powers of ten
/// only, if one of a logarithmic axis would be written so.
pub fn labels(ticks: &[f64], spacing: Spacing) -> Vec<String> {
    let short = |t: &f64| *t == 0.0 || (1e-3..1e6).contains(&t.abs());
    if spacing == Spacing::Log && ticks.len() > 2 && !ticks.iter().all(|t| (1e-2..1e4).contains(t)) {
        let whole = |t: &f64| (t.log10() - t.log10().round()).abs() < 1e-9;
        if ticks.iter().all(whole) {
            return ticks.iter().map(|t| format!("10{}", superscript(t.log10().round() as i32))).collect();
        }
    }
    if spacing == Spacing::Quantile {
        // Quantiles are no round numbers: two digits tell them.
        let two = |t: f64| match t.abs().log10().floor() {
            size if size.is_finite() => (t / 10f64.powf(size - 1.0)).round() * 10f64.powf(size - 1.0),
            _ => t,
        };
        return ticks.iter().map(|&t| number(two(t))).collect();
    }
    if spacing != Spacing::Linear || !ticks.iter().all(short) {
        return ticks.iter().map(|&t| number(t)).collect();
    }
    let decimals = |t: &f64| number(*t).split_once('.').map_or(0, |(_, after)| after.len());
    let places = ticks.iter().map(decimals).max().unwrap_or(0);
    ticks.iter().map(|t| format!("{t:.places$}").replace('-', "−")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_clamp_and_refuse() {
        let log = Scale::log(1e-4, 1.0).unwrap();
        assert_eq!((log.position(0.0), log.position(-3.0), log.position(7.0)), (0.0, 0.0, 1.0));
        assert!(log.position(f64::INFINITY).is_nan() && log.position(f64::NAN).is_nan());
        for (low, high) in [(0.0, 0.0), (1.0, 0.5), (f64::NAN, 1.0), (0.0, f64::INFINITY), (f64::MIN, f64::MAX)] {
            assert!(Scale::linear(low, high).unwrap_err().is_usage());
        }
        assert!(Scale::log(-1.0, 1.0).unwrap_err().is_usage());
    }

    #[test]
    fn a_scale_by_rank_gives_each_colour_as_many_numbers() {
        // Ten decades: on a linear scale all but the largest would be one colour.
        let values: Vec<f64> = (0..1000).map(|i| 10f64.powf(-f64::from(i) / 100.0)).collect();
        let scale = Scale::quantile(values.iter().copied()).unwrap();
        let in_lowest_fifth = values.iter().filter(|&&v| scale.position(v) < 0.2).count();
        assert!((190..=210).contains(&in_lowest_fifth), "{in_lowest_fifth}");
        assert_eq!((scale.position(values[0]), scale.position(values[999])), (1.0, 0.0));
        let sorted: Vec<f64> = values.iter().rev().map(|&v| scale.position(v)).collect();
        assert!(sorted.windows(2).all(|w| w[0] <= w[1]));
        assert!(scale.position(f64::NAN).is_nan());
        assert_eq!((scale.position(-5.0), scale.position(5.0)), (0.0, 1.0));
    }

    #[test]
    fn equal_numbers_share_the_middle_of_their_ranks() {
        // Half are zero, as above the diagonal of a causal map.
        let scale = Scale::quantile((0..99).map(|i| f64::from((i - 49).max(0)))).unwrap();
        assert!((scale.position(0.0) - 0.25).abs() < 0.02, "{}", scale.position(0.0));
        assert!((scale.position(24.5) - 0.75).abs() < 0.02, "{}", scale.position(24.5));
        assert_eq!(scale.ticks(5), [0.0, 24.5, 49.0]);
        for none in [vec![], vec![f64::NAN], vec![0.3; 5]] {
            assert!(Scale::quantile(none).unwrap_err().is_usage());
        }
    }

    #[test]
    fn data_without_a_range_has_one_meaning() {
        let range = |s: Scale| (s.spacing(), s.low(), s.high());
        use Spacing::*;
        assert_eq!(range(Scale::fit(Linear, [0.5; 3])), (Linear, 0.0, 0.5));
        assert_eq!(range(Scale::fit(Linear, [-0.5; 3])), (Linear, -0.5, 0.0));
        assert_eq!(range(Scale::fit(Linear, [0.0; 3])), (Linear, 0.0, 1.0));
        assert_eq!(range(Scale::fit(Linear, [f64::NAN; 3])), (Linear, 0.0, 1.0));
        assert_eq!(range(Scale::fit(Linear, [])), (Linear, 0.0, 1.0));
        assert_eq!(range(Scale::fit(Quantile, [0.5; 3])), (Linear, 0.0, 0.5));
        assert_eq!(range(Scale::fit(Log, [0.5; 3])), (Log, 0.05, 0.5));
        assert_eq!(range(Scale::fit(Log, [0.0, -1.0])), (Log, 1e-3, 1.0));
        assert_eq!(range(Scale::fit(Log, [0.0, 1e-3, 0.1])), (Log, 1e-3, 0.1));
        assert_eq!(range(Scale::fit(Linear, [2.0, 3.0, f64::NAN])), (Linear, 0.0, 3.0));
    }

    #[test]
    fn numbers_side_by_side_have_one_form() {
        assert_eq!(labels(&[0.0, 0.25, 0.5], Spacing::Linear), ["0.00", "0.25", "0.50"]);
        assert_eq!(labels(&[-200.0, 0.0], Spacing::Linear), ["−200", "0"]);
        assert_eq!(labels(&[0.0, 2e-7], Spacing::Linear), ["0", "2·10⁻⁷"]);
        assert_eq!(labels(&[1e-4, 1e-3, 1e-2], Spacing::Log), ["10⁻⁴", "10⁻³", "10⁻²"]);
        assert_eq!(labels(&[0.0, 0.001482, 0.3333], Spacing::Quantile), ["0", "0.0015", "0.33"]);
        assert_eq!(labels(&[0.01, 0.1, 1.0], Spacing::Log), ["0.01", "0.1", "1"]);
        assert_eq!(labels(&[2e-4, 4e-4, 6e-4], Spacing::Log), ["2·10⁻⁴", "4·10⁻⁴", "6·10⁻⁴"]);
    }

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(ticks(0.0, 1.0, 5), [0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]);
        assert_eq!(ticks(0.0, 4096.0, 8), [0.0, 1000.0, 2000.0, 3000.0, 4000.0]);
        // About one decade: one number would be no scale.
        assert_eq!(log_ticks(0.98, 10.5, 7), [1.0, 2.0, 5.0, 10.0]);
        assert_eq!(log_ticks(2.0, 35.0, 6), [2.0, 5.0, 10.0, 20.0]);
        assert_eq!(log_ticks(2.0, 350.0, 4), [3.0, 10.0, 30.0, 100.0, 300.0]);
        let log = Scale::log(1e-4, 1.0).unwrap().ticks(6);
        assert_eq!(log.iter().map(|&t| number(t)).collect::<Vec<_>>(), ["10⁻⁴", "0.001", "0.01", "0.1", "1"]);
        assert_eq!(Scale::log(0.02, 0.09).unwrap().ticks(4).first().map(|&t| number(t)).as_deref(), Some("0.02"));
    }
}
