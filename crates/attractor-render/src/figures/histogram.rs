//! Histograms with thresholds: how a number is spread over heads, rows or weights, and how much of it is beyond a line.

use crate::canvas::axis::{Axis, Panel, Side, reference};
use crate::canvas::layout::{self, Heading, Legend, SMALL, Sign, area, left_out};
use crate::canvas::svg::{Anchor, Svg, short};
use crate::canvas::text;
use attractor::{Error, Result};

/// Most bins.
const MOST: usize = 512;

/// A figure of one or several distributions over the same bins.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram<'a> {
    /// Heading.
    pub title: &'a str,
    /// Lines under the heading.
    pub notes: Vec<String>,
    /// What is counted, with its unit. Logarithmic bins are equally wide in the logarithm.
    pub x: Side,
    /// Name and values; the first is filled, the others are outlines (what chance gives, another model).
    pub values: &'a [(&'a str, &'a [f64])],
    /// Number of bins; 0 stands for the rule of Freedman and Diaconis (1981), 8 to 80 of them.
    pub bins: usize,
    /// Thresholds: value, name.
    pub thresholds: &'a [(f64, &'a str)],
}

impl Histogram<'_> {
    /// The figure as SVG.
    ///
    /// A bin holds its lower end, the last one both ends. Several distributions are drawn as shares of their own number
    /// of values, one alone as counts. What is not finite, or has no place on the axis, is left out and counted; if
    /// nothing is left the frame stands empty. Equal values fill one bin. Beside each threshold stands how many of the
    /// first distribution lie at or above it.
    ///
    /// # Errors
    /// `is_shape` without any distribution and above 512 bins; `is_usage` for an axis whose ends are not in order.
    pub fn svg(&self) -> Result<String> {
        if self.values.is_empty() || self.bins > MOST {
            return Err(Error::shape(format!(
                "histogram {:?}: {} distributions in {} bins; needs one or more, and at most {MOST} bins",
                self.title,
                self.values.len(),
                self.bins
            )));
        }
        let all = || self.values.iter().flat_map(|v| v.1.iter().copied());
        let across = self.x.axis(all().chain(self.thresholds.iter().map(|t| t.0)))?;
        let ends = self.ends(&across, all());
        // Where a value lies between the outer bins' outer ends, in [0, 1].
        let place = |v: f64| across.position(v).map(|t| ((t - ends.0) / (ends.1 - ends.0)).clamp(0.0, 1.0));
        let bins = if self.bins > 0 { self.bins } else { freedman_diaconis(all().filter_map(place)) };
        let mut outside = 0;
        let counts: Vec<Vec<u64>> = self
            .values
            .iter()
            .map(|(_, values)| {
                let mut count = vec![0u64; bins];
                for &value in *values {
                    match place(value) {
                        Some(t) => count[((t * bins as f64) as usize).min(bins - 1)] += 1,
                        None => outside += 1,
                    }
                }
                count
            })
            .collect();
        let shares = self.values.len() > 1;
        let heights: Vec<Vec<f64>> = counts
            .iter()
            .map(|count| {
                let total = if shares { count.iter().sum::<u64>().max(1) as f64 } else { 1.0 };
                count.iter().map(|&c| c as f64 / total).collect()
            })
            .collect();
        let highest = heights.iter().flatten().copied().fold(0.0, f64::max);
        let up = Side::new(if shares { "share" } else { "count" });
        let up = up.between(0.0, if highest > 0.0 { highest * 1.06 } else { 1.0 }).axis([])?;

        let (width, height) = (400.0, 220.0);
        let left = Panel::left(&up, height);
        let mut notes = self.notes.clone();
        notes.push(match self.x.range {
            Some(_) if outside > 0 => format!("values outside the axis or not finite: {outside}"),
            _ => left_out(outside),
        });
        let heading = Heading::new(self.title, &notes, width);
        let sign = |index: usize| match index {
            0 => Sign::Square("series", layout::colour(0)),
            i => Sign::Line("series", layout::colour(i), ""),
        };
        let named = self.values.iter().enumerate().filter(|(_, v)| !v.0.is_empty());
        let legend = Legend::new(named.map(|(i, v)| (sign(i), format!("{} (n = {})", v.0, v.1.len()))), width);
        // Room above the panel for the names of the thresholds, a row each where they would touch.
        let rows = self.threshold_rows(&across, width);
        let row_count = rows.iter().map(|r| r.2 + 1).max().unwrap_or(0);
        let top = heading.height() + legend.height() + row_count as f64 * 14.0 + 4.0;
        let below = Panel::below(&across);
        let panel = Panel { x: left, y: top, width, height, across, up };
        let whole = left + width.max(heading.width()).max(legend.width()) + 16.0;
        let mut svg = Svg::new(whole, top + height + below, &format!("{}: histogram of {}", self.title, self.x.label));
        heading.draw(&mut svg, left);
        legend.draw(&mut svg, (left, heading.height()));
        panel.draw_up(&mut svg, true);
        for (index, heights) in heights.iter().enumerate() {
            let d = outline(&panel, heights, ends, index == 0);
            match index {
                0 => area(&mut svg, &d, "series", layout::colour(0), 1.0),
                i => layout::path(&mut svg, &d, "series", layout::colour(i), 1.6, ""),
            }
        }
        panel.draw_across(&mut svg, false);
        for (x, label, row) in rows {
            let x = panel.x + x;
            reference(&mut svg, (x, top - 2.0 - row as f64 * 14.0), (x, top + height));
            let width = text::width(&label) * SMALL;
            let fits = x + 4.0 + width <= panel.x + panel.width + 8.0;
            let (at, anchor) = if fits { (x + 4.0, Anchor::Start) } else { (x - 4.0, Anchor::End) };
            svg.text((at, top - 4.0 - row as f64 * 14.0), anchor, SMALL, "ink", &label);
        }
        Ok(svg.finish())
    }

    /// Where the first bin begins and the last one ends, as places on the axis: at the data, which the axis reaches beyond; a
    /// share's last bin ends at 1.
    fn ends(&self, across: &Axis, values: impl Iterator<Item = f64>) -> (f64, f64) {
        let places = values.filter_map(|v| across.position(v));
        let (low, high) = places.fold((1.0f64, 0.0f64), |(low, high), t| (low.min(t), high.max(t)));
        match self.x.range {
            None if low < high => (if across.low == 0.0 { 0.0 } else { low }, high),
            _ => (0.0, 1.0),
        }
    }

    /// Place, text and row of each threshold that stands on the axis.
    fn threshold_rows(&self, across: &Axis, width: f64) -> Vec<(f64, String, usize)> {
        let first = self.values.first().map_or(&[][..], |v| v.1);
        let mut all: Vec<(f64, String, usize)> = self
            .thresholds
            .iter()
            .filter_map(|&(value, name)| {
                let beyond = first.iter().filter(|v| **v >= value).count();
                let known = first.iter().filter(|v| !v.is_nan()).count();
                let x = across.position(value)? * width;
                Some((x, format!("{name}: {beyond} of {known} ≥ {}", crate::canvas::numbers::number(value)), 0))
            })
            .collect();
        all.sort_by(|a, b| b.0.total_cmp(&a.0));
        // From the right: a name that would run into the line or the name of the next one climbs a row.
        let mut taken: Vec<f64> = Vec::new();
        for (x, label, row) in &mut all {
            let wide = text::width(label) * SMALL + 12.0;
            let fits = *x + wide <= width + 8.0;
            let (start, end) = if fits { (*x, *x + wide) } else { (*x - wide, *x) };
            let free = taken.iter().position(|&t| end <= t);
            // A label to the left of its line must clear all lines there: it takes a row of its own.
            *row = free.unwrap_or(taken.len());
            match free {
                Some(r) => taken[r] = start,
                None => taken.push(start),
            }
        }
        all
    }
}

