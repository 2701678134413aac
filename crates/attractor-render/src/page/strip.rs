//! A check in a line of ink: null, threshold, interval and value on their own axis.

use attractor_judge::Check;

use crate::canvas::svg::short;

const WIDTH: f64 = 132.0;
const HEIGHT: f64 = 22.0;
const MARGIN: f64 = 8.0;

/// The strip; empty if there is no value, or nothing to hold it against.
pub(super) fn strip(check: &Check) -> String {
    let Some(value) = check.value else { return String::new() };
    let interval = check.interval.as_ref().map(|i| (i.low, i.high));
    let against = [check.null, check.threshold].into_iter().flatten();
    let points: Vec<f64> = against.chain([value]).chain(interval.map(|i| i.0)).chain(interval.map(|i| i.1)).collect();
    let low = points.iter().copied().fold(f64::INFINITY, f64::min);
    let high = points.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let span = high - low;
    if !(span > 0.0 && span.is_finite()) {
        return String::new();
    }
    let x = |v: f64| short(MARGIN + (v - low) / span * (WIDTH - 2.0 * MARGIN));
    let middle = HEIGHT / 2.0;
    let mut out = format!(
        "<svg class=\"strip\" width=\"{WIDTH}\" height=\"{HEIGHT}\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" aria-hidden=\"true\">\
         <path class=\"base\" d=\"M2 {middle}H{}\"/>",
        WIDTH - 2.0
    );
    if let Some(null) = check.null {
        out += &format!("<path class=\"null\" d=\"M{} 4V{}\"/>", x(null), HEIGHT - 4.0);
    }
    if let Some(threshold) = check.threshold {
        out += &format!("<path class=\"limit\" d=\"M{} 1V{}\"/>", x(threshold), HEIGHT - 1.0);
    }
    if let Some((low, high)) = interval {
        out += &format!("<path class=\"interval\" d=\"M{} {middle}H{}\"/>", x(low), x(high));
    }
    out += &format!("<circle class=\"value {}\" cx=\"{}\" cy=\"{middle}\" r=\"4.2\"/></svg>", check.mark(), x(value));
    out
}
