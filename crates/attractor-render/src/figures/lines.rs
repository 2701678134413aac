//! Curves: a quantity against another, with bands of uncertainty and what chance would give.

use crate::canvas::axis::{Axis, Panel, Side};
use crate::canvas::layout::{self, Heading, Legend, MUTED, Sign, area, left_out};
use crate::canvas::svg::{Svg, short};
use attractor::{Error, Result};

/// Most points of a curve that are drawn as dots too.
const DOTS: usize = 16;
/// Most points of a figure: a screen has no room for more, and a file no use.
const MOST: usize = 1_000_000;

/// A curve.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Series {
    /// Its name in the legend; an empty one stays out of it.
    pub name: String,
    /// (x, y) in the order in which they are joined; a point that is not a number breaks the curve.
    pub points: Vec<(f64, f64)>,
    /// The interval of each point's y, or empty.
    pub band: Vec<(f64, f64)>,
    /// True for what chance or theory gives: grey, without dots, each of them in dashes of its own.
    pub null: bool,
}

impl Series {
    /// A curve without a band.
    pub fn new(name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.into(), points, ..Self::default() }
    }

    /// The same with the interval of each point.
    pub fn with_band(self, band: Vec<(f64, f64)>) -> Self {
        Self { band, ..self }
    }

    /// The same as a line of reference.
    pub fn null(self) -> Self {
        Self { null: true, ..self }
    }
}

/// A figure of curves.
#[derive(Debug, Clone, PartialEq)]
pub struct Lines<'a> {
    /// Heading.
    pub title: &'a str,
    /// Lines under the heading.
    pub notes: Vec<String>,
    /// What runs across.
    pub x: Side,
    /// What runs up.
    pub y: Side,
    /// The curves; those of data have a colour each, in their order.
    pub series: &'a [Series],
}

impl Lines<'_> {
    /// The figure as SVG.
    ///
    /// Points that are not finite numbers, or not above zero on a logarithmic axis, are left out and counted under the
    /// title; if none is left the frame stands empty. A constant curve runs through the middle.
    ///
    /// # Errors
    /// `is_shape` without any curve, for a band of another length than its curve, and above a million points;
    /// `is_usage` for an axis whose ends are not in order.
    pub fn svg(&self) -> Result<String> {
        self.check()?;
        let (across, up, unusable) = self.axes(self.x.axis(self.points().map(|p| p.0))?)?;
        let (width, height) = (400.0, 260.0);
        let left = Panel::left(&up, height);
        let mut notes = self.notes.clone();
        notes.push(left_out(unusable));
        let heading = Heading::new(self.title, &notes, width);
        let legend = self.legend(width);
        let top = heading.height() + legend.height() + 2.0;
        let below = Panel::below(&across);
        let panel = Panel { x: left, y: top, width, height, across, up };
        let whole = left + width.max(heading.width()).max(legend.width()) + 16.0;
        let mut svg = Svg::new(
            whole,
            top + height + below,
            &format!("{}: {} against {}", self.title, self.y.label, self.x.label),
        );
        heading.draw(&mut svg, left);
        legend.draw(&mut svg, (left, heading.height()));
        panel.draw(&mut svg, true);
        self.draw(&mut svg, &panel);
        Ok(svg.finish())
    }

    pub(crate) fn points(&self) -> impl Iterator<Item = &(f64, f64)> {
        self.series.iter().flat_map(|s| &s.points)
    }

    /// That there are curves, and as many intervals as points.
    pub(crate) fn check(&self) -> Result<()> {
        if self.series.is_empty() {
            return Err(Error::shape(format!("curves {:?}: there are none; needs at least one", self.title)));
        }
        for series in self.series {
            if !series.band.is_empty() && series.band.len() != series.points.len() {
                return Err(Error::shape(format!(
                    "curve {:?}: {} intervals for {} points; needs one per point, or none",
                    series.name,
                    series.band.len(),
                    series.points.len()
                )));
            }
        }
        let count = self.points().count();
        if count > MOST {
            return Err(Error::shape(format!("curves {:?}: {count} points; at most {MOST} are drawn", self.title)));
        }
        Ok(())
    }

    /// Both axes, and how many points cannot stand on them.
    pub(crate) fn axes(&self, across: Axis) -> Result<(Axis, Axis, usize)> {
        let bands = self.series.iter().flat_map(|s| &s.band).flat_map(|b| [b.0, b.1]);
        let up = self.y.axis(self.points().map(|p| p.1).chain(bands))?;
        // A position exists for what the axis can hold; what a given range cuts off is not "left out".
        let unusable =
            self.points().filter(|p| !(across.unbounded(p.0).is_finite() && up.unbounded(p.1).is_finite())).count();
        Ok((across, up, unusable))
    }

    /// Names of the curves, in rows of `width`.
    pub(crate) fn legend(&self, width: f64) -> Legend {
        let entries = self.series.iter().zip(looks(self.series)).filter(|(s, _)| !s.name.is_empty());
        let sign = |null, look: Look| Sign::Line(if null { "axis" } else { "series" }, look.colour, look.dash);
        Legend::new(entries.map(|(s, look)| (sign(s.null, look), s.name.clone())), width)
    }

    /// The curves over a panel that stands.
    pub(crate) fn draw(&self, svg: &mut Svg, panel: &Panel) {
        let looks = looks(self.series);
        for (series, look) in self.series.iter().zip(&looks) {
            area(svg, &band(panel, series), "series", look.colour, 0.18);
        }
        for (series, look) in self.series.iter().zip(&looks) {
            let d = panel.path(series.points.iter().copied());
            match series.null {
                true => layout::path(svg, &d, "axis", MUTED, 1.4, look.dash),
                false => layout::path(svg, &d, "series", look.colour, 1.8, look.dash),
            }
            if !series.null && series.points.len() <= DOTS {
                for place in series.points.iter().filter_map(|p| panel.place(p.0, p.1)) {
                    layout::dot(svg, place, 3.0, look.shape, "series", look.colour);
                }
            }
        }
    }
}

