//! Axes with round numbers, and the panel between two of them.

use crate::canvas::layout::{LABEL, SMALL, path};
use crate::canvas::scale::{Spacing, labels, log_ticks, ticks};
use crate::canvas::svg::{Anchor, Svg, short};
use crate::canvas::text;
use attractor::{Error, Result};

/// What an axis measures, before its range is known.
#[derive(Debug, Clone, PartialEq)]
pub struct Side {
    /// What it measures, with its unit: "entropy (nats)".
    pub label: String,
    /// Linear or logarithmic.
    pub spacing: Spacing,
    /// Its ends; without them it holds the data.
    pub range: Option<(f64, f64)>,
}

impl Side {
    /// A linear axis that holds its data.
    pub fn new(label: impl Into<String>) -> Self {
        Self { label: label.into(), spacing: Spacing::Linear, range: None }
    }

    /// The same, logarithmic: what is not above zero cannot stand on it, is left out and counted.
    pub fn log(self) -> Self {
        Self { spacing: Spacing::Log, ..self }
    }

    /// The same, from `low` to `high`; what lies outside is left out.
    pub fn between(self, low: f64, high: f64) -> Self {
        Self { range: Some((low, high)), ..self }
    }

    /// The axis that holds `values`, with a little room at both ends.
    ///
    /// One meaning each: a single value stands in the middle, no finite value at all gives 0 to 1 (0.1 to 1 if
    /// logarithmic).
    pub(crate) fn axis(&self, values: impl IntoIterator<Item = f64>) -> Result<Axis> {
        let log = match self.spacing {
            Spacing::Linear => false,
            Spacing::Log => true,
            Spacing::Quantile => {
                return Err(Error::usage(format!(
                    "axis {:?}: spaced by rank; needs linear or logarithmic",
                    self.label
                )));
            }
        };
        let (low, high) = match self.range {
            Some((low, high)) => {
                let ordered = low.is_finite() && high.is_finite() && low < high && (high - low).is_finite();
                if !ordered || (log && low <= 0.0) {
                    let need = if log { "0 < low < high" } else { "low < high" };
                    return Err(Error::usage(format!(
                        "axis {:?}: from {low} to {high}; needs finite {need}",
                        self.label
                    )));
                }
                (low, high)
            }
            None => spanned(values, log),
        };
        Ok(Axis { label: self.label.clone(), log, low, high })
    }
}

/// The range of the values that can be shown, four percent wider at each end.
fn spanned(values: impl IntoIterator<Item = f64>, log: bool) -> (f64, f64) {
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for v in values.into_iter().filter(|v| v.is_finite() && (!log || *v > 0.0)) {
        // A quarter of the largest number: no margin beyond it overflows.
        let v = v.clamp(-f64::MAX / 4.0, f64::MAX / 4.0);
        (low, high) = (low.min(v), high.max(v));
    }
    match (low <= high, log) {
        (false, false) => (0.0, 1.0),
        (false, true) => (0.1, 1.0),
        (true, true) => {
            let room = if low < high { (high / low).powf(0.04) } else { 2.0 };
            ((low / room).max(f64::MIN_POSITIVE), high * room)
        }
        (true, false) => {
            // A range lost in rounding is a single value.
            let wide = high - low > 1e-12 * low.abs().max(high.abs());
            let room = match wide {
                true => 0.04 * (high - low),
                false if high == 0.0 => 0.5,
                false => 0.1 * high.abs(),
            };
            // Data that begins at zero, or near to it, begins at the axis.
            let floor = if wide && low >= 0.0 && low <= 0.1 * high { 0.0 } else { low - room };
            let ceiling = if wide && high <= 0.0 && high >= 0.1 * low { 0.0 } else { high + room };
            (floor, ceiling)
        }
    }
}

