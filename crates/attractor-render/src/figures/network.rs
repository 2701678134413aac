//! Two layers of units and the weights between them.

use crate::canvas::layout::{self, Heading, INK, LABEL, Legend, SMALL, Sign};
use crate::canvas::numbers::number;
use crate::canvas::svg::{Anchor, Svg, short};
use attractor::{Error, Result};

/// Units of a layer that have room beside each other.
const UNITS: usize = 64;
/// Lines that can be followed by eye.
const LINES: usize = 300;
/// Room for the layers, CSS pixels.
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 240.0;
/// The thickest line.
const THICK: f64 = 3.2;
/// Above zero, below zero: as on the maps from blue over white to red.
const SIGNS: [&str; 2] = ["#b2182b", "#2166ac"];

/// A figure of two layers, the lower one below.
#[derive(Debug, Clone, PartialEq)]
pub struct Network<'a> {
    /// Heading.
    pub title: &'a str,
    /// Lines under the heading.
    pub notes: Vec<String>,
    /// Names of the lower and the upper layer.
    pub layers: (&'a str, &'a str),
    /// Units of the lower and the upper layer.
    pub units: (usize, usize),
    /// [lower, upper].
    pub weights: &'a [f32],
}

impl Network<'_> {
    /// The figure as SVG. A line's width is its weight's size, its colour the sign.
    ///
    /// Of layers of more than 64 units those with the longest weight vectors are drawn, and of the weights between them the
    /// 300 strongest; the figure says so. Equal ones are taken in their order; a weight that is not a number is left out.
    ///
    /// # Errors
    /// `is_shape` unless there are lower x upper weights, and at least one.
    pub fn svg(&self) -> Result<String> {
        let (lower, upper) = self.units;
        if lower.checked_mul(upper).filter(|&n| n > 0) != Some(self.weights.len()) {
            return Err(Error::shape(format!(
                "network {:?}: {} weights between layers of {lower} and {upper} units; needs one per pair, and a pair",
                self.title,
                self.weights.len()
            )));
        }
        let weight = |i: usize, j: usize| {
            let w = f64::from(self.weights[i * upper + j]);
            if w.is_finite() { w } else { 0.0 }
        };
        let above = longest(upper, |j| (0..lower).map(|i| weight(i, j).powi(2)).sum());
        let below = longest(lower, |i| above.iter().map(|&j| weight(i, j).powi(2)).sum());
        let mut lines: Vec<(f64, usize, usize)> = Vec::new();
        for (at, &i) in below.iter().enumerate() {
            lines.extend(above.iter().enumerate().map(|(over, &j)| (weight(i, j), at, over)));
        }
        let shown = lines.len();
        lines.retain(|line| line.0 != 0.0);
        lines.sort_by(|a, b| b.0.abs().total_cmp(&a.0.abs()).then((a.1, a.2).cmp(&(b.1, b.2))));
        lines.truncate(LINES);
        let most = lines.first().map_or(0.0, |line| line.0.abs());

        let mut notes = self.notes.clone();
        if above.len() < upper || below.len() < lower {
            notes.push(format!(
                "units with the longest weight vectors: {} of {lower} {}, {} of {upper} {}",
                below.len(),
                self.layers.0,
                above.len(),
                self.layers.1
            ));
        }
        if lines.len() < shown {
            notes.push(format!("the strongest {} of {} connections", lines.len(), lower as u128 * upper as u128));
        }
        notes.push(format!("a line is as thick as its weight is large: the thickest {}", number(most)));
        let left = 62.0;
        let heading = Heading::new(self.title, &notes, WIDTH);
        let entry = |at: usize, name: &str| (Sign::Line("series", SIGNS[at], ""), name.to_string());
        let legend = Legend::new([entry(0, "weight above zero"), entry(1, "weight below zero")], WIDTH);
        let top = heading.height() + legend.height() + 26.0;
        let size = (left + WIDTH.max(heading.width()) + 20.0, top + HEIGHT + 34.0);
        let mut svg = Svg::new(size.0, size.1, &format!("{}: {lower} and {upper} units", self.title));
        heading.draw(&mut svg, left);
        legend.draw(&mut svg, (left, heading.height()));

        let x = |at: usize, count: usize| left + WIDTH * (at as f64 + 0.5) / count as f64;
        // The strong ones on top.
        for &(w, at, over) in lines.iter().rev() {
            let d = format!(
                "M{} {}L{} {}",
                short(x(at, below.len())),
                short(top + HEIGHT),
                short(x(over, above.len())),
                short(top)
            );
            let (colour, strength) = (SIGNS[usize::from(w < 0.0)], w.abs() / most);
            svg.group("g", &[("stroke-opacity", &short(0.25 + 0.6 * strength))]);
            layout::path(&mut svg, &d, "series", colour, (THICK * strength).max(0.3), "");
            svg.close();
        }
        for (units, y, name, end) in [(&above, top, self.layers.1, -14.0), (&below, top + HEIGHT, self.layers.0, 18.0)]
        {
            let radius = (0.36 * WIDTH / units.len() as f64).clamp(3.0, 11.0);
            for at in 0..units.len() {
                let place = (x(at, units.len()), y);
                layout::dot(&mut svg, place, radius, 0, "line", INK);
                layout::dot(&mut svg, place, radius - 1.2, 0, "boundary", "#fff");
            }
            svg.text((left - 8.0, y + 4.0), Anchor::End, LABEL, "ink", name);
            // First and last by number: the units between are in order.
            let ends = [0, units.len() - 1];
            for &at in &ends[..if units.len() > 1 { 2 } else { 1 }] {
                let height = y + end + if end < 0.0 { -radius + 8.0 } else { radius - 3.0 };
                svg.text((x(at, units.len()), height), Anchor::Middle, SMALL, "muted", &units[at].to_string());
            }
        }
        Ok(svg.finish())
    }
}