/// How a curve is told from the others.
#[derive(Debug, Clone, Copy)]
struct Look {
    colour: &'static str,
    dash: &'static str,
    /// Of its dots.
    shape: usize,
}

/// Curves of data have colours in turn, and dashes where these come round again; lines of reference differ in dashes alone.
fn looks(series: &[Series]) -> Vec<Look> {
    let (mut data, mut nulls) = (0, 0);
    let mut look = |series: &Series| match series.null {
        true => {
            nulls += 1;
            Look { colour: MUTED, dash: ["5 3", "1.5 2.5", "11 3 2 3"][(nulls - 1) % 3], shape: 0 }
        }
        false => {
            data += 1;
            let dash = ["", "7 3", "2 2.5", "8 3 2 3"][(data - 1) / layout::COLOURS.len() % 4];
            Look { colour: layout::colour(data - 1), dash, shape: data - 1 }
        }
    };
    series.iter().map(&mut look).collect()
}

/// The outline of a band, cut at the panel's edge; broken where an end is not a number.
fn band(panel: &Panel, series: &Series) -> String {
    let mut d = String::new();
    let (top, bottom) = (panel.y, panel.y + panel.height);
    let inside = |(x, y): (f64, f64)| (x, y.clamp(top, bottom));
    let mut run: Vec<((f64, f64), (f64, f64))> = Vec::new();
    let flush = |run: &mut Vec<((f64, f64), (f64, f64))>, d: &mut String| {
        if run.len() > 1 {
            let outline = run.iter().map(|r| r.1).chain(run.iter().rev().map(|r| r.0));
            for (index, (x, y)) in outline.enumerate() {
                d.push_str(&format!("{}{} {}", if index == 0 { "M" } else { "L" }, short(x), short(y)));
            }
            d.push('Z');
        }
        run.clear();
    };
    for (&(x, _), &(low, high)) in series.points.iter().zip(&series.band) {
        // The lower end of an interval may lie below a logarithmic axis: the band reaches its floor.
        let low = if panel.up.unbounded(low).is_nan() && low <= 0.0 { panel.up.low } else { low };
        let ends = (panel.anywhere(x, low), panel.anywhere(x, high));
        let numbers = [ends.0.0, ends.0.1, ends.1.0, ends.1.1].iter().all(|v| v.is_finite());
        match numbers && panel.across.position(x).is_some() {
            true => run.push((inside(ends.0), inside(ends.1))),
            false => flush(&mut run, &mut d),
        }
    }
    flush(&mut run, &mut d);
    d
}

/// The mean weight at each offset of causal rows that attend evenly to all they see: the null of a distance profile.
///
/// At offset d, the mean over the queries i >= d of 1 / (i + 1); n numbers for n positions.
pub fn uniform_causal(n: usize) -> Vec<f64> {
    let mut all = vec![0.0; n];
    let mut sum = 0.0;
    for offset in (0..n).rev() {
        sum += 1.0 / (offset + 1) as f64;
        all[offset] = sum / (n - offset) as f64;
    }
    all
}