/// An axis whose range is known.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Axis {
    pub(crate) label: String,
    log: bool,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Axis {
    /// Where `value` lies in [0, 1]; `None` for what cannot stand on the axis.
    pub(crate) fn position(&self, value: f64) -> Option<f64> {
        if !value.is_finite() || (self.log && value <= 0.0) {
            return None;
        }
        let t = match self.log {
            true => (value / self.low).ln() / (self.high / self.low).ln(),
            false => (value - self.low) / (self.high - self.low),
        };
        // Rounding must not throw out what stands on an end.
        (-1e-9..=1.0 + 1e-9).contains(&t).then_some(t.clamp(0.0, 1.0))
    }

    /// The same without an end: for lines that leave the panel.
    pub(crate) fn unbounded(&self, value: f64) -> f64 {
        match self.log {
            true if value <= 0.0 => f64::NAN,
            true => (value / self.low).ln() / (self.high / self.low).ln(),
            false => (value - self.low) / (self.high - self.low),
        }
    }

    /// Round numbers with their texts, about `count` of them.
    pub(crate) fn ticks(&self, count: usize) -> Vec<(f64, String)> {
        let all = match self.log {
            true => log_ticks(self.low, self.high, count),
            false => ticks(self.low, self.high, count),
        };
        let inside: Vec<f64> = all.into_iter().filter(|&t| self.position(t).is_some()).collect();
        let texts = labels(&inside, if self.log { Spacing::Log } else { Spacing::Linear });
        inside.into_iter().zip(texts).collect()
    }

    /// Places of the small ticks of a logarithmic axis: 2 to 9 times each power of ten.
    fn minor(&self) -> Vec<f64> {
        let (first, last) = (self.low.log10().floor(), self.high.log10().ceil());
        // Over many decades they would be a grey band; within one the named ticks are enough.
        if !self.log || last - first > 8.0 {
            return Vec::new();
        }
        let decades = 0..(last - first) as i32;
        let all = decades.flat_map(|d| (2..10).map(move |m| f64::from(m) * 10f64.powf(first + f64::from(d))));
        all.filter_map(|t| self.position(t)).collect()
    }
}

/// The room between two axes, CSS pixels.
#[derive(Debug)]
pub(crate) struct Panel {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) across: Axis,
    pub(crate) up: Axis,
}

impl Panel {
    /// Room that the upper axis' numbers and label take to the left of the panel.
    pub(crate) fn left(up: &Axis, height: f64) -> f64 {
        let widest = up.ticks(count(height, 36.0)).iter().map(|t| text::width(&t.1) * SMALL).fold(0.0, f64::max);
        widest + 10.0 + if up.label.is_empty() { 4.0 } else { 22.0 }
    }

    /// Room that the lower axis takes below it.
    pub(crate) fn below(across: &Axis) -> f64 {
        if across.label.is_empty() { 22.0 } else { 40.0 }
    }

    /// A point in the figure; `None` for what is not in the panel.
    pub(crate) fn place(&self, x: f64, y: f64) -> Option<(f64, f64)> {
        Some((self.x + self.across.position(x)? * self.width, self.y + (1.0 - self.up.position(y)?) * self.height))
    }

    /// The same wherever it lies; NaN for what is nowhere.
    pub(crate) fn anywhere(&self, x: f64, y: f64) -> (f64, f64) {
        (self.x + self.across.unbounded(x) * self.width, self.y + (1.0 - self.up.unbounded(y)) * self.height)
    }

    /// A path through `points` (data), cut at the panel's edge and broken at what is not a number.
    pub(crate) fn path(&self, points: impl IntoIterator<Item = (f64, f64)>) -> String {
        let mut d = String::new();
        let mut before: Option<(f64, f64)> = None;
        let mut pen: Option<(f64, f64)> = None;
        for (x, y) in points {
            let here = self.anywhere(x, y);
            if !(here.0.is_finite() && here.1.is_finite()) {
                (before, pen) = (None, None);
                continue;
            }
            if let Some((a, b)) = before.and_then(|b| self.cut(b, here)) {
                if pen != Some(a) {
                    d.push_str(&format!("M{} {}", short(a.0), short(a.1)));
                }
                d.push_str(&format!("L{} {}", short(b.0), short(b.1)));
                pen = Some(b);
            }
            before = Some(here);
        }
        d
    }

    /// Length of a way through `points` as it is drawn, what lies nowhere left out.
    pub(crate) fn length(&self, points: &[(f64, f64)]) -> f64 {
        let places: Vec<(f64, f64)> = points.iter().filter_map(|&(x, y)| self.place(x, y)).collect();
        places.windows(2).map(|pair| (pair[1].0 - pair[0].0).hypot(pair[1].1 - pair[0].1)).sum()
    }

    /// The part of a segment that lies in the panel (Liang and Barsky 1984).
    fn cut(&self, a: (f64, f64), b: (f64, f64)) -> Option<((f64, f64), (f64, f64))> {
        let (dx, dy) = (b.0 - a.0, b.1 - a.1);
        let (mut enter, mut leave) = (0.0f64, 1.0f64);
        let sides = [
            (-dx, a.0 - self.x),
            (dx, self.x + self.width - a.0),
            (-dy, a.1 - self.y),
            (dy, self.y + self.height - a.1),
        ];
        for (step, room) in sides {
            match step == 0.0 {
                true if room < 0.0 => return None,
                true => {}
                false if step < 0.0 => enter = enter.max(room / step),
                false => leave = leave.min(room / step),
            }
        }
        let at = |t: f64| if t == 1.0 { b } else { (a.0 + t * dx, a.1 + t * dy) };
        (enter <= leave).then(|| (at(enter), at(leave)))
    }