/// The units of largest size that have room, in their order.
fn longest(count: usize, size: impl Fn(usize) -> f64) -> Vec<usize> {
    let mut all: Vec<(f64, usize)> = (0..count).map(|unit| (size(unit), unit)).collect();
    all.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut chosen: Vec<usize> = all.into_iter().take(UNITS).map(|unit| unit.1).collect();
    chosen.sort_unstable();
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(units: (usize, usize), weights: &[f32]) -> Result<String> {
        Network { title: "t", notes: vec![], layers: ("visible", "hidden"), units, weights }.svg()
    }

    #[test]
    fn every_weight_of_a_small_network_is_a_line_of_its_sign() {
        let svg = figure((3, 2), &[1.0, -2.0, 0.5, 0.0, 3.0, -1.0]).unwrap();
        // One line more of each colour in the legend; the weight of zero is no line.
        assert_eq!((svg.matches(SIGNS[0]).count(), svg.matches(SIGNS[1]).count()), (3 + 1, 2 + 1), "{svg}");
        assert_eq!(svg.matches("<circle").count(), 2 * 5);
        assert!(svg.contains("the strongest 5 of 6 connections") && svg.contains("the thickest 3<"), "{svg}");
    }

    #[test]
    fn of_a_large_network_the_strong_part_is_drawn_and_the_figure_says_so() {
        // Unit 99 of the lower layer alone has long weights; the first ones have none.
        let weights: Vec<f32> =
            (0..100 * 70).map(|at| (at / 70) as f32 * if at % 2 == 0 { 0.01 } else { -0.01 }).collect();
        let svg = figure((100, 70), &weights).unwrap();
        assert!(svg.contains("64 of 100 visible, 64 of 70 hidden"), "{svg}");
        assert!(svg.contains("the strongest 300 of 7000 connections"), "{svg}");
        assert!(svg.contains(">36<") && svg.contains(">99<") && !svg.contains(">35<"), "{svg}");
        assert!(figure((2, 2), &[1.0; 3]).unwrap_err().is_shape());
        assert!(figure((0, 2), &[]).unwrap_err().is_shape());
        assert!(figure((1, 1), &[f32::NAN]).is_ok());
    }
}