/// The steps of a histogram; closed along the axis if it is to be filled.
fn outline(panel: &Panel, heights: &[f64], (from, to): (f64, f64), closed: bool) -> String {
    let bottom = panel.y + panel.height;
    let left = panel.x + from * panel.width;
    let bin = (to - from) * panel.width / heights.len() as f64;
    let mut d = format!("M{} {}", short(left), short(bottom));
    for (index, &h) in heights.iter().enumerate() {
        let y = panel.anywhere(0.0, h).1;
        let end = short(left + (index + 1) as f64 * bin);
        match h == 0.0 && !closed {
            // An outline leaves the axis to the axis.
            true => d.push_str(&format!("V{}M{end} {}", short(bottom), short(bottom))),
            false => d.push_str(&format!("V{}H{end}", short(y))),
        }
    }
    d.push_str(&format!("V{}", short(bottom)));
    if closed {
        d.push('Z');
    }
    d
}

/// Bins of width 2 IQR / n^(1/3), on positions in [0, 1].
fn freedman_diaconis(positions: impl Iterator<Item = f64>) -> usize {
    let mut all: Vec<f64> = positions.collect();
    all.sort_unstable_by(f64::total_cmp);
    let quantile = |q: f64| all.get((q * all.len().saturating_sub(1) as f64).round() as usize).copied().unwrap_or(0.0);
    let width = 2.0 * (quantile(0.75) - quantile(0.25)) / (all.len().max(1) as f64).cbrt();
    if width > 0.0 { (1.0 / width).ceil().clamp(8.0, 80.0) as usize } else { 24 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure<'a>(values: &'a [(&'a str, &'a [f64])]) -> Histogram<'a> {
        Histogram { title: "t", notes: vec![], x: Side::new("x").between(0.0, 1.0), values, bins: 4, thresholds: &[] }
    }

    #[test]
    fn a_bin_holds_its_lower_end_and_the_last_one_both() {
        let values = [("a", &[0.0, 0.25, 0.49, 0.75, 1.0, 1.0, f64::NAN, 7.0][..])];
        let svg = figure(&values).svg().unwrap();
        // Counts 1, 2, 0, 3 on an axis to 3.18 of 220 CSS pixels.
        let bottom = svg.split("fill-opacity=\"1\"").next().unwrap().rsplit("d=\"M").next().unwrap();
        let steps: Vec<f64> =
            bottom.split('V').skip(1).map(|s| s.split(['H', '"', 'Z']).next().unwrap().parse().unwrap()).collect();
        let base: f64 = steps[4];
        let counts: Vec<f64> = steps[..4].iter().map(|y| ((base - y) * 3.18 / 220.0).round()).collect();
        assert_eq!(counts, [1.0, 2.0, 0.0, 3.0], "{steps:?}");
        assert!(svg.contains("values outside the axis or not finite: 2"), "{svg}");
    }

    #[test]
    fn the_last_bin_ends_where_the_data_does() {
        let shares: Vec<f64> = (0..=40).map(|i| f64::from(i) / 40.0).collect();
        let values = [("a", &shares[..])];
        let figure = Histogram { x: Side::new("share"), bins: 10, ..figure(&values) };
        let across = figure.x.axis(shares.iter().copied()).unwrap();
        let (from, to) = figure.ends(&across, shares.iter().copied());
        assert_eq!(from, 0.0);
        assert!((across.low + to * (across.high - across.low) - 1.0).abs() < 1e-12 && across.high > 1.0);
        // Its right side is where 1 stands on the axis: 400 CSS pixels wide, behind the numbers to its left.
        let svg = figure.svg().unwrap();
        let area = svg.split("fill-opacity=\"1\"").next().unwrap().rsplit("d=\"M").next().unwrap().to_string();
        let end: f64 = area.rsplit('H').next().unwrap().split('V').next().unwrap().parse().unwrap();
        let start: f64 = area.split(' ').next().unwrap().parse().unwrap();
        assert!((end - start - to * 400.0).abs() < 0.02, "{start} {end}");
    }

    #[test]
    fn thresholds_say_how_many_lie_beyond() {
        let values = [("a", &[0.1, 0.3, 0.5, f64::NAN][..])];
        let svg = Histogram { thresholds: &[(0.3, "sink"), (5.0, "off")], ..figure(&values) }.svg().unwrap();
        assert!(svg.contains("sink: 2 of 3 ≥ 0.3") && !svg.contains("off:"), "{svg}");
    }

    #[test]
    fn data_without_a_range_has_one_meaning() {
        for values in [&[][..], &[f64::NAN; 3], &[0.5; 9]] {
            let values = [("a", values)];
            let free = Histogram { x: Side::new("x"), bins: 0, ..figure(&values) };
            assert!(!free.svg().unwrap().contains("NaN\""));
        }
        assert!(figure(&[]).svg().unwrap_err().is_shape());
        let values = [("a", &[0.5][..])];
        assert!(Histogram { bins: 9999, ..figure(&values) }.svg().unwrap_err().is_shape());
    }
}