    /// Grid, axes, numbers and labels. Data is drawn over it.
    pub(crate) fn draw(&self, svg: &mut Svg, grid: bool) {
        self.draw_across(svg, grid);
        self.draw_up(svg, grid);
    }

    /// The same for a panel that stands above another of the same lower axis: its numbers stand there.
    pub(crate) fn draw_above(&self, svg: &mut Svg) {
        let bottom = self.y + self.height;
        for (tick, _) in self.numbers_across() {
            let Some(t) = self.across.position(tick) else { continue };
            let x = self.x + t * self.width;
            grid_line(svg, (x, self.y), (x, bottom));
        }
        svg.line((self.x, bottom), (self.x + self.width, bottom));
        self.draw_up(svg, true);
    }

    /// The numbers of the lower axis; wide ones need more room between them.
    fn numbers_across(&self) -> Vec<(f64, String)> {
        let trial = self.across.ticks(count(self.width, 56.0));
        let wide = trial.iter().map(|t| text::width(&t.1) * SMALL).fold(0.0, f64::max);
        self.across.ticks(count(self.width, (wide + 22.0).max(48.0)))
    }

    /// The upright axis alone.
    pub(crate) fn draw_up(&self, svg: &mut Svg, grid: bool) {
        let (right, bottom) = (self.x + self.width, self.y + self.height);
        let numbers = self.up.ticks(count(self.height, 36.0));
        let mut widest: f64 = 0.0;
        for (tick, text) in &numbers {
            let Some(t) = self.up.position(*tick) else { continue };
            let y = bottom - t * self.height;
            if grid {
                grid_line(svg, (self.x, y), (right, y));
            }
            svg.line((self.x - 4.0, y), (self.x, y));
            svg.text((self.x - 7.0, y + 3.5), Anchor::End, SMALL, "ink", text);
            widest = widest.max(text::width(text) * SMALL);
        }
        for t in self.up.minor() {
            let y = bottom - t * self.height;
            svg.line((self.x - 2.0, y), (self.x, y));
        }
        svg.line((self.x, self.y), (self.x, bottom));
        if !self.up.label.is_empty() {
            let x = self.x - widest - 18.0;
            svg.rotated((x, self.y + self.height / 2.0), -90.0, Anchor::Middle, LABEL, "ink", &self.up.label);
        }
    }

    /// The lower axis alone.
    pub(crate) fn draw_across(&self, svg: &mut Svg, grid: bool) {
        let (right, bottom) = (self.x + self.width, self.y + self.height);
        for (tick, text) in self.numbers_across() {
            let Some(t) = self.across.position(tick) else { continue };
            let x = self.x + t * self.width;
            if grid {
                grid_line(svg, (x, self.y), (x, bottom));
            }
            svg.line((x, bottom), (x, bottom + 4.0));
            svg.text((x, bottom + 15.0), Anchor::Middle, SMALL, "ink", &text);
        }
        for t in self.across.minor() {
            let x = self.x + t * self.width;
            svg.line((x, bottom), (x, bottom + 2.0));
        }
        svg.line((self.x, bottom), (right, bottom));
        if !self.across.label.is_empty() {
            let middle = self.x + self.width / 2.0;
            svg.text((middle, bottom + 33.0), Anchor::Middle, LABEL, "ink", &self.across.label);
        }
    }
}

/// Ticks for a length, one every `room` CSS pixels.
fn count(length: f64, room: f64) -> usize {
    (length / room).clamp(2.0, 12.0) as usize
}

/// A line so faint that it does on any ground.
pub(crate) fn grid_line(svg: &mut Svg, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
    let d = format!("M{} {}L{} {}", short(x1), short(y1), short(x2), short(y2));
    svg.element(
        "path",
        &[
            ("class", &"grid"),
            ("d", &d),
            ("fill", &"none"),
            ("stroke", &"#888"),
            ("stroke-opacity", &"0.22"),
            ("stroke-width", &"0.75"),
        ],
    );
}