/// Attention against distance: for each head the mean weight at offsets 0, 1, 2, ... (how many positions back), with the
/// line that evenly attending causal rows of as many positions would give.
///
/// `heads` holds a name and a weight an offset. On logarithmic axes offset 0, the token itself, has no place: the
/// curves begin at 1, and the figure says so.
///
/// # Errors
/// As [`Lines::svg`].
pub fn profile(title: &str, heads: &[(String, Vec<f64>)], log: bool) -> Result<String> {
    let first = usize::from(log);
    let curve = |values: &[f64]| -> Vec<(f64, f64)> {
        values.iter().enumerate().skip(first).map(|(offset, &v)| (offset as f64, v)).collect()
    };
    let mut series: Vec<Series> = heads.iter().map(|(name, values)| Series::new(name, curve(values))).collect();
    let longest = heads.iter().map(|h| h.1.len()).max().unwrap_or(0);
    if longest > 0 {
        let null = curve(&uniform_causal(longest));
        series.push(Series::new(format!("uniform over {longest} causal positions"), null).null());
    }
    let (x, y) = (Side::new("offset (positions back)"), Side::new("mean attention weight"));
    let (x, y) = if log { (x.log(), y.log()) } else { (x, y) };
    let notes = if log { vec!["the token itself (offset 0) is omitted (log axis)".to_string()] } else { Vec::new() };
    Lines { title, notes, x, y, series: &series }.svg()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_uniform_profile_is_that_of_uniform_rows() {
        let n = 7;
        let expected: Vec<f64> =
            (0..n).map(|d| (d..n).map(|i| 1.0 / (i + 1) as f64).sum::<f64>() / (n - d) as f64).collect();
        for (a, b) in uniform_causal(n).iter().zip(&expected) {
            assert!((a - b).abs() < 1e-15);
        }
        // All weights of all rows: n rows that sum to one.
        let total: f64 = uniform_causal(n).iter().enumerate().map(|(d, w)| w * (n - d) as f64).sum();
        assert!((total - n as f64).abs() < 1e-12);
        assert!(uniform_causal(0).is_empty());
    }

    #[test]
    fn what_cannot_be_drawn_is_counted_or_refused() {
        let series = [Series::new("a", vec![(0.0, 1.0), (1.0, f64::NAN), (2.0, 2.0), (3.0, f64::INFINITY)])];
        let lines = Lines { title: "t", notes: vec![], x: Side::new("x"), y: Side::new("y"), series: &series };
        assert!(lines.svg().unwrap().contains("2 non-finite values are left out"));
        assert!(Lines { series: &[], ..lines.clone() }.svg().unwrap_err().is_shape());
        let bands = [Series::new("a", vec![(0.0, 1.0)]).with_band(vec![(0.0, 1.0); 2])];
        assert!(Lines { series: &bands, ..lines.clone() }.svg().unwrap_err().is_shape());
        let none = [Series::new("a", vec![(f64::NAN, f64::NAN); 3])];
        let empty = Lines { series: &none, ..lines }.svg().unwrap();
        assert!(empty.contains("3 non-finite values are left out") && !empty.contains("NaN\""), "{empty}");
    }

    #[test]
    fn lines_of_reference_are_told_apart() {
        let line = |name: &str, x: f64| Series::new(name, vec![(x, 0.0), (x, 1.0)]).null();
        let series = [line("a", 0.2), line("b", 0.4), Series::new("c", vec![(0.0, 0.0), (1.0, 1.0)])];
        let lines = Lines { title: "t", notes: vec![], x: Side::new("x"), y: Side::new("y"), series: &series };
        let svg = lines.svg().unwrap();
        // Each in the legend and in the panel.
        assert_eq!((svg.matches("\"5 3\"").count(), svg.matches("\"1.5 2.5\"").count()), (2, 2), "{svg}");
    }

    #[test]
    fn a_profile_has_its_null_and_no_offset_zero_on_logarithmic_axes() {
        let heads = [("L0H0".to_string(), vec![0.5, 0.25, 0.125, 0.125])];
        let svg = profile("p", &heads, true).unwrap();
        assert!(
            svg.contains("uniform over 4 causal positions") && svg.contains("the token itself (offset 0) is omitted"),
            "{svg}"
        );
        assert!(profile("p", &[], true).unwrap_err().is_shape());
    }
}