/// A line of reference across the panel, dashed.
pub(crate) fn reference(svg: &mut Svg, from: (f64, f64), to: (f64, f64)) {
    reference_dashed(svg, from, to, DASHES[0]);
}

/// Dashes of several lines of reference in one figure, in their order.
pub(crate) const DASHES: [&str; 4] = ["5 3", "1.5 2.5", "9 3 2 3", "3 5"];

/// The same with other dashes, where there are several.
pub(crate) fn reference_dashed(svg: &mut Svg, from: (f64, f64), to: (f64, f64), dashes: &'static str) {
    let d = format!("M{} {}L{} {}", short(from.0), short(from.1), short(to.0), short(to.1));
    path(svg, &d, "axis", crate::canvas::layout::MUTED, 1.2, dashes);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel(across: Axis, up: Axis) -> Panel {
        Panel { x: 100.0, y: 0.0, width: 100.0, height: 100.0, across, up }
    }

    fn unit() -> Axis {
        Side::new("").between(0.0, 1.0).axis([]).unwrap()
    }

    #[test]
    fn data_without_a_range_has_one_meaning() {
        let range = |side: Side, values: &[f64]| {
            let axis = side.axis(values.iter().copied()).unwrap();
            (axis.low, axis.high)
        };
        let (linear, log) = (Side::new("x"), Side::new("x").log());
        assert_eq!(range(linear.clone(), &[]), (0.0, 1.0));
        assert_eq!(range(linear.clone(), &[f64::NAN, f64::INFINITY]), (0.0, 1.0));
        assert_eq!(range(linear.clone(), &[0.0, 0.0]), (-0.5, 0.5));
        assert_eq!(range(linear.clone(), &[-3.0, -3.0]), (-3.3, -2.7));
        assert_eq!(range(linear.clone(), &[0.0, 10.0]), (0.0, 10.4));
        assert_eq!(range(log.clone(), &[-1.0, 0.0]), (0.1, 1.0));
        assert_eq!(range(log.clone(), &[4.0]), (2.0, 8.0));
        let (low, high) = range(linear, &[f64::MIN, f64::MAX]);
        assert!(low.is_finite() && high.is_finite() && (high - low).is_finite());
        for (low, high) in [(1.0, 1.0), (f64::NAN, 1.0), (2.0, 1.0)] {
            assert!(Side::new("x").between(low, high).axis([]).unwrap_err().is_usage());
        }
        assert!(log.between(0.0, 1.0).axis([]).unwrap_err().is_usage());
    }

    #[test]
    fn numbers_of_an_axis_have_the_same_places() {
        let axis = Side::new("").between(0.0, 1.0).axis([]).unwrap();
        let text: Vec<String> = axis.ticks(5).into_iter().map(|t| t.1).collect();
        assert_eq!(text, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        let axis = Side::new("").between(-200.0, 100.0).axis([]).unwrap();
        assert_eq!(axis.ticks(3).into_iter().map(|t| t.1).collect::<Vec<_>>(), ["−200", "−100", "0", "100"]);
        let axis = Side::new("").log().between(1e-5, 0.1).axis([]).unwrap();
        assert_eq!(
            axis.ticks(5).into_iter().map(|t| t.1).collect::<Vec<_>>(),
            ["10⁻⁵", "10⁻⁴", "10⁻³", "10⁻²", "10⁻¹"]
        );
    }

    #[test]
    fn points_stand_where_the_numbers_say() {
        let axis = Side::new("").log().between(1.0, 100.0).axis([]).unwrap();
        let panel = panel(axis, unit());
        assert_eq!(panel.place(10.0, 0.25), Some((150.0, 75.0)));
        assert_eq!((panel.place(0.0, 0.5), panel.place(200.0, 0.5), panel.place(5.0, f64::NAN)), (None, None, None));
    }

    #[test]
    fn lines_end_at_the_edge_and_break_where_a_value_is_not_a_number() {
        let panel = panel(unit(), unit());
        assert_eq!(panel.path([(-1.0, 0.5), (0.5, 0.5), (0.5, 3.0)]), "M100 50L150 50L150 0");
        assert_eq!(panel.path([(0.0, 0.0), (f64::NAN, 0.0), (0.5, 0.5), (1.0, 0.5)]), "M150 50L200 50");
        assert_eq!(panel.path([(-1.0, 2.0), (2.0, 2.0)]), "");
        // In, out and in again: two strokes.
        assert_eq!(panel.path([(0.5, 0.5), (0.5, 1.5), (0.8, 1.5), (0.8, 0.5)]).matches('M').count(), 2);
    }
}
